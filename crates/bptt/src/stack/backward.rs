//! The sweep backward: one layer, one direction, all sequences of a group, from the last step to the first.
//!
//! `d_h_t` is what comes from above, plus what the next step sends back: `W_hhᵀ·δ_{t+1}`, and what passes its gates by.
//! The cell turns it into the deltas of its gates, which take the place of what it kept. (The next step is the one after
//! `t` on the sweep's way; for a reverse sweep that is `t − 1`.)

use super::forward::{Way, tile_rows, two_rows};
use super::rows::Rows;
use super::wide::Units;
use crate::Float;
use crate::cell::recurrence::{MOST_KEPT, Recurrence};
use crate::kernel::level::{Isa, Kernel};
use crate::kernel::panel::panel;
use crate::kernel::tile::{next_row, unroll};
use crate::kernel::vector::Vector;

/// The sweep.
pub(crate) struct Backward<'a, T, C> {
    pub cell: C,
    pub rows: Rows<'a>,
    pub way: Way,
    /// `H` and `P`
    pub sizes: (usize, usize),
    /// `weight_hh` output-major. (G·H, P)
    pub hidden_t: &'a [T],
    /// What forward kept; becomes the deltas. (rows, KEPT·P)
    pub kept: &'a mut [T],
    /// The gradient of the outputs: (rows, width), of which columns from `column` on are this direction's.
    pub d_outputs: &'a [T],
    pub width: usize,
    pub column: usize,
    /// Gradients that pass the gates by. (sequences, 2·P)
    pub carried: &'a mut [T],
}

impl<T: Float, C: Recurrence> Kernel for Backward<'_, T, C> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { rows, way, sizes: (h, p), width, column, .. } = self;
        let (group, steps) = (rows.width(), rows.steps());
        let kept_len = group * C::KEPT * p;
        self.carried[..group * 2 * p].fill(T::ZERO);
        for step in 0..steps {
            let t = if way.reverse { step } else { steps - 1 - step };
            let active = rows.active(t);
            let (now, next) = two_rows(&mut *self.kept, way.row(t), way.next(t), kept_len);
            // Sums over all rows need not know which sequences have ended.
            for ended in active..group {
                let row = &mut now[ended * C::KEPT * p..][..C::KEPT * p];
                row[..C::DELTAS * p].fill(T::ZERO);
                // Beside a delta of 0 stands what another batch left: 0 times its NaN, if it diverged, would be NaN.
                row[(C::KEPT - 1) * p..].fill(T::ZERO);
            }
            let d_outputs = &self.d_outputs[t * group * width..(t + 1) * group * width];
            let (cell, hidden_t, carried) = (self.cell, self.hidden_t, &mut *self.carried);
            // The row after the last step is none.
            let sum = if step == 0 { 0 } else { h };
            let mut tile =
                Tile { cell, sizes: (h, p), sum, hidden_t, now, next, d_outputs, width, column, carried };
            let mut m = 0;
            while m < active {
                if const { tile_rows(S::REGISTERS, 4) == 4 } && m + 4 <= active {
                    tile.rows::<S, 4>(m);
                    m += 4;
                } else if const { tile_rows(S::REGISTERS, 4) == 2 } && m + 2 <= active {
                    tile.rows::<S, 2>(m);
                    m += 2;
                } else {
                    tile.rows::<S, 1>(m);
                    m += 1;
                }
            }
        }
    }
}

/// One step.
pub(super) struct Tile<'a, T, C> {
    pub cell: C,
    /// `H` and `P`
    pub sizes: (usize, usize),
    /// `H`, or 0 where no step comes after this one.
    pub sum: usize,
    pub hidden_t: &'a [T],
    pub now: &'a mut [T],
    pub next: &'a [T],
    pub d_outputs: &'a [T],
    pub width: usize,
    pub column: usize,
    pub carried: &'a mut [T],
}

/// The cell for a panel of units of a step, from sums that are there already.
pub(super) struct CellsBack<'a, T, C> {
    pub step: Tile<'a, T, C>,
    pub units: Units,
    /// `d_h_t`, but for what passes the gates by. (sequences, panel)
    pub sums: &'a [T],
}

impl<T: Float, C: Recurrence> Kernel for CellsBack<'_, T, C> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { mut step, units: Units { active, first, count }, sums } = self;
        for m in 0..active {
            let mut n = 0;
            while n < count {
                let mut d_hidden = T::Vector::<S>::load(sums, m * panel::<T>() + n);
                if const { C::SKIPS } {
                    let carried = T::Vector::<S>::load(step.carried, m * 2 * step.sizes.1 + first + n);
                    d_hidden = d_hidden.add(carried);
                }
                step.cell::<S>(m, first + n, d_hidden);
                n += T::Vector::<S>::LANES;
            }
        }
    }
}

impl<T: Float, C: Recurrence> Tile<'_, T, C> {
    /// `M` sequences from `m` on.
    #[inline(always)]
    fn rows<S: Isa, const M: usize>(&mut self, m: usize) {
        let mut n = 0;
        while n < self.sizes.0 {
            self.units::<S, M>(m, n);
            n += T::Vector::<S>::LANES;
        }
    }

    /// One register of units of `M` sequences.
    #[inline(always)]
    fn units<S: Isa, const M: usize>(&mut self, first: usize, n: usize) {
        let d_hidden = self.sums::<S, M>(first, n);
        unroll!(|m| in M => self.cell::<S>(first + m, n, d_hidden[m]));
    }

    /// The cell, for one register of units of sequence `m`.
    #[inline(always)]
    fn cell<S: Isa>(&mut self, m: usize, n: usize, d_hidden: T::Vector<S>) {
        let p = self.sizes.1;
        let zero = T::Vector::<S>::splat(T::ZERO);
        let now = &mut self.now[m * C::KEPT * p..][..C::KEPT * p];
        let carried = &mut self.carried[m * 2 * p..][..2 * p];
        let mut kept = [zero; MOST_KEPT];
        unroll!(|piece| in 8: C::KEPT - 1 => {
            kept[piece] = T::Vector::<S>::load(now, piece * p + n);
        });
        let past = T::Vector::<S>::load(now, (C::KEPT - 1) * p + n);
        let d_memory = if const { C::MEMORY } { T::Vector::<S>::load(carried, p + n) } else { zero };
        let step = self.cell.backward::<T, T::Vector<S>>(kept, past, d_hidden, d_memory);
        unroll!(|piece| in C::DELTAS => {
            step.delta[piece].store(now, piece * p + n);
        });
        if const { C::SKIPS } {
            step.past.store(carried, n);
        }
        if const { C::MEMORY } {
            step.memory.store(carried, p + n);
        }
    }

    /// `d_h_t`.
    #[inline(always)]
    fn sums<S: Isa, const M: usize>(&self, first: usize, n: usize) -> [T::Vector<S>; M] {
        let (h, p) = self.sizes;
        let zero = T::Vector::<S>::splat(T::ZERO);
        let mut chains = [[zero; 4]; M];
        let mut rows = [self.next; M];
        unroll!(|m| in M => {
            rows[m] = &self.next[(first + m) * C::KEPT * p..][..C::DELTAS * p];
            chains[m][0] = T::Vector::<S>::load(self.d_outputs, (first + m) * self.width + self.column + n);
            if const { C::SKIPS } {
                chains[m][1] = T::Vector::<S>::load(self.carried, (first + m) * 2 * p + n);
            }
        });
        unroll!(|g| in C::GATES => {
            let mut weights = &self.hidden_t[g * h * p..(g + 1) * h * p];
            let mut delta = rows;
            unroll!(|m| in M => delta[m] = &rows[m][C::HIDDEN[g] * p..][..self.sum]);
            let mut k = 0;
            while k + 4 <= self.sum {
                unroll!(|c| in 4 => {
                    let weight = T::Vector::<S>::load(next_row(&mut weights, p), n);
                    unroll!(|m| in M => {
                        chains[m][c] = T::Vector::<S>::splat(delta[m][k + c]).mul_add(weight, chains[m][c]);
                    });
                });
                k += 4;
            }
            unroll!(|c| in 3 => if k + c < self.sum {
                let weight = T::Vector::<S>::load(next_row(&mut weights, p), n);
                unroll!(|m| in M => {
                    chains[m][c] = T::Vector::<S>::splat(delta[m][k + c]).mul_add(weight, chains[m][c]);
                });
            });
        });
        let mut sums = [zero; M];
        unroll!(|m| in M => {
            let [first, second, third, fourth] = chains[m];
            sums[m] = first.add(third).add(second.add(fourth));
        });
        sums
    }
}

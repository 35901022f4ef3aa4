//! The sweep forward: one layer, one direction, all sequences of a group, step by step.
//!
//! What a step keeps lies in one row: the cell's pieces, then `h_{t−1}`, each `P` long. A step writes its `h_t` into the
//! row of the step that comes next, where it is `h_{t−1}`; the last one's is the final state. So no state has to be moved,
//! and initial states, the way backwards and ragged groups need no cases of their own.

use super::rows::Rows;
use super::wide::Units;
use crate::Float;
use crate::cell::recurrence::{Inputs, MOST_GATES, Recurrence};
use crate::kernel::level::{Isa, Kernel};
use crate::kernel::panel::panel;
use crate::kernel::tile::{next_row, unroll};
use crate::kernel::vector::Vector;

/// Where the row of each timestep is: a reverse sweep leaves the first one for its final states.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    pub reverse: bool,
}

impl Way {
    /// The row (in units of sequences) of timestep `t`.
    #[inline(always)]
    pub fn row(self, t: usize) -> usize {
        t + usize::from(self.reverse)
    }

    /// The row of the step after `t`, on this way.
    #[inline(always)]
    pub fn next(self, t: usize) -> usize {
        t + usize::from(!self.reverse)
    }
}

/// The rows of a step and of the one after it.
#[inline(always)]
pub(super) fn two_rows<T>(kept: &mut [T], row: usize, next: usize, len: usize) -> (&mut [T], &mut [T]) {
    if row < next {
        let (first, second) = kept.split_at_mut(next * len);
        (&mut first[row * len..], second)
    } else {
        let (first, second) = kept.split_at_mut(row * len);
        (second, &mut first[next * len..])
    }
}

/// How many rows a tile has, whose sums take `sums` registers each: half of all registers are for sums.
pub(super) const fn tile_rows(registers: usize, sums: usize) -> usize {
    let rows = registers / 2 / sums;
    if rows >= 4 {
        4
    } else if rows >= 2 {
        2
    } else {
        1
    }
}

/// The sweep; the projections of the inputs are already where the gates' pieces will be.
pub(crate) struct Forward<'a, T, C> {
    pub cell: C,
    pub rows: Rows<'a>,
    pub way: Way,
    /// `H` and `P`
    pub sizes: (usize, usize),
    /// From (H, G·P) on, to the end of the parameters.
    pub weight_hh: &'a [T],
    /// The hidden half of a split gate's bias. (P)
    pub bias: &'a [T],
    /// (P)
    pub mask: &'a [T],
    /// (rows, KEPT·P)
    pub kept: &'a mut [T],
    /// `h_t` for the layer above: (rows, width), of which columns from `column` on are this direction's.
    pub outputs: &'a mut [T],
    pub width: usize,
    pub column: usize,
}

impl<T: Float, C: Recurrence> Kernel for Forward<'_, T, C> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { rows, way, sizes: (h, p), width, column, .. } = self;
        let group = rows.width();
        let kept_len = group * C::KEPT * p;
        for step in 0..rows.steps() {
            let t = if way.reverse { rows.steps() - 1 - step } else { step };
            let active = rows.active(t);
            let (now, next) = two_rows(&mut *self.kept, way.row(t), way.next(t), kept_len);
            let outputs = &mut self.outputs[t * group * width..(t + 1) * group * width];
            let mut tile = Tile {
                cell: self.cell,
                sizes: (h, p),
                weight_hh: self.weight_hh,
                bias: self.bias,
                mask: self.mask,
                now,
                next,
                outputs,
                width,
                column,
            };
            let mut m = 0;
            while m < active {
                if const { tile_rows(S::REGISTERS, C::GATES * C::CHAINS) == 4 } && m + 4 <= active {
                    tile.rows::<S, 4>(m);
                    m += 4;
                } else if const { tile_rows(S::REGISTERS, C::GATES * C::CHAINS) == 2 } && m + 2 <= active {
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
    pub weight_hh: &'a [T],
    pub bias: &'a [T],
    pub mask: &'a [T],
    pub now: &'a mut [T],
    pub next: &'a mut [T],
    pub outputs: &'a mut [T],
    pub width: usize,
    pub column: usize,
}

/// The cell for a panel of units of a step, from sums that are there already.
pub(super) struct Cells<'a, T, C> {
    pub step: Tile<'a, T, C>,
    pub units: Units,
    /// (sequences, G, panel)
    pub sums: &'a [T],
}

impl<T: Float, C: Recurrence> Kernel for Cells<'_, T, C> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { mut step, units: Units { active, first, count }, sums } = self;
        for m in 0..active {
            let sums = &sums[m * C::GATES * panel::<T>()..][..C::GATES * panel::<T>()];
            let mut n = 0;
            while n < count {
                let mut gates = [T::Vector::<S>::splat(T::ZERO); MOST_GATES];
                unroll!(|g| in C::GATES => gates[g] = T::Vector::<S>::load(sums, g * panel::<T>() + n));
                step.cell::<S>(m, first + n, gates);
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
        let sums = self.sums::<S, M>(first, n);
        unroll!(|m| in M => self.cell::<S>(first + m, n, sums[m]));
    }

    /// The cell, for one register of units of sequence `m`.
    #[inline(always)]
    fn cell<S: Isa>(&mut self, m: usize, n: usize, sums: [T::Vector<S>; MOST_GATES]) {
        let p = self.sizes.1;
        let mask = T::Vector::<S>::load(self.mask, n);
        let now = &mut self.now[m * C::KEPT * p..][..C::KEPT * p];
        let next = &mut self.next[m * C::KEPT * p..][..C::KEPT * p];
        let past = T::Vector::<S>::load(now, (C::KEPT - 1) * p + n);
        let input = if const { C::SPLIT } { T::Vector::<S>::load(now, (C::GATES - 1) * p + n) } else { past };
        let memory =
            if const { C::MEMORY } { T::Vector::<S>::load(now, (C::KEPT - 2) * p + n) } else { past };
        let step = self.cell.forward::<T, T::Vector<S>>(Inputs { sums, input, past, memory, mask });
        unroll!(|piece| in 8: C::KEPT - 1 - (C::MEMORY as usize) => {
            step.kept[piece].store(now, piece * p + n);
        });
        step.hidden.store(next, (C::KEPT - 1) * p + n);
        if const { C::MEMORY } {
            step.memory.store(next, (C::KEPT - 2) * p + n);
        }
        step.hidden.store(self.outputs, m * self.width + self.column + n);
    }

    /// The sums of the gates: `A + h_{t−1}·W_hh`.
    #[inline(always)]
    fn sums<S: Isa, const M: usize>(&self, first: usize, n: usize) -> [[T::Vector<S>; MOST_GATES]; M] {
        let (h, p) = self.sizes;
        let zero = T::Vector::<S>::splat(T::ZERO);
        // Of each sequence and gate, up to 4 chains.
        let mut chains = [[[zero; 4]; MOST_GATES]; M];
        let mut past = [&self.now[..0]; M];
        unroll!(|m| in M => {
            let now = &self.now[(first + m) * C::KEPT * p..][..C::KEPT * p];
            past[m] = &now[(C::KEPT - 1) * p..][..h];
            unroll!(|g| in C::GATES => {
                chains[m][g][0] = if C::SPLIT && g == C::GATES - 1 {
                    T::Vector::<S>::load(self.bias, n)
                } else {
                    T::Vector::<S>::load(now, g * p + n)
                };
            });
        });
        let mut weights = &self.weight_hh[..h * C::GATES * p];
        let mut k = 0;
        while k + 4 <= h {
            unroll!(|c| in 4 => {
                let weights = next_row(&mut weights, C::GATES * p);
                unroll!(|g| in C::GATES => {
                    let weight = T::Vector::<S>::load(weights, g * p + n);
                    unroll!(|m| in M => {
                        let chain = &mut chains[m][g][c % C::CHAINS];
                        *chain = T::Vector::<S>::splat(past[m][k + c]).mul_add(weight, *chain);
                    });
                });
            });
            k += 4;
        }
        unroll!(|c| in 3 => if k + c < h {
            let weights = next_row(&mut weights, C::GATES * p);
            unroll!(|g| in C::GATES => {
                let weight = T::Vector::<S>::load(weights, g * p + n);
                unroll!(|m| in M => {
                    let chain = &mut chains[m][g][c % C::CHAINS];
                    *chain = T::Vector::<S>::splat(past[m][k + c]).mul_add(weight, *chain);
                });
            });
        });
        let mut sums = [[zero; MOST_GATES]; M];
        unroll!(|m| in M => unroll!(|g| in C::GATES => {
            let [first, second, third, fourth] = chains[m][g];
            sums[m][g] = if const { C::CHAINS == 4 } {
                first.add(third).add(second.add(fourth))
            } else {
                first.add(second)
            };
        }));
        sums
    }
}

//! The sweep back of a block of sequences abreast.

use super::{Room, alive, lengths};
use crate::Float;
use crate::cell::recurrence::{MOST_KEPT, Recurrence};
use crate::kernel::level::{Isa, Kernel};
use crate::kernel::tile::unroll;
use crate::kernel::vector::Vector;
use crate::stack::Buffers;
use crate::stack::forward::{Way, two_rows};
use crate::stack::pass::Pass;

impl<T: Float> Pass<'_, T> {
    /// Back through one layer in one direction: what its steps kept becomes their deltas.
    pub(super) fn sweep_back_abreast<S: Isa, C: Recurrence>(
        &self,
        cell: C,
        layer: usize,
        direction: usize,
        buffers: &mut Buffers<T>,
    ) {
        let Self { stack, rows, .. } = *self;
        let place = stack.place::<T>(layer, direction);
        let (at, len) = self.kept_of::<S, C>(layer * stack.directions() + direction, buffers);
        let room = Room::new(&stack, rows.steps()).cut(&mut buffers.lanes, T::Vector::<S>::LANES);
        S::call(SweepBack {
            cell,
            way: Way { reverse: direction == 1 },
            steps: rows.steps(),
            lengths: rows.lengths,
            sizes: (stack.hidden, stack.stride::<T>()),
            weight_hh: &self.flat[place.weight_hh..place.bias_ih],
            kept: &mut buffers.kept[at..at + len],
            d_outputs: room.d_outputs,
            columns: (stack.directions() * stack.hidden, direction * stack.hidden),
            carried: room.carried,
        });
    }
}

/// The sweep back.
struct SweepBack<'a, T, C> {
    pub cell: C,
    pub way: Way,
    pub steps: usize,
    pub lengths: &'a [usize],
    /// `H`, `P`
    pub sizes: (usize, usize),
    /// (H, G·P)
    pub weight_hh: &'a [T],
    /// (T + 1, KEPT, H, L); becomes the deltas.
    pub kept: &'a mut [T],
    /// (T, D·H, L)
    pub d_outputs: &'a [T],
    /// `D·H`, and where this direction's part begins.
    pub columns: (usize, usize),
    /// Room for (2, H, L).
    pub carried: &'a mut [T],
}

impl<T: Float, C: Recurrence> Kernel for SweepBack<'_, T, C> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(mut self) {
        let h = self.sizes.0;
        let lengths = lengths::<T, S>(self.lengths);
        self.carried.fill(T::ZERO);
        for step in 0..self.steps {
            let t = if self.way.reverse { step } else { self.steps - 1 - step };
            let mut n = 0;
            while n < h {
                if n + 4 <= h {
                    self.units::<S, 4>((t, lengths), step == 0, n);
                    n += 4;
                } else {
                    self.units::<S, 1>((t, lengths), step == 0, n);
                    n += 1;
                }
            }
        }
    }
}

impl<T: Float, C: Recurrence> SweepBack<'_, T, C> {
    /// `N` units from `n` on of one step; the `first` has no step after it.
    #[inline(always)]
    fn units<S: Isa, const N: usize>(&mut self, (t, lengths): (usize, T::Vector<S>), first: bool, n: usize) {
        let (h, p) = self.sizes;
        let lanes = T::Vector::<S>::LANES;
        let len = C::KEPT * h * lanes;
        let (now, next) = two_rows(&mut *self.kept, self.way.row(t), self.way.next(t), len);
        let (now, next) = (&mut now[..len], &next[..len]);
        let zero = T::Vector::<S>::splat(T::ZERO);
        let d_outputs = &self.d_outputs[(t * self.columns.0 + self.columns.1 + n) * lanes..][..N * lanes];
        // Two chains for each unit: a single one would wait for the multiplier.
        let mut sums = [[zero; 2]; N];
        unroll!(|unit| in N => {
            sums[unit][0] = T::Vector::<S>::load(d_outputs, unit * lanes);
            if const { C::SKIPS } {
                sums[unit][1] = T::Vector::<S>::load(self.carried, (n + unit) * lanes);
            }
        });
        if !first {
            unroll!(|g| in C::GATES => {
                let deltas = &next[C::HIDDEN[g] * h * lanes..][..h * lanes];
                let mut weights = [&self.weight_hh[..0]; N];
                unroll!(|unit| in N => weights[unit] = &self.weight_hh[((n + unit) * C::GATES + g) * p..][..h]);
                #[allow(clippy::needless_range_loop)] // An adapter would be a function of its own.
                for j in 0..h {
                    let delta = T::Vector::<S>::load(deltas, j * lanes);
                    unroll!(|unit| in N => {
                        let weight = T::Vector::<S>::splat(weights[unit][j]);
                        sums[unit][g % 2] = delta.mul_add(weight, sums[unit][g % 2]);
                    });
                }
            });
        }
        #[allow(clippy::needless_range_loop)] // An adapter would be a function of its own.
        for unit in 0..N {
            let at = |piece: usize| (piece * h + n + unit) * lanes;
            let mut kept = [zero; MOST_KEPT];
            unroll!(|piece| in 8: C::KEPT - 1 => kept[piece] = T::Vector::<S>::load(now, at(piece)));
            let past = T::Vector::<S>::load(now, at(C::KEPT - 1));
            let d_memory = if const { C::MEMORY } { T::Vector::<S>::load(self.carried, at(1)) } else { zero };
            let d_hidden = sums[unit][0].add(sums[unit][1]);
            let step = self.cell.backward::<T, T::Vector<S>>(kept, past, d_hidden, d_memory);
            unroll!(|piece| in C::DELTAS => alive::<T, S>(t, lengths, step.delta[piece]).store(now, at(piece)));
            if const { C::SKIPS } {
                alive::<T, S>(t, lengths, step.past).store(self.carried, at(0));
            }
            if const { C::MEMORY } {
                alive::<T, S>(t, lengths, step.memory).store(self.carried, at(1));
            }
        }
    }
}

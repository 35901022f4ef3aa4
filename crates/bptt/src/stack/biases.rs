//! The gradients of the biases.

use crate::Float;
use crate::cell::recurrence::Shape;
use crate::kernel::level::{Isa, Kernel};
use crate::kernel::panel::Picked;
use crate::kernel::tile::{add, for_blocks, load, unroll, zero};
use crate::kernel::vector::Vector;

/// `d_b_ih += Σ δ`, `d_b_hh += Σ δ` with the deltas that `W_hh` sees.
pub(super) struct Biases<'a, T, C> {
    pub deltas: Picked<'a, T>,
    pub rows: usize,
    pub h: usize,
    pub p: usize,
    /// (2, G·P)
    pub gradient: &'a mut [T],
    pub cell: std::marker::PhantomData<C>,
}

impl<T: Float, C: Shape> Kernel for Biases<'_, T, C> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    #[allow(unconditional_panic)] // Of what `unroll` writes out and then leaves out.
    fn run<S: Isa>(mut self) {
        let lanes = T::Vector::<S>::LANES;
        for_blocks!(T, S, C::DELTAS * self.p, 4 or 1, |at, R| {
            let mut sums = zero::<T, S, R>();
            for row in 0..self.rows {
                sums = add::<T, S, R>(sums, load::<T, S, R>(self.deltas.row(row, at), 0));
            }
            unroll!(|r| in R => self.add_to::<S>(at + r * lanes, sums[r]));
        });
    }
}

impl<T: Float, C: Shape> Biases<'_, T, C> {
    /// Adds a register of sums, those from column `at` of the deltas on, to the biases that they belong to.
    #[inline(always)]
    fn add_to<S: Isa>(&mut self, at: usize, sums: T::Vector<S>) {
        let (piece, column) = (at / self.p, at % self.p);
        // Beyond the last unit's register may stand what another way left ([`super::narrow`]).
        if column >= self.h {
            return;
        }
        for gate in 0..C::GATES {
            if gate == piece {
                let at = gate * self.p + column;
                T::Vector::<S>::load(self.gradient, at).add(sums).store(self.gradient, at);
            }
            if C::HIDDEN[gate] == piece {
                let at = (C::GATES + gate) * self.p + column;
                T::Vector::<S>::load(self.gradient, at).add(sums).store(self.gradient, at);
            }
        }
    }
}

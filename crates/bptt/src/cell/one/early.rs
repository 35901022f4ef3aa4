//! What of the gradient of the inputs' weights is summed up in the shadow of the sweep back.

#![allow(unconditional_panic)] // Of what `unroll` writes out and then leaves out.

use std::marker::PhantomData;

use super::Place;
use crate::Float;
use crate::dim::Dim;
use crate::kernel::blocks::{BLOCK, Blocks, EARLY, GROUPS};
use crate::kernel::level::Isa;
use crate::kernel::sweep::Lanes;
use crate::kernel::tile::{Block, add, fma, load, store, unroll, zero};
use crate::kernel::vector::Vector;

/// Sums that a sweep back makes by the way.
pub(super) trait Early<T: Float, S: Isa, const R: usize> {
    /// Adds what a timestep gives: `δ_t` and `x_t (I)`.
    fn sum(&mut self, delta: Block<T, S, R>, x: &[T]);
    /// Adds the sums to the weights.
    fn add(self, place: &mut Place<'_, '_, T>);
}

/// None.
pub(super) struct NotEarly;

impl<T: Float, S: Isa, const R: usize> Early<T, S, R> for NotEarly {
    #[inline(always)]
    fn sum(&mut self, _delta: Block<T, S, R>, _x: &[T]) {}
    #[inline(always)]
    fn add(self, _place: &mut Place<'_, '_, T>) {}
}

/// The gradient of the first rows of the weights.
pub(super) struct EarlyRows<T: Float, S: Isa, I, H> {
    sums: [Block<T, S, 1>; 16],
    /// Between rows of the weights.
    stride: usize,
    sizes: PhantomData<(I, H)>,
}

impl<T: Float, S: Isa, I: Dim, H: Dim> EarlyRows<T, S, I, H> {
    /// How many: as many as there are registers, where the permutations and two rows of the sweep's chains have theirs.
    pub const COUNT: usize = {
        let lanes = T::Vector::<S>::LANES;
        // A vector and a half counts for two, and has the permutations of one.
        let (lanes, registers) = if lanes > T::LINE { (lanes / 2, 2) } else { (lanes, 1) };
        let lanes = if size_of::<Lanes<T, S>>() == 0 {
            0
        } else if H::IS_CONST && H::KNOWN < lanes {
            H::KNOWN
        } else {
            lanes
        };
        let most = if I::IS_CONST && I::KNOWN < 14 { I::KNOWN } else { 14 };
        let room = (32 - lanes - 8) / registers;
        if S::REGISTERS <= 16 {
            0
        } else if room < most {
            room
        } else {
            most
        }
    };

    #[inline(always)]
    pub fn new(stride: usize) -> Self {
        Self { sums: [zero::<T, S, 1>(); 16], stride, sizes: PhantomData }
    }
}

impl<T: Float, S: Isa, I: Dim, H: Dim> Early<T, S, 1> for EarlyRows<T, S, I, H> {
    #[inline(always)]
    fn sum(&mut self, delta: Block<T, S, 1>, x: &[T]) {
        let x = &x[..Self::COUNT];
        unroll!(|k| in 16: Self::COUNT => fma::<T, S, 1>(&mut self.sums[k], x[k], delta));
    }
    #[inline(always)]
    fn add(self, place: &mut Place<'_, '_, T>) {
        let stride = self.stride;
        let rows = &mut place.target.weight_ih[..Self::COUNT * stride];
        unroll!(|k| in 16: Self::COUNT => {
            let sum = add::<T, S, 1>(load::<T, S, 1>(rows, k * stride), self.sums[k]);
            store::<T, S, 1>(rows, k * stride, sum);
        });
    }
}

/// The gradient of the first blocks of the inputs' weights, which share no input with another.
pub(super) struct EarlyBlocks<T: Float, S: Isa, I, H> {
    sums: [[T::Vector<S>; GROUPS]; EARLY],
    blocks: Blocks<I, H>,
}

impl<T: Float, S: Isa, I: Dim, H: Dim> EarlyBlocks<T, S, I, H> {
    #[inline(always)]
    pub fn new(blocks: Blocks<I, H>) -> Self {
        Self { sums: [[T::Vector::<S>::splat(T::ZERO); GROUPS]; EARLY], blocks }
    }
}

impl<T: Float, S: Isa, I: Dim, H: Dim> Early<T, S, 1> for EarlyBlocks<T, S, I, H> {
    #[inline(always)]
    fn sum(&mut self, [delta]: Block<T, S, 1>, x: &[T]) {
        let spread = self.blocks.spread::<T, S>(delta);
        let x = &x[..EARLY * BLOCK];
        unroll!(|k| in 8: EARLY => {
            self.blocks.sum::<T, S>(&x[k * BLOCK..][..BLOCK], spread, &mut self.sums[k]);
        });
    }
    #[inline(always)]
    fn add(self, place: &mut Place<'_, '_, T>) {
        self.blocks.add_early::<T, S>(self.sums, place.blocks);
    }
}

//! The inputs' weights of few units in blocks: a vector holds the weights of 4 inputs for each of several units.
//!
//! With the units in its lanes, a vector of 16 has 6 lanes idle at 10 units, and each input needs a multiply-add and a load of its
//! own into all lanes. Here a vector is cut into blocks of 4 lanes. A block holds what 4 inputs weigh for one unit, so that 10 units
//! take 3 vectors, 29 inputs 8 times as many, which is 24 multiply-adds instead of 29; and 4 inputs come with one load, into all
//! blocks:
//!
//! ```text
//! sums[g][b] += x[4k..4k+4] ⊙ w[k][g][b]        for the unit B·g + b, of B blocks in a vector
//! ```
//!
//! The sum over a block's lanes is due once a row. The gradient has the same form: `w[k][g][b] += Σ_t x_t[4k..4k+4]·δ_t[B·g + b]`.
//! Where 4 does not divide the inputs, the last block begins earlier, and what it has twice weighs nothing in it.

#![allow(unconditional_panic)] // Of what `unroll` writes out and then leaves out.

use super::level::Isa;
use super::tile::{Matrix, next_row, pop_row, unroll};
use super::vector::Vector;
use crate::{Dim, Float};

/// Inputs in a block.
pub(crate) const BLOCK: usize = 4;

/// Vectors that the units take at most.
pub(crate) const GROUPS: usize = 3;

/// Blocks of inputs whose gradient is summed up during the sweep back: with [`GROUPS`], 18 registers.
pub(crate) const EARLY: usize = 6;

/// Blocks of inputs whose gradient is summed up at a time: with [`GROUPS`], 12 registers.
const TILE: usize = 4;

/// Elements to reserve for the blocks of such weights: none where they come in blocks at no level.
pub(crate) fn elements<T: Float>(input: usize, hidden: usize) -> usize {
    // Blocks are for vectors of f32.
    if size_of::<T>() != 4 || input < EARLY * BLOCK || hidden > GROUPS * T::LINE / BLOCK {
        return 0;
    }
    input.div_ceil(BLOCK).saturating_mul(hidden.next_multiple_of(4) * BLOCK)
}

/// The weights `(I, H)` in blocks: their sizes.
#[derive(Clone, Copy)]
pub(crate) struct Blocks<I, H> {
    pub input: I,
    pub hidden: H,
}

impl<I: Dim, H: Dim> Blocks<I, H> {
    /// Whether [`Blocks::pay`] can hold for sizes of these types: where not, nothing is compiled for it.
    #[inline(always)]
    pub const fn may_pay<T: Float, S: Isa>() -> bool {
        let blocks = T::Vector::<S>::LANES / BLOCK;
        T::Vector::<S>::BLOCKED
            && (!H::IS_CONST || H::KNOWN <= GROUPS * blocks)
            && (!I::IS_CONST || !H::IS_CONST || fewer(I::KNOWN, H::KNOWN.div_ceil(blocks)))
    }

    /// Whether blocks take less time than a vector for each input.
    #[inline(always)]
    pub fn pay<T: Float, S: Isa>(self) -> bool {
        let groups = self.groups::<T, S>();
        groups <= GROUPS && fewer(self.input.size(), groups)
    }

    /// Vectors for the units.
    #[inline(always)]
    pub fn groups<T: Float, S: Isa>(self) -> usize {
        self.width().div_ceil(T::Vector::<S>::LANES)
    }

    /// How many blocks the inputs come in.
    #[inline(always)]
    pub fn count(self) -> usize {
        self.input.size().div_ceil(BLOCK)
    }

    /// The first input of block `k`.
    #[inline(always)]
    pub fn first(self, k: usize) -> usize {
        (BLOCK * k).min(self.input.size() - BLOCK)
    }

    /// Elements of a block of inputs for all units.
    #[inline(always)]
    fn width(self) -> usize {
        self.hidden.size().next_multiple_of(4) * BLOCK
    }

    /// `start + Σ_k x[k]·w[k]`, for a row `x (I)`.
    #[inline(always)]
    pub fn row<T: Float, S: Isa>(self, start: T::Vector<S>, x: &[T], w: &[T]) -> T::Vector<S> {
        let (groups, width) = (self.groups::<T, S>(), self.width());
        let x = &x[..self.input.size()];
        let zero = T::Vector::<S>::splat(T::ZERO);
        let mut chains = [[zero; GROUPS]; 2];
        let (mut weights, mut whole) = (&w[..self.count() * width], x);
        // Four blocks at a time, whose places the compiler knows.
        while whole.len() >= 4 * BLOCK {
            let (x, w) = (next_row(&mut whole, 4 * BLOCK), next_row(&mut weights, 4 * width));
            unroll!(|k| in 4 => self.multiply::<T, S>(&x[k * BLOCK..], &w[k * width..], &mut chains[k % 2]));
        }
        unroll!(|k| in 3 => if whole.len() >= BLOCK {
            let (x, w) = (next_row(&mut whole, BLOCK), next_row(&mut weights, width));
            self.multiply::<T, S>(x, w, &mut chains[k % 2]);
        });
        if !whole.is_empty() {
            self.multiply::<T, S>(&x[x.len() - BLOCK..], weights, &mut chains[1]);
        }
        let [mut sums, odd] = chains;
        unroll!(|g| in GROUPS => if g < groups { sums[g] = sums[g].add(odd[g]) });
        start.add(T::Vector::<S>::block_sums(sums))
    }

    /// What a block adds to the sums.
    #[inline(always)]
    fn multiply<T: Float, S: Isa>(self, x: &[T], w: &[T], sums: &mut [T::Vector<S>; GROUPS]) {
        let (x, w) = (T::Vector::<S>::repeat(x, 0), &w[..self.width()]);
        unroll!(|g| in GROUPS => if g < self.groups::<T, S>() {
            sums[g] = x.mul_add(T::Vector::<S>::load(w, g * T::Vector::<S>::LANES), sums[g]);
        });
    }

    /// The numbers of `delta`, a row of units, each in all lanes of its block.
    #[inline(always)]
    pub fn spread<T: Float, S: Isa>(self, delta: T::Vector<S>) -> [T::Vector<S>; GROUPS] {
        let mut spread = [delta; GROUPS];
        unroll!(|g| in GROUPS => if g < self.groups::<T, S>() { spread[g] = delta.spread(g) });
        spread
    }

    /// `w += Σ_m x[m]·delta[m]`, from block `first` on; `rows` of `x (M, I)` and `delta (M, P)`.
    #[inline(always)]
    pub fn acc<T: Float, S: Isa>(
        self,
        first: usize,
        (x, delta): (Matrix<'_, T>, Matrix<'_, T>),
        rows: usize,
        w: &mut [T],
    ) {
        let mut k = first;
        while k + TILE <= self.count() {
            self.tile_acc::<T, S, TILE>(k, (x, delta), rows, w);
            k += TILE;
        }
        if k + 2 <= self.count() {
            self.tile_acc::<T, S, 2>(k, (x, delta), rows, w);
            k += 2;
        }
        if k < self.count() {
            self.tile_acc::<T, S, 1>(k, (x, delta), rows, w);
        }
    }

    /// [`Blocks::acc`] for `K` blocks.
    #[inline(always)]
    fn tile_acc<T: Float, S: Isa, const K: usize>(
        self,
        first: usize,
        (x, delta): (Matrix<'_, T>, Matrix<'_, T>),
        rows: usize,
        w: &mut [T],
    ) {
        let mut sums = [[T::Vector::<S>::splat(T::ZERO); GROUPS]; K];
        let (mut inputs, mut deltas) = (x.rows(rows), delta.rows(rows));
        // The last row first: the sweep back has it ready first.
        for _ in 0..rows {
            let x = &pop_row(&mut inputs, x.stride)[..self.input.size()];
            let spread = self.spread::<T, S>(T::Vector::<S>::load(pop_row(&mut deltas, delta.stride), 0));
            unroll!(|k| in K => self.sum::<T, S>(&x[self.first(first + k)..][..BLOCK], spread, &mut sums[k]));
        }
        let w = &mut w[first * self.width()..][..K * self.width()];
        unroll!(|k| in K => {
            let twice = BLOCK * (first + k) - self.first(first + k);
            if twice > 0 {
                let once = once::<T, S>(twice);
                unroll!(|g| in GROUPS => sums[k][g] = once.where_positive(sums[k][g]));
            }
            self.add::<T, S>(sums[k], &mut w[k * self.width()..][..self.width()]);
        });
    }

    /// What a timestep adds to the gradient of a block, whose inputs are `x (4)`.
    #[inline(always)]
    pub fn sum<T: Float, S: Isa>(
        self,
        x: &[T],
        spread: [T::Vector<S>; GROUPS],
        sums: &mut [T::Vector<S>; GROUPS],
    ) {
        let x = T::Vector::<S>::repeat(x, 0);
        unroll!(|g| in GROUPS => if g < self.groups::<T, S>() { sums[g] = x.mul_add(spread[g], sums[g]) });
    }

    /// Adds the sums of a block to its weights.
    #[inline(always)]
    pub fn add<T: Float, S: Isa>(self, sums: [T::Vector<S>; GROUPS], w: &mut [T]) {
        unroll!(|g| in GROUPS => if g < self.groups::<T, S>() {
            let at = g * T::Vector::<S>::LANES;
            T::Vector::<S>::load(w, at).add(sums[g]).store(w, at);
        });
    }

    /// Adds the sums of the first blocks.
    #[inline(always)]
    pub fn add_early<T: Float, S: Isa>(self, sums: [[T::Vector<S>; GROUPS]; EARLY], w: &mut [T]) {
        let w = &mut w[..EARLY * self.width()];
        unroll!(|k| in 8: EARLY => self.add::<T, S>(sums[k], &mut w[k * self.width()..][..self.width()]));
    }

    /// Brings `rows (I, P)` into blocks.
    #[inline(always)]
    pub fn gather<T: Float, S: Isa>(self, rows: Matrix<'_, T>, w: &mut [T]) {
        for (k, w) in w.chunks_exact_mut(self.width()).take(self.count()).enumerate() {
            let first = self.first(k);
            let row = |m: usize| &rows.data[(first + m) * rows.stride..][..rows.stride];
            let block = [row(0), row(1), row(2), row(3)];
            for unit in (0..self.hidden.size()).step_by(4) {
                T::Vector::<S>::turn(block, unit, &mut w[unit * BLOCK..], BLOCK);
            }
            if first < BLOCK * k {
                let once = once::<T, S>(BLOCK * k - first);
                unroll!(|g| in GROUPS => if g < self.groups::<T, S>() {
                    let at = g * T::Vector::<S>::LANES;
                    once.where_positive(T::Vector::<S>::load(w, at)).store(w, at);
                });
            }
        }
    }

    /// Brings blocks back into `rows (I, P)`.
    #[inline(always)]
    pub fn scatter<T: Float, S: Isa>(self, w: &[T], (rows, stride): (&mut [T], usize)) {
        // What the last block has twice comes again, with its weight, from the one before.
        for k in (0..self.count()).rev() {
            let (rows, w) = (&mut rows[self.first(k) * stride..], &w[k * self.width()..][..self.width()]);
            for unit in (0..self.hidden.size()).step_by(4) {
                let block = |b: usize| &w[(unit + b) * BLOCK..][..BLOCK];
                T::Vector::<S>::turn([block(0), block(1), block(2), block(3)], 0, &mut rows[unit..], stride);
            }
        }
    }
}

/// Whether so many inputs are quicker in blocks.
///
/// The sums over blocks, and what it takes to spread `δ` over them, are worth some five multiply-adds a timestep; and the sweep back
/// has registers for the gradient of six blocks, which count only if there are six.
const fn fewer(inputs: usize, groups: usize) -> bool {
    inputs >= EARLY * BLOCK && inputs.div_ceil(BLOCK) * groups + 5 <= inputs
}

/// 1 in the lanes of a block, but for the first `twice`: 0.
#[inline(always)]
fn once<T: Float, S: Isa>(twice: usize) -> T::Vector<S> {
    let mut once = [T::ONE; BLOCK];
    once[..twice].fill(T::ZERO);
    T::Vector::<S>::repeat(&once, 0)
}

#[cfg(test)]
mod tests;

//! The affine kernel: `out[m, n] = finish(start[m, n] + Σ_k a[m, k]·w[k, n])`, with `w` input-major.
//!
//! Outputs lie in SIMD lanes, so the inner step is one broadcast of `a[m, k]` times one vector of `w[k, ·]`, with
//! no horizontal sums. `m` counts timesteps or sequences; a register tile of 4 rows (2 with
//! 16 registers) shares each load of `w`. What the sum
//! starts from ([`Start`]) and what becomes of it ([`Finish`]: the activation, or its derivative) happens while the tile
//! is in registers.
//!
//! An element is the sum of 4 chains, `k` modulo 4, joined as (0 + 2) + (1 + 3): a single chain would wait for
//! the multiplier's latency at every `k`. The order is the same in all tiles and in [`super::sweep`], so that a row's
//! result does not depend on its neighbours.

use super::level::Isa;
use super::tile::{Block, Matrix, fma, for_blocks, join, load, next_row, store, unroll, zero};
use crate::{Dim, Float};

/// What a sum starts from.
pub(crate) trait Start<T: Float, S: Isa> {
    /// The columns from `at` on of row `row`; `out` is that row as it was.
    fn start<const R: usize>(&self, row: usize, at: usize, out: &[T]) -> Block<T, S, R>;
}

/// What happens to a finished piece of a row while it is in registers.
pub(crate) trait Finish<T: Float, S: Isa> {
    /// `block` holds the columns from `at` on of row `row`; returns what is stored.
    fn finish<const R: usize>(&self, row: usize, at: usize, block: Block<T, S, R>) -> Block<T, S, R>;
}

/// Starts every row from the same one: a bias.
#[derive(Clone, Copy)]
pub(crate) struct Bias<'a, T>(pub &'a [T]);

impl<T: Float, S: Isa> Start<T, S> for Bias<'_, T> {
    #[inline(always)]
    fn start<const R: usize>(&self, _row: usize, at: usize, _out: &[T]) -> Block<T, S, R> {
        load::<T, S, R>(self.0, at)
    }
}

/// Starts from what `out` holds, or leaves a sum as it is.
#[derive(Clone, Copy)]
pub(crate) struct AsIs;

impl<T: Float, S: Isa> Start<T, S> for AsIs {
    #[inline(always)]
    fn start<const R: usize>(&self, _row: usize, at: usize, out: &[T]) -> Block<T, S, R> {
        load::<T, S, R>(out, at)
    }
}

impl<T: Float, S: Isa> Finish<T, S> for AsIs {
    #[inline(always)]
    fn finish<const R: usize>(&self, _row: usize, _at: usize, block: Block<T, S, R>) -> Block<T, S, R> {
        block
    }
}

/// `out (rows, N) = finish(start)`, without a product; `columns` = N. The rows of `out` are `stride` apart.
#[inline(always)]
pub(crate) fn rowwise<T: Float, S: Isa, N: Dim, B: Start<T, S>, F: Finish<T, S>>(
    (start, finish): (B, F),
    (rows, columns): (usize, N),
    (out, stride): (&mut [T], usize),
) {
    for m in 0..rows {
        let row = &mut out[m * stride..];
        for_blocks!(T, S, columns.size(), 1 or 1, |n, R| {
            let block = start.start::<R>(m, n, row);
            store::<T, S, R>(row, n, finish.finish::<R>(m, n, block));
        });
    }
}

/// `out (rows, N) = finish(start + a (rows, K) · w (K, N))`; `columns` = N. The rows of `out` are `stride` apart.
#[inline(always)]
pub(crate) fn affine<T: Float, S: Isa, K: Dim, N: Dim, B: Start<T, S>, F: Finish<T, S>>(
    (start, finish): (B, F),
    a: Matrix<'_, T>,
    (rows, k, columns): (usize, K, N),
    w: Matrix<'_, T>,
    (out, stride): (&mut [T], usize),
) {
    let mut m = 0;
    while m < rows {
        let inputs = Matrix::new(&a.data[m * a.stride..], a.stride);
        let out = &mut out[m * stride..];
        let ends = (&start, &finish, m);
        // A tile has 4 sums for each of its rows and registers of columns: 16 of 32 registers, or 8 of 16.
        if const { S::REGISTERS >= 32 } && m + 4 <= rows {
            for_blocks!(T, S, columns.size(), 1 or 1, |n, R| {
                tile::<T, S, K, B, F, 4, R>(ends, inputs, k, (w, n), (out, stride));
            });
            m += 4;
        } else if const { S::REGISTERS < 32 } && m + 2 <= rows {
            for_blocks!(T, S, columns.size(), 1 or 1, |n, R| {
                tile::<T, S, K, B, F, 2, R>(ends, inputs, k, (w, n), (out, stride));
            });
            m += 2;
        } else {
            for_blocks!(T, S, columns.size(), 2 or 1, |n, R| {
                tile::<T, S, K, B, F, 1, R>(ends, inputs, k, (w, n), (out, stride));
            });
            m += 1;
        }
    }
}

/// One register tile: `M` rows, `R` registers of columns from `n` on.
#[inline(always)]
fn tile<T: Float, S: Isa, K: Dim, B: Start<T, S>, F: Finish<T, S>, const M: usize, const R: usize>(
    (start, finish, first): (&B, &F, usize),
    a: Matrix<'_, T>,
    k: K,
    (w, n): (Matrix<'_, T>, usize),
    (out, stride): (&mut [T], usize),
) {
    let mut rows = [&a.data[..0]; M];
    let mut chains = [[zero::<T, S, R>(); 4]; M];
    unroll!(|m| in M => {
        rows[m] = &a.data[m * a.stride..][..k.size()];
        chains[m][0] = start.start::<R>(first + m, n, &out[m * stride..]);
    });
    let mut weights = w.rows(k.size());
    let mut at = 0;
    while at + 4 <= k.size() {
        unroll!(|c| in 4 => {
            let weights = load::<T, S, R>(next_row(&mut weights, w.stride), n);
            unroll!(|m| in M => fma::<T, S, R>(&mut chains[m][c], rows[m][at + c], weights));
        });
        at += 4;
    }
    unroll!(|c| in 3 => if at + c < k.size() {
        let weights = load::<T, S, R>(next_row(&mut weights, w.stride), n);
        unroll!(|m| in M => fma::<T, S, R>(&mut chains[m][c], rows[m][at + c], weights));
    });
    unroll!(|m| in M => {
        let sum = join::<T, S, R>(chains[m]);
        store::<T, S, R>(&mut out[m * stride..], n, finish.finish::<R>(first + m, n, sum));
    });
}

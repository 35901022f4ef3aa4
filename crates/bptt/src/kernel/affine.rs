//! The affine kernel: `out[m, n] += Σ_k a[m, k]·w[k, n]`, with `w` input-major.
//!
//! Outputs lie in SIMD lanes, so the inner step is one broadcast of `a[m, k]` times one vector of `w[k, ·]`, with
//! no horizontal sums. Two forms serve all uses:
//!
//! - [`affine_acc`], many rows at once (`m` counts timesteps): a register tile of 4 rows shares each load of
//!   `w`. Every element is summed in the order of `k`, in one chain, whatever the tile, so that a row's result
//!   does not depend on its neighbours.
//! - [`affine_row`], one row (a recurrent step): nothing else is there to hide the multiplier's latency, so `k`
//!   is spread over several independent chains, and what follows the sum (the activation, or its derivative) is
//!   applied while the result is in registers.

use super::level::Isa;
use super::tile::{Block, Matrix, add, fma, for_blocks, load, store, unroll, zero};
use crate::{Dim, Float};

/// `out (M, N) += a (M, K) · w (K, N)`; `columns` = N. `out` has the stride of `w`.
#[inline(always)]
pub(crate) fn affine_acc<T: Float, S: Isa, K: Dim, N: Dim>(
    a: Matrix<'_, T>,
    (k, columns): (K, N),
    w: Matrix<'_, T>,
    out: &mut [T],
) {
    let rows = out.len() / w.stride;
    let mut m = 0;
    while m + 4 <= rows {
        let tile = &mut out[m * w.stride..(m + 4) * w.stride];
        for_blocks!(T, S, columns.size(), 2 or 1, |n, R| tile_acc::<T, S, K, 4, R>(a, m, k, w, n, tile));
        m += 4;
    }
    while m < rows {
        let tile = &mut out[m * w.stride..(m + 1) * w.stride];
        for_blocks!(T, S, columns.size(), 2 or 1, |n, R| tile_acc::<T, S, K, 1, R>(a, m, k, w, n, tile));
        m += 1;
    }
}

/// One register tile: `M` rows of `a` from `first` on, `R` registers of columns from `n` on.
#[inline(always)]
fn tile_acc<T: Float, S: Isa, K: Dim, const M: usize, const R: usize>(
    a: Matrix<'_, T>,
    first: usize,
    k: K,
    w: Matrix<'_, T>,
    n: usize,
    tile: &mut [T],
) {
    let mut acc = [zero::<T, S, R>(); M];
    unroll!(|m| in M => acc[m] = load::<T, S, R>(tile, m * w.stride + n));
    let a_rows = &a.data[first * a.stride..(first + M - 1) * a.stride + k.size()];
    for k in 0..k.size() {
        let weights = load::<T, S, R>(w.data, k * w.stride + n);
        unroll!(|m| in M => fma::<T, S, R>(&mut acc[m], a_rows[m * a.stride + k], weights));
    }
    unroll!(|m| in M => store::<T, S, R>(tile, m * w.stride + n, acc[m]));
}

/// What happens to a finished piece of a row while it is in registers.
pub(crate) trait Finish<T: Float, S: Isa> {
    /// `block` holds the columns from `at` on; returns what is stored.
    fn finish<const R: usize>(&self, at: usize, block: Block<T, S, R>) -> Block<T, S, R>;
}

/// `out (N) = finish(out + a (K) · w (K, N))`; `columns` = N.
#[inline(always)]
pub(crate) fn affine_row<T: Float, S: Isa, K: Dim, N: Dim, F: Finish<T, S>>(
    a: &[T],
    (k, columns): (K, N),
    w: Matrix<'_, T>,
    out: &mut [T],
    finish: F,
) {
    let a = &a[..k.size()];
    for_blocks!(T, S, columns.size(), 4 or 1, |n, R| {
        let start = load::<T, S, R>(out, n);
        // A multiply-add takes 4 cycles and two start per cycle: 4 chains at least are under way.
        let sum = if R == 4 { row_block::<T, S, K, R, 1>(a, k, w, n, start) } else { row_block::<T, S, K, R, 4>(a, k, w, n, start) };
        store::<T, S, R>(out, n, finish.finish::<R>(n, sum));
    });
}

/// `start + a · w` for the columns from `n` on, in `C` independent chains per register.
#[inline(always)]
fn row_block<T: Float, S: Isa, K: Dim, const R: usize, const C: usize>(
    a: &[T],
    k: K,
    w: Matrix<'_, T>,
    n: usize,
    start: Block<T, S, R>,
) -> Block<T, S, R> {
    let mut chains = [zero::<T, S, R>(); C];
    chains[0] = start;
    let mut next = 0;
    while next + C <= k.size() {
        unroll!(|c| in C => {
            let k = next + c;
            fma::<T, S, R>(&mut chains[c], a[k], load::<T, S, R>(w.data, k * w.stride + n));
        });
        next += C;
    }
    unroll!(|c| in C => {
        let k_left = next + c;
        if k_left < k.size() {
            fma::<T, S, R>(&mut chains[c], a[k_left], load::<T, S, R>(w.data, k_left * w.stride + n));
        }
    });
    // The chains join as a tree.
    if C > 2 {
        chains[0] = add::<T, S, R>(chains[0], chains[2 % C]);
        chains[1 % C] = add::<T, S, R>(chains[1 % C], chains[3 % C]);
    }
    if C > 1 { add::<T, S, R>(chains[0], chains[1 % C]) } else { chains[0] }
}

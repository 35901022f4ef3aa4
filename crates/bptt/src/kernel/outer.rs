//! The outer kernel: `w[k, n] += Σ_m a[m, k]·d[m, n]`, a sum of outer products over timesteps.
//!
//! This is every weight gradient of a recurrent layer: `a` holds what went into the weights (inputs, or the
//! previous hidden states), `d` the gradient that came out. A tile of 4 rows of `w` shares each load of `d`, and
//! `w` itself is read and written once, after the sum over `m`.

use super::level::Isa;
use super::tile::{Matrix, add, fma, for_blocks, load, store, unroll, zero};
use crate::{Dim, Float};

/// `w (K, N) += aᵀ (K, M) · d (M, N)`; `rows` = M, `columns` = N. `w` has the stride of `d`.
#[inline(always)]
pub(crate) fn outer_acc<T: Float, S: Isa, K: Dim, N: Dim>(
    a: Matrix<'_, T>,
    d: Matrix<'_, T>,
    rows: usize,
    (k, columns): (K, N),
    w: &mut [T],
) {
    let mut first = 0;
    while first + 4 <= k.size() {
        let tile = &mut w[first * d.stride..(first + 4) * d.stride];
        for_blocks!(T, S, columns.size(), 2 or 1, |n, R| tile_acc::<T, S, 4, R>(a, first, d, rows, n, tile));
        first += 4;
    }
    while first < k.size() {
        let tile = &mut w[first * d.stride..(first + 1) * d.stride];
        for_blocks!(T, S, columns.size(), 2 or 1, |n, R| tile_acc::<T, S, 1, R>(a, first, d, rows, n, tile));
        first += 1;
    }
}

/// One register tile: `K` rows of `w` from `first` on, `R` registers of columns from `n` on.
#[inline(always)]
fn tile_acc<T: Float, S: Isa, const K: usize, const R: usize>(
    a: Matrix<'_, T>,
    first: usize,
    d: Matrix<'_, T>,
    rows: usize,
    n: usize,
    tile: &mut [T],
) {
    let mut acc = [zero::<T, S, R>(); K];
    for m in 0..rows {
        let gradient = load::<T, S, R>(d.data, m * d.stride + n);
        let inputs = &a.data[m * a.stride + first..][..K];
        unroll!(|k| in K => fma::<T, S, R>(&mut acc[k], inputs[k], gradient));
    }
    unroll!(|k| in K => {
        let at = k * d.stride + n;
        store::<T, S, R>(tile, at, add::<T, S, R>(load::<T, S, R>(tile, at), acc[k]));
    });
}

/// `sums (N) += Σ_m d[m, n]`, the gradient of a bias; `rows` = M, `columns` = N.
#[inline(always)]
pub(crate) fn column_sums_acc<T: Float, S: Isa, N: Dim>(
    d: Matrix<'_, T>,
    rows: usize,
    columns: N,
    sums: &mut [T],
) {
    for_blocks!(T, S, columns.size(), 2 or 1, |n, R| {
        let mut acc = zero::<T, S, R>();
        for m in 0..rows {
            acc = add::<T, S, R>(acc, load::<T, S, R>(d.data, m * d.stride + n));
        }
        store::<T, S, R>(sums, n, add::<T, S, R>(load::<T, S, R>(sums, n), acc));
    });
}

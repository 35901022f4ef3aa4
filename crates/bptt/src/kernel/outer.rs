//! The outer kernel: `w[k, n] += Σ_m a[m, k]·d[m, n]`, a sum of outer products over timesteps.
//!
//! This is every weight gradient of a recurrent layer: `a` holds what went into the weights (inputs, or the
//! previous hidden states), `d` the gradient that came out. A tile of rows of `w` shares each load of `d`, and
//! `w` itself is read and written once, after the sum over `m`. The sum begins at the last timestep, whose gradient the
//! backward sweep has ready first: most of the work then runs beside the sweep.

use super::level::Isa;
use super::tile::{Block, Matrix, add, fma, for_blocks, load, pop_row, store, unroll, zero};
use super::vector::Vector;
use crate::{Dim, Float};

/// `w (K, N) += aᵀ (K, M) · d (M, N)`; `rows` = M, `columns` = N. The rows of `w` are padded to cache lines and `stride`
/// apart.
#[inline(always)]
pub(crate) fn outer_acc<T: Float, S: Isa, K: Dim, N: Dim>(
    a: Matrix<'_, T>,
    d: Matrix<'_, T>,
    rows: usize,
    (k, columns): (K, N),
    w: (&mut [T], usize),
) {
    outer_rest_acc::<T, S, K, N>(a, d, rows, (0, k, columns), w);
}

/// [`outer_acc`] from row `first` of `w` on.
#[inline(always)]
pub(crate) fn outer_rest_acc<T: Float, S: Isa, K: Dim, N: Dim>(
    a: Matrix<'_, T>,
    d: Matrix<'_, T>,
    rows: usize,
    (mut first, k, columns): (usize, K, N),
    (w, stride): (&mut [T], usize),
) {
    if columns.size() <= T::Vector::<S>::LANES {
        // One register a row: many rows fit.
        while first + 8 <= k.size() {
            tile_acc::<T, S, 8, 1>(a, first, d, rows, 0, (w, stride));
            first += 8;
        }
        if first + 4 <= k.size() {
            tile_acc::<T, S, 4, 1>(a, first, d, rows, 0, (w, stride));
            first += 4;
        }
        if first + 2 <= k.size() {
            tile_acc::<T, S, 2, 1>(a, first, d, rows, 0, (w, stride));
            first += 2;
        }
    }
    while first + 4 <= k.size() {
        for_blocks!(T, S, columns.size(), 2 or 1, |n, R| tile_acc::<T, S, 4, R>(a, first, d, rows, n, (w, stride)));
        first += 4;
    }
    while first < k.size() {
        for_blocks!(T, S, columns.size(), 2 or 1, |n, R| tile_acc::<T, S, 1, R>(a, first, d, rows, n, (w, stride)));
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
    (w, stride): (&mut [T], usize),
) {
    let mut acc = [zero::<T, S, R>(); K];
    let (mut inputs, mut gradients) = (a.rows(rows), d.rows(rows));
    for _ in 0..rows {
        let inputs = &pop_row(&mut inputs, a.stride)[first..first + K];
        let gradient = load::<T, S, R>(pop_row(&mut gradients, d.stride), n);
        unroll!(|k| in 8: K => fma::<T, S, R>(&mut acc[k], inputs[k], gradient));
    }
    store_acc::<T, S, K, R>(w, first, stride, n, acc);
}

/// Adds `acc` to rows `first..` and the columns from `n` on.
#[inline(always)]
fn store_acc<T: Float, S: Isa, const K: usize, const R: usize>(
    w: &mut [T],
    first: usize,
    stride: usize,
    n: usize,
    acc: [Block<T, S, R>; K],
) {
    let tile = &mut w[first * stride..(first + K) * stride];
    unroll!(|k| in 8: K => {
        let at = k * stride + n;
        store::<T, S, R>(tile, at, add::<T, S, R>(load::<T, S, R>(tile, at), acc[k]));
    });
}

/// `w (N, N) += aᵀ·d` and `w_t (N, N) += dᵀ·a`: a gradient and its transpose, equal to the last bit.
///
/// Keeping both orders of a small matrix current costs less than transposing it: no element travels alone.
#[inline(always)]
pub(crate) fn outer_pair_acc<T: Float, S: Isa, N: Dim>(
    a: Matrix<'_, T>,
    d: Matrix<'_, T>,
    rows: usize,
    size: N,
    w: &mut [T],
    w_t: &mut [T],
) {
    let mut first = 0;
    while first + 4 <= size.size() {
        for_blocks!(T, S, size.size(), 1 or 1, |n, _R| pair_acc::<T, S, 4>(a, first, d, rows, n, w, w_t));
        first += 4;
    }
    if first + 2 <= size.size() {
        for_blocks!(T, S, size.size(), 1 or 1, |n, _R| pair_acc::<T, S, 2>(a, first, d, rows, n, w, w_t));
        first += 2;
    }
    if first < size.size() {
        for_blocks!(T, S, size.size(), 1 or 1, |n, _R| pair_acc::<T, S, 1>(a, first, d, rows, n, w, w_t));
    }
}

/// One tile of both: `K` rows from `first` on, one register of columns from `n` on.
#[inline(always)]
fn pair_acc<T: Float, S: Isa, const K: usize>(
    a: Matrix<'_, T>,
    first: usize,
    d: Matrix<'_, T>,
    rows: usize,
    n: usize,
    w: &mut [T],
    w_t: &mut [T],
) {
    let mut acc = [zero::<T, S, 1>(); K];
    let mut acc_t = [zero::<T, S, 1>(); K];
    let (mut a_rows, mut d_rows) = (a.rows(rows), d.rows(rows));
    for _ in 0..rows {
        let (a, d) = (pop_row(&mut a_rows, a.stride), pop_row(&mut d_rows, d.stride));
        let (a_row, d_row) = (load::<T, S, 1>(a, n), load::<T, S, 1>(d, n));
        let (a, d) = (&a[first..first + K], &d[first..first + K]);
        unroll!(|k| in K => fma::<T, S, 1>(&mut acc[k], a[k], d_row));
        unroll!(|k| in K => fma::<T, S, 1>(&mut acc_t[k], d[k], a_row));
    }
    store_acc::<T, S, K, 1>(w, first, d.stride, n, acc);
    store_acc::<T, S, K, 1>(w_t, first, d.stride, n, acc_t);
}

/// Adds the sums over rows, `Σ_m d[m, n]`, to both biases and writes their new sum to `total (N)`, where it is wanted;
/// `rows` = M, `columns` = N.
#[inline(always)]
pub(crate) fn biases_acc<T: Float, S: Isa, N: Dim>(
    d: Matrix<'_, T>,
    rows: usize,
    columns: N,
    [bias_ih, bias_hh]: [&mut [T]; 2],
    mut total: Option<&mut [T]>,
) {
    for_blocks!(T, S, columns.size(), 2 or 1, |n, R| {
        let mut acc = zero::<T, S, R>();
        let mut gradients = d.rows(rows);
        for _ in 0..rows {
            acc = add::<T, S, R>(acc, load::<T, S, R>(pop_row(&mut gradients, d.stride), n));
        }
        let ih = add::<T, S, R>(load::<T, S, R>(bias_ih, n), acc);
        let hh = add::<T, S, R>(load::<T, S, R>(bias_hh, n), acc);
        store::<T, S, R>(bias_ih, n, ih);
        store::<T, S, R>(bias_hh, n, hh);
        if let Some(total) = &mut total {
            store::<T, S, R>(total, n, add::<T, S, R>(ih, hh));
        }
    });
}

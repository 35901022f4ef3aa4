//! The dot kernel: `out[m, n] = bias[n] + Σ_k a[m, k]·w[n, k]`, with `w` output-major.
//!
//! A readout usually has one output, or few: lanes over outputs would be empty, so here lanes run over the
//! hidden units and each output ends in one horizontal sum. The same layout is what the readout's backward pass
//! and its gradient want.

use super::level::Isa;
use super::tile::{Block, Matrix, for_blocks, load, unroll, zero};
use super::vector::Vector;
use crate::{Dim, Float};

/// `Σ_k a[k]·w[k]` over `k` columns; both rows are zero beyond them up to the end of their cache line.
#[inline(always)]
fn dot<T: Float, S: Isa, K: Dim>(a: &[T], w: &[T], k: K) -> T {
    let mut chains: Block<T, S, 4> = zero::<T, S, 4>();
    for_blocks!(T, S, k.size(), 4 or 1, |at, R| {
        let (a, w) = (load::<T, S, R>(a, at), load::<T, S, R>(w, at));
        unroll!(|v| in R => chains[v] = a[v].mul_add(w[v], chains[v]));
    });
    let [first, second, third, fourth] = chains;
    first.add(third).add(second.add(fourth)).sum()
}

/// `out (M, N) = bias (N) + a (M, K) · wᵀ (K, N)`; `out` is dense.
#[inline(always)]
pub(crate) fn readout<T: Float, S: Isa, K: Dim, N: Dim>(
    a: Matrix<'_, T>,
    (k, columns): (K, N),
    w: Matrix<'_, T>,
    bias: &[T],
    out: &mut [T],
) {
    for (m, out) in out.chunks_exact_mut(columns.size()).enumerate() {
        let a = a.row(m);
        for (n, out) in out.iter_mut().enumerate() {
            *out = bias[n] + dot::<T, S, K>(a, w.row(n), k);
        }
    }
}

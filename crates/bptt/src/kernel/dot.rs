//! The dot kernel: `y = bias + Σ_k a[k]·w[k]`, a row of the output-major readout weights with a row of hidden units.
//!
//! A readout usually has one output, or few: lanes over outputs would be empty, so here lanes run over the
//! hidden units and each output ends in one horizontal sum. The same layout is what the readout's backward pass
//! and its gradient want.

use super::level::Isa;
use super::tile::{Block, for_blocks, load, unroll, zero};
use super::vector::Vector;
use crate::{Dim, Float};

/// `bias + Σ_k a[k]·w[k]` over `k` columns; both rows are zero beyond them up to the end of their cache line.
#[inline(always)]
#[allow(unconditional_panic)] // Of what `unroll` writes out and then leaves out.
pub(crate) fn dot<T: Float, S: Isa, K: Dim>(bias: T, a: &[T], w: &[T], k: K) -> T {
    if k.size() <= T::Vector::<S>::LANES {
        let [a] = load::<T, S, 1>(a, 0);
        let [w] = load::<T, S, 1>(w, 0);
        return a.dot(w, bias);
    }
    let mut chains: Block<T, S, 4> = zero::<T, S, 4>();
    chains[0] = T::Vector::<S>::first(bias);
    for_blocks!(T, S, k.size(), 4 or 1, |at, R| {
        let (a, w) = (load::<T, S, R>(a, at), load::<T, S, R>(w, at));
        unroll!(|v| in R => chains[v] = a[v].mul_add(w[v], chains[v]));
    });
    let [first, second, third, fourth] = chains;
    first.add(third).add(second.add(fourth)).sum()
}

/// [`dot`] to the bit, with a row that is in `R` registers already: at most 3, for which `dot` has one chain.
#[inline(always)]
pub(crate) fn dot_registers<T: Float, S: Isa, const R: usize>(bias: T, a: Block<T, S, R>, w: &[T]) -> T {
    let w = load::<T, S, R>(w, 0);
    if const { R == 1 } {
        return a[0].dot(w[0], bias);
    }
    let mut sum = T::Vector::<S>::first(bias);
    unroll!(|v| in R => sum = a[v].mul_add(w[v], sum));
    // The chains that `dot` has left empty.
    sum.add(T::Vector::<S>::splat(T::ZERO)).sum()
}

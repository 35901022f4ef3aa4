//! The sweep kernel: one recurrent step after the other, for rows that fit into a few registers.
//!
//! A step is `s' = finish(start + s·W)`, `s` a row of hidden units (or of their gradients), `W (H, H)` input-major. At these
//! sizes a step is nothing but latency, so that what counts is the chain from `s` to `s'`: `s` stays in registers,
//! each of its elements reaches all lanes by one permutation (3 cycles; storing the row and reading the element back as an
//! operand was measured at 25), the multiply-adds run in 4 chains, and the next link hangs on `finish` alone. Everything
//! else a training step does is written behind it, and fills the gaps.

use super::level::Isa;
use super::tile::{Block, Matrix, join, load, next_row, unroll, zero};
use super::vector::Vector;
use crate::{Dim, Float};

/// The widest row, in lanes, that is worked on in registers; with more, steps are limited by their arithmetic.
pub(crate) const MAX_LANES: usize = 32;

/// The permutations that [`step`] works with; made once per run.
pub(crate) type Lanes<T, S> = <<T as Float>::Vector<S> as Vector<T>>::Lanes;

/// Registers that a row of `columns` takes, where a sweep in registers is worth it; else 0.
#[inline(always)]
pub(crate) fn registers<T: Float, S: Isa, N: Dim>(columns: N) -> usize {
    let registers = columns.size().div_ceil(T::Vector::<S>::LANES);
    if registers <= 3 && may_take::<T, S, N>(registers) { registers } else { 0 }
}

/// Whether a row of `N` columns may be swept in `count` registers: what a type rules out is not compiled.
pub(crate) const fn may_take<T: Float, S: Isa, N: Dim>(count: usize) -> bool {
    let lanes = T::Vector::<S>::LANES;
    if lanes > T::LINE {
        return count == 1;
    }
    // Three registers only where the compiler knows the size: each number is one more body to compile.
    let fits = if N::IS_CONST { count <= 3 && N::KNOWN.div_ceil(lanes) == count } else { count <= 2 };
    fits && count * lanes <= MAX_LANES
}

/// Whether so many numbers are better worked on in one and a half registers, by [`Isa::Uneven`].
#[inline(always)]
pub(crate) const fn uneven<T: Float, S: Isa>(columns: usize) -> bool {
    let lanes = T::Vector::<S>::LANES;
    T::Vector::<S::Uneven>::LANES > lanes && columns > lanes && columns <= lanes + lanes / 2
}

/// Whether [`uneven`] can hold for sizes of this type.
pub(crate) const fn may_be_uneven<T: Float, S: Isa, N: Dim>() -> bool {
    let lanes = T::Vector::<S>::LANES;
    if N::IS_CONST { uneven::<T, S>(N::KNOWN) } else { uneven::<T, S>(lanes + 1) }
}

/// Runs `$body` with the constant `$registers` = [`registers`], or `$otherwise` where that is 0.
macro_rules! with_registers {
    ($t:ty, $s:ty, $h:ty, $columns:expr, |$registers:ident| $body:expr, else $otherwise:expr) => {{
        use $crate::kernel::sweep::{may_take, registers};
        let found = registers::<$t, $s, $h>($columns);
        if const { may_take::<$t, $s, $h>(1) } && found == 1 {
            const $registers: usize = 1;
            $body
        } else if const { may_take::<$t, $s, $h>(2) } && found == 2 {
            const $registers: usize = 2;
            $body
        } else if const { may_take::<$t, $s, $h>(3) } && found == 3 {
            const $registers: usize = 3;
            $body
        } else {
            $otherwise
        }
    }};
}
pub(crate) use with_registers;

/// `start + row · w`, for a `row (K)` and its product of `R` registers each.
#[inline(always)]
pub(crate) fn step<T: Float, S: Isa, K: Dim, const R: usize>(
    row: Block<T, S, R>,
    k: K,
    w: Matrix<'_, T>,
    lanes: &Lanes<T, S>,
    start: Block<T, S, R>,
) -> Block<T, S, R> {
    let mut chains = [start, zero::<T, S, R>(), zero::<T, S, R>(), zero::<T, S, R>()];
    let mut weights = w.rows(k.size());
    unroll!(|r| in R => {
        let rest = k.size().saturating_sub(r * T::Vector::<S>::LANES);
        if const { K::IS_CONST } {
            unroll!(|lane| in 16: T::Vector::<S>::LANES => if R * T::Vector::<S>::LANES <= MAX_LANES && lane < rest {
                link::<T, S, R>(row[r].broadcast(lanes, lane), next_row(&mut weights, w.stride), &mut chains[lane % 4]);
            });
            // Of the 32 lanes that one and a half registers count for, 24 at most hold numbers.
            unroll!(|more| in 8: T::Vector::<S>::LANES.saturating_sub(16) => if R == 1 && 16 + more < rest {
                link::<T, S, R>(row[r].broadcast(lanes, 16 + more), next_row(&mut weights, w.stride), &mut chains[more % 4]);
            });
        } else {
            // Which lane is known to the compiler: then a permutation is one instruction.
            let end = rest.min(T::Vector::<S>::LANES);
            unroll!(|four| in 8: T::Vector::<S>::LANES.div_ceil(4) => if 4 * four + 4 <= end {
                unroll!(|c| in 4 => {
                    link::<T, S, R>(row[r].broadcast(lanes, 4 * four + c), next_row(&mut weights, w.stride), &mut chains[c]);
                });
            } else {
                unroll!(|c| in 3 => if 4 * four + c < end {
                    link::<T, S, R>(row[r].broadcast(lanes, 4 * four + c), next_row(&mut weights, w.stride), &mut chains[c]);
                });
            });
        }
    });
    join::<T, S, R>(chains)
}

/// `start + x · w`, for a row `x (K)` in memory.
#[inline(always)]
pub(crate) fn row<T: Float, S: Isa, K: Dim, const R: usize>(
    start: Block<T, S, R>,
    x: &[T],
    k: K,
    w: Matrix<'_, T>,
) -> Block<T, S, R> {
    let x = &x[..k.size()];
    let mut chains = [start, zero::<T, S, R>(), zero::<T, S, R>(), zero::<T, S, R>()];
    let mut weights = w.rows(k.size());
    let mut at = 0;
    while at + 4 <= x.len() {
        unroll!(|c| in 4 => {
            link::<T, S, R>(T::Vector::<S>::splat(x[at + c]), next_row(&mut weights, w.stride), &mut chains[c]);
        });
        at += 4;
    }
    unroll!(|c| in 3 => if at + c < x.len() {
        link::<T, S, R>(T::Vector::<S>::splat(x[at + c]), next_row(&mut weights, w.stride), &mut chains[c]);
    });
    join::<T, S, R>(chains)
}

/// `chain += element · weights`.
#[inline(always)]
fn link<T: Float, S: Isa, const R: usize>(element: T::Vector<S>, weights: &[T], chain: &mut Block<T, S, R>) {
    let weights = load::<T, S, R>(weights, 0);
    unroll!(|v| in R => chain[v] = element.mul_add(weights[v], chain[v]));
}

/// [`row`] for two rows in `x (2, K)`, which share each row of `w` that is loaded.
#[inline(always)]
pub(crate) fn two_rows<T: Float, S: Isa, K: Dim, const R: usize>(
    start: Block<T, S, R>,
    x: &[T],
    k: K,
    w: Matrix<'_, T>,
) -> [Block<T, S, R>; 2] {
    let (x, y) = x[..2 * k.size()].split_at(k.size());
    let mut first = [start, zero::<T, S, R>(), zero::<T, S, R>(), zero::<T, S, R>()];
    let mut second = first;
    let mut weights = w.rows(k.size());
    let mut at = 0;
    while at + 4 <= k.size() {
        unroll!(|c| in 4 => {
            let weights = next_row(&mut weights, w.stride);
            link::<T, S, R>(T::Vector::<S>::splat(x[at + c]), weights, &mut first[c]);
            link::<T, S, R>(T::Vector::<S>::splat(y[at + c]), weights, &mut second[c]);
        });
        at += 4;
    }
    unroll!(|c| in 3 => if at + c < k.size() {
        let weights = next_row(&mut weights, w.stride);
        link::<T, S, R>(T::Vector::<S>::splat(x[at + c]), weights, &mut first[c]);
        link::<T, S, R>(T::Vector::<S>::splat(y[at + c]), weights, &mut second[c]);
    });
    [join::<T, S, R>(first), join::<T, S, R>(second)]
}

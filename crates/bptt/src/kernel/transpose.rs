//! The transpose kernel: `out[n, k] = w[k, n]`.
//!
//! The sweep back needs `W_hh` the other way round than the sweep forward. Bringing it there after each update costs less than
//! summing its gradient a second time, which takes H multiply-adds of a row per timestep.

use super::level::Isa;
use super::tile::Matrix;
use super::vector::Vector;
use crate::{Dim, Float};

/// Writes the transpose of `w (N, N)` to `out`, whose rows are as far apart. What is beyond the columns stays.
#[inline(always)]
pub(crate) fn transpose<T: Float, S: Isa, N: Dim>(w: Matrix<'_, T>, n: N, out: &mut [T]) {
    let (n, stride) = (n.size(), w.stride);
    // By tiles of 4 by 4; what is left, one by one.
    let whole = if const { T::Vector::<S>::LANES >= 4 } { n & !3 } else { 0 };
    let mut k = 0;
    while k < whole {
        let row = |m: usize| &w.data[(k + m) * stride..][..stride];
        let rows = [row(0), row(1), row(2), row(3)];
        let mut at = 0;
        while at < whole {
            T::Vector::<S>::turn(rows, at, &mut out[at * stride + k..], stride);
            at += 4;
        }
        k += 4;
    }
    for k in 0..n {
        for at in if k < whole { whole } else { 0 }..n {
            out[at * stride + k] = w.data[k * stride + at];
        }
    }
}

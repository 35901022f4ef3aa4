//! The affine and the outer kernel in functions of their own, for run-time sizes: compiled once, called by what is not
//! limited by latency.

use super::affine::{AsIs, Bias, affine};
use super::level::{Isa, Kernel};
use super::outer::outer_acc;
use super::tile::Matrix;
use crate::Float;
use crate::dim::Dyn;

/// `out (M, N) = bias + a (M, K)·w (K, N)`, or `out += a·w` without a bias.
pub(crate) struct Product<'a, T> {
    pub a: Matrix<'a, T>,
    pub rows: usize,
    pub k: usize,
    /// Input-major, padded.
    pub w: Matrix<'a, T>,
    pub bias: Option<&'a [T]>,
    pub columns: usize,
    /// Padded rows, `stride` apart.
    pub out: &'a mut [T],
    pub stride: usize,
}

impl<T: Float> Kernel for Product<'_, T> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { a, rows, k, w, bias, columns, out, stride } = self;
        let sizes = (rows, Dyn(k), Dyn(columns));
        match bias {
            Some(bias) => affine::<T, S, _, _, _, _>((Bias(bias), AsIs), a, sizes, w, (out, stride)),
            None => affine::<T, S, _, _, _, _>((AsIs, AsIs), a, sizes, w, (out, stride)),
        }
    }
}

/// `w (K, N) += aᵀ·d`, the sum over M rows of `a (M, K)` and `d (M, N)`.
pub(crate) struct Outer<'a, T> {
    pub a: Matrix<'a, T>,
    pub d: Matrix<'a, T>,
    pub rows: usize,
    pub k: usize,
    pub columns: usize,
    /// Padded rows, `stride` apart.
    pub w: &'a mut [T],
    pub stride: usize,
}

impl<T: Float> Kernel for Outer<'_, T> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { a, d, rows, k, columns, w, stride } = self;
        outer_acc::<T, S, _, _>(a, d, rows, (Dyn(k), Dyn(columns)), (w, stride));
    }
}

//! The transpose kernel: `out[n, k] = w[k, n]`.
//!
//! The sweep back needs `W_hh` the other way round than the sweep forward. Bringing it there after each update costs less than
//! summing its gradient a second time, which takes H multiply-adds of a row per timestep. [`transpose`] is for the few units of one
//! sequence, within its kernel; [`Transpose`] is a kernel by itself, for weights of any size.

use super::level::{Isa, Kernel, Level};
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

/// Writes the transpose of `w (R, C)` to `out (C, R)`, whose rows are `stride` apart.
pub(crate) struct Transpose<'a, T> {
    pub w: Matrix<'a, T>,
    /// R and C.
    pub sizes: (usize, usize),
    pub out: &'a mut [T],
    pub stride: usize,
}

impl<T: Float> Transpose<'_, T> {
    /// Runs it at this level. It computes nothing, so that denormal numbers need no thought.
    pub fn at(self, level: Level) {
        level.enter(self);
    }
}

impl<T: Float> Kernel for Transpose<'_, T> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self { w, sizes: (rows, columns), out, stride } = self;
        let whole = if const { T::Vector::<S>::LANES >= 4 } { rows & !3 } else { 0 };
        let mut from = 0;
        // A cache line of each row at a time.
        while from < columns {
            let to = columns.min(from + T::LINE);
            let tiles = from + ((to - from) & !3);
            let mut k = 0;
            while k < whole {
                let row = |m: usize| &w.data[(k + m) * w.stride..][..columns];
                let four = [row(0), row(1), row(2), row(3)];
                let mut at = from;
                while at < tiles {
                    T::Vector::<S>::turn(four, at, &mut out[at * stride + k..], stride);
                    at += 4;
                }
                for at in tiles..to {
                    for m in 0..4 {
                        out[at * stride + k + m] = four[m][at];
                    }
                }
                k += 4;
            }
            for k in whole..rows {
                for at in from..to {
                    out[at * stride + k] = w.data[k * w.stride + at];
                }
            }
            from = to;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Float>(level: Level, (rows, columns): (usize, usize)) {
        let (between, stride) = (columns + 3, rows + 2);
        let w: Vec<T> = (0..rows * between).map(|n| T::from_f64(n as f64)).collect();
        let mut out = vec![T::from_f64(-1.0); columns * stride];
        Transpose { w: Matrix::new(&w, between), sizes: (rows, columns), out: &mut out, stride }.at(level);
        for (at, value) in out.iter().enumerate() {
            let (column, row) = (at / stride, at % stride);
            let expected = if row < rows { w[row * between + column] } else { T::from_f64(-1.0) };
            assert_eq!(*value, expected, "{level}, {rows} by {columns}: {row}, {column}");
        }
    }

    #[test]
    fn rows_become_columns_at_every_size() {
        for level in Level::available() {
            for rows in 1..=19 {
                for columns in [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 32, 33, 37] {
                    check::<f32>(level, (rows, columns));
                    check::<f64>(level, (rows, columns));
                }
            }
        }
    }
}

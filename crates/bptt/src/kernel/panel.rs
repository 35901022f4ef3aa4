//! Products of large matrices, from weights in panels.
//!
//! A panel is two cache lines of columns of a matrix, one row after the other: what a register tile reads of the weights
//! is then one stream. Weights are put into panels once per update ([`pack`], [`pack_transposed`]), not once per step.
//!
//! A tile of 8 rows (6 with 16 registers) by 2 registers loads 2 registers and 8 numbers for 16 multiply-adds, so that
//! a panel may come from the second-level cache, and the whole matrix from the third, as fast as it is used. An element
//! is one chain over `k`, from first to last, whatever the number of rows: a row's result does not depend on its
//! neighbours.

mod outer;

pub(crate) use outer::{PanelOuter, outer_elements};

use super::level::{Isa, Kernel, Level};
use super::tile::{Matrix, fma, load, store, unroll, zero};
use super::transpose::Transpose;
use super::vector::Vector;
use crate::Float;

/// Columns of a panel. The last one of a matrix has half as many where that is enough.
#[inline(always)]
pub(crate) const fn panel<T: Float>() -> usize {
    2 * T::LINE
}

/// Elements of the inputs that are worked on together, beside a panel in the second-level cache.
const BLOCK: usize = 64 << 10;

/// Rows of a product from which on the next panel is asked for. A product of few rows is limited by bandwidth, where that only
/// costs.
pub(crate) const LEAST_AHEAD: usize = 16;

/// Rows of a matrix, in any order.
#[derive(Clone, Copy)]
pub(crate) struct Picked<'a, T> {
    pub matrix: Matrix<'a, T>,
    /// Which rows; without it, the rows as they are.
    pub rows: Option<&'a [usize]>,
}

impl<'a, T> Picked<'a, T> {
    /// The rows as they are.
    pub fn all(data: &'a [T], stride: usize) -> Self {
        Self { matrix: Matrix::new(data, stride), rows: None }
    }

    /// `rows` of them.
    pub fn some(data: &'a [T], stride: usize, rows: &'a [usize]) -> Self {
        Self { matrix: Matrix::new(data, stride), rows: Some(rows) }
    }

    /// Row `row`, from `at` on.
    #[inline(always)]
    pub fn row(&self, row: usize, at: usize) -> &'a [T] {
        &self.matrix.data[place(self.rows, row) * self.matrix.stride + at..]
    }
}

/// The panel of `k` rows that begins with the element `at` of `panels`, if there is one.
#[inline(always)]
pub(crate) fn panel_at<T: Float>(panels: &[T], at: usize, k: usize) -> &[T] {
    let rest = panels.get(at..).unwrap_or_default();
    &rest[..rest.len().min(k * panel::<T>())]
}

#[inline(always)]
fn place(rows: Option<&[usize]>, row: usize) -> usize {
    match rows {
        Some(rows) => rows[row],
        None => row,
    }
}

/// What the sums start from.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a, T> {
    /// A row for each row of the result; the same for all where the distance is 0.
    Rows(Picked<'a, T>),
    /// What is there already.
    Result,
}

/// `out (M, N) = start + a (M, K)·w (K, N)`.
pub(crate) struct PanelProduct<'a, T> {
    pub a: Picked<'a, T>,
    pub rows: usize,
    pub k: usize,
    /// `w` in panels.
    pub panels: &'a [T],
    /// Whole cache lines.
    pub columns: usize,
    pub start: Start<'a, T>,
    pub out: &'a mut [T],
    pub stride: usize,
    /// Which rows of `out`; without it, the rows as they are.
    pub out_rows: Option<&'a [usize]>,
    /// The panel that is wanted next, where the caller knows.
    pub then: &'a [T],
}

impl<T: Float> Kernel for PanelProduct<'_, T> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(mut self) {
        // 1. Rows that stay in the second-level cache; 2. panels; 3. tiles of rows; 4. registers of a panel; 5. k.
        let block = (BLOCK / self.k.max(1)).next_multiple_of(8);
        let mut first = 0;
        while first < self.rows {
            let end = self.rows.min(first + block);
            let mut n = 0;
            while n < self.columns {
                self.panel::<S>((first, end), n);
                n += panel::<T>();
            }
            first = end;
        }
    }
}

impl<'a, T: Float> PanelProduct<'a, T> {
    /// The panel of the columns from `n` on, for the rows from `first` to `end`.
    #[inline(always)]
    fn panel<S: Isa>(&mut self, (first, end): (usize, usize), n: usize) {
        let mut row = first;
        let mut ahead = Ahead::new(self, end - first, n);
        while row < end {
            if const { S::REGISTERS >= 32 } && row + 8 <= end {
                self.tiles::<S, 8>(row, n, &mut ahead);
                row += 8;
            } else if const { S::REGISTERS < 32 } && row + 6 <= end {
                self.tiles::<S, 6>(row, n, &mut ahead);
                row += 6;
            } else if row + 4 <= end {
                self.tiles::<S, 4>(row, n, &mut ahead);
                row += 4;
            } else if row + 2 <= end {
                self.tiles::<S, 2>(row, n, &mut ahead);
                row += 2;
            } else {
                self.tiles::<S, 1>(row, n, &mut ahead);
                row += 1;
            }
        }
    }

    /// `M` rows by the panel of the columns from `n` on.
    #[inline(always)]
    fn tiles<S: Isa, const M: usize>(&mut self, row: usize, n: usize, ahead: &mut Ahead<'a, T>) {
        let width = panel::<T>().min(self.columns - n);
        let pair = 2 * T::Vector::<S>::LANES;
        if width < pair {
            self.tile::<S, M, 1>(row, n, (0, pair / 2), ahead);
        } else if const { 2 * T::Vector::<S>::LANES == panel::<T>() } {
            self.tile::<S, M, 2>(row, n, (0, pair), ahead);
        } else {
            let mut at = 0;
            while at < width {
                self.tile::<S, M, 2>(row, n, (at, width), ahead);
                at += pair;
            }
        }
    }

    /// `M` rows by `R` registers, those from `at` on of the panel, which is `width` wide.
    #[inline(always)]
    fn tile<S: Isa, const M: usize, const R: usize>(
        &mut self,
        row: usize,
        n: usize,
        (at, width): (usize, usize),
        ahead: &mut Ahead<'a, T>,
    ) {
        let k = self.k;
        let mut weights = &self.panels[n * k..][..k * width];
        let mut rows = [&self.panels[..0]; M];
        let mut sums = [zero::<T, S, R>(); M];
        let mut places = [0; M];
        unroll!(|m| in 8: M => {
            rows[m] = &self.a.row(row + m, 0)[..k];
            places[m] = place(self.out_rows, row + m) * self.stride + n + at;
            sums[m] = match &self.start {
                Start::Rows(start) => load::<T, S, R>(start.row(row + m, 0), n + at),
                Start::Result => load::<T, S, R>(self.out, places[m]),
            };
        });
        let mut from = 0;
        while from + 4 <= k {
            let (four, rest) = weights.split_at(4 * width);
            ahead.fetch::<S>();
            unroll!(|c| in 4 => {
                let weights = load::<T, S, R>(four, c * width + at);
                unroll!(|m| in 8: M => fma::<T, S, R>(&mut sums[m], rows[m][from + c], weights));
            });
            weights = rest;
            from += 4;
        }
        while from < k {
            let (one, rest) = weights.split_at(width);
            let weights_one = load::<T, S, R>(one, at);
            unroll!(|m| in 8: M => fma::<T, S, R>(&mut sums[m], rows[m][from], weights_one));
            weights = rest;
            from += 1;
        }
        unroll!(|m| in 8: M => store::<T, S, R>(self.out, places[m], sums[m]));
    }
}

/// The next panel, asked for piece by piece while this one is worked on: where the weights lie in the third-level cache,
/// the processor's own looking ahead ends with each page of memory.
struct Ahead<'a, T> {
    rest: &'a [T],
    /// Cache lines at a time.
    lines: usize,
}

impl<'a, T: Float> Ahead<'a, T> {
    /// While `rows` rows are multiplied by the panel from column `n` on.
    #[inline(always)]
    fn new(product: &PanelProduct<'a, T>, rows: usize, n: usize) -> Self {
        let next = n + panel::<T>();
        let rest = if rows < LEAST_AHEAD {
            &[]
        } else if next < product.columns {
            &product.panels[next * product.k..][..panel::<T>().min(product.columns - next) * product.k]
        } else {
            product.then
        };
        // 8 lines for 4 rows of a panel, dealt out to all tiles.
        Self {
            rest,
            lines: if rows >= 64 {
                1
            } else if rows >= 32 {
                2
            } else {
                4
            },
        }
    }

    #[inline(always)]
    fn fetch<S: Isa>(&mut self) {
        if self.rest.is_empty() {
            return;
        }
        let mut line = 0;
        while line < self.lines && line * T::LINE < self.rest.len() {
            T::Vector::<S>::prefetch(self.rest, line * T::LINE);
            line += 1;
        }
        self.rest = self.rest.get(self.lines * T::LINE..).unwrap_or_default();
    }
}

/// Puts `w (K, N)` into panels; N are whole cache lines. Panels of `of` matrices lie one after the other, then the next ones of all
/// of them: these are those of the matrix `number`.
pub(crate) fn pack<T: Float>(
    w: Matrix<'_, T>,
    (k, columns): (usize, usize),
    (of, number): (usize, usize),
    panels: &mut [T],
) {
    for (row, weights) in w.data.chunks(w.stride).take(k).enumerate() {
        let mut n = 0;
        while n < columns {
            let width = panel::<T>().min(columns - n);
            let at = (n * of + number * width) * k;
            panels[at + row * width..][..width].copy_from_slice(&weights[n..n + width]);
            n += width;
        }
    }
}

/// Puts the transpose of `w (N, K)` into panels, likewise. `n` need not be whole cache lines: what is beyond it becomes 0.
pub(crate) fn pack_transposed<T: Float>(
    level: Level,
    w: Matrix<'_, T>,
    (n, k): (usize, usize),
    (of, number): (usize, usize),
    panels: &mut [T],
) {
    let columns = n.next_multiple_of(T::LINE);
    for first in (0..columns).step_by(panel::<T>()) {
        let stride = panel::<T>().min(columns - first);
        let out = &mut panels[(first * of + number * stride) * k..][..stride * k];
        if first + stride > n {
            out.fill(T::ZERO);
        }
        let sizes = (stride.min(n - first), k);
        Transpose { w: w.skip(first), sizes, out, stride }.at(level);
    }
}

#[cfg(test)]
mod tests;

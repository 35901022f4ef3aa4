//! Weight gradients of large layers: sums of outer products over all rows of a group.
//!
//! Both operands are copied to panels of a few hundred rows, so that a tile reads two streams. The rows are summed up in
//! their order, in blocks of [`DEPTH`].

use super::{Picked, panel};
use crate::Float;
use crate::kernel::level::{Isa, Kernel};
use crate::kernel::tile::{Block, add, fma, load, store, unroll, zero};
use crate::kernel::vector::Vector;

/// Rows that [`PanelOuter`] sums up before it adds them to the result.
pub(super) const DEPTH: usize = 512;

/// Columns of the gradients whose panels are in the second-level cache together, in panels.
pub(super) const CHUNK: usize = 8;

/// Elements that [`PanelOuter`] needs for `rows` rows and up to `k` inputs.
pub(crate) fn outer_elements<T: Float>(rows: usize, k: usize) -> usize {
    rows.min(DEPTH).saturating_mul(k.saturating_add(8).saturating_add(CHUNK * panel::<T>()))
}

/// `w (K, N) += aᵀ·d`, the sum over M rows of `a (M, K)` and `d (M, N)`.
pub(crate) struct PanelOuter<'a, T> {
    pub a: Picked<'a, T>,
    pub d: Picked<'a, T>,
    pub rows: usize,
    pub k: usize,
    /// Whole cache lines.
    pub columns: usize,
    /// Rows `stride` apart.
    pub w: &'a mut [T],
    pub stride: usize,
    /// Room for [`outer_elements`].
    pub room: &'a mut [T],
}

impl<T: Float> Kernel for PanelOuter<'_, T> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        if const { S::REGISTERS >= 32 } { self.blocks::<S, 8>() } else { self.blocks::<S, 6>() }
    }
}

impl<T: Float> PanelOuter<'_, T> {
    /// With tiles of `M` rows of `w`.
    #[inline(always)]
    fn blocks<S: Isa, const M: usize>(mut self) {
        let room = std::mem::take(&mut self.room);
        let mut first = 0;
        // 1. Rows to sum over; 2. panels of d that stay in the second-level cache; 3. rows of w; 4. panels; 5. rows.
        while first < self.rows {
            let depth = DEPTH.min(self.rows - first);
            let (left, right) = room.split_at_mut(depth * self.k.next_multiple_of(M));
            pack_rows::<T, M>(&self.a, (first, depth), (0, self.k), M, left);
            let mut n = 0;
            while n < self.columns {
                let end = self.columns.min(n + CHUNK * panel::<T>());
                self.chunk::<S, M>((first, depth), (n, end), left, right);
                n = end;
            }
            first += depth;
        }
    }

    /// The columns from `start` to `end`.
    #[inline(always)]
    fn chunk<S: Isa, const M: usize>(
        &mut self,
        (first, depth): (usize, usize),
        (start, end): (usize, usize),
        left: &[T],
        right: &mut [T],
    ) {
        if const { T::LINE == 16 } {
            pack_rows::<T, 16>(&self.d, (first, depth), (start, end), panel::<T>(), right);
        } else {
            pack_rows::<T, 8>(&self.d, (first, depth), (start, end), panel::<T>(), right);
        }
        let mut k = 0;
        while k < self.k {
            let mut n = start;
            while n < end {
                let width = panel::<T>().min(end - n);
                let right = &right[(n - start) * depth..][..depth * width];
                let left = &left[k * depth..][..depth * M];
                let pair = 2 * T::Vector::<S>::LANES;
                if width < pair {
                    self.tile::<S, M, 1>(k, n, 0, pair / 2, left, right);
                } else if const { 2 * T::Vector::<S>::LANES == panel::<T>() } {
                    self.tile::<S, M, 2>(k, n, 0, pair, left, right);
                } else {
                    let mut at = 0;
                    while at < width {
                        self.tile::<S, M, 2>(k, n, at, width, left, right);
                        at += pair;
                    }
                }
                n += width;
            }
            k += M;
        }
    }

    /// `M` rows of `w` from `k` on, `R` registers of columns from `n + at` on.
    #[inline(always)]
    fn tile<S: Isa, const M: usize, const R: usize>(
        &mut self,
        k: usize,
        n: usize,
        at: usize,
        width: usize,
        left: &[T],
        right: &[T],
    ) {
        // Where the result lies in the third-level cache, it is there by the time the sums are.
        unroll!(|m| in 8: M => if k + m < self.k {
            unroll!(|v| in R => {
                T::Vector::<S>::prefetch(self.w, (k + m) * self.stride + n + at + v * T::Vector::<S>::LANES);
            });
        });
        let mut sums = [zero::<T, S, R>(); M];
        let (mut left, mut right) = (left, right);
        while left.len() >= 4 * M {
            let (inputs, rest) = left.split_at(4 * M);
            let (gradients, rest_right) = right.split_at(4 * width);
            unroll!(|c| in 4 => {
                let gradient = load::<T, S, R>(gradients, c * width + at);
                unroll!(|m| in 8: M => fma::<T, S, R>(&mut sums[m], inputs[c * M + m], gradient));
            });
            (left, right) = (rest, rest_right);
        }
        while left.len() >= M {
            let (inputs, rest) = left.split_at(M);
            let (gradients, rest_right) = right.split_at(width);
            let gradient = load::<T, S, R>(gradients, at);
            unroll!(|m| in 8: M => fma::<T, S, R>(&mut sums[m], inputs[m], gradient));
            (left, right) = (rest, rest_right);
        }
        unroll!(|m| in 8: M => if k + m < self.k {
            let place = (k + m) * self.stride + n + at;
            let old: Block<T, S, R> = load::<T, S, R>(self.w, place);
            store::<T, S, R>(self.w, place, add::<T, S, R>(old, sums[m]));
        });
    }
}

/// Copies the columns from `start` to `end` of `depth` rows from `first` on to panels of `width` columns, where they stand
/// one row after the other.
///
/// A panel that is not full is narrower where its width is whole pieces of `PIECE` (that divides the width), and filled up
/// with zeros where it is not.
#[inline(always)]
fn pack_rows<T: Float, const PIECE: usize>(
    from: &Picked<'_, T>,
    (first, depth): (usize, usize),
    (start, end): (usize, usize),
    width: usize,
    out: &mut [T],
) {
    // A few rows at a time, so that whole cache lines are written.
    let mut row = 0;
    while row < depth {
        let count = (depth - row).min(4);
        let mut lines = [&from.matrix.data[..0]; 4];
        for (r, line) in lines[..count].iter_mut().enumerate() {
            *line = &from.row(first + row + r, start)[..end - start];
        }
        let mut n = 0;
        while n < end - start {
            let left = end - start - n;
            let width = width.min(left.next_multiple_of(PIECE));
            let out = &mut out[n * depth + row * width..][..count * width];
            for (out, line) in out.chunks_exact_mut(width).zip(lines) {
                if width <= left {
                    for (out, line) in out.as_chunks_mut::<PIECE>().0.iter_mut().zip(line[n..].as_chunks().0)
                    {
                        *out = *line;
                    }
                } else {
                    out[..left].copy_from_slice(&line[n..]);
                    out[left..].fill(T::ZERO);
                }
            }
            n += width;
        }
        row += count;
    }
}

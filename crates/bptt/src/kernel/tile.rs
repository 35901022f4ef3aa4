//! Blocks of vectors: how a row of hidden units is cut into registers.
//!
//! Short loops over registers are written out by [`unroll`]. A closure or an iterator would be a function of its own,
//! compiled without the level's instructions unless the compiler happens to inline it; a counted loop would be
//! unrolled in the end, but hundreds of them in one body take the compiler minutes.

use super::level::Isa;
use super::vector::Vector;
use crate::Float;

/// A matrix in a flat slice: rows `stride` elements apart, of which the caller says how many count.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    pub data: &'a [T],
    pub stride: usize,
}

impl<'a, T> Matrix<'a, T> {
    #[inline(always)]
    pub fn new(data: &'a [T], stride: usize) -> Self {
        Self { data, stride }
    }

    /// The rows from `first` on.
    #[inline(always)]
    pub fn skip(self, first: usize) -> Self {
        Self { data: &self.data[first * self.stride..], stride: self.stride }
    }

    /// The first `count` rows as one slice, for [`pop_row`] and [`next_row`].
    #[inline(always)]
    pub fn rows(self, count: usize) -> &'a [T] {
        &self.data[..count * self.stride]
    }
}

// Rows are walked over with these, and not with the standard iterators: adapters like `zip` are functions of their own,
// which the compiler does not always inline into a large body, and what is inside them then lacks the level's instructions.

/// Takes the first row off `rows`.
#[inline(always)]
pub(crate) fn next_row<'a, T>(rows: &mut &'a [T], stride: usize) -> &'a [T] {
    let (row, rest) = rows.split_at(stride);
    *rows = rest;
    row
}

/// Takes the last row off `rows`.
#[inline(always)]
pub(crate) fn pop_row<'a, T>(rows: &mut &'a [T], stride: usize) -> &'a [T] {
    let (rest, row) = rows.split_at(rows.len() - stride);
    *rows = rest;
    row
}

/// Writes `$body` out for `$i` = 0, 1, 2, ... as long as `$i < $n` (decided before the optimiser sees it); `$n` is a constant of at most 4, or
/// of at most 8 or 16 in the forms `in 8: $n` and `in 16: $n`.
macro_rules! unroll {
    (|$i:ident| in $n:expr => $body:expr) => {
        $crate::kernel::tile::unroll!(@ $n, $i, $body, 0 1 2 3)
    };
    (|$i:ident| in 8: $n:expr => $body:expr) => {
        $crate::kernel::tile::unroll!(@ $n, $i, $body, 0 1 2 3 4 5 6 7)
    };
    (|$i:ident| in 16: $n:expr => $body:expr) => {
        $crate::kernel::tile::unroll!(@ $n, $i, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    (@ $n:expr, $i:ident, $body:expr, $($index:literal)*) => {
        $(if const { $index < $n } {
            let $i: usize = $index;
            $body;
        })*
    };
}
pub(crate) use unroll;

/// `N` registers: a piece of a row.
pub(crate) type Block<T, S, const N: usize> = [<T as Float>::Vector<S>; N];

/// The piece of `row` that starts at `at`.
#[inline(always)]
pub(crate) fn load<T: Float, S: Isa, const N: usize>(row: &[T], at: usize) -> Block<T, S, N> {
    let mut block = zero::<T, S, N>();
    let row = &row[at..at + N * T::Vector::<S>::LANES];
    unroll!(|v| in N => block[v] = T::Vector::<S>::load(row, v * T::Vector::<S>::LANES));
    block
}

/// Writes `block` to `row` from `at` on.
#[inline(always)]
pub(crate) fn store<T: Float, S: Isa, const N: usize>(row: &mut [T], at: usize, block: Block<T, S, N>) {
    let row = &mut row[at..at + N * T::Vector::<S>::LANES];
    unroll!(|v| in N => block[v].store(row, v * T::Vector::<S>::LANES));
}

/// Zeros.
#[inline(always)]
pub(crate) fn zero<T: Float, S: Isa, const N: usize>() -> Block<T, S, N> {
    [T::Vector::<S>::splat(T::ZERO); N]
}

/// `acc += a · w`, with the number `a` in every lane.
#[inline(always)]
pub(crate) fn fma<T: Float, S: Isa, const N: usize>(acc: &mut Block<T, S, N>, a: T, w: Block<T, S, N>) {
    let a = T::Vector::<S>::splat(a);
    unroll!(|v| in N => acc[v] = a.mul_add(w[v], acc[v]));
}

/// `a + b`.
#[inline(always)]
pub(crate) fn add<T: Float, S: Isa, const N: usize>(a: Block<T, S, N>, b: Block<T, S, N>) -> Block<T, S, N> {
    let mut sum = a;
    unroll!(|v| in N => sum[v] = sum[v].add(b[v]));
    sum
}

/// The sum of 4 chains, (0 + 2) + (1 + 3).
#[inline(always)]
pub(crate) fn join<T: Float, S: Isa, const N: usize>(chains: [Block<T, S, N>; 4]) -> Block<T, S, N> {
    let [first, second, third, fourth] = chains;
    add::<T, S, N>(add::<T, S, N>(first, third), add::<T, S, N>(second, fourth))
}

/// Runs `$body` for blocks of registers until `$columns` columns are covered: `$at` is the first column of the
/// block and `$registers` a constant, its size, which is `$wide` (2 or 4) as long as that many are needed, then 1.
///
/// The last register may reach into the padding, never beyond the row's last cache line. Where the column count is
/// a compile-time constant, so is every branch here.
macro_rules! for_blocks {
    ($t:ty, $s:ty, $columns:expr, $wide:literal or 1, |$at:ident, $registers:ident| $body:expr) => {{
        let lanes = <<$t as $crate::Float>::Vector<$s> as $crate::kernel::vector::Vector<$t>>::LANES;
        let columns: usize = $columns;
        let mut $at = 0;
        while $at + ($wide - 1) * lanes < columns {
            const $registers: usize = $wide;
            $body;
            $at += $registers * lanes;
        }
        while $at < columns {
            const $registers: usize = 1;
            $body;
            $at += lanes;
        }
    }};
}
pub(crate) use for_blocks;

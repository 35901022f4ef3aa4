//! Rows of sequences, which lie one after the other, side by side: a sequence in each lane.

use super::level::{Isa, Kernel};
use super::tile::unroll;
use super::vector::Vector;
use crate::Float;

/// Sequences of a dataset, longest first; up to one for each lane.
#[derive(Clone, Copy)]
pub(crate) struct Windows<'a> {
    /// The first row of each.
    pub starts: &'a [usize],
    /// How many rows each has.
    pub lengths: &'a [usize],
}

/// From rows of `columns` elements of `data` to `out (T, columns, L)`, with `T` the timesteps of the longest sequence;
/// `pad` where a sequence has no such timestep, and in lanes that have no sequence.
pub(crate) struct Gather<'a, T> {
    pub data: &'a [T],
    pub columns: usize,
    pub windows: Windows<'a>,
    pub pad: T,
    pub out: &'a mut [T],
}

impl<T: Float> Kernel for Gather<'_, T> {
    type Element = T;
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        gather::<T, S>((self.data, self.columns), self.windows, self.pad, self.out);
    }
}

/// The sequences that come next, whose features are asked for while these are worked on.
#[derive(Clone, Copy)]
pub(crate) struct Ahead<'a, T> {
    /// (rows, `columns`)
    features: &'a [T],
    columns: usize,
    offsets: &'a [usize],
    /// None where the data lie in a cache, or nobody knows what comes.
    members: &'a [usize],
}

/// Features that do not lie in a second-level cache, in bytes.
const FAR: usize = 1 << 20;

impl<'a, T: Float> Ahead<'a, T> {
    /// Asks for the features of `members`, if they are far away.
    #[inline(always)]
    pub fn new(features: &'a [T], columns: usize, offsets: &'a [usize], members: &'a [usize]) -> Self {
        let members = if size_of_val(features) >= FAR { members } else { &[] };
        Self { features, columns, offsets, members }
    }

    /// Asks for those of timestep `t`: a few at a time, because a core can only wait for a dozen cache lines at once.
    #[inline(always)]
    pub fn step<S: Isa>(&self, t: usize) {
        for &s in self.members {
            if self.offsets[s] + t < self.offsets[s + 1] {
                let from = (self.offsets[s] + t) * self.columns;
                let mut at = from;
                while at < from + self.columns {
                    T::Vector::<S>::prefetch(self.features, at);
                    at += T::LINE;
                }
            }
        }
    }
}

/// [`Gather`].
#[inline(always)]
pub(crate) fn gather<T: Float, S: Isa>(
    (data, columns): (&[T], usize),
    windows: Windows<'_>,
    pad: T,
    out: &mut [T],
) {
    let (lanes, count) = (T::Vector::<S>::LANES, windows.starts.len());
    let out = &mut out[..windows.lengths[0] * columns * lanes];
    // Up to here every lane has an element.
    let full = if count < T::Vector::<S>::USED { 0 } else { windows.lengths[count - 1] * columns };
    out[full * lanes..].fill(pad);
    let mut m = 0;
    while m < count {
        let elements = |m: usize| &data[windows.starts[m] * columns..][..windows.lengths[m] * columns];
        if const { T::Vector::<S>::LANES >= 4 } && m + 4 <= count {
            let mut rows = [data; 4];
            unroll!(|r| in 4 => rows[r] = elements(m + r));
            let whole = four::<T, S>(rows, m, out);
            unroll!(|r| in 4 => one(rows[r], (whole, m + r, lanes), out));
            m += 4;
        } else {
            one(elements(m), (0, m, lanes), out);
            m += 1;
        }
    }
}

/// As many elements as all four of `rows` have go to the lanes from `m` on, where they are 4 at least; returns how many.
#[inline(always)]
fn four<T: Float, S: Isa>(rows: [&[T]; 4], m: usize, out: &mut [T]) -> usize {
    let (lanes, whole) = (T::Vector::<S>::LANES, rows[3].len());
    if whole < 4 {
        return 0;
    }
    let mut rows = rows;
    unroll!(|r| in 4 => rows[r] = &rows[r][..whole]);
    let mut at = 0;
    while at < whole {
        // The last four may have been among those before.
        let from = if at + 4 <= whole { at } else { whole - 4 };
        T::Vector::<S>::turn(rows, from, &mut out[from * lanes + m..][..3 * lanes + 4], lanes);
        at += 4;
    }
    whole
}

/// The elements of `row` from `first` on go to lane `m`.
#[inline(always)]
fn one<T: Float>(row: &[T], (first, m, lanes): (usize, usize, usize), out: &mut [T]) {
    for e in first..row.len() {
        out[e * lanes + m] = row[e];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Level, Rng};

    /// How many lanes there are.
    struct Lanes<T>(T);

    impl<T: Float> Kernel for Lanes<T> {
        type Element = T;
        type Output = usize;

        #[inline(always)]
        fn run<S: Isa>(self) -> usize {
            T::Vector::<S>::LANES
        }
    }

    fn check<T: Float>(level: Level, columns: usize, lengths: &[usize]) {
        let mut rng = Rng::new(columns as u64);
        let rows: usize = lengths.iter().sum();
        let data: Vec<T> = (0..(rows + 3) * columns).map(|_| T::from_f64(rng.uniform())).collect();
        // In another order than their own, with a row between them here and there.
        let mut starts = vec![0; lengths.len()];
        let mut at = 1;
        for (m, length) in lengths.iter().enumerate().rev() {
            starts[m] = at;
            at += length;
        }
        let lanes = level.run(Lanes(T::ZERO));
        let pad = T::from_f64(-7.0);
        let mut out = vec![T::ONE; (lengths[0] * columns + 1) * lanes];
        let windows = Windows { starts: &starts, lengths };
        level.run(Gather { data: &data, columns, windows, pad, out: &mut out });
        for e in 0..lengths[0] * columns {
            for m in 0..lanes {
                let there = m < lengths.len() && e < lengths[m] * columns;
                let expected = if there { data[starts[m] * columns + e] } else { pad };
                assert_eq!(out[e * lanes + m], expected, "{level} {columns} {lengths:?}: {e} {m}");
            }
        }
        assert!(out[lengths[0] * columns * lanes..].iter().all(|x| *x == T::ONE));
    }

    fn check_all<T: Float>() {
        for level in Level::available() {
            let lanes = level.run(Lanes(T::ZERO));
            for columns in 1..=17 {
                for count in 1..=lanes {
                    let all = |length: &dyn Fn(usize) -> usize| (0..count).map(length).collect::<Vec<_>>();
                    check::<T>(level, columns, &all(&|_| 3));
                    check::<T>(level, columns, &all(&|m| count - m));
                    check::<T>(level, columns, &all(&|m| 1 + 6 * usize::from(m < 3)));
                }
            }
        }
    }

    #[test]
    fn every_element_comes_to_its_lane() {
        check_all::<f32>();
        check_all::<f64>();
    }
}

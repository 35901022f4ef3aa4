//! [`Uneven`]: a row of hidden units in one and a half registers.
//!
//! A row of 10 f64 in registers of 8 leaves 6 lanes of the second one empty, and they cost as much as the others: a unit of
//! the processor works on 512 bits for two cycles, on 256 for one. Here the second register is one of half the width, so that such
//! a row takes three quarters of the time. What is left out of the second register is padding, which is zero and stays so.

use super::vector::Vector;
use crate::Float;

/// A vector with a form of half its width.
pub trait Halves<T: Float>: Vector<T> {
    /// Half as many lanes.
    type Half: Vector<T>;

    /// `self`, of which the compiler does not know how it was made. Else it makes a number that fills a vector and a half twice.
    fn hidden(self) -> Self;
    /// The first half of the lanes.
    fn half(self) -> Self::Half;
    /// `half`, followed by zeros.
    fn widened(half: Self::Half) -> Self;
    /// [`Vector::tanh`] of this width for one and a half times the lanes.
    fn tanh_uneven(x: Uneven<Self, Self::Half>) -> Uneven<Self, Self::Half>;
}

/// The lanes of a vector, and half as many after them. As a row it counts for two whole vectors.
#[derive(Clone, Copy)]
pub struct Uneven<V, H>(pub V, pub H);

/// `Uneven` of a vector.
pub type OneAndAHalf<T, V> = Uneven<V, <V as Halves<T>>::Half>;

impl<V, H> Uneven<V, H> {
    /// The second part added to the first.
    #[inline(always)]
    fn folded<T: Float>(self) -> V
    where
        V: Halves<T, Half = H>,
    {
        self.0.add(V::widened(self.1))
    }
}

impl<T: Float, V: Halves<T>> Vector<T> for Uneven<V, V::Half> {
    /// With the padding.
    const LANES: usize = 2 * V::LANES;
    const USED: usize = V::LANES + V::Half::LANES;
    type Lanes = V::Lanes;
    const FUSED: bool = V::FUSED;

    #[inline(always)]
    fn lanes() -> V::Lanes {
        V::lanes()
    }
    #[inline(always)]
    fn broadcast(self, lanes: &V::Lanes, lane: usize) -> Self {
        let all = if lane < V::LANES {
            self.0.broadcast(lanes, lane)
        } else {
            V::widened(self.1).broadcast(lanes, lane - V::LANES)
        };
        Self(all, all.half())
    }
    #[inline(always)]
    fn first(value: T) -> Self {
        Self(V::first(value), V::Half::splat(T::ZERO))
    }
    #[inline(always)]
    fn splat(value: T) -> Self {
        let all = V::splat(value).hidden();
        Self(all, all.half())
    }
    #[inline(always)]
    fn load(row: &[T], at: usize) -> Self {
        let row = &row[at..at + 2 * V::LANES];
        Self(V::load(row, 0), V::Half::load(row, V::LANES))
    }
    #[inline(always)]
    fn store(self, row: &mut [T], at: usize) {
        let row = &mut row[at..at + 2 * V::LANES];
        self.0.store(row, 0);
        self.1.store(row, V::LANES);
    }
    #[inline(always)]
    fn prefetch(row: &[T], at: usize) {
        V::prefetch(row, at);
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(self.0.add(other.0), self.1.add(other.1))
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(self.0.sub(other.0), self.1.sub(other.1))
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(self.0.mul(other.0), self.1.mul(other.1))
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        Self(self.0.div(other.0), self.1.div(other.1))
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        Self(self.0.mul_add(a.0, b.0), self.1.mul_add(a.1, b.1))
    }
    #[inline(always)]
    fn abs(self) -> Self {
        Self(self.0.abs(), self.1.abs())
    }
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        Self(self.0.copysign(sign.0), self.1.copysign(sign.1))
    }
    #[inline(always)]
    fn at_most(self, limit: Self) -> Self {
        Self(self.0.at_most(limit.0), self.1.at_most(limit.1))
    }
    #[inline(always)]
    fn at_least(self, limit: Self) -> Self {
        Self(self.0.at_least(limit.0), self.1.at_least(limit.1))
    }
    #[inline(always)]
    fn where_negative(self, a: Self, b: Self) -> Self {
        Self(self.0.where_negative(a.0, b.0), self.1.where_negative(a.1, b.1))
    }
    #[inline(always)]
    fn where_positive(self, a: Self) -> Self {
        Self(self.0.where_positive(a.0), self.1.where_positive(a.1))
    }
    #[inline(always)]
    fn zero_above(self, x: Self, limit: Self) -> Self {
        Self(self.0.zero_above(x.0, limit.0), self.1.zero_above(x.1, limit.1))
    }
    #[inline(always)]
    fn exponent(self) -> Self {
        Self(self.0.exponent(), self.1.exponent())
    }
    #[inline(always)]
    fn sum(self) -> T {
        self.folded().sum()
    }
    #[inline(always)]
    fn add_sums(vectors: [Self; 4], row: &mut [T], at: usize) {
        let [a, b, c, d] = vectors;
        V::add_sums([a.folded(), b.folded(), c.folded(), d.folded()], row, at);
    }
    /// As two whole vectors would be added up, to the bit.
    #[inline(always)]
    fn dot(self, weights: Self, bias: T) -> T {
        let first = self.0.mul_add(weights.0, V::first(bias));
        let sum = V::widened(self.1).mul_add(V::widened(weights.1), first);
        sum.add(V::splat(T::ZERO)).sum()
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        V::tanh_uneven(self)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        Self(self.0.sigmoid(), V::widened(self.1).sigmoid().half())
    }
    #[inline(always)]
    fn turn(rows: [&[T]; 4], at: usize, out: &mut [T], stride: usize) {
        V::turn(rows, at, out, stride);
    }
}

#[cfg(test)]
mod tests {
    use crate::kernel::level::{Isa, Kernel};
    use crate::kernel::tile::Matrix;
    use crate::kernel::transpose::transpose;
    use crate::kernel::vector::Vector;
    use crate::{Dyn, Float, Level, Rng};

    /// A vector against plain loops, and two whole vectors.
    struct Check<T>(T);

    impl<T: Float> Kernel for Check<T> {
        type Element = T;
        type Output = ();

        #[inline(always)]
        fn run<S: Isa>(self) {
            check::<T, S, S>();
            check::<T, S::Uneven, S>();
        }
    }

    fn numbers<T: Float>(count: usize, used: usize, seed: u64) -> Vec<T> {
        let mut rng = Rng::new(seed);
        (0..count).map(|k| T::from_f64(if k < used { rng.uniform() - 0.5 } else { 0.0 })).collect()
    }

    fn lanes<T: Float, S: Isa>(vector: T::Vector<S>) -> Vec<T> {
        let mut row = vec![T::ZERO; T::Vector::<S>::LANES];
        vector.store(&mut row, 0);
        row
    }

    /// `S` is `W` or one and a half of it.
    fn check<T: Float, S: Isa, W: Isa>() {
        let (count, used) = (T::Vector::<S>::LANES, T::Vector::<S>::USED);
        let whole = T::Vector::<W>::LANES;
        let (x, y) = (numbers::<T>(count, used, 1), numbers::<T>(count, used, 2));
        let (a, b) = (T::Vector::<S>::load(&x, 0), T::Vector::<S>::load(&y, 0));
        #[allow(clippy::needless_range_loop)] // The number of the lane is what counts.
        for lane in 0..used {
            let all = lanes::<T, S>(a.broadcast(&T::Vector::<S>::lanes(), lane));
            assert!(all[..used].iter().all(|value| *value == x[lane]), "{lane}");
        }
        let one_by_one = |f: &dyn Fn(T::Vector<W>, T::Vector<W>) -> T::Vector<W>| -> Vec<T> {
            let at = |at| f(T::Vector::<W>::load(&x, at), T::Vector::<W>::load(&y, at));
            (0..count).step_by(whole).flat_map(|k| lanes::<T, W>(at(k))).collect()
        };
        let same = |found: T::Vector<S>, expected: Vec<T>| {
            assert_eq!(lanes::<T, S>(found)[..used], expected[..used]);
        };
        same(a.add(b), one_by_one(&|a, b| a.add(b)));
        same(a.sub(b), one_by_one(&|a, b| a.sub(b)));
        same(a.mul(b), one_by_one(&|a, b| a.mul(b)));
        same(a.div(b), one_by_one(&|a, b| a.div(b)));
        same(a.mul_add(b, a), one_by_one(&|a, b| a.mul_add(b, a)));
        same(a.abs(), one_by_one(&|a, _| a.abs()));
        same(a.copysign(b), one_by_one(&|a, b| a.copysign(b)));
        same(a.at_most(b), one_by_one(&|a, b| a.at_most(b)));
        same(a.at_least(b), one_by_one(&|a, b| a.at_least(b)));
        same(a.where_negative(b, a), one_by_one(&|a, b| a.where_negative(b, a)));
        same(a.where_positive(b), one_by_one(&|a, b| a.where_positive(b)));
        same(a.zero_above(b, a), one_by_one(&|a, b| a.zero_above(b, a)));
        same(a.tanh(), one_by_one(&|a, _| a.tanh()));
        same(a.sigmoid(), one_by_one(&|a, _| a.sigmoid()));
        same(T::Vector::<S>::splat(x[1]), vec![x[1]; count]);
        // Sums: by halves of whole vectors.
        let folded = |v: &[T]| {
            let mut sum = T::Vector::<W>::load(v, 0);
            if count > whole {
                sum = sum.add(T::Vector::<W>::load(v, whole));
            }
            sum.sum()
        };
        assert_eq!(a.sum(), folded(&x));
        let mut row = [T::ONE; 6];
        T::Vector::<S>::add_sums([a, b, a.mul(b), a.sub(b)], &mut row, 1);
        let product = lanes::<T, S>(a.mul(b));
        let difference = lanes::<T, S>(a.sub(b));
        let sums = [&x, &y, &product, &difference].map(|v| T::ONE + folded(v));
        assert_eq!(row, [T::ONE, sums[0], sums[1], sums[2], sums[3], T::ONE]);
        let mut sum = T::Vector::<W>::first(x[1]);
        for k in (0..count).step_by(whole) {
            sum = T::Vector::<W>::load(&x, k).mul_add(T::Vector::<W>::load(&y, k), sum);
        }
        if count > whole {
            sum = sum.add(T::Vector::<W>::splat(T::ZERO));
        }
        assert_eq!(a.dot(b, x[1]), sum.sum());
    }

    struct Transpose<T>(T);

    impl<T: Float> Kernel for Transpose<T> {
        type Element = T;
        type Output = ();

        #[inline(always)]
        fn run<S: Isa>(self) {
            for n in 1..=19_usize {
                let stride = n.next_multiple_of(T::LINE);
                let w = numbers::<T>(n * stride, n * stride, 3);
                let mut out = vec![T::ONE; n * stride];
                transpose::<T, S, _>(Matrix::new(&w, stride), Dyn(n), &mut out);
                for (at, value) in out.iter().enumerate() {
                    let (k, m) = (at / stride, at % stride);
                    assert_eq!(*value, if m < n { w[m * stride + k] } else { T::ONE }, "{n}: {k} {m}");
                }
            }
        }
    }

    #[test]
    fn a_vector_and_a_half_is_two_with_nothing_at_the_end() {
        for level in Level::available() {
            level.run(Check(0.0_f32));
            level.run(Check(0.0_f64));
        }
    }

    #[test]
    fn rows_become_columns() {
        for level in Level::available() {
            level.run(Transpose(0.0_f32));
            level.run(Transpose(0.0_f64));
        }
    }
}

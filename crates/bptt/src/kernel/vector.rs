//! [`Vector`]: a register's worth of lanes, and [`Portable`], its form in plain Rust.
//!
//! Kernels are written over this trait. AVX2 and AVX-512 implement it with intrinsics ([`super::x86`]); the
//! baseline, and every other architecture, uses arrays short enough for the compiler to see the registers in.
//! (Arrays as wide as the widest register were tried for all levels: the compiler unrolled them into scalars and
//! put them together again, which took minutes per build and gave worse code.)

#[cfg(target_arch = "x86_64")]
use super::tanh_table::Row;
use crate::Float;

/// Lanes of `T` that an instruction works on at once. Lane-wise unless said otherwise.
pub trait Vector<T: Float>: Copy {
    /// How many lanes; divides the lanes of a cache line, but for [`super::uneven::Uneven`].
    const LANES: usize;
    /// How many of them there are; the others are padding.
    const USED: usize = Self::LANES;
    /// The permutations of [`Vector::broadcast`].
    type Lanes: Copy;

    /// Made once per run, not per step.
    fn lanes() -> Self::Lanes;
    /// The given lane in every lane, without a way through memory.
    fn broadcast(self, lanes: &Self::Lanes, lane: usize) -> Self;
    /// `value` in the first lane, 0 in the others.
    fn first(value: T) -> Self;
    /// Whether [`Vector::mul_add`] rounds once.
    const FUSED: bool;

    /// `value` in every lane.
    fn splat(value: T) -> Self;
    /// The elements of `row` from `at` on.
    fn load(row: &[T], at: usize) -> Self;
    /// Writes to `row` from `at` on.
    fn store(self, row: &mut [T], at: usize);
    /// Says that the elements of `row` from `at` on will soon be wanted.
    fn prefetch(row: &[T], at: usize);
    /// `self + other`.
    fn add(self, other: Self) -> Self;
    /// `self − other`.
    fn sub(self, other: Self) -> Self;
    /// `self · other`.
    fn mul(self, other: Self) -> Self;
    /// `self / other`.
    fn div(self, other: Self) -> Self;
    /// `self · a + b`, rounded once where the hardware can.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// The absolute value.
    fn abs(self) -> Self;
    /// The magnitude of `self` with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;
    /// The smaller of `self` and `limit`; NaN in `self` stays NaN.
    fn at_most(self, limit: Self) -> Self;
    /// The larger of `self` and `limit`; NaN in `self` stays NaN.
    fn at_least(self, limit: Self) -> Self;
    /// `a` where `self < 0`, else `b`.
    fn where_negative(self, a: Self, b: Self) -> Self;
    /// `a` where `self > 0`, else 0.
    fn where_positive(self, a: Self) -> Self;
    /// `self`, but 0 where `x > limit`.
    fn zero_above(self, x: Self, limit: Self) -> Self;
    /// 2ᵏ for the integer `k` in `self − ROUNDER` (see [`super::elementary`]), where that is a normal number.
    fn exponent(self) -> Self;
    /// The sum of all lanes, by halves.
    fn sum(self) -> T;
    /// Adds [`Vector::sum`] of each of 4 vectors to one of the elements of `row` from `at` on.
    #[inline(always)]
    fn add_sums(vectors: [Self; 4], row: &mut [T], at: usize) {
        let row = &mut row[at..at + 4];
        for (sum, vector) in row.iter_mut().zip(vectors) {
            *sum += vector.sum();
        }
    }
    /// `bias + Σ self · weights`.
    #[inline(always)]
    fn dot(self, weights: Self, bias: T) -> T {
        self.mul_add(weights, Self::first(bias)).sum()
    }
    /// [`super::elementary::tanh`], by the way that is quickest with these instructions.
    fn tanh(self) -> Self;
    /// [`super::elementary::sigmoid`], likewise.
    fn sigmoid(self) -> Self;
    /// Rows become columns: writes the 4 elements from `at` on of each of 4 `rows` side by side, to 4 rows of `out` that
    /// are `stride` elements apart.
    fn turn(rows: [&[T]; 4], at: usize, out: &mut [T], stride: usize);

    /// Whether there are instructions for blocks of 4 lanes, see [`super::blocks`]; without, what follows goes lane by lane.
    const BLOCKED: bool = false;
    /// The 4 elements of `row` from `at` on, in each block.
    #[inline(always)]
    fn repeat(row: &[T], at: usize) -> Self {
        Self::by_lanes(|lane| row[at + lane % 4])
    }
    /// In block `b` lane `B·group + b` of `self`, `B` being the number of blocks.
    #[inline(always)]
    fn spread(self, group: usize) -> Self {
        let mut lanes = [T::ZERO; MOST_LANES];
        self.store(&mut lanes, 0);
        Self::by_lanes(|lane| lanes[Self::LANES / 4 * group + lane / 4])
    }
    /// In lane `B·g + b` the sum over block `b` of `vectors[g]`; 0 in the lanes after them.
    #[inline(always)]
    fn block_sums(vectors: [Self; 3]) -> Self {
        let mut sums = [T::ZERO; MOST_LANES];
        for (g, vector) in vectors.into_iter().enumerate() {
            let mut lanes = [T::ZERO; MOST_LANES];
            vector.store(&mut lanes, 0);
            for (b, block) in lanes[..Self::LANES].chunks_exact(4).enumerate() {
                sums[Self::LANES / 4 * g + b] = (block[0] + block[2]) + (block[1] + block[3]);
            }
        }
        Self::load(&sums, 0)
    }
    /// A vector of what `number` says for each lane.
    #[inline(always)]
    fn by_lanes(number: impl Fn(usize) -> T) -> Self {
        let mut lanes = [T::ZERO; MOST_LANES];
        for (lane, value) in lanes[..Self::LANES].iter_mut().enumerate() {
            *value = number(lane);
        }
        Self::load(&lanes, 0)
    }
}

/// The most lanes that a vector counts for.
const MOST_LANES: usize = 32;

/// [`Vector::turn`] without vectors.
#[inline(always)]
pub(super) fn turn_one_by_one<T: Float>(rows: [&[T]; 4], at: usize, out: &mut [T], stride: usize) {
    for (m, row) in rows.into_iter().enumerate() {
        for e in 0..4 {
            out[e * stride + m] = row[at + e];
        }
    }
}

/// A vector that can look up a number for each lane at once; see [`super::elementary::tanh_by_table`].
#[cfg(target_arch = "x86_64")]
pub trait Lookup: Vector<f32> {
    /// The table of `tanh`.
    const TANH: &'static [Row];
    /// The number of the interval in which a lane of `self`, which is not negative, lies: its exponent and leading
    /// bits, but no less than those of `first` and no more than those of `last`.
    fn interval(self, first: Self, last: Self) -> Self;
    /// The number in `row` at the place that the low bits of each lane of `self`, an interval, name.
    fn pick(self, row: &Row) -> Self;
}

/// A vector that can look up powers of two; see [`super::elementary::sigmoid_by_powers`].
#[cfg(target_arch = "x86_64")]
pub trait Powers<T: Float>: Vector<T> {
    /// `2^(j / PARTS)`, rounded, and what is left of it, divided by the former. `j` are the low bits of each lane: as many as count
    /// to [`super::elementary::Elementary::PARTS`].
    fn power(self) -> [Self; 2];
    /// `self · 2^⌊k⌋`, rounded where that is subnormal.
    fn scaled(self, k: Self) -> Self;
}

/// [`Vector`] as an array, for architectures without intrinsics here, and for programs without the standard library.
#[derive(Clone, Copy)]
pub struct Portable<T, const N: usize>([T; N]);

impl<T: Float, const N: usize> Portable<T, N> {
    #[inline(always)]
    fn map(self, f: impl Fn(T) -> T) -> Self {
        Self(self.0.map(f))
    }

    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(T, T) -> T) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

impl<T: Float, const N: usize> Vector<T> for Portable<T, N> {
    const LANES: usize = N;
    type Lanes = ();
    // Without the instruction, a fused multiply-add would be a call to libm.
    const FUSED: bool = cfg!(all(feature = "std", any(target_feature = "fma", target_arch = "aarch64")));

    #[inline(always)]
    fn lanes() {}
    #[inline(always)]
    fn broadcast(self, (): &(), lane: usize) -> Self {
        Self([self.0[lane]; N])
    }
    #[inline(always)]
    fn first(value: T) -> Self {
        let mut lanes = [T::ZERO; N];
        lanes[0] = value;
        Self(lanes)
    }
    #[inline(always)]
    fn splat(value: T) -> Self {
        Self([value; N])
    }
    #[inline(always)]
    fn load(row: &[T], at: usize) -> Self {
        let row = &row[at..at + N];
        let mut lanes = [T::ZERO; N];
        lanes.copy_from_slice(row);
        Self(lanes)
    }
    #[inline(always)]
    fn store(self, row: &mut [T], at: usize) {
        row[at..at + N].copy_from_slice(&self.0);
    }
    #[inline(always)]
    fn prefetch(_row: &[T], _at: usize) {}
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }
    #[inline(always)]
    fn mul_add(self, a: Self, b: Self) -> Self {
        if Self::FUSED {
            Self(std::array::from_fn(|i| self.0[i].fused_mul_add(a.0[i], b.0[i])))
        } else {
            self.mul(a).add(b)
        }
    }
    #[inline(always)]
    fn abs(self) -> Self {
        self.map(T::abs)
    }
    #[inline(always)]
    fn copysign(self, sign: Self) -> Self {
        self.zip(sign, T::copysign)
    }
    #[inline(always)]
    fn at_most(self, limit: Self) -> Self {
        self.zip(limit, |x, limit| if x > limit { limit } else { x })
    }
    #[inline(always)]
    fn at_least(self, limit: Self) -> Self {
        self.zip(limit, |x, limit| if x < limit { limit } else { x })
    }
    #[inline(always)]
    fn where_negative(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|i| if self.0[i] < T::ZERO { a.0[i] } else { b.0[i] }))
    }
    #[inline(always)]
    fn where_positive(self, a: Self) -> Self {
        self.zip(a, |x, a| if x > T::ZERO { a } else { T::ZERO })
    }
    #[inline(always)]
    fn zero_above(self, x: Self, limit: Self) -> Self {
        Self(std::array::from_fn(|i| if x.0[i] > limit.0[i] { T::ZERO } else { self.0[i] }))
    }
    #[inline(always)]
    fn exponent(self) -> Self {
        self.map(T::exponent)
    }
    #[inline(always)]
    fn sum(self) -> T {
        let mut lanes = self.0;
        let mut half = N / 2;
        while half > 0 {
            for i in 0..half {
                lanes[i] += lanes[i + half];
            }
            half /= 2;
        }
        lanes[0]
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        super::elementary::tanh_by_division(self)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        super::elementary::sigmoid_by_scaling(self)
    }
    #[inline(always)]
    fn turn(rows: [&[T]; 4], at: usize, out: &mut [T], stride: usize) {
        turn_one_by_one(rows, at, out, stride);
    }
}

#[cfg(test)]
mod tests {
    use super::super::elementary::{exp, sigmoid, tanh};
    use super::*;

    /// x86-64 has intrinsics at every level, so that the portable form would otherwise run nowhere here.
    fn check<T: Float, const N: usize>(tolerance: f64) {
        for x in [-700.0, -20.0, -1.5, -1e-3, -0.0, 0.0, 1e-30, 0.4, 3.0, 88.0] {
            let v = Portable::<T, N>::splat(T::from_f64(x));
            let x = T::from_f64(x).to_f64();
            let close = |found: Portable<T, N>, exact: f64| {
                let exact = T::from_f64(exact).to_f64();
                for lane in found.0 {
                    let error = (lane.to_f64() - exact).abs();
                    assert!(error <= tolerance * exact.abs(), "{x}: {lane} for {exact}");
                }
            };
            close(exp(v), x.exp());
            close(tanh(v), x.tanh());
            close(sigmoid(v), if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) });
        }
        let numbers: Vec<T> = (1..=9).map(|i| T::from_f64(f64::from(i))).collect();
        let v = Portable::<T, N>::load(&numbers, 1);
        let sum: f64 = numbers[1..=N].iter().map(|x| x.to_f64()).sum();
        assert_eq!(v.sum().to_f64(), sum);
        assert_eq!(Portable::<T, N>::first(numbers[3]).sum(), numbers[3]);
        assert_eq!(v.broadcast(&(), N - 1).0, [numbers[N]; N]);
        let mut copy = vec![T::ZERO; 9];
        v.sub(v).add(v).store(&mut copy, 1);
        assert_eq!(copy[1..=N], numbers[1..=N]);
        assert_eq!(copy[0], T::ZERO);
        let nan = Portable::<T, N>::splat(T::from_f64(f64::NAN));
        assert!(nan.at_least(v).0.iter().all(|x| !x.is_finite()) && nan.where_positive(v).sum() == T::ZERO);
    }

    #[test]
    fn the_portable_form_computes_the_same() {
        check::<f32, 4>(3e-7);
        check::<f64, 2>(1e-15);
    }
}

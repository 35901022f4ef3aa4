//! exp, tanh and the logistic sigmoid, branch-free so that loops over them become vector code.
//!
//! All three reduce to `e^x − 1` on a short interval. With `k = round(x / ln 2)` and `r = x − k·ln 2`
//! (`|r| ≤ ln 2 / 2`), `e^x = 2ᵏ·(1 + p(r))`, where `p` is the Taylor polynomial of `e^r − 1`, long enough that
//! its remainder lies below half an ulp. `ln 2` is split in two (Cody and Waite, 1980) so that `k·ln 2` loses
//! nothing; `k` is rounded by adding and subtracting `1.5·2^mantissa_bits`, whose low bits then are `k`
//! itself, ready to be shifted into an exponent.

use super::vector::Vector;
use crate::Float;

/// The constants and the bit trick of a float type that the functions below need.
pub trait Elementary: Copy + 'static {
    /// 1 / ln 2.
    const LOG2_E: Self;
    /// The leading bits of ln 2, few enough that their product with any exponent is exact.
    const LN_2_HI: Self;
    /// ln 2 − `LN_2_HI`.
    const LN_2_LO: Self;
    /// `1.5·2^mantissa_bits`: adding it rounds to an integer.
    const ROUNDER: Self;
    /// From here on `tanh` is 1 in this type (twice the argument, as `e^2x − 1` takes it).
    const TANH_LIMIT: Self;
    /// Below this, `e^x` is 0.
    const EXP_MIN: Self;
    /// Above this, `e^x` is infinite.
    const EXP_MAX: Self;
    /// 1/2!, 1/3!, ...: the coefficients of `(e^r − 1 − r) / r²`, in pairs.
    const TAIL: &'static [[Self; 2]];

    /// 2ᵏ for the integer `k` in `rounded − ROUNDER`, where that is a normal number.
    fn exponent(rounded: Self) -> Self;
}

impl Elementary for f32 {
    const LOG2_E: Self = std::f32::consts::LOG2_E;
    #[allow(clippy::excessive_precision)] // Exactly 355/512.
    const LN_2_HI: Self = 0.693_359_375;
    const LN_2_LO: Self = -2.121_944_4e-4;
    const ROUNDER: Self = 12_582_912.0;
    const TANH_LIMIT: Self = 20.0;
    const EXP_MIN: Self = -104.0;
    const EXP_MAX: Self = 89.0;
    const TAIL: &'static [[Self; 2]] =
        &[[0.5, 1.0 / 6.0], [1.0 / 24.0, 1.0 / 120.0], [1.0 / 720.0, 1.0 / 5040.0]];

    #[inline(always)]
    fn exponent(rounded: f32) -> f32 {
        f32::from_bits(rounded.to_bits().wrapping_add(127) << 23)
    }
}

impl Elementary for f64 {
    const LOG2_E: Self = std::f64::consts::LOG2_E;
    const LN_2_HI: Self = 6.931_471_803_691_238e-1;
    const LN_2_LO: Self = 1.908_214_929_270_587_7e-10;
    const ROUNDER: Self = 6_755_399_441_055_744.0;
    const TANH_LIMIT: Self = 40.0;
    const EXP_MIN: Self = -746.0;
    const EXP_MAX: Self = 710.0;
    const TAIL: &'static [[Self; 2]] = &[
        [0.5, 1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 120.0],
        [1.0 / 720.0, 1.0 / 5_040.0],
        [1.0 / 40_320.0, 1.0 / 362_880.0],
        [1.0 / 3_628_800.0, 1.0 / 39_916_800.0],
        [1.0 / 479_001_600.0, 1.0 / 6_227_020_800.0],
    ];

    #[inline(always)]
    fn exponent(rounded: f64) -> f64 {
        f64::from_bits(rounded.to_bits().wrapping_add(1023) << 52)
    }
}

/// The Taylor tail `(e^r − 1 − r) / r²`: Horner's rule in `r²` over pairs of terms, half as long a chain as in `r`.
#[inline(always)]
fn tail<T: Float, V: Vector<T>>(r: V, r2: V) -> V {
    let mut pair = T::TAIL.len() - 1;
    let mut sum = r.mul_add(V::splat(T::TAIL[pair][1]), V::splat(T::TAIL[pair][0]));
    while pair > 0 {
        pair -= 1;
        let terms = r.mul_add(V::splat(T::TAIL[pair][1]), V::splat(T::TAIL[pair][0]));
        sum = sum.mul_add(r2, terms);
    }
    sum
}

/// Splits `x` into `k·ln 2 + r` and returns (`k` + `ROUNDER`, `e^r − 1`).
#[inline(always)]
fn reduce<T: Float, V: Vector<T>>(x: V) -> (V, V) {
    let rounded = x.mul_add(V::splat(T::LOG2_E), V::splat(T::ROUNDER));
    let k = rounded.sub(V::splat(T::ROUNDER));
    let r = k.mul_add(V::splat(-T::LN_2_LO), k.mul_add(V::splat(-T::LN_2_HI), x));
    let r2 = r.mul(r);
    (rounded, r2.mul_add(tail(r, r2), r))
}

/// `e^x`. NaN gives NaN, −∞ gives 0, ∞ gives ∞; subnormal results are right.
#[inline(always)]
pub(crate) fn exp<T: Float, V: Vector<T>>(x: V) -> V {
    let rounder = V::splat(T::ROUNDER);
    let x = x.at_most(V::splat(T::EXP_MAX)).at_least(V::splat(T::EXP_MIN));
    let (rounded, p) = reduce(x);
    // 2ᵏ may be subnormal or infinite where e^x is not yet: multiply by two powers of about k/2 each.
    let k = rounded.sub(rounder);
    let half = k.mul_add(V::splat(T::from_f64(0.5)), rounder);
    let rest = k.sub(half.sub(rounder)).add(rounder);
    let scale = half.exponent();
    scale.mul_add(p, scale).mul(rest.exponent())
}

/// The hyperbolic tangent: `(e^2|x| − 1) / (e^2|x| + 1)` with the sign of `x`.
///
/// `e^2|x| − 1` is formed as `2ᵏ·p + (2ᵏ − 1)`, so that small arguments keep all their digits.
#[inline(always)]
pub(crate) fn tanh<T: Float, V: Vector<T>>(x: V) -> V {
    let one = V::splat(T::ONE);
    let magnitude = x.abs();
    let (rounded, p) = reduce(magnitude.add(magnitude).at_most(V::splat(T::TANH_LIMIT)));
    let scale = rounded.exponent();
    let em1 = scale.mul_add(p, scale.sub(one));
    em1.div(em1.add(one.add(one))).copysign(x)
}

/// The logistic sigmoid `1 / (1 + e^−x)`, as `e / (1 + e)` with `e = e^−|x|` for negative `x`, where the
/// first form would overflow.
#[inline(always)]
pub(crate) fn sigmoid<T: Float, V: Vector<T>>(x: V) -> V {
    let one = V::splat(T::ONE);
    let e = exp(V::splat(T::ZERO).sub(x.abs()));
    x.where_negative(e, one).div(one.add(e))
}

#[cfg(test)]
mod tests {
    use super::super::level::{Isa, Kernel, Level};
    use super::*;

    /// Applies all three functions to a slice on one level.
    struct Apply<'a, T>(&'a [T]);
    impl<T: Float> Kernel for Apply<'_, T> {
        type Output = Vec<[T; 3]>;
        #[inline(always)]
        fn run<S: Isa>(self) -> Vec<[T; 3]> {
            let mut results = Vec::with_capacity(self.0.len());
            for &x in self.0 {
                let x = T::Vector::<S>::splat(x);
                let [mut e, mut t, mut s] = [[T::ZERO; 16]; 3];
                exp(x).store(&mut e, 0);
                tanh(x).store(&mut t, 0);
                sigmoid(x).store(&mut s, 0);
                results.push([e[0], t[0], s[0]]);
            }
            results
        }
    }

    fn ulps_f32(found: f32, exact: f64) -> f64 {
        let nearest = exact as f32;
        if found.is_nan() || exact.is_nan() {
            return if found.is_nan() == exact.is_nan() { 0.0 } else { f64::INFINITY };
        }
        if nearest.is_infinite() || found.is_infinite() {
            return if nearest == found { 0.0 } else { f64::INFINITY };
        }
        let ulp = f64::from(nearest.abs().next_up()) - f64::from(nearest.abs());
        (f64::from(found) - exact).abs() / ulp
    }

    fn exact(x: f64) -> [f64; 3] {
        let e = (-x.abs()).exp();
        [x.exp(), x.tanh(), if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }]
    }

    /// Every `step`-th f32 bit pattern, all signs, exponents, infinities and NaN included.
    fn max_ulps_f32(level: Level, step: usize) -> [f64; 3] {
        let mut worst = [0.0f64; 3];
        let mut bits: Vec<f32> = Vec::with_capacity(1 << 16);
        let mut patterns = (0..=u32::MAX).step_by(step).peekable();
        while patterns.peek().is_some() {
            bits.clear();
            bits.extend(patterns.by_ref().take(1 << 16).map(f32::from_bits));
            for (x, found) in bits.iter().zip(level.run(Apply(&bits))) {
                let exact = exact(f64::from(*x));
                for ((worst, found), exact) in worst.iter_mut().zip(found).zip(exact) {
                    *worst = worst.max(ulps_f32(found, exact));
                }
            }
        }
        worst
    }

    #[test]
    fn f32_is_within_two_and_a_half_ulps_over_the_whole_range() {
        for level in Level::available() {
            let worst = max_ulps_f32(level, 997);
            assert!(worst.iter().all(|&ulps| ulps <= 2.5), "{level}: {worst:?}");
        }
    }

    #[test]
    fn f64_agrees_with_libm() {
        // libm's own error is up to 1 ulp, so that this bound is one above ours.
        let xs: Vec<f64> = (-800_000..800_000)
            .map(|i| f64::from(i) * 1e-3)
            .chain((-1080..12).flat_map(|e| [2f64.powi(e) * 1.1, -(2f64.powi(e)) * 1.7]))
            .collect();
        for level in Level::available() {
            for (x, found) in xs.iter().zip(level.run(Apply(&xs))) {
                for (found, exact) in found.into_iter().zip(exact(*x)) {
                    let ulp = exact.abs().next_up() - exact.abs();
                    let error = (found - exact).abs() / ulp;
                    assert!(found == exact || error <= 3.0, "{level} {x} {found} {exact} {error}");
                }
            }
        }
    }

    #[test]
    fn special_values() {
        let xs = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        for level in Level::available() {
            let [zero, minus_zero, inf, minus_inf, nan]: [_; 5] = level.run(Apply(&xs)).try_into().unwrap();
            assert_eq!((zero, minus_zero), ([1.0, 0.0, 0.5], [1.0, 0.0, 0.5]));
            assert!(minus_zero[1].is_sign_negative() && zero[1].is_sign_positive());
            assert_eq!((inf, minus_inf), ([f64::INFINITY, 1.0, 1.0], [0.0, -1.0, 0.0]));
            assert!(nan.iter().all(|x| x.is_nan()));
        }
    }
}

//! exp, tanh and the logistic sigmoid, branch-free so that loops over them become vector code.
//!
//! All three are made of `e^−2h`. With `k = −round(2h / ln 2)` and `r = h + k·ln 2 / 2` (`|r| ≤ ln 2 / 4`),
//! `e^−2h = 2ᵏ·(1 − p)`, where `p` is a minimax polynomial of `1 − e^−2r` (`tools/make_polynomials.py`). `k` is rounded
//! by adding and subtracting `1.5·2^mantissa_bits`, whose low bits then are `k` itself, ready to be shifted into an
//! exponent. Where a multiply-add rounds twice, `ln 2` is split in two (Cody and Waite, 1980) so that `k·ln 2` loses
//! nothing. Where the level can look up a table, `tanh` in f32 and the sigmoid have shorter ways.
//!
//! A recurrent sweep waits for one `tanh` per timestep with nothing else to do, so what counts is the number of
//! operations that wait for each other: polynomials are summed as trees (Estrin, 1960), and signs, limits and powers
//! of two are made beside the chain, not in it.

use super::vector::Vector;
#[cfg(target_arch = "x86_64")]
use super::vector::{Lookup, Powers};
use crate::Float;

/// The constants and the bit trick of a float type that the functions below need.
pub trait Elementary: Copy + 'static {
    /// 2 / ln 2.
    const TWO_LOG2_E: Self;
    /// 1 / ln 2.
    const LOG2_E: Self;
    /// ln 2 / 2.
    const HALF_LN_2: Self;
    /// The leading bits of ln 2 / 2, few enough that their product with any exponent is exact.
    const HALF_LN_2_HI: Self;
    /// ln 2 / 2 − `HALF_LN_2_HI`.
    const HALF_LN_2_LO: Self;
    /// ln 2 / 2 − `HALF_LN_2`.
    const HALF_LN_2_REST: Self;
    /// `1.5·2^mantissa_bits`: adding it rounds to an integer.
    const ROUNDER: Self;
    /// Above this, `tanh` is 1 in this type.
    const TANH_LIMIT: Self;
    /// Below this, `e^x` is 0.
    const EXP_MIN: Self;
    /// Above this, `e^x` is infinite.
    const EXP_MAX: Self;
    /// Above this, `1 + e^−x` is 1 in this type.
    const SIGMOID_LIMIT: Self;
    /// An exponent `a` for which `2^(k − a)` is a normal number for all `k` of `sigmoid`.
    const SIGMOID_SHIFT: Self;
    /// Parts of an octave in the table of [`sigmoid_by_powers`]: as many as 512 bits hold numbers.
    const PARTS: f64;
    /// The binary digits of the type, less a half.
    const HALF_DIGITS: Self;

    /// 2ᵏ for the integer `k` in `rounded − ROUNDER`, where that is a normal number.
    fn exponent(rounded: Self) -> Self;
    /// `1 − e^−2r − 2r + start` for `|r| ≤ ln 2 / 4`.
    fn tail<V: Vector<Self>>(r: V, start: V) -> V
    where
        Self: Float;
    /// `e^−r − 1 + start` for `|r| ≤ ln 2 / (2 · PARTS)`. The error is small beside 1, not beside a small result.
    fn decay<V: Vector<Self>>(r: V, start: V) -> V
    where
        Self: Float;
}

impl Elementary for f32 {
    const TWO_LOG2_E: Self = 2.0 * std::f32::consts::LOG2_E;
    const LOG2_E: Self = std::f32::consts::LOG2_E;
    const HALF_LN_2: Self = 0.5 * std::f32::consts::LN_2;
    const HALF_LN_2_HI: Self = 0.346_572_88;
    const HALF_LN_2_LO: Self = 7.143_034e-7;
    const HALF_LN_2_REST: Self = -9.523_271e-10;
    const ROUNDER: Self = 12_582_912.0;
    const TANH_LIMIT: Self = 10.0;
    const EXP_MIN: Self = -104.0;
    const EXP_MAX: Self = 89.0;
    const SIGMOID_LIMIT: Self = 60.0;
    const SIGMOID_SHIFT: Self = 32.0;
    const PARTS: f64 = 16.0;
    const HALF_DIGITS: Self = 23.5;

    #[inline(always)]
    fn exponent(rounded: f32) -> f32 {
        f32::from_bits(rounded.to_bits().wrapping_add(127) << 23)
    }

    #[inline(always)]
    fn tail<V: Vector<f32>>(r: V, start: V) -> V {
        let r2 = r.mul(r);
        let r4 = r2.mul(r2);
        let low = line(r, -2.0, 1.333_333_3);
        let middle = line(r, -0.666_661_8, 0.266_668_46);
        let high = line(r, -0.089_220_01, 0.025_402_723);
        r4.mul_add(r2.mul_add(high, middle), r2.mul_add(low, start))
    }

    #[inline(always)]
    fn decay<V: Vector<f32>>(r: V, start: V) -> V {
        r.mul(r).mul_add(line(r, 0.500_016_2, -0.166_670_58), start.sub(r))
    }
}

impl Elementary for f64 {
    const TWO_LOG2_E: Self = 2.0 * std::f64::consts::LOG2_E;
    const LOG2_E: Self = std::f64::consts::LOG2_E;
    const HALF_LN_2: Self = 0.5 * std::f64::consts::LN_2;
    const HALF_LN_2_HI: Self = 0.346_573_590_279_604_1;
    const HALF_LN_2_LO: Self = 3.685_501_282_583_899e-13;
    const HALF_LN_2_REST: Self = 1.159_523_406_923_149_8e-17;
    const ROUNDER: Self = 6_755_399_441_055_744.0;
    const TANH_LIMIT: Self = 20.0;
    const EXP_MIN: Self = -746.0;
    const EXP_MAX: Self = 710.0;
    const SIGMOID_LIMIT: Self = 60.0;
    const SIGMOID_SHIFT: Self = 64.0;
    const PARTS: f64 = 8.0;
    const HALF_DIGITS: Self = 52.5;

    #[inline(always)]
    fn exponent(rounded: f64) -> f64 {
        f64::from_bits(rounded.to_bits().wrapping_add(1023) << 52)
    }

    #[inline(always)]
    fn tail<V: Vector<f64>>(r: V, start: V) -> V {
        let r2 = r.mul(r);
        let r4 = r2.mul(r2);
        let low = line(r, -2.0, 1.333_333_333_333_334_1);
        let low = r2.mul_add(line(r, -0.666_666_666_666_664_1, 0.266_666_666_666_294_1), low);
        let middle = line(r, -0.088_888_888_889_359_2, 0.025_396_825_454_036_59);
        let middle = r2.mul_add(line(r, -0.006_349_206_316_167_856, 0.001_410_930_911_949_967), middle);
        let high = line(r, -0.000_282_187_803_129_591_9, 0.000_051_423_188_868_612_8);
        let high = r2.mul_add(V::splat(-8.550_534_307_485_318e-6), high);
        let low = r2.mul_add(low, start);
        r4.mul(r2).mul_add(r4.mul_add(high, middle), low)
    }

    #[inline(always)]
    fn decay<V: Vector<f64>>(r: V, start: V) -> V {
        let r2 = r.mul(r);
        let low = line(r, 0.500_000_000_000_030_1, -0.166_666_666_666_674_08);
        let middle = line(r, 0.041_666_666_569_440_99, -0.008_333_333_316_498_494);
        let high = line(r, 0.001_388_978_289_103_02, -0.000_198_424_736_347_686_55);
        r2.mul(r2).mul_add(r2.mul_add(high, middle), r2.mul_add(low, start.sub(r)))
    }
}

/// `a + b·r`.
#[inline(always)]
fn line<T: Float, V: Vector<T>>(r: V, a: T, b: T) -> V {
    r.mul_add(V::splat(b), V::splat(a))
}

/// `r = h + k·ln 2 / 2`.
#[inline(always)]
fn reduce<T: Float, V: Vector<T>>(k: V, h: V) -> V {
    k.mul_add(V::splat(T::HALF_LN_2_LO), k.mul_add(V::splat(T::HALF_LN_2_HI), h))
}

/// The hyperbolic tangent, by the way that is quickest at the level. `tanh ±0 = ±0`, NaN gives NaN.
///
/// Largest error: 1.99 ulp in f32 (of all inputs), 1.95 ulp in
/// f64 (four million inputs).
#[inline(always)]
pub(crate) fn tanh<T: Float, V: Vector<T>>(x: V) -> V {
    x.tanh()
}

/// `tanh` in f32 from a table: a polynomial in `t = |x| − center`, whose center and coefficients are those of the
/// interval of `|x|` (`tools/make_tanh_table.py`). No division, no reduction: half as long a chain.
///
/// Largest error: 1.74 ulp (octaves), 1.57 ulp (half octaves).
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn tanh_by_table<V: Lookup>(x: V) -> V {
    // Below 1/4 is one interval, up to the limit the last.
    let (first, limit) = (V::splat(0.1875), V::splat(f32::TANH_LIMIT));
    let magnitude = x.abs();
    let interval = magnitude.interval(first, limit);
    let t = magnitude.at_most(limit).sub(interval.pick(&V::TANH[0]));
    let t2 = t.mul(t);
    let t4 = t2.mul(t2);
    let low = four(interval, 1, t, t2);
    let mut high = four(interval, 5, t, t2);
    if V::TANH.len() > 9 {
        high = t4.mul_add(two(interval, 9, t), high);
    }
    t4.mul_add(high, low).copysign(x)
}

/// Two terms of a polynomial in `t`, whose coefficients are in the rows from `at` on.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn two<V: Lookup>(interval: V, at: usize, t: V) -> V {
    t.mul_add(interval.pick(&V::TANH[at + 1]), interval.pick(&V::TANH[at]))
}

/// Four terms.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn four<V: Lookup>(interval: V, at: usize, t: V, t2: V) -> V {
    t2.mul_add(two(interval, at + 2, t), two(interval, at, t))
}

/// `tanh` without a table: `(1 − e^−2|x|) / (1 + e^−2|x|)` with the sign of `x`.
///
/// `1 − e^−2|x|` is formed as `2ᵏ·p + (1 − 2ᵏ)`, so that small arguments keep all their digits.
#[inline(always)]
pub(crate) fn tanh_by_division<T: Float, V: Vector<T>>(x: V) -> V {
    let (one, limit) = (V::splat(T::ONE), V::splat(T::TANH_LIMIT));
    let magnitude = x.abs();
    let rounded = magnitude.mul_add(V::splat(-T::TWO_LOG2_E), V::splat(T::ROUNDER));
    // Beyond the limit p = 0 and 2ᵏ = 0, whatever k came to.
    let k = rounded.sub(V::splat(T::ROUNDER));
    // `r + rest`: the smaller part joins where it is not lost. Rounded once, the larger product may be inexact.
    let (high, low) =
        if V::FUSED { (T::HALF_LN_2, T::HALF_LN_2_REST) } else { (T::HALF_LN_2_HI, T::HALF_LN_2_LO) };
    let r = k.mul_add(V::splat(high), magnitude).zero_above(magnitude, limit);
    let rest = k.mul(V::splat(low)).zero_above(magnitude, limit);
    let near = if V::FUSED { r } else { r.add(rest) };
    let p = T::tail(near, rest.add(rest)).add(r.add(r));
    let scale = rounded.exponent().zero_above(magnitude, limit);
    let above = scale.copysign(x).mul_add(p, one.sub(scale).copysign(x));
    let below = V::splat(T::ZERO).sub(scale).mul_add(p, one.add(scale));
    above.div(below)
}

/// The logistic sigmoid `1 / (1 + e^−x)`, by the way that is quickest at the level.
///
/// Largest error: 1.72 ulp in f32, 1.68 ulp in f64 (inputs as for [`tanh`]).
#[inline(always)]
pub(crate) fn sigmoid<T: Float, V: Vector<T>>(x: V) -> V {
    x.sigmoid()
}

/// The sigmoid as `2^(k / PARTS) / (2^(k / PARTS) + e^−r)` with `r = x − k·ln 2 / PARTS`, `|r| ≤ ln 2 / (2 · PARTS)`: the fraction
/// of `k / PARTS` comes from a table, its integer is an exponent, which an instruction sets, and for `e^−r` a short polynomial is
/// enough. What rounding left out of the power, and what its sum with 1 loses, go into the polynomial.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn sigmoid_by_powers<T: Float, V: Powers<T>>(x: V) -> V {
    let (one, rounder, part) = (V::splat(T::ONE), V::splat(T::ROUNDER), T::from_f64(1.0 / T::PARTS));
    let ln_2_part = T::from_f64(-2.0) * part;
    // Beyond, the result is 1, or 0.
    let x = x.at_most(V::splat(T::SIGMOID_LIMIT)).at_least(V::splat(T::EXP_MIN));
    let rounded = x.mul_add(V::splat(T::from_f64(T::PARTS) * T::LOG2_E), rounder);
    let k = rounded.sub(rounder);
    let r = k.mul_add(V::splat(ln_2_part * T::HALF_LN_2), x);
    let r = k.mul_add(V::splat(ln_2_part * T::HALF_LN_2_REST), r);
    let [power, rest] = rounded.power();
    let above = power.scaled(k.mul(V::splat(part)));
    let sum = above.add(one);
    let lost = above.sub(sum.sub(one)).sub(rest);
    above.div(sum.add(T::decay(r, lost)))
}

/// The sigmoid without a table.
///
/// Both sides of the fraction are scaled by a power of two, so that `e^−x` neither overflows where the result is
/// tiny nor loses digits where the result is subnormal.
#[inline(always)]
pub(crate) fn sigmoid_by_scaling<T: Float, V: Vector<T>>(x: V) -> V {
    let rounder = V::splat(T::ROUNDER);
    let rounded = x.mul_add(V::splat(-T::LOG2_E), rounder);
    let half = x.mul(V::splat(T::from_f64(0.5)));
    let k = rounded.sub(rounder);
    let r = reduce(k, half).zero_above(x.abs(), V::splat(-T::EXP_MIN));
    // The limits of k, wide enough to make 2ᵏ negligible against 1 or 1 negligible against it.
    let (above, below) = (V::splat(-T::EXP_MIN * T::LOG2_E), V::splat(-T::SIGMOID_LIMIT * T::LOG2_E));
    let k = k.at_most(above).at_least(below);
    let shift = V::splat(T::SIGMOID_SHIFT);
    let scale = k.sub(shift).add(rounder).exponent();
    let one = V::splat(T::ZERO).sub(shift).add(rounder).exponent();
    // Where 2ᵏ + 1 would lose the 1 to rounding, it goes into p, which has digits to spare.
    let lost =
        rounder.sub(k.at_most(V::splat(T::SIGMOID_LIMIT))).exponent().zero_above(V::splat(T::HALF_DIGITS), k);
    let p = T::tail(r, V::splat(T::ZERO).sub(lost)).add(r.add(r));
    one.div(V::splat(T::ZERO).sub(scale).mul_add(p, scale.add(one)))
}

/// `e^x`. NaN gives NaN, −∞ gives 0, ∞ gives ∞; subnormal results are right.
///
/// Largest error: 0.98 ulp in f32 and in f64 (inputs as for [`tanh`]).
#[allow(dead_code)] // No activation needs it at present.
#[inline(always)]
pub(crate) fn exp<T: Float, V: Vector<T>>(x: V) -> V {
    let (rounder, one_half) = (V::splat(T::ROUNDER), V::splat(T::from_f64(0.5)));
    let x = x.at_most(V::splat(T::EXP_MAX)).at_least(V::splat(T::EXP_MIN));
    let rounded = x.mul_add(V::splat(T::LOG2_E), rounder);
    let k = rounded.sub(rounder);
    let r = reduce(k, x.mul(V::splat(T::from_f64(-0.5))));
    let p = T::tail(r, V::splat(T::ZERO)).add(r.add(r));
    // 2ᵏ may be subnormal or infinite where e^x is not yet: multiply by two powers of about k/2 each.
    let half = k.mul_add(one_half, rounder);
    let rest = k.sub(half.sub(rounder)).add(rounder);
    let scale = half.exponent();
    V::splat(T::ZERO).sub(scale).mul_add(p, scale).mul(rest.exponent())
}

#[cfg(test)]
mod tests;

//! [`Powers`] with AVX-512, whose permutations look up 2^(j/16) in f32 and 2^(j/8) in f64 for all lanes at once.

#![allow(clippy::approx_constant)] // The square root of 2 is one of many.

use std::arch::x86_64::*;

use super::{F32x16, F64x8};
use crate::kernel::vector::Powers;

/// A register of powers of two, and one of what rounding left out of them, by the power (`tools/make_polynomials.py`).
#[repr(align(64))]
struct Table<T>([T; 2]);

#[rustfmt::skip]
static SINGLES: Table<[f32; 16]> = Table([
    [1.0, 1.0442737, 1.0905077, 1.1387886, 1.1892071, 1.2418578, 1.2968396, 1.3542556, 1.4142135, 1.4768262, 1.5422108, 1.6104903, 1.6817929, 1.7562522, 1.8340081, 1.9152066],
    [0.0, 4.628547e-08, -1.19921575e-08, 4.7297824e-08, 3.193418e-08, 3.6210572e-08, -3.099072e-08, -7.475213e-09, 1.7114271e-08, -3.0476834e-08, 5.233334e-09, 6.1075918e-09, -1.4719605e-08, -5.258795e-09, -6.1282597e-09, 5.1406093e-09],
]);

#[rustfmt::skip]
static DOUBLES: Table<[f64; 8]> = Table([
    [1.0, 1.0905077326652577, 1.189207115002721, 1.2968395546510096, 1.4142135623730951, 1.5422108254079407, 1.681792830507429, 1.8340080864093424],
    [0.0, -2.7939114859515733e-17, 3.3484623336251524e-17, 1.9572585293112036e-17, -6.835808657661922e-17, 5.1548301170786783e-17, 4.875160526227062e-17, 1.790126907604513e-17],
]);

impl Powers<f32> for F32x16 {
    #[inline(always)]
    fn power(self) -> [Self; 2] {
        let j = simd!(_mm512_castps_si512(self.0));
        let [powers, rests] = &SINGLES.0;
        let power = simd!(_mm512_permutexvar_ps(j, _mm512_loadu_ps(powers.as_ptr())));
        [Self(power), Self(simd!(_mm512_permutexvar_ps(j, _mm512_loadu_ps(rests.as_ptr()))))]
    }
    #[inline(always)]
    fn scaled(self, k: Self) -> Self {
        Self(simd!(_mm512_scalef_ps(self.0, k.0)))
    }
}

impl Powers<f64> for F64x8 {
    #[inline(always)]
    fn power(self) -> [Self; 2] {
        let j = simd!(_mm512_castpd_si512(self.0));
        let [powers, rests] = &DOUBLES.0;
        let power = simd!(_mm512_permutexvar_pd(j, _mm512_loadu_pd(powers.as_ptr())));
        [Self(power), Self(simd!(_mm512_permutexvar_pd(j, _mm512_loadu_pd(rests.as_ptr()))))]
    }
    #[inline(always)]
    fn scaled(self, k: Self) -> Self {
        Self(simd!(_mm512_scalef_pd(self.0, k.0)))
    }
}

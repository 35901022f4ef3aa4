//! [`Vector`] in SSE2, AVX2 + FMA and AVX-512 intrinsics.
//!
//! The only file with `unsafe` beside [`super::level`]. One argument covers every use here: the types are private
//! to the kernels, and kernel bodies that name them are reached only through [`super::level::Level::run`], which
//! has detected the instructions. (SSE2 is part of every x86-64.)

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::vector::Vector;

/// Wraps an expression of intrinsics; see the module's safety argument.
macro_rules! simd {
    ($e:expr) => {
        // SAFETY: only reached through `Level::run`, which has detected the instructions; loads and stores are given
        // references to arrays of the register's size.
        unsafe { $e }
    };
}

/// Implements [`Vector`] where the intrinsics of a width differ only in their names.
macro_rules! vector {
    (
        $name:ident: $register:ident, $element:ident x $lanes:literal;
        $set1:ident $load:ident $store:ident $add:ident $sub:ident $mul:ident $div:ident $min:ident
        $max:ident $and:ident $andnot:ident $or:ident;
        mul_add: |$f:ident, $g:ident, $h:ident| $mul_add:expr;
        exponent: |$x:ident| $exponent:expr;
        negative: |$c:ident, $a:ident, $b:ident| $negative:expr;
        positive: |$d:ident, $e:ident| $positive:expr;
        sum: |$s:ident| $sum:expr;
    ) => {
        #[derive(Clone, Copy)]
        pub struct $name($register);

        impl Vector<$element> for $name {
            const LANES: usize = $lanes;

            #[inline(always)]
            fn splat(value: $element) -> Self {
                Self(simd!($set1(value)))
            }
            #[inline(always)]
            fn load(row: &[$element], at: usize) -> Self {
                let lanes: &[$element] = &row[at..at + $lanes];
                Self(simd!($load(lanes.as_ptr())))
            }
            #[inline(always)]
            fn store(self, row: &mut [$element], at: usize) {
                let lanes: &mut [$element] = &mut row[at..at + $lanes];
                simd!($store(lanes.as_mut_ptr(), self.0));
            }
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                Self(simd!($add(self.0, other.0)))
            }
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                Self(simd!($sub(self.0, other.0)))
            }
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                Self(simd!($mul(self.0, other.0)))
            }
            #[inline(always)]
            fn div(self, other: Self) -> Self {
                Self(simd!($div(self.0, other.0)))
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                let ($f, $g, $h) = (self.0, a.0, b.0);
                Self(simd!($mul_add))
            }
            #[inline(always)]
            fn abs(self) -> Self {
                Self(simd!($andnot($set1(-0.0), self.0)))
            }
            #[inline(always)]
            fn copysign(self, sign: Self) -> Self {
                let mask = simd!($set1(-0.0));
                Self(simd!($or($andnot(mask, self.0), $and(mask, sign.0))))
            }
            // `min` and `max` return their second operand where one is NaN.
            #[inline(always)]
            fn at_most(self, limit: Self) -> Self {
                Self(simd!($min(limit.0, self.0)))
            }
            #[inline(always)]
            fn at_least(self, limit: Self) -> Self {
                Self(simd!($max(limit.0, self.0)))
            }
            #[inline(always)]
            fn where_negative(self, a: Self, b: Self) -> Self {
                let ($c, $a, $b) = (self.0, a.0, b.0);
                Self(simd!($negative))
            }
            #[inline(always)]
            fn where_positive(self, a: Self) -> Self {
                let ($d, $e) = (self.0, a.0);
                Self(simd!($positive))
            }
            #[inline(always)]
            fn exponent(self) -> Self {
                let $x = self.0;
                Self(simd!($exponent))
            }
            #[inline(always)]
            fn sum(self) -> $element {
                let $s = self.0;
                simd!($sum)
            }
        }
    };
}

vector! {
    F32x4: __m128, f32 x 4;
    _mm_set1_ps _mm_loadu_ps _mm_storeu_ps _mm_add_ps _mm_sub_ps _mm_mul_ps _mm_div_ps
    _mm_min_ps _mm_max_ps _mm_and_ps _mm_andnot_ps _mm_or_ps;
    mul_add: |a, b, c| _mm_add_ps(_mm_mul_ps(a, b), c);
    exponent: |x| {
        let k = _mm_add_epi32(_mm_castps_si128(x), _mm_set1_epi32(127));
        _mm_castsi128_ps(_mm_slli_epi32::<23>(k))
    };
    negative: |c, a, b| {
        let mask = _mm_cmplt_ps(c, _mm_setzero_ps());
        _mm_or_ps(_mm_and_ps(mask, a), _mm_andnot_ps(mask, b))
    };
    positive: |c, a| _mm_and_ps(a, _mm_cmpgt_ps(c, _mm_setzero_ps()));
    sum: |x| {
        let two = _mm_add_ps(x, _mm_movehl_ps(x, x));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    };
}

vector! {
    F64x2: __m128d, f64 x 2;
    _mm_set1_pd _mm_loadu_pd _mm_storeu_pd _mm_add_pd _mm_sub_pd _mm_mul_pd _mm_div_pd
    _mm_min_pd _mm_max_pd _mm_and_pd _mm_andnot_pd _mm_or_pd;
    mul_add: |a, b, c| _mm_add_pd(_mm_mul_pd(a, b), c);
    exponent: |x| {
        let k = _mm_add_epi64(_mm_castpd_si128(x), _mm_set1_epi64x(1023));
        _mm_castsi128_pd(_mm_slli_epi64::<52>(k))
    };
    negative: |c, a, b| {
        let mask = _mm_cmplt_pd(c, _mm_setzero_pd());
        _mm_or_pd(_mm_and_pd(mask, a), _mm_andnot_pd(mask, b))
    };
    positive: |c, a| _mm_and_pd(a, _mm_cmpgt_pd(c, _mm_setzero_pd()));
    sum: |x| _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)));
}

vector! {
    F32x8: __m256, f32 x 8;
    _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_add_ps _mm256_sub_ps _mm256_mul_ps _mm256_div_ps
    _mm256_min_ps _mm256_max_ps _mm256_and_ps _mm256_andnot_ps _mm256_or_ps;
    mul_add: |a, b, c| _mm256_fmadd_ps(a, b, c);
    exponent: |x| {
        let k = _mm256_add_epi32(_mm256_castps_si256(x), _mm256_set1_epi32(127));
        _mm256_castsi256_ps(_mm256_slli_epi32::<23>(k))
    };
    negative: |c, a, b| _mm256_blendv_ps(b, a, _mm256_cmp_ps::<_CMP_LT_OQ>(c, _mm256_setzero_ps()));
    positive: |c, a| _mm256_and_ps(a, _mm256_cmp_ps::<_CMP_GT_OQ>(c, _mm256_setzero_ps()));
    sum: |x| {
        let four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    };
}

vector! {
    F64x4: __m256d, f64 x 4;
    _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_add_pd _mm256_sub_pd _mm256_mul_pd _mm256_div_pd
    _mm256_min_pd _mm256_max_pd _mm256_and_pd _mm256_andnot_pd _mm256_or_pd;
    mul_add: |a, b, c| _mm256_fmadd_pd(a, b, c);
    exponent: |x| {
        let k = _mm256_add_epi64(_mm256_castpd_si256(x), _mm256_set1_epi64x(1023));
        _mm256_castsi256_pd(_mm256_slli_epi64::<52>(k))
    };
    negative: |c, a, b| _mm256_blendv_pd(b, a, _mm256_cmp_pd::<_CMP_LT_OQ>(c, _mm256_setzero_pd()));
    positive: |c, a| _mm256_and_pd(a, _mm256_cmp_pd::<_CMP_GT_OQ>(c, _mm256_setzero_pd()));
    sum: |x| {
        let two = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd::<1>(x));
        _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
    };
}

vector! {
    F32x16: __m512, f32 x 16;
    _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_add_ps _mm512_sub_ps _mm512_mul_ps _mm512_div_ps
    _mm512_min_ps _mm512_max_ps _mm512_and_ps _mm512_andnot_ps _mm512_or_ps;
    mul_add: |a, b, c| _mm512_fmadd_ps(a, b, c);
    exponent: |x| {
        let k = _mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(127));
        _mm512_castsi512_ps(_mm512_slli_epi32::<23>(k))
    };
    negative: |c, a, b| _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(c, _mm512_setzero_ps()), b, a);
    positive: |c, a| _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(c, _mm512_setzero_ps()), a);
    sum: |x| {
        let low = _mm512_castps512_ps256(x);
        let eight = _mm256_add_ps(low, _mm512_extractf32x8_ps::<1>(x));
        F32x8(eight).sum()
    };
}

vector! {
    F64x8: __m512d, f64 x 8;
    _mm512_set1_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_add_pd _mm512_sub_pd _mm512_mul_pd _mm512_div_pd
    _mm512_min_pd _mm512_max_pd _mm512_and_pd _mm512_andnot_pd _mm512_or_pd;
    mul_add: |a, b, c| _mm512_fmadd_pd(a, b, c);
    exponent: |x| {
        let k = _mm512_add_epi64(_mm512_castpd_si512(x), _mm512_set1_epi64(1023));
        _mm512_castsi512_pd(_mm512_slli_epi64::<52>(k))
    };
    negative: |c, a, b| _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_LT_OQ>(c, _mm512_setzero_pd()), b, a);
    positive: |c, a| _mm512_maskz_mov_pd(_mm512_cmp_pd_mask::<_CMP_GT_OQ>(c, _mm512_setzero_pd()), a);
    sum: |x| {
        let low = _mm512_castpd512_pd256(x);
        let four = _mm256_add_pd(low, _mm512_extractf64x4_pd::<1>(x));
        F64x4(four).sum()
    };
}

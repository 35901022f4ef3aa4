//! What goes across lanes: rows become columns, and lanes are summed up.

use std::arch::x86_64::*;

use super::{F32x4, F32x8, F32x16, F64x2, F64x4, F64x8};
use crate::kernel::vector::Vector;

/// [`Vector::turn`] by halves of halves of a register.
#[inline(always)]
pub(super) fn turn_singles(rows: [&[f32]; 4], at: usize, out: &mut [f32], stride: usize) {
    let (a, b) = (F32x4::load(rows[0], at).0, F32x4::load(rows[1], at).0);
    let (c, d) = (F32x4::load(rows[2], at).0, F32x4::load(rows[3], at).0);
    let (first, second) = simd!((_mm_unpacklo_ps(a, b), _mm_unpacklo_ps(c, d)));
    let (third, fourth) = simd!((_mm_unpackhi_ps(a, b), _mm_unpackhi_ps(c, d)));
    let out = &mut out[..3 * stride + 4];
    F32x4(simd!(_mm_movelh_ps(first, second))).store(out, 0);
    F32x4(simd!(_mm_movehl_ps(second, first))).store(out, stride);
    F32x4(simd!(_mm_movelh_ps(third, fourth))).store(out, 2 * stride);
    F32x4(simd!(_mm_movehl_ps(fourth, third))).store(out, 3 * stride);
}

/// [`Vector::turn`] by pairs, then by halves.
#[inline(always)]
pub(super) fn turn_doubles(rows: [&[f64]; 4], at: usize, out: &mut [f64], stride: usize) {
    let (a, b) = (F64x4::load(rows[0], at).0, F64x4::load(rows[1], at).0);
    let (c, d) = (F64x4::load(rows[2], at).0, F64x4::load(rows[3], at).0);
    let (even, odd) = simd!((_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b)));
    let (even_2, odd_2) = simd!((_mm256_unpacklo_pd(c, d), _mm256_unpackhi_pd(c, d)));
    let out = &mut out[..3 * stride + 4];
    F64x4(simd!(_mm256_permute2f128_pd::<0x20>(even, even_2))).store(out, 0);
    F64x4(simd!(_mm256_permute2f128_pd::<0x20>(odd, odd_2))).store(out, stride);
    F64x4(simd!(_mm256_permute2f128_pd::<0x31>(even, even_2))).store(out, 2 * stride);
    F64x4(simd!(_mm256_permute2f128_pd::<0x31>(odd, odd_2))).store(out, 3 * stride);
}

/// Defines the sum of a vector's halves.
macro_rules! folded {
    ($name:ident, $half:ident, $low:expr, $high:expr) => {
        impl $name {
            #[inline(always)]
            pub(super) fn folded(self) -> $half {
                $half(simd!($low(self.0))).add($half(simd!($high(self.0))))
            }
        }
    };
}

folded!(F32x8, F32x4, _mm256_castps256_ps128, _mm256_extractf128_ps::<1>);
folded!(F32x16, F32x8, _mm512_castps512_ps256, _mm512_extractf32x8_ps::<1>);
folded!(F64x8, F64x4, _mm512_castpd512_pd256, _mm512_extractf64x4_pd::<1>);

/// [`Vector::add_sums`]: halves, then pairs.
#[inline(always)]
pub(super) fn add_singles([a, b, c, d]: [F32x4; 4], row: &mut [f32]) {
    let (low, high) = simd!((_mm_movelh_ps(a.0, b.0), _mm_movehl_ps(b.0, a.0)));
    let ab = F32x4(low).add(F32x4(high)).0;
    let (low, high) = simd!((_mm_movelh_ps(c.0, d.0), _mm_movehl_ps(d.0, c.0)));
    let cd = F32x4(low).add(F32x4(high)).0;
    let sums = simd!((_mm_shuffle_ps::<0x88>(ab, cd), _mm_shuffle_ps::<0xdd>(ab, cd)));
    F32x4::load(row, 0).add(F32x4(sums.0).add(F32x4(sums.1))).store(row, 0);
}

/// [`Vector::add_sums`]: pairs.
#[inline(always)]
pub(super) fn add_pairs(vectors: [F64x2; 4], row: &mut [f64]) {
    for at in [0, 2] {
        let (a, b) = (vectors[at].0, vectors[at + 1].0);
        let (low, high) = simd!((_mm_unpacklo_pd(a, b), _mm_unpackhi_pd(a, b)));
        F64x2::load(row, at).add(F64x2(low).add(F64x2(high))).store(row, at);
    }
}

/// [`Vector::add_sums`]: halves, then pairs.
#[inline(always)]
pub(super) fn add_doubles([a, b, c, d]: [F64x4; 4], row: &mut [f64]) {
    // a and c, b and d, so that the sums come out in order.
    let low = simd!(_mm256_permute2f128_pd::<0x20>(a.0, c.0));
    let high = simd!(_mm256_permute2f128_pd::<0x31>(a.0, c.0));
    let ac = F64x4(low).add(F64x4(high)).0;
    let low = simd!(_mm256_permute2f128_pd::<0x20>(b.0, d.0));
    let high = simd!(_mm256_permute2f128_pd::<0x31>(b.0, d.0));
    let bd = F64x4(low).add(F64x4(high)).0;
    let (low, high) = simd!((_mm256_unpacklo_pd(ac, bd), _mm256_unpackhi_pd(ac, bd)));
    F64x4::load(row, 0).add(F64x4(low).add(F64x4(high))).store(row, 0);
}

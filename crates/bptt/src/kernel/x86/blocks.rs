//! Blocks of 4 lanes of f32 in 512 bits, for [`crate::kernel::blocks`].

use std::arch::x86_64::*;

use super::permute::permute_16;
use super::{F32x4, F32x16};
use crate::kernel::vector::Vector;

/// [`Vector::repeat`]: one load.
#[inline(always)]
pub(super) fn repeat_singles(row: &[f32], at: usize) -> F32x16 {
    F32x16(simd!(_mm512_broadcast_f32x4(F32x4::load(row, at).0)))
}

/// [`Vector::spread`].
#[inline(always)]
pub(super) fn spread_singles(row: F32x16, group: usize) -> F32x16 {
    let blocks = simd!(_mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3));
    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // 4 groups at most.
    let first = simd!(_mm512_set1_epi32(4 * group as i32));
    F32x16(simd!(_mm512_permutexvar_ps(_mm512_add_epi32(blocks, first), row.0)))
}

/// [`Vector::block_sums`]: halves of blocks, then pairs; what comes of it has the vectors in each block.
#[inline(always)]
pub(super) fn block_sums_singles([a, b, c]: [F32x16; 3]) -> F32x16 {
    let none = F32x16::splat(0.0).0;
    let (low, high) = simd!((_mm512_unpacklo_ps(a.0, b.0), _mm512_unpackhi_ps(a.0, b.0)));
    let ab = simd!(_mm512_castps_pd(F32x16(low).add(F32x16(high)).0));
    let (low, high) = simd!((_mm512_unpacklo_ps(c.0, none), _mm512_unpackhi_ps(c.0, none)));
    let c = simd!(_mm512_castps_pd(F32x16(low).add(F32x16(high)).0));
    let (low, high) = simd!((_mm512_unpacklo_pd(ab, c), _mm512_unpackhi_pd(ab, c)));
    let sums = F32x16(simd!(_mm512_castpd_ps(low))).add(F32x16(simd!(_mm512_castpd_ps(high)))).0;
    let order = simd!(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    F32x16(simd!(permute_16(order, sums)))
}

//! Vectors that can be halved, for [`crate::kernel::uneven`].

use std::arch::x86_64::*;

use super::{F32x8, F32x16, F64x4, F64x8, hide_doubles, hide_singles};
use crate::kernel::elementary;
use crate::kernel::uneven::{Halves, OneAndAHalf, Uneven};
use crate::kernel::vector::Vector;

impl Halves<f32> for F32x16 {
    type Half = F32x8;

    #[inline(always)]
    fn hidden(self) -> Self {
        Self(simd!(hide_singles(self.0)))
    }
    #[inline(always)]
    fn half(self) -> F32x8 {
        F32x8(simd!(_mm512_castps512_ps256(self.0)))
    }
    #[inline(always)]
    fn widened(half: F32x8) -> Self {
        Self(simd!(_mm512_zextps256_ps512(half.0)))
    }
    #[inline(always)]
    fn tanh_uneven(x: F32x24) -> F32x24 {
        // Of half the width, the table is another.
        Uneven(x.0.tanh(), Self::widened(x.1).tanh().half())
    }
}

impl Halves<f64> for F64x8 {
    type Half = F64x4;

    #[inline(always)]
    fn hidden(self) -> Self {
        Self(simd!(hide_doubles(self.0)))
    }
    #[inline(always)]
    fn half(self) -> F64x4 {
        F64x4(simd!(_mm512_castpd512_pd256(self.0)))
    }
    #[inline(always)]
    fn widened(half: F64x4) -> Self {
        Self(simd!(_mm512_zextpd256_pd512(half.0)))
    }
    #[inline(always)]
    fn tanh_uneven(x: F64x12) -> F64x12 {
        elementary::tanh_by_division(x)
    }
}

pub type F32x24 = OneAndAHalf<f32, F32x16>;
pub type F64x12 = OneAndAHalf<f64, F64x8>;

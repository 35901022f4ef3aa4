//! [`Float`]: the element types, `f32` and `f64`.

use std::fmt::{Debug, Display};
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

#[cfg(feature = "std")]
use crate::kernel::dispatch::Compiled;
use crate::kernel::elementary::Elementary;
use crate::kernel::level::Isa;
use crate::kernel::vector::Vector;

/// The passes are compiled where there is a standard library.
#[cfg(not(feature = "std"))]
pub trait Compiled {}
#[cfg(not(feature = "std"))]
impl Compiled for f32 {}
#[cfg(not(feature = "std"))]
impl Compiled for f64 {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// An element type: `f32` or `f64`. Sealed; kernels are written once over it.
pub trait Float:
    sealed::Sealed
    + Elementary
    + Compiled
    + Copy
    + Default
    + Debug
    + Display
    + PartialEq
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
{
    /// A register of this type at level `S`.
    #[doc(hidden)]
    type Vector<S: Isa>: Vector<Self>;
    /// PyTorch's name of the type: `"float32"` or `"float64"`.
    const DTYPE: &'static str;
    /// Elements in one 64-byte cache line.
    const LINE: usize;
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The smallest number that is not denormal.
    #[doc(hidden)]
    const LEAST: Self;
    /// Below this, products with numbers of usual size are denormal.
    #[doc(hidden)]
    const NEGLIGIBLE: Self;

    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;
    /// The same value as `f64`, exactly.
    fn to_f64(self) -> f64;
    /// `self · a + b` rounded once. Slow without FMA hardware: kernels call it only where there is some.
    fn fused_mul_add(self, a: Self, b: Self) -> Self;
    /// Neither NaN nor infinite.
    fn is_finite(self) -> bool;
    /// The absolute value.
    fn abs(self) -> Self;
    /// The square root, correctly rounded.
    #[cfg(feature = "std")]
    fn sqrt(self) -> Self;
    /// The magnitude of `self` with the sign of `sign`.
    fn copysign(self, sign: Self) -> Self;
    /// The bits of as many values as 8 bytes hold.
    #[doc(hidden)]
    fn to_word(values: &[Self]) -> u64;
    /// The values of [`Float::to_word`].
    #[doc(hidden)]
    fn from_word(word: u64, values: &mut [Self]);
}

macro_rules! float {
    ($type:ident, $dtype:literal, $vector:ident) => {
        impl Float for $type {
            type Vector<S: Isa> = S::$vector;
            const DTYPE: &'static str = $dtype;
            const LINE: usize = 64 / size_of::<$type>();
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const LEAST: Self = $type::MIN_POSITIVE;
            const NEGLIGIBLE: Self = $type::MIN_POSITIVE * 16_777_216.0;

            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as $type
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn fused_mul_add(self, a: Self, b: Self) -> Self {
                #[cfg(feature = "std")]
                return self.mul_add(a, b);
                // Nothing asks for it: see `FUSED` of the portable vectors.
                #[cfg(not(feature = "std"))]
                return self * a + b;
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                $type::is_finite(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $type::abs(self)
            }
            #[cfg(feature = "std")]
            #[inline(always)]
            fn sqrt(self) -> Self {
                $type::sqrt(self)
            }
            #[inline(always)]
            fn copysign(self, sign: Self) -> Self {
                $type::copysign(self, sign)
            }
            #[inline(always)]
            fn to_word(values: &[Self]) -> u64 {
                let mut word = 0;
                let mut at = 0;
                while at < 8 / size_of::<Self>() {
                    word |= u64::from(values[at].to_bits()) << (at * 8 * size_of::<Self>());
                    at += 1;
                }
                word
            }
            #[inline(always)]
            fn from_word(word: u64, values: &mut [Self]) {
                let mut at = 0;
                while at < 8 / size_of::<Self>() {
                    values[at] = Self::from_bits((word >> (at * 8 * size_of::<Self>())) as _);
                    at += 1;
                }
            }
        }
    };
}
float!(f32, "float32", F32);
float!(f64, "float64", F64);

//! Permutations that stay where they are written, and registers whose value the optimiser does not see.

use std::arch::x86_64::*;

/// Defines a permutation whose place among the others the compiler leaves as it is written.
///
/// A step of a sweep waits for its permutations, of which one starts per cycle: those that the longest chains begin with
/// have to come first. Left to itself, the compiler puts them last where that saves it a register.
macro_rules! permutation {
    ($name:ident, $feature:literal, $instruction:literal, $class:ident, $register:ty, $index:ty) => {
        #[inline]
        #[target_feature(enable = $feature)]
        pub(super) fn $name(lanes: $index, row: $register) -> $register {
            let permuted;
            // SAFETY: an instruction of the feature that the function demands, from registers to a register.
            unsafe {
                std::arch::asm!(
                    $instruction,
                    permuted = lateout($class) permuted,
                    lanes = in($class) lanes,
                    row = in($class) row,
                    options(nomem, nostack, preserves_flags)
                );
            }
            permuted
        }
    };
}

permutation!(permute_8, "avx2", "vpermps {permuted}, {lanes}, {row}", ymm_reg, __m256, __m256i);
permutation!(permute_16, "avx512f", "vpermps {permuted}, {lanes}, {row}", zmm_reg, __m512, __m512i);
permutation!(permute_8_doubles, "avx512f", "vpermpd {permuted}, {lanes}, {row}", zmm_reg, __m512d, __m512i);

/// Defines a function that brings a lane of each 128 bits into all four of them; like [`permutation`], and without a register that
/// says which.
macro_rules! quarter_lanes {
    ($($name:ident $which:literal),*) => {
        $(
            #[inline]
            #[target_feature(enable = "avx512f")]
            pub(super) fn $name(row: __m512) -> __m512 {
                let permuted;
                // SAFETY: an instruction of the feature that the function demands, from register to register.
                unsafe {
                    std::arch::asm!(
                        concat!("vpermilps {permuted}, {row}, ", $which),
                        permuted = lateout(zmm_reg) permuted,
                        row = in(zmm_reg) row,
                        options(nomem, nostack, preserves_flags)
                    );
                }
                permuted
            }
        )*
    };
}

quarter_lanes!(first_lanes "0x00", second_lanes "0x55", third_lanes "0xaa", fourth_lanes "0xff");

/// A quarter of a register in all four.
#[inline(always)]
pub(super) fn quarter(row: __m512, number: usize) -> __m512 {
    simd!(match number {
        0 => _mm512_shuffle_f32x4::<0x00>(row, row),
        1 => _mm512_shuffle_f32x4::<0x55>(row, row),
        2 => _mm512_shuffle_f32x4::<0xaa>(row, row),
        _ => _mm512_shuffle_f32x4::<0xff>(row, row),
    })
}

/// Defines a function that hides the value of a register from the optimiser, which would read a constant from memory again wherever
/// it is used.
macro_rules! hidden {
    ($name:ident, $feature:literal, $class:ident, $index:ty) => {
        #[inline]
        #[target_feature(enable = $feature)]
        pub(super) fn $name(lanes: $index) -> $index {
            let mut lanes = lanes;
            // SAFETY: nothing is done.
            unsafe {
                std::arch::asm!("/* {0} */", inout($class) lanes, options(pure, nomem, nostack, preserves_flags));
            }
            lanes
        }
    };
}

hidden!(hide_8, "avx2", ymm_reg, __m256i);
hidden!(hide_16, "avx512f", zmm_reg, __m512i);
hidden!(hide_singles, "avx512f", zmm_reg, __m512);
hidden!(hide_doubles, "avx512f", zmm_reg, __m512d);

//! [`Vector`] in SSE2, AVX2 + FMA and AVX-512 intrinsics.
//!
//! With its parts the only place of `unsafe` beside [`super::level`]. One argument covers every use here: the types are private
//! to the kernels, and kernel bodies that name them are reached only through [`super::level::Level::run`], which
//! has detected the instructions. (SSE2 is part of every x86-64.)

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::elementary;
use super::tanh_table::{self, Row};
use super::vector::{Lookup, Vector, turn_one_by_one};
use across::{add_doubles, add_pairs, add_singles, turn_doubles, turn_singles};
use blocks::{block_sums_singles, repeat_singles, spread_singles};
pub use halves::{F32x24, F64x12};
use permute::{
    first_lanes, fourth_lanes, hide_8, hide_16, hide_doubles, hide_singles, permute_8, permute_8_doubles,
    quarter, second_lanes, third_lanes,
};

/// Wraps an expression of intrinsics; see the module's safety argument.
macro_rules! simd {
    ($e:expr) => {
        // SAFETY: only reached through `Level::run`, which has detected the instructions; loads and stores are given
        // references to arrays of the register's size.
        unsafe { $e }
    };
}

mod across;
mod blocks;
mod halves;
mod permute;
mod powers;

/// The permutations that bring a lane into all lanes, hidden.
macro_rules! permutations {
    ($hide:ident, $set1:ident: $($index:literal)*) => {
        [$($hide($set1($index)),)*]
    };
}

/// Implements [`Vector`] where the intrinsics of a width differ only in their names.
macro_rules! vector {
    (
        $name:ident: $register:ident, $element:ident x $lanes:literal;
        $set1:ident $load:ident $store:ident $add:ident $sub:ident $mul:ident $div:ident $min:ident
        $max:ident $and:ident $andnot:ident $or:ident;
        lanes: $lanes_type:ty, $all_lanes:expr;
        broadcast: |$v:ident, $table:ident, $lane:ident| $broadcast:expr;
        first: |$value:ident| $first:expr;
        mul_add: $fused:literal, |$f:ident, $g:ident, $h:ident| $mul_add:expr;
        exponent: |$x:ident| $exponent:expr;
        negative: |$c:ident, $a:ident, $b:ident| $negative:expr;
        positive: |$d:ident, $e:ident| $positive:expr;
        zero_above: |$i:ident, $j:ident, $l:ident| $zero_above:expr;
        sum: |$s:ident| $sum:expr;
        sums: |$vectors:ident, $row:ident| $sums:expr;
        tanh: $tanh:ident;
        sigmoid: $sigmoid:ident;
        turn: $turn:ident;
        $(blocks: $repeat:ident, $spread:ident, $block_sums:ident;)?
    ) => {
        #[derive(Clone, Copy)]
        pub struct $name($register);

        #[allow(unused_unsafe)] // SSE2 needs none.
        impl Vector<$element> for $name {
            const LANES: usize = $lanes;
            type Lanes = $lanes_type;
            const FUSED: bool = $fused;

            #[inline(always)]
            fn lanes() -> Self::Lanes {
                simd!($all_lanes)
            }
            #[inline(always)]
            fn broadcast(self, $table: &Self::Lanes, $lane: usize) -> Self {
                let $v = self.0;
                Self(simd!($broadcast))
            }
            #[inline(always)]
            fn first($value: $element) -> Self {
                Self(simd!($first))
            }
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
            fn prefetch(row: &[$element], at: usize) {
                simd!(_mm_prefetch::<_MM_HINT_T0>(row[at..].as_ptr().cast()));
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
            fn zero_above(self, x: Self, limit: Self) -> Self {
                let ($i, $j, $l) = (self.0, x.0, limit.0);
                Self(simd!($zero_above))
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
            #[inline(always)]
            fn add_sums($vectors: [Self; 4], row: &mut [$element], at: usize) {
                let $row = &mut row[at..at + 4];
                $sums
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                elementary::$tanh(self)
            }
            #[inline(always)]
            fn sigmoid(self) -> Self {
                elementary::$sigmoid(self)
            }
            #[inline(always)]
            fn turn(rows: [&[$element]; 4], at: usize, out: &mut [$element], stride: usize) {
                $turn(rows, at, out, stride);
            }

            $(
                const BLOCKED: bool = true;

                #[inline(always)]
                fn repeat(row: &[$element], at: usize) -> Self {
                    $repeat(row, at)
                }
                #[inline(always)]
                fn spread(self, group: usize) -> Self {
                    $spread(self, group)
                }
                #[inline(always)]
                fn block_sums(vectors: [Self; 3]) -> Self {
                    $block_sums(vectors)
                }
            )?
        }
    };
}

vector! {
    F32x4: __m128, f32 x 4;
    _mm_set1_ps _mm_loadu_ps _mm_storeu_ps _mm_add_ps _mm_sub_ps _mm_mul_ps _mm_div_ps
    _mm_min_ps _mm_max_ps _mm_and_ps _mm_andnot_ps _mm_or_ps;
    lanes: (), ();
    broadcast: |x, _table, lane| match lane {
        0 => _mm_shuffle_ps::<0x00>(x, x),
        1 => _mm_shuffle_ps::<0x55>(x, x),
        2 => _mm_shuffle_ps::<0xaa>(x, x),
        _ => _mm_shuffle_ps::<0xff>(x, x),
    };
    first: |x| _mm_set_ss(x);
    mul_add: false, |a, b, c| _mm_add_ps(_mm_mul_ps(a, b), c);
    exponent: |x| {
        let k = _mm_add_epi32(_mm_castps_si128(x), _mm_set1_epi32(127));
        _mm_castsi128_ps(_mm_slli_epi32::<23>(k))
    };
    negative: |c, a, b| {
        let mask = _mm_cmplt_ps(c, _mm_setzero_ps());
        _mm_or_ps(_mm_and_ps(mask, a), _mm_andnot_ps(mask, b))
    };
    positive: |c, a| _mm_and_ps(a, _mm_cmpgt_ps(c, _mm_setzero_ps()));
    zero_above: |a, x, limit| _mm_andnot_ps(_mm_cmpgt_ps(x, limit), a);
    sum: |x| {
        let two = _mm_add_ps(x, _mm_movehl_ps(x, x));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    };
    sums: |vectors, row| add_singles(vectors, row);
    tanh: tanh_by_division;
    sigmoid: sigmoid_by_scaling;
    turn: turn_singles;
}

vector! {
    F64x2: __m128d, f64 x 2;
    _mm_set1_pd _mm_loadu_pd _mm_storeu_pd _mm_add_pd _mm_sub_pd _mm_mul_pd _mm_div_pd
    _mm_min_pd _mm_max_pd _mm_and_pd _mm_andnot_pd _mm_or_pd;
    lanes: (), ();
    broadcast: |x, _table, lane| match lane {
        0 => _mm_unpacklo_pd(x, x),
        _ => _mm_unpackhi_pd(x, x),
    };
    first: |x| _mm_set_sd(x);
    mul_add: false, |a, b, c| _mm_add_pd(_mm_mul_pd(a, b), c);
    exponent: |x| {
        let k = _mm_add_epi64(_mm_castpd_si128(x), _mm_set1_epi64x(1023));
        _mm_castsi128_pd(_mm_slli_epi64::<52>(k))
    };
    negative: |c, a, b| {
        let mask = _mm_cmplt_pd(c, _mm_setzero_pd());
        _mm_or_pd(_mm_and_pd(mask, a), _mm_andnot_pd(mask, b))
    };
    positive: |c, a| _mm_and_pd(a, _mm_cmpgt_pd(c, _mm_setzero_pd()));
    zero_above: |a, x, limit| _mm_andnot_pd(_mm_cmpgt_pd(x, limit), a);
    sum: |x| _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)));
    sums: |vectors, row| add_pairs(vectors, row);
    tanh: tanh_by_division;
    sigmoid: sigmoid_by_scaling;
    turn: turn_one_by_one;
}

vector! {
    F32x8: __m256, f32 x 8;
    _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_add_ps _mm256_sub_ps _mm256_mul_ps _mm256_div_ps
    _mm256_min_ps _mm256_max_ps _mm256_and_ps _mm256_andnot_ps _mm256_or_ps;
    lanes: [__m256i; 8], permutations!(hide_8, _mm256_set1_epi32: 0 1 2 3 4 5 6 7);
    broadcast: |x, table, lane| permute_8(table[lane], x);
    first: |x| _mm256_zextps128_ps256(_mm_set_ss(x));
    mul_add: true, |a, b, c| _mm256_fmadd_ps(a, b, c);
    exponent: |x| {
        let k = _mm256_add_epi32(_mm256_castps_si256(x), _mm256_set1_epi32(127));
        _mm256_castsi256_ps(_mm256_slli_epi32::<23>(k))
    };
    negative: |c, a, b| _mm256_blendv_ps(b, a, _mm256_cmp_ps::<_CMP_LT_OQ>(c, _mm256_setzero_ps()));
    positive: |c, a| _mm256_and_ps(a, _mm256_cmp_ps::<_CMP_GT_OQ>(c, _mm256_setzero_ps()));
    zero_above: |a, x, limit| _mm256_andnot_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(x, limit), a);
    sum: |x| {
        let four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    };
    sums: |vectors, row| {
        let [a, b, c, d] = vectors;
        F32x4::add_sums([a.folded(), b.folded(), c.folded(), d.folded()], row, 0);
    };
    tanh: tanh_by_table;
    sigmoid: sigmoid_by_scaling;
    turn: turn_singles;
}

vector! {
    F64x4: __m256d, f64 x 4;
    _mm256_set1_pd _mm256_loadu_pd _mm256_storeu_pd _mm256_add_pd _mm256_sub_pd _mm256_mul_pd _mm256_div_pd
    _mm256_min_pd _mm256_max_pd _mm256_and_pd _mm256_andnot_pd _mm256_or_pd;
    // A lane of f64 is two of f32.
    lanes: [__m256i; 4], permutations!(hide_8, _mm256_set1_epi64x: 0x1_0000_0000 0x3_0000_0002 0x5_0000_0004 0x7_0000_0006);
    broadcast: |x, table, lane| _mm256_castps_pd(permute_8(table[lane], _mm256_castpd_ps(x)));
    first: |x| _mm256_zextpd128_pd256(_mm_set_sd(x));
    mul_add: true, |a, b, c| _mm256_fmadd_pd(a, b, c);
    exponent: |x| {
        let k = _mm256_add_epi64(_mm256_castpd_si256(x), _mm256_set1_epi64x(1023));
        _mm256_castsi256_pd(_mm256_slli_epi64::<52>(k))
    };
    negative: |c, a, b| _mm256_blendv_pd(b, a, _mm256_cmp_pd::<_CMP_LT_OQ>(c, _mm256_setzero_pd()));
    positive: |c, a| _mm256_and_pd(a, _mm256_cmp_pd::<_CMP_GT_OQ>(c, _mm256_setzero_pd()));
    zero_above: |a, x, limit| _mm256_andnot_pd(_mm256_cmp_pd::<_CMP_GT_OQ>(x, limit), a);
    sum: |x| {
        let two = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd::<1>(x));
        _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)))
    };
    sums: |vectors, row| add_doubles(vectors, row);
    tanh: tanh_by_division;
    sigmoid: sigmoid_by_scaling;
    turn: turn_doubles;
}

vector! {
    F32x16: __m512, f32 x 16;
    _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_add_ps _mm512_sub_ps _mm512_mul_ps _mm512_div_ps
    _mm512_min_ps _mm512_max_ps _mm512_and_ps _mm512_andnot_ps _mm512_or_ps;
    // Two short permutations instead of one long: the lanes of a quarter share the first, and no register names a lane.
    lanes: (), ();
    broadcast: |x, _table, lane| match lane % 4 {
        0 => first_lanes(quarter(x, lane / 4)),
        1 => second_lanes(quarter(x, lane / 4)),
        2 => third_lanes(quarter(x, lane / 4)),
        _ => fourth_lanes(quarter(x, lane / 4)),
    };
    first: |x| _mm512_zextps128_ps512(_mm_set_ss(x));
    mul_add: true, |a, b, c| _mm512_fmadd_ps(a, b, c);
    exponent: |x| {
        let k = _mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(127));
        _mm512_castsi512_ps(_mm512_slli_epi32::<23>(k))
    };
    negative: |c, a, b| _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(c, _mm512_setzero_ps()), b, a);
    positive: |c, a| _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(c, _mm512_setzero_ps()), a);
    zero_above: |a, x, limit| _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_NGT_UQ>(x, limit), a);
    sum: |x| {
        let low = _mm512_castps512_ps256(x);
        let eight = _mm256_add_ps(low, _mm512_extractf32x8_ps::<1>(x));
        F32x8(eight).sum()
    };
    sums: |vectors, row| {
        let [a, b, c, d] = vectors;
        F32x8::add_sums([a.folded(), b.folded(), c.folded(), d.folded()], row, 0);
    };
    tanh: tanh_by_table;
    sigmoid: sigmoid_by_powers;
    turn: turn_singles;
    blocks: repeat_singles, spread_singles, block_sums_singles;
}

vector! {
    F64x8: __m512d, f64 x 8;
    _mm512_set1_pd _mm512_loadu_pd _mm512_storeu_pd _mm512_add_pd _mm512_sub_pd _mm512_mul_pd _mm512_div_pd
    _mm512_min_pd _mm512_max_pd _mm512_and_pd _mm512_andnot_pd _mm512_or_pd;
    lanes: [__m512i; 8], permutations!(hide_16, _mm512_set1_epi64: 0 1 2 3 4 5 6 7);
    broadcast: |x, table, lane| permute_8_doubles(table[lane], x);
    first: |x| _mm512_zextpd128_pd512(_mm_set_sd(x));
    mul_add: true, |a, b, c| _mm512_fmadd_pd(a, b, c);
    exponent: |x| {
        let k = _mm512_add_epi64(_mm512_castpd_si512(x), _mm512_set1_epi64(1023));
        _mm512_castsi512_pd(_mm512_slli_epi64::<52>(k))
    };
    negative: |c, a, b| _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_LT_OQ>(c, _mm512_setzero_pd()), b, a);
    positive: |c, a| _mm512_maskz_mov_pd(_mm512_cmp_pd_mask::<_CMP_GT_OQ>(c, _mm512_setzero_pd()), a);
    zero_above: |a, x, limit| _mm512_maskz_mov_pd(_mm512_cmp_pd_mask::<_CMP_NGT_UQ>(x, limit), a);
    sum: |x| {
        let low = _mm512_castpd512_pd256(x);
        let four = _mm256_add_pd(low, _mm512_extractf64x4_pd::<1>(x));
        F64x4(four).sum()
    };
    sums: |vectors, row| {
        let [a, b, c, d] = vectors;
        F64x4::add_sums([a.folded(), b.folded(), c.folded(), d.folded()], row, 0);
    };
    tanh: tanh_by_division;
    sigmoid: sigmoid_by_powers;
    turn: turn_doubles;
}

/// Implements [`Lookup`] where there are instructions for it.
macro_rules! lookup {
    (
        $name:ident, $table:ident;
        interval: |$x:ident, $first:ident, $last:ident| $interval:expr;
        pick: |$i:ident, $row:ident| $pick:expr;
    ) => {
        impl Lookup for $name {
            const TANH: &'static [Row] = &tanh_table::$table;

            #[inline(always)]
            fn interval(self, first: Self, last: Self) -> Self {
                let ($x, $first, $last) = (self.0, first.0, last.0);
                Self(simd!($interval))
            }
            #[inline(always)]
            fn pick(self, row: &Row) -> Self {
                let ($i, $row) = (self.0, &row.0);
                Self(simd!($pick))
            }
        }
    };
}

lookup! {
    F32x8, OCTAVES;
    interval: |x, first, last| {
        let x = _mm256_max_epi32(_mm256_castps_si256(x), _mm256_castps_si256(first));
        _mm256_castsi256_ps(_mm256_srli_epi32::<23>(_mm256_min_epi32(x, _mm256_castps_si256(last))))
    };
    pick: |i, row| _mm256_permutevar8x32_ps(_mm256_loadu_ps(row.as_ptr()), _mm256_castps_si256(i));
}

lookup! {
    F32x16, HALF_OCTAVES;
    interval: |x, first, last| {
        let x = _mm512_max_epi32(_mm512_castps_si512(x), _mm512_castps_si512(first));
        _mm512_castsi512_ps(_mm512_srli_epi32::<22>(_mm512_min_epi32(x, _mm512_castps_si512(last))))
    };
    pick: |i, row| _mm512_permutexvar_ps(_mm512_castps_si512(i), _mm512_loadu_ps(row.as_ptr()));
}

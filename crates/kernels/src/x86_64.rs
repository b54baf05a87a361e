//! The routines compiled for x86-64. In: slices whose lengths the safe entries checked. Out: the
//! same. Knows nothing of which instruction set is chosen.

use std::arch::x86_64::*;
use std::ops::Range;

mod int8_dot;

pub(crate) use int8_dot::{int8_conv_avx2, int8_conv_vnni};

use crate::compile::compile_rows;
use crate::dot::block::{NIBBLES, Products, nibbles, products};
use crate::vector::Vector;

/// Eight floats.
#[derive(Clone, Copy)]
pub(crate) struct F32x8(__m256);

/// Sixteen floats.
#[derive(Clone, Copy)]
pub(crate) struct F32x16(__m512);

macro_rules! vector {
    ($name:ident, $tail:ident, $lanes:literal, $tile_pixels:expr, $splat:ident, $load:ident,
     $store:ident, $fma:ident, $add:ident, $mul:ident, $max:ident, $min:ident,
     |$x:ident, $other:ident| $if_positive:expr,
     |$a:ident, $b:ident, $c:ident, $to:ident| $interleaved:expr) => {
        // SAFETY: only routines compiled for the instruction set use it.
        unsafe impl Vector for $name {
            type Tail = $tail;
            const LANES: usize = $lanes;
            const TILE_PIXELS: [usize; 4] = $tile_pixels;

            #[inline(always)]
            unsafe fn splat(value: f32) -> Self {
                // SAFETY: the instruction set is there.
                $name(unsafe { $splat(value) })
            }
            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: the caller has a vector there.
                $name(unsafe { $load(from) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: the caller has room for a vector there.
                unsafe { $store(to, self.0) }
            }
            #[inline(always)]
            unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
                // SAFETY: the instruction set is there.
                $name(unsafe { $fma(self.0, factor.0, addend.0) })
            }
            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: the instruction set is there.
                $name(unsafe { $add(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn mul(self, other: Self) -> Self {
                // SAFETY: the instruction set is there.
                $name(unsafe { $mul(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn max(self, other: Self) -> Self {
                // SAFETY: the instruction set is there. The result is the second operand where the
                // first is NaN.
                $name(unsafe { $max(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn min(self, other: Self) -> Self {
                // SAFETY: as above.
                $name(unsafe { $min(self.0, other.0) })
            }
            #[inline(always)]
            unsafe fn if_positive(self, other: Self) -> Self {
                let ($x, $other) = (self.0, other.0);
                // SAFETY: the instruction set is there.
                $name(unsafe { $if_positive })
            }
            #[inline(always)]
            unsafe fn store_interleaved($a: Self, $b: Self, $c: Self, $to: *mut f32) {
                // SAFETY: the instruction set is there, and the caller has room for three vectors.
                unsafe { $interleaved }
            }
        }
    };
}

vector!(
    F32x8,
    F32x8,
    8,
    [10, 6, 3, 2],
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_fmadd_ps,
    _mm256_add_ps,
    _mm256_mul_ps,
    _mm256_max_ps,
    _mm256_min_ps,
    |x, other| _mm256_blendv_ps(
        other,
        x,
        _mm256_cmp_ps::<_CMP_GT_OQ>(x, _mm256_setzero_ps())
    ),
    |a, b, c, to| weave_x8([a.0, b.0, c.0], to)
);
vector!(
    F32x16,
    F32x8,
    16,
    [12, 8, 6, 4],
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_fmadd_ps,
    _mm512_add_ps,
    _mm512_mul_ps,
    _mm512_max_ps,
    _mm512_min_ps,
    |x, other| _mm512_mask_blend_ps(
        _mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, _mm512_setzero_ps()),
        other,
        x
    ),
    |a, b, c, to| {
        let (low_a, high_a) = halves(a.0);
        let (low_b, high_b) = halves(b.0);
        let (low_c, high_c) = halves(c.0);
        weave_x8([low_a, low_b, low_c], to);
        weave_x8([high_a, high_b, high_c], to.add(24));
    }
);

/// # Safety
/// AVX-512 F is there.
#[inline(always)]
unsafe fn halves(x: __m512) -> (__m256, __m256) {
    // SAFETY: as promised.
    unsafe {
        let high = _mm512_extractf64x4_pd::<1>(_mm512_castps_pd(x));
        (_mm512_castps512_ps256(x), _mm256_castpd_ps(high))
    }
}

/// Writes `a0 b0 c0 a1 b1 c1 …`.
///
/// # Safety
/// AVX2 is there, and room for 24 floats.
#[inline(always)]
unsafe fn weave_x8([a, b, c]: [__m256; 3], to: *mut f32) {
    // SAFETY: as promised.
    unsafe {
        // No closures: they are compiled without the instruction set when they are not inlined.
        macro_rules! pick {
            ($x:literal, $y:literal, $($i:literal),*) => {{
                let i = _mm256_setr_epi32($($i),*);
                let (a, b) = (_mm256_permutevar8x32_ps(a, i), _mm256_permutevar8x32_ps(b, i));
                let ab = _mm256_blend_ps::<$x>(a, b);
                _mm256_blend_ps::<$y>(ab, _mm256_permutevar8x32_ps(c, i))
            }};
        }
        _mm256_storeu_ps(to, pick!(0b1001_0010, 0b0010_0100, 0, 0, 0, 1, 1, 1, 2, 2));
        _mm256_storeu_ps(
            to.add(8),
            pick!(0b0010_0100, 0b0100_1001, 2, 3, 3, 3, 4, 4, 4, 5),
        );
        _mm256_storeu_ps(
            to.add(16),
            pick!(0b0100_1001, 0b1001_0010, 5, 5, 6, 6, 6, 7, 7, 7),
        );
    }
}

compile_rows!(avx2, crate::x86_64::F32x8, "avx2,fma");
compile_rows!(avx512, crate::x86_64::F32x16, "avx512f,avx2,fma");

macro_rules! nibbles {
    ($name:ident, $vector:ty, $step:literal, $templates:literal, $zero:ident, $load:ident,
     $half:ident as $half_type:ty, $widen:ident, $and:ident, $fifteen:ident, $shift:ident,
     $madd:ident, $add:ident,
     |$sums:ident| $total:expr) => {
        /// Sums of products of sixteen-bit and four-bit numbers.
        #[derive(Clone, Copy)]
        pub(crate) struct $name($vector);

        // SAFETY: each method needs no more than the instruction set that is named where
        // `products!` compiles it.
        unsafe impl Products for $name {
            type Query = i16;
            type Template = u8;
            type Sum = i32;
            type Numbers = [$vector; 2];
            const IN_ONE: usize = 2;
            const BLOCK: usize = NIBBLES;
            const STEP: usize = $step;
            const TEMPLATES: usize = $templates;

            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the instruction set is there.
                $name(unsafe { $zero() })
            }
            #[inline(always)]
            unsafe fn query(row: *const i16, at: usize) -> [$vector; 2] {
                let [low, high] = nibbles(at).1;
                // SAFETY: the caller has the whole block there.
                unsafe { [$load(row.add(low).cast()), $load(row.add(high).cast())] }
            }
            #[inline(always)]
            unsafe fn template(row: *const u8, at: usize) -> [$vector; 2] {
                // SAFETY: the caller has half a vector of bytes there.
                unsafe {
                    let bytes = $widen($half(row.add(nibbles(at).0).cast::<$half_type>()));
                    [$and(bytes, $fifteen(15)), $shift::<4>(bytes)]
                }
            }
            #[inline(always)]
            unsafe fn add(self, query: [$vector; 2], template: [$vector; 2]) -> Self {
                // SAFETY: the instruction set is there. A pair of products cannot overflow:
                // templates have four bits.
                unsafe {
                    let low = $add(self.0, $madd(query[0], template[0]));
                    $name($add(low, $madd(query[1], template[1])))
                }
            }
            #[inline(always)]
            unsafe fn total(self) -> i32 {
                let $sums = self.0;
                // SAFETY: the instruction set is there.
                unsafe { $total }
            }
            #[inline(always)]
            unsafe fn rest(sum: i32, _: *const i16, _: *const u8, _: Range<usize>) -> i32 {
                sum
            }
        }
    };
}

nibbles!(
    I32x8,
    __m256i,
    32,
    2,
    _mm256_setzero_si256,
    _mm256_loadu_si256,
    _mm_loadu_si128 as __m128i,
    _mm256_cvtepu8_epi16,
    _mm256_and_si256,
    _mm256_set1_epi16,
    _mm256_srli_epi16,
    _mm256_madd_epi16,
    _mm256_add_epi32,
    |sums| {
        let four = _mm_add_epi32(
            _mm256_castsi256_si128(sums),
            _mm256_extracti128_si256::<1>(sums),
        );
        let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b1110>(four));
        _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32::<0b01>(two)))
    }
);
nibbles!(
    I32x16,
    __m512i,
    64,
    3,
    _mm512_setzero_si512,
    _mm512_loadu_si512,
    _mm256_loadu_si256 as __m256i,
    _mm512_cvtepu8_epi16,
    _mm512_and_si512,
    _mm512_set1_epi16,
    _mm512_srli_epi16,
    _mm512_madd_epi16,
    _mm512_add_epi32,
    |sums| _mm512_reduce_add_epi32(sums)
);

products!(
    dots_avx2,
    crate::x86_64::F32x8,
    crate::x86_64::I32x8,
    "avx2,fma"
);
products!(
    dots_avx512,
    crate::x86_64::F32x16,
    crate::x86_64::I32x16,
    "avx512f,avx512bw,avx2,fma"
);

/// See [`crate::dot::f32`].
#[target_feature(enable = "avx2,fma")]
pub(crate) fn dot_avx2(a: &[f32], b: &[f32]) -> f32 {
    crate::dot::lanes::dot::<32>(a, b)
}

/// See [`crate::dot::f32`].
#[target_feature(enable = "avx512f")]
pub(crate) fn dot_avx512(a: &[f32], b: &[f32]) -> f32 {
    crate::dot::lanes::dot::<64>(a, b)
}

/// See [`crate::gemm::Gemm::tile`], with mr = 8 and nr = 32.
///
/// # Safety
/// `a` holds `depth · 8`, `b` `depth · 32`, `tile` 256 floats.
#[target_feature(enable = "avx512f")]
pub(crate) unsafe fn tile_avx512_8x32(depth: usize, a: &[f32], b: &[f32], tile: &mut [f32]) {
    let mut sums = [[_mm512_setzero_ps(); 2]; 8];
    let (mut a, mut b) = (a.as_ptr(), b.as_ptr());
    for _ in 0..depth {
        // SAFETY: the caller's lengths cover `depth` steps of 8 and 32.
        unsafe {
            let (b0, b1) = (_mm512_loadu_ps(b), _mm512_loadu_ps(b.add(16)));
            for (row, sum) in sums.iter_mut().enumerate() {
                let weight = _mm512_set1_ps(*a.add(row));
                sum[0] = _mm512_fmadd_ps(weight, b0, sum[0]);
                sum[1] = _mm512_fmadd_ps(weight, b1, sum[1]);
            }
            a = a.add(8);
            b = b.add(32);
        }
    }
    for (row, sum) in sums.iter().enumerate() {
        // SAFETY: eight rows of 32 floats are the 256 that the caller gives.
        unsafe {
            _mm512_storeu_ps(tile.as_mut_ptr().add(row * 32), sum[0]);
            _mm512_storeu_ps(tile.as_mut_ptr().add(row * 32 + 16), sum[1]);
        }
    }
}

/// See [`crate::gemm::Gemm::tile`], with mr = 6 and nr = 16.
///
/// # Safety
/// `a` holds `depth · 6`, `b` `depth · 16`, `tile` 96 floats.
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn tile_avx2_6x16(depth: usize, a: &[f32], b: &[f32], tile: &mut [f32]) {
    let mut sums = [[_mm256_setzero_ps(); 2]; 6];
    let (mut a, mut b) = (a.as_ptr(), b.as_ptr());
    for _ in 0..depth {
        // SAFETY: the caller's lengths cover `depth` steps of 6 and 16.
        unsafe {
            let (b0, b1) = (_mm256_loadu_ps(b), _mm256_loadu_ps(b.add(8)));
            for (row, sum) in sums.iter_mut().enumerate() {
                let weight = _mm256_set1_ps(*a.add(row));
                sum[0] = _mm256_fmadd_ps(weight, b0, sum[0]);
                sum[1] = _mm256_fmadd_ps(weight, b1, sum[1]);
            }
            a = a.add(6);
            b = b.add(16);
        }
    }
    for (row, sum) in sums.iter().enumerate() {
        // SAFETY: six rows of 16 floats are the 96 that the caller gives.
        unsafe {
            _mm256_storeu_ps(tile.as_mut_ptr().add(row * 16), sum[0]);
            _mm256_storeu_ps(tile.as_mut_ptr().add(row * 16 + 8), sum[1]);
        }
    }
}

/// See [`crate::planar::depthwise_row`].
#[target_feature(enable = "avx2,fma")]
pub(crate) fn depthwise_row_avx2(taps: &[(f32, &[f32])], stride: usize, out: &mut [f32]) {
    crate::planar::rows::depthwise_row(taps, stride, out);
}

/// See [`crate::planar::depthwise_row`].
#[target_feature(enable = "avx512f")]
pub(crate) fn depthwise_row_avx512(taps: &[(f32, &[f32])], stride: usize, out: &mut [f32]) {
    crate::planar::rows::depthwise_row(taps, stride, out);
}

/// See [`crate::planar::epilogue_row`].
#[target_feature(enable = "avx2,fma")]
pub(crate) fn epilogue_row_avx2(
    sums: &[f32],
    bias: f32,
    residual: Option<&[f32]>,
    activation: crate::epilogue::Activation,
    out: &mut [f32],
) {
    crate::planar::rows::epilogue_row(sums, bias, residual, activation, out);
}

/// See [`crate::planar::epilogue_row`].
#[target_feature(enable = "avx512f")]
pub(crate) fn epilogue_row_avx512(
    sums: &[f32],
    bias: f32,
    residual: Option<&[f32]>,
    activation: crate::epilogue::Activation,
    out: &mut [f32],
) {
    crate::planar::rows::epilogue_row(sums, bias, residual, activation, out);
}

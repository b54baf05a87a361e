//! Eight-bit dot products for x86-64: four products at once with VNNI, in two pairs with AVX2.

use std::arch::x86_64::*;

use super::{F32x8, F32x16};
use crate::compile::compile_int8_conv;
use crate::int8_dot::Int8Dot;

/// Eight sums; AVX2.
#[derive(Clone, Copy)]
struct Avx2Int8Dot(__m256i);

/// Eight sums; AVX-512 VNNI and VL.
#[derive(Clone, Copy)]
struct VnniInt8Dot8(__m256i);

/// Sixteen sums; AVX-512 VNNI.
#[derive(Clone, Copy)]
struct VnniInt8Dot16(__m512i);

macro_rules! int8_dot {
    ($name:ident, $floats:ident, $tail:ident, $tile_pixels:expr, $vector:ty, $zero:ident,
     $splat:ident, $load:ident, $to_floats:ident, $signed:ident, $unsigned:ident,
     |$sums:ident, $activations:ident, $weights:ident| $add:expr,
     |$x:ident| $bytes:expr => $store:ident, |$a:ident, $b:ident| $max_of_lanes:expr) => {
        // SAFETY: only routines compiled for the instruction set use it.
        unsafe impl Int8Dot for $name {
            type Floats = $floats;
            type Tail = $tail;
            type Bits = $vector;
            type Activations = $vector;
            type Weights = $vector;
            const TILE_PIXELS: [usize; 4] = $tile_pixels;

            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the instruction set is there.
                $name(unsafe { $zero() })
            }
            #[inline(always)]
            unsafe fn broadcast_u8(from: *const u8) -> $vector {
                // SAFETY: the caller has four activations there.
                unsafe { $splat(from.cast::<i32>().read_unaligned()) }
            }
            #[inline(always)]
            unsafe fn load_weights(from: *const i8) -> $vector {
                // SAFETY: the caller has four weights for each lane there.
                unsafe { $load(from.cast()) }
            }
            #[inline(always)]
            unsafe fn add_products(self, $activations: $vector, $weights: $vector) -> Self {
                let $sums = self.0;
                // SAFETY: the instruction set is there.
                $name(unsafe { $add })
            }
            #[inline(always)]
            unsafe fn to_floats(self) -> $floats {
                // SAFETY: the instruction set is there.
                $floats(unsafe { $to_floats(self.0) })
            }
            #[inline(always)]
            unsafe fn store_u8(floats: $floats, to: *mut u8) {
                let $x = floats.0;
                // SAFETY: the caller has room for a number of each lane.
                unsafe { $store(to.cast(), $bytes) }
            }
            #[inline(always)]
            unsafe fn zero_bits() -> $vector {
                // SAFETY: the instruction set is there.
                unsafe { $zero() }
            }
            #[inline(always)]
            unsafe fn fold_min_max(
                [max_bits, min_bits]: [$vector; 2],
                from: *const f32,
            ) -> [$vector; 2] {
                // SAFETY: the caller has a vector there.
                unsafe {
                    let bits = $load(from.cast());
                    [$signed(max_bits, bits), $unsigned(min_bits, bits)]
                }
            }
            #[inline(always)]
            unsafe fn reduce_min_max([$a, $b]: [$vector; 2]) -> [u32; 2] {
                // SAFETY: the instruction set is there.
                unsafe { $max_of_lanes }
            }
        }
    };
}

/// Eight lanes; AVX2 and VNNI differ in how they add products.
macro_rules! int8_dot8 {
    ($name:ident, $tile_pixels:expr,
     |$sums:ident, $activations:ident, $weights:ident| $add:expr) => {
        int8_dot!(
            $name,
            F32x8,
            $name,
            $tile_pixels,
            __m256i,
            _mm256_setzero_si256,
            _mm256_set1_epi32,
            _mm256_loadu_si256,
            _mm256_cvtepi32_ps,
            _mm256_max_epi32,
            _mm256_max_epu32,
            |$sums, $activations, $weights| $add,
            |x| bytes8(x) => _mm_storel_epi64,
            |a, b| max_of_lanes8(a, flip_sign(b))
        );
    };
}

int8_dot8!(Avx2Int8Dot, [10, 5, 3, 2], |sums, activations, weights| {
    // Exact, because inputs have seven bits: 2 · 127 · 127 fits 16 bits.
    let pairs = _mm256_maddubs_epi16(activations, weights);
    _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
});
int8_dot8!(
    VnniInt8Dot8,
    [12, 12, 8, 6],
    |sums, activations, weights| _mm256_dpbusd_epi32(sums, activations, weights)
);
int8_dot!(
    VnniInt8Dot16,
    F32x16,
    VnniInt8Dot8,
    [12, 8, 6, 4],
    __m512i,
    _mm512_setzero_si512,
    _mm512_set1_epi32,
    _mm512_loadu_si512,
    _mm512_cvtepi32_ps,
    _mm512_max_epi32,
    _mm512_max_epu32,
    |sums, activations, weights| _mm512_dpbusd_epi32(sums, activations, weights),
    |x| _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(x)) => _mm_storeu_si128,
    |a, b| {
        // The low half gets the maxima of `a`, the high half those of `b`.
        let b = _mm512_xor_si512(b, _mm512_set1_epi32(i32::MIN));
        let low = _mm512_shuffle_i32x4::<0b01_00_01_00>(a, b);
        let high = _mm512_shuffle_i32x4::<0b11_10_11_10>(a, b);
        let both = _mm512_max_epi32(low, high);
        max_of_lanes8(
            _mm512_castsi512_si256(both),
            _mm512_extracti64x4_epi64::<1>(both),
        )
    }
);

/// Eight floats of 0 to 127 as bytes, in the low half.
///
/// # Safety
/// AVX2 is there.
#[inline(always)]
unsafe fn bytes8(x: __m256) -> __m128i {
    // SAFETY: as promised.
    unsafe {
        let whole = _mm256_cvtps_epi32(x);
        let words = _mm_packus_epi32(
            _mm256_castsi256_si128(whole),
            _mm256_extracti128_si256::<1>(whole),
        );
        _mm_packus_epi16(words, words)
    }
}

/// Flips the highest bit, so that a signed comparison orders unsigned integers.
///
/// # Safety
/// AVX2 is there.
#[inline(always)]
unsafe fn flip_sign(x: __m256i) -> __m256i {
    // SAFETY: as promised.
    unsafe { _mm256_xor_si256(x, _mm256_set1_epi32(i32::MIN)) }
}

/// The highest lane of each; the second is given flip_sign.
///
/// # Safety
/// AVX2 is there.
#[inline(always)]
unsafe fn max_of_lanes8(a: __m256i, b: __m256i) -> [u32; 2] {
    // SAFETY: as promised.
    unsafe {
        let low = _mm256_permute2x128_si256::<0x20>(a, b);
        let high = _mm256_permute2x128_si256::<0x31>(a, b);
        // The maxima of four lanes of each, then of two, then of one.
        let both = _mm256_max_epi32(low, high);
        let both = _mm256_max_epi32(both, _mm256_shuffle_epi32::<0b01_00_11_10>(both));
        let both = _mm256_max_epi32(both, _mm256_shuffle_epi32::<0b10_11_00_01>(both));
        let a = _mm_cvtsi128_si32(_mm256_castsi256_si128(both));
        let b = _mm_cvtsi128_si32(_mm256_extracti128_si256::<1>(both));
        [a as u32, b as u32 ^ 1 << 31]
    }
}

compile_int8_conv!(int8_conv_avx2, Avx2Int8Dot, "avx2,fma");
compile_int8_conv!(
    int8_conv_vnni,
    VnniInt8Dot16,
    "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma"
);

//! Sums of products of eight bits for x86-64: four at once by VNNI, two and two by AVX2.

use std::arch::x86_64::*;

use super::{F32x8, F32x16};
use crate::pixels::eight::eight_bits;
use crate::pixels::quads::Quads;

/// Eight sums; AVX2.
#[derive(Clone, Copy)]
struct Quads8(__m256i);

/// Eight sums; AVX-512 VNNI and VL.
#[derive(Clone, Copy)]
struct VnniQuads8(__m256i);

/// Sixteen sums; AVX-512 VNNI.
#[derive(Clone, Copy)]
struct VnniQuads16(__m512i);

macro_rules! quads {
    ($name:ident, $floats:ident, $rest:ident, $high:expr, $vector:ty, $zero:ident, $splat:ident, $load:ident, $to_floats:ident,
     $signed:ident, $unsigned:ident, |$sums:ident, $numbers:ident, $weights:ident| $add:expr, |$x:ident| $bytes:expr => $store:ident,
     |$a:ident, $b:ident| $lane:expr) => {
        // SAFETY: only routines compiled for the instruction set use it.
        unsafe impl Quads for $name {
            type Floats = $floats;
            type Rest = $rest;
            type Bits = $vector;
            type Numbers = $vector;
            type Weights = $vector;
            const HIGH: [usize; 4] = $high;

            #[inline(always)]
            unsafe fn zero() -> Self {
                // SAFETY: the instruction set is there.
                $name(unsafe { $zero() })
            }
            #[inline(always)]
            unsafe fn numbers(from: *const u8) -> $vector {
                // SAFETY: the caller has four numbers there.
                unsafe { $splat(from.cast::<i32>().read_unaligned()) }
            }
            #[inline(always)]
            unsafe fn weights(from: *const i8) -> $vector {
                // SAFETY: the caller has four weights for each lane there.
                unsafe { $load(from.cast()) }
            }
            #[inline(always)]
            unsafe fn add(self, $numbers: $vector, $weights: $vector) -> Self {
                let $sums = self.0;
                // SAFETY: the instruction set is there.
                $name(unsafe { $add })
            }
            #[inline(always)]
            unsafe fn floats(self) -> $floats {
                // SAFETY: the instruction set is there.
                $floats(unsafe { $to_floats(self.0) })
            }
            #[inline(always)]
            unsafe fn keep(floats: $floats, to: *mut u8) {
                let $x = floats.0;
                // SAFETY: the caller has room for a number of each lane.
                unsafe { $store(to.cast(), $bytes) }
            }
            #[inline(always)]
            unsafe fn nothing() -> $vector {
                // SAFETY: the instruction set is there.
                unsafe { $zero() }
            }
            #[inline(always)]
            unsafe fn highest([high, deep]: [$vector; 2], from: *const f32) -> [$vector; 2] {
                // SAFETY: the caller has a vector there.
                unsafe {
                    let bits = $load(from.cast());
                    [$signed(high, bits), $unsigned(deep, bits)]
                }
            }
            #[inline(always)]
            unsafe fn lane([$a, $b]: [$vector; 2]) -> [u32; 2] {
                // SAFETY: the instruction set is there.
                unsafe { $lane }
            }
        }
    };
}

/// Eight lanes, which differ in how products are added up.
macro_rules! quads8 {
    ($name:ident, $high:expr, |$sums:ident, $numbers:ident, $weights:ident| $add:expr) => {
        quads!(
            $name,
            F32x8,
            $name,
            $high,
            __m256i,
            _mm256_setzero_si256,
            _mm256_set1_epi32,
            _mm256_loadu_si256,
            _mm256_cvtepi32_ps,
            _mm256_max_epi32,
            _mm256_max_epu32,
            |$sums, $numbers, $weights| $add,
            |x| bytes8(x) => _mm_storel_epi64,
            |a, b| lane8(a, flipped(b))
        );
    };
}

quads8!(Quads8, [10, 5, 3, 2], |sums, numbers, weights| {
    // Exact, because numbers have seven bits: 2 · 127 · 127 fits 16.
    let pairs = _mm256_maddubs_epi16(numbers, weights);
    _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
});
quads8!(VnniQuads8, [12, 12, 8, 6], |sums, numbers, weights| {
    _mm256_dpbusd_epi32(sums, numbers, weights)
});
quads!(
    VnniQuads16,
    F32x16,
    VnniQuads8,
    [12, 8, 6, 4],
    __m512i,
    _mm512_setzero_si512,
    _mm512_set1_epi32,
    _mm512_loadu_si512,
    _mm512_cvtepi32_ps,
    _mm512_max_epi32,
    _mm512_max_epu32,
    |sums, numbers, weights| _mm512_dpbusd_epi32(sums, numbers, weights),
    |x| _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(x)) => _mm_storeu_si128,
    |a, b| {
        // Each half of the lanes becomes that of one of the two.
        let b = _mm512_xor_si512(b, _mm512_set1_epi32(i32::MIN));
        let low = _mm512_shuffle_i32x4::<0b01_00_01_00>(a, b);
        let high = _mm512_shuffle_i32x4::<0b11_10_11_10>(a, b);
        let both = _mm512_max_epi32(low, high);
        lane8(
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

/// Unsigned numbers in the order of signed ones.
///
/// # Safety
/// AVX2 is there.
#[inline(always)]
unsafe fn flipped(x: __m256i) -> __m256i {
    // SAFETY: as promised.
    unsafe { _mm256_xor_si256(x, _mm256_set1_epi32(i32::MIN)) }
}

/// The highest lane of each; the second is given flipped.
///
/// # Safety
/// AVX2 is there.
#[inline(always)]
unsafe fn lane8(a: __m256i, b: __m256i) -> [u32; 2] {
    // SAFETY: as promised.
    unsafe {
        let low = _mm256_permute2x128_si256::<0x20>(a, b);
        let high = _mm256_permute2x128_si256::<0x31>(a, b);
        // Four lanes of each; then two; then one.
        let both = _mm256_max_epi32(low, high);
        let both = _mm256_max_epi32(both, _mm256_shuffle_epi32::<0b01_00_11_10>(both));
        let both = _mm256_max_epi32(both, _mm256_shuffle_epi32::<0b10_11_00_01>(both));
        let a = _mm_cvtsi128_si32(_mm256_castsi256_si128(both));
        let b = _mm_cvtsi128_si32(_mm256_extracti128_si256::<1>(both));
        [a as u32, b as u32 ^ 1 << 31]
    }
}

eight_bits!(eight_avx2, Quads8, "avx2,fma");
eight_bits!(
    eight_vnni,
    VnniQuads16,
    "avx512f,avx512bw,avx512vl,avx512vnni,avx2,fma"
);

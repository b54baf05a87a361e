//! The routines compiled for WebAssembly with SIMD128, where the whole program is built with it.
//! In: slices whose lengths the safe entries checked. Out: the same.

use std::arch::wasm32::*;
use std::ops::Range;

use crate::compile::{compile_int8_conv, compile_rows};
use crate::dot::block::{NIBBLES, Products, nibbles, products};
use crate::int8_dot::Int8Dot;
use crate::vector::Vector;

/// Four floats. There is no fused multiply-add: a product is rounded, as in plain Rust.
#[derive(Clone, Copy)]
pub(crate) struct F32x4(v128);

// SAFETY: this module is built with SIMD128 alone, without which a program does not start.
unsafe impl Vector for F32x4 {
    type Tail = F32x4;
    const LANES: usize = 4;
    // Engines have the sixteen registers of x86-64 at least.
    const TILE_PIXELS: [usize; 4] = [8, 5, 3, 2];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        F32x4(f32x4_splat(value))
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller has four floats there.
        F32x4(unsafe { v128_load(from.cast()) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller has room for four floats there.
        unsafe { v128_store(to.cast(), self.0) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        F32x4(f32x4_add(f32x4_mul(self.0, factor.0), addend.0))
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        F32x4(f32x4_add(self.0, other.0))
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        F32x4(f32x4_mul(self.0, other.0))
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // `other < self ? self : other`, which is `other` for NaN.
        F32x4(f32x4_pmax(other.0, self.0))
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // `self < other ? self : other`.
        F32x4(f32x4_pmin(other.0, self.0))
    }
    #[inline(always)]
    unsafe fn if_positive(self, other: Self) -> Self {
        let is_positive = f32x4_gt(self.0, f32x4_splat(0.0));
        F32x4(v128_bitselect(self.0, other.0, is_positive))
    }
    #[inline(always)]
    unsafe fn store_interleaved(a: Self, b: Self, c: Self, to: *mut f32) {
        // Lanes 4 to 7 are the second operand's.
        let ab = i32x4_shuffle::<0, 4, 1, 5>(a.0, b.0);
        let bc = i32x4_shuffle::<1, 5, 2, 6>(b.0, c.0);
        let ca = i32x4_shuffle::<2, 7, 3, 3>(c.0, a.0);
        // SAFETY: the caller has room for twelve floats there.
        unsafe {
            // a0 b0 c0 a1, then b1 c1 a2 b2, then c2 a3 b3 c3.
            v128_store(to.cast(), i32x4_shuffle::<0, 1, 4, 2>(ab, c.0));
            v128_store(to.add(4).cast(), i32x4_shuffle::<0, 1, 6, 2>(bc, a.0));
            v128_store(to.add(8).cast(), i32x4_shuffle::<0, 1, 7, 2>(ca, b.0));
        }
    }
}

compile_rows!(simd128, crate::wasm32::F32x4);

/// Four sums of products of sixteen-bit and four-bit numbers.
#[derive(Clone, Copy)]
pub(crate) struct I32x4(v128);

// SAFETY: as above.
unsafe impl Products for I32x4 {
    type Query = i16;
    type Template = u8;
    type Sum = i32;
    type Numbers = [v128; 2];
    const IN_ONE: usize = 2;
    const BLOCK: usize = NIBBLES;
    const STEP: usize = 16;
    const TEMPLATES: usize = 2;

    #[inline(always)]
    unsafe fn zero() -> Self {
        I32x4(i32x4_splat(0))
    }
    #[inline(always)]
    unsafe fn query(row: *const i16, at: usize) -> [v128; 2] {
        // SAFETY: the caller has the whole block there.
        nibbles(at)
            .1
            .map(|from| unsafe { v128_load(row.add(from).cast()) })
    }
    #[inline(always)]
    unsafe fn template(row: *const u8, at: usize) -> [v128; 2] {
        // SAFETY: the caller has eight bytes there.
        let bytes = unsafe { v128_load64_zero(row.add(nibbles(at).0).cast()) };
        let (low, high) = (v128_and(bytes, u8x16_splat(15)), u8x16_shr(bytes, 4));
        [low, high].map(|half| u16x8_extend_low_u8x16(half))
    }
    #[inline(always)]
    unsafe fn add(self, query: [v128; 2], template: [v128; 2]) -> Self {
        let products = query
            .into_iter()
            .zip(template)
            .map(|(query, template)| i32x4_dot_i16x8(query, template));
        I32x4(products.fold(self.0, |sum, product| i32x4_add(sum, product)))
    }
    #[inline(always)]
    unsafe fn total(self) -> i32 {
        let halves = i32x4_add(self.0, i32x4_shuffle::<2, 3, 0, 1>(self.0, self.0));
        i32x4_extract_lane::<0>(halves).wrapping_add(i32x4_extract_lane::<1>(halves))
    }
    #[inline(always)]
    unsafe fn rest(sum: i32, _: *const i16, _: *const u8, _: Range<usize>) -> i32 {
        sum
    }
}

products!(dots_simd128, crate::wasm32::F32x4, crate::wasm32::I32x4);

/// Four sums of products of eight bits, each in two halves that are added at the end.
#[derive(Clone, Copy)]
struct Simd128Int8Dot([v128; 2]);

// SAFETY: as above.
unsafe impl Int8Dot for Simd128Int8Dot {
    type Floats = F32x4;
    type Tail = Simd128Int8Dot;
    type Bits = v128;
    /// Four inputs in sixteen bits, twice.
    type Activations = v128;
    /// Two lanes in sixteen bits, and the two after them.
    type Weights = [v128; 2];
    const TILE_PIXELS: [usize; 4] = [4, 2, 1, 1];

    #[inline(always)]
    unsafe fn zero() -> Self {
        Simd128Int8Dot([i32x4_splat(0); 2])
    }
    #[inline(always)]
    unsafe fn broadcast_u8(from: *const u8) -> v128 {
        // SAFETY: the caller has four activations there.
        u16x8_extend_low_u8x16(unsafe { v128_load32_splat(from.cast()) })
    }
    #[inline(always)]
    unsafe fn load_weights(from: *const i8) -> [v128; 2] {
        // SAFETY: the caller has four weights for each lane there.
        let weights = unsafe { v128_load(from.cast()) };
        [
            i16x8_extend_low_i8x16(weights),
            i16x8_extend_high_i8x16(weights),
        ]
    }
    #[inline(always)]
    unsafe fn add_products(self, activations: v128, [low, high]: [v128; 2]) -> Self {
        let [sums_low, sums_high] = self.0;
        Simd128Int8Dot([
            i32x4_add(sums_low, i32x4_dot_i16x8(activations, low)),
            i32x4_add(sums_high, i32x4_dot_i16x8(activations, high)),
        ])
    }
    #[inline(always)]
    unsafe fn to_floats(self) -> F32x4 {
        let [low, high] = self.0;
        let even = i32x4_shuffle::<0, 2, 4, 6>(low, high);
        let odd = i32x4_shuffle::<1, 3, 5, 7>(low, high);
        F32x4(f32x4_convert_i32x4(i32x4_add(even, odd)))
    }
    #[inline(always)]
    unsafe fn store_u8(floats: F32x4, to: *mut u8) {
        let words = i32x4_trunc_sat_f32x4(f32x4_nearest(floats.0));
        let halves = i16x8_narrow_i32x4(words, words);
        let bytes = u8x16_narrow_i16x8(halves, halves);
        // SAFETY: the caller has room for four activations.
        unsafe { v128_store32_lane::<0>(bytes, to.cast()) }
    }
    #[inline(always)]
    unsafe fn zero_bits() -> v128 {
        u32x4_splat(0)
    }
    #[inline(always)]
    unsafe fn fold_min_max([max_bits, min_bits]: [v128; 2], from: *const f32) -> [v128; 2] {
        // SAFETY: the caller has four floats there.
        let bits = unsafe { v128_load(from.cast()) };
        [i32x4_max(max_bits, bits), u32x4_max(min_bits, bits)]
    }
    #[inline(always)]
    unsafe fn reduce_min_max([max_bits, min_bits]: [v128; 2]) -> [u32; 2] {
        let lanes = |v: v128| {
            [
                u32x4_extract_lane::<0>(v),
                u32x4_extract_lane::<1>(v),
                u32x4_extract_lane::<2>(v),
                u32x4_extract_lane::<3>(v),
            ]
        };
        let max = lanes(max_bits).into_iter().map(|bits| bits as i32).max();
        let min = lanes(min_bits).into_iter().max();
        [max.unwrap_or(0) as u32, min.unwrap_or(0)]
    }
}

compile_int8_conv!(int8_conv_simd128, Simd128Int8Dot);

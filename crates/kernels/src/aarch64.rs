//! The routines compiled for aarch64, with NEON, which every such CPU has. In: slices whose lengths
//! the safe entries checked. Out: the same.

use std::arch::aarch64::*;
use std::ops::Range;

use crate::compile::{compile_int8_conv, compile_rows};
use crate::dot::block::{NIBBLES, Products, nibbles, products};
use crate::int8_dot::Int8Dot;
use crate::vector::Vector;

/// Four floats.
#[derive(Clone, Copy)]
pub(crate) struct F32x4(float32x4_t);

// SAFETY: NEON is part of every aarch64 CPU that Rust's targets name.
unsafe impl Vector for F32x4 {
    type Tail = F32x4;
    const LANES: usize = 4;
    const TILE_PIXELS: [usize; 4] = [12, 12, 8, 6];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: NEON is there.
        F32x4(unsafe { vdupq_n_f32(value) })
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller has four floats there.
        F32x4(unsafe { vld1q_f32(from) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller has room for four floats there.
        unsafe { vst1q_f32(to, self.0) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: NEON is there.
        F32x4(unsafe { vfmaq_f32(addend.0, self.0, factor.0) })
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: NEON is there.
        F32x4(unsafe { vaddq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: NEON is there.
        F32x4(unsafe { vmulq_f32(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        // SAFETY: NEON is there. A comparison, because `vmaxq_f32` would keep NaN.
        F32x4(unsafe { vbslq_f32(vcgtq_f32(self.0, other.0), self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        // SAFETY: NEON is there.
        F32x4(unsafe { vbslq_f32(vcltq_f32(self.0, other.0), self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn if_positive(self, other: Self) -> Self {
        // SAFETY: NEON is there.
        F32x4(unsafe { vbslq_f32(vcgtq_f32(self.0, vdupq_n_f32(0.0)), self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn store_interleaved(a: Self, b: Self, c: Self, to: *mut f32) {
        // SAFETY: the caller has room for twelve floats there.
        unsafe { vst3q_f32(to, float32x4x3_t(a.0, b.0, c.0)) }
    }
}

compile_rows!(neon, crate::aarch64::F32x4, "neon");

/// Four sums of products of sixteen-bit and four-bit numbers.
#[derive(Clone, Copy)]
pub(crate) struct I32x4(int32x4_t);

// SAFETY: NEON is part of every aarch64 CPU that Rust's targets name.
unsafe impl Products for I32x4 {
    type Query = i16;
    type Template = u8;
    type Sum = i32;
    type Numbers = [int16x8_t; 2];
    const IN_ONE: usize = 2;
    const BLOCK: usize = NIBBLES;
    const STEP: usize = 16;
    const TEMPLATES: usize = 3;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: NEON is there.
        I32x4(unsafe { vdupq_n_s32(0) })
    }
    #[inline(always)]
    unsafe fn query(row: *const i16, at: usize) -> [int16x8_t; 2] {
        let [low, high] = nibbles(at).1;
        // SAFETY: the caller has the whole block there.
        unsafe { [vld1q_s16(row.add(low)), vld1q_s16(row.add(high))] }
    }
    #[inline(always)]
    unsafe fn template(row: *const u8, at: usize) -> [int16x8_t; 2] {
        // SAFETY: the caller has eight bytes there.
        unsafe {
            let bytes = vld1_u8(row.add(nibbles(at).0));
            let (low, high) = (vand_u8(bytes, vdup_n_u8(15)), vshr_n_u8::<4>(bytes));
            [low, high].map(|half| vreinterpretq_s16_u16(vmovl_u8(half)))
        }
    }
    #[inline(always)]
    unsafe fn add(self, query: [int16x8_t; 2], template: [int16x8_t; 2]) -> Self {
        let mut sums = self.0;
        for (query, template) in query.into_iter().zip(template) {
            // SAFETY: NEON is there.
            unsafe {
                sums = vmlal_s16(sums, vget_low_s16(query), vget_low_s16(template));
                sums = vmlal_high_s16(sums, query, template);
            }
        }
        I32x4(sums)
    }
    #[inline(always)]
    unsafe fn total(self) -> i32 {
        // SAFETY: NEON is there.
        unsafe { vaddvq_s32(self.0) }
    }
    #[inline(always)]
    unsafe fn rest(sum: i32, _: *const i16, _: *const u8, _: Range<usize>) -> i32 {
        sum
    }
}

products!(
    dots_neon,
    crate::aarch64::F32x4,
    crate::aarch64::I32x4,
    "neon"
);

/// Four sums of products of eight bits, each in two halves that are added at the end.
#[derive(Clone, Copy)]
struct NeonInt8Dot([int32x4_t; 2]);

// SAFETY: NEON is part of every aarch64 CPU that Rust's targets name.
unsafe impl Int8Dot for NeonInt8Dot {
    type Floats = F32x4;
    type Tail = NeonInt8Dot;
    type Bits = uint32x4_t;
    type Activations = int8x16_t;
    type Weights = int8x16_t;
    const TILE_PIXELS: [usize; 4] = [10, 5, 3, 2];

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: NEON is there.
        NeonInt8Dot(unsafe { [vdupq_n_s32(0); 2] })
    }
    #[inline(always)]
    unsafe fn broadcast_u8(from: *const u8) -> int8x16_t {
        // SAFETY: the caller has four activations there.
        unsafe { vreinterpretq_s8_s32(vdupq_n_s32(from.cast::<i32>().read_unaligned())) }
    }
    #[inline(always)]
    unsafe fn load_weights(from: *const i8) -> int8x16_t {
        // SAFETY: the caller has four weights for each lane there.
        unsafe { vld1q_s8(from) }
    }
    #[inline(always)]
    unsafe fn add_products(self, activations: int8x16_t, weights: int8x16_t) -> Self {
        let [low, high] = self.0;
        // SAFETY: NEON is there. Numbers of seven bits are signed ones too, and a product fits 16
        // bits.
        NeonInt8Dot(unsafe {
            let products = vmull_s8(vget_low_s8(activations), vget_low_s8(weights));
            [
                vpadalq_s16(low, products),
                vpadalq_s16(high, vmull_high_s8(activations, weights)),
            ]
        })
    }
    #[inline(always)]
    unsafe fn to_floats(self) -> F32x4 {
        // SAFETY: NEON is there.
        F32x4(unsafe { vcvtq_f32_s32(vpaddq_s32(self.0[0], self.0[1])) })
    }
    #[inline(always)]
    unsafe fn store_u8(floats: F32x4, to: *mut u8) {
        // SAFETY: NEON is there, and the caller has room for four activations.
        unsafe {
            let words = vqmovn_s32(vcvtnq_s32_f32(floats.0));
            let bytes = vqmovn_s16(vcombine_s16(words, words));
            let four = vget_lane_s32::<0>(vreinterpret_s32_s8(bytes));
            to.cast::<i32>().write_unaligned(four);
        }
    }
    #[inline(always)]
    unsafe fn zero_bits() -> uint32x4_t {
        // SAFETY: NEON is there.
        unsafe { vdupq_n_u32(0) }
    }
    #[inline(always)]
    unsafe fn fold_min_max(
        [max_bits, min_bits]: [uint32x4_t; 2],
        from: *const f32,
    ) -> [uint32x4_t; 2] {
        // SAFETY: the caller has four floats there.
        unsafe {
            let bits = vreinterpretq_u32_f32(vld1q_f32(from));
            let signed = vmaxq_s32(vreinterpretq_s32_u32(max_bits), vreinterpretq_s32_u32(bits));
            [vreinterpretq_u32_s32(signed), vmaxq_u32(min_bits, bits)]
        }
    }
    #[inline(always)]
    unsafe fn reduce_min_max([max_bits, min_bits]: [uint32x4_t; 2]) -> [u32; 2] {
        // SAFETY: NEON is there.
        unsafe {
            let max = vmaxvq_s32(vreinterpretq_s32_u32(max_bits));
            [max as u32, vmaxvq_u32(min_bits)]
        }
    }
}

compile_int8_conv!(int8_conv_neon, NeonInt8Dot, "neon");

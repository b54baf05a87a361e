//! Dot products of four eight-bit numbers in every lane, as an instruction set has them. In:
//! pointers to inputs and weights. Out: exact integer sums. Knows nothing of convolutions:
//! `nhwc/int8_conv.rs` is generic over [`Int8Dot`].

use crate::vector::{Scalar8, Vector};

/// Products that are added up in one lane by one operation.
pub(crate) const GROUP: usize = 4;

/// One 32-bit sum in every lane, to which four products of eight bits are added at a time.
///
/// # Safety
/// Methods may be called only from functions compiled for the instruction set, on a CPU that has
/// it.
pub(crate) unsafe trait Int8Dot: Copy {
    /// A vector of floats with as many lanes.
    type Floats: Vector;
    /// The narrower vector for channels that do not fill all lanes; the same type where there is
    /// none.
    type Tail: Int8Dot;
    /// The bits of a vector of floats.
    type Bits: Copy;
    /// Four inputs of 0…127, repeated in every lane.
    type Activations: Copy;
    /// Four weights of -127…127 for each lane.
    type Weights: Copy;
    /// Pixels of a tile of one, two, three and four vectors of channels, whose sums stay in
    /// registers.
    const TILE_PIXELS: [usize; 4];

    /// Zero in every lane.
    unsafe fn zero() -> Self;
    /// Reads four inputs, aligned or not, and repeats them in every lane.
    unsafe fn broadcast_u8(from: *const u8) -> Self::Activations;
    /// Reads four weights for each lane, aligned or not.
    unsafe fn load_weights(from: *const i8) -> Self::Weights;
    /// Adds the four products of each lane.
    unsafe fn add_products(self, activations: Self::Activations, weights: Self::Weights) -> Self;
    /// The sums as floats.
    unsafe fn to_floats(self) -> Self::Floats;
    /// Writes floats of 0…127 as bytes, rounded half to even.
    unsafe fn store_u8(floats: Self::Floats, to: *mut u8);
    /// Zero bits in every lane.
    unsafe fn zero_bits() -> Self::Bits;
    /// Minimum and maximum by integer comparison of IEEE 754 bits: reads a vector of floats,
    /// aligned or not, and keeps in each lane the maximum of the bits as signed and as unsigned
    /// integers.
    ///
    /// Bits of positive floats are ordered as the floats are, and those of negative floats are
    /// negative as signed integers: so the signed maximum is the largest float, zero if none is
    /// positive. As unsigned integers, negative floats come after all positive ones, the most
    /// negative last: so the unsigned maximum is the smallest float, if any is negative. Infinities
    /// and NaN come after all finite floats of their sign.
    unsafe fn fold_min_max(bits: [Self::Bits; 2], from: *const f32) -> [Self::Bits; 2];
    /// The maximum over the lanes: of the first as signed, of the second as unsigned integers.
    unsafe fn reduce_min_max(bits: [Self::Bits; 2]) -> [u32; 2];
}

/// Eight sums in plain Rust: the definition.
#[derive(Clone, Copy)]
pub(crate) struct ScalarInt8Dot([i32; 8]);

// SAFETY: plain Rust runs everywhere.
unsafe impl Int8Dot for ScalarInt8Dot {
    type Floats = Scalar8;
    type Tail = ScalarInt8Dot;
    type Bits = [u32; 8];
    type Activations = [u8; GROUP];
    type Weights = [[i8; GROUP]; 8];
    const TILE_PIXELS: [usize; 4] = [4, 2, 2, 1];

    #[inline(always)]
    unsafe fn zero() -> Self {
        ScalarInt8Dot([0; 8])
    }
    #[inline(always)]
    unsafe fn broadcast_u8(from: *const u8) -> [u8; GROUP] {
        // SAFETY: the caller has four bytes there.
        unsafe { from.cast::<[u8; GROUP]>().read() }
    }
    #[inline(always)]
    unsafe fn load_weights(from: *const i8) -> [[i8; GROUP]; 8] {
        // SAFETY: the caller has four weights for each lane there.
        unsafe { from.cast::<[[i8; GROUP]; 8]>().read() }
    }
    #[inline(always)]
    unsafe fn add_products(self, activations: [u8; GROUP], weights: [[i8; GROUP]; 8]) -> Self {
        let product =
            |lane: usize, k: usize| i32::from(activations[k]) * i32::from(weights[lane][k]);
        ScalarInt8Dot(std::array::from_fn(|lane| {
            (0..GROUP).fold(self.0[lane], |sum, k| sum + product(lane, k))
        }))
    }
    #[inline(always)]
    unsafe fn to_floats(self) -> Scalar8 {
        Scalar8::from(self.0.map(|sum| sum as f32))
    }
    #[inline(always)]
    unsafe fn store_u8(floats: Scalar8, to: *mut u8) {
        let bytes = <[f32; 8]>::from(floats).map(|x| x.round_ties_even() as u8);
        // SAFETY: the caller has room for eight bytes there.
        unsafe { to.cast::<[u8; 8]>().write(bytes) }
    }
    #[inline(always)]
    unsafe fn zero_bits() -> [u32; 8] {
        [0; 8]
    }
    #[inline(always)]
    unsafe fn fold_min_max([max_bits, min_bits]: [[u32; 8]; 2], from: *const f32) -> [[u32; 8]; 2] {
        // SAFETY: the caller has eight floats there.
        let bits = unsafe { from.cast::<[u32; 8]>().read_unaligned() };
        let signed = |lane: usize| (max_bits[lane] as i32).max(bits[lane] as i32) as u32;
        let unsigned = |lane: usize| min_bits[lane].max(bits[lane]);
        [std::array::from_fn(signed), std::array::from_fn(unsigned)]
    }
    #[inline(always)]
    unsafe fn reduce_min_max([max_bits, min_bits]: [[u32; 8]; 2]) -> [u32; 2] {
        let max_bits = max_bits.into_iter().fold(0, |m, x| m.max(x as i32));
        [max_bits as u32, min_bits.into_iter().fold(0, u32::max)]
    }
}

//! Sums of four products of eight bits, as an instruction set has them. In: pointers to numbers and weights. Out: exact sums.
//! [`super::eight`] is written once over this and compiled for each instruction set.

use crate::vector::{Plain, Vector};

/// Numbers that are multiplied and added up at once.
pub(super) const FOUR: usize = 4;

/// What multiplies four numbers of eight bits with four weights in every lane, exactly.
///
/// # Safety
/// Who implements it may assume that the CPU has the instructions: only functions compiled for the instruction set
/// call it, and those are called only through [`super::Form::eight`].
pub(crate) unsafe trait Quads: Copy {
    /// As many floats as there are lanes.
    type Floats: Vector;
    /// What takes the channels that do not fill all lanes.
    type Rest: Quads;
    /// The bits of as many floats.
    type Bits: Copy;
    /// The same four numbers in every lane.
    type Numbers: Copy;
    /// Four weights in every lane.
    type Weights: Copy;
    /// Pixels of a tile of one, two, three and four vectors of channels, whose sums stay in registers.
    const HIGH: [usize; 4];

    /// Sums of nothing.
    unsafe fn zero() -> Self;
    /// Reads four numbers, aligned or not.
    unsafe fn numbers(from: *const u8) -> Self::Numbers;
    /// Reads four weights for each lane, aligned or not.
    unsafe fn weights(from: *const i8) -> Self::Weights;
    /// Adds the products.
    unsafe fn add(self, numbers: Self::Numbers, weights: Self::Weights) -> Self;
    /// The sums.
    unsafe fn floats(self) -> Self::Floats;
    /// Writes floats of 0…127, rounded half to even, as numbers.
    unsafe fn keep(floats: Self::Floats, to: *mut u8);
    /// Zeros.
    unsafe fn nothing() -> Self::Bits;
    /// Reads the bits of floats, aligned or not; widens the highest as signed and as unsigned numbers. So ordered, the highest
    /// float comes last, or the lowest if one is below zero; what is not finite comes after all that is.
    unsafe fn highest(of: [Self::Bits; 2], from: *const f32) -> [Self::Bits; 2];
    /// The highest lane of each.
    unsafe fn lane(of: [Self::Bits; 2]) -> [u32; 2];
}

/// Eight sums in plain Rust: the definition.
#[derive(Clone, Copy)]
pub(crate) struct PlainQuads([i32; 8]);

// SAFETY: plain Rust runs everywhere.
unsafe impl Quads for PlainQuads {
    type Floats = Plain;
    type Rest = PlainQuads;
    type Bits = [u32; 8];
    type Numbers = [u8; FOUR];
    type Weights = [[i8; FOUR]; 8];
    const HIGH: [usize; 4] = [4, 2, 2, 1];

    #[inline(always)]
    unsafe fn zero() -> Self {
        PlainQuads([0; 8])
    }
    #[inline(always)]
    unsafe fn numbers(from: *const u8) -> [u8; FOUR] {
        // SAFETY: the caller has four numbers there.
        unsafe { from.cast::<[u8; FOUR]>().read() }
    }
    #[inline(always)]
    unsafe fn weights(from: *const i8) -> [[i8; FOUR]; 8] {
        // SAFETY: the caller has four weights for each lane there.
        unsafe { from.cast::<[[i8; FOUR]; 8]>().read() }
    }
    #[inline(always)]
    unsafe fn add(self, numbers: [u8; FOUR], weights: [[i8; FOUR]; 8]) -> Self {
        let product = |lane: usize, k: usize| i32::from(numbers[k]) * i32::from(weights[lane][k]);
        PlainQuads(std::array::from_fn(|lane| {
            (0..FOUR).fold(self.0[lane], |sum, k| sum + product(lane, k))
        }))
    }
    #[inline(always)]
    unsafe fn floats(self) -> Plain {
        Plain::from(self.0.map(|sum| sum as f32))
    }
    #[inline(always)]
    unsafe fn keep(floats: Plain, to: *mut u8) {
        let numbers = <[f32; 8]>::from(floats).map(|x| x.round_ties_even() as u8);
        // SAFETY: the caller has room for eight numbers there.
        unsafe { to.cast::<[u8; 8]>().write(numbers) }
    }
    #[inline(always)]
    unsafe fn nothing() -> [u32; 8] {
        [0; 8]
    }
    #[inline(always)]
    unsafe fn highest([high, deep]: [[u32; 8]; 2], from: *const f32) -> [[u32; 8]; 2] {
        // SAFETY: the caller has eight floats there.
        let bits = unsafe { from.cast::<[u32; 8]>().read_unaligned() };
        let signed = |lane: usize| (high[lane] as i32).max(bits[lane] as i32) as u32;
        let unsigned = |lane: usize| deep[lane].max(bits[lane]);
        [std::array::from_fn(signed), std::array::from_fn(unsigned)]
    }
    #[inline(always)]
    unsafe fn lane([high, deep]: [[u32; 8]; 2]) -> [u32; 2] {
        let high = high.into_iter().fold(0, |m, x| m.max(x as i32));
        [high as u32, deep.into_iter().fold(0, u32::max)]
    }
}

//! One vector of floats, as an instruction set has it. In: pointers and vectors. Out: vectors.
//! Knows nothing of images: the NHWC kernels are generic over [`Vector`].

/// A vector of [`Vector::LANES`] floats.
///
/// # Safety
/// Methods may be called only from functions compiled for the instruction set, on a CPU that has
/// it.
pub(crate) unsafe trait Vector: Copy {
    /// The vector for channels that do not fill one of these: half as wide where pixels are padded
    /// to half vectors, otherwise the same type.
    type Tail: Vector;
    /// Floats in a vector.
    const LANES: usize;
    /// Pixels of a tile of one, two, three and four vectors of channels, whose sums stay in
    /// registers.
    const TILE_PIXELS: [usize; 4];

    /// The same number in every lane.
    unsafe fn splat(value: f32) -> Self;
    /// Reads `LANES` floats, aligned or not.
    unsafe fn load(from: *const f32) -> Self;
    /// Writes `LANES` floats, aligned or not.
    unsafe fn store(self, to: *mut f32);
    /// `self · factor + addend`.
    unsafe fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self · other`.
    unsafe fn mul(self, other: Self) -> Self;
    /// The larger of both; `other` where `self` is NaN, as `f32::max` of a value and a bound.
    unsafe fn max(self, other: Self) -> Self;
    /// The smaller of both; `other` where `self` is NaN.
    unsafe fn min(self, other: Self) -> Self;
    /// `self` where `self > 0`, `other` elsewhere.
    unsafe fn if_positive(self, other: Self) -> Self;
    /// Writes `3 · LANES` floats: the first of each, then the second of each, and so on.
    unsafe fn store_interleaved(a: Self, b: Self, c: Self, to: *mut f32);
}

/// Eight floats in plain Rust: the definition, and what runs where no instruction set is known.
#[derive(Clone, Copy)]
pub(crate) struct Scalar8([f32; 8]);

impl Scalar8 {
    #[inline(always)]
    fn zip(self, other: Scalar8, f: impl Fn(f32, f32) -> f32) -> Scalar8 {
        Scalar8(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

impl From<[f32; 8]> for Scalar8 {
    #[inline(always)]
    fn from(lanes: [f32; 8]) -> Scalar8 {
        Scalar8(lanes)
    }
}

impl From<Scalar8> for [f32; 8] {
    #[inline(always)]
    fn from(vector: Scalar8) -> [f32; 8] {
        vector.0
    }
}

// SAFETY: plain Rust runs everywhere.
unsafe impl Vector for Scalar8 {
    type Tail = Scalar8;
    const LANES: usize = 8;
    const TILE_PIXELS: [usize; 4] = [4, 2, 2, 1];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Scalar8 {
        Scalar8([value; 8])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Scalar8 {
        // SAFETY: the caller has eight floats there.
        Scalar8(unsafe { from.cast::<[f32; 8]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller has room for eight floats there.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Scalar8, addend: Scalar8) -> Scalar8 {
        Scalar8(std::array::from_fn(|i| {
            self.0[i] * factor.0[i] + addend.0[i]
        }))
    }
    #[inline(always)]
    unsafe fn add(self, other: Scalar8) -> Scalar8 {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn mul(self, other: Scalar8) -> Scalar8 {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn max(self, other: Scalar8) -> Scalar8 {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(self, other: Scalar8) -> Scalar8 {
        self.zip(other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn if_positive(self, other: Scalar8) -> Scalar8 {
        self.zip(other, |a, b| if a > 0.0 { a } else { b })
    }
    #[inline(always)]
    unsafe fn store_interleaved(a: Scalar8, b: Scalar8, c: Scalar8, to: *mut f32) {
        let woven: [[f32; 3]; 8] = std::array::from_fn(|i| [a.0[i], b.0[i], c.0[i]]);
        // SAFETY: the caller has room for 24 floats there.
        unsafe { to.cast::<[[f32; 3]; 8]>().write_unaligned(woven) }
    }
}

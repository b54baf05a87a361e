//! One vector of floats, as an instruction set has it. In: pointers and vectors. Out: vectors.
//! The routines for pixels of channels are written once over this and compiled for each instruction set.

/// A vector of [`Vector::LANES`] floats.
///
/// # Safety
/// Who implements it may assume that the CPU has the instructions: only functions compiled for the instruction set
/// call it, and those are called only through [`crate::cpu`].
pub(crate) unsafe trait Vector: Copy {
    /// What takes the channels that do not fill a vector: half as wide where pixels are padded to half vectors.
    type Rest: Vector;
    /// Floats in a vector.
    const LANES: usize;
    /// Pixels of a tile of one, two, three and four vectors of channels, whose sums stay in registers.
    const HIGH: [usize; 4];

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
    /// The larger of both; `other` where `self` is not a number, so that `x.max(bound)` is bounded as in Rust.
    unsafe fn max(self, other: Self) -> Self;
    /// The smaller of both; `other` where `self` is not a number.
    unsafe fn min(self, other: Self) -> Self;
    /// `self` where `self > 0`, `other` elsewhere.
    unsafe fn if_positive(self, other: Self) -> Self;
    /// Writes `3 · LANES` floats: the first of each, then the second of each, and so on.
    unsafe fn store_woven(a: Self, b: Self, c: Self, to: *mut f32);
}

/// Eight floats in plain Rust: the definition, and what runs where no instruction set is known.
#[derive(Clone, Copy)]
pub(crate) struct Plain([f32; 8]);

impl Plain {
    #[inline(always)]
    fn zip(self, other: Plain, f: impl Fn(f32, f32) -> f32) -> Plain {
        Plain(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

impl From<[f32; 8]> for Plain {
    #[inline(always)]
    fn from(lanes: [f32; 8]) -> Plain {
        Plain(lanes)
    }
}

impl From<Plain> for [f32; 8] {
    #[inline(always)]
    fn from(vector: Plain) -> [f32; 8] {
        vector.0
    }
}

// SAFETY: plain Rust runs everywhere.
unsafe impl Vector for Plain {
    type Rest = Plain;
    const LANES: usize = 8;
    const HIGH: [usize; 4] = [4, 2, 2, 1];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Plain {
        Plain([value; 8])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Plain {
        // SAFETY: the caller has eight floats there.
        Plain(unsafe { from.cast::<[f32; 8]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller has room for eight floats there.
        unsafe { to.cast::<[f32; 8]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn mul_add(self, factor: Plain, addend: Plain) -> Plain {
        Plain(std::array::from_fn(|i| {
            self.0[i] * factor.0[i] + addend.0[i]
        }))
    }
    #[inline(always)]
    unsafe fn add(self, other: Plain) -> Plain {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn mul(self, other: Plain) -> Plain {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn max(self, other: Plain) -> Plain {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(self, other: Plain) -> Plain {
        self.zip(other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn if_positive(self, other: Plain) -> Plain {
        self.zip(other, |a, b| if a > 0.0 { a } else { b })
    }
    #[inline(always)]
    unsafe fn store_woven(a: Plain, b: Plain, c: Plain, to: *mut f32) {
        let woven: [[f32; 3]; 8] = std::array::from_fn(|i| [a.0[i], b.0[i], c.0[i]]);
        // SAFETY: the caller has room for 24 floats there.
        unsafe { to.cast::<[[f32; 3]; 8]>().write_unaligned(woven) }
    }
}

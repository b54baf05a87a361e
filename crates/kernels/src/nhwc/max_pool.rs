//! Maximum pooling of one row. In: rows of pixels. Out: a row.
//! Knows nothing of padding or of where rows are kept.

use super::bounds::check_reads;
use crate::vector::Vector;

/// One output row of a maximum pooling.
///
/// `out[x][c] = max_t input[starts[t] + x · step + c]`; the caller
/// leaves out taps outside the image.
#[derive(Debug)]
pub struct MaxPoolRow<'a> {
    /// The memory that all input rows are in.
    pub input: &'a [f32],
    /// For the first output pixel, where each tap's input pixel begins; at least one.
    pub starts: &'a [usize],
    /// Floats between the inputs of neighbouring output pixels.
    pub step: usize,
    /// Floats in a pixel, a multiple of the grain.
    pub pixel: usize,
    /// The row.
    pub out: &'a mut [f32],
    /// Pixels in the row.
    pub n: usize,
}

impl MaxPoolRow<'_> {
    pub(crate) fn check(&self, grain: usize) {
        let pixel = self.pixel;
        assert!(
            pixel.is_multiple_of(grain) && !self.starts.is_empty(),
            "{pixel} channels"
        );
        check_reads(self.input, self.starts, self.n, self.step, pixel);
        let needed = self.n.checked_mul(pixel);
        assert!(
            needed.is_some_and(|n| n <= self.out.len()),
            "the row is too short"
        );
    }

    /// # Safety
    /// The CPU has the instructions of `V`; [`MaxPoolRow::check`] passed.
    #[inline(always)]
    pub(crate) unsafe fn run<V: Vector>(&mut self) {
        let whole = self.pixel - self.pixel % V::LANES;
        for x in 0..self.n {
            // SAFETY: as promised; the pixel and its channels exist.
            unsafe {
                for channel in (0..whole).step_by(V::LANES) {
                    self.vector::<V>(x, channel);
                }
                for channel in (whole..self.pixel).step_by(V::Tail::LANES) {
                    self.vector::<V::Tail>(x, channel);
                }
            }
        }
    }

    /// # Safety
    /// As [`MaxPoolRow::run`]; pixel `x` and a vector of channels from `channel` on exist.
    #[inline(always)]
    unsafe fn vector<V: Vector>(&mut self, x: usize, channel: usize) {
        // SAFETY: `check` covered every tap of every pixel and the row.
        unsafe {
            let first = self.input.as_ptr().add(x * self.step + channel);
            let mut max = V::load(first.add(self.starts[0]));
            for start in &self.starts[1..] {
                max = V::load(first.add(*start)).max(max);
            }
            max.store(self.out.as_mut_ptr().add(x * self.pixel + channel));
        }
    }
}

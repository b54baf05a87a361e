//! Dense convolution of one row: pointwise, k×k at any stride, and first layers with three
//! channels. In: rows of pixels and packed weights. Out: a finished row. Knows nothing of padding.
#![allow(
    clippy::needless_range_loop,
    reason = "indices of register tiles are clearer than iterators"
)]

use super::bounds::check_reads;
use super::register_tiles::{RegisterTiles, for_each_tile};
use crate::epilogue::Epilogue;
use crate::vector::Vector;

/// Bytes of input that a block of tiles reads for all channels before the next block begins: half
/// of a first-level cache of 32 KB.
const BLOCK_BYTES: usize = 16 << 10;

/// One output row of a dense convolution, or a part of its channels.
///
/// `out[x][c] = epilogue(Σ_s Σ_k weights[c][s][k] · input[starts[s] + x · step + k])`.
#[derive(Debug)]
pub struct ConvRow<'a> {
    /// The memory that all input rows are in.
    pub input: &'a [f32],
    /// For the first output pixel, where each run of input begins: for a k×k kernel one run per
    /// kernel row.
    pub starts: &'a [usize],
    /// Floats in a run: kernel columns times floats in an input pixel.
    pub run: usize,
    /// Floats between the inputs of neighbouring output pixels.
    pub step: usize,
    /// As [`crate::nhwc::KernelSet::pack_dense`] gives them, from the first channel wanted on.
    pub weights: &'a [f32],
    /// Channels wanted, a multiple of the grain.
    pub channels: usize,
    /// Bias, activation and slopes from the first channel wanted on.
    pub epilogue: Epilogue<'a>,
    /// Added before the activation: from the first channel wanted of the first pixel on.
    pub residual: Option<&'a [f32]>,
    /// The row, from the first channel wanted of the first pixel on.
    pub out: &'a mut [f32],
    /// Pixels in the row.
    pub n: usize,
    /// Floats in a pixel of `out` and `residual`.
    pub pixel: usize,
}

impl ConvRow<'_> {
    pub(crate) fn check(&self, grain: usize) {
        let (n, channels) = (self.n, self.channels);
        assert!(
            channels.is_multiple_of(grain) && channels <= self.pixel,
            "{channels} channels"
        );
        check_reads(self.input, self.starts, n, self.step, self.run);
        let depth = self.starts.len().checked_mul(self.run);
        let weights = depth.and_then(|d| d.checked_mul(channels));
        assert!(
            weights.is_some_and(|w| w <= self.weights.len()),
            "too few weights"
        );
        self.epilogue.check(channels);
        let needed = (n.max(1) - 1)
            .checked_mul(self.pixel)
            .and_then(|r| r.checked_add(channels));
        let fits = |len: usize| n == 0 || needed.is_some_and(|needed| needed <= len);
        assert!(fits(self.out.len()), "the row is too short");
        assert!(
            self.residual.is_none_or(|r| fits(r.len())),
            "the residual is too short"
        );
    }

    /// # Safety
    /// The CPU has the instructions of `V`; [`ConvRow::check`] passed.
    #[inline(always)]
    pub(crate) unsafe fn run<V: Vector>(&mut self) {
        if self.n == 0 {
            return;
        }
        let block = BLOCK_BYTES / 4 / (self.step * self.starts.len()).max(1);
        let rest = self.channels % V::LANES;
        let whole = self.channels - rest;
        let n = self.n;
        // SAFETY: as promised; both parts are whole vectors of their kind.
        unsafe {
            for_each_tile::<V, _>(self, n, block, 0, whole / V::LANES);
            for_each_tile::<V::Tail, _>(self, n, block, whole, rest / V::Tail::LANES);
        }
    }
}

// SAFETY: a vector of sums takes one register.
unsafe impl<V: Vector> RegisterTiles<V> for ConvRow<'_> {
    const LANES: usize = V::LANES;
    const TILE_PIXELS: [usize; 4] = V::TILE_PIXELS;

    #[inline(always)]
    unsafe fn tile<const M: usize, const N: usize>(&mut self, x: usize, channel: usize) {
        // SAFETY: `check` covered every read: runs of `run` floats from each start for each of the
        // pixels, weights of `starts · run` vectors for each vector of channels, and the row
        // itself.
        unsafe {
            let bias = self.epilogue.bias.as_ptr().add(channel);
            let bias: [V; N] = std::array::from_fn(|v| V::load(bias.add(v * V::LANES)));
            let mut sums = [bias; M];
            let depth = self.starts.len() * self.run;
            let mut weights: [*const f32; N] = std::array::from_fn(|v| {
                self.weights.as_ptr().add((channel + v * V::LANES) * depth)
            });
            for start in self.starts {
                let first = self.input.as_ptr().add(start + x * self.step);
                let pixels: [*const f32; M] = std::array::from_fn(|m| first.add(m * self.step));
                for k in 0..self.run {
                    let b: [V; N] = std::array::from_fn(|v| V::load(weights[v].add(k * V::LANES)));
                    for m in 0..M {
                        let a = V::splat(*pixels[m].add(k));
                        for v in 0..N {
                            sums[m][v] = a.mul_add(b[v], sums[m][v]);
                        }
                    }
                }
                for w in &mut weights {
                    *w = w.add(self.run * V::LANES);
                }
            }
            self.epilogue
                .store(sums, self.residual, self.out, x, channel, self.pixel);
        }
    }
}

//! Kernels for images whose channels lie side by side (NHWC), one output row at a time. In: rows of
//! floats. Out: a finished row.
//! Knows nothing of padding or of where rows are kept: the caller states where each one begins.
//!
//! A pixel has [`KernelSet::padded`] channels; those past the end are zero. The innermost loop
//! keeps a tile of pixels and channels in registers (Goto and van de Geijn, 2008). Input is read in
//! place, without an im2col copy (Dukhan, "The Indirect Convolution Algorithm", 2019, with offsets
//! instead of pointers).

use crate::buffer::Buffer;
use crate::cpu::{self, Isa};
use crate::multiply_adds::MultiplyAdds;

pub(crate) mod bounds;
pub(crate) mod conv;
pub(crate) mod depthwise;
pub(crate) mod elementwise;
pub(crate) mod int8_conv;
pub(crate) mod max_pool;
pub(crate) mod register_tiles;
#[cfg(test)]
mod tests;

pub use crate::epilogue::Epilogue;
pub use conv::ConvRow;
pub use depthwise::DepthwiseRow;
pub use elementwise::{AddRow, AffineRow, InterleaveRow, NormalizeRow};
pub use int8_conv::{Int8ConvRow, Int8Scratch, Int8Weights};
pub use max_pool::MaxPoolRow;

use int8_conv::Int8Isa;

/// The kernels of one instruction set, and the layout of pixels and weights that they read.
///
/// # Example
/// A 1×1 convolution of one pixel, from two channels to one:
/// ```
/// use fusiform_kernels::epilogue::Activation;
/// use fusiform_kernels::nhwc::{ConvRow, Epilogue, KernelSet};
///
/// let kernels = KernelSet::chosen();
/// let (pixel, channels) = (kernels.padded(2), kernels.padded(1));
/// let weights = kernels.pack_dense(&[3.0, 4.0], [1, 2, 1, 1], pixel);
/// let mut out = vec![0.0; channels];
/// kernels.conv(&mut ConvRow {
///     input: &kernels.pad(&[10.0, 1.0]),
///     starts: &[0],
///     run: pixel,
///     step: pixel,
///     weights: &weights,
///     channels,
///     epilogue: Epilogue {
///         bias: &kernels.pad(&[0.5]),
///         activation: Activation::Relu,
///         slopes: None,
///     },
///     residual: None,
///     out: &mut out,
///     n: 1,
///     pixel: channels,
/// });
/// assert_eq!(out[0], 34.5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KernelSet {
    isa: Isa,
    lanes: usize,
    grain: usize,
}

macro_rules! dispatch {
    ($kernels:expr, $routine:ident, $row:expr) => {
        // SAFETY: `cpu` names an instruction set only if this CPU has it, and the row was checked
        // against its slices.
        unsafe {
            match $kernels.isa {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => crate::x86_64::avx512::$routine($row),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => crate::x86_64::avx2::$routine($row),
                #[cfg(target_arch = "aarch64")]
                Isa::Neon => crate::aarch64::neon::$routine($row),
                #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
                Isa::Simd128 => crate::wasm32::simd128::$routine($row),
                _ => crate::scalar::rows::$routine($row),
            }
        }
    };
}

impl KernelSet {
    /// The kernels of the instruction set that [`cpu::chosen`] gives.
    pub fn chosen() -> KernelSet {
        KernelSet::of(cpu::chosen())
    }

    /// The kernels of an instruction set of [`cpu::available`]; scalar if this CPU lacks it.
    pub fn of(isa: Isa) -> KernelSet {
        let isa = cpu::available().find(|i| *i == isa).unwrap_or(Isa::Scalar);
        // With AVX-512 a half vector takes what does not fill a whole one: 24 and 40 channels are
        // common.
        let (lanes, grain) = match isa {
            Isa::Simd128 | Isa::Neon => (4, 4),
            Isa::Scalar | Isa::Avx2 => (8, 8),
            Isa::Avx512 => (16, 8),
        };
        KernelSet { isa, lanes, grain }
    }

    /// The instruction set.
    pub fn isa(self) -> Isa {
        self.isa
    }

    /// Floats in a vector.
    pub fn lanes(self) -> usize {
        self.lanes
    }

    /// What the channels of a pixel are padded to a multiple of: the floats of the narrowest vector
    /// in use.
    pub fn grain(self) -> usize {
        self.grain
    }

    /// Floats that a pixel of so many channels takes in memory.
    pub fn padded(self, channels: usize) -> usize {
        channels.next_multiple_of(self.grain)
    }

    /// One number per channel, zero past the end.
    pub fn pad(self, values: &[f32]) -> Vec<f32> {
        let mut padded = values.to_vec();
        padded.resize(self.padded(values.len()), 0.0);
        padded
    }

    /// Packs dense weights for [`KernelSet::conv`].
    ///
    /// # Shapes
    /// `[out][in][kh][kw]` becomes `[out / lanes][kh][kw][pixel][lanes]`, zero past the ends; the
    /// last panel is `grain` wide if what is left fits. `pixel` is the number of floats in an input
    /// pixel, at least `n_in`.
    ///
    /// # Panics
    /// If the weights are not `out · in · kh · kw` long, or `pixel < n_in`.
    pub fn pack_dense(self, weights: &[f32], sizes: [usize; 4], pixel: usize) -> Buffer {
        let mut packed = Buffer::zeroed(self.dense_len(sizes, pixel));
        assert_eq!(weights.len(), sizes.iter().product::<usize>());
        self.each_dense(sizes, pixel, |plain, at| packed[at] = weights[plain]);
        packed
    }

    /// The weights that [`KernelSet::pack_dense`] was given.
    ///
    /// # Panics
    /// If `packed` is shorter than `pack_dense` makes it for these sizes.
    pub fn unpack_dense(self, packed: &[f32], sizes: [usize; 4], pixel: usize) -> Vec<f32> {
        let mut weights = vec![0.0; sizes.iter().product()];
        self.each_dense(sizes, pixel, |plain, at| weights[plain] = packed[at]);
        weights
    }

    fn dense_len(self, [n_out, _, kh, kw]: [usize; 4], pixel: usize) -> usize {
        self.padded(n_out) * kh * kw * pixel
    }

    /// Calls `copy` with the index of each weight before and after packing.
    #[inline(always)]
    fn each_dense(
        self,
        [n_out, n_in, kh, kw]: [usize; 4],
        pixel: usize,
        mut copy: impl FnMut(usize, usize),
    ) {
        assert!(
            pixel >= n_in,
            "pixels of {pixel} floats for {n_in} channels"
        );
        let (taps, padded) = (kh * kw, self.padded(n_out));
        for o in 0..n_out {
            let first = o / self.lanes * self.lanes;
            let wide = (padded - first).min(self.lanes);
            let panel = first * taps * pixel;
            for i in 0..n_in {
                for tap in 0..taps {
                    let at = panel + (tap * pixel + i) * wide + o - first;
                    copy((o * n_in + i) * taps + tap, at);
                }
            }
        }
    }

    /// Packs depthwise weights for [`KernelSet::depthwise`].
    ///
    /// # Shapes
    /// `[channel][taps]` becomes `[taps][padded channel]`.
    ///
    /// # Panics
    /// If the weights are not `channels · taps` long.
    pub fn pack_depthwise(self, weights: &[f32], channels: usize, taps: usize) -> Buffer {
        assert_eq!(weights.len(), channels * taps);
        let padded = self.padded(channels);
        let mut packed = Buffer::zeroed(taps * padded);
        for channel in 0..channels {
            for tap in 0..taps {
                packed[tap * padded + channel] = weights[channel * taps + tap];
            }
        }
        packed
    }

    /// The weights that [`KernelSet::pack_depthwise`] was given.
    ///
    /// # Panics
    /// If `packed` is shorter than `pack_depthwise` makes it for these sizes.
    pub fn unpack_depthwise(self, packed: &[f32], channels: usize, taps: usize) -> Vec<f32> {
        let padded = self.padded(channels);
        (0..channels * taps)
            .map(|i| packed[i % taps * padded + i / taps])
            .collect()
    }

    /// Rounds dense weights to eight bits and packs them for [`KernelSet::int8_conv`].
    ///
    /// # Shapes
    /// As [`KernelSet::pack_dense`]; `pixel` is [`KernelSet::padded`] of the input channels.
    ///
    /// # Panics
    /// If the weights are not `out · in · kh · kw` long, `pixel` is another number, or a sum has
    /// more than [`Int8Weights::MAX_PRODUCTS`] products.
    pub fn pack_int8(self, weights: &[f32], sizes: [usize; 4], pixel: usize) -> Int8Weights {
        assert!(pixel == self.padded(sizes[1]), "pixels of {pixel} floats");
        Int8Weights::pack(
            Int8Isa::of(self.isa),
            self.padded(sizes[0]),
            weights,
            sizes,
            pixel,
        )
    }

    /// One row of a dense convolution; see [`ConvRow`].
    ///
    /// # Panics
    /// If a slice is shorter than the row needs.
    pub fn conv(self, row: &mut ConvRow) {
        row.check(self.grain);
        dispatch!(self, conv, row);
    }

    /// One row of a depthwise convolution; see [`DepthwiseRow`].
    ///
    /// # Panics
    /// If a slice is shorter than the row needs.
    pub fn depthwise(self, row: &mut DepthwiseRow) {
        row.check(self.grain);
        dispatch!(self, depthwise, row);
    }

    /// One row of a dense convolution in eight bits; see [`Int8ConvRow`].
    ///
    /// # Panics
    /// If a slice is shorter than the row needs.
    pub fn int8_conv(self, row: &mut Int8ConvRow) {
        row.check(self.grain);
        // SAFETY: `Int8Isa::of` names an instruction set only if this CPU has it, the weights were
        // packed for it, and the row was checked against its slices.
        unsafe {
            match row.weights.isa() {
                Int8Isa::Scalar => crate::scalar::int8_conv(row),
                #[cfg(target_arch = "aarch64")]
                Int8Isa::Neon => crate::aarch64::int8_conv_neon(row),
                #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
                Int8Isa::Simd128 => crate::wasm32::int8_conv_simd128(row),
                #[cfg(target_arch = "x86_64")]
                Int8Isa::Avx2 => crate::x86_64::int8_conv_avx2(row),
                #[cfg(target_arch = "x86_64")]
                Int8Isa::Vnni => crate::x86_64::int8_conv_vnni(row),
            }
        }
    }

    /// One row of maximum pooling; see [`MaxPoolRow`].
    ///
    /// # Panics
    /// If a slice is shorter than the row needs.
    pub fn max_pool(self, row: &mut MaxPoolRow) {
        row.check(self.grain);
        dispatch!(self, max_pool, row);
    }

    /// Three planes as pixels of three channels; see [`InterleaveRow`].
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn interleave(self, row: &mut InterleaveRow) {
        row.check();
        dispatch!(self, interleave, row);
    }

    /// Bytes of RGB as normalised floats; see [`NormalizeRow`].
    ///
    /// # Panics
    /// If the lengths differ or are not whole pixels.
    pub fn normalize(self, row: &mut NormalizeRow) {
        row.check();
        dispatch!(self, normalize, row);
    }

    /// The sum of two rows; see [`AddRow`].
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn add(self, row: &mut AddRow) {
        row.check();
        dispatch!(self, add, row);
    }

    /// A row times a factor plus an addend; see [`AffineRow`].
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn affine(self, row: &mut AffineRow) {
        row.check();
        dispatch!(self, affine, row);
    }

    pub(crate) fn multiply_adds(self, job: &mut MultiplyAdds) {
        dispatch!(self, multiply_adds, job);
    }
}

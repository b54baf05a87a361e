//! Images whose pixels hold their channels side by side, one output row at a time. In: rows. Out: a finished row.
//! Knows nothing of padding or of where rows lie: who calls says where each begins.
//!
//! A pixel has [`Form::padded`] channels: those past the end are zero. The innermost routine keeps a tile of pixels
//! and channels in registers (Goto and van de Geijn, 2008); rows are read where they lie, without an im2col copy
//! (as in Dukhan, "The Indirect Convolution Algorithm", 2019, with offsets for pointers).

use crate::cpu::{self, Isa};
use crate::finish::Activation;

mod conv;
mod each;
pub(crate) mod eight;
pub(crate) mod quads;
#[cfg(test)]
mod tests;
mod tiles;
mod whole;

pub use conv::Conv;
pub use each::{Depthwise, Max};
pub use eight::{EightBits, EightConv, Scratch};
pub use whole::{Bytes, Photo, Scale, Sum};

/// The width of one instruction set's vectors, and its routines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    isa: Isa,
    lanes: usize,
    grain: usize,
}

/// What is done to sums before they are stored: bias, then residual, then activation.
#[derive(Debug, Clone, Copy)]
pub struct Finish<'a> {
    /// One number for each padded channel.
    pub bias: &'a [f32],
    /// The activation of all channels, unless there are slopes.
    pub activation: Activation,
    /// For each padded channel the factor of negative numbers (PReLU).
    pub slopes: Option<&'a [f32]>,
}

macro_rules! dispatch {
    ($form:expr, $routine:ident, $job:expr) => {
        // SAFETY: `cpu` names an instruction set only if this CPU has it, and the job was checked against its slices.
        unsafe {
            match $form.isa() {
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => crate::x86_64::avx512::$routine($job),
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => crate::x86_64::avx2::$routine($job),
                #[cfg(target_arch = "aarch64")]
                Isa::Neon => crate::aarch64::neon::$routine($job),
                _ => crate::pixels::plain::$routine($job),
            }
        }
    };
}
pub(crate) use dispatch;

/// Compiles one kind of row for one instruction set.
macro_rules! routine {
    ($routine:ident, $job:ident, $vector:ty $(, $features:literal)?) => {
        /// # Safety
        /// The CPU has the instruction set, and the job was checked.
        $(#[target_feature(enable = $features)])?
        pub(crate) unsafe fn $routine(job: &mut $crate::pixels::$job) {
            // SAFETY: as promised.
            unsafe { job.run::<$vector>() }
        }
    };
}
pub(crate) use routine;

/// Compiles the routines for one instruction set.
macro_rules! routines {
    ($name:ident, $vector:ty $(, $features:literal)?) => {
        pub(crate) mod $name {
            $crate::pixels::routine!(conv, Conv, $vector $(, $features)?);
            $crate::pixels::routine!(depthwise, Depthwise, $vector $(, $features)?);
            $crate::pixels::routine!(max, Max, $vector $(, $features)?);
            $crate::pixels::routine!(photo, Photo, $vector $(, $features)?);
            $crate::pixels::routine!(bytes, Bytes, $vector $(, $features)?);
            $crate::pixels::routine!(sum, Sum, $vector $(, $features)?);
            $crate::pixels::routine!(scale, Scale, $vector $(, $features)?);

            /// # Safety
            /// The CPU has the instruction set.
            $(#[target_feature(enable = $features)])?
            pub(crate) unsafe fn busy(rounds: &mut usize) -> f32 {
                // SAFETY: as promised.
                unsafe { crate::peak::run::<$vector>(*rounds) }
            }
        }
    };
}
pub(crate) use routines;

routines!(plain, crate::vector::Plain);

impl Form {
    /// The form for the instruction set in force.
    pub fn chosen() -> Form {
        Form::of(cpu::chosen())
    }

    /// The form for an instruction set of [`cpu::available`]; one that this CPU lacks becomes scalar.
    pub fn of(isa: Isa) -> Form {
        let isa = cpu::available().find(|i| *i == isa).unwrap_or(Isa::Scalar);
        // With AVX-512 a half vector takes what does not fill a whole one: 24 and 40 channels are common.
        let (lanes, grain) = match isa {
            Isa::Neon => (4, 4),
            Isa::Scalar | Isa::Avx2 => (8, 8),
            Isa::Avx512 => (16, 8),
        };
        Form { isa, lanes, grain }
    }

    /// The instruction set.
    pub fn isa(self) -> Isa {
        self.isa
    }

    /// Floats in a vector.
    pub fn lanes(self) -> usize {
        self.lanes
    }

    /// A pixel's channels in memory are a multiple of this: the floats of the narrowest vector in use.
    pub fn grain(self) -> usize {
        self.grain
    }

    /// Channels a pixel has in memory.
    pub fn padded(self, channels: usize) -> usize {
        channels.next_multiple_of(self.grain)
    }

    /// One number per channel, zero past the end.
    pub fn pad(self, values: &[f32]) -> Vec<f32> {
        let mut padded = values.to_vec();
        padded.resize(self.padded(values.len()), 0.0);
        padded
    }

    /// Packs dense weights `[out][in][kh][kw]` to `[out / lanes][kh][kw][padded in][lanes]`, zero past the ends. The last
    /// panel is a grain wide if what is left fits one.
    ///
    /// `pixel` is the number of floats in an input pixel, at least `n_in`.
    ///
    /// # Panics
    /// If the weights are not `out · in · kh · kw` long.
    pub fn pack_dense(
        self,
        weights: &[f32],
        [n_out, n_in, kh, kw]: [usize; 4],
        pixel: usize,
    ) -> Vec<f32> {
        assert!(weights.len() == n_out * n_in * kh * kw && pixel >= n_in);
        let depth = kh * kw * pixel;
        let padded = self.padded(n_out);
        let mut packed = vec![0.0; padded * depth];
        for (o, weights) in weights.chunks_exact(n_in * kh * kw).enumerate() {
            let first = o / self.lanes * self.lanes;
            let wide = (padded - first).min(self.lanes);
            let panel = &mut packed[first * depth..];
            for (i, weights) in weights.chunks_exact(kh * kw).enumerate() {
                for (tap, weight) in weights.iter().enumerate() {
                    panel[(tap * pixel + i) * wide + o - first] = *weight;
                }
            }
        }
        packed
    }

    /// Packs depthwise weights `[channel][taps]` to `[taps][padded channel]`.
    ///
    /// # Panics
    /// If the weights are not `channels · taps` long.
    pub fn pack_depthwise(self, weights: &[f32], channels: usize, taps: usize) -> Vec<f32> {
        assert_eq!(weights.len(), channels * taps);
        let mut packed = vec![0.0; taps * self.padded(channels)];
        for (channel, weights) in weights.chunks_exact(taps.max(1)).enumerate() {
            for (tap, weight) in weights.iter().enumerate() {
                packed[tap * self.padded(channels) + channel] = *weight;
            }
        }
        packed
    }

    /// One row of a dense convolution; see [`Conv`].
    ///
    /// # Panics
    /// If a slice is shorter than the row needs.
    pub fn conv(self, job: &mut Conv) {
        job.check(self.grain);
        dispatch!(self, conv, job);
    }

    /// One row of a depthwise convolution; see [`Depthwise`].
    ///
    /// # Panics
    /// If a slice is shorter than the row needs.
    pub fn depthwise(self, job: &mut Depthwise) {
        job.check(self.grain);
        dispatch!(self, depthwise, job);
    }

    /// One row of a maximum pool; see [`Max`].
    ///
    /// # Panics
    /// If a slice is shorter than the row needs.
    pub fn max(self, job: &mut Max) {
        job.check(self.grain);
        dispatch!(self, max, job);
    }

    /// One row of a photo from its planes; see [`Photo`].
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn photo(self, job: &mut Photo) {
        job.check();
        dispatch!(self, photo, job);
    }

    /// One row of a photo from its bytes; see [`Bytes`].
    ///
    /// # Panics
    /// If the lengths differ or are not whole pixels.
    pub fn bytes(self, job: &mut Bytes) {
        job.check();
        dispatch!(self, bytes, job);
    }

    /// The sum of two rows; see [`Sum`].
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn sum(self, job: &mut Sum) {
        job.check();
        dispatch!(self, sum, job);
    }

    /// A row times a factor plus an addend; see [`Scale`].
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn scale(self, job: &mut Scale) {
        job.check();
        dispatch!(self, scale, job);
    }
}

impl Finish<'_> {
    pub(crate) fn check(&self, channels: usize) {
        assert!(self.bias.len() >= channels, "too few biases");
        assert!(
            self.slopes.is_none_or(|s| s.len() >= channels),
            "too few slopes"
        );
    }
}

/// The last float a row reads: it must lie in the input.
pub(crate) fn check_reads(input: &[f32], starts: &[usize], n: usize, step: usize, run: usize) {
    let last = starts.iter().max().copied().unwrap_or(0);
    let reach = (n.max(1) - 1)
        .checked_mul(step)
        .and_then(|r| r.checked_add(last)?.checked_add(run));
    assert!(
        starts.is_empty() || reach.is_some_and(|r| r <= input.len()),
        "the row reads past its input"
    );
}

//! Dense convolution of one row with products of eight-bit numbers. In: rows of floats and rounded
//! weights. Out: a row of floats, so that layers of either precision can follow each other.
//! Knows nothing of calibration: there is none.
//!
//! Weights are rounded when they are packed, with one scale for each output channel: `w ≈ factor ·
//! p`, `p` in -127…127. Inputs are rounded while the row is computed, with one scale and one offset
//! for the row, from the minimum and maximum of what it reads: `x ≈ low + scale · q`, `q` in 0…127.
//! Then `Σ w · x = factor · (scale · Σ p · q + low · Σ p)`, and the integer sum is exact. (A scale
//! for each pixel is no more accurate and costs a shallow layer all that eight bits gain.)
//!
//! Inputs have seven bits, because AVX2 adds two products in 16 bits and 2 · 127 · 127 fits: so all
//! instruction sets give the same sums. (Seven-bit weights instead cost a detector more accuracy.)
#![allow(
    clippy::needless_range_loop,
    reason = "indices of register tiles are clearer than iterators"
)]

use super::bounds::check_reads;
use super::register_tiles::{RegisterTiles, for_each_tile};
use crate::buffer::Buffer;
use crate::cpu::Isa;
use crate::epilogue::Epilogue;
use crate::int8_dot::{GROUP, Int8Dot};
use crate::vector::Vector;

/// Largest absolute value of a rounded weight.
const MAX_WEIGHT: f32 = 127.0;

/// Largest rounded input; the smallest is 0.
const MAX_INPUT: f32 = 127.0;

/// Bytes of input that a block of tiles reads for all channels before the next block begins.
const BLOCK_BYTES: usize = 16 << 10;

/// An instruction set with an eight-bit dot product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Int8Isa {
    Scalar,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 with VNNI and VL.
    #[cfg(target_arch = "x86_64")]
    Vnni,
}

impl Int8Isa {
    /// What this CPU has for the kernels of `isa`; AVX-512 without VNNI takes AVX2.
    pub(crate) fn of(isa: Isa) -> Int8Isa {
        match isa {
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => Int8Isa::Neon,
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Isa::Simd128 => Int8Isa::Simd128,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Int8Isa::Avx2,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                let vnni = is_x86_feature_detected!("avx512vnni");
                match vnni && is_x86_feature_detected!("avx512vl") {
                    true => Int8Isa::Vnni,
                    false => Int8Isa::Avx2,
                }
            }
            _ => Int8Isa::Scalar,
        }
    }

    fn lanes(self) -> usize {
        match self {
            Int8Isa::Scalar => 8,
            #[cfg(target_arch = "aarch64")]
            Int8Isa::Neon => 4,
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Int8Isa::Simd128 => 4,
            #[cfg(target_arch = "x86_64")]
            Int8Isa::Avx2 => 8,
            #[cfg(target_arch = "x86_64")]
            Int8Isa::Vnni => 16,
        }
    }
}

/// Weights of a dense convolution in eight bits, packed for one instruction set.
#[derive(Debug)]
pub struct Int8Weights {
    isa: Int8Isa,
    /// `[out / lanes][kh][kw][pixel / 4][lanes][4]`.
    packed: Buffer<i8>,
    /// For each padded output channel the factor of its rounded weights.
    factors: Buffer,
    /// For each padded output channel the sum of its rounded weights times the factor.
    sums: Buffer,
    runs: usize,
    run: usize,
}

impl Int8Weights {
    /// The most products of a sum that is exact in 32 bits.
    pub const MAX_PRODUCTS: usize = i32::MAX as usize / (127 * 127);

    pub(crate) fn pack(
        isa: Int8Isa,
        padded: usize,
        weights: &[f32],
        sizes: [usize; 4],
        pixel: usize,
    ) -> Int8Weights {
        let [n_out, n_in, kh, kw] = sizes;
        assert_eq!(weights.len(), n_out * n_in * kh * kw);
        let depth = kh * kw * pixel;
        let max = Int8Weights::MAX_PRODUCTS;
        assert!(depth <= max, "{depth} products in a sum");
        let mut packed = Buffer::zeroed(padded * depth);
        let (mut factors, mut sums) = (Buffer::zeroed(padded), Buffer::zeroed(padded));
        let layout = Layout::new(isa, padded, sizes, pixel);
        for (o, weights) in weights.chunks_exact((n_in * kh * kw).max(1)).enumerate() {
            let factor = weights.iter().fold(0.0f32, |m, w| m.max(w.abs())) / MAX_WEIGHT;
            let mut sum = 0i32;
            for (i, weight) in weights.iter().enumerate() {
                // NaN, from a NaN weight or a factor of zero, becomes zero.
                let rounded = (weight / factor).round().clamp(-MAX_WEIGHT, MAX_WEIGHT) as i8;
                packed[layout.index(o, i)] = rounded;
                sum += i32::from(rounded);
            }
            factors[o] = factor;
            sums[o] = factor * sum as f32;
        }
        Int8Weights {
            isa,
            packed,
            factors,
            sums,
            runs: kh,
            run: kw * pixel,
        }
    }

    /// The rounded weights as floats, `[out][in][kh][kw]`.
    ///
    /// # Panics
    /// If `sizes` and `pixel` are not those that the weights were packed with.
    pub fn unpack(&self, sizes: [usize; 4], pixel: usize) -> Vec<f32> {
        let [n_out, n_in, kh, kw] = sizes;
        let per_out = n_in * kh * kw;
        let layout = Layout::new(self.isa, self.factors.len(), sizes, pixel);
        (0..n_out * per_out)
            .map(|index| {
                let (o, i) = (index / per_out, index % per_out);
                self.factors[o] * f32::from(self.packed[layout.index(o, i)])
            })
            .collect()
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        self.packed.len() + (self.factors.len() + self.sums.len()) * size_of::<f32>()
    }

    pub(crate) fn isa(&self) -> Int8Isa {
        self.isa
    }
}

/// Where each weight lies after packing.
struct Layout {
    lanes: usize,
    padded: usize,
    taps: usize,
    pixel: usize,
}

impl Layout {
    fn new(isa: Int8Isa, padded: usize, [_, _, kh, kw]: [usize; 4], pixel: usize) -> Layout {
        Layout {
            lanes: isa.lanes(),
            padded,
            taps: kh * kw,
            pixel,
        }
    }

    /// The index of weight `i` of output channel `o`, where `i` counts `[in][kh][kw]`.
    fn index(&self, o: usize, i: usize) -> usize {
        let first = o / self.lanes * self.lanes;
        let wide = (self.padded - first).min(self.lanes);
        let k = i % self.taps * self.pixel + i / self.taps;
        let panel = first * self.taps * self.pixel;
        panel + k / GROUP * GROUP * wide + (o - first) * GROUP + k % GROUP
    }
}

/// Memory that a row is rounded in; keep one for many rows.
#[derive(Debug, Default)]
pub struct Int8Scratch {
    rounded: Vec<u8>,
    /// A rounded input `q` stands for `low + scale · q`.
    scale: f32,
    low: f32,
}

/// One output row of a dense convolution in eight bits, of all output channels; otherwise as
/// [`crate::nhwc::ConvRow`].
///
/// A row that reads an infinity or NaN becomes NaN.
#[derive(Debug)]
pub struct Int8ConvRow<'a> {
    /// The memory that all input rows are in.
    pub input: &'a [f32],
    /// For the first output pixel, where each run of input begins: for a k×k kernel one run per
    /// kernel row.
    pub starts: &'a [usize],
    /// Floats between the inputs of neighbouring output pixels, a multiple of the grain.
    pub step: usize,
    /// As [`crate::nhwc::KernelSet::pack_int8`] gives them.
    pub weights: &'a Int8Weights,
    /// Bias, activation and slopes.
    pub epilogue: Epilogue<'a>,
    /// Added before the activation: as long as the row.
    pub residual: Option<&'a [f32]>,
    /// The row; its pixels are as wide as the padded output channels.
    pub out: &'a mut [f32],
    /// Pixels in the row.
    pub n: usize,
    /// Working memory.
    pub scratch: &'a mut Int8Scratch,
}

impl Int8ConvRow<'_> {
    pub(crate) fn check(&self, grain: usize) {
        let (w, n) = (self.weights, self.n);
        assert!(self.starts.len() == w.runs, "{} runs", self.starts.len());
        assert!(
            w.run.is_multiple_of(grain) && self.step.is_multiple_of(grain),
            "pixels that are not padded"
        );
        check_reads(self.input, self.starts, n, self.step, w.run);
        let channels = w.factors.len();
        self.epilogue.check(channels);
        let fits = |len: usize| n.checked_mul(channels).is_some_and(|n| n <= len);
        assert!(fits(self.out.len()), "the row is too short");
        assert!(
            self.residual.is_none_or(|r| fits(r.len())),
            "the residual is too short"
        );
    }

    /// # Safety
    /// The CPU has the instructions of `Q`; [`Int8ConvRow::check`] passed; the weights were packed
    /// for `Q`.
    #[inline(always)]
    pub(crate) unsafe fn run<Q: Int8Dot>(&mut self) {
        if self.n == 0 {
            return;
        }
        let (n, channels) = (self.n, self.weights.factors.len());
        let block = BLOCK_BYTES / (self.step * self.weights.runs).max(1);
        let lanes = Q::Floats::LANES;
        let rest = channels % lanes;
        let whole = channels - rest;
        // SAFETY: as promised; both parts are whole vectors of their kind.
        unsafe {
            self.quantise::<Q>();
            for_each_tile::<Q, _>(self, n, block, 0, whole / lanes);
            let rest = rest / <Q::Tail as Int8Dot>::Floats::LANES;
            for_each_tile::<Q::Tail, _>(self, n, block, whole, rest);
        }
    }

    /// Floats that the row reads from each start.
    fn span(&self) -> usize {
        (self.n - 1) * self.step + self.weights.run
    }

    /// Rounds what the row reads to seven bits, into the scratch memory.
    ///
    /// # Safety
    /// As [`Int8ConvRow::run`].
    #[inline(always)]
    unsafe fn quantise<Q: Int8Dot>(&mut self) {
        let span = self.span();
        let rounded = &mut self.scratch.rounded;
        rounded.resize(self.starts.len() * span, 0);
        let (mut signed_max, mut unsigned_max) = (0i32, 0u32);
        for start in self.starts {
            // SAFETY: `check` covered `span` floats from each start.
            let [signed, unsigned] =
                unsafe { min_max_bits::<Q>(self.input.as_ptr().add(*start), span) };
            signed_max = signed_max.max(signed as i32);
            unsigned_max = unsigned_max.max(unsigned);
        }
        let max = f32::from_bits(signed_max as u32);
        // The unsigned maximum is the minimum if any input is negative; otherwise zero is the
        // minimum.
        let negated_min = match f32::from_bits(unsigned_max) {
            min if min.is_sign_negative() => -min,
            _ => 0.0,
        };
        let range = max + negated_min;
        let finite = range < f32::INFINITY;
        // A range close to zero counts as zero: its inverse would be infinite.
        let (step, inverse) = match finite && range > 1e-30 {
            true => (range / MAX_INPUT, MAX_INPUT / range),
            false => (0.0, 0.0),
        };
        for (to, start) in rounded.chunks_exact_mut(span).zip(self.starts) {
            // SAFETY: as above.
            unsafe {
                round_to_u8::<Q>(self.input.as_ptr().add(*start), negated_min, inverse, to);
            }
        }
        self.scratch.scale = if finite { step } else { f32::NAN };
        self.scratch.low = -negated_min;
    }
}

// SAFETY: `Q::TILE_PIXELS` has no zero and stays within the sizes of `for_each_tile`.
unsafe impl<Q: Int8Dot> RegisterTiles<Q> for Int8ConvRow<'_> {
    const LANES: usize = Q::Floats::LANES;
    const TILE_PIXELS: [usize; 4] = Q::TILE_PIXELS;

    #[inline(always)]
    unsafe fn tile<const M: usize, const N: usize>(&mut self, x: usize, channel: usize) {
        let (w, lanes) = (self.weights, Q::Floats::LANES);
        let (step, depth, span) = (self.step, w.runs * w.run, self.span());
        // SAFETY: `quantise` wrote `run` bytes from each start for each of the pixels; there are
        // weights of `depth` bytes for each channel of each vector, and `check` covered the row
        // itself.
        unsafe {
            let mut sums = [[Q::zero(); N]; M];
            let mut weights: [*const i8; N] =
                std::array::from_fn(|v| w.packed.as_ptr().add((channel + v * lanes) * depth));
            for run in 0..w.runs {
                let first = self.scratch.rounded.as_ptr().add(run * span + x * step);
                let pixels: [*const u8; M] = std::array::from_fn(|m| first.add(m * step));
                for k in (0..w.run).step_by(GROUP) {
                    let b: [Q::Weights; N] =
                        std::array::from_fn(|v| Q::load_weights(weights[v].add(k * lanes)));
                    for m in 0..M {
                        let a = Q::broadcast_u8(pixels[m].add(k));
                        for v in 0..N {
                            sums[m][v] = sums[m][v].add_products(a, b[v]);
                        }
                    }
                }
                for weights in &mut weights {
                    *weights = weights.add(w.run * lanes);
                }
            }
            let scale = Q::Floats::splat(self.scratch.scale);
            let low = Q::Floats::splat(self.scratch.low);
            let mut out = [[scale; N]; M];
            for v in 0..N {
                let at = channel + v * lanes;
                let factors = Q::Floats::load(w.factors.as_ptr().add(at)).mul(scale);
                let all = Q::Floats::load(w.sums.as_ptr().add(at));
                let base = low.mul_add(all, Q::Floats::load(self.epilogue.bias.as_ptr().add(at)));
                for m in 0..M {
                    out[m][v] = sums[m][v].to_floats().mul_add(factors, base);
                }
            }
            let pixel = w.factors.len();
            self.epilogue
                .store(out, self.residual, self.out, x, channel, pixel);
        }
    }
}

/// The signed and the unsigned maximum of the bits of `n` floats; see [`Int8Dot::fold_min_max`].
///
/// # Safety
/// The CPU has the instructions of `Q`; `n` floats lie there, a multiple of the lanes of `Q::Tail`.
#[inline(always)]
unsafe fn min_max_bits<Q: Int8Dot>(from: *const f32, n: usize) -> [u32; 2] {
    macro_rules! by {
        ($dot:ty) => {{
            let mut bits = [<$dot>::zero_bits(); 2];
            for i in (0..n).step_by(<$dot as Int8Dot>::Floats::LANES) {
                bits = <$dot>::fold_min_max(bits, from.add(i));
            }
            <$dot>::reduce_min_max(bits)
        }};
    }
    // SAFETY: as promised.
    unsafe {
        match n.is_multiple_of(Q::Floats::LANES) {
            true => by!(Q),
            false => by!(Q::Tail),
        }
    }
}

/// Writes `round((x + offset) · factor)` of each float.
///
/// # Safety
/// The CPU has the instructions of `Q`; there are `to.len()` floats, a multiple of the lanes of
/// `Q::Tail`.
#[inline(always)]
unsafe fn round_to_u8<Q: Int8Dot>(from: *const f32, offset: f32, factor: f32, to: &mut [u8]) {
    let (n, to) = (to.len(), to.as_mut_ptr());
    macro_rules! by {
        ($dot:ty) => {{
            type Floats<Q> = <Q as Int8Dot>::Floats;
            let offset = Floats::<$dot>::splat(offset);
            let factor = Floats::<$dot>::splat(factor);
            for i in (0..n).step_by(Floats::<$dot>::LANES) {
                let x = Floats::<$dot>::load(from.add(i));
                <$dot>::store_u8(x.add(offset).mul(factor), to.add(i));
            }
        }};
    }
    // SAFETY: as promised.
    unsafe {
        match n.is_multiple_of(Q::Floats::LANES) {
            true => by!(Q),
            false => by!(Q::Tail),
        }
    }
}

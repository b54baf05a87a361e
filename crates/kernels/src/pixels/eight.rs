//! Dense convolution of one row with products of eight bits: the layers that take most of a network's time, on about a third of
//! the cycles. In: floats. Out: floats, so that layers of either kind stand side by side.
//!
//! Weights get a scale for each output channel when they are packed. Numbers get theirs while the row is computed, from the
//! extremes of what the row sees: nothing has to be calibrated. (A scale for each pixel is no more accurate and costs a shallow
//! layer all that it gains.) With `x ≈ low + scale · q` and `w ≈ factor · p`, where `q` is 0…127 and `p` -127…127,
//! `Σ w · x = factor · (scale · Σ p · q + low · Σ p)`; the sum of `p · q` is exact.
//!
//! Seven bits of the number, because two products then fit the 16 bits that AVX2 adds them up in: all instruction sets give
//! the same sums. (Seven bits of the weight instead cost a detector more.)
#![allow(
    clippy::needless_range_loop,
    reason = "indices of register tiles are clearer than iterators"
)]

use super::quads::{FOUR, PlainQuads, Quads};
use super::tiles::{Tiles, walk};
use super::{Finish, Form, check_reads};
use crate::buffer::Buffer;
use crate::cpu::Isa;
use crate::vector::Vector;

/// Largest absolute value of a weight.
const WEIGHT: f32 = 127.0;

/// Largest number of a pixel; the least is 0.
const NUMBER: f32 = 127.0;

/// Bytes of input that a group of tiles may use before the next channels are computed.
const NEAR_BYTES: usize = 16 << 10;

/// An instruction set that eight bits are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    Plain,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 with VNNI.
    #[cfg(target_arch = "x86_64")]
    Vnni,
}

impl Set {
    fn of(isa: Isa) -> Set {
        match isa {
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => Set::Neon,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Set::Avx2,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                let vnni = is_x86_feature_detected!("avx512vnni");
                match vnni && is_x86_feature_detected!("avx512vl") {
                    true => Set::Vnni,
                    false => Set::Avx2,
                }
            }
            _ => Set::Plain,
        }
    }

    fn lanes(self) -> usize {
        match self {
            Set::Plain => 8,
            #[cfg(target_arch = "aarch64")]
            Set::Neon => 4,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => 8,
            #[cfg(target_arch = "x86_64")]
            Set::Vnni => 16,
        }
    }
}

/// Weights of a dense convolution in eight bits, packed for the instruction set of a [`Form`].
#[derive(Debug)]
pub struct EightBits {
    set: Set,
    /// `[out / lanes][kh][kw][padded in / 4][lanes][4]`.
    packed: Buffer<i8>,
    /// For each padded output channel what its weights are multiples of.
    factors: Buffer,
    /// For each padded output channel the sum of its weights.
    sums: Buffer,
    runs: usize,
    run: usize,
}

/// What a row is quantised in; keep one for many rows.
#[derive(Debug, Default)]
pub struct Scratch {
    numbers: Vec<u8>,
    /// The size of a step, and the number that 0 stands for.
    scale: f32,
    low: f32,
}

/// One output row of a dense convolution in eight bits: as [`super::Conv`], but for weights and channels, of which it takes all.
///
/// The sums of a row that sees an infinity or what is not a number are not numbers.
#[derive(Debug)]
pub struct EightConv<'a> {
    /// Where all rows lie.
    pub input: &'a [f32],
    /// For the first output pixel, where each run of input begins: for a k×k kernel one run per kernel row.
    pub starts: &'a [usize],
    /// Floats between the inputs of neighbouring output pixels, a multiple of the grain.
    pub step: usize,
    /// As [`Form::pack_eight`] gives them.
    pub weights: &'a EightBits,
    /// Bias, activation and slopes.
    pub finish: Finish<'a>,
    /// Added before the activation: as long as the row.
    pub residual: Option<&'a [f32]>,
    /// The row; its pixels are as wide as the padded output channels.
    pub out: &'a mut [f32],
    /// Pixels in the row.
    pub n: usize,
    /// Working memory.
    pub scratch: &'a mut Scratch,
}

/// Compiles the routine for one instruction set.
macro_rules! eight_bits {
    ($name:ident, $quads:ty $(, $features:literal)?) => {
        /// # Safety
        /// The CPU has the instruction set, and the job was checked.
        $(#[target_feature(enable = $features)])?
        pub(crate) unsafe fn $name(job: &mut $crate::pixels::EightConv) {
            // SAFETY: as promised.
            unsafe { job.run::<$quads>() }
        }
    };
}
pub(crate) use eight_bits;

eight_bits!(plain, PlainQuads);

impl Form {
    /// Packs dense weights `[out][in][kh][kw]` in eight bits; `pixel` is the number of floats in an input pixel, as
    /// [`Form::padded`] gives it.
    ///
    /// # Panics
    /// If the weights are not `out · in · kh · kw` long, or more than [`EightBits::MOST`] products make a sum.
    pub fn pack_eight(
        self,
        weights: &[f32],
        [n_out, n_in, kh, kw]: [usize; 4],
        pixel: usize,
    ) -> EightBits {
        assert!(weights.len() == n_out * n_in * kh * kw && pixel == self.padded(n_in));
        let depth = kh * kw * pixel;
        assert!(depth <= EightBits::MOST, "{depth} products in a sum");
        let (set, padded) = (Set::of(self.isa()), self.padded(n_out));
        let mut packed = Buffer::zeroed(padded * depth);
        let (mut factors, mut sums) = (Buffer::zeroed(padded), Buffer::zeroed(padded));
        for (o, weights) in weights.chunks_exact((n_in * kh * kw).max(1)).enumerate() {
            let first = o / set.lanes() * set.lanes();
            let wide = (padded - first).min(set.lanes());
            let panel = &mut packed[first * depth..];
            let factor = weights.iter().fold(0.0f32, |m, w| m.max(w.abs())) / WEIGHT;
            let mut sum = 0i32;
            for (i, weights) in weights.chunks_exact(kh * kw).enumerate() {
                for (tap, weight) in weights.iter().enumerate() {
                    // A weight that is not a number, or a factor of zero, gives zero.
                    let whole = (weight / factor).round().clamp(-WEIGHT, WEIGHT) as i8;
                    let k = tap * pixel + i;
                    panel[k / FOUR * FOUR * wide + (o - first) * FOUR + k % FOUR] = whole;
                    sum += i32::from(whole);
                }
            }
            factors[o] = factor;
            sums[o] = factor * sum as f32;
        }
        EightBits {
            set,
            packed,
            factors,
            sums,
            runs: kh,
            run: kw * pixel,
        }
    }

    /// One row of a dense convolution in eight bits; see [`EightConv`].
    ///
    /// # Panics
    /// If a slice is shorter than the row needs.
    pub fn eight(self, job: &mut EightConv) {
        job.check(self.grain());
        // SAFETY: `Set::of` names an instruction set only if this CPU has it, and the job was checked against its slices.
        unsafe {
            match job.weights.set {
                Set::Plain => plain(job),
                #[cfg(target_arch = "aarch64")]
                Set::Neon => crate::aarch64::eight_neon(job),
                #[cfg(target_arch = "x86_64")]
                Set::Avx2 => crate::x86_64::eight_avx2(job),
                #[cfg(target_arch = "x86_64")]
                Set::Vnni => crate::x86_64::eight_vnni(job),
            }
        }
    }
}

impl EightBits {
    /// The most products of a sum that is exact in 32 bits.
    pub const MOST: usize = i32::MAX as usize / (127 * 127);

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        self.packed.len() + (self.factors.len() + self.sums.len()) * size_of::<f32>()
    }
}

impl EightConv<'_> {
    fn check(&self, grain: usize) {
        let (w, n) = (self.weights, self.n);
        assert!(self.starts.len() == w.runs, "{} runs", self.starts.len());
        assert!(
            w.run.is_multiple_of(grain) && self.step.is_multiple_of(grain),
            "pixels of another form"
        );
        check_reads(self.input, self.starts, n, self.step, w.run);
        let channels = w.factors.len();
        self.finish.check(channels);
        let fits = |len: usize| n.checked_mul(channels).is_some_and(|n| n <= len);
        assert!(fits(self.out.len()), "the row is too short");
        assert!(
            self.residual.is_none_or(|r| fits(r.len())),
            "the residual is too short"
        );
    }

    /// # Safety
    /// The CPU has the instructions of `Q`; [`EightConv::check`] passed; the weights were packed for `Q`.
    #[inline(always)]
    pub(crate) unsafe fn run<Q: Quads>(&mut self) {
        if self.n == 0 {
            return;
        }
        let (n, channels) = (self.n, self.weights.factors.len());
        let near = NEAR_BYTES / (self.step * self.weights.runs).max(1);
        let lanes = Q::Floats::LANES;
        let rest = channels % lanes;
        let whole = channels - rest;
        // SAFETY: as promised; both parts are whole vectors of their kind.
        unsafe {
            self.quantise::<Q>();
            walk::<Q, _>(self, n, near, 0, whole / lanes);
            let rest = rest / <Q::Rest as Quads>::Floats::LANES;
            walk::<Q::Rest, _>(self, n, near, whole, rest);
        }
    }

    /// Floats that the row reads from each start.
    fn span(&self) -> usize {
        (self.n - 1) * self.step + self.weights.run
    }

    /// # Safety
    /// As [`EightConv::run`].
    #[inline(always)]
    unsafe fn quantise<Q: Quads>(&mut self) {
        let span = self.span();
        let numbers = &mut self.scratch.numbers;
        numbers.resize(self.starts.len() * span, 0);
        let (mut high, mut deep) = (0i32, 0u32);
        for start in self.starts {
            // SAFETY: `check` covered `span` floats from each start.
            let [signed, unsigned] =
                unsafe { extremes::<Q>(self.input.as_ptr().add(*start), span) };
            high = high.max(signed as i32);
            deep = deep.max(unsigned);
        }
        // Without a number below zero the deepest is one above.
        let deep = match f32::from_bits(deep) {
            below if below.is_sign_negative() => -below,
            _ => 0.0,
        };
        let range = f32::from_bits(high as u32) + deep;
        let finite = range < f32::INFINITY;
        // A range of almost nothing is nothing: its inverse would be infinite.
        let (step, inverse) = match finite && range > 1e-30 {
            true => (range / NUMBER, NUMBER / range),
            false => (0.0, 0.0),
        };
        for (to, start) in numbers.chunks_exact_mut(span).zip(self.starts) {
            // SAFETY: as above.
            unsafe {
                keep::<Q>(self.input.as_ptr().add(*start), [deep, inverse], to);
            }
        }
        let scale = if finite { step } else { f32::NAN };
        self.scratch.scale = scale;
        self.scratch.low = -deep;
    }
}

// SAFETY: the implementations of `Quads` say how many of their sums stay in registers.
unsafe impl<Q: Quads> Tiles<Q> for EightConv<'_> {
    const LANES: usize = Q::Floats::LANES;
    const HIGH: [usize; 4] = Q::HIGH;

    #[inline(always)]
    unsafe fn tile<const M: usize, const N: usize>(&mut self, x: usize, channel: usize) {
        let (w, lanes) = (self.weights, Q::Floats::LANES);
        let (step, depth, span) = (self.step, w.runs * w.run, self.span());
        // SAFETY: `quantise` made `run` numbers from each start for each of the pixels; there are weights of `depth` quads
        // for each vector of channels, and `check` covered the row itself.
        unsafe {
            let mut sums = [[Q::zero(); N]; M];
            let mut weights: [*const i8; N] =
                std::array::from_fn(|v| w.packed.as_ptr().add((channel + v * lanes) * depth));
            for run in 0..w.runs {
                let first = self.scratch.numbers.as_ptr().add(run * span + x * step);
                let pixels: [*const u8; M] = std::array::from_fn(|m| first.add(m * step));
                for k in (0..w.run).step_by(FOUR) {
                    let b: [Q::Weights; N] =
                        std::array::from_fn(|v| Q::weights(weights[v].add(k * lanes)));
                    for m in 0..M {
                        let a = Q::numbers(pixels[m].add(k));
                        for v in 0..N {
                            sums[m][v] = sums[m][v].add(a, b[v]);
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
                let base = low.mul_add(all, Q::Floats::load(self.finish.bias.as_ptr().add(at)));
                for m in 0..M {
                    out[m][v] = sums[m][v].floats().mul_add(factors, base);
                }
            }
            let pixel = w.factors.len();
            self.finish
                .store(out, self.residual, self.out, x, channel, pixel);
        }
    }
}

/// The bits of the extremes as [`Quads::highest`] orders them.
///
/// # Safety
/// The CPU has the instructions of `Q`; `n` floats lie there, a multiple of the lanes of `Q::Rest`.
#[inline(always)]
unsafe fn extremes<Q: Quads>(from: *const f32, n: usize) -> [u32; 2] {
    macro_rules! by {
        ($quads:ty) => {{
            let mut of = [<$quads>::nothing(); 2];
            for i in (0..n).step_by(<$quads as Quads>::Floats::LANES) {
                of = <$quads>::highest(of, from.add(i));
            }
            <$quads>::lane(of)
        }};
    }
    // SAFETY: as promised.
    unsafe {
        match n.is_multiple_of(Q::Floats::LANES) {
            true => by!(Q),
            false => by!(Q::Rest),
        }
    }
}

/// Writes `round((x + deep) · inverse)`.
///
/// # Safety
/// The CPU has the instructions of `Q`; as many floats lie there as there is room for numbers, a multiple of the lanes of
/// `Q::Rest`.
#[inline(always)]
unsafe fn keep<Q: Quads>(from: *const f32, [deep, inverse]: [f32; 2], to: &mut [u8]) {
    let (n, to) = (to.len(), to.as_mut_ptr());
    macro_rules! by {
        ($quads:ty) => {{
            type Floats<Q> = <Q as Quads>::Floats;
            let deep = Floats::<$quads>::splat(deep);
            let inverse = Floats::<$quads>::splat(inverse);
            for i in (0..n).step_by(Floats::<$quads>::LANES) {
                let x = Floats::<$quads>::load(from.add(i));
                <$quads>::keep(x.add(deep).mul(inverse), to.add(i));
            }
        }};
    }
    // SAFETY: as promised.
    unsafe {
        match n.is_multiple_of(Q::Floats::LANES) {
            true => by!(Q),
            false => by!(Q::Rest),
        }
    }
}

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

use super::tiles::{Tiles, walk};
use super::{Finish, Form, check_reads};
use crate::buffer::Buffer;
use crate::cpu::Isa;
use crate::vector::{Plain, Vector};

/// Largest absolute value of a weight.
const WEIGHT: f32 = 127.0;

/// Largest number of a pixel; the least is 0.
const NUMBER: f32 = 127.0;

/// Numbers that are multiplied and added up at once.
const FOUR: usize = 4;

/// Bytes of input that a group of tiles may use before the next channels are computed.
const NEAR_BYTES: usize = 16 << 10;

/// What multiplies four numbers of eight bits with four weights in every lane, exactly.
///
/// # Safety
/// Who implements it may assume that the CPU has the instructions: only functions compiled for the instruction set
/// call it, and those are called only through [`Set`].
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
    /// As [`Tiles::HIGH`].
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

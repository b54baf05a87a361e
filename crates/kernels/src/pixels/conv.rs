//! Dense convolution of one row: pointwise, k×k at any stride, and the first layer with its three channels.
#![allow(
    clippy::needless_range_loop,
    reason = "indices of register tiles are clearer than iterators"
)]

use super::{Finish, check_reads};
use crate::finish::Activation;
use crate::vector::Vector;

/// Bytes of input that a group of tiles may use before the next channels are computed: half of a 32 KB cache.
const NEAR_BYTES: usize = 16 << 10;

/// One output row of a dense convolution, or a part of its channels.
///
/// `out[x][c] = finish(Σ_s Σ_k weights[c][s][k] · input[starts[s] + x · step + k])`.
#[derive(Debug)]
pub struct Conv<'a> {
    /// Where all rows lie.
    pub input: &'a [f32],
    /// For the first output pixel, where each run of input begins: for a k×k kernel one run per kernel row.
    pub starts: &'a [usize],
    /// Floats in a run: kernel columns times floats in an input pixel.
    pub run: usize,
    /// Floats between the inputs of neighbouring output pixels.
    pub step: usize,
    /// As [`super::Form::pack_dense`] gives them, from the first channel wanted on.
    pub weights: &'a [f32],
    /// Channels wanted, a multiple of the grain.
    pub channels: usize,
    /// Bias, activation and slopes from the first channel wanted on.
    pub finish: Finish<'a>,
    /// Added before the activation: from the first channel wanted of the first pixel on.
    pub residual: Option<&'a [f32]>,
    /// The row, from the first channel wanted of the first pixel on.
    pub out: &'a mut [f32],
    /// Pixels in the row.
    pub n: usize,
    /// Floats in a pixel of `out` and `residual`.
    pub pixel: usize,
}

impl Conv<'_> {
    pub(super) fn check(&self, grain: usize) {
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
        self.finish.check(channels);
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
    /// The CPU has the instructions of `V`; [`Conv::check`] passed.
    #[inline(always)]
    pub(crate) unsafe fn run<V: Vector>(&mut self) {
        if self.n == 0 {
            return;
        }
        let rest = self.channels % V::LANES;
        let whole = self.channels - rest;
        // SAFETY: as promised; both parts are whole vectors of their kind.
        unsafe {
            self.part::<V>(0, whole / V::LANES);
            self.part::<V::Rest>(whole, rest / V::Rest::LANES);
        }
    }

    /// `vectors` vectors of channels from `channel` on.
    ///
    /// # Safety
    /// As [`Conv::run`]; the channels exist.
    #[inline(always)]
    unsafe fn part<V: Vector>(&mut self, channel: usize, vectors: usize) {
        if vectors == 0 {
            return;
        }
        let wide = width::<V>(self.n, vectors);
        let most = V::HIGH[wide - 1];
        let tiles = self.n.div_ceil(most);
        // Tiles of nearly one size: a last tile of one pixel would wait for its own sums.
        let n = self.n;
        let begin = |tile: usize| tile * n / tiles;
        let near = (NEAR_BYTES / 4 / (self.step * self.starts.len()).max(1) / most).max(1);
        let mut first = 0;
        while first < tiles {
            let last = (first + near).min(tiles);
            let mut vector = 0;
            while vector < vectors {
                let wide = wide.min(vectors - vector);
                for tile in first..last {
                    let (x, end) = (begin(tile), begin(tile + 1));
                    // SAFETY: pixels and channels lie inside what was checked.
                    unsafe {
                        self.any_tile::<V>(x, end - x, channel + vector * V::LANES, wide);
                    }
                }
                vector += wide;
            }
            first = last;
        }
    }

    /// # Safety
    /// As [`Conv::run`]; `x + high` pixels and `wide` vectors from `channel` on exist.
    #[inline(always)]
    unsafe fn any_tile<V: Vector>(&mut self, x: usize, high: usize, channel: usize, wide: usize) {
        macro_rules! sizes {
            ($($wide:literal: $($high:literal)*;)*) => {
                match (wide, high) {
                    // SAFETY: as promised; sizes beyond the registers are never asked for, and are not compiled.
                    $($(($wide, $high) if $high <= V::HIGH[$wide - 1] => unsafe { self.tile::<V, $high, $wide>(x, channel) },)*)*
                    _ => unreachable!("a tile of {high} pixels and {wide} vectors"),
                }
            };
        }
        sizes! {
            1: 1 2 3 4 5 6 7 8 9 10 11 12;
            2: 1 2 3 4 5 6 7 8 9 10 11 12;
            3: 1 2 3 4 5 6 7 8;
            4: 1 2 3 4 5 6;
        }
    }

    /// # Safety
    /// As [`Conv::run`]; `x + M` pixels and `N` vectors from `channel` on exist.
    #[inline(always)]
    unsafe fn tile<V: Vector, const M: usize, const N: usize>(&mut self, x: usize, channel: usize) {
        // SAFETY: `check` covered every read: runs of `run` floats from each start for each of the pixels, weights of
        // `starts · run` vectors for each vector of channels, and the row itself.
        unsafe {
            let bias = self.finish.bias.as_ptr().add(channel);
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
            // Each choice is made once for the tile, not for each of its sums.
            let at = x * self.pixel + channel;
            if let Some(residual) = self.residual {
                for m in 0..M {
                    for v in 0..N {
                        let place = at + m * self.pixel + v * V::LANES;
                        sums[m][v] = sums[m][v].add(V::load(residual.as_ptr().add(place)));
                    }
                }
            }
            match (self.finish.slopes, self.finish.activation) {
                (Some(slopes), _) => {
                    let slopes = slopes.as_ptr().add(channel);
                    let slopes: [V; N] = std::array::from_fn(|v| V::load(slopes.add(v * V::LANES)));
                    for m in 0..M {
                        for v in 0..N {
                            sums[m][v] = sums[m][v].if_positive(sums[m][v].mul(slopes[v]));
                        }
                    }
                }
                (None, Activation::None) => {}
                (None, _) => {
                    for m in 0..M {
                        for v in 0..N {
                            sums[m][v] = self.finish.activate(sums[m][v], channel);
                        }
                    }
                }
            }
            for m in 0..M {
                for v in 0..N {
                    let place = at + m * self.pixel + v * V::LANES;
                    sums[m][v].store(self.out.as_mut_ptr().add(place));
                }
            }
        }
    }
}

/// Vectors of channels in a tile: the number that costs a row the fewest cycles.
///
/// Two multiply-adds and two loads a cycle, and sums that are ready after four cycles: the ports of every x86-64 core
/// since Haswell and Zen 2 (Fog, "Instruction tables", 2022).
fn width<V: Vector>(n: usize, vectors: usize) -> usize {
    let cost = |wide: usize| {
        let tiles = n.div_ceil(V::HIGH[wide - 1]);
        let high = n.div_ceil(tiles);
        let of = |wide: usize| (high * wide).max(high + wide).max(8) * tiles;
        let rest = vectors % wide;
        of(wide) * (vectors / wide) + if rest > 0 { of(rest) } else { 0 }
    };
    (1..=4.min(vectors))
        .min_by_key(|wide| cost(*wide))
        .unwrap_or(1)
}

impl Finish<'_> {
    /// # Safety
    /// The CPU has the instructions of `V`; slopes reach to `channel` and a vector beyond.
    #[inline(always)]
    pub(super) unsafe fn activate<V: Vector>(&self, sum: V, channel: usize) -> V {
        // SAFETY: as promised.
        unsafe {
            if let Some(slopes) = self.slopes {
                return sum.if_positive(sum.mul(V::load(slopes.as_ptr().add(channel))));
            }
            match self.activation {
                Activation::None => sum,
                Activation::Relu => sum.max(V::splat(0.0)),
                Activation::Slope(slope) => sum.if_positive(sum.mul(V::splat(slope))),
                Activation::Clip(low, high) => sum.max(V::splat(low)).min(V::splat(high)),
            }
        }
    }
}

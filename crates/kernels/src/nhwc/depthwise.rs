//! Depthwise convolution of one row. In: rows of pixels, one weight per tap and channel. Out: a
//! row. Knows nothing of padding or of where rows are kept.
#![allow(
    clippy::needless_range_loop,
    reason = "indices of register tiles are clearer than iterators"
)]

use super::bounds::check_reads;
use crate::epilogue::{Activation, Epilogue};
use crate::vector::Vector;

/// Pixels in a tile: each tap's weight is loaded once for all of them.
const TILE_PIXELS: usize = 6;

/// Activations that the 3×3 kernels are compiled for one by one, so that no branch is left in the
/// loop.
const NO_ACTIVATION: u8 = 0;
const RELU: u8 = 1;
const SLOPES: u8 = 2;

/// One output row of a depthwise convolution.
///
/// `out[x][c] = epilogue(Σ_t weights[t][c] · input[starts[t] + x · step + c])`.
#[derive(Debug)]
pub struct DepthwiseRow<'a> {
    /// The memory that all input rows are in.
    pub input: &'a [f32],
    /// For the first output pixel, where each tap's input pixel begins.
    pub starts: &'a [usize],
    /// Floats between the inputs of neighbouring output pixels.
    pub step: usize,
    /// As [`super::KernelSet::pack_depthwise`] gives them.
    pub weights: &'a [f32],
    /// Floats in a pixel of input and row, a multiple of the grain.
    pub pixel: usize,
    /// Bias, activation and slopes.
    pub epilogue: Epilogue<'a>,
    /// Added before the activation: as long as the row.
    pub residual: Option<&'a [f32]>,
    /// The row.
    pub out: &'a mut [f32],
    /// Pixels in the row.
    pub n: usize,
}

impl DepthwiseRow<'_> {
    pub(crate) fn check(&self, grain: usize) {
        let pixel = self.pixel;
        assert!(pixel.is_multiple_of(grain), "{pixel} channels");
        check_reads(self.input, self.starts, self.n, self.step, pixel);
        let weights = self.starts.len().checked_mul(pixel);
        assert!(
            weights.is_some_and(|w| w <= self.weights.len()),
            "too few weights"
        );
        self.epilogue.check(pixel);
        let fits = |len: usize| self.n.checked_mul(pixel).is_some_and(|n| n <= len);
        assert!(fits(self.out.len()), "the row is too short");
        assert!(
            self.residual.is_none_or(|r| fits(r.len())),
            "the residual is too short"
        );
    }

    /// # Safety
    /// The CPU has the instructions of `V`; [`DepthwiseRow::check`] passed.
    #[inline(always)]
    pub(crate) unsafe fn run<V: Vector>(&mut self) {
        let activation = match (
            self.residual,
            self.epilogue.slopes,
            self.epilogue.activation,
        ) {
            (None, Some(_), _) => Some(SLOPES),
            (None, None, Activation::Relu) => Some(RELU),
            (None, None, Activation::None) => Some(NO_ACTIVATION),
            _ => None,
        };
        if let (Some(rows), Some(activation)) = (self.rows_of_3x3(), activation) {
            // SAFETY: as promised, and the taps are those of three rows of three neighbours.
            unsafe {
                match (self.step / self.pixel, activation) {
                    (1, NO_ACTIVATION) => return self.run_3x3::<V, 1, NO_ACTIVATION>(rows),
                    (1, RELU) => return self.run_3x3::<V, 1, RELU>(rows),
                    (1, SLOPES) => return self.run_3x3::<V, 1, SLOPES>(rows),
                    (2, NO_ACTIVATION) => return self.run_3x3::<V, 2, NO_ACTIVATION>(rows),
                    (2, RELU) => return self.run_3x3::<V, 2, RELU>(rows),
                    (2, SLOPES) => return self.run_3x3::<V, 2, SLOPES>(rows),
                    _ => {}
                }
            }
        }
        let mut x = 0;
        while x < self.n {
            let high = (self.n - x).min(TILE_PIXELS);
            // SAFETY: the pixels lie inside what was checked.
            unsafe {
                match high {
                    1 => self.tile::<V, 1>(x),
                    2 => self.tile::<V, 2>(x),
                    3 => self.tile::<V, 3>(x),
                    4 => self.tile::<V, 4>(x),
                    5 => self.tile::<V, 5>(x),
                    _ => self.tile::<V, TILE_PIXELS>(x),
                }
            }
            x += high;
        }
    }

    /// Where the input rows of the kernel begin, if it is 3×3 with a dilation of 1.
    fn rows_of_3x3(&self) -> Option<[usize; 3]> {
        let starts = <&[usize; 9]>::try_from(self.starts).ok()?;
        let (p, first) = (self.pixel, [starts[0], starts[3], starts[6]]);
        let near = |i: usize| starts[i] == first[i / 3] + i % 3 * p;
        (p > 0 && self.step.is_multiple_of(p) && (0..9).all(near)).then_some(first)
    }

    /// # Safety
    /// As [`DepthwiseRow::run`]; the taps are three neighbours from each of `rows` on, the step is
    /// `S` pixels.
    #[inline(always)]
    unsafe fn run_3x3<V: Vector, const S: usize, const ACTIVATION: u8>(
        &mut self,
        rows: [usize; 3],
    ) {
        let (n, tiles) = (self.n, self.n.div_ceil(8));
        for tile in 0..tiles {
            let (x, end) = (tile * n / tiles, (tile + 1) * n / tiles);
            // SAFETY: the pixels lie inside what was checked.
            unsafe {
                match end - x {
                    1 => self.tile_3x3::<V, S, ACTIVATION, 1>(rows, x),
                    2 => self.tile_3x3::<V, S, ACTIVATION, 2>(rows, x),
                    3 => self.tile_3x3::<V, S, ACTIVATION, 3>(rows, x),
                    4 => self.tile_3x3::<V, S, ACTIVATION, 4>(rows, x),
                    5 => self.tile_3x3::<V, S, ACTIVATION, 5>(rows, x),
                    6 => self.tile_3x3::<V, S, ACTIVATION, 6>(rows, x),
                    7 => self.tile_3x3::<V, S, ACTIVATION, 7>(rows, x),
                    _ => self.tile_3x3::<V, S, ACTIVATION, 8>(rows, x),
                }
            }
        }
    }

    /// # Safety
    /// As [`DepthwiseRow::run_3x3`]; `x + M` pixels exist.
    #[inline(always)]
    unsafe fn tile_3x3<V: Vector, const S: usize, const ACTIVATION: u8, const M: usize>(
        &mut self,
        rows: [usize; 3],
        x: usize,
    ) {
        let whole = self.pixel - self.pixel % V::LANES;
        // SAFETY: as promised; the channels exist.
        unsafe {
            for channel in (0..whole).step_by(V::LANES) {
                self.vector_3x3::<V, S, ACTIVATION, M>(rows, x, channel);
            }
            for channel in (whole..self.pixel).step_by(V::Tail::LANES) {
                self.vector_3x3::<V::Tail, S, ACTIVATION, M>(rows, x, channel);
            }
        }
    }

    /// # Safety
    /// As [`DepthwiseRow::tile_3x3`]; a vector of channels exists from `channel` on.
    #[inline(always)]
    unsafe fn vector_3x3<V: Vector, const S: usize, const ACTIVATION: u8, const M: usize>(
        &mut self,
        rows: [usize; 3],
        x: usize,
        channel: usize,
    ) {
        let p = self.pixel;
        // SAFETY: `check` covered every tap of every pixel, the weights, and the row. The last
        // column read is the last tap of the last pixel.
        unsafe {
            let mut sums = [V::load(self.epilogue.bias.as_ptr().add(channel)); M];
            for (ky, row) in rows.into_iter().enumerate() {
                let weight = self.weights.as_ptr().add(ky * 3 * p + channel);
                let weights: [V; 3] = std::array::from_fn(|kx| V::load(weight.add(kx * p)));
                let mut input = self.input.as_ptr().add(row + x * self.step + channel);
                // Each column is read once and serves every pixel that it is a neighbour of.
                for column in 0..(M - 1) * S + 3 {
                    let value = V::load(input);
                    for kx in 0..3 {
                        if column >= kx && (column - kx) % S == 0 && (column - kx) / S < M {
                            let m = (column - kx) / S;
                            sums[m] = value.mul_add(weights[kx], sums[m]);
                        }
                    }
                    input = input.wrapping_add(p);
                }
            }
            let slopes = match ACTIVATION {
                SLOPES => V::load(
                    self.epilogue
                        .slopes
                        .map_or(self.epilogue.bias, |s| s)
                        .as_ptr()
                        .add(channel),
                ),
                _ => V::splat(0.0),
            };
            for (m, sum) in sums.into_iter().enumerate() {
                let value = match ACTIVATION {
                    SLOPES => sum.if_positive(sum.mul(slopes)),
                    RELU => sum.max(slopes),
                    _ => sum,
                };
                value.store(self.out.as_mut_ptr().add((x + m) * p + channel));
            }
        }
    }

    /// # Safety
    /// As [`DepthwiseRow::run`]; `x + M` pixels exist.
    #[inline(always)]
    unsafe fn tile<V: Vector, const M: usize>(&mut self, x: usize) {
        let whole = self.pixel - self.pixel % V::LANES;
        // SAFETY: as promised; the channels exist.
        unsafe {
            for channel in (0..whole).step_by(V::LANES) {
                self.vector::<V, M>(x, channel);
            }
            for channel in (whole..self.pixel).step_by(V::Tail::LANES) {
                self.vector::<V::Tail, M>(x, channel);
            }
        }
    }

    /// # Safety
    /// As [`DepthwiseRow::tile`]; a vector of channels exists from `channel` on.
    #[inline(always)]
    unsafe fn vector<V: Vector, const M: usize>(&mut self, x: usize, channel: usize) {
        // SAFETY: `check` covered every tap of every pixel, the weights, and the row.
        unsafe {
            let mut sums = [V::load(self.epilogue.bias.as_ptr().add(channel)); M];
            let first = self.input.as_ptr().add(x * self.step + channel);
            let weights = self.weights.as_ptr().add(channel);
            for (tap, start) in self.starts.iter().enumerate() {
                let weight = V::load(weights.add(tap * self.pixel));
                let input = first.add(*start);
                for m in 0..M {
                    sums[m] = V::load(input.add(m * self.step)).mul_add(weight, sums[m]);
                }
            }
            self.store(sums, x, channel);
        }
    }

    /// # Safety
    /// As [`DepthwiseRow::run`]; `x + M` pixels exist.
    #[inline(always)]
    unsafe fn store<V: Vector, const M: usize>(&mut self, sums: [V; M], x: usize, channel: usize) {
        for (m, mut sum) in sums.into_iter().enumerate() {
            let index = (x + m) * self.pixel + channel;
            // SAFETY: `check` covered the row.
            unsafe {
                if let Some(residual) = self.residual {
                    sum = sum.add(V::load(residual.as_ptr().add(index)));
                }
                self.epilogue
                    .activate(sum, channel)
                    .store(self.out.as_mut_ptr().add(index));
            }
        }
    }
}

//! The end of a convolution: bias, residual, activation. In: vectors of sums. Out: finished values.
//! Knows nothing of how the sums were made.
#![allow(
    clippy::needless_range_loop,
    reason = "indices of register tiles are clearer than iterators"
)]

use crate::vector::Vector;

/// What is done to a sum before it is stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// Nothing.
    None,
    /// `max(x, 0)`.
    Relu,
    /// `x` where positive, `slope · x` elsewhere; PReLU has a slope for each channel, leaky ReLU
    /// one for all.
    Slope(f32),
    /// `min(max(x, low), high)`.
    Clip(f32, f32),
}

impl Activation {
    /// The value for one sum.
    #[inline(always)]
    pub fn apply(self, x: f32) -> f32 {
        match self {
            Activation::None => x,
            Activation::Relu => x.max(0.0),
            Activation::Slope(slope) => {
                if x > 0.0 {
                    x
                } else {
                    slope * x
                }
            }
            Activation::Clip(low, high) => x.max(low).min(high),
        }
    }
}

/// What is done to the sums of an NHWC row before they are stored: bias, then residual, then
/// activation.
#[derive(Debug, Clone, Copy)]
pub struct Epilogue<'a> {
    /// One number for each padded channel.
    pub bias: &'a [f32],
    /// The activation of all channels, unless there are slopes.
    pub activation: Activation,
    /// For each padded channel the factor of negative values (PReLU).
    pub slopes: Option<&'a [f32]>,
}

impl Epilogue<'_> {
    /// # Panics
    /// If there are fewer biases or slopes than `channels`.
    pub(crate) fn check(&self, channels: usize) {
        assert!(self.bias.len() >= channels, "too few biases");
        assert!(
            self.slopes.is_none_or(|s| s.len() >= channels),
            "too few slopes"
        );
    }

    /// Adds the residual, applies the activation and stores a tile whose sums have their bias.
    ///
    /// # Safety
    /// The CPU has the instructions of `V`; the row, the residual and the slopes hold `x + M`
    /// pixels and `N` vectors from `channel` on; `pixel` is the number of floats in a pixel of
    /// `out` and `residual`.
    #[inline(always)]
    pub(crate) unsafe fn store<V: Vector, const M: usize, const N: usize>(
        &self,
        mut sums: [[V; N]; M],
        residual: Option<&[f32]>,
        out: &mut [f32],
        x: usize,
        channel: usize,
        pixel: usize,
    ) {
        // SAFETY: the caller checked the row, the residual, and the slopes.
        unsafe {
            // Each choice is made once for the tile, not for each of its sums.
            let at = x * pixel + channel;
            if let Some(residual) = residual {
                for m in 0..M {
                    for v in 0..N {
                        let index = at + m * pixel + v * V::LANES;
                        sums[m][v] = sums[m][v].add(V::load(residual.as_ptr().add(index)));
                    }
                }
            }
            match (self.slopes, self.activation) {
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
                            sums[m][v] = self.activate(sums[m][v], channel);
                        }
                    }
                }
            }
            for m in 0..M {
                for v in 0..N {
                    let index = at + m * pixel + v * V::LANES;
                    sums[m][v].store(out.as_mut_ptr().add(index));
                }
            }
        }
    }

    /// # Safety
    /// The CPU has the instructions of `V`; slopes reach to `channel` and a vector beyond.
    #[inline(always)]
    pub(crate) unsafe fn activate<V: Vector>(&self, sum: V, channel: usize) -> V {
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

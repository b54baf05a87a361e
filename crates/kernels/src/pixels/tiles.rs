//! Register tiles of a row: which there are, in which order, and how their sums end. In: a job that computes a tile. Out: its
//! row. Knows nothing of what is summed up.
#![allow(
    clippy::needless_range_loop,
    reason = "indices of register tiles are clearer than iterators"
)]

use super::Finish;
use crate::finish::Activation;
use crate::vector::Vector;

/// A job whose row is computed in tiles of pixels and vectors of channels.
///
/// # Safety
/// `HIGH` has no entry above those of [`walk`], and no zero.
pub(super) unsafe trait Tiles<V> {
    /// Floats in a vector.
    const LANES: usize;
    /// Pixels of a tile of one, two, three and four vectors of channels, whose sums stay in registers.
    const HIGH: [usize; 4];

    /// # Safety
    /// The CPU has the instructions of `V`; the job was checked; `x + M` pixels and `N` vectors from `channel` on exist.
    unsafe fn tile<const M: usize, const N: usize>(&mut self, x: usize, channel: usize);
}

/// Computes `vectors` vectors of channels from `channel` on; `near` pixels have their channels computed before the next.
///
/// # Safety
/// As [`Tiles::tile`] for all `n` pixels.
#[inline(always)]
pub(super) unsafe fn walk<V, T: Tiles<V>>(
    job: &mut T,
    n: usize,
    near: usize,
    channel: usize,
    vectors: usize,
) {
    if vectors == 0 {
        return;
    }
    let wide = width(T::HIGH, n, vectors);
    let most = T::HIGH[wide - 1];
    let tiles = n.div_ceil(most);
    // Tiles of nearly one size: a last tile of one pixel would wait for its own sums.
    let begin = |tile: usize| tile * n / tiles;
    let near = (near / most).max(1);
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
                    any_tile(job, x, end - x, channel + vector * T::LANES, wide);
                }
            }
            vector += wide;
        }
        first = last;
    }
}

/// # Safety
/// As [`Tiles::tile`]; `x + high` pixels and `wide` vectors from `channel` on exist.
#[inline(always)]
unsafe fn any_tile<V, T: Tiles<V>>(
    job: &mut T,
    x: usize,
    high: usize,
    channel: usize,
    wide: usize,
) {
    macro_rules! sizes {
        ($($wide:literal: $($high:literal)*;)*) => {
            match (wide, high) {
                // SAFETY: as promised; sizes beyond the registers are never asked for, and are not compiled.
                $($(($wide, $high) if $high <= T::HIGH[$wide - 1] => unsafe { job.tile::<$high, $wide>(x, channel) },)*)*
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

/// Vectors of channels in a tile: the number that costs a row the fewest cycles.
///
/// Two multiply-adds and two loads a cycle, and sums that are ready after four cycles: the ports of every x86-64 core
/// since Haswell and Zen 2 (Fog, "Instruction tables", 2022).
fn width(high: [usize; 4], n: usize, vectors: usize) -> usize {
    let cost = |wide: usize| {
        let tiles = n.div_ceil(high[wide - 1]);
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
    /// Adds the residual, applies the activation and stores a tile whose sums have their bias.
    ///
    /// # Safety
    /// As [`Tiles::tile`]; `pixel` is the number of floats in a pixel of `out` and `residual`.
    #[inline(always)]
    pub(super) unsafe fn store<V: Vector, const M: usize, const N: usize>(
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
                        let place = at + m * pixel + v * V::LANES;
                        sums[m][v] = sums[m][v].add(V::load(residual.as_ptr().add(place)));
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
                    let place = at + m * pixel + v * V::LANES;
                    sums[m][v].store(out.as_mut_ptr().add(place));
                }
            }
        }
    }

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

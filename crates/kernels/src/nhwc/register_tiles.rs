//! Register tiles: which sizes they have and in which order a row is computed in them. In: a row
//! whose sums are computed tile by tile. Out: all its tiles. Knows nothing of what a tile computes.
//!
//! A tile is M pixels × N vectors of channels whose sums stay in registers. Larger tiles load fewer
//! operands for each multiply-add; tiles larger than the register file would spill.

/// A row that is computed in tiles of pixels and vectors of channels.
///
/// # Safety
/// `TILE_PIXELS` has no zero, and no entry above the sizes that [`one_tile`] lists.
pub(crate) unsafe trait RegisterTiles<V> {
    /// Floats in a vector.
    const LANES: usize;
    /// Pixels of a tile of one, two, three and four vectors of channels, whose sums stay in
    /// registers.
    const TILE_PIXELS: [usize; 4];

    /// # Safety
    /// The CPU has the instructions of `V`; the job was checked; `x + M` pixels and `N` vectors
    /// from `channel` on exist.
    unsafe fn tile<const M: usize, const N: usize>(&mut self, x: usize, channel: usize);
}

/// Computes `vectors` vectors of channels from `channel` on, for all `n` pixels.
///
/// The row is cut into blocks of about `block` pixels, and all channels of a block are computed
/// before the next block, so that its input stays in the first-level cache.
///
/// # Safety
/// As [`RegisterTiles::tile`] for all `n` pixels.
#[inline(always)]
pub(crate) unsafe fn for_each_tile<V, T: RegisterTiles<V>>(
    job: &mut T,
    n: usize,
    block: usize,
    channel: usize,
    vectors: usize,
) {
    if vectors == 0 {
        return;
    }
    let wide = width(T::TILE_PIXELS, n, vectors);
    let most = T::TILE_PIXELS[wide - 1];
    let tiles = n.div_ceil(most);
    // Tiles of nearly equal size: in a last tile of one pixel each multiply-add would wait for the
    // one before it.
    let begin = |tile: usize| tile * n / tiles;
    let tiles_per_block = (block / most).max(1);
    let mut first = 0;
    while first < tiles {
        let last = (first + tiles_per_block).min(tiles);
        let mut vector = 0;
        while vector < vectors {
            let wide = wide.min(vectors - vector);
            for tile in first..last {
                let (x, end) = (begin(tile), begin(tile + 1));
                // SAFETY: pixels and channels lie inside what was checked.
                unsafe {
                    one_tile(job, x, end - x, channel + vector * T::LANES, wide);
                }
            }
            vector += wide;
        }
        first = last;
    }
}

/// # Safety
/// As [`RegisterTiles::tile`]; `x + high` pixels and `wide` vectors from `channel` on exist.
#[inline(always)]
unsafe fn one_tile<V, T: RegisterTiles<V>>(
    job: &mut T,
    x: usize,
    high: usize,
    channel: usize,
    wide: usize,
) {
    macro_rules! sizes {
        ($($wide:literal: $($high:literal)*;)*) => {
            match (wide, high) {
                // SAFETY: as promised; the guard is a constant, so that sizes beyond the registers
                // are not compiled.
                $($(($wide, $high) if $high <= T::TILE_PIXELS[$wide - 1] => unsafe {
                    job.tile::<$high, $wide>(x, channel)
                },)*)*
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
/// Two multiply-adds and two loads a cycle, and sums that are ready after four cycles: the ports of
/// every x86-64 core since Haswell and Zen 2 (Fog, "Instruction tables", 2022).
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

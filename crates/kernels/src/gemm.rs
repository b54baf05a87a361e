//! Matrix product in tiles. In: packed panels. Out: one tile of sums, for the caller to store.
//! Knows nothing of convolutions: the caller packs panels of whatever is multiplied.
//!
//! The method is that of Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication"
//! (2008): `A` is packed in panels of [`Gemm::mr`] rows, `B` in panels of [`Gemm::nr`] columns, and
//! the innermost routine keeps an `mr × nr` tile in registers.

use crate::cpu::{self, Isa};

/// Largest `mr · nr` of any instruction set.
pub const MAX_TILE: usize = 8 * 32;

/// The tile size of one instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gemm {
    isa: Isa,
    /// Rows of a tile, and of a panel of `A`.
    pub mr: usize,
    /// Columns of a tile, and of a panel of `B`.
    pub nr: usize,
}

impl Gemm {
    /// The tile size for the instruction set that [`cpu::chosen`] gives.
    pub fn chosen() -> Gemm {
        Gemm::of(cpu::chosen())
    }

    fn of(isa: Isa) -> Gemm {
        let (mr, nr) = match isa {
            Isa::Scalar | Isa::Simd128 | Isa::Neon => (4, 8),
            Isa::Avx2 => (6, 16),
            Isa::Avx512 => (8, 32),
        };
        Gemm { isa, mr, nr }
    }

    /// Floats that `rows × depth` takes when packed.
    pub fn packed_len(&self, rows: usize, depth: usize) -> usize {
        rows.div_ceil(self.mr) * self.mr * depth
    }

    /// Packs a row-major `rows × depth` matrix into panels of `mr` rows, depth outermost, rows past
    /// the end zero.
    ///
    /// # Panics
    /// If `a` is not `rows · depth` long.
    pub fn pack_a(&self, a: &[f32], rows: usize, depth: usize) -> Vec<f32> {
        assert_eq!(a.len(), rows * depth);
        let mut packed = vec![0.0; self.packed_len(rows, depth)];
        for row in 0..rows {
            let panel = &mut packed[(row / self.mr) * self.mr * depth..];
            for d in 0..depth {
                panel[d * self.mr + row % self.mr] = a[row * depth + d];
            }
        }
        packed
    }

    /// `tile[r][c] = Σ_d a[d][r] · b[d][c]`; the tile is row-major, `mr × nr`.
    ///
    /// # Panics
    /// If a slice is shorter than the tile needs: `a` `depth · mr`, `b` `depth · nr`, `tile` `mr ·
    /// nr`.
    #[inline]
    pub fn tile(&self, depth: usize, a: &[f32], b: &[f32], tile: &mut [f32]) {
        let (a, b) = (&a[..depth * self.mr], &b[..depth * self.nr]);
        let tile = &mut tile[..self.mr * self.nr];
        match self.isa {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the set was offered by this CPU, and the slices have exactly the lengths the
            // routine reads.
            Isa::Avx512 => unsafe { crate::x86_64::tile_avx512_8x32(depth, a, b, tile) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Isa::Avx2 => unsafe { crate::x86_64::tile_avx2_6x16(depth, a, b, tile) },
            _ => tile_scalar(self.mr, self.nr, a, b, tile),
        }
    }
}

/// The definition that the other instruction sets are tested against.
fn tile_scalar(mr: usize, nr: usize, a: &[f32], b: &[f32], tile: &mut [f32]) {
    tile.fill(0.0);
    for (a, b) in a.chunks_exact(mr).zip(b.chunks_exact(nr)) {
        for (row, weight) in tile.chunks_exact_mut(nr).zip(a) {
            for (sum, value) in row.iter_mut().zip(b) {
                *sum += weight * value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_agrees_with_the_scalar_twin() {
        for isa in cpu::available() {
            let tiles = Gemm::of(isa);
            for depth in [0, 1, 2, 3, 7, 8, 27, 64, 129] {
                let value = |i: usize| ((i * 37) % 101) as f32 / 50.0 - 1.0;
                let a: Vec<f32> = (0..depth * tiles.mr).map(value).collect();
                let b: Vec<f32> = (0..depth * tiles.nr).map(|i| value(i + 13)).collect();
                let (mut got, mut wanted) = (vec![9.0; MAX_TILE], vec![9.0; tiles.mr * tiles.nr]);
                tiles.tile(depth, &a, &b, &mut got);
                tile_scalar(tiles.mr, tiles.nr, &a, &b, &mut wanted);
                for (g, w) in got.iter().zip(&wanted) {
                    assert!(
                        (g - w).abs() <= 1e-4 * w.abs().max(1.0),
                        "{tiles:?} depth {depth}"
                    );
                }
            }
        }
    }

    #[test]
    fn packing_puts_rows_side_by_side_and_pads_with_zero() {
        let tiles = Gemm::of(Isa::Scalar);
        let a: Vec<f32> = (1..=10).map(|i| i as f32).collect();
        let packed = tiles.pack_a(&a, 5, 2);
        assert_eq!(packed[..8], [1.0, 3.0, 5.0, 7.0, 2.0, 4.0, 6.0, 8.0]);
        assert_eq!(packed[8..], [9.0, 0.0, 0.0, 0.0, 10.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    #[should_panic(expected = "range end index")]
    fn a_short_slice_never_reaches_the_routine() {
        Gemm::chosen().tile(4, &[0.0; 3], &[0.0; 1000], &mut [0.0; MAX_TILE]);
    }
}

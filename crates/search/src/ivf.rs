//! Who may be near? In: unit vectors. Out: for a vector the few that are worth comparing with.
//! Knows nothing of faces.
//!
//! An inverted file: vectors lie in the cells of their nearest centres. Where all are compared with all in their cells
//! ([`Wide`]), each lies in many; for single questions each lies in two, and a question looks into its three nearest.
//! Centres are vectors taken at even steps, moved once to the mean of what lies nearest to them; nothing is random, so
//! equal input gives equal output. Up to [`EXACT_UP_TO`] vectors everything is compared with everything.
//!
//! Source: Sivic and Zisserman, "Video Google" (2003); Jégou et al., "Product quantization" (2011), section on IVF. The
//! more cells a vector lies in, the more of its neighbours share one with it: Becker, Ducas, Gama and Laarhoven, "New
//! directions in nearest neighbor searching with applications to lattice sieving" (2016), section on spherical filters.

use fusiform_kernels::dot;
use rayon::prelude::*;

/// So many vectors are compared without cells; all pairs of them take about a second on one core.
pub const EXACT_UP_TO: usize = 10_000;
/// Cells in which a vector lies for single questions.
const HOMES: usize = 2;
/// Cells into which a question looks.
const LOOKS: usize = 3;
/// Cells in which a vector lies where all are compared; measured in bench/RESULTS.md, "Large albums".
const WIDE: usize = 8;
/// Vectors per centre from which the centres are moved.
const SAMPLE: usize = 24;
/// Vectors that meet the centres together; their copies fit the second-level cache.
const QUERIES: usize = 128;
/// Centres met by all of these before the next are read: half a first-level cache at 128 numbers each.
const TILE: usize = 32;

/// Vectors sorted into cells, for single questions.
pub struct Cells<'a> {
    vectors: Vec<&'a [f32]>,
    /// None when there are too few vectors to need any.
    inverted: Option<(Centres, Vec<Vec<u32>>)>,
}

/// Vectors sorted into cells so wide that neighbours share one, most likely.
pub struct Wide {
    /// The cells and who lies where.
    pub placed: Placed,
    /// For each cell the vectors in it, ascending.
    pub members: Vec<Vec<u32>>,
}

/// Centres, and for each vector the cells in which a single question finds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Placed {
    /// The cells' centres.
    pub centres: Centres,
    /// Of each vector its nearest cells.
    pub homes: Vec<[u32; HOMES]>,
}

/// What cells lie around; there are more than [`WIDE`].
#[derive(Debug, Clone, PartialEq)]
pub struct Centres {
    length: usize,
    values: Vec<f32>,
}

impl<'a> Cells<'a> {
    /// Sorts vectors into cells.
    pub fn of(vectors: Vec<&'a [f32]>) -> Cells<'a> {
        let inverted = (vectors.len() > EXACT_UP_TO).then(|| {
            let centres = Centres::of(&vectors);
            let members = centres.members(&centres.nearest_of_each::<HOMES>(&vectors));
            (centres, members)
        });
        Cells { vectors, inverted }
    }

    /// Positions of the vectors worth comparing with, ascending, each once.
    pub fn near(&self, vector: &[f32]) -> Vec<u32> {
        let Some((centres, members)) = &self.inverted else {
            return (0..self.vectors.len() as u32).collect();
        };
        let looks = centres.looks(vector).into_iter();
        let mut found: Vec<u32> = looks
            .flat_map(|cell| members[cell as usize].iter().copied())
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl Wide {
    /// Sorts vectors into cells, each into several.
    pub fn of(vectors: &[&[f32]]) -> Wide {
        let centres = Centres::of(vectors);
        let wide = centres.nearest_of_each::<WIDE>(vectors);
        let members = centres.members(&wide);
        let homes = wide.iter().map(|cells| [cells[0], cells[1]]).collect();
        Wide {
            placed: Placed { centres, homes },
            members,
        }
    }
}

impl Centres {
    /// Of the vectors of cells, in order.
    pub fn from_vectors(vectors: &[impl AsRef<[f32]>]) -> Centres {
        Centres {
            length: vectors.first().map_or(0, |v| v.as_ref().len()),
            values: vectors
                .iter()
                .flat_map(|v| v.as_ref().iter().copied())
                .collect(),
        }
    }

    /// The vector of each cell, in order.
    pub fn vectors(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.length)
    }

    /// The cells into which a question for a vector looks.
    pub fn looks(&self, vector: &[f32]) -> [u32; LOOKS] {
        self.nearest_of_each(&[vector])[0]
    }

    /// The cells in which a vector lies for single questions.
    pub fn homes(&self, vector: &[f32]) -> [u32; HOMES] {
        self.nearest_of_each(&[vector])[0]
    }

    /// Centres for so many vectors, which are more than a few.
    fn of(vectors: &[&[f32]]) -> Centres {
        let n_cells = ((4.0 * (vectors.len() as f64).sqrt()) as usize).max(WIDE + 1);
        let step = vectors.len() as f64 / n_cells as f64;
        let taken: Vec<&[f32]> = (0..n_cells)
            .map(|i| vectors[(i as f64 * step) as usize])
            .collect();
        let mut centres = Centres::from_vectors(&taken);
        let stride = (vectors.len() / (n_cells * SAMPLE)).max(1);
        let sample: Vec<&[f32]> = vectors.iter().step_by(stride).copied().collect();
        let homes = centres.nearest_of_each::<1>(&sample);
        let mut sums = vec![0.0f32; centres.values.len()];
        for (vector, [home]) in sample.iter().zip(homes) {
            let sum = &mut sums[home as usize * centres.length..][..centres.length];
            sum.iter_mut().zip(*vector).for_each(|(s, v)| *s += v);
        }
        let old = centres.values.chunks_exact_mut(centres.length);
        for (centre, sum) in old.zip(sums.chunks_exact(centres.length)) {
            let length = dot::f32(sum, sum).sqrt();
            if length > 0.0 {
                centre
                    .iter_mut()
                    .zip(sum)
                    .for_each(|(c, s)| *c = s / length);
            }
        }
        centres
    }

    /// For each vector its `N` nearest cells, nearest first, ties to the first.
    fn nearest_of_each<const N: usize>(&self, vectors: &[&[f32]]) -> Vec<[u32; N]> {
        let together = vectors.par_chunks(QUERIES);
        together.flat_map_iter(|some| self.nearest(some)).collect()
    }

    fn nearest<const N: usize>(&self, vectors: &[&[f32]]) -> Vec<[u32; N]> {
        let queries = vectors.concat();
        let mut best = vec![[(f32::NEG_INFINITY, 0u32); N]; vectors.len()];
        let mut alike = vec![0.0; vectors.len() * TILE];
        let tiles = self.values.chunks(TILE * self.length);
        for (tile, centres) in tiles.enumerate() {
            let n = centres.len() / self.length;
            let alike = &mut alike[..vectors.len() * n];
            dot::f32_block(&queries, centres, self.length, alike);
            for (best, alike) in best.iter_mut().zip(alike.chunks_exact(n)) {
                if !alike
                    .iter()
                    .fold(false, |any, near| any | (*near > best[N - 1].0))
                {
                    continue;
                }
                for (near, at) in alike.iter().zip((tile * TILE) as u32..) {
                    if *near > best[N - 1].0 {
                        let place = best.iter().position(|b| *near > b.0).unwrap_or(N - 1);
                        best[place..].rotate_right(1);
                        best[place] = (*near, at);
                    }
                }
            }
        }
        best.into_iter().map(|best| best.map(|b| b.1)).collect()
    }

    /// For each cell the vectors in it, ascending, from the cells of each vector.
    fn members<const N: usize>(&self, cells: &[[u32; N]]) -> Vec<Vec<u32>> {
        let mut members = vec![Vec::new(); self.vectors().len()];
        for (at, cells) in cells.iter().enumerate() {
            for cell in cells {
                members[*cell as usize].push(at as u32);
            }
        }
        members
    }
}

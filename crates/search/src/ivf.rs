//! An inverted file: which vectors are worth comparing with a query. In: unit vectors. Out: for a
//! query the slots in the lists of its nearest centroids. Approximate. Knows nothing of faces.
//!
//! Each of `nlist` centroids has a list of the vectors near it. For single queries a vector is in
//! the lists of its [`LISTS_PER_VECTOR`] nearest centroids, and a query reads `nprobe` = [`NPROBE`]
//! lists. Where all vectors of a list are compared with each other ([`OverlappingLists`]), each is
//! in [`OVERLAP`] lists. Centroids are vectors taken at even steps and moved once to the mean of
//! the vectors nearest to them (one step of k-means); nothing is random, so equal input gives equal
//! output. Up to [`EXACT_UP_TO`] vectors there is no inverted file: a query is compared with all.
//!
//! Source: Sivic and Zisserman, "Video Google" (2003); Jégou et al., "Product quantization" (2011),
//! section on IVF. The more lists a vector is in, the more of its neighbors share one with it:
//! Becker, Ducas, Gama and Laarhoven, "New directions in nearest neighbor searching with
//! applications to lattice sieving" (2016), section on spherical filters.

use fusiform_kernels::dot;
use rayon::prelude::*;

/// So many vectors are compared exactly; all pairs of them take about a second on one core.
pub const EXACT_UP_TO: usize = 10_000;
/// Lists that a vector is in for single queries.
pub const LISTS_PER_VECTOR: usize = 2;
/// Lists that a query reads.
pub const NPROBE: usize = 3;
/// Lists that a vector is in where all vectors of a list are compared; measured in
/// bench/RESULTS.md, "Large albums".
pub const OVERLAP: usize = 8;
/// Vectors per centroid from which the centroids are moved.
const TRAINING_VECTORS_PER_LIST: usize = 24;
/// Vectors that meet the centroids together; their copies fit the second-level cache.
const VECTORS_PER_PASS: usize = 128;
/// Centroids met by all of these before the next are read: half a first-level cache at 128 values
/// each.
const TILE: usize = 32;

/// Vectors in inverted lists, for single queries.
///
/// # Example
/// ```
/// let vectors = [[1.0, 0.0], [0.0, 1.0]];
/// let file = fusiform_search::ivf::InvertedFile::new(vectors.iter().map(|v| &v[..]).collect());
/// assert_eq!(file.candidates(&[0.6, 0.8]), [0, 1]);
/// ```
pub struct InvertedFile<'a> {
    vectors: Vec<&'a [f32]>,
    /// None while all are compared.
    inverted: Option<(Centroids, Vec<Vec<u32>>)>,
}

/// Lists that overlap so much that most neighbors share one.
pub struct OverlappingLists {
    /// The centroids, and in which lists a single query finds each vector.
    pub assignment: Assignment,
    /// For each centroid the slots of the vectors in its list, ascending.
    pub lists: Vec<Vec<u32>>,
}

/// Centroids, and for each vector the lists it is in.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// One for each list.
    pub centroids: Centroids,
    /// Of each vector the lists of its nearest centroids, nearest first.
    pub lists: Vec<[u32; LISTS_PER_VECTOR]>,
}

/// Centroids of lists; there are more than [`OVERLAP`].
#[derive(Debug, Clone, PartialEq)]
pub struct Centroids {
    dimensions: usize,
    values: Vec<f32>,
}

impl<'a> InvertedFile<'a> {
    /// Assigns vectors to lists.
    pub fn new(vectors: Vec<&'a [f32]>) -> InvertedFile<'a> {
        let inverted = (vectors.len() > EXACT_UP_TO).then(|| {
            let centroids = Centroids::train(&vectors);
            let lists = centroids.invert(&centroids.assign_all::<LISTS_PER_VECTOR>(&vectors));
            (centroids, lists)
        });
        InvertedFile { vectors, inverted }
    }

    /// Slots of the vectors worth comparing with, ascending, each once.
    pub fn candidates(&self, query: &[f32]) -> Vec<u32> {
        let Some((centroids, lists)) = &self.inverted else {
            return (0..self.vectors.len() as u32).collect();
        };
        let probed = centroids.probe(query).into_iter();
        let mut found: Vec<u32> = probed
            .flat_map(|list| lists[list as usize].iter().copied())
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

impl OverlappingLists {
    /// Assigns each vector to the lists of its [`OVERLAP`] nearest centroids.
    pub fn new(vectors: &[&[f32]]) -> OverlappingLists {
        let centroids = Centroids::train(vectors);
        let nearest = centroids.assign_all::<OVERLAP>(vectors);
        let lists = centroids.invert(&nearest);
        let assigned = nearest.iter().map(|lists| [lists[0], lists[1]]).collect();
        OverlappingLists {
            assignment: Assignment {
                centroids,
                lists: assigned,
            },
            lists,
        }
    }
}

impl Centroids {
    /// Of stored vectors, one for each list, in order.
    pub fn from_vectors(vectors: &[impl AsRef<[f32]>]) -> Centroids {
        Centroids {
            dimensions: vectors.first().map_or(0, |v| v.as_ref().len()),
            values: vectors
                .iter()
                .flat_map(|v| v.as_ref().iter().copied())
                .collect(),
        }
    }

    /// The vector of each centroid, in order.
    pub fn vectors(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.dimensions)
    }

    /// The lists that a query reads, nearest first.
    pub fn probe(&self, query: &[f32]) -> [u32; NPROBE] {
        self.assign_all(&[query])[0]
    }

    /// The lists that a vector goes into, nearest first.
    pub fn assign(&self, vector: &[f32]) -> [u32; LISTS_PER_VECTOR] {
        self.assign_all(&[vector])[0]
    }

    /// 4·√n centroids of n vectors, which are more than a few.
    fn train(vectors: &[&[f32]]) -> Centroids {
        let nlist = ((4.0 * (vectors.len() as f64).sqrt()) as usize).max(OVERLAP + 1);
        let step = vectors.len() as f64 / nlist as f64;
        let taken: Vec<&[f32]> = (0..nlist)
            .map(|i| vectors[(i as f64 * step) as usize])
            .collect();
        let mut centroids = Centroids::from_vectors(&taken);
        let stride = (vectors.len() / (nlist * TRAINING_VECTORS_PER_LIST)).max(1);
        let sample: Vec<&[f32]> = vectors.iter().step_by(stride).copied().collect();
        let nearest = centroids.assign_all::<1>(&sample);
        let mut sums = vec![0.0f32; centroids.values.len()];
        for (vector, [list]) in sample.iter().zip(nearest) {
            let sum = &mut sums[list as usize * centroids.dimensions..][..centroids.dimensions];
            sum.iter_mut().zip(*vector).for_each(|(s, v)| *s += v);
        }
        let old = centroids.values.chunks_exact_mut(centroids.dimensions);
        for (centroid, sum) in old.zip(sums.chunks_exact(centroids.dimensions)) {
            let norm = dot::f32(sum, sum).sqrt();
            if norm > 0.0 {
                let values = centroid.iter_mut().zip(sum);
                values.for_each(|(c, s)| *c = s / norm);
            }
        }
        centroids
    }

    /// For each vector its `N` nearest centroids, nearest first, ties to the first.
    fn assign_all<const N: usize>(&self, vectors: &[&[f32]]) -> Vec<[u32; N]> {
        let passes = vectors.par_chunks(VECTORS_PER_PASS);
        passes.flat_map_iter(|pass| self.nearest(pass)).collect()
    }

    fn nearest<const N: usize>(&self, vectors: &[&[f32]]) -> Vec<[u32; N]> {
        let queries = vectors.concat();
        let mut best = vec![[(f32::NEG_INFINITY, 0u32); N]; vectors.len()];
        let mut similarities = vec![0.0; vectors.len() * TILE];
        let tiles = self.values.chunks(TILE * self.dimensions);
        for (tile, centroids) in tiles.enumerate() {
            let n = centroids.len() / self.dimensions;
            let similarities = &mut similarities[..vectors.len() * n];
            dot::f32_block(&queries, centroids, self.dimensions, similarities);
            for (best, similarities) in best.iter_mut().zip(similarities.chunks_exact(n)) {
                let nearer = |any, near: &f32| any | (*near > best[N - 1].0);
                if !similarities.iter().fold(false, nearer) {
                    continue;
                }
                for (near, list) in similarities.iter().zip((tile * TILE) as u32..) {
                    if *near > best[N - 1].0 {
                        let rank = best.iter().position(|b| *near > b.0).unwrap_or(N - 1);
                        best[rank..].rotate_right(1);
                        best[rank] = (*near, list);
                    }
                }
            }
        }
        best.into_iter().map(|best| best.map(|b| b.1)).collect()
    }

    /// For each list the slots of the vectors in it, ascending, from the lists of each vector.
    fn invert<const N: usize>(&self, assigned: &[[u32; N]]) -> Vec<Vec<u32>> {
        let mut lists = vec![Vec::new(); self.vectors().len()];
        for (slot, assigned) in assigned.iter().enumerate() {
            for list in assigned {
                lists[*list as usize].push(slot as u32);
            }
        }
        lists
    }
}

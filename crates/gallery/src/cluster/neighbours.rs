//! Which faces are near each other? In: vectors. Out: pairs above the floor, each once. Knows nothing of groups.

use fusiform_kernels::dot;
use rayon::prelude::*;

use super::cells::Cells;
use super::{ClusterFace, ClusterOptions, MAX_NEIGHBOURS};

/// Two faces, by position, and how alike they are.
pub(super) struct Pair {
    pub(super) similarity: f32,
    pub(super) a: u32,
    pub(super) b: u32,
}

/// The nearest neighbours of the faces from position `first` on, among all faces.
pub(super) fn pairs(faces: &[ClusterFace], first: usize, options: &ClusterOptions) -> Vec<Pair> {
    let cells = Cells::with(
        faces.iter().map(|f| f.vector).collect(),
        options.exact_up_to,
    );
    let of_face = |a: usize| {
        let mut near: Vec<(f32, u32)> = cells
            .near(faces[a].vector)
            .into_iter()
            .filter(|b| *b as usize != a)
            .map(|b| (dot::f32(faces[a].vector, faces[b as usize].vector), b))
            .filter(|(similarity, _)| *similarity > options.floor_similarity)
            .collect();
        near.sort_unstable_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
        near.truncate(MAX_NEIGHBOURS);
        near.into_iter().map(move |(similarity, b)| Pair {
            similarity,
            a: b.min(a as u32),
            b: b.max(a as u32),
        })
    };
    let mut pairs: Vec<Pair> = (first..faces.len())
        .into_par_iter()
        .flat_map_iter(of_face)
        .collect();
    pairs.par_sort_unstable_by_key(|pair| (pair.a, pair.b));
    pairs.dedup_by_key(|pair| (pair.a, pair.b));
    pairs
}

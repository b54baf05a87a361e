//! Which faces are near each other? In: vectors. Out: pairs above the floor, each once. Knows nothing of groups.

use fusiform_kernels::dot;
use rayon::prelude::*;

use super::cells::{Cells, Placed};
use super::{ClusterFace, ClusterOptions, MAX_NEIGHBOURS};

/// How often the neighbours of neighbours are looked at, after the cells.
const ROUNDS: usize = 2;
/// Of each neighbour so many neighbours, the nearest, are looked at.
const OF_EACH: usize = 16;

/// Two faces, by position, and how alike they are.
pub(super) struct Pair {
    pub(super) similarity: f32,
    pub(super) a: u32,
    pub(super) b: u32,
}

/// The nearest neighbours of the faces from position `first` on, among all faces; and where these lie, if in cells.
pub(super) fn pairs(
    faces: &[ClusterFace],
    first: usize,
    options: &ClusterOptions,
) -> (Vec<Pair>, Option<Placed>) {
    let by_cells = first == 0 && faces.len() > options.exact_up_to;
    let cells = Cells::with(
        faces.iter().map(|f| f.vector).collect(),
        options.exact_up_to,
    );
    let nearest = |a: usize, among: Vec<u32>| -> Vec<(f32, u32)> {
        let mut near: Vec<(f32, u32)> = among
            .into_iter()
            .filter(|b| *b as usize != a)
            .map(|b| (dot::f32(faces[a].vector, faces[b as usize].vector), b))
            .filter(|(similarity, _)| *similarity > options.floor_similarity)
            .collect();
        near.sort_unstable_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
        near.truncate(MAX_NEIGHBOURS);
        near
    };
    let mut near: Vec<Vec<(f32, u32)>> = (first..faces.len())
        .into_par_iter()
        .map(|a| nearest(a, cells.near(faces[a].vector)))
        .collect();
    if by_cells {
        // Cells miss some; whoever is near a neighbour is likely near too.
        for _ in 0..ROUNDS {
            near = (0..faces.len())
                .into_par_iter()
                .map(|a| nearest(a, around(&near, a)))
                .collect();
        }
    }
    let mut pairs: Vec<Pair> = near
        .into_par_iter()
        .enumerate()
        .flat_map_iter(|(at, near)| {
            let a = (first + at) as u32;
            near.into_iter().map(move |(similarity, b)| Pair {
                similarity,
                a: b.min(a),
                b: b.max(a),
            })
        })
        .collect();
    pairs.par_sort_unstable_by_key(|pair| (pair.a, pair.b));
    pairs.dedup_by_key(|pair| (pair.a, pair.b));
    (pairs, cells.placed())
}

/// The neighbours of a face and theirs, each once.
///
/// # Source
/// Dong, Moses and Li, "Efficient k-nearest neighbor graph construction" (NN-descent), WWW 2011.
fn around(near: &[Vec<(f32, u32)>], a: usize) -> Vec<u32> {
    let theirs = near[a].iter().flat_map(|(_, b)| {
        let of_b = near[*b as usize].iter().take(OF_EACH);
        of_b.map(|(_, c)| *c).chain([*b])
    });
    let mut all: Vec<u32> = theirs.collect();
    all.sort_unstable();
    all.dedup();
    all
}

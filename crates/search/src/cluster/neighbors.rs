//! The neighbor graph. In: vectors. Out: pairs above the floor, each once. Knows nothing of groups.
//!
//! Faces are compared in blocks: of few faces all pairs, of many all pairs that share an inverted
//! list. The nearest neighbors of a face do not depend on the order in which pairs are compared.

use fusiform_kernels::dot;
use rayon::prelude::*;

use super::input::{ClusterFace, ClusterOptions, MAX_NEIGHBORS};
use crate::ivf::{Assignment, OverlappingLists};

/// Of each neighbor so many of its own neighbors, the nearest, are compared.
const NEIGHBORS_OF_NEIGHBOR: usize = 16;
/// Faces of a list that are compared at once with as many others.
const BLOCK: usize = 2048;
/// Pairs of blocks that are compared before their results are merged.
const BLOCK_PAIRS_PER_MERGE: usize = 64;
/// Rows that meet the columns of a tile together, and columns of a tile: half a first-level cache
/// at 128 values each.
const ROWS: usize = 128;
const TILE: usize = 32;

/// Two faces, by position, and their similarity.
pub(super) struct Pair {
    pub(super) similarity: f32,
    pub(super) a: u32,
    pub(super) b: u32,
}

/// The nearest neighbors of the faces from position `first` on, among all faces; and the inverted
/// lists of these, if there are any.
pub(super) fn pairs(
    faces: &[ClusterFace],
    first: usize,
    options: &ClusterOptions,
) -> (Vec<Pair>, Option<Assignment>) {
    let floor = options.floor_similarity;
    if first > 0 {
        return (pairs_of(&nearest_of_new(faces, first, floor)), None);
    }
    if faces.len() <= options.exact_up_to {
        let all: Vec<u32> = (0..faces.len() as u32).collect();
        return (pairs_of(&within(faces, &[all], floor)), None);
    }
    let vectors: Vec<&[f32]> = faces.iter().map(|f| f.vector).collect();
    let OverlappingLists { assignment, lists } = OverlappingLists::new(&vectors);
    let near = within(faces, &lists, floor);
    // Lists miss some; a neighbor of a neighbor is likely a neighbor.
    let near: Vec<Nearest> = (0..faces.len())
        .into_par_iter()
        .map(|a| with_second_order(faces, &near, a))
        .collect();
    (pairs_of(&near), Some(assignment))
}

/// The nearest neighbors of one face.
#[derive(Clone)]
struct Nearest {
    /// A face below this similarity is not among them.
    threshold: f32,
    /// In no order, each once.
    found: Vec<(f32, u32)>,
}

/// The nearer is less; ties go to the earlier.
fn nearer(x: &(f32, u32), y: &(f32, u32)) -> std::cmp::Ordering {
    y.0.total_cmp(&x.0).then(x.1.cmp(&y.1))
}

impl Nearest {
    fn above(floor: f32) -> Nearest {
        Nearest {
            threshold: floor.next_up(),
            found: Vec::new(),
        }
    }

    fn contains(&self, other: u32) -> bool {
        self.found.iter().any(|(_, known)| *known == other)
    }

    /// Keeps a face that is not kept yet, if it is near enough.
    #[inline]
    fn offer(&mut self, similarity: f32, other: u32) {
        if similarity >= self.threshold {
            self.keep(similarity, other);
        }
    }

    fn keep(&mut self, similarity: f32, other: u32) {
        if self.found.len() < MAX_NEIGHBORS {
            if self.found.len() == self.found.capacity() {
                // There may be a million of these: doubling would leave half of the memory empty.
                self.found.reserve_exact(8);
            }
            self.found.push((similarity, other));
        } else {
            let worst = (0..MAX_NEIGHBORS).max_by(|x, y| nearer(&self.found[*x], &self.found[*y]));
            let Some(worst) =
                worst.filter(|w| nearer(&(similarity, other), &self.found[*w]).is_lt())
            else {
                return;
            };
            self.found[worst] = (similarity, other);
        }
        if self.found.len() == MAX_NEIGHBORS {
            self.threshold = self
                .found
                .iter()
                .fold(f32::INFINITY, |least, f| least.min(f.0));
        }
    }
}

/// The nearest of each face from position `first` on; none for those before.
fn nearest_of_new(faces: &[ClusterFace], first: usize, floor: f32) -> Vec<Nearest> {
    let nearest = |a: usize| {
        let mut near = Nearest::above(floor);
        for (b, face) in (0..).zip(faces).filter(|(b, _)| *b as usize != a) {
            near.offer(dot::f32(faces[a].vector, face.vector), b);
        }
        near
    };
    let mut near = vec![Nearest::above(floor); first];
    near.par_extend((first..faces.len()).into_par_iter().map(nearest));
    near
}

/// The nearest of each face, among those that share a list with it.
fn within(faces: &[ClusterFace], lists: &[Vec<u32>], floor: f32) -> Vec<Nearest> {
    let mut near = vec![Nearest::above(floor); faces.len()];
    let mut block_pairs: Vec<(&[u32], &[u32])> = Vec::new();
    for list in lists {
        for (i, rows) in list.chunks(BLOCK).enumerate() {
            block_pairs.extend(list.chunks(BLOCK).skip(i).map(|columns| (rows, columns)));
        }
    }
    for some in block_pairs.chunks(BLOCK_PAIRS_PER_MERGE) {
        let found: Vec<Vec<(u32, Nearest)>> = some
            .par_iter()
            .map(|(rows, columns)| compare_blocks(faces, rows, columns, floor))
            .collect();
        for (at, nearest) in found.into_iter().flatten() {
            let near = &mut near[at as usize];
            for (similarity, other) in nearest.found {
                if similarity >= near.threshold && !near.contains(other) {
                    near.keep(similarity, other);
                }
            }
        }
    }
    near
}

/// The nearest of each row face among the column faces, and of each column face among the rows; or
/// among themselves if both are the same.
fn compare_blocks(
    faces: &[ClusterFace],
    rows: &[u32],
    columns: &[u32],
    floor: f32,
) -> Vec<(u32, Nearest)> {
    let same = std::ptr::eq(rows, columns);
    let copied = |who: &[u32]| -> Vec<f32> {
        let vectors = who.iter().map(|at| faces[*at as usize].vector);
        vectors.flatten().copied().collect()
    };
    let length = faces.first().map_or(0, |f| f.vector.len());
    let of_rows = copied(rows);
    let of_columns = if same { Vec::new() } else { copied(columns) };
    let of_columns = if same { &of_rows } else { &of_columns };
    let mut near_rows = vec![Nearest::above(floor); rows.len()];
    let mut near_columns = if same {
        Vec::new()
    } else {
        vec![Nearest::above(floor); columns.len()]
    };
    let mut similarities = vec![0.0; ROWS * TILE];
    for (r, some_rows) in of_rows.chunks(ROWS * length).enumerate() {
        let first_row = r * ROWS;
        for (c, tile) in of_columns.chunks(TILE * length).enumerate() {
            let first_column = c * TILE;
            let n = tile.len() / length;
            // Only pairs with column < row are compared, so that each is compared once.
            if same && first_column >= first_row + some_rows.len() / length {
                break;
            }
            let similarities = &mut similarities[..some_rows.len() / length * n];
            dot::f32_block(some_rows, tile, length, similarities);
            for (row, similarities) in (first_row..).zip(similarities.chunks_exact(n)) {
                if !similarities
                    .iter()
                    .fold(false, |any, near| any | (*near > floor))
                {
                    continue;
                }
                for (column, similarity) in (first_column..).zip(similarities) {
                    if *similarity > floor && !(same && column >= row) {
                        near_rows[row].offer(*similarity, columns[column]);
                        let theirs = if same {
                            &mut near_rows
                        } else {
                            &mut near_columns
                        };
                        theirs[column].offer(*similarity, rows[row]);
                    }
                }
            }
        }
    }
    let of_rows = rows.iter().copied().zip(near_rows);
    of_rows
        .chain(columns.iter().copied().zip(near_columns))
        .collect()
}

/// The nearest of a face among its neighbors and theirs.
///
/// # Source
/// Dong, Moses and Li, "Efficient k-nearest neighbor graph construction" (NN-descent), WWW 2011.
fn with_second_order(faces: &[ClusterFace], near: &[Nearest], a: usize) -> Nearest {
    let mut all = near[a].clone();
    let mut theirs: Vec<u32> = Vec::new();
    for (_, b) in &near[a].found {
        let mut of_b = near[*b as usize].found.clone();
        if of_b.len() > NEIGHBORS_OF_NEIGHBOR {
            of_b.select_nth_unstable_by(NEIGHBORS_OF_NEIGHBOR - 1, nearer);
            of_b.truncate(NEIGHBORS_OF_NEIGHBOR);
        }
        theirs.extend(of_b.into_iter().map(|(_, c)| c));
    }
    theirs.sort_unstable();
    theirs.dedup();
    for c in theirs {
        if c as usize != a && !near[a].contains(c) {
            all.offer(dot::f32(faces[a].vector, faces[c as usize].vector), c);
        }
    }
    all
}

/// Each pair once, if either is among the nearest of the other.
fn pairs_of(near: &[Nearest]) -> Vec<Pair> {
    let mut pairs = Vec::with_capacity(near.iter().map(|n| n.found.len()).sum());
    for (of_a, a) in near.iter().zip(0u32..) {
        for (similarity, b) in &of_a.found {
            if a < *b || !near[*b as usize].contains(a) {
                pairs.push(Pair {
                    similarity: *similarity,
                    a: a.min(*b),
                    b: a.max(*b),
                });
            }
        }
    }
    pairs
}

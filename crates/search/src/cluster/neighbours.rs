//! Which faces are near each other? In: vectors. Out: pairs above the floor, each once. Knows nothing of groups.
//!
//! Faces are compared in blocks, all with all: of few faces every pair, of many those of each cell. What the nearest of a
//! face are does not depend on the order in which pairs meet.

use fusiform_kernels::dot;
use rayon::prelude::*;

use super::{ClusterFace, ClusterOptions, MAX_NEIGHBOURS};
use crate::ivf::{Placed, Wide};

/// Of each neighbour so many neighbours, the nearest, are looked at.
const OF_EACH: usize = 16;
/// Faces of a cell that are compared at once with as many others.
const BLOCK: usize = 2048;
/// Blocks that are compared before what they found is put together.
const WAVE: usize = 64;
/// Rows that meet the columns of a tile together, and columns of a tile: half a first-level cache at 128 numbers each.
const ROWS: usize = 128;
const TILE: usize = 32;

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
    let floor = options.floor_similarity;
    if first > 0 {
        return (of_each(&of_new(faces, first, floor)), None);
    }
    if faces.len() <= options.exact_up_to {
        let all: Vec<u32> = (0..faces.len() as u32).collect();
        return (of_each(&within(faces, &[all], floor)), None);
    }
    let vectors: Vec<&[f32]> = faces.iter().map(|f| f.vector).collect();
    let Wide { placed, members } = Wide::of(&vectors);
    let near = within(faces, &members, floor);
    // Cells miss some; whoever is near a neighbour is likely near too.
    let near: Vec<Nearest> = (0..faces.len())
        .into_par_iter()
        .map(|a| with_theirs(faces, &near, a))
        .collect();
    (of_each(&near), Some(placed))
}

/// The nearest neighbours of one face.
#[derive(Clone)]
struct Nearest {
    /// Who is less alike is none of them.
    least: f32,
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
            least: floor.next_up(),
            found: Vec::new(),
        }
    }

    fn knows(&self, other: u32) -> bool {
        self.found.iter().any(|(_, known)| *known == other)
    }

    /// Keeps somebody who is not kept yet, if near enough.
    #[inline]
    fn meet(&mut self, similarity: f32, other: u32) {
        if similarity >= self.least {
            self.keep(similarity, other);
        }
    }

    fn keep(&mut self, similarity: f32, other: u32) {
        if self.found.len() < MAX_NEIGHBOURS {
            if self.found.len() == self.found.capacity() {
                // Of a million such lists, doubling would leave half of the memory empty.
                self.found.reserve_exact(8);
            }
            self.found.push((similarity, other));
        } else {
            let worst = (0..MAX_NEIGHBOURS).max_by(|x, y| nearer(&self.found[*x], &self.found[*y]));
            let Some(worst) =
                worst.filter(|w| nearer(&(similarity, other), &self.found[*w]).is_lt())
            else {
                return;
            };
            self.found[worst] = (similarity, other);
        }
        if self.found.len() == MAX_NEIGHBOURS {
            self.least = self
                .found
                .iter()
                .fold(f32::INFINITY, |least, f| least.min(f.0));
        }
    }
}

/// The nearest of each face from position `first` on; nobody's of those before.
fn of_new(faces: &[ClusterFace], first: usize, floor: f32) -> Vec<Nearest> {
    let nearest = |a: usize| {
        let mut near = Nearest::above(floor);
        for (b, face) in (0..).zip(faces).filter(|(b, _)| *b as usize != a) {
            near.meet(dot::f32(faces[a].vector, face.vector), b);
        }
        near
    };
    let mut near = vec![Nearest::above(floor); first];
    near.par_extend((first..faces.len()).into_par_iter().map(nearest));
    near
}

/// The nearest of each face, among those that share a cell with it.
fn within(faces: &[ClusterFace], cells: &[Vec<u32>], floor: f32) -> Vec<Nearest> {
    let mut near = vec![Nearest::above(floor); faces.len()];
    let mut meetings: Vec<(&[u32], &[u32])> = Vec::new();
    for cell in cells {
        for (at, rows) in cell.chunks(BLOCK).enumerate() {
            meetings.extend(cell.chunks(BLOCK).skip(at).map(|columns| (rows, columns)));
        }
    }
    for wave in meetings.chunks(WAVE) {
        let found: Vec<Vec<(u32, Nearest)>> = wave
            .par_iter()
            .map(|(rows, columns)| meeting(faces, rows, columns, floor))
            .collect();
        for (at, nearest) in found.into_iter().flatten() {
            let near = &mut near[at as usize];
            for (similarity, other) in nearest.found {
                if similarity >= near.least && !near.knows(other) {
                    near.keep(similarity, other);
                }
            }
        }
    }
    near
}

/// The nearest of each of some faces among others, and of these among the former; or among themselves if they are the
/// same.
fn meeting(
    faces: &[ClusterFace],
    rows: &[u32],
    columns: &[u32],
    floor: f32,
) -> Vec<(u32, Nearest)> {
    let themselves = std::ptr::eq(rows, columns);
    let copied = |who: &[u32]| -> Vec<f32> {
        let vectors = who.iter().map(|at| faces[*at as usize].vector);
        vectors.flatten().copied().collect()
    };
    let length = faces.first().map_or(0, |f| f.vector.len());
    let of_rows = copied(rows);
    let of_columns = if themselves {
        Vec::new()
    } else {
        copied(columns)
    };
    let of_columns = if themselves { &of_rows } else { &of_columns };
    let mut near_rows = vec![Nearest::above(floor); rows.len()];
    let mut near_columns = if themselves {
        Vec::new()
    } else {
        vec![Nearest::above(floor); columns.len()]
    };
    let mut alike = vec![0.0; ROWS * TILE];
    for (r, some_rows) in of_rows.chunks(ROWS * length).enumerate() {
        let first_row = r * ROWS;
        for (c, tile) in of_columns.chunks(TILE * length).enumerate() {
            let first_column = c * TILE;
            let n = tile.len() / length;
            // Each pair meets once: the column comes before the row.
            if themselves && first_column >= first_row + some_rows.len() / length {
                break;
            }
            let alike = &mut alike[..some_rows.len() / length * n];
            dot::f32_block(some_rows, tile, length, alike);
            for (row, alike) in (first_row..).zip(alike.chunks_exact(n)) {
                if !alike.iter().fold(false, |any, near| any | (*near > floor)) {
                    continue;
                }
                for (column, similarity) in (first_column..).zip(alike) {
                    if *similarity > floor && !(themselves && column >= row) {
                        near_rows[row].meet(*similarity, columns[column]);
                        let theirs = if themselves {
                            &mut near_rows
                        } else {
                            &mut near_columns
                        };
                        theirs[column].meet(*similarity, rows[row]);
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

/// The nearest of a face among its neighbours and theirs.
///
/// # Source
/// Dong, Moses and Li, "Efficient k-nearest neighbor graph construction" (NN-descent), WWW 2011.
fn with_theirs(faces: &[ClusterFace], near: &[Nearest], a: usize) -> Nearest {
    let mut all = near[a].clone();
    let mut theirs: Vec<u32> = Vec::new();
    for (_, b) in &near[a].found {
        let mut of_b = near[*b as usize].found.clone();
        if of_b.len() > OF_EACH {
            of_b.select_nth_unstable_by(OF_EACH - 1, nearer);
            of_b.truncate(OF_EACH);
        }
        theirs.extend(of_b.into_iter().map(|(_, c)| c));
    }
    theirs.sort_unstable();
    theirs.dedup();
    for c in theirs {
        if c as usize != a && !near[a].knows(c) {
            all.meet(dot::f32(faces[a].vector, faces[c as usize].vector), c);
        }
    }
    all
}

/// Each pair once, if either is among the nearest of the other.
fn of_each(near: &[Nearest]) -> Vec<Pair> {
    let mut pairs = Vec::with_capacity(near.iter().map(|n| n.found.len()).sum());
    for (of_a, a) in near.iter().zip(0u32..) {
        for (similarity, b) in &of_a.found {
            if a < *b || !near[*b as usize].knows(a) {
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

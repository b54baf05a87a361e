//! Who may be near? In: unit vectors. Out: for a vector the few that are worth comparing with.
//! Knows nothing of faces.
//!
//! An inverted file: vectors lie in the cells of their two nearest centres, and a question looks into its three
//! nearest. Centres are vectors taken at even steps, moved once to the mean of what lies nearest to them; nothing is
//! random, so equal input gives equal output. Up to [`EXACT_UP_TO`] vectors everything is compared with everything.
//!
//! Source: Sivic and Zisserman, "Video Google" (2003); Jégou et al., "Product quantization" (2011), section on IVF.

use fusiform_kernels::dot;
use rayon::prelude::*;

/// So many vectors are compared without cells; all pairs of them take about a second on one core.
pub const EXACT_UP_TO: usize = 10_000;
/// Cells in which a vector lies.
const HOMES: usize = 2;
/// Cells into which a question looks; measured in bench/RESULTS.md, "Grouping".
const LOOKS: usize = 3;
/// Vectors per centre from which the centres are moved.
const SAMPLE: usize = 24;

/// Vectors sorted into cells.
pub(crate) struct Cells<'a> {
    vectors: Vec<&'a [f32]>,
    /// None when there are too few vectors to need any.
    inverted: Option<Inverted>,
}

struct Inverted {
    placed: Placed,
    members: Vec<Vec<u32>>,
}

/// Centres, and for each vector the cells it lies in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Placed {
    pub(crate) centres: Centres,
    pub(crate) homes: Vec<[usize; HOMES]>,
}

/// What cells lie around.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Centres(pub(crate) Vec<Vec<f32>>);

impl<'a> Cells<'a> {
    pub(crate) fn of(vectors: Vec<&'a [f32]>) -> Cells<'a> {
        Cells::with(vectors, EXACT_UP_TO)
    }

    pub(crate) fn with(vectors: Vec<&'a [f32]>, exact_up_to: usize) -> Cells<'a> {
        let inverted = (vectors.len() > exact_up_to).then(|| Inverted::of(&vectors));
        Cells { vectors, inverted }
    }

    /// Positions of the vectors worth comparing with, ascending, each once.
    pub(crate) fn near(&self, vector: &[f32]) -> Vec<u32> {
        let Some(inverted) = &self.inverted else {
            return (0..self.vectors.len() as u32).collect();
        };
        let mut found: Vec<u32> = inverted
            .placed
            .centres
            .looks(vector)
            .into_iter()
            .flat_map(|cell| inverted.members[cell].iter().copied())
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Where the vectors lie; none when there were too few to need cells.
    pub(crate) fn placed(self) -> Option<Placed> {
        self.inverted.map(|inverted| inverted.placed)
    }
}

impl Centres {
    /// The cells into which a question for a vector looks.
    pub(crate) fn looks(&self, vector: &[f32]) -> [usize; LOOKS] {
        nearest(&self.0, vector)
    }

    /// The cells in which a vector lies.
    pub(crate) fn homes(&self, vector: &[f32]) -> [usize; HOMES] {
        nearest(&self.0, vector)
    }

    /// Centres for so many vectors, which are more than a few.
    fn of(vectors: &[&[f32]]) -> Centres {
        let n_cells = (4.0 * (vectors.len() as f64).sqrt()) as usize;
        let step = vectors.len() as f64 / n_cells as f64;
        let mut centres: Vec<Vec<f32>> = (0..n_cells)
            .map(|i| vectors[(i as f64 * step) as usize].to_vec())
            .collect();
        let stride = (vectors.len() / (n_cells * SAMPLE)).max(1);
        let sample: Vec<&[f32]> = vectors.iter().step_by(stride).copied().collect();
        let homes: Vec<usize> = sample
            .par_iter()
            .map(|v| nearest::<1>(&centres, v)[0])
            .collect();
        let mut sums = vec![vec![0.0f32; vectors[0].len()]; n_cells];
        for (vector, home) in sample.iter().zip(homes) {
            sums[home]
                .iter_mut()
                .zip(*vector)
                .for_each(|(s, v)| *s += v);
        }
        for (centre, sum) in centres.iter_mut().zip(sums) {
            let length = dot::f32(&sum, &sum).sqrt();
            if length > 0.0 {
                *centre = sum.into_iter().map(|v| v / length).collect();
            }
        }
        Centres(centres)
    }
}

impl Inverted {
    fn of(vectors: &[&[f32]]) -> Inverted {
        let centres = Centres::of(vectors);
        let homes: Vec<[usize; HOMES]> = vectors.par_iter().map(|v| centres.homes(v)).collect();
        let mut members = vec![Vec::new(); centres.0.len()];
        for (at, homes) in homes.iter().enumerate() {
            for home in homes {
                members[*home].push(at as u32);
            }
        }
        Inverted {
            placed: Placed { centres, homes },
            members,
        }
    }
}

/// The `N` centres nearest to a vector, ties to the first; there are more than `N` of them.
fn nearest<const N: usize>(centres: &[Vec<f32>], vector: &[f32]) -> [usize; N] {
    let mut best = [(f32::NEG_INFINITY, 0usize); N];
    for (at, centre) in centres.iter().enumerate() {
        let near = dot::f32(centre, vector);
        if near > best[N - 1].0 {
            let place = best.iter().position(|b| near > b.0).unwrap_or(N - 1);
            best[place..].rotate_right(1);
            best[place] = (near, at);
        }
    }
    best.map(|b| b.1)
}

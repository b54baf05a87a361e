//! Clustering. In: vectors of faces, their qualities, and what humans said. Out: a group for each
//! face. A pure function: it keeps nothing and does not know where faces come from.
//!
//! Agglomerative, over a graph of near neighbors (`neighbors`): the two groups with the strongest
//! evidence join first (`groups`). Evidence is how far the pairs of faces across two groups lie
//! above a floor, weighted by quality, over the number of pairs to the power of 0.7; two lone faces
//! need the link similarity. Floor and link come from the model's measured error rates, and rise
//! where strangers in one photo of this album are more similar than that (`fit_floor`). All is done
//! twice: the first grouping shows how near strangers come to each face, and in the second the
//! similarity of a pair is reduced by that (`score_norm`).
//!
//! What a human said is not weighed but obeyed: faces said to be one person start as one group, and
//! groups of two named people never join.
//!
//! Up to [`EXACT_UP_TO`] faces all pairs are compared; of more, those that share a list of an
//! inverted file (`ivf`). Of each face [`MAX_NEIGHBORS`] neighbors are kept. Equal input gives
//! equal output. The order of faces decides ties of evidence, and beyond [`EXACT_UP_TO`] faces
//! which of them are the first centroids; nothing else.
//!
//! [`assign`] adds faces to groups that exist, without joining or splitting any of these. So the
//! order of arrival matters there: a late face that would have joined two groups goes into the
//! nearer. [`cluster`] over all faces corrects that.

mod fit_floor;
mod groups;
mod input;
mod neighbors;
mod score_norm;

use crate::error::Error;
use crate::ivf::Assignment;
pub use crate::ivf::EXACT_UP_TO;
use groups::Groups;
pub use input::{ClusterFace, ClusterOptions, Constraints, MAX_NEIGHBORS};
use neighbors::Pair;

/// A group for each face.
#[derive(Debug, Clone, PartialEq)]
pub struct Clustering {
    /// For each face, in the order given, its group; groups are numbered by their first face.
    labels: Vec<usize>,
    n_clusters: usize,
    floor_similarity: f32,
    assignment: Option<Assignment>,
}

impl Clustering {
    /// The group of each face, in the order given.
    pub fn labels(&self) -> Vec<usize> {
        self.labels.clone()
    }

    /// How many groups there are, lone faces included.
    pub fn n_clusters(&self) -> usize {
        self.n_clusters
    }

    /// The floor that was used: that of the options, or higher where strangers in this album are
    /// more similar.
    pub fn floor_similarity(&self) -> f32 {
        self.floor_similarity
    }

    /// The inverted lists of the faces, if they were too many to compare all pairs.
    pub fn assignment(&self) -> Option<&Assignment> {
        self.assignment.as_ref()
    }
}

/// Groups faces; equal input gives equal output.
///
/// # Example
/// ```
/// use fusiform_search::cluster::{ClusterFace, ClusterOptions, Constraints, cluster};
///
/// let (ann, bo) = ([1.0, 0.0], [0.0, 1.0]);
/// let faces = [
///     ClusterFace::new(1, 1, &ann, 0.9),
///     ClusterFace::new(2, 1, &bo, 0.9),
///     ClusterFace::new(3, 2, &ann, 0.8),
/// ];
/// let found = cluster(&faces, &Constraints::default(), &ClusterOptions::default())?;
/// assert_eq!(found.labels(), [0, 1, 0]);
/// # Ok::<(), fusiform_search::Error>(())
/// ```
///
/// # Errors
/// [`Error::Dimensions`] for vectors of different lengths.
pub fn cluster(
    faces: &[ClusterFace],
    constraints: &Constraints,
    options: &ClusterOptions,
) -> Result<Clustering, Error> {
    check_dimensions(faces)?;
    let fitted = fit_floor::fit(faces, options);
    Ok(grouped(faces, 0, constraints, &fitted))
}

/// Assigns the faces from position `first` on to the groups of the others, which are those of
/// `constraints.is`, or to new ones.
///
/// `floor_similarity` is that of the clustering that made those groups.
///
/// # Errors
/// [`Error::Dimensions`] for vectors of different lengths.
pub fn assign(
    faces: &[ClusterFace],
    first: usize,
    constraints: &Constraints,
    options: &ClusterOptions,
    floor_similarity: f32,
) -> Result<Clustering, Error> {
    check_dimensions(faces)?;
    let mut fitted = options.clone();
    fitted.raise_floor(floor_similarity);
    Ok(grouped(faces, first, constraints, &fitted))
}

fn grouped(
    faces: &[ClusterFace],
    first: usize,
    constraints: &Constraints,
    options: &ClusterOptions,
) -> Clustering {
    let (pairs, assignment) = neighbors::pairs(faces, first, options);
    let joined = |pairs: &[Pair]| {
        let mut groups = Groups::new(faces, pairs, constraints, options);
        groups.join_named();
        groups.join_nearest_first();
        groups.numbered()
    };
    let (first_labels, _) = joined(&pairs);
    let pairs = score_norm::normalize(pairs, &first_labels, options.floor_similarity);
    let (labels, n_clusters) = joined(&pairs);
    Clustering {
        labels,
        n_clusters,
        floor_similarity: options.floor_similarity,
        assignment,
    }
}

fn check_dimensions(faces: &[ClusterFace]) -> Result<(), Error> {
    let expected = faces.first().map_or(0, |f| f.vector.len());
    let lengths = faces.iter().map(|f| f.vector.len());
    match lengths.into_iter().find(|found| *found != expected) {
        None => Ok(()),
        Some(found) => Err(Error::Dimensions { expected, found }),
    }
}

#[cfg(test)]
mod tests;

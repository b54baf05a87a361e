//! Faces to groups. In: vectors, qualities, and what humans said. Out: a group for each face.
//! A pure function: it keeps nothing and does not know where faces come from.
//!
//! Agglomerative, over a graph of near neighbours (`neighbours`): the two groups with the strongest evidence join first
//! (`groups`). Evidence is how far the pairs of faces across two groups lie above a floor, weighted by quality, over the
//! number of pairs to the power of 0.7; two lone faces need the link similarity. Floor and link come from the model's
//! measured error rates, and rise where strangers in one photo of this album look more alike than that (`fit_floor`).
//! All is done twice: the first grouping shows how near strangers come to each face, and in the second a pair counts for
//! less by that (`score_norm`).
//! A human's word is never weighed: faces said to be one person start as one group, and groups of two people never join.
//!
//! Near neighbours are found by comparing all faces within cells of like vectors (`ivf`), exactly while there are few
//! faces; their number kept per face is [`MAX_NEIGHBOURS`]. Equal input gives equal output. The order of faces decides ties of
//! evidence, and beyond [`EXACT_UP_TO`] faces which of them are the first centres of cells; nothing else.
//!
//! [`place`] adds faces to groups that stand, without taking any of these apart or together. So who came first matters
//! there: a late face that would have joined two groups joins the nearer. [`cluster`] over all faces mends that.

mod fit_floor;
mod groups;
mod neighbours;
mod score_norm;

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Error;
pub use crate::ivf::EXACT_UP_TO;
use crate::ivf::Placed;
use groups::Groups;
use neighbours::Pair;

/// Neighbours kept for each face; more would only repeat what the nearest say.
pub const MAX_NEIGHBOURS: usize = 64;

/// One face to be grouped.
#[derive(Debug, Clone, Copy)]
pub struct ClusterFace<'a> {
    /// Number of the face; decides ties.
    pub face: i64,
    /// Number of its photo; two faces of one photo are rarely one person.
    pub photo: i64,
    /// Unit length, all of one model.
    pub vector: &'a [f32],
    /// 0…1; the weight of its opinion.
    pub quality: f32,
}

impl<'a> ClusterFace<'a> {
    /// Puts the parts together.
    pub fn new(face: i64, photo: i64, vector: &'a [f32], quality: f32) -> ClusterFace<'a> {
        ClusterFace {
            face,
            photo,
            vector,
            quality,
        }
    }
}

/// What humans said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Constraints {
    /// Faces that are a certain person.
    pub is: BTreeMap<i64, i64>,
    /// Faces that are not a certain person.
    pub is_not: BTreeSet<(i64, i64)>,
}

/// How to group.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterOptions {
    /// Similarity below which two faces say nothing for being one person.
    pub floor_similarity: f32,
    /// Similarity from which on two lone faces are one person.
    pub link_similarity: f32,
    /// Similarity from which on a human is asked whether two are one.
    pub ask_similarity: f32,
    /// What two groups with faces in one photo need beyond that, in the mean over all their pairs.
    pub same_photo_penalty: f32,
    /// A face below this quality may join a group, but never makes two groups one.
    pub min_bridge_quality: f32,
    /// So many faces are compared all with all; of more, only like ones.
    pub exact_up_to: usize,
}

impl Default for ClusterOptions {
    fn default() -> ClusterOptions {
        ClusterOptions {
            floor_similarity: 0.35,
            link_similarity: 0.45,
            ask_similarity: 0.3,
            same_photo_penalty: 0.25,
            min_bridge_quality: 0.15,
            exact_up_to: EXACT_UP_TO,
        }
    }
}

impl ClusterOptions {
    /// Lifts the floor, and with it the link, which keeps its place between the floor and 1.
    fn raise_floor(&mut self, floor: f32) {
        if floor > self.floor_similarity && floor < 1.0 {
            let kept = (1.0 - floor) / (1.0 - self.floor_similarity);
            self.link_similarity = 1.0 - (1.0 - self.link_similarity) * kept;
            self.floor_similarity = floor;
        }
    }
}

/// A group for each face.
#[derive(Debug, Clone, PartialEq)]
pub struct Clustering {
    /// For each face, in the order given, its group; groups are numbered by their first face.
    labels: Vec<usize>,
    n_clusters: usize,
    floor_similarity: f32,
    placed: Option<Placed>,
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

    /// The floor that was used: that of the options, or higher where strangers in this album look more alike.
    pub fn floor_similarity(&self) -> f32 {
        self.floor_similarity
    }

    /// The cells in which faces were looked up, if they were too many to be compared all with all.
    pub fn placed(&self) -> Option<&Placed> {
        self.placed.as_ref()
    }
}

/// Groups faces; equal input gives equal output.
///
/// # Errors
/// [`Error::ModelsDiffer`] for vectors of different lengths.
pub fn cluster(
    faces: &[ClusterFace],
    constraints: &Constraints,
    options: &ClusterOptions,
) -> Result<Clustering, Error> {
    check_lengths(faces)?;
    let fitted = fit_floor::fitted(faces, options);
    Ok(grouped(faces, 0, constraints, &fitted))
}

/// Places the faces from position `first` on among the others, whose groups stand as `constraints.is` has them.
///
/// `floor_similarity` is that of the clustering that made those groups.
///
/// # Errors
/// [`Error::ModelsDiffer`] for vectors of different lengths.
pub fn place(
    faces: &[ClusterFace],
    first: usize,
    constraints: &Constraints,
    options: &ClusterOptions,
    floor_similarity: f32,
) -> Result<Clustering, Error> {
    check_lengths(faces)?;
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
    let (pairs, placed) = neighbours::pairs(faces, first, options);
    let joined = |pairs: &[Pair]| {
        let mut groups = Groups::new(faces, pairs, constraints, options);
        groups.join_what_humans_joined();
        groups.join_what_is_near();
        groups.numbered()
    };
    let (first_labels, _) = joined(&pairs);
    let pairs = score_norm::thinned(pairs, &first_labels, options.floor_similarity);
    let (labels, n_clusters) = joined(&pairs);
    Clustering {
        labels,
        n_clusters,
        floor_similarity: options.floor_similarity,
        placed,
    }
}

fn check_lengths(faces: &[ClusterFace]) -> Result<(), Error> {
    let length = faces.first().map_or(0, |f| f.vector.len());
    let numbers = |n: usize| format!("vectors of {n} numbers");
    match faces.iter().find(|f| f.vector.len() != length) {
        None => Ok(()),
        Some(other) => Err(Error::ModelsDiffer {
            left: numbers(length),
            right: numbers(other.vector.len()),
        }),
    }
}

#[cfg(test)]
mod tests;

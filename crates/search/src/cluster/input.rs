//! What clustering is given: faces, what humans said of them, and how to group. In: plain data.
//! Knows nothing of how groups are made.

use std::collections::{BTreeMap, BTreeSet};

use crate::ivf::EXACT_UP_TO;
use crate::likelihood_ratio::LikelihoodRatio;

/// Neighbors kept for each face; more would only repeat what the nearest say.
pub const MAX_NEIGHBORS: usize = 64;

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
    /// Up to so many faces all pairs are compared; of more, those that share an inverted list.
    pub exact_up_to: usize,
    /// What a similarity says for one person. Grouping does not use it, the choice of questions
    /// does.
    pub likelihood_ratio: LikelihoodRatio,
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
            likelihood_ratio: LikelihoodRatio::default(),
        }
    }
}

impl ClusterOptions {
    /// Raises the floor, and with it the link, which keeps its relative position between floor and
    /// 1.
    pub(super) fn raise_floor(&mut self, floor: f32) {
        if floor > self.floor_similarity && floor < 1.0 {
            let scale = (1.0 - floor) / (1.0 - self.floor_similarity);
            self.link_similarity = 1.0 - (1.0 - self.link_similarity) * scale;
            self.floor_similarity = floor;
        }
    }
}

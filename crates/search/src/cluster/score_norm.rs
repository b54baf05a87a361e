//! Score normalization. In: pairs of faces with similarities, and a first grouping. Out: the pairs,
//! with similarities reduced where a face is near many strangers. Knows nothing of how faces are
//! grouped.
//!
//! A model finds some faces similar to many others: blurred ones, children, faces of a kind its
//! training set had few of. At a similarity that means something for most faces, such a face is
//! linked to people it does not belong to. The similarities of its nearest impostors show what its
//! scores are worth; who is an impostor is known from the first grouping, in which people named by
//! a human are already apart from the others.
//!
//! Source: adaptive symmetric score normalization in speaker recognition, by each side's nearest
//! impostors (Matějka et al., "Analysis of score normalization in multilingual speaker
//! recognition", Interspeech 2017); here the album is the cohort.

use super::neighbors::Pair;

/// Nearest impostors of a face that count. Chosen on half of the identities of lfw-dev, see
/// bench/RESULTS.md, "Grouping".
const COHORT_SIZE: usize = 20;

/// Reduces the similarity of every pair by how far the nearest impostors of its two faces lie above
/// the floor, on average, and drops pairs that fall to the floor.
pub(super) fn normalize(mut pairs: Vec<Pair>, group_of: &[usize], floor: f32) -> Vec<Pair> {
    // For each face: by how much its COHORT_SIZE most similar impostors exceed the floor, in
    // descending order, padded with 0.
    let mut cohorts = vec![[0.0f32; COHORT_SIZE]; group_of.len()];
    for pair in &pairs {
        if group_of[pair.a as usize] == group_of[pair.b as usize] {
            continue;
        }
        let above = pair.similarity - floor;
        for face in [pair.a, pair.b] {
            let cohort = &mut cohorts[face as usize];
            if above > cohort[COHORT_SIZE - 1] {
                let rank = cohort.partition_point(|s| *s >= above);
                cohort[rank..].rotate_right(1);
                cohort[rank] = above;
            }
        }
    }
    let mean = |face: u32| cohorts[face as usize].iter().sum::<f32>() / COHORT_SIZE as f32;
    for pair in &mut pairs {
        pair.similarity -= mean(pair.a) + mean(pair.b);
    }
    pairs.retain(|pair| pair.similarity > floor);
    pairs
}

//! How near do strangers come to a face? In: pairs, and a first grouping. Out: the pairs, less alike where it is crowded.
//! Knows nothing of how faces are grouped.
//!
//! A model finds some faces like many others: blurred ones, children, whoever it saw few of. By a similarity that means
//! something for most faces, such a face is linked to people it does not belong to. How near its nearest strangers come
//! tells what its similarities are worth; who is a stranger tells a first grouping, in which whoever a human named is
//! already apart from the others.
//!
//! Source: the adaptive normalisation of scores in speaker recognition, by each side's nearest impostors (Matějka et al.,
//! "Analysis of score normalization in multilingual speaker recognition", Interspeech 2017); here with the album as cohort.

use super::neighbours::Pair;

/// Nearest strangers of a face that count. Chosen on half of the identities of lfw-dev, see bench/RESULTS.md, "Grouping".
const STRANGERS: usize = 20;

/// Takes from every pair how far the strangers of its two faces come above the floor, in the mean, and drops pairs that
/// fall to it.
pub(super) fn thinned(mut pairs: Vec<Pair>, group_of: &[usize], floor: f32) -> Vec<Pair> {
    // Of each face how far its nearest strangers lie above the floor, nearest first; nobody counts as being on it.
    let mut nearest = vec![[0.0f32; STRANGERS]; group_of.len()];
    for pair in &pairs {
        if group_of[pair.a as usize] == group_of[pair.b as usize] {
            continue;
        }
        let above = pair.similarity - floor;
        for face in [pair.a, pair.b] {
            let strangers = &mut nearest[face as usize];
            if above > strangers[STRANGERS - 1] {
                let place = strangers.partition_point(|s| *s >= above);
                strangers[place..].rotate_right(1);
                strangers[place] = above;
            }
        }
    }
    let crowd = |face: u32| nearest[face as usize].iter().sum::<f32>() / STRANGERS as f32;
    for pair in &mut pairs {
        pair.similarity -= crowd(pair.a) + crowd(pair.b);
    }
    pairs.retain(|pair| pair.similarity > floor);
    pairs
}

//! How similar are strangers in this album? In: faces with their photos. Out: options fitted to it.
//! Knows nothing of people.
//!
//! Faces in one photo are almost always of different people, so they are impostor pairs: they show
//! how similar strangers are to this model in this album. Where that is more than the model's own
//! figures allow for (a family, faces unlike those it was measured on), the floor is raised to it;
//! it is never lowered.

use std::collections::BTreeMap;

use fusiform_kernels::dot;

use super::input::{ClusterFace, ClusterOptions};

/// Fewer impostor pairs than this say nothing.
const MIN_PAIRS: usize = 8;
/// Faces of one photo that are compared.
const MAX_FACES_PER_PHOTO: usize = 16;
/// The floor is this quantile of their similarities.
const FLOOR_QUANTILE: f64 = 0.75;

/// The options with floor and link raised to what impostor pairs reach.
pub(super) fn fit(faces: &[ClusterFace], options: &ClusterOptions) -> ClusterOptions {
    let mut photos: BTreeMap<i64, Vec<&ClusterFace>> = BTreeMap::new();
    for face in faces {
        photos.entry(face.photo).or_default().push(face);
    }
    // Pairs as similar as this are one person twice: a mirror, a collage.
    let one_person = options.link_similarity + options.same_photo_penalty;
    let mut similarities = Vec::new();
    for together in photos.values() {
        let compared = &together[..together.len().min(MAX_FACES_PER_PHOTO)];
        for (i, a) in compared.iter().enumerate() {
            let others = compared[..i].iter().map(|b| dot::f32(a.vector, b.vector));
            similarities.extend(others.filter(|s| *s < one_person));
        }
    }
    let mut fitted = options.clone();
    if similarities.len() >= MIN_PAIRS {
        similarities.sort_unstable_by(f32::total_cmp);
        let floor = similarities[(similarities.len() as f64 * FLOOR_QUANTILE) as usize];
        fitted.raise_floor(floor);
    }
    fitted
}

//! How alike are strangers in this album? In: faces with their photos. Out: options that fit it. Knows nothing of people.
//!
//! Faces in one photo are almost always of different people, so they show how alike strangers look to this model in this
//! album. Where that is more than the model's own figures allow for (a family, faces unlike those it was measured on),
//! the bar rises with it; it never falls.

use std::collections::BTreeMap;

use fusiform_kernels::dot;

use super::{ClusterFace, ClusterOptions};

/// Fewer pairs than this say nothing.
const LEAST_PAIRS: usize = 8;
/// Faces of one photo that are looked at.
const MOST_OF_A_PHOTO: usize = 16;
/// This share of them is less alike than the floor.
const SHARE_BELOW: f64 = 0.75;

/// The options with floor and link raised to what strangers in one photo reach.
pub(super) fn fitted(faces: &[ClusterFace], options: &ClusterOptions) -> ClusterOptions {
    let mut photos: BTreeMap<i64, Vec<&ClusterFace>> = BTreeMap::new();
    for face in faces {
        photos.entry(face.photo).or_default().push(face);
    }
    // As near as this they are one person twice: a mirror, a collage.
    let one_person = options.link_similarity + options.same_photo_penalty;
    let mut similarities = Vec::new();
    for together in photos.values() {
        let few = &together[..together.len().min(MOST_OF_A_PHOTO)];
        for (at, a) in few.iter().enumerate() {
            let others = few[..at].iter().map(|b| dot::f32(a.vector, b.vector));
            similarities.extend(others.filter(|s| *s < one_person));
        }
    }
    let mut fitted = options.clone();
    if similarities.len() >= LEAST_PAIRS {
        similarities.sort_unstable_by(f32::total_cmp);
        let floor = similarities[(similarities.len() as f64 * SHARE_BELOW) as usize];
        fitted.raise_floor(floor);
    }
    fitted
}

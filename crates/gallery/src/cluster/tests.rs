//! What joins and what does not, on vectors whose angles are known.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// A unit vector at `degrees` in the plane of two axes.
fn at(axes: (usize, usize), degrees: f32) -> Vec<f32> {
    let mut v = vec![0.0; 16];
    (v[axes.0], v[axes.1]) = (degrees.to_radians().cos(), degrees.to_radians().sin());
    v
}

fn options() -> ClusterOptions {
    ClusterOptions {
        floor_similarity: 0.4,
        link_similarity: 0.5,
        ..ClusterOptions::default()
    }
}

fn labels(faces: &[ClusterFace]) -> Vec<usize> {
    cluster(faces, &Constraints::default(), &options())
        .unwrap()
        .labels()
}

#[test]
fn a_bad_crop_between_two_people_does_not_glue_them() {
    // Two people of two faces each at a right angle, and a face that is 45 degrees (0.71) from both.
    let vectors = [0.0, 1.0, 89.0, 90.0, 45.0].map(|d| at((0, 1), d));
    let faces: Vec<ClusterFace> = vectors
        .iter()
        .zip([0.9, 0.9, 0.9, 0.9, 0.05])
        .zip(0..)
        .map(|((vector, quality), i)| ClusterFace::new(i, i, vector, quality))
        .collect();
    let found = labels(&faces);
    assert_eq!(found[..4], [0, 0, 1, 1]);
}

#[test]
fn faces_of_one_photo_need_far_more() {
    // 0.64 apart: one person in two photos, two people in one.
    let (a, b) = (at((0, 1), 0.0), at((0, 1), 50.0));
    let two = |photo| {
        labels(&[
            ClusterFace::new(1, 1, &a, 0.9),
            ClusterFace::new(2, photo, &b, 0.9),
        ])
    };
    assert_eq!((two(2), two(1)), (vec![0, 0], vec![0, 1]));
    // A mirror shows the very same face.
    let twice = [
        ClusterFace::new(1, 1, &a, 0.9),
        ClusterFace::new(2, 1, &a, 0.9),
    ];
    assert_eq!(labels(&twice), [0, 0]);
}

#[test]
fn where_strangers_in_one_photo_are_alike_the_bar_rises() {
    // Eight photos of two people each, all people 0.6 alike: they share an axis.
    let person = |i: usize| {
        let mut v = vec![0.0f32; 17];
        (v[0], v[1 + i]) = (0.6f32.sqrt(), 0.4f32.sqrt());
        v
    };
    let vectors: Vec<Vec<f32>> = (0..16).map(person).collect();
    let faces = |photo: fn(i64) -> i64| -> Vec<ClusterFace> {
        let each = vectors.iter().enumerate();
        each.map(|(i, v)| ClusterFace::new(i as i64, photo(i as i64), v, 0.9))
            .collect()
    };
    // Nothing but strangers in one photo tells that 0.6 means nothing here.
    assert_eq!(labels(&faces(|i| i)).iter().max(), Some(&0));
    assert_eq!(labels(&faces(|i| i / 2)).iter().max(), Some(&15));
}

proptest! {
    #[test]
    fn the_order_of_faces_does_not_matter(
        angles in proptest::collection::vec((0..5usize, 0.0f32..60.0), 2..40),
        seed in any::<u64>(),
    ) {
        let vectors: Vec<Vec<f32>> = angles.iter().map(|(p, d)| at((*p, p + 5), *d)).collect();
        let groups = |order: &[usize]| -> BTreeSet<BTreeSet<usize>> {
            let faces: Vec<_> = order
                .iter()
                .map(|i| ClusterFace::new(*i as i64, *i as i64, &vectors[*i], 0.9))
                .collect();
            let found = labels(&faces);
            let of = |label: usize| (0..order.len()).filter(|at| found[*at] == label).map(|at| order[at]).collect();
            (0..=found.iter().copied().max().unwrap_or(0)).map(of).collect()
        };
        let order: Vec<usize> = (0..vectors.len()).collect();
        let mut other = order.clone();
        let mut state = seed | 1;
        for i in (1..other.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            other.swap(i, (state >> 33) as usize % (i + 1));
        }
        prop_assert_eq!(groups(&order), groups(&other));
    }
}

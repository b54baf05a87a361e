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
    // Two people of two faces each at a right angle, and a face that is 45 degrees (0.71) from
    // both.
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

/// Random people as unit vectors: each face lies at a cosine of 0.65 to 0.9 to its person's random
/// direction, so two faces of one person have a mean similarity of 0.6, strangers 0 ± 0.09. Returns
/// the faces and, for each, the index of its person.
fn made_up(n_people: usize, faces_each: usize) -> (Vec<Vec<f32>>, Vec<usize>) {
    let mut state = 20_261_125u64;
    let mut chance = || {
        // SplitMix64 (Steele, Lea and Flood 2014).
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    };
    let direction = |chance: &mut dyn FnMut() -> f32| -> Vec<f32> {
        // The sum of a few even chances is nearly normal.
        let mut number = || (0..6).map(|_| chance()).sum::<f32>() - 3.0;
        let v: Vec<f32> = (0..128).map(|_| number()).collect();
        let length = v.iter().map(|x| x * x).sum::<f32>().sqrt();
        v.into_iter().map(|x| x / length).collect()
    };
    let people: Vec<Vec<f32>> = (0..n_people).map(|_| direction(&mut chance)).collect();
    let who: Vec<usize> = (0..n_people * faces_each).map(|i| i % n_people).collect();
    let mut vector = |person: usize| -> Vec<f32> {
        let near = 0.65 + 0.25 * chance();
        let noise = direction(&mut chance);
        let mixed = people[person].iter().zip(noise);
        let mixed: Vec<f32> = mixed
            .map(|(p, n)| near * p + (1.0 - near * near).sqrt() * n)
            .collect();
        let length = mixed.iter().map(|x| x * x).sum::<f32>().sqrt();
        mixed.into_iter().map(|x| x / length).collect()
    };
    let vectors = who.iter().map(|person| vector(*person)).collect();
    (vectors, who)
}

/// The share of pairs above the floor that inverted lists find.
fn share_found(n_people: usize, faces_each: usize) -> f64 {
    let (vectors, _) = made_up(n_people, faces_each);
    let faces: Vec<ClusterFace> = (0..)
        .zip(&vectors)
        .map(|(i, v)| ClusterFace::new(i, i, v, 0.9))
        .collect();
    let pairs = |exact_up_to| -> BTreeSet<(u32, u32)> {
        let options = ClusterOptions {
            exact_up_to,
            ..options()
        };
        let (found, assignment) = neighbors::pairs(&faces, 0, &options);
        assert_eq!(assignment.is_some(), exact_up_to < faces.len());
        let n = found.len();
        let each: BTreeSet<(u32, u32)> = found.into_iter().map(|p| (p.a, p.b)).collect();
        assert_eq!(each.len(), n, "a pair twice");
        each
    };
    let (all, found) = (pairs(faces.len()), pairs(100));
    assert!(found.is_subset(&all), "a pair below the floor");
    found.len() as f64 / all.len() as f64
}

#[test]
fn lists_find_nearly_all_neighbors() {
    // With nobody else of their own to lead there, two faces of a person must share a list.
    let of_two = share_found(1500, 2);
    assert!(of_two > 0.85, "{of_two}");
    let of_ten = share_found(300, 10);
    assert!(of_ten > 0.99, "{of_ten}");
}

#[test]
fn pairs_of_blocks_equal_pairs_one_by_one() {
    // More than one block of faces, and no whole number of tiles.
    let (vectors, _) = made_up(701, 3);
    let faces: Vec<ClusterFace> = (0..)
        .zip(&vectors)
        .map(|(i, v)| ClusterFace::new(i, i, v, 0.9))
        .collect();
    let (found, _) = neighbors::pairs(&faces, 0, &options());
    let found: BTreeSet<(u32, u32)> = found.into_iter().map(|p| (p.a, p.b)).collect();
    let alike = |a: usize, b: usize| fusiform_kernels::dot::f32(&vectors[a], &vectors[b]);
    for b in 0..vectors.len() {
        for a in 0..b {
            let near = alike(a, b);
            // Sums of another order may differ in the last digits.
            if (near - options().floor_similarity).abs() > 1e-5 {
                assert_eq!(found.contains(&(a as u32, b as u32)), near > 0.4, "{a} {b}");
            }
        }
    }
}

#[test]
fn a_face_that_is_like_everybody_is_linked_to_nobody() {
    // Twelve people at right angles, and a face 0.45 like its own person and 0.27 like each of the
    // others.
    let n_people = 12;
    let axis = |i: usize| {
        let mut v = vec![0.0f32; 16];
        v[i] = 1.0;
        v
    };
    let mut vectors: Vec<Vec<f32>> = (0..n_people).map(axis).collect();
    let mut like_all: Vec<f32> = vec![0.0; 16];
    like_all[..n_people].fill(0.27);
    like_all[0] = 0.45;
    vectors.push(like_all);
    let last = vectors.len() - 1;
    let options = ClusterOptions {
        floor_similarity: 0.1,
        link_similarity: 0.4,
        ..ClusterOptions::default()
    };
    let groups = |n_others: usize| {
        let who: Vec<usize> = (0..=n_others).chain([last]).collect();
        let faces: Vec<ClusterFace> = who
            .iter()
            .map(|i| ClusterFace::new(*i as i64, *i as i64, &vectors[*i], 1.0))
            .collect();
        let found = cluster(&faces, &Constraints::default(), &options).unwrap();
        found.labels()
    };
    // Beside one stranger it is its person's; among eleven it could be anybody's.
    assert_eq!(groups(1), [0, 1, 0]);
    assert_eq!(groups(n_people - 1).last(), Some(&n_people));
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
            let of = |label: usize| {
                let those = (0..order.len()).filter(|at| found[*at] == label);
                those.map(|at| order[at]).collect()
            };
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

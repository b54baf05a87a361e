//! The nearest beside what comparing everything finds.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// The definition: every vector by `dot::f32`, owners by their nearest.
fn by_comparing_all(vectors: &Vectors, query: &[f32], n_owners: usize) -> Vec<Near> {
    let mut all: Vec<Near> = (0..vectors.len())
        .map(|place| Near {
            owner: vectors.owners[place],
            place,
            similarity: dot::f32(query, vectors.get(place)),
        })
        .filter(|near| !near.similarity.is_nan())
        .collect();
    all.sort_by(|a, b| {
        b.similarity
            .total_cmp(&a.similarity)
            .then(a.owner.cmp(&b.owner))
            .then(a.place.cmp(&b.place))
    });
    let mut seen = std::collections::HashSet::new();
    all.retain(|near| seen.insert(near.owner));
    all.truncate(n_owners);
    all
}

fn number() -> impl Strategy<Value = f32> {
    prop_oneof![
        20 => -1.0f32..1.0,
        2 => Just(0.0f32),
        1 => -1e-3f32..1e-3,
        1 => prop_oneof![Just(1e30f32), Just(1e-38), Just(f32::MIN_POSITIVE), Just(-1e5)],
    ]
}

proptest! {
    #[test]
    fn they_are_those_that_comparing_everything_finds(
        length in 1usize..40, n_owners in 0usize..6, people in 1u64..30,
        numbers in vec(number(), 40..3000), steps in 1i32..4,
    ) {
        // Coarse steps make many ties.
        let numbers: Vec<f32> = numbers.iter().map(|v| if steps == 1 { (v * 2.0).round() } else { *v }).collect();
        let mut rows = numbers.chunks_exact(length);
        let queries: Vec<&[f32]> = rows.by_ref().take(5).collect();
        let mut vectors = Vectors::new(length);
        for (i, row) in rows.enumerate() {
            vectors.push(i as u64 * 7 % people, row);
        }
        let found = vectors.nearest(&queries, n_owners);
        for (query, found) in queries.iter().zip(found) {
            prop_assert_eq!(found, by_comparing_all(&vectors, query, n_owners));
        }
    }
}

/// Unit vectors around some directions, as faces of people are.
fn faces(n: usize, length: usize, n_people: usize) -> Vec<Vec<f32>> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let people: Vec<Vec<f32>> = (0..n_people)
        .map(|_| (0..length).map(|_| next()).collect())
        .collect();
    let face = |i: usize| -> Vec<f32> {
        let near = people[i % n_people].iter().map(|v| v + 0.6 * next());
        let face: Vec<f32> = near.collect();
        let norm = dot::f32(&face, &face).sqrt();
        face.iter().map(|v| v / norm).collect()
    };
    (0..n).map(face).collect()
}

#[test]
fn many_vectors_in_many_pieces_are_exact_and_few_are_compared() {
    let (n, length) = (40_000, 128);
    let faces = faces(n + 70, length, 5000);
    let mut vectors = Vectors::new(length);
    for (i, face) in faces[..n].iter().enumerate() {
        vectors.push(i as u64 % 5000, face);
    }
    let queries: Vec<&[f32]> = faces[n..].iter().map(|f| &f[..]).collect();
    for n_owners in [1, 3, MAX_FILTERED + 1] {
        let found = vectors.nearest(&queries, n_owners);
        for (query, found) in queries.iter().zip(found) {
            assert_eq!(found, by_comparing_all(&vectors, query, n_owners));
        }
    }
    let sieves = vectors.sift(&queries, &Queries::of(&queries, &vectors), 0..n, 1);
    let kept: usize = sieves.iter().map(|s| s.candidates.len()).sum();
    assert!(kept < n / 100 * queries.len(), "{kept} candidates");
}

#[test]
fn what_is_not_a_number_is_nobodys_neighbour_and_hides_nobody() {
    let mut vectors = Vectors::new(2);
    vectors.push(1, &[f32::NAN, 1.0]);
    vectors.push(2, &[1.0, 0.0]);
    vectors.push(3, &[f32::INFINITY, 0.0]);
    vectors.push(4, &[0.5, f32::NEG_INFINITY]);
    let owners = |query: &[f32], k| -> Vec<u64> {
        let found = vectors.nearest(&[query], k).remove(0);
        found.into_iter().map(|near| near.owner).collect()
    };
    assert_eq!(owners(&[1.0, 0.5], 9), [3, 2, 4]);
    assert_eq!(owners(&[1.0, 0.5], 1), [3]);
    assert_eq!(owners(&[f32::NAN, 0.5], 2), [0u64; 0]);
}

//! The nearest beside what comparing everything finds.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// The definition: every vector by `dot::f32`, owners by their nearest.
fn by_comparing_all(index: &Index, query: &[f32], k: usize) -> Vec<Neighbor> {
    let mut all: Vec<Neighbor> = (0..index.len())
        .map(|slot| Neighbor {
            owner: index.owners[slot],
            slot,
            similarity: dot::f32(query, index.get(slot)),
        })
        .filter(|neighbor| !neighbor.similarity.is_nan())
        .collect();
    all.sort_by(|a, b| {
        b.similarity
            .total_cmp(&a.similarity)
            .then(a.owner.cmp(&b.owner))
            .then(a.slot.cmp(&b.slot))
    });
    let mut seen = std::collections::HashSet::new();
    all.retain(|neighbor| seen.insert(neighbor.owner));
    all.truncate(k);
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
        length in 1usize..40, k in 0usize..6, people in 1u64..30,
        numbers in vec(number(), 40..3000), steps in 1i32..4,
    ) {
        // Coarse steps make many ties.
        let coarse = |v: &f32| if steps == 1 { (v * 2.0).round() } else { *v };
        let numbers: Vec<f32> = numbers.iter().map(coarse).collect();
        let mut rows = numbers.chunks_exact(length);
        let queries: Vec<&[f32]> = rows.by_ref().take(5).collect();
        let mut index = Index::new(length);
        for (i, row) in rows.enumerate() {
            index.push(i as u64 * 7 % people, row).unwrap();
        }
        let found = index.nearest(&queries, k).unwrap();
        for (query, found) in queries.iter().zip(found) {
            prop_assert_eq!(found, by_comparing_all(&index, query, k));
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
    let mut index = Index::new(length);
    for (i, face) in faces[..n].iter().enumerate() {
        index.push(i as u64 % 5000, face).unwrap();
    }
    let queries: Vec<&[f32]> = faces[n..].iter().map(|f| &f[..]).collect();
    for k in [1, 3, MAX_FILTERED_K + 1] {
        let found = index.nearest(&queries, k).unwrap();
        for (query, found) in queries.iter().zip(found) {
            assert_eq!(found, by_comparing_all(&index, query, k));
        }
    }
    let quantized = QuantizedQueries::new(&queries, length, index.code_length(), index.max_norm);
    let indexes = [&index];
    let search = Search::new(&indexes, |_| true);
    let filters = search.filter(&queries, &quantized, 0..n, 1);
    let kept: usize = filters.iter().map(TopKFilter::n_candidates).sum();
    assert!(kept < n / 100 * queries.len(), "{kept} candidates");
}

#[test]
fn nan_is_nobodys_neighbor_and_hides_nobody() {
    let mut index = Index::new(2);
    index.push(1, &[f32::NAN, 1.0]).unwrap();
    index.push(2, &[1.0, 0.0]).unwrap();
    index.push(3, &[f32::INFINITY, 0.0]).unwrap();
    index.push(4, &[0.5, f32::NEG_INFINITY]).unwrap();
    let owners = |query: &[f32], k| -> Vec<u64> {
        let found = index.nearest(&[query], k).unwrap().remove(0);
        found.into_iter().map(|neighbor| neighbor.owner).collect()
    };
    assert_eq!(owners(&[1.0, 0.5], 9), [3, 2, 4]);
    assert_eq!(owners(&[1.0, 0.5], 1), [3]);
    assert_eq!(owners(&[f32::NAN, 0.5], 2), [0u64; 0]);
}

#[test]
fn several_indexes_answer_as_one_and_without_those_not_kept() {
    let (n, length) = (3000, 32);
    let faces = faces(n + 8, length, 300);
    let queries: Vec<&[f32]> = faces[n..].iter().map(|f| &f[..]).collect();
    let keep = |owner: u64| !owner.is_multiple_of(3);
    let mut whole = Index::new(length);
    let mut parts = vec![Index::new(length)];
    for (i, face) in faces[..n].iter().enumerate() {
        if keep(i as u64) {
            whole.push(i as u64, face).unwrap();
        }
        parts.last_mut().unwrap().push(i as u64, face).unwrap();
        if [1, 700, 2047].contains(&i) {
            parts.push(Index::new(length));
        }
    }
    parts.push(Index::new(length));
    let parts: Vec<&Index> = parts.iter().collect();
    for k in [1, 5, MAX_FILTERED_K + 1] {
        let found = nearest_across(&parts, &queries, k, keep).unwrap();
        let wanted = whole.nearest(&queries, k).unwrap();
        for (found, wanted) in found.iter().zip(wanted) {
            assert_eq!(found.len(), wanted.len());
            for (f, w) in found.iter().zip(wanted) {
                assert_eq!((f.owner, f.similarity), (w.owner, w.similarity));
                assert_eq!(
                    f.slot as u64, f.owner,
                    "slots are counted through the parts"
                );
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_an_error_and_an_empty_index_finds_nobody() {
    let mut index = Index::new(3);
    assert_eq!(index.nearest(&[&[1.0; 3]], 5).unwrap(), [vec![]]);
    let wrong = Error::Dimensions {
        expected: 3,
        found: 2,
    };
    assert_eq!(index.push(1, &[1.0, 2.0]), Err(wrong.clone()));
    assert_eq!(index.nearest(&[&[1.0, 2.0]], 1), Err(wrong.clone()));
    assert!(index.extend_from(&Index::new(2), |_| true).is_err());
    let other = Index::new(2);
    let none = nearest_across(&[&index, &other], &[], 1, |_| true);
    assert_eq!(none, Err(wrong));
    assert!(nearest_across(&[], &[&[1.0][..]], 1, |_| true).unwrap()[0].is_empty());
    assert!(Index::new(0).push(1, &[]).is_err());
}

proptest! {
    #[test]
    fn removing_leaves_the_others_and_copying_takes_those_kept(
        length in 1usize..12, numbers in vec(-1.0f32..1.0, 1..400),
        removed in vec(any::<proptest::sample::Index>(), 0..20), probe in vec(-1.0f32..1.0, 12),
    ) {
        let rows: Vec<&[f32]> = numbers.chunks_exact(length).collect();
        let mut index = Index::new(length);
        for (i, row) in rows.iter().enumerate() {
            prop_assert_eq!(index.push(i as u64, row).unwrap(), i);
        }
        let mut gone = std::collections::BTreeSet::new();
        let mut copied = Index::with_capacity(length, rows.len());
        for at in &removed {
            if !index.is_empty() {
                gone.insert(index.swap_remove(at.index(index.len())));
            }
        }
        let mut all = Index::new(length);
        for (i, row) in rows.iter().enumerate() {
            all.push(i as u64, row).unwrap();
        }
        copied.extend_from(&all, |slot| !gone.contains(&(slot as u64))).unwrap();
        prop_assert_eq!(index.len(), rows.len() - gone.len());
        let owners = |index: &Index| {
            let found = index.nearest(&[&probe[..length]], rows.len()).unwrap().remove(0);
            found.into_iter().map(|n| (n.owner, n.similarity)).collect::<Vec<_>>()
        };
        prop_assert_eq!(owners(&index), owners(&copied));
        for (slot, owner) in index.owners().iter().enumerate() {
            prop_assert_eq!(index.get(slot), rows[*owner as usize]);
        }
        // What was freed is overwritten within the capacity that stays.
        prop_assert!(index.vectors.len() == index.len() * length);
    }
}

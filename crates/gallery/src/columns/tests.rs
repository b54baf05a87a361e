//! Columns beside a plain list that is compared one by one, and what readers keep.

use std::sync::Arc;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::consent::Consent;

/// When the answers are asked for.
const NOW_MS: i64 = 1_000;

/// A list that is scanned: the definition of what columns answer.
#[derive(Default)]
struct Naive {
    people: Vec<Person>,
    /// Id, person's number, vector, whether a consent of its own has ended; in the order of
    /// enrolment.
    examples: Vec<(Uuid, i64, Vec<f32>, Option<bool>)>,
}

impl Naive {
    fn person(&self, number: i64) -> &Person {
        self.people.iter().find(|p| p.number == number).unwrap()
    }

    fn nearest(&self, probe: &[f32], top: usize) -> Vec<Match> {
        let kept = self.examples.iter().filter(|e| e.3 != Some(true));
        let kept = kept.map(|(_, number, vector, _)| {
            let person = self.person(*number);
            let similarity = fusiform_search::template::similarity(vector, probe).0;
            (person, similarity)
        });
        let mut kept: Vec<_> = kept
            .filter(|(p, _)| !p.consent.has_ended_by(NOW_MS))
            .collect();
        // Stable: ties stay in the order of enrolment.
        kept.sort_by(|a, b| b.1.total_cmp(&a.1));
        let named = |(person, similarity): (&Person, f32)| Match {
            number: person.number,
            subject: person.name.clone(),
            similarity,
        };
        kept.into_iter().take(top).map(named).collect()
    }

    fn ids(&self, of: Option<i64>) -> Vec<Uuid> {
        let mine = self.examples.iter().filter(|e| of.is_none_or(|n| n == e.1));
        let mut ids: Vec<Uuid> = mine.map(|e| e.0).collect();
        ids.sort();
        ids
    }
}

fn person(number: i64, ended: bool) -> Person {
    Person {
        number,
        name: format!("Person {number}"),
        consent: Consent {
            basis: String::new(),
            purpose: String::new(),
            expires_at_ms: ended.then_some(1),
        },
    }
}

#[derive(Debug, Clone)]
enum Step {
    Enrol {
        id: u128,
        person: i64,
        vector: [i8; 4],
    },
    RemoveExample(prop::sample::Index),
    RemovePerson(i64),
    Merge(i64, i64),
    End(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let person = || 1i64..8;
    prop_oneof![
        // Small whole numbers make many ties.
        12 => (any::<u128>(), person(), any::<[bool; 8]>()).prop_map(|(id, person, bits)| {
            let number = |i: usize| i8::from(bits[i]) - i8::from(bits[i + 4]);
            Step::Enrol { id, person, vector: [number(0), number(1), number(2), number(3)] }
        }),
        4 => any::<prop::sample::Index>().prop_map(Step::RemoveExample),
        1 => person().prop_map(Step::RemovePerson),
        1 => (person(), person()).prop_map(|(a, b)| Step::Merge(a, b)),
        1 => person().prop_map(Step::End),
    ]
}

proptest! {
    #[test]
    fn columns_answer_as_a_scan_does(
        steps in prop::collection::vec(step(), 1..600), top in 0usize..9,
        probes in prop::collection::vec(any::<[i8; 4]>(), 3),
    ) {
        let (mut columns, mut naive) = (Columns::default(), Naive::default());
        for step in steps {
            match step {
                Step::Enrol { id, person: number, vector } => {
                    if columns.person(number).is_none() {
                        columns.set_person(person(number, false));
                        naive.people.push(person(number, false));
                    }
                    let id = Uuid::from_u128(id);
                    let vector = vector.map(f32::from);
                    columns.add_example(id, number, &vector, None).unwrap();
                    naive.examples.push((id, number, vector.to_vec(), None));
                }
                Step::RemoveExample(which) => {
                    if !naive.examples.is_empty() {
                        let (id, ..) = naive.examples.remove(which.index(naive.examples.len()));
                        columns.remove_example(&id).unwrap();
                    }
                }
                Step::RemovePerson(number) => {
                    columns.remove_people(&[number]).unwrap();
                    naive.people.retain(|p| p.number != number);
                    naive.examples.retain(|e| e.1 != number);
                }
                Step::Merge(from, into) => {
                    let there = |n| columns.person(n).is_some();
                    if from != into && there(from) && there(into) {
                        columns.merge_people(from, into);
                        let ended = naive.person(from).consent.has_ended_by(NOW_MS);
                        naive.people.retain(|p| p.number != from);
                        naive.examples.iter_mut().filter(|e| e.1 == from).for_each(|e| {
                            e.1 = into;
                            e.3.get_or_insert(ended);
                        });
                    }
                }
                Step::End(number) => {
                    if columns.person(number).is_some() {
                        columns.set_person(person(number, true));
                        naive.people.retain(|p| p.number != number);
                        naive.people.push(person(number, true));
                    }
                }
            }
        }
        let probes = probes.map_into_f32();
        let slices: Vec<&[f32]> = probes.iter().map(|p| &p[..]).collect();
        let found = columns.nearest(&slices, top, NOW_MS);
        for (probe, found) in slices.iter().zip(found) {
            prop_assert_eq!(found, naive.nearest(probe, top));
        }
        naive.people.sort_by_key(|p| p.number);
        prop_assert!(columns.people().eq(naive.people.iter()));
        let ids = |page: Vec<Example>| page.into_iter().map(|e| e.id).collect::<Vec<_>>();
        prop_assert_eq!(ids(columns.page(0, usize::MAX)), naive.ids(None));
        prop_assert_eq!(columns.n_examples(), naive.examples.len());
        for p in &naive.people {
            prop_assert_eq!(columns.find(&p.name.to_uppercase()), Some(p.number));
            let all = naive.ids(Some(p.number));
            prop_assert_eq!(columns.person(p.number), Some((p, all.len())));
            prop_assert_eq!(ids(columns.page_of(p.number, 1, 2)), all.iter().skip(1).take(2)
                .copied().collect::<Vec<_>>());
        }
        for (id, number, vector, own) in &naive.examples {
            let ended = naive.person(*number).consent.has_ended_by(NOW_MS) || *own == Some(true);
            let wanted = (!ended).then_some(&vector[..]);
            prop_assert_eq!(columns.example(id, NOW_MS).map(|(_, _, v)| v), wanted);
        }
        let (mut people, mut examples) = columns.ended(NOW_MS);
        people.sort_unstable();
        examples.sort_unstable();
        let wanted = naive.people.iter().filter(|p| p.consent.has_ended_by(NOW_MS));
        prop_assert!(people.into_iter().eq(wanted.map(|p| p.number)));
        let wanted = naive.examples.iter().filter(|e| e.3 == Some(true)).map(|e| (e.0, e.1));
        let mut wanted: Vec<(Uuid, i64)> = wanted.collect();
        wanted.sort_unstable();
        prop_assert_eq!(examples, wanted);
    }
}

trait MapIntoF32 {
    fn map_into_f32(self) -> Vec<[f32; 4]>;
}

impl MapIntoF32 for Vec<[i8; 4]> {
    fn map_into_f32(self) -> Vec<[f32; 4]> {
        self.into_iter().map(|p| p.map(f32::from)).collect()
    }
}

fn column(id: u128, vector: Vec<f32>) -> NewColumn {
    NewColumn {
        id: Uuid::from_u128(id),
        person: 1,
        vector,
        consent: None,
    }
}

fn filled(n: u128) -> Columns {
    let mut columns = Columns::default();
    columns.set_person(person(1, false));
    for i in 0..n {
        let angle = i as f32;
        let vector = [angle.sin(), angle.cos()];
        columns
            .add_example(Uuid::from_u128(i), 1, &vector, None)
            .unwrap();
    }
    columns
}

#[test]
fn a_reader_keeps_what_it_has_and_the_erased_goes_with_the_last_reader() {
    let mut columns = filled(300);
    let reader = columns.clone();
    let segment = Arc::downgrade(reader.vectors.segment_of(5));
    columns.remove_example(&Uuid::from_u128(5)).unwrap();
    let probe: &[f32] = &[5f32.sin(), 5f32.cos()];
    let nearest = |c: &Columns| c.nearest(&[probe], 1, NOW_MS)[0][0].similarity;
    assert!(columns.example(&Uuid::from_u128(5), NOW_MS).is_none());
    assert!(nearest(&columns) < nearest(&reader));
    assert!(segment.upgrade().is_some(), "the reader has it");
    drop(reader);
    // An index overwrites its vectors when it is dropped.
    assert!(segment.upgrade().is_none(), "nobody has it");
}

#[test]
fn many_enrolments_make_few_segments_and_copies_share_them() {
    let mut columns = Columns::default();
    columns.set_person(person(1, false));
    for i in 0..40_000u128 {
        let published = columns.clone();
        columns
            .add_example(Uuid::from_u128(i), 1, &[1.0, i as f32], None)
            .unwrap();
        if i % 997 == 0 {
            assert_eq!(published.n_examples() as u128, i);
        }
    }
    let n = columns.vectors.n_segments();
    assert!(n < 16, "{n} segments");
    for i in 0..39_990u128 {
        if i % 8 != 0 {
            continue;
        }
        columns.remove_example(&Uuid::from_u128(i)).unwrap();
    }
    let n = columns.vectors.n_segments();
    assert!(n < 20, "{n} segments");
    assert_eq!(columns.n_examples(), 40_000 - 4999);
}

#[test]
fn a_vector_of_another_length_is_refused_and_a_probe_of_one_finds_nobody() {
    let mut columns = filled(3);
    let wrong = columns.add_example(Uuid::from_u128(9), 1, &[1.0; 3], None);
    assert!(matches!(wrong, Err(Error::Search(_))), "{wrong:?}");
    let probes: [&[f32]; 3] = [&[1.0, 0.0], &[1.0; 3], &[0.0, 1.0]];
    let found = columns.nearest(&probes, 1, NOW_MS);
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [1, 0, 1]);
    assert_eq!(
        Columns::default().nearest(&probes, 1, NOW_MS),
        vec![vec![]; 3]
    );
}

#[test]
fn examples_added_together_answer_as_those_added_one_by_one() {
    let mut together = Columns::default();
    together.set_person(person(1, false));
    let vector = |i: u128| vec![(i as f32).sin(), (i as f32).cos()];
    for start in (0..700u128).step_by(300) {
        let batch: Vec<NewColumn> = (start..700.min(start + 300))
            .map(|i| column(i, vector(i)))
            .collect();
        together.add_examples(&batch).unwrap();
    }
    let one_by_one = filled(700);
    let probes: Vec<Vec<f32>> = (0..9u128).map(|i| vector(i * 50)).collect();
    let probes: Vec<&[f32]> = probes.iter().map(|p| &p[..]).collect();
    assert_eq!(
        together.nearest(&probes, 5, NOW_MS),
        one_by_one.nearest(&probes, 5, NOW_MS)
    );
    assert_eq!(together.page(0, 999), one_by_one.page(0, 999));
    assert_eq!(together.person(1), one_by_one.person(1));
    for i in (0..700).step_by(7) {
        together.remove_example(&Uuid::from_u128(i)).unwrap();
        together
            .add_example(Uuid::from_u128(i + 1000), 1, &vector(i), None)
            .unwrap();
    }
    assert_eq!(together.n_examples(), 700);
    let mut again = together.clone();
    assert!(again.add_examples(&[column(5000, vec![1.0; 3])]).is_err());
}

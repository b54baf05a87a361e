//! Random decisions of a human, and that no grouping, re-scan or change of model contradicts one.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A decision of a human, chosen at random.
#[derive(Debug, Clone)]
enum Step {
    Name(usize, u8),
    Merge(usize, usize),
    Split(usize, usize),
    IsNot(usize),
    Ignore(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..9usize, 0..5u8).prop_map(|(p, n)| Step::Name(p, n)),
        (0..9usize, 0..9usize).prop_map(|(a, b)| Step::Merge(a, b)),
        (0..9usize, 1..4usize).prop_map(|(p, n)| Step::Split(p, n)),
        (0..16usize).prop_map(Step::IsNot),
        (0..16usize).prop_map(Step::Ignore),
    ]
}

/// What must hold from now on: whose face is, whose it is not, and which faces are nobody's.
#[derive(Debug, Default)]
struct Said {
    is: BTreeMap<i64, PersonId>,
    is_not: Vec<(i64, PersonId)>,
    ignored: Vec<i64>,
}

fn decide(catalogue: &mut Catalogue, step: &Step, said: &mut Said) {
    let people = catalogue.people().unwrap();
    let at = |i: usize| people[i % people.len()].id;
    let faces = |c: &Catalogue, p: PersonId| {
        c.photos_of(p)
            .unwrap()
            .iter()
            .map(|f| f.face)
            .collect::<Vec<_>>()
    };
    match step {
        Step::Name(p, n) => drop(catalogue.name(at(*p), &format!("name {n}"))),
        Step::Merge(a, b) => {
            let (into, from) = (at(*a), at(*b));
            let both = [faces(catalogue, into), faces(catalogue, from)].concat();
            if catalogue.merge(into, from).is_ok() {
                said.is
                    .values_mut()
                    .filter(|p| **p == from)
                    .for_each(|p| *p = into);
                for (_, p) in said.is_not.iter_mut().filter(|(_, p)| *p == from) {
                    *p = into;
                }
                // "One person" about faces shown takes back an earlier "not that person".
                said.is_not
                    .retain(|(f, p)| *p != into || !both.contains(&FaceId(*f)));
                said.is.extend(both.iter().map(|f| (f.0, into)));
                said.ignored.retain(|f| !both.contains(&FaceId(*f)));
            }
        }
        Step::Split(p, n) => {
            let old = at(*p);
            let all = faces(catalogue, old);
            let moved = &all[..(*n).min(all.len())];
            if let Ok(new) = catalogue.split(old, moved) {
                for face in &all {
                    let to = if moved.contains(face) { new } else { old };
                    said.is.insert(face.0, to);
                    said.is_not.retain(|(f, p)| *f != face.0 || *p != to);
                    if to == new {
                        said.is_not.push((face.0, old));
                    }
                }
            }
        }
        Step::IsNot(face) => {
            let face = *face as i64 + 1;
            let Some(person) = members(catalogue).get(&face).map(|p| PersonId(*p)) else {
                return;
            };
            catalogue.assert_is_not(FaceId(face), person).unwrap();
            said.is.remove(&face);
            said.is_not.push((face, person));
        }
        Step::Ignore(face) => {
            let face = *face as i64 + 1;
            catalogue.ignore(FaceId(face)).unwrap();
            said.is.remove(&face);
            said.ignored.push(face);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn no_grouping_contradicts_a_human(steps in proptest::collection::vec(step(), 1..25)) {
        let (_stage, mut catalogue) = filled();
        let mut said = Said::default();
        for (number, step) in steps.iter().enumerate() {
            if catalogue.people().unwrap().is_empty() {
                break;
            }
            decide(&mut catalogue, step, &mut said);
            if number % 3 == 0 {
                group(&mut catalogue);
            }
        }
        let names = |c: &Catalogue| {
            let people = c.people().unwrap().into_iter();
            people.filter_map(|p| Some((p.id, p.name?))).collect::<BTreeMap<_, _>>()
        };
        let before = names(&catalogue);
        catalogue.record(&album("e@2")).unwrap();
        let options = ClusterOptions { link_similarity: 0.5, ..ClusterOptions::default() };
        for model in ["e@1", "e@2"] {
            catalogue.group(&ModelId(model.into()), &options).unwrap();
            let now = members(&catalogue);
            for (face, person) in &said.is {
                prop_assert_eq!(now.get(face), Some(&person.0), "face {} is {}", face, person);
            }
            for (face, person) in &said.is_not {
                prop_assert_ne!(now.get(face), Some(&person.0), "face {} is not {}", face, person);
            }
            for face in &said.ignored {
                prop_assert!(!now.contains_key(face), "face {} is ignored", face);
            }
            prop_assert_eq!(names(&catalogue), before.clone());
        }
        prop_assert!(catalogue.health().unwrap().problems.is_empty());
    }
}

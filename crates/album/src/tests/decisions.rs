//! 200 random decisions of a human, and that no grouping, assignment of new photos, re-scan, scan
//! from scratch or change of model contradicts one.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// A decision of a human, chosen at random; numbers choose among what is there.
#[derive(Debug, Clone)]
enum Step {
    Name(usize, u8),
    Merge(usize, usize),
    Split(usize, usize),
    Differ(usize, usize),
    Is(usize, usize),
    IsCalled(usize, u8),
    IsNot(usize),
    Ignore(usize),
    NotAFace(usize),
    Hide(usize, bool),
    Reply(usize, Reply),
    Undo,
}

fn step() -> impl Strategy<Value = Step> {
    let reply = prop_oneof![Just(Reply::Yes), Just(Reply::No), Just(Reply::NotSure)];
    prop_oneof![
        (0..9usize, 0..9u8).prop_map(|(p, n)| Step::Name(p, n)),
        (0..9usize, 0..9usize).prop_map(|(a, b)| Step::Merge(a, b)),
        (0..9usize, 1..4usize).prop_map(|(p, n)| Step::Split(p, n)),
        (0..9usize, 0..9usize).prop_map(|(a, b)| Step::Differ(a, b)),
        (0..16usize, 0..9usize).prop_map(|(f, p)| Step::Is(f, p)),
        (0..16usize, 0..9u8).prop_map(|(f, n)| Step::IsCalled(f, n)),
        (0..16usize).prop_map(Step::IsNot),
        (0..16usize).prop_map(Step::Ignore),
        (0..16usize).prop_map(Step::NotAFace),
        (0..9usize, any::<bool>()).prop_map(|(p, h)| Step::Hide(p, h)),
        (0..9usize, reply).prop_map(|(q, r)| Step::Reply(q, r)),
        Just(Step::Undo),
    ]
}

/// What must hold from now on. Faces are keyed by photo and position, which outlive their numbers.
#[derive(Debug, Clone, Default)]
struct Decided {
    is: BTreeMap<Spot, PersonId>,
    is_not: BTreeSet<(Spot, PersonId)>,
    excluded: BTreeSet<Spot>,
    names: BTreeMap<PersonId, String>,
    hidden: BTreeSet<PersonId>,
}

/// Hash of the photo and left edge of the box.
type Spot = (Vec<u8>, i64);

fn spots(c: &Album) -> BTreeMap<FaceId, Spot> {
    let sql = "SELECT f.id, p.hash, f.x_min FROM faces f JOIN photos p ON p.id = f.photo";
    let row = |row: &rusqlite::Row| {
        let left: f64 = row.get(2)?;
        Ok((FaceId(row.get(0)?), (row.get(1)?, left.round() as i64)))
    };
    c.query_rows(sql, [], row).unwrap().into_iter().collect()
}

impl Decided {
    fn is(&mut self, faces: &[Spot], person: PersonId) {
        for face in faces {
            self.is.insert(face.clone(), person);
            self.is_not.remove(&(face.clone(), person));
            self.excluded.remove(face);
        }
    }

    fn is_not(&mut self, faces: &[Spot], person: PersonId) {
        for face in faces {
            if self.is.get(face) == Some(&person) {
                self.is.remove(face);
            }
            self.is_not.insert((face.clone(), person));
        }
    }

    fn excluded(&mut self, face: Spot) {
        self.is.remove(&face);
        self.excluded.insert(face);
    }

    fn merge(&mut self, into: PersonId, from: PersonId, both: &[Spot]) {
        self.is
            .values_mut()
            .filter(|p| **p == from)
            .for_each(|p| *p = into);
        let moved = |(f, p): (Spot, PersonId)| (f, if p == from { into } else { p });
        self.is_not = std::mem::take(&mut self.is_not)
            .into_iter()
            .map(moved)
            .collect();
        self.is(both, into);
        let name = self.names.remove(&from);
        if let (None, Some(name)) = (self.names.get(&into), name) {
            self.names.insert(into, name);
        }
        self.hidden.remove(&from);
    }

    fn differ(&mut self, one: PersonId, other: PersonId, of: impl Fn(PersonId) -> Vec<Spot>) {
        for (person, not) in [(one, other), (other, one)] {
            self.is(&of(person), person);
            self.is_not(&of(person), not);
        }
    }

    #[track_caller]
    fn holds_in(&self, album: &Album) {
        let spots = spots(album);
        let now: BTreeMap<&Spot, PersonId> = members(album)
            .into_iter()
            .map(|(face, person)| (&spots[&FaceId(face)], PersonId(person)))
            .collect();
        for (face, person) in &self.is {
            assert_eq!(now.get(face), Some(person), "face {face:?} is {person}");
        }
        for (face, person) in &self.is_not {
            assert_ne!(now.get(face), Some(person), "face {face:?} is not {person}");
        }
        for face in &self.excluded {
            assert!(!now.contains_key(face), "face {face:?} is excluded");
        }
        let named = album.people().unwrap().into_iter();
        let named: BTreeMap<_, _> = named.filter_map(|p| Some((p.id, p.name?))).collect();
        assert_eq!(named, self.names);
        let hidden = album
            .people_page(PeopleFilter::Hidden, Page::default())
            .unwrap();
        let hidden: BTreeSet<PersonId> = hidden.items.iter().map(|c| c.id).collect();
        assert_eq!(hidden, self.hidden);
        assert!(album.health().unwrap().problems.is_empty());
    }
}

/// Makes the decision; gives what holds after it, or `None` if it was refused.
fn decide(c: &mut Album, step: &Step, decided: &Decided) -> Option<Decided> {
    let people: Vec<PersonId> = c.people().unwrap().iter().map(|p| p.id).collect();
    let at = |i: usize| people[i % people.len()];
    let spot = spots(c);
    let all: Vec<FaceId> = spot.keys().copied().collect();
    let face = |i: usize| all[i % all.len()];
    let owned = members(c);
    let faces = |p: PersonId| -> Vec<FaceId> {
        let theirs = owned.iter().filter(|(_, person)| **person == p.0);
        theirs.map(|(face, _)| FaceId(*face)).collect()
    };
    let at_spots = |faces: &[FaceId]| faces.iter().map(|f| spot[f].clone()).collect::<Vec<_>>();
    let of = |p: PersonId| at_spots(&faces(p));
    let both = |a, b| [of(a), of(b)].concat();
    let mut after = decided.clone();
    match step {
        Step::Name(p, n) => {
            c.name(at(*p), &format!("name {n}")).ok()?;
            after.names.insert(at(*p), format!("name {n}"));
        }
        Step::Merge(a, b) => {
            c.merge(at(*a), at(*b)).ok()?;
            after.merge(at(*a), at(*b), &both(at(*a), at(*b)));
        }
        Step::Split(p, n) => {
            let theirs = faces(at(*p));
            let moved = &theirs[..(*n).min(theirs.len())];
            let new = c.split(at(*p), moved).ok()?;
            after.is(&of(at(*p)), at(*p));
            after.is(&at_spots(moved), new);
            after.is_not(&at_spots(moved), at(*p));
        }
        Step::Differ(a, b) => {
            c.differ(at(*a), at(*b)).ok()?;
            after.differ(at(*a), at(*b), of);
        }
        Step::Is(f, p) => {
            c.assert_is(&[face(*f)], at(*p)).unwrap();
            after.is(&at_spots(&[face(*f)]), at(*p));
        }
        Step::IsCalled(f, n) => {
            let person = c
                .assert_is_called(&[face(*f)], &format!("name {n}"))
                .unwrap();
            after.is(&at_spots(&[face(*f)]), person);
            after.names.insert(person, format!("name {n}"));
        }
        Step::IsNot(f) => {
            let person = PersonId(*owned.get(&face(*f).0)?);
            c.assert_is_not(&[face(*f)], person).unwrap();
            after.is_not(&at_spots(&[face(*f)]), person);
        }
        Step::Ignore(f) => {
            c.ignore(&[face(*f)]).unwrap();
            after.excluded(spot[&face(*f)].clone());
        }
        Step::NotAFace(f) => {
            c.not_a_face(&[face(*f)]).unwrap();
            after.excluded(spot[&face(*f)].clone());
        }
        Step::Hide(p, hidden) => {
            c.hide(at(*p), *hidden).unwrap();
            let changed = match hidden {
                true => after.hidden.insert(at(*p)),
                false => after.hidden.remove(&at(*p)),
            };
            changed.then_some(())?;
        }
        Step::Reply(q, reply) => {
            let open = c.questions(Page::default()).unwrap().items;
            let asked = open.get(q % open.len().max(1))?;
            c.reply(asked.id, *reply).unwrap();
            let person = asked.candidate;
            match (asked.subject, reply) {
                (Subject::Group(g), Reply::Yes) => after.merge(person, g, &both(person, g)),
                (Subject::Group(g), Reply::No) => after.differ(g, person, of),
                (Subject::Face(f), Reply::Yes) => after.is(&at_spots(&[f]), person),
                (Subject::Face(f), Reply::No) => after.is_not(&at_spots(&[f]), person),
                (_, Reply::NotSure) => {}
            }
        }
        Step::Undo => return None,
    }
    Some(after)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn nothing_contradicts_a_human(steps in proptest::collection::vec(step(), 200)) {
        let (_stage, mut album) = filled();
        let options = ClusterOptions {
            link_similarity: 0.5,
            ask_similarity: 0.1,
            // So low that new photos are assigned and not grouped.
            exact_up_to: 4,
            ..ClusterOptions::default()
        };
        let mut n_new = 0;
        let new = |n: usize, e: &str| photo(20 + n, &[n % 4], e);
        // What held before each decision that stands, to be gone back to.
        let mut past: Vec<Decided> = Vec::new();
        let mut decided = Decided::default();
        for (number, step) in steps.iter().enumerate() {
            if matches!(step, Step::Undo) {
                match past.pop() {
                    Some(before) => {
                        prop_assert_eq!(album.undo(1).unwrap().len(), 1);
                        decided = before;
                    }
                    None => prop_assert!(album.undo(1).is_err()),
                }
            } else if let Some(after) = decide(&mut album, step, &decided) {
                past.push(std::mem::replace(&mut decided, after));
            }
            if number % 7 == 0 {
                album.group(&ModelId("e@1".into()), &options).unwrap();
                album.record(&[new(n_new, "e@1")]).unwrap();
                n_new += 1;
                album.group(&ModelId("e@1".into()), &options).unwrap();
            }
            decided.holds_in(&album);
        }
        // The same photos seen by another model …
        let all = |e: &str| -> Vec<ScannedFile> {
            photos(e).into_iter().chain((0..n_new).map(|n| new(n, e))).collect()
        };
        album.record(&all("e@2")).unwrap();
        for model in ["e@1", "e@2"] {
            album.group(&ModelId(model.into()), &options).unwrap();
            decided.holds_in(&album);
        }
        // … and read again from scratch, in another order, from other places, by a detector with
        // other boxes.
        album.clear_photos().unwrap();
        let mut moved = all("e@3");
        moved.reverse();
        for file in &mut moved {
            file.path = Path::new("/moved").join(file.path.file_name().unwrap());
            let Outcome::New(photo) = &mut file.outcome else { unreachable!() };
            photo.models.detector = ModelId("d@2".into());
            photo.faces.reverse();
            for face in &mut photo.faces {
                face.bbox.y_max += 30.0;
            }
        }
        album.record(&moved).unwrap();
        album.group(&ModelId("e@3".into()), &options).unwrap();
        decided.holds_in(&album);
    }
}

#[test]
fn a_decision_on_which_a_later_one_rests_is_not_taken_back_before_it() {
    let (_stage, mut album) = filled();
    let ids: Vec<PersonId> = album.people().unwrap().iter().map(|p| p.id).collect();
    album.set_actor("web");
    album.name(ids[0], "Ida").unwrap();
    album.name(ids[1], "Bo").unwrap();
    album.merge(ids[0], ids[2]).unwrap();
    let history = album.history(Page::default()).unwrap();
    assert_eq!(history.total, 3);
    assert!(history.items.iter().all(|d| d.actor == "web"));
    let [merge, bo, ida] = [0, 1, 2].map(|i| history.items[i].id);
    let refused = album.undo_decision(ida).unwrap_err().to_string();
    assert!(refused.contains(&merge.to_string()), "{refused}");
    album.undo_decision(bo).unwrap();
    assert!(album.find_person("Bo").is_err());
    album.undo_decision(merge).unwrap();
    album.undo_decision(ida).unwrap();
    assert!(album.find_person("Ida").is_err());
    assert_eq!(album.person(ids[2]).unwrap().n_faces, 4);
}

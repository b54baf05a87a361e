//! 200 random decisions of a human, and what happens to photos between them: metadata is edited,
//! photos are re-saved, shrunk and turned, replaced by others, deleted and put back, their folder
//! is renamed, their disk is away. No grouping, assignment of new photos, re-scan, scan from
//! scratch or change of model contradicts a decision.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::disk::{DRAWN_AT, Disk, OnDisk, Spot};
use super::presence::with;
use super::*;
use fusiform_search::likelihood_ratio::LikelihoodRatio;

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
    Cover(usize),
    /// On a photo, in a place where no face was found; perhaps with a name.
    Draw(usize, Option<u8>),
    Reply(usize, Reply),
    Undo,
    Edit(usize),
    SaveAgain(usize, Orientation),
    Replace(usize),
    Delete(usize),
    PutBack(usize),
    RenameFolder,
    DetachDisk,
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
        (0..16usize).prop_map(Step::Cover),
        (0..50usize, proptest::option::of(0..9u8)).prop_map(|(p, n)| Step::Draw(p, n)),
        (0..9usize, reply).prop_map(|(q, r)| Step::Reply(q, r)),
        Just(Step::Undo),
        (0..50usize).prop_map(Step::Edit),
        (0..50usize, 0..8usize).prop_map(|(p, o)| Step::SaveAgain(p, Orientation::ALL[o])),
        (0..50usize).prop_map(Step::Replace),
        (0..50usize).prop_map(Step::Delete),
        (0..50usize).prop_map(Step::PutBack),
        Just(Step::RenameFolder),
        Just(Step::DetachDisk),
    ]
}

/// What must hold from now on. Faces are keyed by photo and position, which outlive their numbers.
#[derive(Debug, Clone, Default)]
struct Decided {
    is: BTreeMap<Spot, PersonId>,
    is_not: BTreeSet<(Spot, PersonId)>,
    excluded: BTreeSet<Spot>,
    /// Faces that nobody but a human saw.
    drawn: BTreeSet<Spot>,
    names: BTreeMap<PersonId, String>,
    hidden: BTreeSet<PersonId>,
}

/// Changes the disk; whether the step was one of those that do.
fn change(disk: &mut Disk, album: &mut Album, step: &Step) -> bool {
    let numbers: Vec<usize> = disk.photos.keys().copied().collect();
    let photos = &mut disk.photos;
    let mut at = move |i: &usize, change: &dyn Fn(&mut OnDisk)| {
        let number = numbers[i % numbers.len()];
        change(photos.get_mut(&number).unwrap());
    };
    match step {
        Step::Edit(p) => at(p, &|photo| photo.version += 1),
        Step::SaveAgain(p, orientation) => at(p, &|photo| {
            (photo.version, photo.saved) = (photo.version + 1, Some(*orientation));
        }),
        Step::Replace(p) => at(p, &|photo| {
            // No two files share their bytes: what is put back is a file of its own.
            (photo.replaced, photo.saved) = (!photo.replaced, None);
            photo.version += 1;
        }),
        Step::Delete(p) => at(p, &|photo| photo.deleted = true),
        Step::PutBack(p) => at(p, &|photo| photo.deleted = false),
        Step::RenameFolder => disk.folder = if disk.folder == "a" { "b" } else { "a" },
        Step::DetachDisk => {
            let gone = album.reconcile(&["/nowhere/at/all".into()], &[], &[]);
            assert_eq!(gone.unwrap(), Reconciled::default());
        }
        _ => return false,
    }
    disk.scan(album);
    true
}

impl Decided {
    fn is(&mut self, faces: &[Spot], person: PersonId) {
        for face in faces {
            self.is.insert(*face, person);
            self.is_not.remove(&(*face, person));
            self.excluded.remove(face);
        }
    }

    fn is_not(&mut self, faces: &[Spot], person: PersonId) {
        for face in faces {
            if self.is.get(face) == Some(&person) {
                self.is.remove(face);
            }
            self.is_not.insert((*face, person));
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
        self.is_not
            .retain(|(face, person)| self.is.get(face) != Some(person));
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
    fn holds_in(&self, album: &Album, disk: &Disk) {
        let spots = disk.spots(album);
        let there: BTreeSet<Spot> = spots.values().copied().collect();
        let now: BTreeMap<&Spot, PersonId> = members(album)
            .into_iter()
            .map(|(face, person)| (&spots[&FaceId(face)], PersonId(person)))
            .collect();
        // What is not on the disk now is asked for when it is back.
        for (face, person) in self.is.iter().filter(|(face, _)| there.contains(face)) {
            assert_eq!(now.get(face), Some(person), "face {face:?} is {person}");
        }
        for (face, person) in &self.is_not {
            assert_ne!(now.get(face), Some(person), "face {face:?} is not {person}");
        }
        let pictures: BTreeSet<usize> = disk.pictures().collect();
        for face in self
            .drawn
            .iter()
            .filter(|(picture, _)| pictures.contains(picture))
        {
            assert!(there.contains(face), "face {face:?} was drawn");
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

/// Those of a person's faces that a human assigned.
fn asserted(album: &Album, person: PersonId) -> Vec<FaceId> {
    let sql = "SELECT face FROM members WHERE person = ?1 AND similarity IS NULL";
    let mut query = album.db.prepare(sql).unwrap();
    let faces = query.query_map([person.0], |row| row.get(0).map(FaceId));
    faces.unwrap().map(Result::unwrap).collect()
}

/// Makes the decision; gives what holds after it, or `None` if it was refused.
fn decide(c: &mut Album, disk: &Disk, step: &Step, decided: &Decided) -> Option<Decided> {
    let people: Vec<PersonId> = c.people().unwrap().iter().map(|p| p.id).collect();
    let at = |i: usize| people[i % people.len()];
    let spot = disk.spots(c);
    let all: Vec<FaceId> = spot.keys().copied().collect();
    let face = |i: usize| all[i % all.len()];
    let owned = members(c);
    let faces = |p: PersonId| -> Vec<FaceId> {
        let theirs = owned.iter().filter(|(_, person)| **person == p.0);
        theirs.map(|(face, _)| FaceId(*face)).collect()
    };
    let at_spots = |faces: &[FaceId]| faces.iter().map(|f| spot[f]).collect::<Vec<_>>();
    let of = |p: PersonId| at_spots(&faces(p));
    let both = |a, b| [of(a), of(b)].concat();
    let mut after = decided.clone();
    match step {
        Step::Name(p, n) => {
            c.name(at(*p), &format!("name {n}")).ok()?;
            after.names.insert(at(*p), format!("name {n}"));
            // The faces shown under it are held.
            after.is(&of(at(*p)), at(*p));
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
            // With it whose face was looked at: the cover, if nothing was asserted.
            after.is(&at_spots(&asserted(c, at(*p))), at(*p));
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
            after.excluded(spot[&face(*f)]);
        }
        Step::NotAFace(f) => {
            c.not_a_face(&[face(*f)]).unwrap();
            after.excluded(spot[&face(*f)]);
        }
        Step::Hide(p, hidden) => {
            c.hide(at(*p), *hidden).unwrap();
            // The cover is what was looked at: it is asserted if nothing was.
            after.is(&at_spots(&asserted(c, at(*p))), at(*p));
            let changed = match hidden {
                true => after.hidden.insert(at(*p)),
                false => after.hidden.remove(&at(*p)),
            };
            changed.then_some(())?;
        }
        // It stands for its person, and changes nothing else.
        Step::Cover(f) => drop(c.choose_cover(face(*f)).ok()?),
        Step::Draw(p, n) => {
            let (number, photo, bbox) = disk.place_to_draw(c, *p)?;
            let name = n.map(|n| format!("name {n}"));
            let drawn = c.draw_face(photo, bbox, None, name.as_deref()).ok()?;
            let spot = (disk.picture(number), DRAWN_AT);
            if let (Some(person), Some(name)) = (drawn.person, name) {
                let cover = asserted(c, person).into_iter().filter(|f| *f != drawn.face);
                after.is(&at_spots(&cover.collect::<Vec<_>>()), person);
                after.is(&[spot], person);
                after.names.insert(person, name);
            }
            after.drawn.insert(spot);
        }
        Step::Reply(q, reply) => {
            let open = c.questions(Page::default()).unwrap().items;
            let asked = open.get(q % open.len().max(1))?;
            c.reply(asked.id, *reply).unwrap();
            let person = asked.candidate.unwrap();
            match (asked.subject, reply) {
                (Subject::Group(g), Reply::Yes) => after.merge(person, g, &both(person, g)),
                (Subject::Group(g), Reply::No) => after.differ(g, person, of),
                (Subject::Face(f), Reply::Yes) => {
                    after.is(&at_spots(&asserted(c, person)), person);
                    after.is(&at_spots(&[f]), person);
                }
                (Subject::Face(f), Reply::No) => after.is_not(&at_spots(&[f]), person),
                (_, Reply::NotSure) => {}
            }
        }
        _ => return None,
    }
    Some(after)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn nothing_contradicts_a_human(steps in proptest::collection::vec(step(), 200)) {
        let stage = Stage::new();
        let mut album = stage.open();
        let mut disk = Disk::new();
        disk.scan(&mut album);
        let options = ClusterOptions {
            link_similarity: 0.5,
            ask_similarity: 0.1,
            // So low that new photos are assigned and not grouped.
            exact_up_to: 4,
            // So steep that strangers are asked about.
            likelihood_ratio: LikelihoodRatio::from_rates(&[
                (0.0, 0.5, 0.0),
                (0.002, 0.1, 0.3),
                (0.004, 1e-6, 0.6),
            ]),
            ..ClusterOptions::default()
        };
        album.group(&ModelId("e@1".into()), &options).unwrap();
        let mut n_new = 0;
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
            } else if change(&mut disk, &mut album, step) {
                // Decisions stand.
            } else if let Some(after) = decide(&mut album, &disk, step, &decided) {
                past.push(std::mem::replace(&mut decided, after));
            }
            if number % 7 == 0 {
                album.group(&ModelId("e@1".into()), &options).unwrap();
                disk.add(20 + n_new);
                disk.scan(&mut album);
                n_new += 1;
                album.group(&ModelId("e@1".into()), &options).unwrap();
            }
            decided.holds_in(&album, &disk);
        }
        // The same photos seen by another model …
        album.record(&disk.files("e@2")).unwrap();
        for model in ["e@1", "e@2"] {
            album.group(&ModelId(model.into()), &options).unwrap();
            decided.holds_in(&album, &disk);
        }
        // … and read again from scratch, in another order, from another place, by a detector with
        // other boxes; those too that were deleted.
        album.clear_photos().unwrap();
        disk.folder = "moved";
        disk.photos.values_mut().for_each(|photo| photo.deleted = false);
        let mut moved = disk.files("e@3");
        moved.reverse();
        for file in &mut moved {
            with(file, |photo| {
                photo.models.detector = ModelId("d@2".into());
                photo.faces.reverse();
                for face in &mut photo.faces {
                    face.bbox.y_max += 20.0;
                }
            });
        }
        album.record(&moved).unwrap();
        album.group(&ModelId("e@3".into()), &options).unwrap();
        decided.holds_in(&album, &disk);
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

#[test]
fn what_is_decided_after_a_file_was_written_is_later_whatever_the_clock_says() {
    let (_stage, mut album) = filled();
    let [one, two] = [1, 2].map(|n| album.photo(PhotoId(n)).unwrap().faces[0].face);
    album.assert_is_called(&[one], "Ida").unwrap();
    let earlier = album.last_decided_ms(one).unwrap().unwrap();
    let written = album.stamp().unwrap();
    let written_ms = album.utc_ms(&written).unwrap().unwrap();
    assert!((earlier - written_ms).abs() < 60_000);
    // The clock was a year ahead when the file was written, and was put back since.
    let sql = "UPDATE state SET value = replace(value, substr(value, 1, instr(value, ' ') - 1), \
               substr(value, 1, instr(value, ' ') - 1) + 31536000000) WHERE key = 'stamp'";
    assert_eq!(album.db.execute(sql, []).unwrap(), 1);
    let written_ms = earlier + 31_000_000_000;
    assert_eq!(
        album.last_decided_ms(one).unwrap(),
        Some(earlier),
        "decided before it"
    );
    album.assert_is_called(&[two], "Bo").unwrap();
    assert!(album.last_decided_ms(two).unwrap().unwrap() > written_ms);
    album.undo(1).unwrap();
    album.undo(1).unwrap();
    assert!(
        album.last_decided_ms(one).unwrap().unwrap() > written_ms,
        "taken back after it"
    );
    // A file that is written by the right clock is no later.
    album.stamp().unwrap();
    album.assert_is_called(&[two], "Bo").unwrap();
    assert!(album.last_decided_ms(two).unwrap().unwrap() > written_ms);
}

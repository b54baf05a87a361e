//! 200 random decisions of a human, and what happens to photos between them: metadata is edited,
//! photos are re-saved, shrunk and turned, replaced by others, deleted and put back, their folder
//! is renamed, their disk is away. No grouping, assignment of new photos, re-scan, scan from
//! scratch or change of model contradicts a decision.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::presence::{edited, pictured, saved_again, with};
use super::*;
use crate::regions::RelativeBox;
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
    names: BTreeMap<PersonId, String>,
    hidden: BTreeSet<PersonId>,
}

/// Number of the picture, and the place of the face in it from the left.
type Spot = (usize, usize);

/// A file of a photo as it is on the disk.
#[derive(Debug, Clone)]
struct OnDisk {
    /// Another picture lies under the name.
    replaced: bool,
    /// How often it was written.
    version: u8,
    /// Shrunk, and turned this way.
    saved: Option<Orientation>,
    deleted: bool,
}

/// The disk: photos by number, below a folder that is there.
struct Disk {
    root: tempfile::TempDir,
    folder: &'static str,
    photos: BTreeMap<usize, OnDisk>,
}

/// Who is in the first twelve pictures; later ones show one person.
const WHO: [&[usize]; 12] = [
    &[0],
    &[0, 1],
    &[1],
    &[2],
    &[2, 0],
    &[1],
    &[3],
    &[3, 2],
    &[0],
    &[1, 3],
    &[2],
    &[5],
];

impl Disk {
    fn new() -> Disk {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("here"), "").unwrap();
        let mut disk = Disk {
            root,
            folder: "a",
            photos: BTreeMap::new(),
        };
        (0..12).for_each(|number| disk.add(number));
        disk
    }

    fn add(&mut self, number: usize) {
        let new = OnDisk {
            replaced: false,
            version: 0,
            saved: None,
            deleted: false,
        };
        self.photos.insert(number, new);
    }

    /// The picture that lies under a number.
    fn picture(&self, number: usize) -> usize {
        number
            + if self.photos[&number].replaced {
                100
            } else {
                0
            }
    }

    fn file(&self, number: usize, embedder: &str) -> Option<ScannedFile> {
        let on_disk = &self.photos[&number];
        if on_disk.deleted {
            return None;
        }
        let picture = self.picture(number);
        let person = [picture % 4];
        let who = WHO.get(number).filter(|_| !on_disk.replaced);
        let original = pictured(picture, who.unwrap_or(&&person[..]));
        let mut file = match on_disk.saved {
            Some(o) => saved_again(&original, picture, 1 + on_disk.version % 200, o),
            None if on_disk.version > 0 => edited(&original, 1 + on_disk.version % 200),
            None => original,
        };
        with(&mut file, |record| record.models = models(embedder));
        let name = format!("{number:04}.jpg");
        file.path = self.root.path().join(self.folder).join(name);
        Some(file)
    }

    fn files(&self, embedder: &str) -> Vec<ScannedFile> {
        let numbers = self.photos.keys();
        numbers.filter_map(|n| self.file(*n, embedder)).collect()
    }

    fn scan(&self, album: &mut Album) {
        let files = self.files("e@1");
        album.record(&files).unwrap();
        let found: Vec<PathBuf> = files.into_iter().map(|f| f.path).collect();
        album
            .reconcile(&[self.root.path().into()], &found, &[])
            .unwrap();
    }

    /// Changes the disk; whether the step was one of those that do.
    fn change(&mut self, album: &mut Album, step: &Step) -> bool {
        let numbers: Vec<usize> = self.photos.keys().copied().collect();
        let photos = &mut self.photos;
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
            Step::RenameFolder => self.folder = if self.folder == "a" { "b" } else { "a" },
            Step::DetachDisk => {
                let gone = album.reconcile(&["/nowhere/at/all".into()], &[], &[]);
                assert_eq!(gone.unwrap(), Reconciled::default());
            }
            _ => return false,
        }
        self.scan(album);
        true
    }

    /// Where each face lies that the album shows.
    fn spots(&self, album: &Album) -> BTreeMap<FaceId, Spot> {
        let mut spots = BTreeMap::new();
        for (number, on_disk) in self.photos.iter().filter(|(_, p)| !p.deleted) {
            let name = format!("{number:04}.jpg");
            let path = self.root.path().join(self.folder).join(name);
            let view = album.photo(album.photo_at(&path).unwrap()).unwrap();
            for face in view.faces {
                let here = RelativeBox::from_pixels(&face.bbox, view.width_px, view.height_px);
                let there = here.stored(on_disk.saved.unwrap_or_default());
                let place = ((there.x_min + there.x_max) / 2.0 * 6.4) as usize;
                spots.insert(face.face, (self.picture(*number), place));
            }
        }
        spots
    }
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
        Step::Reply(q, reply) => {
            let open = c.questions(Page::default()).unwrap().items;
            let asked = open.get(q % open.len().max(1))?;
            c.reply(asked.id, *reply).unwrap();
            let person = asked.candidate;
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
            } else if disk.change(&mut album, step) {
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

//! Decisions, moved files and scans in any order: what was decided holds for videos.

use std::sync::atomic::Ordering;

use proptest::prelude::*;

use super::*;

/// What is done to an album and its files.
#[derive(Debug, Clone)]
enum Step {
    Name(usize),
    Merge(usize, usize),
    Undo,
    Not(usize, usize),
    Erase(usize),
    Move(usize, usize),
    Delete(usize),
    Restore(usize),
    FromScratch,
    Prune,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4usize).prop_map(Step::Name),
        2 => (0..4usize, 0..4usize).prop_map(|(a, b)| Step::Merge(a, b)),
        2 => Just(Step::Undo),
        3 => (0..4usize, 0..9usize).prop_map(|(p, n)| Step::Not(p, n)),
        1 => (0..4usize).prop_map(Step::Erase),
        2 => (0..3usize, 0..9usize).prop_map(|(v, n)| Step::Move(v, n)),
        1 => (0..3usize).prop_map(Step::Delete),
        2 => (0..3usize).prop_map(Step::Restore),
        1 => Just(Step::FromScratch),
        1 => Just(Step::Prune),
    ]
}

/// Who of the photos passes by in which video, from when.
const PASSING: [&[(usize, u64)]; 3] = [
    &[(0, 0), (1, 0), (2, 4000)],
    &[(0, 0), (0, 5000), (3, 9000), (5, 0)],
    &[(1, 2000), (2, 0), (3, 6000), (5, 0)],
];

/// What ought to hold.
#[derive(Debug, Clone, Default)]
struct Truth {
    /// Into whom each of the four was merged.
    merged: [Option<usize>; 4],
    named: [bool; 4],
    /// Video and place in it, and who that is not.
    not: Vec<(usize, usize, usize)>,
}

impl Truth {
    fn root(&self, who: usize) -> usize {
        self.merged[who].map_or(who, |into| self.root(into))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_was_decided_holds_whatever_files_and_scans_do(
        steps in proptest::collection::vec(step(), 40)
    ) {
        let words = |video: usize| -> String {
            let lines = PASSING[video].iter().enumerate();
            lines.map(|(i, (p, ms))| line(*p, *ms, ms + 900, 20 + 200 * i as u64)).collect()
        };
        let names = ["0.mp4", "1.mp4", "2.mp4"];
        let mut library = Library::new(&[0, 1, 2].map(|v| (names[v], words(v))));
        let mut files = names.map(|name| Some(name.to_owned()));
        // A face of each of the four.
        let mut people = [1, 3, 5, 9].map(|face| library.person(face));
        let mut truth = Truth::default();
        let mut erased: [bool; 4] = [false; 4];
        // Places that were erased: for good.
        let mut erased_places: Vec<(usize, usize)> = Vec::new();
        let mut before: Vec<Truth> = Vec::new();
        let mut n_names = 0;
        for step in steps {
            let live = |who: usize| !erased[who];
            match step {
                Step::Name(who) => {
                    let who = truth.root(who);
                    if live(who) {
                        n_names += 1;
                        before.push(truth.clone());
                        library.album.name(people[who], &format!("N{n_names}")).unwrap();
                        truth.named[who] = true;
                    }
                }
                Step::Merge(into, from) => {
                    let (into, from) = (truth.root(into), truth.root(from));
                    if into != from && live(into) && live(from) {
                        before.push(truth.clone());
                        library.album.merge(people[into], people[from]).unwrap();
                        truth.named[into] |= truth.named[from];
                        truth.merged[from] = Some(into);
                    }
                }
                Step::Undo => match (library.album.undo(1), before.pop()) {
                    (Ok(_), Some(was)) => truth = was,
                    (Err(_), None) => {}
                    other => panic!("{other:?}"),
                },
                Step::Not(who, number) => {
                    let who = truth.root(who);
                    let shown = match live(who) {
                        true => places(&library, people[who]),
                        false => Vec::new(),
                    };
                    if let Some((id, video, place)) = shown.get(number % shown.len().max(1)) {
                        before.push(truth.clone());
                        library.album.not_in_video(&[*id], people[who]).unwrap();
                        truth.not.push((*video, *place, who));
                    }
                }
                Step::Erase(who) => {
                    let who = truth.root(who);
                    if live(who) && truth.named[who] {
                        let shown = places(&library, people[who]);
                        library.album.erase(people[who]).unwrap();
                        erased_places.extend(shown.iter().map(|(_, v, p)| (*v, *p)));
                        for (other, erased) in erased.iter_mut().enumerate() {
                            *erased |= truth.root(other) == who;
                        }
                        truth.named[who] = false;
                        before.clear();
                    }
                }
                Step::Move(video, number) => {
                    let to = format!("{video}-{number}.mov");
                    if let Some(name) = &mut files[video] {
                        fs::rename(library.path(name), library.path(&to)).unwrap();
                        *name = to;
                    }
                }
                Step::Delete(video) => {
                    // The last file stays: an empty folder may be a disk that is off.
                    if files.iter().flatten().count() > 1
                        && let Some(name) = files[video].take()
                    {
                        fs::remove_file(library.path(&name)).unwrap();
                    }
                }
                Step::Restore(video) => {
                    let name = names[video].to_owned();
                    if files[video].is_none() {
                        fs::write(library.path(&name), words(video)).unwrap();
                        files[video] = Some(name);
                    }
                }
                Step::FromScratch => {
                    library.album.clear_photos().unwrap();
                    library.album.record(&photos("e@1")).unwrap();
                    group(&mut library.album);
                    // Groups about which nothing stands get other numbers.
                    for (who, photo) in [0, 2, 3, 6].into_iter().enumerate() {
                        let of_photo = format!("/photos/{photo:04}.jpg");
                        let photo = library.album.photo_at(Path::new(&of_photo)).unwrap();
                        let faces = library.album.photo(photo).unwrap().faces;
                        if truth.root(who) == who
                            && !truth.named[who]
                            && let Some(person) = faces.first().and_then(|face| face.person)
                        {
                            people[who] = person;
                        }
                    }
                }
                Step::Prune => {
                    library.album.prune().unwrap();
                }
            }
            let _ = library.scan();
            for (who, person) in people.iter().copied().enumerate() {
                if library.album.person(person).is_err() {
                    continue;
                }
                let mut shown: Vec<(usize, usize)> =
                    places(&library, person).iter().map(|(_, v, p)| (*v, *p)).collect();
                shown.sort_unstable();
                let is_theirs = |video: usize, place: usize, passing: usize| {
                    let not = truth.not.iter();
                    passing < 4
                        && truth.root(passing) == who
                        && truth.named[who]
                        && !erased[passing]
                        && files[video].is_some()
                        && !erased_places.contains(&(video, place))
                        && !not.into_iter().any(|(v, p, n)| {
                            (*v, *p) == (video, place) && truth.root(*n) == who
                        })
                };
                let mut wanted = Vec::new();
                for (video, passing) in PASSING.iter().enumerate() {
                    for (place, (p, _)) in passing.iter().enumerate() {
                        if is_theirs(video, place, *p) {
                            wanted.push((video, place));
                        }
                    }
                }
                prop_assert_eq!(shown, wanted, "person {} after {:?}", who, truth);
            }
            let again = library.engine.n_looked.load(Ordering::Relaxed);
            let dump = library.album.dump().unwrap();
            let _ = library.scan();
            let looked = library.engine.n_looked.load(Ordering::Relaxed);
            prop_assert_eq!(again, looked, "a second scan has nothing to do");
            prop_assert_eq!(dump, library.album.dump().unwrap());
        }
        prop_assert!(library.album.health().unwrap().problems.is_empty());
    }
}

/// All that is shown of a person: its number, the video and the place in it.
fn places(library: &Library, person: PersonId) -> Vec<(AppearanceId, usize, usize)> {
    let mut places = Vec::new();
    for video in library.album.videos_of(person).unwrap() {
        let name = video.paths[0].file_name().unwrap().to_str().unwrap();
        let number: usize = name[..1].parse().unwrap();
        for id in video.spans.into_iter().flat_map(|span| span.appearances) {
            let sql = format!("SELECT CAST(x_min AS INTEGER) FROM appearances WHERE id = {id}");
            let x: i64 = library.album.query_value(&sql).unwrap();
            places.push((id, number, (x as usize - 20) / 200));
        }
    }
    places
}

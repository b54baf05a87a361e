//! People in videos: who is found, what decisions and moved files do to it, and that what was
//! decided is never lost.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use fusiform_search::template::Similarity;
use proptest::prelude::*;

use super::*;
use crate::scan::{LookAtVideos, VideoSummary, look_at_videos};

/// Looks at files that say in words what is seen in them: a line for each face that passes by, with
/// whose it is, from when to when, and where.
struct Words {
    model: ModelId,
    with: &'static str,
    n_looked: AtomicUsize,
}

impl Words {
    fn new() -> Words {
        Words {
            model: ModelId("e@1".into()),
            with: "words",
            n_looked: AtomicUsize::new(0),
        }
    }
}

/// One face that passes by.
fn line(person: usize, start_ms: u64, end_ms: u64, x: u64) -> String {
    format!("{person} {start_ms} {end_ms} {x}\n")
}

impl LookAtVideos for Words {
    fn model(&self) -> &ModelId {
        &self.model
    }

    fn looked_with(&self) -> String {
        self.with.into()
    }

    fn same_at(&self) -> Similarity {
        Similarity(0.5)
    }

    fn record(&self, path: &Path, stop: &AtomicBool) -> Result<Option<VideoRecord>, Unusable> {
        self.n_looked.fetch_add(1, Ordering::Relaxed);
        let words = fs::read_to_string(path).unwrap();
        if words.starts_with("broken") {
            return Err(Unusable::new(ProblemKind::Damaged, "no index; repair it"));
        }
        assert!(!words.starts_with("fault"), "a fault of the decoder");
        if words.starts_with("stop") {
            stop.store(true, Ordering::Relaxed);
            return Ok(None);
        }
        let track = |line: &str| {
            let numbers: Vec<u64> = line.split(' ').map(|n| n.parse().unwrap()).collect();
            let &[person, start, end, x] = &numbers[..] else {
                panic!("{line}");
            };
            let x = x as f32;
            let bbox = BoundingBox {
                x_min: x,
                y_min: 10.0,
                x_max: x + 80.0,
                y_max: 90.0,
            };
            let times = [start, (start + end) / 2, end];
            VideoTrack {
                boxes: times.map(|ms| (ms, bbox)).to_vec(),
                best: 1,
                // Person 9 passes by too blurred for anybody to be recognised.
                template: (person < 9).then(|| Template {
                    model: self.model.clone(),
                    vector: vector(person as usize, 3),
                    quality: 0.8,
                }),
            }
        };
        Ok(Some(VideoRecord {
            duration_ms: 20_000,
            cut_short: words.contains("\n\n").then(|| "it breaks off".into()),
            tracks: words.lines().filter(|l| !l.is_empty()).map(track).collect(),
        }))
    }
}

/// A folder of videos beside an album of photos.
struct Library {
    _stage: Stage,
    album: Album,
    dir: TempDir,
    engine: Words,
}

impl Library {
    fn new(videos: &[(&str, String)]) -> Library {
        let (stage, album) = filled();
        let library = Library {
            _stage: stage,
            album,
            dir: tempfile::tempdir().unwrap(),
            engine: Words::new(),
        };
        for (name, words) in videos {
            fs::write(library.path(name), words).unwrap();
        }
        library
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Groups, takes out what is gone and looks at videos, as a scan does; gives the summary and
    /// how many were looked at.
    fn scan(&mut self) -> VideoSummary {
        group(&mut self.album);
        let found: Vec<PathBuf> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect();
        let root = [self.dir.path().to_path_buf()];
        self.album.reconcile_videos(&root, &found, &[]).unwrap();
        let stop = AtomicBool::new(false);
        look_at_videos(&self.engine, &mut self.album, &found, &stop, |_| {}).unwrap()
    }

    /// The person of a face of the album's photos.
    fn person(&self, face: i64) -> PersonId {
        PersonId(members(&self.album)[&face])
    }

    /// File, start and end of all that is shown of a person.
    fn shown(&self, person: PersonId) -> Vec<(String, u64, u64)> {
        let mut shown = Vec::new();
        for video in self.album.videos_of(person).unwrap() {
            let name = video.paths[0].file_name().unwrap().to_str().unwrap();
            let spans = video.spans.iter();
            shown.extend(spans.map(|s| (name.to_owned(), s.start_ms, s.end_ms)));
        }
        shown
    }

    fn ids(&self, person: PersonId) -> Vec<AppearanceId> {
        let videos = self.album.videos_of(person).unwrap();
        let spans = videos.into_iter().flat_map(|video| video.spans);
        spans.flat_map(|span| span.appearances).collect()
    }
}

fn at(name: &str, start_ms: u64, end_ms: u64) -> (String, u64, u64) {
    (name.into(), start_ms, end_ms)
}

#[test]
fn people_with_a_name_are_found_and_nothing_is_kept_of_others() {
    let both = line(0, 0, 4000, 10) + &line(1, 1000, 3000, 300) + &line(9, 0, 500, 500);
    let mut library = Library::new(&[("a.mp4", both)]);
    // Nobody has a name: no video is opened.
    let summary = library.scan();
    assert_eq!((summary.waiting, summary.looked_at), (1, 0));
    assert_eq!(library.engine.n_looked.load(Ordering::Relaxed), 0);
    let (ida, bo) = (library.person(1), library.person(3));
    library.album.name(ida, "Ida").unwrap();
    let summary = library.scan();
    assert_eq!((summary.looked_at, summary.appearances), (1, 1));
    assert_eq!(library.shown(ida), [at("a.mp4", 0, 4000)]);
    assert_eq!(library.shown(bo), []);
    let rows: i64 = library
        .album
        .query_value("SELECT count(*) FROM appearances")
        .unwrap();
    assert_eq!(rows, 1, "of somebody without a name nothing is stored");
    // A second scan has nothing to do; whoever is named later is found by looking again.
    assert_eq!(library.scan().looked_at, 0);
    library.album.name(bo, "Bo").unwrap();
    assert_eq!(library.scan().looked_at, 1);
    assert_eq!(library.shown(bo), [at("a.mp4", 1000, 3000)]);
    assert_eq!(library.album.video_counts().unwrap()[&bo], 1);
    // Everybody who can be recognised has a name: one more name is no reason to look again.
    let cy = library.person(4);
    library.album.name(cy, "Cy").unwrap();
    assert_eq!(library.scan().looked_at, 0);
    assert!(library.album.health().unwrap().problems.is_empty());
}

#[test]
fn decisions_about_people_hold_for_videos_at_once() {
    let words = line(0, 0, 4000, 10) + &line(1, 10_000, 12_000, 300);
    let mut library = Library::new(&[("a.mp4", words)]);
    let (ida, bo) = (library.person(1), library.person(3));
    library.album.name(ida, "Ida").unwrap();
    library.album.name(bo, "Bo").unwrap();
    library.scan();
    library.album.merge(ida, bo).unwrap();
    let both = [at("a.mp4", 0, 4000), at("a.mp4", 10_000, 12_000)];
    assert_eq!(library.shown(ida), both);
    library.album.undo(1).unwrap();
    assert_eq!(library.shown(ida), both[..1]);
    assert_eq!(library.shown(bo), both[1..]);
    // The face that the appearance is nearest to goes to a new person, who has no name yet.
    let nearest: i64 = library
        .album
        .query_value("SELECT face FROM appearances ORDER BY start_ms LIMIT 1")
        .unwrap();
    let new = library.album.split(ida, &[FaceId(nearest)]).unwrap();
    assert_eq!(library.shown(ida), []);
    library.album.name(new, "Ida's twin").unwrap();
    assert_eq!(library.shown(new), both[..1]);
    // The face is said to be nobody's: another one of Ida is near enough, which a look finds.
    library.album.undo(1).unwrap();
    library.album.undo(1).unwrap();
    library.album.ignore(&[FaceId(nearest)]).unwrap();
    assert_eq!(library.shown(ida), []);
    assert_eq!(library.scan().looked_at, 1);
    assert_eq!(library.shown(ida), both[..1]);
    // Without a name nobody appears, and the next scan forgets it.
    let naming = library.album.history(Page::default()).unwrap().items;
    let naming = naming.iter().find(|d| d.what.contains("\"Bo\"")).unwrap();
    library.album.undo_decision(naming.id).unwrap();
    assert_eq!(library.shown(bo), []);
    library.scan();
    let rows: i64 = library
        .album
        .query_value("SELECT count(*) FROM appearances")
        .unwrap();
    assert_eq!(rows, 1);
}

#[test]
fn who_it_is_not_is_kept_and_not_asked_again() {
    let words = line(0, 0, 4000, 10) + &line(0, 5000, 6000, 300);
    let mut library = Library::new(&[("a.mp4", words)]);
    let (ida, bo) = (library.person(1), library.person(3));
    library.album.name(ida, "Ida").unwrap();
    library.scan();
    assert_eq!(library.shown(ida), [at("a.mp4", 0, 6000)]);
    let ids = library.ids(ida);
    assert_eq!(ids.len(), 2);
    let refused = library.album.not_in_video(&ids, bo).unwrap_err();
    assert!(matches!(refused, Error::InvalidRequest(_)), "{refused}");
    library.album.not_in_video(&ids[..1], ida).unwrap();
    assert_eq!(library.shown(ida), [at("a.mp4", 5000, 6000)]);
    let said = &library.album.history(Page::default()).unwrap().items[0];
    assert_eq!(said.what, "said not to be person 1 in a video");
    // A look from scratch, and under other models, finds the rest and not this.
    for with in ["words of another kind", "words"] {
        library.engine.with = with;
        assert_eq!(library.scan().looked_at, 1);
        assert_eq!(library.shown(ida), [at("a.mp4", 5000, 6000)]);
    }
    // It holds for whoever they are merged into, and ends when it is undone.
    library.album.name(bo, "Bo").unwrap();
    library.album.merge(bo, ida).unwrap();
    library.scan();
    assert_eq!(library.shown(bo), [at("a.mp4", 5000, 6000)]);
    library.album.undo(2).unwrap();
    library.album.undo(1).unwrap();
    library.scan();
    assert_eq!(library.shown(ida), [at("a.mp4", 0, 6000)]);
}

#[test]
fn who_is_erased_does_not_come_back_to_a_video() {
    let words = line(0, 0, 4000, 10) + &line(1, 10_000, 12_000, 300);
    let mut library = Library::new(&[("a.mp4", words)]);
    let (ida, bo) = (library.person(1), library.person(3));
    library.album.name(ida, "Ida").unwrap();
    library.album.name(bo, "Bo").unwrap();
    library.scan();
    let erased = library.album.erase(ida).unwrap();
    assert_eq!(erased.n_appearances, 1);
    let rows: i64 = library
        .album
        .query_value("SELECT count(*) FROM appearances")
        .unwrap();
    assert_eq!(rows, 1);
    // Ida again, from a photo that was taken since: not where she was erased.
    library.album.record(&[photo(50, &[0], "e@1")]).unwrap();
    library.album.record(&[photo(51, &[0], "e@1")]).unwrap();
    group(&mut library.album);
    let newest: i64 = library
        .album
        .query_value("SELECT max(id) FROM faces")
        .unwrap();
    let again = library.person(newest);
    library.album.name(again, "Ida").unwrap();
    for with in ["words", "words of another kind"] {
        library.engine.with = with;
        library.scan();
        assert_eq!(library.shown(again), []);
        assert_eq!(library.shown(bo).len(), 1);
    }
    // In a video that she was not erased from, she is found.
    fs::write(library.path("b.mp4"), line(0, 0, 100, 10)).unwrap();
    library.scan();
    assert_eq!(library.shown(again), [at("b.mp4", 0, 100)]);
}

#[test]
fn videos_follow_their_files_and_one_bad_one_is_one_line() {
    let mut library = Library::new(&[
        ("a.mp4", line(0, 0, 4000, 10)),
        ("bad.mp4", "broken".into()),
        ("fault.mp4", "fault".into()),
        ("short.mp4", line(0, 0, 50, 10) + "\n"),
    ]);
    let ida = library.person(1);
    library.album.name(ida, "Ida").unwrap();
    let summary = library.scan();
    assert_eq!((summary.looked_at, summary.problems.len()), (2, 2));
    assert_eq!(summary.notes[0].1, "it breaks off");
    assert_eq!(library.album.problems().unwrap().len(), 2);
    for name in ["bad.mp4", "fault.mp4", "short.mp4"] {
        fs::remove_file(library.path(name)).unwrap();
    }
    // Moved, copied: known by its content.
    fs::rename(library.path("a.mp4"), library.path("b.mp4")).unwrap();
    fs::copy(library.path("b.mp4"), library.path("c.mp4")).unwrap();
    assert_eq!(library.scan().looked_at, 0);
    assert_eq!(library.shown(ida), [at("b.mp4", 0, 4000)]);
    assert_eq!(library.album.problems().unwrap(), []);
    // Deleted: not shown; back: shown, without a look.
    fs::remove_file(library.path("c.mp4")).unwrap();
    fs::rename(library.path("b.mp4"), library.path("../gone.vid2")).unwrap();
    fs::write(library.path("other.mp4"), line(2, 0, 100, 10)).unwrap();
    library.scan();
    assert_eq!(library.shown(ida), []);
    let dir = library.path("");
    fs::rename(dir.join("../gone.vid2"), library.path("a.mp4")).unwrap();
    assert_eq!(library.scan().looked_at, 0);
    assert_eq!(library.shown(ida), [at("a.mp4", 0, 4000)]);
    // The folder is empty, as a mount point without its disk: everything is kept.
    for name in ["a.mp4", "other.mp4"] {
        fs::remove_file(library.path(name)).unwrap();
    }
    library.scan();
    assert_eq!(library.shown(ida).len(), 1);
    library
        .album
        .remember_roots(&[library.dir.path().into()])
        .unwrap();
    let missing = library.album.missing_roots().unwrap();
    assert_eq!(missing[0].holds(), "2 videos");
    // Replaced by another: what was in it is gone, and pruned for good.
    fs::write(library.path("a.mp4"), line(2, 0, 100, 10)).unwrap();
    library.scan();
    assert_eq!(library.shown(ida), []);
    let pruned = library.album.prune().unwrap();
    assert_eq!(pruned.n_videos, 2, "with the one that broke off");
    assert_eq!(library.album.prunable().unwrap().n_videos, 0);
}

#[test]
fn a_look_that_is_stopped_is_taken_up_again() {
    let mut library = Library::new(&[
        ("a.mp4", line(0, 0, 4000, 10)),
        ("b.mp4", "stop".into()),
        ("c.mp4", line(0, 0, 100, 10)),
    ]);
    let ida = library.person(1);
    library.album.name(ida, "Ida").unwrap();
    let summary = library.scan();
    assert!(summary.interrupted);
    assert_eq!(library.shown(ida), [at("a.mp4", 0, 4000)]);
    fs::write(library.path("b.mp4"), line(0, 0, 200, 10)).unwrap();
    let summary = library.scan();
    assert_eq!((summary.known, summary.looked_at), (1, 2));
    assert_eq!(library.shown(ida).len(), 3);
}

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
                    // Groups about which nothing was decided get other numbers.
                    for (person, photo) in people.iter_mut().zip([0, 2, 3, 6]) {
                        if library.album.person(*person).is_err() {
                            let of_photo = format!("/photos/{photo:04}.jpg");
                            let photo = library.album.photo_at(Path::new(&of_photo)).unwrap();
                            let faces = library.album.photo(photo).unwrap().faces;
                            *person = faces[0].person.unwrap_or(*person);
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

//! Tests of the album: what a scan records, what a human decides, and that neither is ever lost.

mod assign;
mod browse;
mod bulk;
mod decisions;
mod disk;
mod drawing;
mod migrations;
mod photo_list;
mod presence;
mod regions;
mod shared_links;
mod stated;
mod videos;
mod walk;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use fusiform_face::geometry::{BoundingBox, Landmarks, Point};
use fusiform_face::image::{DateSource, Orientation, Taken};
use fusiform_face::quality::{Pose, Quality};
use fusiform_search::cluster::ClusterOptions;
use fusiform_search::template::{ModelId, Template};

fn models(embedder: &str) -> ModelPair {
    ModelPair {
        detector: ModelId("d@1".into()),
        embedder: Some(ModelId(embedder.into())),
    }
}

/// A unit vector near the axis of its person, told apart by `variant`.
fn vector(person: usize, variant: usize) -> Vec<f32> {
    let mut v = [0.0f32; 16];
    v[person] = 1.0;
    v[15] = (variant % 7) as f32 * 0.05;
    let length = v.iter().map(|x| x * x).sum::<f32>().sqrt();
    v.iter().map(|x| x / length).collect()
}

/// A quality with this product.
fn quality(overall: f32) -> Quality {
    Quality {
        overall,
        size: 0.0,
        sharpness: 0.0,
        exposure: 0.0,
        pose: Pose::default(),
        frontal: 0.0,
        detector_score: 0.9,
        recognisability: 1.0,
    }
}

/// One photo with a face for each of `people`, side by side.
fn photo(number: usize, people: &[usize], embedder: &str) -> ScannedFile {
    let face = |(index, person): (usize, &usize)| FaceRecord {
        bbox: BoundingBox {
            x_min: index as f32 * 100.0,
            y_min: 10.0,
            x_max: index as f32 * 100.0 + 80.0,
            y_max: 90.0,
        },
        score: 0.9,
        landmarks: Some(Landmarks::from_array([Point { x: 1.0, y: 2.0 }; 5])),
        quality: quality(0.8),
        vector: Some(vector(*person, number)),
    };
    ScannedFile {
        path: PathBuf::from(format!("/photos/{number:04}.jpg")),
        size_bytes: 1000 + number as u64,
        mtime_ns: 7,
        hash: Some([number as u8; 32]),
        outcome: Outcome::New(PhotoRecord {
            width_px: 640,
            height_px: 480,
            taken: None,
            orientation: Orientation::Upright,
            fingerprint: None,
            models: models(embedder),
            faces: people.iter().enumerate().map(face).collect(),
        }),
    }
}

/// A date as a camera writes it.
fn shot(local: &str) -> Option<Taken> {
    Some(Taken {
        local: local.into(),
        offset_min: None,
        source: DateSource::DateTimeOriginal,
    })
}

/// Who is in twelve photos: four people, some together, and a stranger.
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

/// The photos of [`WHO`].
fn photos(embedder: &str) -> Vec<ScannedFile> {
    WHO.iter()
        .enumerate()
        .map(|(i, people)| photo(i, people, embedder))
        .collect()
}

struct Stage {
    _dir: TempDir,
    file: PathBuf,
}

impl Stage {
    fn new() -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.db");
        Stage { _dir: dir, file }
    }

    fn open(&self) -> Album {
        Album::open(
            &self.file,
            OpenOptions {
                create: true,
                read_only: false,
            },
        )
        .unwrap()
    }
}

fn group(album: &mut Album) -> GroupSummary {
    let options = ClusterOptions {
        link_similarity: 0.5,
        ..ClusterOptions::default()
    };
    album.group(&ModelId("e@1".into()), &options).unwrap()
}

fn filled() -> (Stage, Album) {
    let stage = Stage::new();
    let mut album = stage.open();
    album.record(&photos("e@1")).unwrap();
    group(&mut album);
    (stage, album)
}

fn members(album: &Album) -> BTreeMap<i64, i64> {
    let people = album.people().unwrap();
    let faces = |p: &PersonSummary| {
        let id = p.id;
        album
            .photos_of(id)
            .unwrap()
            .into_iter()
            .map(move |f| (f.face.0, id.0))
            .collect::<Vec<_>>()
    };
    people.iter().flat_map(faces).collect()
}

#[test]
fn faces_become_people_and_a_lone_face_stays_unsorted() {
    let (_stage, mut album) = filled();
    let summary = group(&mut album);
    assert_eq!(
        (summary.n_people, summary.n_members, summary.n_unassigned),
        (4, 15, 1)
    );
    let people = album.people().unwrap();
    assert_eq!(
        people.iter().map(|p| p.n_faces).collect::<Vec<_>>(),
        [4, 4, 4, 3]
    );
}

#[test]
fn neither_batches_nor_a_kill_between_them_show_in_the_album() {
    let (_stage, whole) = filled();
    for cut in 1..12 {
        let stage = Stage::new();
        let files = photos("e@1");
        stage.open().record(&files[..cut]).unwrap();
        let mut again = stage.open();
        for file in &files[cut..] {
            again.record(std::slice::from_ref(file)).unwrap();
        }
        group(&mut again);
        assert_eq!(again.dump().unwrap(), whole.dump().unwrap(), "cut at {cut}");
    }
}

#[test]
fn recording_and_grouping_twice_changes_nothing() {
    let (_stage, mut album) = filled();
    let before = album.dump().unwrap();
    album.record(&photos("e@1")).unwrap();
    group(&mut album);
    assert_eq!(album.dump().unwrap(), before);
}

#[test]
fn a_moved_or_copied_file_is_one_more_path_of_a_known_content() {
    let (_stage, mut album) = filled();
    let mut copy = photo(0, &[0], "e@1");
    copy.path = "/elsewhere/copy.jpg".into();
    copy.outcome = Outcome::KnownContent;
    album.record(&[copy]).unwrap();
    let health = album.health().unwrap();
    assert_eq!((health.n_photos, health.n_faces), (12, 16));
    let known = album.known_contents(&models("e@1")).unwrap();
    assert!(known.contains_key(&[0; 32]) && known.len() == 12);
    let paths = |f: &PersonPhoto| f.paths.contains(&PathBuf::from("/elsewhere/copy.jpg"));
    let person = PersonId(members(&album)[&1]);
    assert_eq!(
        album
            .photos_of(person)
            .unwrap()
            .iter()
            .filter(|f| paths(f))
            .count(),
        1
    );
}

#[test]
fn a_file_is_unchanged_only_with_size_time_and_models_as_they_were() {
    let (_stage, album) = filled();
    let path = Path::new("/photos/0003.jpg");
    let state = |size, mtime, e: &str| album.file_state(path, size, mtime, &models(e)).unwrap();
    assert!(matches!(state(1003, 7, "e@1"), FileState::Unchanged(_)));
    assert_eq!(state(1004, 7, "e@1"), FileState::Unknown);
    assert_eq!(state(1003, 8, "e@1"), FileState::Unknown);
    assert_eq!(state(1003, 7, "e@2"), FileState::Unknown);
}

#[test]
fn a_problem_is_listed_until_the_file_is_well() {
    let (_stage, mut album) = filled();
    let mut file = photo(40, &[0], "e@1");
    let well = file.outcome.clone();
    file.outcome = Outcome::Problem(Unusable::new(ProblemKind::Damaged, "it is cut short"));
    album.record(&[file.clone()]).unwrap();
    let problems = album.problems().unwrap();
    assert_eq!(
        problems,
        [(
            PathBuf::from("/photos/0040.jpg"),
            "it is cut short".to_string()
        )]
    );
    file.outcome = well;
    album.record(&[file]).unwrap();
    assert!(album.problems().unwrap().is_empty());
}

#[test]
fn names_survive_a_change_of_model() {
    let (_stage, mut album) = filled();
    let ida = PersonId(members(&album)[&1]);
    album.name(ida, "Ida").unwrap();
    album.record(&photos("e@2")).unwrap();
    let options = ClusterOptions {
        link_similarity: 0.5,
        ..ClusterOptions::default()
    };
    album.group(&ModelId("e@2".into()), &options).unwrap();
    assert_eq!(album.find_person("Ida").unwrap(), ida);
    assert_eq!(album.person(ida).unwrap().n_faces, 4);
    assert_eq!(
        album.health().unwrap().n_faces,
        16,
        "faces keep their numbers"
    );
}

#[test]
fn a_probe_finds_its_person_and_one_of_another_model_is_refused() {
    let (_stage, album) = filled();
    let index = album.index(&ModelId("e@1".into())).unwrap();
    let probe = |e: &str| Template {
        model: ModelId(e.into()),
        vector: vector(2, 3),
        quality: 1.0,
    };
    let found = index.identify(&probe("e@1"), 2).unwrap();
    assert_eq!(found[0].person.0, members(&album)[&found[0].face.0]);
    assert!(found[0].similarity > found[1].similarity && found[0].similarity.0 > 0.99);
    assert!(matches!(
        index.identify(&probe("e@2"), 1),
        Err(Error::Search(_))
    ));
}

#[test]
fn a_name_is_given_once_and_wrong_requests_say_what_to_do() {
    let (_stage, mut album) = filled();
    let people: Vec<PersonId> = album.people().unwrap().iter().map(|p| p.id).collect();
    album.name(people[0], " Ida ").unwrap();
    let taken = album.name(people[1], "Ida").unwrap_err().to_string();
    assert!(taken.contains("merge"), "{taken}");
    for bad in ["", "  ", "17", "a\nb"] {
        assert!(
            matches!(album.name(people[1], bad), Err(Error::BadName(_))),
            "{bad:?}"
        );
    }
    // The remedy is a command, which the CLI names; `crates/cli/src/remedy.rs` tests that it does.
    let unknown = album.find_person("Nobody").unwrap_err();
    assert!(matches!(&unknown, Error::NoSuchPerson(name) if name == "Nobody"));
    assert!(unknown.to_string().contains("Nobody"), "{unknown}");
    assert!(matches!(
        album.split(people[0], &[FaceId(999)]),
        Err(Error::NoSuchFace(999))
    ));
    assert!(matches!(
        album.merge(people[0], people[0]),
        Err(Error::InvalidRequest(_))
    ));
    assert!(matches!(album.undo(1), Ok(done) if done.len() == 1));
    assert!(matches!(album.undo(1), Err(Error::InvalidRequest(_))));
}

#[test]
fn every_decision_taken_back_leaves_people_as_they_were() {
    let (_stage, mut album) = filled();
    let people: Vec<PersonId> = album.people().unwrap().iter().map(|p| p.id).collect();
    album.name(people[1], "Bo").unwrap();
    let (before, names) = (members(&album), album.people().unwrap());
    let face = album.photos_of(people[2]).unwrap()[0].face;
    album.merge(people[0], people[1]).unwrap();
    assert_eq!(album.person(people[0]).unwrap().name.as_deref(), Some("Bo"));
    album.split(people[2], &[face]).unwrap();
    album.ignore(&[face]).unwrap();
    assert_eq!(album.undo(3).unwrap().len(), 3);
    assert_eq!(members(&album), before);
    group(&mut album);
    assert_eq!(members(&album), before);
    let named = |p: &Vec<PersonSummary>| {
        p.iter()
            .filter(|p| p.n_faces > 0)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(named(&album.people().unwrap()), named(&names));
    assert_eq!(
        album
            .history(Page::default())
            .unwrap()
            .items
            .iter()
            .filter(|d| d.undone)
            .count(),
        3
    );
}

#[test]
fn files_that_are_no_album_of_ours_are_refused_untouched() {
    let stage = Stage::new();
    let open = || {
        Album::open(
            &stage.file,
            OpenOptions {
                create: true,
                read_only: false,
            },
        )
    };
    fs::write(&stage.file, vec![b'x'; 8192]).unwrap();
    assert!(matches!(open(), Err(Error::NotAnAlbum { .. })));
    fs::remove_file(&stage.file).unwrap();
    let other = rusqlite::Connection::open(&stage.file).unwrap();
    other.execute_batch("CREATE TABLE theirs (x)").unwrap();
    assert!(matches!(open(), Err(Error::NotAnAlbum { .. })));
    other
        .execute_batch("DROP TABLE theirs; PRAGMA user_version = 99")
        .unwrap();
    drop(other);
    let error = open().unwrap_err().to_string();
    assert!(
        error.contains("c.db") && error.contains("99") && error.contains("newer"),
        "{error}"
    );
    assert!(matches!(
        Album::open(Path::new("/nowhere/c.db"), OpenOptions::default()),
        Err(Error::Sqlite { .. })
    ));
}

#[test]
fn a_read_only_album_answers_and_refuses_changes() {
    let (stage, writable) = filled();
    drop(writable);
    let mut album = Album::open(
        &stage.file,
        OpenOptions {
            read_only: true,
            create: false,
        },
    )
    .unwrap();
    assert_eq!(album.people().unwrap().len(), 4);
    let error = album.record(&photos("e@2")).unwrap_err();
    assert!(matches!(error, Error::ReadOnly { .. }), "{error}");
}

#[test]
fn a_full_disk_leaves_the_album_as_it_was() {
    let (_stage, mut album) = filled();
    let before = album.dump().unwrap();
    let pages: i64 = album.query_value("PRAGMA page_count").unwrap();
    album
        .db
        .pragma_update(None, "max_page_count", pages)
        .unwrap();
    let many: Vec<ScannedFile> = (20..200).map(|i| photo(i, &[0, 1, 2, 3], "e@1")).collect();
    let error = album.record(&many).unwrap_err();
    assert!(matches!(error, Error::DiskFull { .. }), "{error}");
    assert_eq!(album.dump().unwrap(), before);
}

#[cfg(unix)]
#[test]
fn a_new_album_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (stage, _album) = filled();
    assert_eq!(
        fs::metadata(&stage.file).unwrap().permissions().mode() & 0o077,
        0
    );
}

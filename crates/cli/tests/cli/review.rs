//! The review asks what is worth asking: most of its first questions are a "yes". Truth are the
//! folders' names.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use fusiform::album::{Album, FaceId, OpenOptions, Page, PersonId, Subject};

use crate::stage::{LFW, Stage, sample_album};

/// People of the test, in order of name, and the most photos of each.
const N_PEOPLE: usize = 150;
const N_PHOTOS: usize = 6;

fn folder(album: &Album, face: FaceId) -> String {
    let photo = album.photo(album.face(face).unwrap().photo).unwrap();
    let folder = photo.paths[0].parent().unwrap().file_name().unwrap();
    folder.to_string_lossy().into_owned()
}

/// The folder that most faces of a person are in.
fn folder_of_most(album: &Album, person: PersonId) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for face in album.faces_of(person, whole()).unwrap().items {
        *counts.entry(folder(album, face.face)).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, n)| *n).unwrap().0
}

fn whole() -> Page {
    Page {
        offset: 0,
        limit: 1000,
    }
}

/// How many of the first twenty questions are a "yes", and how many there are.
fn first_twenty(stage: &Stage) -> (usize, usize) {
    let options = OpenOptions {
        read_only: true,
        create: false,
    };
    let album = Album::open(&stage.path("home/catalogue.db"), options).unwrap();
    let asked = album.questions(whole()).unwrap().items;
    let gains: Vec<f32> = asked.iter().map(|q| -q.expected_gain).collect();
    assert!(gains.is_sorted(), "{gains:?}");
    let first: Vec<bool> = asked
        .iter()
        .take(20)
        .map(|q| {
            let subject = match q.subject {
                Subject::Group(group) => folder_of_most(&album, group),
                Subject::Face(face) => folder(&album, face),
            };
            subject == folder_of_most(&album, q.candidate.unwrap())
        })
        .collect();
    (first.iter().filter(|is_yes| **is_yes).count(), first.len())
}

#[test]
fn most_of_the_first_questions_are_a_yes() {
    let Some(shared) = fusiform_skips::shared(&[LFW]) else {
        return;
    };
    let stage = Stage::bare();
    let people = fs::read_dir(shared.join(LFW)).unwrap();
    let mut people: Vec<_> = people.map(|p| p.unwrap().path()).collect();
    people.sort();
    let photos_of = |person: &Path| {
        let mut photos: Vec<_> = fs::read_dir(person)
            .unwrap()
            .map(|f| f.unwrap().path())
            .collect();
        photos.sort();
        photos
    };
    people.retain(|person| photos_of(person).len() >= 3);
    for person in people.iter().take(N_PEOPLE) {
        let to = stage.path("photos").join(person.file_name().unwrap());
        fs::create_dir_all(&to).unwrap();
        for photo in photos_of(person).iter().take(N_PHOTOS) {
            symlink(photo, to.join(photo.file_name().unwrap())).unwrap();
        }
    }
    stage.run(&["scan", "photos"]).ended_with(0);
    let (n_yes, n_asked) = first_twenty(&stage);
    println!("{n_yes} of the first {n_asked} questions are a yes");
    assert!(n_asked >= 5, "only {n_asked} questions");
    assert!(n_yes * 10 >= n_asked * 6, "{n_yes} of the first {n_asked}");
    let listed = stage.json(&["review", "--limit", "1"]);
    let probability = listed["items"][0]["probability"].as_f64().unwrap();
    assert!((0.2..=1.0).contains(&probability), "{listed}");
    // Two quick answers answer two questions, whatever was renumbered or sorted meanwhile.
    let all = stage.json(&["review"]);
    let ids: Vec<&str> = (0..2)
        .map(|at| all["items"][at]["id"].as_str().unwrap())
        .collect();
    for id in &ids {
        stage.run(&["review", id, "unsure"]).ended_with(0);
        stage.run(&["review"]).ended_with(0);
    }
    let left = stage.json(&["review"]);
    let left: Vec<&str> = left["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|q| q["id"].as_str().unwrap())
        .collect();
    assert!(ids.iter().all(|id| !left.contains(id)), "{ids:?} {left:?}");
    stage
        .run(&["review", ids[0], "yes"])
        .ended_with(4)
        .says(&[ids[0], "answered with not sure"]);
    stage
        .run(&["review", "1", "yes"])
        .ended_with(2)
        .says(&["g12-3"]);
    let text = stage
        .run(&["review", "--limit", "1"])
        .ended_with(0)
        .stdout();
    assert!(text.contains("% likely"), "{text}");
}

#[test]
fn nothing_is_asked_of_the_sample_album_where_nothing_is_in_doubt() {
    let stage = Stage::bare();
    let album = sample_album();
    stage
        .run(&["scan".as_ref(), album.as_os_str()])
        .ended_with(0);
    let asked = stage.json(&["review"]);
    assert_eq!(asked["total"], 0, "{asked}");
}

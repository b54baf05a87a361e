//! One correction moves one face: what a grouping would move with it is asked about instead. Twenty
//! people of `lfw-dev`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fusiform::album::{Album, FaceId, OpenOptions, Page, Subject};
use serde_json::Value;

use crate::stage::{LFW, Stage};

/// The people of most photos, at most eight of each, in one folder.
fn twenty_people(lfw: &Path, dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    let mut people: Vec<(usize, String)> = fs::read_dir(lfw)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let n = fs::read_dir(&path).unwrap().count();
            (n, path.file_name().unwrap().to_string_lossy().into_owned())
        })
        .collect();
    people.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    for (_, who) in people.into_iter().take(20) {
        let mut photos: Vec<_> = fs::read_dir(lfw.join(&who))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        photos.sort();
        for photo in photos.iter().take(8) {
            fs::copy(photo, dir.join(photo.file_name().unwrap())).unwrap();
        }
    }
}

/// Every row of an album that a scan makes, without what is keyed by the album.
fn rows(file: &Path) -> Vec<String> {
    let db = rusqlite::Connection::open(file).unwrap();
    let mut all = Vec::new();
    for sql in [
        "SELECT id, hex(hash), width_px, height_px, taken_at, gone FROM photos ORDER BY id",
        "SELECT id, photo, x_min, y_min, x_max, y_max, score, hex(landmarks), hex(quality), \
         excluded, copy_of FROM faces ORDER BY id",
        "SELECT face, model, hex(vector), quality FROM templates ORDER BY face, model",
        "SELECT face, person, similarity FROM members ORDER BY face",
        "SELECT id, name, merged_into FROM people ORDER BY id",
        "SELECT * FROM questions ORDER BY id",
        "SELECT hex(path), size_bytes, photo, problem FROM files ORDER BY path",
    ] {
        let mut query = db.prepare(sql).unwrap();
        let n = query.column_count();
        let mut found = query.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let values = (0..n).map(|at| row.get_ref(at).unwrap());
            all.push(format!("{:?}", values.collect::<Vec<_>>()));
        }
    }
    all
}

#[test]
fn two_scans_of_one_folder_make_one_album_row_by_row_and_strangers_are_no_copies() {
    let Some(shared) = fusiform_skips::shared(&[LFW]) else {
        return;
    };
    let photos = Stage::bare();
    let dir = photos.path("photos");
    twenty_people(&shared.join(LFW), &dir);
    let mut first: Option<Vec<String>> = None;
    for number in 0..4 {
        let stage = Stage::bare();
        let threads = (1 + number % 3).to_string();
        let mut command = stage.command();
        command.env("RAYON_NUM_THREADS", &threads);
        let ran = command
            .args(["scan".as_ref(), dir.as_os_str()])
            .args(["--threads", &threads])
            .output()
            .unwrap();
        assert_eq!(ran.status.code(), Some(0), "{ran:?}");
        let now = rows(&stage.path("home/catalogue.db"));
        let db = rusqlite::Connection::open(stage.path("home/catalogue.db")).unwrap();
        let sql = "SELECT count(*) FROM faces WHERE copy_of IS NOT NULL";
        let copies: i64 = db.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(copies, 0, "no two of these photos are one picture");
        let before = first.get_or_insert_with(|| now.clone());
        for (a, b) in before.iter().zip(&now) {
            assert_eq!(a, b, "scan {number}");
        }
        assert_eq!(before.len(), now.len());
    }
}

#[test]
fn a_corrected_face_takes_no_other_face_with_it() {
    let Some(shared) = fusiform_skips::shared(&[LFW]) else {
        return;
    };
    let stage = Stage::bare();
    let dir = stage.path("photos");
    twenty_people(&shared.join(LFW), &dir);
    let scan = || stage.run(&["scan".as_ref(), dir.as_os_str()]).ended_with(0);
    scan();
    // The person of each face, and how typical it is of them.
    let state = || -> BTreeMap<i64, (i64, Option<f64>)> {
        let people = stage.json(&["people"]);
        let mut state = BTreeMap::new();
        for person in people.as_array().unwrap() {
            let id = person["id"].as_i64().unwrap();
            let shown = stage.json(&["person", &id.to_string()]);
            for photo in shown["photos"].as_array().unwrap() {
                let face = photo["face"].as_i64().unwrap();
                state.insert(face, (id, photo["similarity"].as_f64()));
            }
        }
        state
    };
    let people: Value = stage.json(&["people"]);
    let large: Vec<i64> = people
        .as_array()
        .unwrap()
        .iter()
        .filter(|p| p["n_faces"].as_u64() >= Some(4))
        .map(|p| p["id"].as_i64().unwrap())
        .collect();
    assert!(large.len() >= 15, "{people}");
    let before_names = state();
    for id in &large {
        let name = format!("Person called {id}");
        stage.run(&["name", &id.to_string(), &name]).ended_with(0);
    }
    for id in &large {
        let before = state();
        let theirs = before_names.iter().filter(|(_, (person, _))| person == id);
        let (face, _) = theirs
            .min_by(|a, b| a.1.1.unwrap_or(1.0).total_cmp(&b.1.1.unwrap_or(1.0)))
            .unwrap();
        let name = format!("Somebody else {id}");
        stage.run(&["is", &name, &face.to_string()]).ended_with(0);
        scan();
        let after = state();
        for (other, (person, _)) in &before {
            if other != face && large.contains(person) {
                let now = after.get(other).map(|(person, _)| *person);
                assert_eq!(now, Some(*person), "face {other} moved with face {face}");
            }
        }
    }
    // Whatever was nearer to the other is a question, and a line in the history.
    let options = OpenOptions {
        read_only: true,
        create: false,
    };
    let album = Album::open(&stage.path("home/catalogue.db"), options).unwrap();
    let page = Page {
        offset: 0,
        limit: 1000,
    };
    let held: Vec<FaceId> = album
        .questions(page)
        .unwrap()
        .items
        .iter()
        .filter_map(|q| match q.subject {
            Subject::Face(face) => Some(face),
            Subject::Group(_) => None,
        })
        .filter(|face| album.face(*face).unwrap().person.is_some())
        .collect();
    let lines = album.history(page).unwrap().items;
    let noted: usize = lines
        .iter()
        .filter(|d| d.actor == "grouping")
        .map(|d| d.n_faces)
        .sum();
    assert!(noted >= held.len(), "{noted} noted, {} asked", held.len());
}

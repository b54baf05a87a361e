//! What goes wrong is said with its remedy, and nothing is lost: offline disks, read-only disks,
//! two photos of one name, a vault that is in use. With nothing but the binary.

use std::fs;
use std::process::Command;

use crate::server_fixture::Home;
use crate::stage::{Ran, Stage, sample_album};

#[test]
fn a_report_of_photos_that_are_away_names_their_folder_and_keeps_the_last_good_page() {
    let stage = Stage::bare();
    let dir = stage.photos(&["01-portrait.jpg", "02-portrait.jpg", "03-portrait.jpg"]);
    stage.run(&["scan".as_ref(), dir.as_os_str()]).ended_with(0);
    stage.run(&["report", "people.html"]).ended_with(0);
    let good = fs::read(stage.path("people.html")).unwrap();
    fs::rename(&dir, stage.path("away")).unwrap();
    let ran = stage.run(&["report", "people.html"]).ended_with(4);
    ran.says(&["nothing was written", "not there", dir.to_str().unwrap()]);
    assert_eq!(fs::read(stage.path("people.html")).unwrap(), good);
    // Some are there: the page is written, and what is missing is said.
    fs::create_dir(&dir).unwrap();
    let back = "01-portrait.jpg";
    fs::copy(stage.path("away").join(back), dir.join(back)).unwrap();
    stage
        .run(&["report", "people.html"])
        .ended_with(3)
        .says(&["faces are not shown"]);
}

#[test]
fn drawings_of_two_photos_of_one_name_do_not_overwrite_each_other() {
    let stage = Stage::bare();
    for (folder, photo) in [("2019", "01-portrait.jpg"), ("2020", "08-portrait.jpg")] {
        fs::create_dir(stage.path(folder)).unwrap();
        let to = stage.path(folder).join("IMG_0001.jpg");
        fs::copy(sample_album().join(photo), to).unwrap();
    }
    let args = [
        "detect",
        "2019/IMG_0001.jpg",
        "2020/IMG_0001.jpg",
        "--draw",
        "drawn",
    ];
    stage
        .run(&args)
        .ended_with(3)
        .says(&["2020/IMG_0001.jpg", "there already"]);
    let first = fs::read(stage.path("drawn/IMG_0001-faces.jpg")).unwrap();
    let alone = ["detect", "2019/IMG_0001.jpg", "--draw", "alone"];
    stage.run(&alone).ended_with(0);
    assert_eq!(
        fs::read(stage.path("alone/IMG_0001-faces.jpg")).unwrap(),
        first
    );
}

#[test]
fn a_second_server_on_one_vault_says_what_to_do() {
    let home = Home::new();
    let _server = home.serve();
    let second = Ran(home.run(&["-q", "serve", "--listen", "127.0.0.1:0"]));
    second.ended_with(4).says(&[
        "another process has this vault",
        "FUSIFORM_VAULT names another file",
    ]);
}

#[test]
fn copies_in_one_scan_are_files_of_one_picture() {
    let stage = Stage::bare();
    let dir = stage.photos(&["01-portrait.jpg", "02-portrait.jpg"]);
    for copy in ["a.jpg", "b.jpg", "c.jpg"] {
        fs::copy(dir.join("01-portrait.jpg"), dir.join(copy)).unwrap();
    }
    let done = stage.json(&["scan".as_ref(), dir.as_os_str()]);
    assert_eq!(
        (&done["photos"], &done["new_photos"], &done["known_content"]),
        (&5.into(), &2.into(), &3.into()),
        "{done}"
    );
}

/// A folder mounted read-only, and unmounted when dropped.
struct ReadOnly(String);

impl ReadOnly {
    fn mount(dir: &str) -> Option<ReadOnly> {
        let run = |args: &[&str]| {
            Command::new("mount")
                .args(args)
                .status()
                .is_ok_and(|s| s.success())
        };
        if !run(&["--bind", dir, dir]) {
            return None;
        }
        let mounted = ReadOnly(dir.into());
        run(&["-o", "remount,ro,bind", dir]).then_some(mounted)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_catalogue_on_a_read_only_disk_can_still_be_read() {
    let stage = Stage::bare();
    let dir = stage.photos(&["01-portrait.jpg", "02-portrait.jpg", "22-group.jpg"]);
    stage.run(&["scan".as_ref(), dir.as_os_str()]).ended_with(0);
    let people = stage.json(&["people"]);
    let home = stage.path("home");
    let Some(_mounted) = ReadOnly::mount(home.to_str().unwrap()) else {
        let remedy = "run the tests as root, where folders may be mounted";
        return fusiform_skips::skip("no folder can be mounted", remedy);
    };
    assert_eq!(stage.json(&["people"]), people);
    stage
        .run(&["people"])
        .ended_with(0)
        .says(&["catalogue.db", "read-only"]);
    let photo = dir.join("01-portrait.jpg");
    stage
        .run(&["find".as_ref(), photo.as_os_str()])
        .ended_with(0);
    stage
        .run(&["photo".as_ref(), photo.as_os_str()])
        .ended_with(0);
    stage.run(&["report", "people.html"]).ended_with(0);
    stage.run(&["review"]).ended_with(0);
    stage.run(&["history"]).ended_with(0);
    let id = people[0]["id"].to_string();
    stage
        .run(&["name", &id, "Ida"])
        .ended_with(4)
        .says(&["read-only", "--catalogue"]);
    stage
        .run(&["scan".as_ref(), dir.as_os_str()])
        .ended_with(4)
        .says(&["read-only"]);
}

#[test]
fn a_photo_that_was_named_as_the_output_is_left_alone() {
    let stage = Stage::bare();
    let dir = stage.photos(&["01-portrait.jpg", "02-portrait.jpg"]);
    let photo = dir.join("01-portrait.jpg");
    let before = fs::read(&photo).unwrap();
    stage.run(&["scan".as_ref(), dir.as_os_str()]).ended_with(0);
    let draw = ["detect".as_ref(), photo.as_os_str(), "--draw".as_ref()];
    stage
        .run(&[&draw[..], &[photo.as_os_str()]].concat())
        .ended_with(3)
        .says(&["01-portrait.jpg", "there already"]);
    stage
        .run(&["report".as_ref(), photo.as_os_str()])
        .ended_with(4)
        .says(&["01-portrait.jpg", "no page"]);
    assert_eq!(fs::read(&photo).unwrap(), before);
    for _ in 0..2 {
        stage.run(&["report", "people.html"]).ended_with(0);
    }
}

#[test]
fn undo_after_an_erasure_takes_back_nothing_older_unasked() {
    let stage = Stage::bare();
    let album = sample_album();
    stage
        .run(&["scan".as_ref(), album.as_os_str()])
        .ended_with(0);
    let people = stage.json(&["people"]);
    let id = |at: usize| people[at]["id"].to_string();
    stage.run(&["name", &id(0), "Ida"]).ended_with(0);
    stage.run(&["name", &id(1), "Bo"]).ended_with(0);
    stage.run(&["erase", "Bo", "--yes"]).ended_with(0);
    let history = stage.json(&["history"]);
    let naming = history["items"].as_array().unwrap().last().unwrap()["id"].to_string();
    let ran = stage.run(&["undo"]).ended_with(4);
    let remedy = format!("`fusiform undo --decision {naming}`");
    ran.says(&["the last step was an erasure", "named \"Ida\"", &remedy]);
    stage.run(&["person", "Ida"]).ended_with(0);
    stage.run(&["undo", "--decision", &naming]).ended_with(0);
    stage.run(&["person", "Ida"]).ended_with(4);
    // What came after it is taken back as ever, and no further.
    stage.run(&["name", &id(0), "Ida"]).ended_with(0);
    stage.run(&["undo", "2"]).ended_with(4).says(&["erasure"]);
    stage.run(&["undo"]).ended_with(0);
    stage
        .run(&["undo"])
        .ended_with(4)
        .says(&["nothing before it"]);
}

#[test]
fn a_face_that_is_given_to_somebody_else_says_whose_it_was() {
    let stage = Stage::bare();
    let dir = stage.photos(&["01-portrait.jpg", "02-portrait.jpg", "05-portrait.jpg"]);
    stage.run(&["scan".as_ref(), dir.as_os_str()]).ended_with(0);
    let face = |photo: &str| {
        let path = dir.join(photo);
        let shown = stage.json(&["photo".as_ref(), path.as_os_str()]);
        shown["items"][0].clone()
    };
    let number = face("01-portrait.jpg")["face"].to_string();
    stage.run(&["is", "Bo", &number]).ended_with(0);
    let bbox: Vec<f64> = face("01-portrait.jpg")["bbox"]
        .as_array()
        .unwrap()
        .iter()
        .map(|side| side.as_f64().unwrap())
        .collect();
    let (x, y) = (bbox[0], bbox[1]);
    let sides = format!("{x},{y},{},{}", bbox[2] - x, bbox[3] - y);
    let photo = dir.join("01-portrait.jpg");
    let photo = photo.to_str().unwrap();
    let moved = stage
        .run(&["face", "add", photo, &sides, "Ida"])
        .ended_with(0);
    moved.says(&["until now it was a face of Bo", "fusiform undo"]);
    // It is hers already: nothing was taken from anybody.
    let again = stage.json(&["face", "add", photo, &sides, "Ida"]);
    assert_eq!(again["was_name"], serde_json::Value::Null, "{again}");
}

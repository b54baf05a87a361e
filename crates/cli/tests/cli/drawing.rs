//! Drawing a face that was missed, and choosing a cover: by command and on the page; kept through
//! later scans, a re-saved and a turned copy, and undone. With nothing but the binary.

use std::fs;
use std::path::Path;

use image::codecs::jpeg::JpegEncoder;
use serde_json::Value;

use crate::stage::{Stage, sample_album};

const GROUP: &str = "25-group.jpg";

/// The group photo with its first face painted over, so that no detector finds it; the box of that
/// face.
fn missed(stage: &Stage, dir: &Path) -> [f64; 4] {
    let photo = sample_album().join(GROUP);
    let found = stage.json(&["detect".as_ref(), photo.as_os_str()]);
    let bbox = &found["photos"][0]["faces"][0]["bbox"];
    let side = |at: usize| bbox[at].as_f64().unwrap();
    let bbox = [side(0), side(1), side(2), side(3)];
    let mut picture = image::open(&photo).unwrap().to_rgb8();
    let [x_min, y_min, x_max, y_max] = bbox.map(|side| side as u32);
    let margin = (x_max - x_min) / 3;
    for y in y_min.saturating_sub(margin)..(y_max + margin).min(picture.height()) {
        for x in x_min.saturating_sub(margin)..(x_max + margin).min(picture.width()) {
            picture.put_pixel(x, y, image::Rgb([90, 90, 90]));
        }
    }
    save(&picture, &dir.join("missed.jpg"));
    bbox
}

fn save(picture: &image::RgbImage, to: &Path) {
    let mut bytes = Vec::new();
    picture
        .write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 90))
        .unwrap();
    fs::write(to, bytes).unwrap();
}

fn scan(stage: &Stage, dir: &Path) {
    stage.run(&["scan".as_ref(), dir.as_os_str()]).ended_with(0);
}

fn names(stage: &Stage, photo: &Path) -> Vec<String> {
    let shown = stage.json(&["photo".as_ref(), photo.as_os_str()]);
    let faces = shown["items"].as_array().unwrap().clone();
    faces
        .iter()
        .filter_map(|f| f["name"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn a_face_that_was_missed_is_drawn_named_and_kept() {
    let stage = Stage::bare();
    let dir = stage.path("photos");
    fs::create_dir(&dir).unwrap();
    let [x_min, y_min, x_max, y_max] = missed(&stage, &dir);
    scan(&stage, &dir);
    let photo = dir.join("missed.jpg");
    let n_found = stage.json(&["photo".as_ref(), photo.as_os_str()])["total"]
        .as_u64()
        .unwrap();
    let bbox = format!("{x_min},{y_min},{},{}", x_max - x_min, y_max - y_min);
    let add = |name: &str| {
        let words = [
            "face".as_ref(),
            "add".as_ref(),
            photo.as_os_str(),
            bbox.as_ref(),
            name.as_ref(),
        ];
        stage.json(&words)
    };
    let drawn = add("Aunt Ida");
    assert_eq!(
        (&drawn["is_new"], &drawn["name"]),
        (&true.into(), &"Aunt Ida".into()),
        "{drawn}"
    );
    assert_eq!(names(&stage, &photo), ["Aunt Ida"]);
    // Nobody can be recognised in grey, and that is said.
    assert_eq!(drawn["is_unclear"], true, "{drawn}");
    let person = stage.json(&["person", "Aunt Ida"]);
    assert_eq!(person["photos"][0]["similarity"], Value::Null, "by you");
    // The same box again is that face.
    assert_eq!(add("Aunt Ida")["is_new"], false);
    scan(&stage, &dir);
    assert_eq!(names(&stage, &photo), ["Aunt Ida"]);
    // Saved again at another quality and size, and turned.
    let picture = image::open(&photo).unwrap();
    save(
        &picture.thumbnail(900, 900).to_rgb8(),
        &dir.join("smaller.jpg"),
    );
    save(&picture.rotate90().to_rgb8(), &dir.join("turned.jpg"));
    scan(&stage, &dir);
    for copy in ["smaller.jpg", "turned.jpg"] {
        assert_eq!(names(&stage, &dir.join(copy)), ["Aunt Ida"], "{copy}");
    }
    // A box on a known face names that face; one outside is refused.
    let outside = [
        "face".as_ref(),
        "add".as_ref(),
        photo.as_os_str(),
        "99999,5,50,50".as_ref(),
    ];
    stage
        .run(&outside)
        .ended_with(4)
        .says(&["99999,5 50x50", "around the face"]);
    let wrong = [
        "face".as_ref(),
        "add".as_ref(),
        photo.as_os_str(),
        "1,2,3".as_ref(),
    ];
    stage.run(&wrong).ended_with(2);
    // Both decisions are taken back, and with them the face.
    stage.run(&["undo", "2"]).ended_with(0);
    scan(&stage, &dir);
    let now = stage.json(&["photo".as_ref(), photo.as_os_str()])["total"].as_u64();
    assert_eq!(now, Some(n_found));
}

#[test]
fn a_clear_face_that_was_drawn_finds_its_person() {
    let stage = Stage::bare();
    let dir = stage.photos(&["01-portrait.jpg", "02-portrait.jpg"]);
    // A detector that finds nothing leaves a photo whose face can be drawn.
    let blind = [
        "scan".as_ref(),
        dir.as_os_str(),
        "--min-score".as_ref(),
        "1".as_ref(),
    ];
    let done = stage.json(&blind);
    assert_eq!(done["new_faces"], 0, "{done}");
    for (file, name) in [("01-portrait.jpg", "Ida"), ("02-portrait.jpg", "")] {
        let photo = dir.join(file);
        let found = stage.json(&["detect".as_ref(), photo.as_os_str()]);
        let bbox = &found["photos"][0]["faces"][0]["bbox"];
        let side = |at: usize| bbox[at].as_f64().unwrap();
        let bbox = format!(
            "{},{},{},{}",
            side(0),
            side(1),
            side(2) - side(0),
            side(3) - side(1)
        );
        let mut words = vec![
            "face".as_ref(),
            "add".as_ref(),
            photo.as_os_str(),
            bbox.as_ref(),
        ];
        words.extend((!name.is_empty()).then_some(std::ffi::OsStr::new(name)));
        let drawn = stage.json(&words);
        assert_eq!(drawn["is_unclear"], false, "{drawn}");
    }
    assert_eq!(
        names(&stage, &dir.join("02-portrait.jpg")),
        ["Ida"],
        "like the other"
    );
}

#[test]
fn a_cover_is_chosen_kept_and_taken_back() {
    let stage = Stage::bare();
    let dir = stage.photos(&[
        "01-portrait.jpg",
        "02-portrait.jpg",
        "03-portrait.jpg",
        "22-group.jpg",
    ]);
    scan(&stage, &dir);
    let id = stage.json(&["people"])[0]["id"].to_string();
    stage.run(&["name", &id, "Ida"]).ended_with(0);
    let person = stage.json(&["person", "Ida"]);
    let face = person["photos"].as_array().unwrap().last().unwrap()["face"].to_string();
    let done = stage.json(&["cover", &face]);
    assert_eq!(done["name"], "Ida", "{done}");
    let what = stage.json(&["history"])["items"][0]["what"].clone();
    assert!(
        what.as_str().unwrap().contains("another face shown"),
        "{what}"
    );
    scan(&stage, &dir);
    stage.run(&["undo"]).ended_with(0);
    stage.run(&["cover", "99999"]).ended_with(4);
}

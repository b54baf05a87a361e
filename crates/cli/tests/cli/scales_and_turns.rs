//! Faces at every size and turn, by the compiled pack. In: the sample album, resized, turned and
//! put together. Out: what `detect`, `redact` and `scan` find.

use std::path::{Path, PathBuf};

use image::imageops::{FilterType, overlay, resize, rotate90, rotate180, rotate270};
use image::{DynamicImage, Rgb, RgbImage};
use serde_json::Value;

use crate::stage::{Stage, sample_album};

fn portrait(name: &str) -> RgbImage {
    image::open(sample_album().join(name)).unwrap().to_rgb8()
}

/// Saved in the stage's folder `made`.
fn saved(stage: &Stage, name: &str, picture: &RgbImage) -> PathBuf {
    let dir = stage.path("made");
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join(name);
    picture.save(&path).unwrap();
    path
}

fn scaled(picture: &RgbImage, by: f32) -> RgbImage {
    let side = |px: u32| (px as f32 * by) as u32;
    resize(
        picture,
        side(picture.width()),
        side(picture.height()),
        FilterType::Triangle,
    )
}

/// Turned clockwise about its middle, the edge repeated.
fn tilted(picture: &RgbImage, deg: f32) -> RgbImage {
    let (width, height) = picture.dimensions();
    let (sin, cos) = deg.to_radians().sin_cos();
    let (cx, cy) = (width as f32 / 2.0, height as f32 / 2.0);
    RgbImage::from_fn(width, height, |x, y| {
        let (dx, dy) = (x as f32 - cx, y as f32 - cy);
        let from = |v: f32, end: u32| (v as i64).clamp(0, i64::from(end) - 1) as u32;
        *picture.get_pixel(
            from(cx + cos * dx + sin * dy, width),
            from(cy - sin * dx + cos * dy, height),
        )
    })
}

fn faces(stage: &Stage, photo: &Path, more: &[&str]) -> Vec<Value> {
    let mut args = vec!["detect".into(), photo.to_path_buf()];
    args.extend(more.iter().map(PathBuf::from));
    let answer = stage.json(&args);
    answer["photos"][0]["faces"].as_array().unwrap().clone()
}

fn roll_deg(face: &Value) -> f64 {
    face["quality"]["roll_deg"].as_f64().unwrap()
}

#[test]
fn a_large_photo_of_small_faces_is_searched_without_being_asked() {
    let stage = Stage::bare();
    let mut wall = RgbImage::from_fn(4000, 3000, |x, y| {
        Rgb([(90 + x / 60) as u8, (120 + y / 60) as u8, 140])
    });
    let mut n = 0;
    for (row, column) in (0..3).flat_map(|row| (0..4).map(move |column| (row, column))) {
        // Faces of the portraits are 110 to 150 px wide: 45 to 90 here.
        n += 1;
        let small = scaled(
            &portrait(&format!("{n:02}-portrait.jpg")),
            0.4 + 0.02 * n as f32,
        );
        overlay(&mut wall, &small, 300 + 950 * column, 250 + 950 * row);
    }
    let photo = saved(&stage, "group.jpg", &wall);
    assert_eq!(faces(&stage, &photo, &[]).len(), 12);
}

#[test]
fn asking_for_smaller_faces_loses_no_larger_one() {
    let stage = Stage::bare();
    let one = portrait("01-portrait.jpg");
    let large = scaled(&one.view_face(), 12.0);
    let mut both = large.clone();
    overlay(
        &mut both,
        &scaled(&portrait("05-portrait.jpg"), 0.35),
        40,
        40,
    );
    for (name, picture) in [("large.jpg", &large), ("both.jpg", &both)] {
        let photo = saved(&stage, name, picture);
        let boxes = |found: &[Value]| -> Vec<[f64; 4]> {
            let corners = |f: &Value| std::array::from_fn(|i| f["bbox"][i].as_f64().unwrap());
            found.iter().map(corners).collect()
        };
        let mut before = boxes(&faces(&stage, &photo, &["--min-face", "400"]));
        assert!(!before.is_empty(), "{name}");
        for px in ["100", "60", "40", "20", "10"] {
            let found = boxes(&faces(&stage, &photo, &["--min-face", px]));
            for b in &before {
                let near = |f: &[f64; 4]| {
                    let center = |b: &[f64; 4]| ((b[0] + b[2]) / 2.0, (b[1] + b[3]) / 2.0);
                    let ((x, y), (u, v)) = (center(b), center(f));
                    (x - u).hypot(y - v) < 0.3 * (b[2] - b[0])
                };
                assert!(found.iter().any(near), "{name} at {px}: {b:?} of {found:?}");
            }
            before = found;
        }
    }
}

/// The middle of a portrait, which the face fills.
trait ViewFace {
    fn view_face(&self) -> RgbImage;
}

impl ViewFace for RgbImage {
    fn view_face(&self) -> RgbImage {
        image::imageops::crop_imm(self, 80, 60, 200, 250).to_image()
    }
}

#[test]
fn photos_on_their_side_are_found_turned_and_give_the_same_people() {
    let stage = Stage::bare();
    let upright = portrait("22-group.jpg");
    let straight = saved(&stage, "upright.png", &upright);
    assert_eq!(faces(&stage, &straight, &[]).len(), 2);
    let turned = [
        (90, rotate270(&upright)),
        (180, rotate180(&upright)),
        (270, rotate90(&upright)),
    ];
    for (deg, picture) in turned {
        let photo = saved(&stage, &format!("{deg}.png"), &picture);
        let answer = stage.json(&["detect".as_ref(), photo.as_os_str()]);
        let photo = &answer["photos"][0];
        assert_eq!(photo["turn_deg"], deg, "{answer}");
        assert_eq!(photo["faces"].as_array().unwrap().len(), 2, "{deg}");
        for face in photo["faces"].as_array().unwrap() {
            let left = (roll_deg(face) + f64::from(deg)).rem_euclid(360.0);
            assert!(left.min(360.0 - left) < 20.0, "{deg}: {face}");
        }
    }
    // The same two people, whichever way the photo lies.
    let scanned = stage.json(&["scan", "made"]);
    assert_eq!(
        (&scanned["people"], &scanned["new_faces"]),
        (&2.into(), &8.into()),
        "{scanned}"
    );
}

#[test]
fn a_tilted_head_keeps_its_roll_and_its_person() {
    let stage = Stage::bare();
    let one = portrait("01-portrait.jpg");
    let straight = saved(&stage, "0.png", &one);
    let at_rest = roll_deg(&faces(&stage, &straight, &[])[0]);
    for deg in [
        -150, -135, -90, -45, -30, -15, 15, 30, 45, 75, 120, 135, 180,
    ] {
        let photo = saved(&stage, &format!("{deg}.png"), &tilted(&one, deg as f32));
        let found = faces(&stage, &photo, &[]);
        assert_eq!(found.len(), 1, "{deg}");
        let turned = roll_deg(&found[0]) - at_rest;
        let off = (turned - f64::from(deg)).rem_euclid(360.0);
        assert!(off.min(360.0 - off) < 8.0, "{deg}: {turned}");
        let verified = stage.json(&["verify".as_ref(), straight.as_os_str(), photo.as_os_str()]);
        assert_eq!(verified["answer"], "same", "{deg}: {verified}");
    }
}

#[test]
fn redacting_covers_faces_of_all_sizes_and_turns() {
    let stage = Stage::bare();
    let mut both = scaled(&portrait("01-portrait.jpg").view_face(), 6.0);
    overlay(
        &mut both,
        &scaled(&portrait("05-portrait.jpg"), 0.35),
        20,
        20,
    );
    saved(&stage, "both.jpg", &both);
    saved(&stage, "side.jpg", &rotate90(&portrait("22-group.jpg")));
    let done = stage.json(&[
        "redact",
        "made/both.jpg",
        "made/side.jpg",
        "-o",
        "out",
        "--min-face",
        "20",
    ]);
    assert_eq!(done["photos"].as_array().unwrap().len(), 2, "{done}");
    for photo in done["photos"].as_array().unwrap() {
        assert!(photo["covered"].as_u64().unwrap() >= 2, "{done}");
        let copy = PathBuf::from(photo["copy"].as_str().unwrap());
        let copy = stage.path("").join(copy);
        assert_eq!(
            faces(&stage, &copy, &["--min-score", "0.3"]).len(),
            0,
            "{done}"
        );
    }
}

#[test]
fn a_scan_that_looks_harder_reads_known_photos_again() {
    let stage = Stage::bare();
    stage.photos(&["01-portrait.jpg", "22-group.jpg"]);
    let scan = |more: &[&str]| {
        let answer = stage.json(&[&["scan", "photos"], more].concat());
        let count = |field: &str| answer[field].as_u64().unwrap();
        (count("unchanged"), count("new_faces"))
    };
    assert_eq!(scan(&[]), (0, 3));
    assert_eq!(scan(&[]), (2, 0));
    let (unchanged, _) = scan(&["--min-face", "20"]);
    assert_eq!(unchanged, 0, "other options search again");
    assert_eq!(scan(&["--min-face", "20"]), (2, 0));
    assert_eq!(
        scan(&[]),
        (2, 0),
        "what was searched harder is not searched again as usual"
    );
}

#[test]
fn a_blur_is_found_unclear_and_grouped_with_nobody() {
    let stage = Stage::bare();
    for n in [1, 5, 8, 11] {
        let one = portrait(&format!("{n:02}-portrait.jpg"));
        // Eight pixels of face are left.
        let small = scaled(&one, 0.055);
        let blurred = resize(&small, one.width(), one.height(), FilterType::Triangle);
        let blurred = DynamicImage::from(blurred).blur(4.0).to_rgb8();
        saved(&stage, &format!("{n}.png"), &blurred);
    }
    let scanned = stage.json(&["scan", "made", "--min-score", "0.1"]);
    assert!(scanned["new_faces"].as_u64().unwrap() >= 2, "{scanned}");
    assert_eq!(scanned["people"], 0, "{scanned}");
}

#[test]
fn pictures_of_few_pixels_and_of_one_row_are_looked_at_and_show_nobody() {
    let stage = Stage::bare();
    for (width, height) in [(1, 1), (2, 1), (1, 3000), (3000, 1), (17, 3), (40, 40)] {
        let picture = RgbImage::from_pixel(width, height, Rgb([200, 180, 90]));
        let photo = saved(&stage, &format!("{width}x{height}.png"), &picture);
        assert!(faces(&stage, &photo, &[]).is_empty(), "{width}x{height}");
        let args = ["redact".into(), photo, "-o".into(), stage.path("out")];
        stage.run(&args).ended_with(0);
    }
}

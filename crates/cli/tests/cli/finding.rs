//! Finding photos by people, dates and words, and merging two people who are in one photo.

use std::fs;

use crate::stage::{Stage, sample_album};

#[test]
fn photos_are_found_by_any_of_several_people_and_by_words_of_their_path() {
    let stage = Stage::bare();
    let folder = stage.path("Fotos/Sommer Überall");
    fs::create_dir_all(&folder).unwrap();
    for name in ["22-group.jpg", "01-portrait.jpg"] {
        fs::copy(sample_album().join(name), folder.join(name)).unwrap();
    }
    let all = stage.path("Fotos");
    stage.run(&["scan".as_ref(), all.as_os_str()]).ended_with(0);
    let n = |args: &[&str]| {
        let found = stage.json(&[&["together"], args].concat());
        found["total"].as_u64().unwrap()
    };
    assert_eq!(n(&["--words", "uberall GROUP"]), 1);
    assert_eq!(n(&["--words", "uberall"]), 2);
    let none = stage.run(&["together", "--from", "1999", "--to", "1999-07", "--json"]);
    assert_eq!(none.code(), 1, "{}", none.stderr());
    let bad = stage.run(&["together", "--from", "summer"]);
    assert_eq!(bad.code(), 2, "{}", bad.stderr());
    bad.says(&["2021-07-04"]);
}

#[test]
fn two_people_of_one_photo_are_not_merged_unless_asked_to() {
    let stage = Stage::bare();
    let album = sample_album();
    stage
        .run(&["scan".as_ref(), album.as_os_str()])
        .ended_with(0);
    let photo = album.join("22-group.jpg");
    let faces = stage.json(&["photo".as_ref(), photo.as_os_str()]);
    let person = |at: usize| faces["items"][at]["person"].to_string();
    let (one, other) = (person(0), person(1));
    stage.run(&["name", &one, "Ida"]).ended_with(0);
    let refused = stage.run(&["merge", "Ida", &other]);
    assert_ne!(refused.code(), 0);
    refused.says(&["Ida", "-group.jpg", "--anyway"]);
    let people = || stage.json(&["people"]).as_array().unwrap().len();
    let before = people();
    stage
        .run(&["merge", "Ida", &other, "--anyway"])
        .ended_with(0);
    assert_eq!(people(), before - 1);
}

//! The main job on real photos: scan, people, names, find, report, and a scan that is killed again
//! and again.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use fusiform::album::{Album, OpenOptions};

use crate::stage::{LFW, Stage, sample_album};

/// Photos of a few people of `lfw-dev`, several each, in a home with YuNet and MobileFaceNet.
#[track_caller]
fn lfw_portraits() -> Option<(Stage, PathBuf)> {
    let people = [
        "Alejandro_Toledo",
        "Jacques_Chirac",
        "Laura_Bush",
        "Atal_Bihari_Vajpayee",
    ];
    let stage = Stage::with_models(&[LFW])?;
    let lfw = fusiform_skips::shared(&[LFW])?.join(LFW);
    let dir = stage.path("photos");
    fs::create_dir_all(&dir).unwrap();
    let mut n = 0;
    for person in people {
        let Ok(files) = fs::read_dir(lfw.join(person)) else {
            continue;
        };
        let mut files: Vec<_> = files.map(|f| f.unwrap().path()).collect();
        files.sort();
        for file in files.iter().take(6) {
            fs::copy(file, dir.join(file.file_name().unwrap())).unwrap();
            n += 1;
        }
    }
    assert!(n >= 12, "only {n} portraits");
    Some((stage, dir))
}

/// The sample album, in a home with nothing but the binary and its base pack.
fn sample_portraits() -> (Stage, PathBuf) {
    let stage = Stage::bare();
    let names = fs::read_dir(sample_album()).unwrap();
    let names = names.map(|f| f.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let dir = stage.photos(&names);
    (stage, dir)
}

fn dump(stage: &Stage) -> String {
    let file = stage.path("home/catalogue.db");
    let options = OpenOptions {
        read_only: true,
        create: false,
    };
    Album::open(&file, options).unwrap().dump().unwrap()
}

#[test]
fn photos_become_people_that_can_be_named_found_and_shown() {
    if let Some((stage, dir)) = lfw_portraits() {
        become_people(&stage, &dir);
    }
}

#[test]
fn photos_become_people_that_can_be_named_found_and_shown_with_the_base_pack() {
    let (stage, dir) = sample_portraits();
    become_people(&stage, &dir);
}

fn become_people(stage: &Stage, dir: &Path) {
    let scanned = stage.json(&["scan".as_ref(), dir.as_os_str()]);
    assert!(scanned["people"].as_u64().unwrap() >= 2, "{scanned}");

    let people = stage.json(&["people"]);
    let id = people[0]["id"].to_string();
    stage.run(&["name", &id, "Aunt Ida"]).ended_with(0);
    let person = stage.json(&["person", "Aunt Ida"]);
    let photos = person["photos"].as_array().unwrap();
    assert!(photos.len() >= 2);

    let photo = photos[0]["paths"][0].as_str().unwrap();
    let found = stage.json(&["find", photo]);
    let named = found["faces"]
        .as_array()
        .unwrap()
        .iter()
        .any(|f| f["candidates"][0]["name"] == "Aunt Ida");
    assert!(named, "{found}");

    stage.run(&["report", "people.html"]).ended_with(0);
    let page = fs::read_to_string(stage.path("people.html")).unwrap();
    assert!(page.contains("Aunt Ida") && page.contains("data:image/jpeg"));

    // A moved photo is recognised, and the name stays.
    fs::rename(photo, dir.join("moved.jpg")).unwrap();
    let again = stage.json(&["scan".as_ref(), dir.as_os_str()]);
    assert_eq!(
        (
            again["new_photos"].as_u64(),
            again["known_content"].as_u64()
        ),
        (Some(0), Some(1))
    );
    assert_eq!(
        stage.json(&["person", "Aunt Ida"])["photos"]
            .as_array()
            .unwrap()
            .len(),
        photos.len()
    );

    // Splitting a face off, and taking that back.
    let face = person["photos"][0]["face"].to_string();
    stage.run(&["split", "Aunt Ida", &face]).ended_with(0);
    assert_eq!(
        stage.json(&["person", "Aunt Ida"])["photos"]
            .as_array()
            .unwrap()
            .len(),
        photos.len() - 1
    );
    stage.run(&["undo"]).ended_with(0);
    assert_eq!(
        stage.json(&["person", "Aunt Ida"])["photos"]
            .as_array()
            .unwrap()
            .len(),
        photos.len()
    );
}

#[test]
fn two_photos_of_one_person_are_the_same_and_of_two_people_are_not() {
    let Some((stage, dir)) = lfw_portraits() else {
        return;
    };
    let photo = |name: &str| dir.join(name);
    let verify = |a: &str, b: &str| {
        stage.json(&[
            "verify".as_ref(),
            photo(a).as_os_str(),
            photo(b).as_os_str(),
        ])
    };
    let same = verify("Jacques_Chirac_0001.jpg", "Jacques_Chirac_0002.jpg");
    assert_eq!(same["answer"], "same", "{same}");
    let different = verify("Jacques_Chirac_0001.jpg", "Laura_Bush_0001.jpg");
    assert_eq!(different["answer"], "different", "{different}");
    assert_eq!(different["same_at"]["false_match_rate"], 0.001);
    let nowhere = photo("nobody.jpg");
    stage
        .run(&[
            "verify".as_ref(),
            photo("Jacques_Chirac_0001.jpg").as_os_str(),
            nowhere.as_os_str(),
        ])
        .ended_with(4)
        .says(&["nobody.jpg"]);
}

#[test]
fn a_scan_killed_at_any_instant_ends_as_an_undisturbed_one() {
    if let Some((stage, dir)) = lfw_portraits() {
        survive_kills(&stage, &dir);
    }
}

#[test]
fn a_scan_killed_at_any_instant_ends_as_an_undisturbed_one_with_the_base_pack() {
    let (stage, dir) = sample_portraits();
    survive_kills(&stage, &dir);
}

fn survive_kills(stage: &Stage, dir: &Path) {
    stage.run(&["scan".as_ref(), dir.as_os_str()]).ended_with(0);
    let whole = dump(stage);
    fs::remove_file(stage.path("home/catalogue.db")).unwrap();
    let mut killed = 0;
    for delay_ms in [60, 150, 300, 450, 600, 800] {
        let mut scan = stage.command();
        scan.arg("scan")
            .arg(dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut scan = scan.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay_ms));
        // It may have finished by then, which is as good an instant as any.
        let _ = scan.kill();
        killed += usize::from(scan.wait().unwrap().signal() == Some(9));
    }
    assert!(killed > 0, "no scan was slow enough to be killed");
    stage.run(&["scan".as_ref(), dir.as_os_str()]).ended_with(0);
    assert_eq!(dump(stage), whole);
}

#[test]
fn several_photos_at_once_leave_the_same_catalogue_as_one() {
    if let Some((stage, dir)) = lfw_portraits() {
        are_the_same_at_once(&stage, &dir);
    }
}

#[test]
fn several_photos_at_once_leave_the_same_catalogue_as_one_with_the_base_pack() {
    let (stage, dir) = sample_portraits();
    are_the_same_at_once(&stage, &dir);
}

fn are_the_same_at_once(stage: &Stage, dir: &Path) {
    let mut dumps = Vec::new();
    for threads in ["1", "5"] {
        let args = [
            "scan".as_ref(),
            dir.as_os_str(),
            "--threads".as_ref(),
            threads.as_ref(),
        ];
        stage.run(&args).ended_with(0);
        dumps.push(dump(stage));
        fs::remove_file(stage.path("home/catalogue.db")).unwrap();
    }
    assert_eq!(dumps[0], dumps[1]);
}

#[test]
fn the_sample_album_shows_its_eight_people_with_nothing_but_the_binary() {
    let stage = Stage::bare();
    let album = sample_album();
    let scanned = stage.json(&["scan".as_ref(), album.as_os_str()]);
    assert_eq!(
        (scanned["photos"].as_u64(), scanned["people"].as_u64()),
        (Some(25), Some(8)),
        "{scanned}"
    );
    stage.run(&["report", "people.html"]).ended_with(0);
    let photo = |name: &str| album.join(name);
    let pair = |a: &str, b: &str| {
        stage.json(&[
            "verify".as_ref(),
            photo(a).as_os_str(),
            photo(b).as_os_str(),
        ])["answer"]
            .clone()
    };
    assert_eq!(pair("01-portrait.jpg", "02-portrait.jpg"), "same");
    assert_ne!(pair("01-portrait.jpg", "08-portrait.jpg"), "same");
}

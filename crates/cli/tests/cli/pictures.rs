//! Decisions follow the picture: metadata is edited, photos are re-saved, shrunk, turned, replaced,
//! deleted, renamed; and their disk is away. With nothing but the binary.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use image::DynamicImage;
use image::codecs::jpeg::JpegEncoder;

use crate::stage::{Stage, sample_album};

/// Inserts a block of XMP behind the start of a JPEG, as a keyword or a rating is written.
fn edit_metadata(photo: &Path, keyword: &str) {
    let bytes = fs::read(photo).unwrap();
    let mut block = b"http://ns.adobe.com/xap/1.0/\0".to_vec();
    let packet = format!("<x:xmpmeta xmlns:x='adobe:ns:meta/'><!--{keyword}--></x:xmpmeta>");
    block.extend(packet.as_bytes());
    let mut edited = bytes[..2].to_vec();
    edited.extend([0xff, 0xe1]);
    edited.extend(((block.len() + 2) as u16).to_be_bytes());
    edited.extend(block);
    edited.extend(&bytes[2..]);
    fs::write(photo, edited).unwrap();
}

fn save(picture: &DynamicImage, to: &Path, quality: u8) {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    picture.to_rgb8().write_with_encoder(encoder).unwrap();
    fs::write(to, bytes).unwrap();
}

struct Decided {
    stage: Stage,
    dir: PathBuf,
    /// Names of faces by file name.
    names: BTreeMap<String, Vec<Option<String>>>,
    counts: (u64, u64),
}

fn scan(stage: &Stage, dir: &Path) -> (u64, u64) {
    let done = stage.json(&["scan".as_ref(), dir.as_os_str()]);
    (
        done["photos"].as_u64().unwrap(),
        done["people"].as_u64().unwrap(),
    )
}

/// Per file the names of its faces from left to right; a face of nobody counts as none.
fn names(stage: &Stage, dir: &Path) -> BTreeMap<String, Vec<Option<String>>> {
    let mut names = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let photo = stage.json(&["photo".as_ref(), path.as_os_str()]);
        let who = photo["items"].as_array().unwrap().iter();
        let who = who.map(|f| match f["aside"].as_str() {
            Some(aside) => Some(format!("({aside})")),
            None => f["name"].as_str().map(str::to_owned),
        });
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        names.insert(file, who.collect());
    }
    names
}

impl Decided {
    /// The sample album with everybody named, one face split off, two ignored, one person erased.
    fn new() -> Decided {
        let stage = Stage::bare();
        let all = fs::read_dir(sample_album()).unwrap();
        let all: Vec<String> = all
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        let dir = stage.photos(&all.iter().map(|n| &**n).collect::<Vec<_>>());
        scan(&stage, &dir);
        let people = stage.json(&["people"]);
        for (at, person) in people.as_array().unwrap().iter().enumerate() {
            let id = person["id"].to_string();
            let name = ["Ann", "Bo", "Cleo", "Dan", "Eva", "Fay", "Gus", "Hal"][at];
            stage.run(&["name", &id, name]).ended_with(0);
        }
        let faces = |who: &str| -> Vec<String> {
            let person = stage.json(&["person", who]);
            let photos = person["photos"].as_array().unwrap().clone();
            photos.iter().map(|p| p["face"].to_string()).collect()
        };
        stage.run(&["split", "Ann", &faces("Ann")[0]]).ended_with(0);
        stage
            .run(&["ignore", &faces("Bo")[0], &faces("Cleo")[0]])
            .ended_with(0);
        stage.run(&["erase", "Dan", "--yes"]).ended_with(0);
        let counts = scan(&stage, &dir);
        let names = names(&stage, &dir);
        Decided {
            stage,
            dir,
            names,
            counts,
        }
    }

    #[track_caller]
    fn holds(&self) {
        assert_eq!(scan(&self.stage, &self.dir), self.counts);
        let now = names(&self.stage, &self.dir);
        for (file, who) in &self.names {
            assert_eq!(now.get(file), Some(who), "{file}");
        }
        let health = self.stage.json(&["doctor"])["catalogue"]["says"].to_string();
        assert!(health.contains("\"25 photos"), "{health}");
    }

    fn each(&self, change: impl Fn(&Path)) {
        for entry in fs::read_dir(&self.dir).unwrap() {
            change(&entry.unwrap().path());
        }
    }
}

#[test]
fn edited_metadata_changes_nothing_that_was_decided() {
    let decided = Decided::new();
    for keyword in ["Holiday", "Rating 5"] {
        decided.each(|photo| edit_metadata(photo, keyword));
        decided.holds();
    }
}

#[test]
fn a_photo_saved_again_smaller_and_worse_keeps_what_was_decided() {
    let decided = Decided::new();
    decided.each(|photo| {
        let picture = image::open(photo).unwrap();
        let half = picture.resize_exact(
            picture.width() * 3 / 4,
            picture.height() * 3 / 4,
            image::imageops::FilterType::CatmullRom,
        );
        save(&half, photo, 70);
    });
    decided.holds();
}

#[test]
fn what_was_erased_stays_erased_in_a_turned_copy() {
    let decided = Decided::new();
    decided.each(|photo| {
        let picture = image::open(photo).unwrap();
        save(&picture.rotate90(), photo, 85);
    });
    scan(&decided.stage, &decided.dir);
    let now = names(&decided.stage, &decided.dir);
    // Faces come in another order, and a face on its side may be found late: the names are there.
    for (file, who) in &decided.names {
        let mut now: Vec<&String> = now[file].iter().flatten().collect();
        let mut who: Vec<&String> = who.iter().flatten().collect();
        now.sort();
        who.sort();
        assert_eq!(now, who, "{file}");
    }
    let people = decided.stage.json(&["people"]);
    let unnamed = people
        .as_array()
        .unwrap()
        .iter()
        .filter(|p| p["name"].is_null());
    // The face that was split off is a person of its own; nobody else came back.
    assert!(unnamed.count() <= 1, "{people}");
}

#[test]
fn a_photo_replaced_by_another_does_not_inherit_its_names() {
    let decided = Decided::new();
    let (one, two) = ("01-portrait.jpg", "12-portrait.jpg");
    fs::copy(decided.dir.join(two), decided.dir.join(one)).unwrap();
    scan(&decided.stage, &decided.dir);
    let now = names(&decided.stage, &decided.dir);
    assert_eq!(now[one], decided.names[two], "it is the other picture now");
    // And back.
    fs::copy(sample_album().join(one), decided.dir.join(one)).unwrap();
    decided.holds();
}

#[test]
fn deleted_photos_leave_the_counts_and_come_back_with_their_decisions() {
    let decided = Decided::new();
    let aside = decided.stage.path("aside");
    fs::create_dir(&aside).unwrap();
    let some = ["02-portrait.jpg", "09-portrait.jpg", "22-group.jpg"];
    for name in some {
        fs::rename(decided.dir.join(name), aside.join(name)).unwrap();
    }
    let scanned = decided
        .stage
        .run(&["scan".as_ref(), decided.dir.as_os_str()]);
    assert!(
        scanned.stdout().contains("3 photos are gone"),
        "{}",
        scanned.stdout()
    );
    let people = decided.stage.json(&["people"]);
    let total: u64 = people
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["n_photos"].as_u64().unwrap())
        .sum();
    for person in people.as_array().unwrap() {
        let shown = decided.stage.json(&["person", &person["id"].to_string()]);
        for photo in shown["photos"].as_array().unwrap() {
            let paths = photo["paths"].as_array().unwrap();
            assert!(!paths.is_empty());
            for path in paths {
                assert!(Path::new(path.as_str().unwrap()).exists(), "{path} is dead");
            }
        }
    }
    let gone = decided
        .stage
        .run(&["photo".as_ref(), decided.dir.join(some[0]).as_os_str()]);
    gone.ended_with(4);
    let shown = decided.stage.json(&["prune"]);
    assert_eq!(
        (shown["photos"].as_u64(), shown["done"].as_bool()),
        (Some(3), Some(false))
    );
    assert!(shown["templates"].as_u64().unwrap() > 0, "{shown}");
    for name in some {
        fs::rename(aside.join(name), decided.dir.join(name)).unwrap();
    }
    decided.holds();
    let again = decided.stage.json(&["people"]);
    let all: u64 = again
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["n_photos"].as_u64().unwrap())
        .sum();
    assert!(all > total);
    // Pruned, their templates are gone, and the decisions still return with the photos.
    fs::remove_file(decided.dir.join(some[0])).unwrap();
    scan(&decided.stage, &decided.dir);
    let pruned = decided.stage.json(&["prune", "--yes"]);
    assert_eq!(
        (pruned["photos"].as_u64(), pruned["done"].as_bool()),
        (Some(1), Some(true))
    );
    assert_eq!(decided.stage.json(&["prune"])["photos"], 0);
    fs::copy(sample_album().join(some[0]), decided.dir.join(some[0])).unwrap();
    decided.holds();
}

#[test]
fn a_renamed_folder_keeps_decisions_and_lists_no_dead_path() {
    let mut decided = Decided::new();
    let renamed = decided.stage.path("renamed");
    fs::create_dir(decided.stage.path("root")).unwrap();
    let root = decided.stage.path("root");
    fs::rename(&decided.dir, root.join("a")).unwrap();
    // The first root is not there any more: nothing below it is touched, and prune says so.
    scan(&decided.stage, &root);
    let shown = decided.stage.json(&["prune"]);
    assert_eq!(shown["missing_folders"][0]["photos"], 25, "{shown}");
    decided
        .stage
        .run(&["prune", "--root", "photos", "--yes"])
        .ended_with(0);
    fs::rename(root.join("a"), root.join("b")).unwrap();
    decided.dir = root.join("b");
    scan(&decided.stage, &root);
    let now = names(&decided.stage, &decided.dir);
    assert_eq!(now, decided.names);
    let person = decided.stage.json(&["person", "Eva"]);
    for photo in person["photos"].as_array().unwrap() {
        assert_eq!(photo["paths"].as_array().unwrap().len(), 1, "{photo}");
    }
    assert!(!renamed.exists());
}

#[test]
fn a_disk_that_is_away_takes_nothing_with_it() {
    let decided = Decided::new();
    let away = decided.stage.path("away");
    fs::rename(&decided.dir, &away).unwrap();
    // Not there at all, and there as an empty mount point.
    decided
        .stage
        .run(&["scan".as_ref(), decided.dir.as_os_str()])
        .ended_with(3);
    fs::create_dir(&decided.dir).unwrap();
    decided
        .stage
        .run(&["scan".as_ref(), decided.dir.as_os_str()]);
    let people = decided.stage.json(&["people"]);
    assert!(people.as_array().unwrap().len() >= 7, "{people}");
    fs::remove_dir(&decided.dir).unwrap();
    fs::rename(&away, &decided.dir).unwrap();
    decided.holds();
}

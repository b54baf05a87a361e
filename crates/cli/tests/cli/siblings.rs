//! People who look alike and stand in one photo: the hardest pairs of strangers of `lfw-dev`,
//! pasted side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use fusiform::album::{Album, OpenOptions};
use fusiform::geometry::BoundingBox;

use crate::stage::{LFW, Stage};

/// Pairs with the most similar faces, by `fusiform eval cluster --export`: half by MobileFaceNet,
/// half by the base pack.
const PAIRS: [[&str; 2]; 9] = [
    ["Wen_Jiabao", "Hu_Jintao"],
    ["Vicente_Fox", "Saddam_Hussein"],
    ["Lleyton_Hewitt", "Andy_Roddick"],
    ["John_Stockton", "Anders_Fogh_Rasmussen"],
    ["Tommy_Thompson", "Howard_Dean"],
    ["Tang_Jiaxuan", "Kim_Jong-Il"],
    ["Victoria_Clarke", "Elizabeth_Hurley"],
    ["Renee_Zellweger", "Nicole_Kidman"],
    ["Ricardo_Lagos", "Jimmy_Carter"],
];
/// Photos of each person that are used.
const PHOTOS: usize = 8;

/// Pastes the first half of each pair's photos side by side and copies the others; says who is
/// where.
fn paste(lfw: &Path, dir: &Path) -> Vec<(PathBuf, Vec<&'static str>)> {
    fs::create_dir_all(dir).unwrap();
    let mut album = Vec::new();
    let photos_of = |who: &str| {
        let files = fs::read_dir(lfw.join(who)).unwrap();
        let mut files: Vec<PathBuf> = files.map(|f| f.unwrap().path()).collect();
        files.sort();
        files.truncate(PHOTOS);
        files
    };
    for [left, right] in PAIRS {
        let (a, b) = (photos_of(left), photos_of(right));
        let n_common = a.len().min(b.len()) / 2;
        for (at, (a, b)) in a.iter().zip(&b).take(n_common).enumerate() {
            let both = [a, b].map(|file| image::open(file).unwrap().to_rgb8());
            let (width, height) = both[0].dimensions();
            let mut photo = image::RgbImage::new(2 * width, height);
            image::imageops::replace(&mut photo, &both[0], 0, 0);
            image::imageops::replace(&mut photo, &both[1], width.into(), 0);
            let file = dir.join(format!("{left}-{right}-{at}.png"));
            photo.save(&file).unwrap();
            album.push((file, vec![left, right]));
        }
        for (who, files) in [(left, &a), (right, &b)] {
            for file in &files[n_common..] {
                let copy = dir.join(file.file_name().unwrap());
                fs::copy(file, &copy).unwrap();
                album.push((copy, vec![who]));
            }
        }
    }
    album
}

/// For each person of the catalogue whose faces they have, of those whom we know.
fn who_has_whom(
    stage: &Stage,
    album: &[(PathBuf, Vec<&'static str>)],
) -> BTreeMap<i64, BTreeSet<&'static str>> {
    let options = OpenOptions {
        read_only: true,
        create: false,
    };
    let catalogue = Album::open(&stage.path("home/catalogue.db"), options).unwrap();
    let mut has: BTreeMap<i64, BTreeSet<&str>> = BTreeMap::new();
    for (file, who) in album {
        let photo = catalogue.photo(catalogue.photo_at(file).unwrap()).unwrap();
        let part = photo.width_px as f32 / who.len() as f32;
        for (at, who) in who.iter().enumerate() {
            // The face of LFW lies in the middle of its picture; others are bystanders.
            let middle = part * (at as f32 + 0.5);
            let off = |b: BoundingBox| (b.center().x - middle).abs();
            let nearest = photo
                .faces
                .iter()
                .min_by(|a, b| off(a.bbox).total_cmp(&off(b.bbox)));
            let face = nearest.filter(|f| off(f.bbox) < part / 8.0);
            if let Some(person) = face.and_then(|f| f.person) {
                has.entry(person.0).or_default().insert(who);
            }
        }
    }
    has
}

#[track_caller]
fn keeps_them_apart(stage: &Stage, least_found: usize) {
    let Some(shared) = fusiform_skips::shared(&[LFW]) else {
        return;
    };
    let dir = stage.path("photos");
    let album = paste(&shared.join(LFW), &dir);
    stage.run(&["scan".as_ref(), dir.as_os_str()]).ended_with(0);
    let has = who_has_whom(stage, &album);
    for pair in PAIRS {
        let merged = has
            .values()
            .any(|whom| pair.iter().all(|who| whom.contains(who)));
        assert!(!merged, "{pair:?} were made one person");
    }
    // Not by leaving everybody alone.
    let found: BTreeSet<&str> = has.values().flatten().copied().collect();
    assert!(found.len() >= least_found, "only {found:?} were grouped");
}

#[test]
fn look_alikes_in_one_photo_stay_two_people() {
    if let Some(stage) = Stage::with_models(&[LFW]) {
        keeps_them_apart(&stage, 2 * PAIRS.len());
    }
}

#[test]
fn look_alikes_in_one_photo_stay_two_people_for_the_base_pack() {
    keeps_them_apart(&Stage::bare(), 2 * PAIRS.len());
}

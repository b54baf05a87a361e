//! What a scan leaves out, and why.

use super::*;
use crate::scan::{Analyse, Exclude, ScanOptions, ScanSummary, scan};
use fusiform_face::image::Fingerprint;
use std::sync::atomic::AtomicBool;

/// An engine that finds one face in every file.
struct Plain;

impl Analyse for Plain {
    fn models(&self) -> ModelPair {
        models("e@1")
    }

    fn photo_record(&self, bytes: &[u8]) -> Result<PhotoRecord, Unusable> {
        let file = photo(usize::from(bytes[0]), &[0], "e@1");
        match file.outcome {
            Outcome::New(mut record) => {
                record.fingerprint = None;
                Ok(record)
            }
            _ => Err(Unusable::new(ProblemKind::NoPhoto, "no photo")),
        }
    }

    fn fingerprint(&self, _bytes: &[u8]) -> Result<(Fingerprint, Orientation), Unusable> {
        Err(Unusable::new(ProblemKind::Failed, "none"))
    }
}

fn run(album: &mut Album, root: &Path, patterns: &[&str]) -> ScanSummary {
    let options = ScanOptions {
        threads: 1,
        exclude: Exclude::new(patterns).unwrap(),
    };
    let never = AtomicBool::new(false);
    scan(&Plain, album, &[root.into()], &options, &never, |_| {}).unwrap()
}

#[test]
fn trash_thumbnails_and_previews_are_left_out_with_their_reasons() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("photos");
    let good = [
        "a.jpg",
        "2020/b.jpg",
        "Mine.photoslibrary/originals/0/c.jpg",
        "Old.photolibrary/Masters/d.jpg",
        "derivatives/e.jpg",
    ];
    let left = [
        "@eaDir/a.jpg/SYNOPHOTO_THUMB_XL.jpg",
        "2020/@eaDir/b.jpg/t.jpg",
        "#recycle/x.jpg",
        "$RECYCLE.BIN/S-1-5/x.jpg",
        "$Recycle.Bin/x.jpg",
        ".Trash-1000/files/x.jpg",
        ".thumbnails/x.png",
        ".git/x.jpg",
        "Mine.photoslibrary/resources/derivatives/0/c_1.jpg",
        "Mine.photoslibrary/derivatives/c_1.jpg",
        "Catalogue Previews.lrdata/1/x.jpg",
        "WhatsApp/.nomedia",
        "WhatsApp/x.jpg",
        "2020/._b.jpg",
    ];
    for (at, below) in good.iter().chain(&left).enumerate() {
        let path = root.join(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, [at as u8 + 1; 3]).unwrap();
    }
    let stage = Stage::new();
    let mut album = stage.open();
    let summary = run(&mut album, &root, &[]);
    assert_eq!((summary.files, summary.analysed), (good.len(), good.len()));
    let reason = |below: &str| {
        let path = root.join(below);
        let found = summary.excluded.iter().find(|(p, _)| *p == path);
        found.map(|(_, why)| why.clone()).unwrap_or_default()
    };
    for (below, words) in [
        ("@eaDir", "Synology"),
        ("2020/@eaDir", "Synology"),
        ("#recycle", "trash"),
        ("$Recycle.Bin", "trash of Windows"),
        (".Trash-1000", "trash"),
        (".thumbnails", "hidden"),
        ("Mine.photoslibrary/resources", "derivatives"),
        ("Catalogue Previews.lrdata", "Lightroom"),
        ("WhatsApp", ".nomedia"),
        ("2020/._b.jpg", "macOS"),
    ] {
        assert!(
            reason(below).contains(words),
            "{below}: {:?}",
            summary.excluded
        );
    }
    // Whoever names such a folder means it.
    let named = run(&mut album, &root.join("#recycle"), &[]);
    assert_eq!(named.analysed, 1);
}

#[test]
fn patterns_are_those_of_gitignore_and_what_they_leave_out_now_is_gone_with_its_decisions_kept() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("photos");
    for (at, below) in [
        "a.jpg",
        "a.png",
        "private/b.jpg",
        "x/private/c.jpg",
        "x/keep.png",
    ]
    .iter()
    .enumerate()
    {
        let path = root.join(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, [at as u8 + 1; 3]).unwrap();
    }
    let stage = Stage::new();
    let mut album = stage.open();
    assert_eq!(run(&mut album, &root, &[]).analysed, 5);
    let b = album.photo_at(&root.join("private/b.jpg")).unwrap();
    let face = album.photo(b).unwrap().faces[0].face;
    album.assert_is_called(&[face], "Bo").unwrap();

    let patterns = ["*.png", "!keep.png", "/private"];
    let summary = run(&mut album, &root, &patterns);
    assert_eq!((summary.files, summary.analysed), (3, 0));
    assert_eq!((summary.gone.n_photos, summary.n_excluded_files), (2, 2));
    let reasons: Vec<&str> = summary.excluded.iter().map(|(_, why)| &**why).collect();
    assert_eq!(reasons, ["pattern *.png", "pattern /private"]);
    // A scan of a part has the same patterns, from the folder that was scanned first.
    let part = run(&mut album, &root.join("x"), &patterns);
    assert_eq!(
        part.files, 2,
        "/private is not x/private: {:?}",
        part.excluded
    );

    assert_eq!(run(&mut album, &root, &[]).gone.n_photos, 0);
    let b = album.photo_at(&root.join("private/b.jpg")).unwrap();
    assert_eq!(album.photo(b).unwrap().faces[0].name.as_deref(), Some("Bo"));
    for bad in ["[z-a].png", "#recycle", " "] {
        let refused = Exclude::new(&[bad]).unwrap_err();
        assert!(refused.to_string().contains(bad), "{refused}");
    }
}

#[test]
fn folders_are_remembered_until_they_are_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("photos");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("a.jpg"), [1; 3]).unwrap();
    let stage = Stage::new();
    let mut album = stage.open();
    run(&mut album, &root, &[]);
    assert_eq!(album.remembered().unwrap(), std::slice::from_ref(&root));
    album.drop_remembered(&root).unwrap();
    assert!(album.drop_remembered(&root).is_err());
    assert!(album.remembered().unwrap().is_empty());
    assert_eq!(
        album.roots().unwrap(),
        std::slice::from_ref(&root),
        "its photos are still there"
    );
    album.remember(&root).unwrap();
    assert_eq!(album.remembered().unwrap(), std::slice::from_ref(&root));
    assert!(album.remember(&root.join("nowhere")).is_err());
}

#[test]
fn a_photo_without_any_date_has_that_of_its_file_and_an_edit_is_no_date() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("photos");
    fs::create_dir(&root).unwrap();
    let plain = root.join("a.jpg");
    fs::write(&plain, [1; 3]).unwrap();
    fs::write(root.join("IMG_20210704_183005.jpg"), [2; 3]).unwrap();
    let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(951_827_696);
    fs::File::options()
        .write(true)
        .open(&plain)
        .unwrap()
        .set_modified(old)
        .unwrap();
    let stage = Stage::new();
    let mut album = stage.open();
    run(&mut album, &root, &[]);
    let date = |album: &Album, name: &str| {
        let photo = album.photo_at(&root.join(name)).unwrap();
        album.date_of(photo).unwrap().unwrap()
    };
    let of_file = date(&album, "a.jpg");
    assert_eq!(of_file.with_zone(), "2000-02-29T12:34:56+00:00");
    assert_eq!(of_file.source, Some(DateSource::FileTime));
    let named = date(&album, "IMG_20210704_183005.jpg");
    assert_eq!(
        (named.with_zone(), named.source),
        ("2021-07-04T18:30:05".into(), Some(DateSource::FileName))
    );
    // A file's time says nothing of the years a person was photographed in.
    group(&mut album);
    let person = album
        .people_page(PeopleFilter::Visible, Page::default())
        .unwrap()
        .items;
    assert_eq!(
        person[0].first_taken.as_deref(),
        Some("2021-07-04T18:30:05")
    );
}

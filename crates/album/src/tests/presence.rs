//! Photos that are edited, copied, replaced, deleted and away, and what was decided about them.

use std::sync::Mutex;

use fusiform_face::image::{Fingerprint, Image};

use super::*;
use crate::names::is_same_name;

/// A picture that looks like no other: blocks of brightness by number.
pub(super) fn picture(number: usize, width: u32, height: u32) -> Image {
    let mut state = number as u64 + 1;
    let mut shades = Vec::new();
    for _ in 0..64 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        shades.push((state >> 56) as f32);
    }
    let shade = |x: u32, y: u32| {
        // Bilinear between eight times eight values.
        let (u, v) = (
            x as f32 / width as f32 * 6.99,
            y as f32 / height as f32 * 6.99,
        );
        let (i, j) = (u as usize, v as usize);
        let (a, b) = (u - i as f32, v - j as f32);
        let at = |i: usize, j: usize| shades[j * 8 + i];
        let top = at(i, j) * (1.0 - a) + at(i + 1, j) * a;
        let bottom = at(i, j + 1) * (1.0 - a) + at(i + 1, j + 1) * a;
        (top * (1.0 - b) + bottom * b) as u8
    };
    let rgb = (0..height)
        .flat_map(|y| (0..width).flat_map(move |x| [(x, y)]))
        .flat_map(|(x, y)| [shade(x, y); 3]);
    Image::new(width, height, rgb.collect()).unwrap()
}

/// The fingerprint of [`picture`], made once: the tests need the same ones often.
fn fingerprint(
    number: usize,
    (width, height): (u32, u32),
    orientation: Orientation,
) -> Fingerprint {
    static MADE: Mutex<BTreeMap<(usize, u32, u32), Fingerprint>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap();
    let key = (number, width, orientation as u32);
    let make = || Fingerprint::of(&orientation.upright(picture(number, width, height)));
    made.entry(key).or_insert_with(make).clone()
}

/// A photo of the tests with a picture of its own.
pub(super) fn pictured(number: usize, people: &[usize]) -> ScannedFile {
    let mut file = photo(number, people, "e@1");
    with(&mut file, |record| {
        record.fingerprint = Some(fingerprint(number, (96, 72), Orientation::Upright));
    });
    file
}

pub(super) fn with(file: &mut ScannedFile, change: impl FnOnce(&mut PhotoRecord)) {
    let Outcome::New(record) = &mut file.outcome else {
        unreachable!()
    };
    change(record);
}

/// The same picture in other bytes.
pub(super) fn edited(file: &ScannedFile, version: u8) -> ScannedFile {
    let mut file = file.clone();
    // Originals repeat their number, which is never 255.
    let hash = file.hash.as_mut().unwrap();
    (hash[29], hash[31]) = (255, version);
    file.size_bytes += u64::from(version);
    file
}

/// The picture at three quarters of its size, and turned if wished.
pub(super) fn saved_again(
    file: &ScannedFile,
    number: usize,
    version: u8,
    orientation: Orientation,
) -> ScannedFile {
    let mut file = edited(file, version);
    file.hash.as_mut().unwrap()[30] = 1 + orientation as u8;
    with(&mut file, |record| {
        let (width, height) = (record.width_px * 3 / 4, record.height_px * 3 / 4);
        record.fingerprint = Some(fingerprint(number, (72, 54), orientation));
        let (before, turned) = ((record.width_px, record.height_px), orientation as u32 >= 5);
        (record.width_px, record.height_px) = match turned {
            true => (height, width),
            false => (width, height),
        };
        for face in &mut record.faces {
            let place = crate::regions::RelativeBox::from_pixels(&face.bbox, before.0, before.1);
            face.bbox = place
                .upright(orientation)
                .to_pixels(record.width_px, record.height_px);
        }
    });
    file
}

fn at_root(album: &mut Album, root: &Path, files: &[ScannedFile]) -> Reconciled {
    let mut found: Vec<PathBuf> = files.iter().map(|f| f.path.clone()).collect();
    found.sort();
    album.record(files).unwrap();
    album.reconcile(&[root.into()], &found, &[]).unwrap()
}

/// A folder that is there, so that it can be reconciled; the photos in it are names only.
fn root() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("here"), "").unwrap();
    dir
}

fn below(dir: &Path, mut files: Vec<ScannedFile>) -> Vec<ScannedFile> {
    for file in &mut files {
        file.path = dir.join(file.path.file_name().unwrap());
    }
    files
}

fn six() -> Vec<ScannedFile> {
    let who: [&[usize]; 6] = [&[0], &[0, 1], &[0], &[1], &[1, 2], &[2]];
    let each = who.iter().enumerate();
    each.map(|(number, people)| pictured(number, people))
        .collect()
}

#[test]
fn an_edited_file_is_the_photo_it_was() {
    let stage = Stage::new();
    let mut album = stage.open();
    let files = six();
    assert!(
        album
            .record(&files)
            .unwrap()
            .iter()
            .all(|r| *r == Recorded::NewPicture)
    );
    group(&mut album);
    let before = members(&album);
    let again: Vec<ScannedFile> = files.iter().map(|f| edited(f, 9)).collect();
    let recorded = album.record(&again).unwrap();
    assert!(
        recorded.iter().all(|r| *r == Recorded::KnownPicture),
        "{recorded:?}"
    );
    group(&mut album);
    assert_eq!(members(&album), before);
    assert_eq!(album.health().unwrap().n_photos, 6);
    // Both contents are known now.
    assert_eq!(album.known_contents(&models("e@1")).unwrap().len(), 12);
    // The date of an edited file is the photo's.
    let mut dated = edited(&files[0], 10);
    with(&mut dated, |record| {
        record.taken = shot("2020-01-02T03:04:05")
    });
    album.record(&[dated]).unwrap();
    let photo = album
        .photo(album.photo_at(&files[0].path).unwrap())
        .unwrap();
    assert_eq!(photo.taken_at.as_deref(), Some("2020-01-02T03:04:05"));
}

#[test]
fn copies_in_all_orientations_take_over_what_was_decided() {
    for orientation in Orientation::ALL {
        let stage = Stage::new();
        let mut album = stage.open();
        let dir = root();
        let files = below(dir.path(), six());
        at_root(&mut album, dir.path(), &files);
        group(&mut album);
        let photo = |album: &Album, at: usize| {
            album
                .photo(album.photo_at(&files[at].path).unwrap())
                .unwrap()
        };
        let one = photo(&album, 1).faces;
        album.assert_is_called(&[one[0].face], "Ida").unwrap();
        album.ignore(&[one[1].face]).unwrap();
        let four = photo(&album, 4).faces;
        album.assert_is_called(&[four[0].face], "Bo").unwrap();
        let bo = album.find_person("Bo").unwrap();
        album.erase(bo).unwrap();
        let copies: Vec<ScannedFile> = files
            .iter()
            .enumerate()
            .map(|(number, f)| saved_again(f, number, 7, orientation))
            .collect();
        let gone = at_root(&mut album, dir.path(), &copies);
        assert_eq!((gone.n_files, gone.n_photos), (0, 6), "{orientation:?}");
        group(&mut album);
        assert_eq!(album.health().unwrap().n_photos, 6);
        let now = photo(&album, 1).faces;
        let ida = now.iter().find(|f| f.name.as_deref() == Some("Ida"));
        assert!(ida.is_some(), "{orientation:?}: {now:?}");
        let ignored = now
            .iter()
            .filter(|f| f.excluded == Some(Exclusion::Ignored));
        assert_eq!(ignored.count(), 1, "{orientation:?}");
        assert_eq!(
            photo(&album, 4).faces.len(),
            1,
            "the erased face is not shown"
        );
        let photo = album.photo_at(&files[4].path).unwrap();
        assert!(album.has_erased(photo).unwrap());
        let sql = "SELECT count(*) FROM faces f JOIN templates t ON t.face = f.id \
                   WHERE f.excluded = 'erase'";
        assert_eq!(album.query_value::<i64>(sql).unwrap(), 0);
        // A decision about the copy is one about the picture that is gone, should it come back.
        album.assert_is_called(&[ida.unwrap().face], "Ada").unwrap();
        at_root(&mut album, dir.path(), &files);
        group(&mut album);
        let back = album
            .photo(album.photo_at(&files[1].path).unwrap())
            .unwrap();
        let names: Vec<&str> = back
            .faces
            .iter()
            .filter_map(|f| f.name.as_deref())
            .collect();
        assert_eq!(names, ["Ada"], "{orientation:?}");
        assert!(album.health().unwrap().problems.is_empty());
    }
}

#[test]
fn another_picture_under_the_name_inherits_nothing() {
    let stage = Stage::new();
    let mut album = stage.open();
    let dir = root();
    let files = below(dir.path(), six());
    at_root(&mut album, dir.path(), &files);
    group(&mut album);
    let face = album
        .photo(album.photo_at(&files[0].path).unwrap())
        .unwrap()
        .faces[0]
        .face;
    album.assert_is_called(&[face], "Ida").unwrap();
    // Another picture with another face at the same place; and the same scene with somebody else.
    for stranger in [pictured(77, &[5]), {
        let mut same_scene = edited(&files[0], 3);
        with(&mut same_scene, |record| {
            record.fingerprint = Some(Fingerprint::of(&picture(0, 72, 54)));
            record.faces[0].vector = Some(vector(5, 1));
        });
        same_scene
    }] {
        let mut replaced = files.clone();
        replaced[0] = ScannedFile {
            path: files[0].path.clone(),
            ..stranger
        };
        at_root(&mut album, dir.path(), &replaced);
        group(&mut album);
        let now = album
            .photo(album.photo_at(&files[0].path).unwrap())
            .unwrap();
        assert_eq!(now.faces[0].name, None);
    }
    at_root(&mut album, dir.path(), &files);
    let back = album
        .photo(album.photo_at(&files[0].path).unwrap())
        .unwrap();
    assert_eq!(back.faces[0].name.as_deref(), Some("Ida"));
}

#[test]
fn a_photo_of_an_older_build_that_was_edited_before_the_first_scan_keeps_its_names() {
    let stage = Stage::new();
    let mut album = stage.open();
    let files = six();
    album.record(&files).unwrap();
    group(&mut album);
    // As after the migration: no marks yet.
    album
        .db
        .execute_batch("UPDATE photos SET sketch = NULL; DELETE FROM pictures")
        .unwrap();
    let face = album
        .photo(album.photo_at(&files[1].path).unwrap())
        .unwrap()
        .faces[0]
        .face;
    album.assert_is_called(&[face], "Ida").unwrap();
    let state = |album: &Album, f: &ScannedFile| {
        album
            .file_state(&f.path, f.size_bytes, f.mtime_ns, &models("e@1"))
            .unwrap()
    };
    assert_eq!(
        state(&album, &files[0]),
        FileState::Unknown,
        "it is read for its marks"
    );
    album.record(&[edited(&files[1], 4)]).unwrap();
    let now = album
        .photo(album.photo_at(&files[1].path).unwrap())
        .unwrap();
    assert_eq!(now.faces[0].name.as_deref(), Some("Ida"));
    let mut marked = files[0].clone();
    let Outcome::New(record) = &files[0].outcome else {
        unreachable!()
    };
    let fingerprint = record.fingerprint.clone().unwrap();
    marked.outcome = Outcome::KnownPicture(fingerprint, Orientation::Upright);
    album.record(&[marked]).unwrap();
    assert!(matches!(state(&album, &files[0]), FileState::Unchanged(_)));
}

#[test]
fn photos_that_are_gone_are_in_no_list_and_no_count() {
    let stage = Stage::new();
    let mut album = stage.open();
    let dir = root();
    let files = below(dir.path(), six());
    at_root(&mut album, dir.path(), &files);
    group(&mut album);
    let before = (album.health().unwrap(), members(&album));
    let face = album
        .photo(album.photo_at(&files[0].path).unwrap())
        .unwrap()
        .faces[0]
        .face;
    let gone = at_root(&mut album, dir.path(), &files[2..]);
    assert_eq!((gone.n_files, gone.n_photos), (2, 2));
    group(&mut album);
    let health = album.health().unwrap();
    assert_eq!((health.n_photos, health.n_faces), (4, 5));
    assert!(matches!(album.face(face), Err(Error::NoSuchFace(_))));
    let all = album.photos(&PhotoFilter::default(), Page::default());
    assert_eq!(all.unwrap().total, 4);
    let shown = album.unassigned_faces(Page::default()).unwrap();
    assert_eq!(shown.total, health.n_unassigned);
    for person in album.people().unwrap() {
        for photo in album.photos_of(person.id).unwrap() {
            assert!(!photo.paths.is_empty(), "{photo:?}");
        }
    }
    assert_eq!(album.prunable().unwrap().n_photos, 2);
    at_root(&mut album, dir.path(), &files);
    group(&mut album);
    assert_eq!(
        (album.health().unwrap().n_photos, members(&album)),
        (before.0.n_photos, before.1)
    );
    assert_eq!(album.prunable().unwrap(), Pruned::default());
}

#[test]
fn nothing_is_taken_out_below_a_root_that_is_not_there_or_could_not_be_read() {
    let stage = Stage::new();
    let mut album = stage.open();
    let dir = root();
    let files = below(dir.path(), six());
    at_root(&mut album, dir.path(), &files);
    let mut reconcile = |roots: &[PathBuf], unread: &[PathBuf]| {
        album.reconcile(roots, &[], unread).unwrap().n_files
    };
    assert_eq!(reconcile(&["/nowhere/at/all".into()], &[]), 0);
    let path = dir.path().to_path_buf();
    assert_eq!(
        reconcile(std::slice::from_ref(&path), std::slice::from_ref(&path)),
        0
    );
    // An empty mount point.
    fs::remove_file(path.join("here")).unwrap();
    assert_eq!(reconcile(std::slice::from_ref(&path), &[]), 0);
    fs::write(path.join("here"), "").unwrap();
    assert_eq!(reconcile(&[path], &[]), 6);
}

#[test]
fn an_erasure_reaches_photos_that_are_gone_or_pruned() {
    let stage = Stage::new();
    let mut album = stage.open();
    let dir = root();
    let files = below(dir.path(), six());
    at_root(&mut album, dir.path(), &files);
    group(&mut album);
    let photo = |album: &Album, at: usize| {
        album
            .photo(album.photo_at(&files[at].path).unwrap())
            .unwrap()
    };
    let ida = photo(&album, 0).faces[0].person.unwrap();
    album.name(ida, "Ida").unwrap();
    // One is pruned, one is gone, one is there.
    at_root(&mut album, dir.path(), &files[1..]);
    album.prune().unwrap();
    at_root(&mut album, dir.path(), &files[2..]);
    album.erase(ida).unwrap();
    at_root(&mut album, dir.path(), &files);
    group(&mut album);
    for at in 0..3 {
        let shown = photo(&album, at).faces;
        assert_eq!(shown.len(), usize::from(at == 1), "photo {at}: {shown:?}");
    }
    // Pruned, and back as a smaller copy.
    at_root(&mut album, dir.path(), &files[1..]);
    album.prune().unwrap();
    let mut copied = files.clone();
    copied[0] = saved_again(&files[0], 0, 5, Orientation::RotatedLeft);
    at_root(&mut album, dir.path(), &copied);
    group(&mut album);
    assert_eq!(photo(&album, 0).faces, [], "erased stays erased");
    assert!(album.health().unwrap().problems.is_empty());
}

#[test]
fn a_face_that_a_later_decision_would_draw_away_is_asked_about_and_noted() {
    let stage = Stage::new();
    let mut album = stage.open();
    // Ann's six faces are of two kinds; the correction takes one of the second kind.
    let mut files: Vec<ScannedFile> = (0..6).map(|n| photo(n, &[0], "e@1")).collect();
    for (number, file) in files.iter_mut().enumerate() {
        with(file, |record| {
            let mut v = vec![0.0; 16];
            let near = if number < 3 { 0.0 } else { 0.9 };
            (v[0], v[1], v[2 + number]) = (1.0, near, 0.2);
            let length = v.iter().map(|x| x * x).sum::<f32>().sqrt();
            v.iter_mut().for_each(|x| *x /= length);
            record.faces[0].vector = Some(v);
        });
    }
    album.record(&files).unwrap();
    group(&mut album);
    let ann = album.people().unwrap()[0].id;
    assert_eq!(album.person(ann).unwrap().n_faces, 6);
    album.name(ann, "Ann").unwrap();
    let faces: Vec<FaceId> = files
        .iter()
        .map(|f| album.photo(album.photo_at(&f.path).unwrap()).unwrap().faces[0].face)
        .collect();
    let zelda = album.assert_is_called(&[faces[5]], "Zelda").unwrap();
    group(&mut album);
    assert_eq!(
        album.person(ann).unwrap().n_faces,
        5,
        "one correction moves one face"
    );
    let asked = album.questions(Page::default()).unwrap().items;
    let of_zelda: Vec<Subject> = asked
        .iter()
        .filter(|q| q.candidate == Some(zelda))
        .map(|q| q.subject)
        .collect();
    assert_eq!(of_zelda, [Subject::Face(faces[3]), Subject::Face(faces[4])]);
    let history = album.history(Page::default()).unwrap();
    let line = &history.items[0];
    assert_eq!((&*line.actor, line.n_faces), ("grouping", 2), "{line:?}");
    // Once, however often is grouped; and it is nothing to undo.
    album
        .group_all(
            &ModelId("e@1".into()),
            &ClusterOptions {
                link_similarity: 0.5,
                ..ClusterOptions::default()
            },
        )
        .unwrap();
    assert_eq!(album.history(Page::default()).unwrap().total, history.total);
    let yes = asked
        .iter()
        .find(|q| q.subject == Subject::Face(faces[3]))
        .map(|_| ());
    assert!(yes.is_some());
    let now = album.questions(Page::default()).unwrap().items;
    let of = |face| {
        now.iter()
            .find(|q| q.subject == Subject::Face(face))
            .unwrap()
            .id
    };
    album.reply(of(faces[3]), Reply::Yes).unwrap();
    album.reply(of(faces[4]), Reply::No).unwrap();
    group(&mut album);
    assert_eq!(
        (
            album.person(ann).unwrap().n_faces,
            album.person(zelda).unwrap().n_faces
        ),
        (4, 2)
    );
    assert_eq!(album.questions(Page::default()).unwrap().total, 0);
    assert!(is_same_name(
        &album.undo(1).unwrap()[0],
        &format!("faces said not to be person {zelda}")
    ));
}

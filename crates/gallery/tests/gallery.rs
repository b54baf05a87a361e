//! The gallery in a sealed file on a real disk: what is kept, what is gone, and what the bytes of
//! the files give away.

use std::fs;
use std::path::Path;

use fusiform_gallery::{Consent, Error, Gallery, Kind, Secret, Service, Terms, Uuid, new_key};
use tempfile::TempDir;

const NAME: &str = "Aunt Ida Zwölfender";

struct Stage {
    dir: TempDir,
    key: String,
}

impl Stage {
    fn new() -> Stage {
        Stage {
            dir: tempfile::tempdir().unwrap(),
            key: new_key().unwrap().to_string(),
        }
    }

    fn secret(&self) -> Secret {
        Secret::Hex(self.key.clone().into())
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("vault.db")
    }

    fn open(&self) -> Gallery {
        Gallery::open(&self.path(), &self.secret(), "m").unwrap()
    }

    /// Whether any file of the folder holds these bytes.
    fn holds(&self, bytes: &[u8]) -> bool {
        let files = fs::read_dir(self.dir.path()).unwrap();
        files
            .map(|f| fs::read(f.unwrap().path()).unwrap())
            .any(|file| file.windows(bytes.len()).any(|w| w == bytes))
    }
}

fn service(gallery: &Gallery) -> Service {
    let terms = Terms {
        basis: "consent".into(),
        purpose: "the club's door".into(),
        keep_days: None,
    };
    gallery
        .add_service(Kind::Recognition, &Uuid::new_v4(), terms)
        .unwrap()
}

fn vector(seed: usize) -> Vec<f32> {
    let raw: Vec<f32> = (0..8).map(|i| ((seed * 7 + i * 3) as f32).sin()).collect();
    let norm = raw.iter().map(|v| v * v).sum::<f32>().sqrt();
    raw.iter().map(|v| v / norm).collect()
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    since.as_millis() as i64
}

fn bytes_of(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// The sealed bytes of an example as they stand in the file.
fn sealed(path: &Path, id: &Uuid) -> [Vec<u8>; 2] {
    let db = rusqlite::Connection::open(path).unwrap();
    let query = "SELECT vector, image FROM example WHERE id = ?1";
    db.query_row(query, [id.as_bytes()], |r| Ok([r.get(0)?, r.get(1)?]))
        .unwrap()
}

#[test]
fn without_the_key_no_template_name_or_image_can_be_read() {
    let stage = Stage::new();
    let gallery = stage.open();
    let service = service(&gallery);
    let image = b"\xff\xd8 these are the bytes of a photo";
    let id = gallery
        .enrol_on_terms(service, NAME, &vector(1), image)
        .unwrap();
    for secret in [
        NAME.as_bytes(),
        image,
        &bytes_of(&vector(1)),
        b"the club's door",
        stage.key.as_bytes(),
    ] {
        assert!(!stage.holds(secret), "{secret:?} is in the clear");
    }
    // The search itself works: what is not secret is found.
    assert!(stage.holds(id.as_bytes()));
    assert_eq!(gallery.image(service, &id).unwrap().unwrap(), image);
}

#[test]
fn a_wrong_key_is_told_and_changes_nothing() {
    let stage = Stage::new();
    let gallery = stage.open();
    let of = service(&gallery);
    gallery.enrol_on_terms(of, NAME, &vector(1), b"x").unwrap();
    drop(gallery);
    let before = fs::read(stage.path()).unwrap();
    let wrong = Secret::Hex(new_key().unwrap());
    let error = Gallery::open(&stage.path(), &wrong, "m").unwrap_err();
    assert!(matches!(error, Error::WrongKey(_)), "{error}");
    let other = Gallery::open(&stage.path(), &stage.secret(), "another model").unwrap_err();
    assert!(matches!(other, Error::Model { .. }), "{other}");
    assert!(before == fs::read(stage.path()).unwrap());
}

#[test]
fn another_key_opens_after_a_rekey_and_the_old_one_does_not() {
    let stage = Stage::new();
    let gallery = stage.open();
    let of = service(&gallery);
    gallery.enrol_on_terms(of, NAME, &vector(1), b"x").unwrap();
    let passphrase = || Secret::Passphrase("correct horse battery staple".to_owned().into());
    gallery.rekey(&passphrase()).unwrap();
    drop(gallery);
    assert!(Gallery::open(&stage.path(), &stage.secret(), "m").is_err());
    let gallery = Gallery::open(&stage.path(), &passphrase(), "m").unwrap();
    assert_eq!(gallery.subjects(of), [NAME]);
}

#[test]
fn erased_bytes_are_gone_from_every_file() {
    let stage = Stage::new();
    let gallery = stage.open();
    let of = service(&gallery);
    let kept = gallery
        .enrol_on_terms(of, "Bo", &vector(2), &vec![7; 20_000])
        .unwrap();
    let id = gallery
        .enrol_on_terms(of, NAME, &vector(1), &vec![9; 20_000])
        .unwrap();
    let [gone, gone_image] = sealed(&stage.path(), &id);
    let [stays, _] = sealed(&stage.path(), &kept);
    let piece = &gone_image[6000..6064];
    assert!(stage.holds(&gone) && stage.holds(piece) && stage.holds(id.as_bytes()));
    gallery.erase_subject(of, NAME).unwrap().unwrap();
    assert!(!stage.holds(&gone) && !stage.holds(piece) && !stage.holds(id.as_bytes()));
    assert!(stage.holds(&stays));
    assert!(
        gallery.nearest(of, &[&vector(1)], 9)[0]
            .iter()
            .all(|m| m.subject == "Bo")
    );
    let gallery = {
        drop(gallery);
        stage.open()
    };
    assert_eq!(gallery.subjects(of), ["Bo"]);
}

#[test]
fn who_has_ended_stops_matching_at_once_and_is_erased_by_the_job() {
    let stage = Stage::new();
    let gallery = stage.open();
    let of = service(&gallery);
    let id = gallery.enrol_on_terms(of, NAME, &vector(1), b"x").unwrap();
    gallery.enrol_on_terms(of, "Bo", &vector(2), b"y").unwrap();
    assert_eq!(gallery.nearest(of, &[&vector(1)], 1)[0][0].subject, NAME);
    let ended = Consent {
        basis: "consent".into(),
        purpose: "a visit".into(),
        expires_at_ms: Some(now_ms() - 1),
    };
    assert!(gallery.set_consent(of, NAME, ended.clone()).unwrap());
    assert!(
        gallery.nearest(of, &[&vector(1)], 9)[0]
            .iter()
            .all(|m| m.subject == "Bo")
    );
    assert!(gallery.example(of, &id).unwrap().is_none());
    assert_eq!(gallery.person(of, NAME).unwrap().0.consent, ended);
    let [gone, _] = sealed(&stage.path(), &id);
    assert_eq!(gallery.erase_ended().unwrap(), 1);
    assert_eq!(gallery.erase_ended().unwrap(), 0);
    assert!(!stage.holds(&gone));
    assert_eq!(gallery.subjects(of), ["Bo"]);
}

#[test]
fn the_audit_log_shows_each_kind_of_tampering() {
    let stage = Stage::new();
    let gallery = stage.open();
    let of = service(&gallery);
    for i in 0..5 {
        gallery.enrol_on_terms(of, "Bo", &vector(i), b"x").unwrap();
    }
    gallery.erase_subject(of, "Bo").unwrap();
    let mut seen = Vec::new();
    let verified = gallery
        .verify_audit(|e| seen.push(e.action.name()))
        .unwrap();
    assert_eq!(verified.n_entries, 8);
    assert_eq!(
        seen,
        [
            "key", "assume", "enrol", "enrol", "enrol", "enrol", "enrol", "erase"
        ]
    );
    drop(gallery);
    let whole = fs::read(stage.path()).unwrap();
    for (tampering, at) in [
        ("UPDATE audit SET at_ms = at_ms + 1 WHERE seq = 3", 3),
        ("DELETE FROM audit WHERE seq = 4", 4),
        ("DELETE FROM audit WHERE seq = 8", 8),
        ("DELETE FROM audit", 1),
        (
            "UPDATE audit SET entry = (SELECT entry FROM audit WHERE seq = 2) WHERE seq = 5",
            5,
        ),
    ] {
        fs::write(stage.path(), &whole).unwrap();
        let db = rusqlite::Connection::open(stage.path()).unwrap();
        db.execute_batch(tampering).unwrap();
        drop(db);
        let error = stage.open().verify_audit(|_| ());
        assert!(
            matches!(error, Err(Error::Chain { seq }) if seq == at),
            "{tampering}: {error:?}"
        );
    }
}

#[test]
fn the_log_proves_that_nobody_erased_is_in_the_file() {
    let stage = Stage::new();
    let gallery = stage.open();
    let of = service(&gallery);
    for (i, name) in ["Ann", "Bo", "Cy", "Di"].into_iter().enumerate() {
        gallery.enrol_on_terms(of, name, &vector(i), b"x").unwrap();
    }
    gallery.backup(&stage.dir.path().join("copy.db")).unwrap();
    let db = rusqlite::Connection::open(stage.path()).unwrap();
    db.execute_batch("CREATE TEMP TABLE kept AS SELECT * FROM subject WHERE id = 1")
        .unwrap();
    gallery.erase_subject(of, "Ann").unwrap();
    gallery.rename_subject(of, "Bo", "Cy").unwrap();
    let check = gallery.verify_erased().unwrap();
    assert_eq!((check.people, check.faces), (2, 3));
    assert_eq!((check.wal_bytes, check.copies_ms.len()), (0, 1));
    db.execute_batch("INSERT INTO main.subject SELECT * FROM kept")
        .unwrap();
    let error = gallery.verify_erased();
    assert!(
        matches!(error, Err(Error::Remains { number: 1 })),
        "{error:?}"
    );
}

#[test]
fn a_backup_made_in_use_opens_with_the_same_key() {
    let stage = Stage::new();
    let gallery = stage.open();
    let of = service(&gallery);
    let id = gallery
        .enrol_on_terms(of, NAME, &vector(1), b"photo")
        .unwrap();
    let copy = stage.dir.path().join("copy.db");
    gallery.backup(&copy).unwrap();
    assert!(matches!(gallery.backup(&copy), Err(Error::File(..))));
    gallery.erase_subject(of, NAME).unwrap();
    let back = Gallery::open(&copy, &stage.secret(), "m").unwrap();
    assert_eq!(back.image(of, &id).unwrap().unwrap(), b"photo");
    back.verify_audit(|_| ()).unwrap();
}

#[test]
fn readers_do_not_wait_for_a_writer_that_waits_for_the_disk() {
    let stage = Stage::new();
    let gallery = stage.open();
    let of = service(&gallery);
    let id = gallery.enrol_on_terms(of, NAME, &vector(1), b"x").unwrap();
    let other = rusqlite::Connection::open(stage.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| gallery.enrol_on_terms(of, "Bo", &vector(2), b"y"));
        let started = std::time::Instant::now();
        while started.elapsed().as_millis() < 300 {
            assert_eq!(gallery.nearest(of, &[&vector(2)], 9)[0].len(), 1);
            assert_eq!(gallery.subjects(of), [NAME]);
            assert!(
                gallery.person(of, NAME).is_some() && gallery.example(of, &id).unwrap().is_some()
            );
            assert_eq!(gallery.examples(of, None, 0, 9).0, 1);
            assert_eq!(gallery.services().len(), 1);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(!writer.is_finished(), "the writer has nothing to wait for");
        other.execute_batch("ROLLBACK").unwrap();
        writer.join().unwrap().unwrap();
    });
    assert_eq!(gallery.nearest(of, &[&vector(2)], 1)[0][0].subject, "Bo");
}

#[test]
fn a_vector_of_another_length_is_an_error_and_leaves_nothing() {
    let stage = Stage::new();
    let gallery = stage.open();
    let of = service(&gallery);
    assert!(gallery.enrol_on_terms(of, NAME, &[], b"x").is_err());
    gallery.enrol_on_terms(of, NAME, &vector(1), b"x").unwrap();
    let error = gallery
        .enrol_on_terms(of, "Bo", &[1.0; 7], b"y")
        .unwrap_err();
    assert!(
        error.to_string().contains("7 values among vectors of 8"),
        "{error}"
    );
    assert_eq!(gallery.subjects(of), [NAME]);
    let probes: [&[f32]; 2] = [&[1.0; 7], &vector(1)];
    let found = gallery.nearest(of, &probes, 3);
    assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [0, 1]);
    drop(gallery);
    assert_eq!(stage.open().subjects(of), [NAME]);
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let stage = Stage::new();
    let gallery = stage.open();
    gallery
        .enrol_on_terms(service(&gallery), NAME, &vector(1), b"x")
        .unwrap();
    gallery.backup(&stage.dir.path().join("copy.db")).unwrap();
    let mut n = 0;
    for file in fs::read_dir(stage.dir.path()).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", file.path());
        n += 1;
    }
    assert!(n >= 3, "log and copy are there too");
}

#[test]
fn names_fold_and_services_do_not_see_each_other() {
    let stage = Stage::new();
    let gallery = stage.open();
    let (a, b) = (service(&gallery), service(&gallery));
    let id = gallery.enrol_on_terms(a, "Ann", &vector(1), b"x").unwrap();
    assert!(!gallery.add_subject(a, "ANN", None).unwrap());
    gallery.enrol_on_terms(a, "Bo", &vector(2), b"y").unwrap();
    assert!(gallery.rename_subject(a, "bo", "ann").unwrap());
    assert_eq!(gallery.subjects(a), ["Ann"]);
    assert_eq!(gallery.examples(a, Some("Ann"), 0, 9).0, 2);
    assert_eq!(gallery.examples(a, Some("ann"), 0, 9).0, 0);
    assert_eq!(gallery.examples(a, None, 1, 1).1.len(), 1);
    assert!(gallery.example(b, &id).unwrap().is_none() && gallery.image(b, &id).unwrap().is_none());
    assert!(gallery.nearest(b, &[&vector(1)], 5)[0].is_empty());
    assert!(gallery.erase_example(b, &id).unwrap().is_none());
    assert_eq!(gallery.erase_all(b).unwrap(), (0, 0));
    assert_eq!(stage.open().subjects(a), ["Ann"]);
}

#[test]
fn nothing_of_an_erased_face_stays_in_the_files_however_pages_were_moved() {
    let stage = Stage::new();
    let gallery = stage.open();
    let of = service(&gallery);
    let mut state = 7u64;
    let mut draw = |n: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let mut kept = Vec::new();
    let mut gone: Vec<Vec<u8>> = Vec::new();
    for i in 0..500 {
        let image = vec![7; draw(3000) as usize];
        let name = format!("P{i}");
        let id = gallery
            .enrol_on_terms(of, &name, &vector(i), &image)
            .unwrap();
        kept.push((name, id));
        if draw(3) > 0 && kept.len() > 20 {
            let (name, id) = kept.swap_remove(draw(kept.len() as u64) as usize);
            // Nonces are unique, and each record begins with one.
            gone.extend(sealed(&stage.path(), &id).map(|s| s[..24].to_vec()));
            gallery.erase_subject(of, &name).unwrap();
        }
    }
    let files: Vec<Vec<u8>> = fs::read_dir(stage.dir.path())
        .unwrap()
        .map(|f| fs::read(f.unwrap().path()).unwrap())
        .collect();
    let nonces: std::collections::HashSet<&[u8]> = gone.iter().map(Vec::as_slice).collect();
    let left = files
        .iter()
        .flat_map(|f| f.windows(24))
        .filter(|w| nonces.contains(w));
    assert_eq!(left.count(), 0, "of {} records", nonces.len());
}

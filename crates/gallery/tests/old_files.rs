//! Files of earlier versions, files of newer versions, and files of other programs.
//! `data/version-1.db` was written by version 0.2.0 before rows were bound to their owners: two
//! collections, Ann (who was given Cy's face), two spellings of Zoë, Di; Bo was erased.

use std::path::Path;

use fusiform_gallery::{Consent, Error, Gallery, Kind, Secret, Service, Uuid, new_key};
use rusqlite::Connection;

const OLD: &[u8] = include_bytes!("data/version-1.db");
/// The key of that file, which holds nobody.
const OLD_KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn old_secret() -> Secret {
    Secret::Hex(OLD_KEY.to_owned().into())
}

fn pragma(file: &Path, name: &str) -> i64 {
    let db = Connection::open(file).unwrap();
    db.pragma_query_value(None, name, |r| r.get(0)).unwrap()
}

fn service(gallery: &Gallery, key: u128) -> Service {
    let key = Uuid::from_u128(key);
    gallery.service(Kind::Recognition, &key).unwrap()
}

fn names(gallery: &Gallery, of: Service) -> Vec<String> {
    gallery.subjects(of)
}

#[test]
fn a_file_of_the_first_version_opens_with_everybody_and_is_bound_from_then_on() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("people.db");
    for marked in [true, false] {
        std::fs::write(&file, OLD).unwrap();
        if !marked {
            // As files were before they had a version.
            let db = Connection::open(&file).unwrap();
            db.execute_batch("PRAGMA user_version = 0; PRAGMA application_id = 0;")
                .unwrap();
        }
        let bytes = std::fs::read(&file).unwrap();
        let wrong = Secret::Hex(new_key().unwrap());
        let refused = Gallery::open(&file, &wrong, "m");
        assert!(matches!(refused, Err(Error::WrongKey(_))), "{refused:?}");
        let same = std::fs::read(&file).unwrap() == bytes;
        assert!(same, "a wrong key changes nothing");

        let gallery = Gallery::open(&file, &old_secret(), "m").unwrap();
        let (club, other) = (service(&gallery, 1), service(&gallery, 2));
        let two = ["Ann", "Zo\u{eb}", "Zo\u{eb} (2)"];
        assert_eq!(names(&gallery, club), two);
        assert_eq!(names(&gallery, other), ["Di"]);
        let (ann, n) = gallery.person(club, "ann").unwrap();
        let consent = Consent {
            basis: "contract".into(),
            purpose: "pay".into(),
            expires_at_ms: Some(4_000_000_000_000),
        };
        assert_eq!((ann.consent, n), (consent, 2));
        let image = gallery.image(club, &Uuid::from_u128(13)).unwrap();
        assert_eq!(image.as_deref(), Some(&b"picture of Cy"[..]));
        assert_eq!(
            gallery.nearest(club, &[&[0.6, 0.8]], 1)[0][0].subject,
            "Ann"
        );
        let mut actions = Vec::new();
        gallery
            .verify_audit(|e| actions.push(e.action.name()))
            .unwrap();
        assert!(actions.contains(&"upgrade"), "{actions:?}");
        gallery.verify_erased().unwrap();
        drop(gallery);
        assert_eq!(pragma(&file, "user_version"), 2);
        assert_ne!(pragma(&file, "application_id"), 0);

        // What was not bound is bound now.
        let db = Connection::open(&file).unwrap();
        db.execute_batch("UPDATE subject SET expires_at_ms = NULL WHERE id = 1")
            .unwrap();
        drop(db);
        let found = Gallery::open(&file, &old_secret(), "m").unwrap_err();
        assert!(found.to_string().contains("person 1"), "{found}");
    }
}

#[test]
fn a_file_of_the_first_version_that_was_altered_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("people.db");
    for (tampering, said) in [
        (
            "DELETE FROM subject WHERE id = 4",
            "person 4, who is missing",
        ),
        (
            "DELETE FROM example WHERE subject = 1",
            "person 1 has 0 faces",
        ),
        (
            "UPDATE example SET subject = 4 WHERE id = x'0000000000000000000000000000000d'",
            "person 1 has 1 faces",
        ),
        (
            "DELETE FROM service WHERE id = 2",
            "collection 2 is missing",
        ),
        (
            "CREATE TRIGGER keep BEFORE DELETE ON example BEGIN SELECT RAISE(IGNORE); END",
            "the trigger `keep` does not belong there",
        ),
        ("CREATE VIEW v AS SELECT 1", "the view `v`"),
        ("DROP INDEX example_subject", "`example_subject` is missing"),
    ] {
        std::fs::write(&file, OLD).unwrap();
        let db = Connection::open(&file).unwrap();
        db.execute_batch(&format!("PRAGMA foreign_keys = OFF; {tampering}"))
            .unwrap();
        drop(db);
        let found = Gallery::open(&file, &old_secret(), "m").unwrap_err();
        assert!(found.to_string().contains(said), "{tampering}: {found}");
    }
    std::fs::write(&file, OLD).unwrap();
    let db = Connection::open(&file).unwrap();
    db.execute_batch("DELETE FROM audit WHERE seq = 5").unwrap();
    drop(db);
    let gallery = Gallery::open(&file, &old_secret(), "m").unwrap();
    assert_eq!(gallery.health().broken_at, Some(5));
}

#[test]
fn files_of_newer_versions_and_of_other_programs_are_refused_unchanged() {
    let dir = tempfile::tempdir().unwrap();
    let secret = Secret::Hex(new_key().unwrap());
    let refused = |name: &str, sql: &str| {
        let file = dir.path().join(name);
        if name == "newer.db" {
            drop(Gallery::open(&file, &secret, "m").unwrap());
        }
        Connection::open(&file).unwrap().execute_batch(sql).unwrap();
        let before = std::fs::read(&file).unwrap();
        let error = Gallery::open(&file, &secret, "m").unwrap_err();
        assert!(
            std::fs::read(&file).unwrap() == before,
            "{name} was changed"
        );
        error
    };
    let newer = refused("newer.db", "PRAGMA user_version = 99");
    assert!(matches!(newer, Error::Newer { found: 99, .. }), "{newer}");
    let other = refused("other.db", "CREATE TABLE photos (id INTEGER)");
    assert!(matches!(other, Error::NotAGallery(_)), "{other}");
    let marked = refused(
        "marked.db",
        "PRAGMA application_id = 12345; CREATE TABLE head (a)",
    );
    assert!(matches!(marked, Error::NotAGallery(_)), "{marked}");
    let text = dir.path().join("letter.txt");
    std::fs::write(&text, "Dear Ida,\n".repeat(900)).unwrap();
    let error = Gallery::open(&text, &secret, "m").unwrap_err();
    assert!(matches!(error, Error::NotAGallery(_)), "{error}");
}

#[test]
fn a_file_that_was_made_but_never_given_a_key_is_an_empty_gallery() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("people.db");
    std::fs::write(&file, OLD).unwrap();
    let db = Connection::open(&file).unwrap();
    db.execute_batch(
        "DELETE FROM head; DELETE FROM service; DELETE FROM subject; DELETE FROM example;
         DELETE FROM audit; PRAGMA user_version = 0; PRAGMA application_id = 0;",
    )
    .unwrap();
    drop(db);
    let secret = Secret::Hex(new_key().unwrap());
    let gallery = Gallery::open(&file, &secret, "m").unwrap();
    assert!(gallery.services().is_empty());
    assert_eq!(gallery.verify_audit(|_| ()).unwrap().n_entries, 0);
}

#[test]
fn a_bad_or_weak_key_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("people.db");
    let passphrase = |text: &str| Secret::Passphrase(text.to_owned().into());
    for secret in [
        Secret::Hex("abc".to_owned().into()),
        Secret::Hex("0".repeat(64).into()),
        passphrase(""),
        passphrase("x"),
        passphrase("seven77"),
    ] {
        let error = Gallery::open(&file, &secret, "m").unwrap_err();
        let refused = matches!(error, Error::BadKey(_) | Error::WeakSecret(_));
        assert!(refused, "{error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

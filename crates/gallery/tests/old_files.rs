//! Files from before schema versions, files of newer versions, and files of other programs.

use std::path::Path;

use fusiform_gallery::{Error, Gallery, Kind, Secret, Terms, Uuid, new_key};
use rusqlite::Connection;

/// The SQL with which files were made before they had a version.
const OLD_SQL: &str = "
CREATE TABLE IF NOT EXISTS head (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS service (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, key_hash BLOB NOT NULL UNIQUE,
    terms BLOB NOT NULL, keep_days INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS subject (
    id INTEGER PRIMARY KEY AUTOINCREMENT, service INTEGER NOT NULL REFERENCES service(id) \
ON DELETE CASCADE,
    name BLOB NOT NULL, consent BLOB NOT NULL, expires_at_ms INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS example (
    id BLOB PRIMARY KEY, subject INTEGER NOT NULL REFERENCES subject(id) ON DELETE CASCADE,
    model TEXT NOT NULL, vector BLOB NOT NULL, image BLOB) STRICT;
CREATE INDEX IF NOT EXISTS example_subject ON example(subject);
CREATE INDEX IF NOT EXISTS subject_service ON subject(service);
CREATE TABLE IF NOT EXISTS audit (
    seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, entry BLOB NOT NULL, hash BLOB NOT NULL) \
STRICT;";
const TABLES: [&str; 5] = ["head", "service", "subject", "example", "audit"];

fn pragma(file: &Path, name: &str) -> i64 {
    let db = Connection::open(file).unwrap();
    db.pragma_query_value(None, name, |r| r.get(0)).unwrap()
}

/// Every row of every table, as text.
fn rows(file: &Path) -> Vec<String> {
    let db = Connection::open(file).unwrap();
    let mut all = Vec::new();
    for table in TABLES {
        let mut query = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let n = query.column_count();
        let mut rows = query.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let values = (0..n).map(|i| format!("{:?}", row.get_ref(i).unwrap()));
            all.push(format!(
                "{table}: {}",
                values.collect::<Vec<_>>().join(", ")
            ));
        }
    }
    all
}

#[test]
fn a_file_without_a_version_opens_unchanged_and_gets_one() {
    let dir = tempfile::tempdir().unwrap();
    let (now, old) = (dir.path().join("now.db"), dir.path().join("old.db"));
    let secret = Secret::Hex(new_key().unwrap());
    let gallery = Gallery::open(&now, &secret, "m").unwrap();
    let terms = Terms {
        basis: "consent".into(),
        purpose: "the club's door".into(),
        keep_days: None,
    };
    let of = gallery
        .add_service(Kind::Recognition, &Uuid::from_u128(1), terms)
        .unwrap();
    gallery.enrol(of, "Ann", &[0.6, 0.8], b"x").unwrap();
    gallery.enrol(of, "Bo", &[1.0, 0.0], b"y").unwrap();
    gallery.erase_subject(of, "Bo").unwrap();
    drop(gallery);
    // Made by the old SQL, with the same sealed rows.
    let db = Connection::open(&old).unwrap();
    db.execute_batch(OLD_SQL).unwrap();
    db.execute("ATTACH ?1 AS now", [now.to_str().unwrap()])
        .unwrap();
    for table in TABLES {
        let copy = format!("INSERT INTO {table} SELECT * FROM now.{table} ORDER BY rowid");
        db.execute_batch(&copy).unwrap();
    }
    db.execute_batch("INSERT INTO sqlite_sequence SELECT * FROM now.sqlite_sequence")
        .unwrap_or_default();
    drop(db);
    assert_eq!(
        (pragma(&old, "user_version"), pragma(&old, "application_id")),
        (0, 0)
    );
    let before = rows(&old);
    assert!(before.len() > 6);
    let wrong = Secret::Hex(new_key().unwrap());
    let bytes = std::fs::read(&old).unwrap();
    assert!(matches!(
        Gallery::open(&old, &wrong, "m"),
        Err(Error::WrongKey(_))
    ));
    assert!(
        std::fs::read(&old).unwrap() == bytes,
        "a wrong key changes nothing"
    );

    let gallery = Gallery::open(&old, &secret, "m").unwrap();
    assert_eq!(gallery.subjects(of), ["Ann"]);
    assert_eq!(gallery.nearest(of, &[&[0.6, 0.8]], 1)[0][0].subject, "Ann");
    gallery.verify_erased().unwrap();
    drop(gallery);
    assert_eq!(rows(&old), before);
    assert_eq!(pragma(&old, "user_version"), 1);
    assert_ne!(pragma(&old, "application_id"), 0);
    for name in ["user_version", "application_id"] {
        assert_eq!(
            pragma(&old, name),
            pragma(&now, name),
            "{name} of old and new files"
        );
    }
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
}

#[test]
fn a_file_that_was_made_but_never_given_a_key_is_an_empty_gallery() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("people.db");
    let db = Connection::open(&file).unwrap();
    db.execute_batch(OLD_SQL).unwrap();
    drop(db);
    let secret = Secret::Hex(new_key().unwrap());
    let gallery = Gallery::open(&file, &secret, "m").unwrap();
    assert!(gallery.services().is_empty());
    assert_eq!(gallery.verify_audit(|_| ()).unwrap().n_entries, 0);
}

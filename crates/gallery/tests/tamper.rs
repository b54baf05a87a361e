//! The attacker who can write the file but has no key. In: a vault with two collections, and an
//! older copy of it. Each case changes the file by SQL; each must be found when the vault is opened
//! and, where it was open already, by the proof that `fusiform audit verify` gives, and the message
//! must name what it is about. The last test prints how many were tried.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use fusiform_gallery::{Consent, Error, Gallery, Kind, Secret, Service, Terms, Uuid, new_key};
use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

/// Tables with rows that an attacker may change, and their primary keys.
const TABLES: [(&str, &str); 5] = [
    ("service", "id"),
    ("subject", "id"),
    ("example", "id"),
    ("audit", "seq"),
    ("head", "name"),
];

struct Stage {
    dir: TempDir,
    key: String,
    /// The file before the last changes, and after them.
    old: Vec<u8>,
    new: Vec<u8>,
}

fn terms() -> Terms {
    Terms {
        basis: "consent".into(),
        purpose: "the club's door".into(),
        keep_days: Some(3000),
    }
}

fn consent(expires_at_ms: Option<i64>) -> Consent {
    Consent {
        basis: "contract".into(),
        purpose: "pay".into(),
        expires_at_ms,
    }
}

fn vector(seed: usize) -> Vec<f32> {
    let raw: Vec<f32> = (0..8).map(|i| ((seed * 7 + i * 3) as f32).sin()).collect();
    let norm = raw.iter().map(|v| v * v).sum::<f32>().sqrt();
    raw.iter().map(|v| v / norm).collect()
}

const END: i64 = 4_000_000_000_000;

impl Stage {
    fn new() -> Stage {
        let mut stage = Stage {
            dir: tempfile::tempdir().unwrap(),
            key: new_key().unwrap().to_string(),
            old: Vec::new(),
            new: Vec::new(),
        };
        let gallery = stage.open().unwrap();
        let add = |kind, key| {
            let key = Uuid::from_u128(key);
            gallery.add_service(kind, &key, terms()).unwrap()
        };
        let (club, shop) = (add(Kind::Recognition, 1), add(Kind::Recognition, 2));
        add(Kind::Admin, 3);
        let gone = add(Kind::Detection, 4);
        let enrol = |gallery: &Gallery, of: Service, name: &str, seeds: &[usize]| {
            gallery
                .add_subject(of, name, Some(consent(Some(END))))
                .unwrap();
            for seed in seeds {
                let image = vec![*seed as u8; 300 + seed];
                gallery.enrol(of, name, &vector(*seed), &image).unwrap();
            }
        };
        enrol(&gallery, club, "The director", &[1, 2]);
        enrol(&gallery, club, "A burglar", &[3, 4]);
        enrol(&gallery, shop, "Ida", &[5]);
        enrol(&gallery, shop, "Bo", &[6, 7]);
        enrol(&gallery, shop, "Erased later", &[8]);
        stage.old = stage.closed(gallery);

        let gallery = stage.open().unwrap();
        gallery.erase_subject(shop, "Erased later").unwrap();
        let (_, faces) = gallery.examples(shop, Some("Bo"), 0, 9);
        gallery.erase_example(shop, &faces[0].id).unwrap();
        gallery
            .set_consent(club, "The director", consent(Some(END - 1)))
            .unwrap();
        gallery.rename_subject(shop, "Ida", "Ida Maria").unwrap();
        gallery.remove_service(gone).unwrap();
        enrol(&gallery, shop, "New", &[9]);
        gallery.verify_erased().unwrap();
        stage.new = stage.closed(gallery);
        stage
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("vault.db")
    }

    fn secret(&self) -> Secret {
        Secret::Hex(self.key.clone().into())
    }

    fn open(&self) -> Result<Gallery, Error> {
        Gallery::open(&self.path(), &self.secret(), "m")
    }

    fn closed(&self, gallery: Gallery) -> Vec<u8> {
        drop(gallery);
        fs::read(self.path()).unwrap()
    }

    /// A connection of the attacker to the file as it was left.
    fn attack(&self) -> Connection {
        fs::write(self.path(), &self.new).unwrap();
        let db = Connection::open(self.path()).unwrap();
        db.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA secure_delete = ON;")
            .unwrap();
        let old = self.dir.path().join("old.db");
        fs::write(&old, &self.old).unwrap();
        db.execute("ATTACH ?1 AS old", [old.to_str().unwrap()])
            .unwrap();
        db
    }

    /// What is said when the changed file is opened, and when a gallery that was open before the
    /// change is proved.
    fn found(&self, what: &str, change: &dyn Fn(&Connection)) -> [String; 2] {
        fs::write(self.path(), &self.new).unwrap();
        let before = self.open().unwrap();
        change(&self.attack_open());
        let proved = before.verify_erased();
        drop(before);
        change(&self.attack());
        let opened = self.open().and_then(|gallery| {
            let broken = gallery.health().broken_at;
            broken.map_or(Ok(()), |seq| Err(Error::Chain { seq }))
        });
        let said = |result: Result<(), Error>, when: &str| match result {
            Ok(()) => panic!("{what}: not found {when}"),
            Err(e) => e.to_string(),
        };
        [
            said(opened, "at the start"),
            said(proved.map(drop), "by the proof"),
        ]
    }

    /// As [`Stage::attack`], on the file as it is.
    fn attack_open(&self) -> Connection {
        let db = Connection::open(self.path()).unwrap();
        db.execute_batch("PRAGMA foreign_keys = OFF;").unwrap();
        let old = self.dir.path().join("old.db");
        fs::write(&old, &self.old).unwrap();
        db.execute("ATTACH ?1 AS old", [old.to_str().unwrap()])
            .unwrap();
        db
    }
}

fn columns(db: &Connection, table: &str) -> Vec<String> {
    let mut query = db
        .prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))
        .unwrap();
    let names = query.query_map([], |r| r.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

fn keys(db: &Connection, table: &str, key: &str) -> Vec<Value> {
    let sql = format!("SELECT {key} FROM {table} ORDER BY {key}");
    let mut query = db.prepare(&sql).unwrap();
    let keys = query.query_map([], |r| r.get(0)).unwrap();
    keys.map(Result::unwrap).collect()
}

/// Values that an attacker may put in a place of this one.
fn others(value: &Value) -> Vec<Value> {
    let flipped = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        Value::Blob(bytes)
    };
    match value {
        Value::Null => vec![Value::Integer(1)],
        Value::Integer(n) => [n + 1, n - 1, 0, 1, 2, 1 << 40]
            .into_iter()
            .filter(|other| other != n)
            .map(Value::Integer)
            .chain([Value::Null])
            .collect(),
        Value::Text(text) => vec![Value::Text(format!("{text}x")), Value::Text("m2".into())],
        Value::Blob(bytes) if bytes.is_empty() => vec![Value::Blob(vec![1])],
        Value::Blob(bytes) => vec![
            flipped(bytes, 0),
            flipped(bytes, bytes.len() / 2),
            flipped(bytes, bytes.len() - 1),
            Value::Blob(bytes[..bytes.len() - 1].to_vec()),
            Value::Blob(Vec::new()),
        ],
        Value::Real(_) => Vec::new(),
    }
}

/// The person, face, collection or entry that a message names, or the part of the file.
fn names_something(said: &str) -> bool {
    let parts = [
        "person ",
        "face ",
        "collection ",
        "at entry ",
        "sealed head",
        "the vault's head",
        "among the ",
        "API keys",
        "the key does not open",
        "model",
        "schema",
        "audit base",
    ];
    parts.iter().any(|part| said.contains(part))
}

/// What is changed, in words and in deed.
type Case = (String, Box<dyn Fn(&Connection)>);

/// Runs each case; how many there were.
fn all_found(stage: &Stage, cases: Vec<Case>) -> usize {
    let n = cases.len();
    for (what, change) in cases {
        for said in stage.found(&what, &*change) {
            assert!(names_something(&said), "{what}: {said}");
        }
    }
    n
}

fn changed_columns(stage: &Stage) -> Vec<Case> {
    let db = stage.attack();
    let mut cases: Vec<Case> = Vec::new();
    for (table, key) in TABLES {
        for column in columns(&db, table) {
            // Bytes within an image are proved when it is read: a test of its own.
            if column == "image" {
                continue;
            }
            for id in keys(&db, table, key) {
                let sql = format!("SELECT {column} FROM {table} WHERE {key} = ?1");
                let value: Value = db.query_row(&sql, [&id], |r| r.get(0)).unwrap();
                let table = table.to_owned();
                for other in others(&value) {
                    let sql = format!("UPDATE {table} SET {column} = ?2 WHERE {key} = ?1");
                    // What the table's own rules refuse is no change.
                    if db
                        .execute_batch("SAVEPOINT tried")
                        .and_then(|()| db.execute(&sql, [&id, &other]))
                        .is_ok()
                    {
                        let what = format!("{table}.{column} of {id:?} := {other:?}");
                        let id = id.clone();
                        cases.push((
                            what,
                            Box::new(move |db| {
                                db.execute(&sql, [&id, &other]).unwrap();
                            }),
                        ));
                    }
                    db.execute_batch("ROLLBACK TO tried; RELEASE tried")
                        .unwrap();
                }
            }
        }
    }
    cases
}

/// Exchanges the contents of two rows, but for the key, and each of their columns alone.
fn swapped(stage: &Stage) -> Vec<Case> {
    let db = stage.attack();
    let mut cases: Vec<Case> = Vec::new();
    for (table, key) in TABLES {
        let ids = keys(&db, table, key);
        let names: Vec<String> = columns(&db, table)
            .into_iter()
            .filter(|c| c != key)
            .collect();
        let alone = names.iter().map(|name| vec![name.clone()]);
        // Entries of the log have no column that means something without its hash.
        let alone = alone.filter(|_| table != "audit");
        for set in alone.chain([names.clone()]) {
            for (i, a) in ids.iter().enumerate() {
                for b in &ids[i + 1..] {
                    let list = set.join(", ");
                    let sql = format!("SELECT {list} FROM {table} WHERE {key} = ?1");
                    let read = |id: &Value| -> Vec<Value> {
                        let read = |r: &rusqlite::Row<'_>| {
                            (0..set.len()).map(|i| r.get(i)).collect::<Result<_, _>>()
                        };
                        db.query_row(&sql, [id], read).unwrap()
                    };
                    let (of_a, of_b) = (read(a), read(b));
                    if of_a == of_b {
                        continue;
                    }
                    let what = format!("{list} of {table} {a:?} and {b:?} exchanged");
                    let (table, set) = (table.to_owned(), set.clone());
                    let (a, b) = (a.clone(), b.clone());
                    let change = move |db: &Connection| {
                        // Unique columns are in the way of themselves.
                        let away = (0..set.len()).map(|i| format!("{} = ?{}", set[i], i + 2));
                        let away = away.collect::<Vec<_>>().join(", ");
                        let sql = format!("UPDATE {table} SET {away} WHERE {key} = ?1");
                        let put = |id: &Value, values: &[Value]| {
                            let all: Vec<&Value> = [id].into_iter().chain(values).collect();
                            db.execute(&sql, rusqlite::params_from_iter(all)).unwrap();
                        };
                        let nothing: Vec<Value> = of_a
                            .iter()
                            .map(|value| match value {
                                Value::Blob(_) => Value::Blob(vec![9, 9]),
                                other => other.clone(),
                            })
                            .collect();
                        put(&a, &nothing);
                        put(&b, &of_a);
                        put(&a, &of_b);
                    };
                    cases.push((what, Box::new(change)));
                }
            }
        }
    }
    cases
}

/// Removes each row; puts each row of the older copy back, in the place of the present one or
/// beside all; and both with the example of a person.
fn removed_and_restored(stage: &Stage) -> Vec<Case> {
    let db = stage.attack();
    let mut cases: Vec<Case> = Vec::new();
    for (table, key) in TABLES {
        for id in keys(&db, table, key) {
            let sql = format!("DELETE FROM {table} WHERE {key} = ?1");
            let what = format!("{table} {id:?} removed");
            let change = move |db: &Connection| assert!(db.execute(&sql, [&id]).is_ok());
            cases.push((what, Box::new(change)));
        }
        let all = format!("DELETE FROM {table}");
        if table != "head" {
            let change = move |db: &Connection| assert!(db.execute(&all, []).is_ok());
            cases.push((format!("all of {table} removed"), Box::new(change)));
        }
        let cursor = format!("SELECT {key} FROM old.{table} AS o WHERE NOT EXISTS (");
        let same: Vec<String> = columns(&db, table)
            .iter()
            .map(|c| format!("n.{c} IS o.{c}"))
            .collect();
        let sql = format!(
            "{cursor}SELECT 1 FROM main.{table} AS n WHERE {})",
            same.join(" AND ")
        );
        let mut query = db.prepare(&sql).unwrap();
        let ids: Vec<Value> = query
            .query_map([], |r| r.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        for id in ids {
            let sql = format!(
                "INSERT OR REPLACE INTO main.{table} SELECT * FROM old.{table} WHERE {key} = ?1"
            );
            let what = format!("{table} {id:?} put back from the older copy");
            let change = move |db: &Connection| assert!(db.execute(&sql, [&id]).is_ok());
            cases.push((what, Box::new(change)));
        }
    }
    // A whole person, with all that belongs to them, from the older copy.
    for id in keys(&db, "old.subject", "id") {
        let n = format!("{id:?}");
        let same: i64 = db
            .query_row(
                "SELECT count(*) FROM old.subject o JOIN main.subject n ON n.id = o.id
                 WHERE o.id = ?1 AND o.consent = n.consent AND o.name = n.name
                 AND (SELECT count(*) FROM old.example WHERE subject = o.id)
                   = (SELECT count(*) FROM main.example WHERE subject = o.id)",
                [&id],
                |r| r.get(0),
            )
            .unwrap();
        if same == 1 {
            continue;
        }
        let change = move |db: &Connection| {
            for sql in [
                "INSERT OR REPLACE INTO main.subject SELECT * FROM old.subject WHERE id = ?1",
                "INSERT OR REPLACE INTO main.example SELECT * FROM old.example WHERE subject = ?1",
            ] {
                db.execute(sql, [&id]).unwrap();
            }
        };
        cases.push((
            format!("person {n} with all faces put back"),
            Box::new(change),
        ));
    }
    cases
}

/// Objects that an attacker may plant.
fn planted() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for sql in [
        "CREATE TRIGGER keep BEFORE DELETE ON example BEGIN SELECT RAISE(IGNORE); END",
        "CREATE TRIGGER copy AFTER INSERT ON example BEGIN
             INSERT INTO head VALUES (hex(new.id), new.vector); END",
        "CREATE TRIGGER late AFTER UPDATE ON head BEGIN
             UPDATE subject SET expires_at_ms = NULL; END",
        "CREATE VIEW everybody AS SELECT * FROM subject",
        "CREATE TABLE kept AS SELECT * FROM subject",
        "CREATE INDEX more ON example(model)",
        "ALTER TABLE subject ADD COLUMN extra BLOB",
        "DROP INDEX example_subject",
        "CREATE TABLE kept (a); ALTER TABLE kept RENAME TO audit2",
    ] {
        let change = move |db: &Connection| db.execute_batch(sql).unwrap();
        cases.push((sql.to_owned(), Box::new(change)));
    }
    cases
}

/// The attacks of the report, in its words.
fn reported() -> Vec<(&'static str, &'static str, &'static str)> {
    vec![
        (
            "a burglar's example given to the director",
            "UPDATE example SET subject = 1 WHERE subject = 2",
            "face ",
        ),
        (
            "an end of consent removed",
            "UPDATE subject SET expires_at_ms = NULL WHERE id = 1",
            "person 1",
        ),
        (
            "a person moved to another tenant",
            "UPDATE subject SET service = 2 WHERE id = 1",
            "person 1",
        ),
        (
            "a person deleted",
            "DELETE FROM subject WHERE id = 4; DELETE FROM example WHERE subject = 4",
            "person 4 is missing",
        ),
        (
            "an erased face of a living person put back",
            "INSERT OR IGNORE INTO example SELECT * FROM old.example WHERE subject = 4",
            "person 4 has 2 faces, and by the audit log 1",
        ),
        (
            "an erased person put back",
            "INSERT OR IGNORE INTO subject SELECT * FROM old.subject WHERE id = 5",
            "person 5",
        ),
        (
            "the consent of before put back",
            "INSERT OR REPLACE INTO subject SELECT * FROM old.subject WHERE id = 1",
            "person 1 is not the newest",
        ),
        (
            "the rights of two keys exchanged",
            "UPDATE service SET kind = 3 - kind WHERE id IN (1, 3)",
            "collection 1",
        ),
        (
            "a removed key put back",
            "INSERT INTO service SELECT * FROM old.service WHERE id = 4",
            "collection 4",
        ),
        (
            "the last entries cut",
            "DELETE FROM audit WHERE seq > (SELECT max(seq) - 2 FROM audit)",
            "at entry ",
        ),
    ]
}

#[test]
fn every_change_of_every_column_is_found() {
    let stage = Stage::new();
    let n = all_found(&stage, changed_columns(&stage));
    assert!(n > 300, "{n} tried");
    println!("columns changed: {n} tried, {n} found");
}

#[test]
fn every_exchange_of_two_rows_is_found() {
    let stage = Stage::new();
    let n = all_found(&stage, swapped(&stage));
    assert!(n > 300, "{n} tried");
    println!("rows exchanged: {n} tried, {n} found");
}

#[test]
fn every_row_removed_or_put_back_and_everything_planted_is_found() {
    let stage = Stage::new();
    let n = all_found(&stage, removed_and_restored(&stage));
    assert!(n > 50, "{n} tried");
    println!("rows removed or put back: {n} tried, {n} found");
    let n = all_found(&stage, planted());
    println!("objects planted: {n} tried, {n} found");
}

#[test]
fn the_attacks_of_the_report_are_found_by_name() {
    let stage = Stage::new();
    for (what, sql, name) in reported() {
        let change = |db: &Connection| db.execute_batch(sql).unwrap();
        for said in stage.found(what, &change) {
            assert!(said.contains(name), "{what}: {said}");
        }
    }
}

#[test]
fn an_image_that_was_exchanged_or_damaged_is_found_by_the_proof_and_never_handed_out() {
    let stage = Stage::new();
    let db = stage.attack();
    let ids: Vec<[u8; 16]> = {
        let mut query = db.prepare("SELECT id FROM example ORDER BY rowid").unwrap();
        let ids = query.query_map([], |r| r.get(0)).unwrap();
        ids.map(Result::unwrap).collect()
    };
    drop(db);
    // Another byte, whatever stands there.
    let damage = "UPDATE example SET image = CAST(substr(image, 1, 100) \
                  || iif(substr(image, 101, 1) = x'00', x'01', x'00') \
                  || substr(image, 102) AS BLOB) WHERE id = ?1";
    for id in ids {
        let db = stage.attack();
        db.execute(damage, [id]).unwrap();
        drop(db);
        let gallery = stage.open().unwrap();
        let uuid = Uuid::from_bytes(id);
        let services = gallery.services();
        let handed = services
            .iter()
            .filter_map(|(of, _)| gallery.image(*of, &uuid).transpose())
            .next();
        assert!(
            matches!(handed, Some(Err(Error::Tampered(_)))),
            "{handed:?}"
        );
        let said = gallery.verify_erased().unwrap_err().to_string();
        assert!(said.contains(&uuid.to_string()), "{said}");
    }
}

#[test]
fn a_trigger_planted_while_the_vault_is_open_stops_the_next_change() {
    let stage = Stage::new();
    fs::write(stage.path(), &stage.new).unwrap();
    let gallery = stage.open().unwrap();
    let (shop, _) = gallery.services()[1];
    let db = Connection::open(stage.path()).unwrap();
    db.execute_batch(
        "CREATE TRIGGER keep BEFORE DELETE ON example BEGIN SELECT RAISE(IGNORE); END",
    )
    .unwrap();
    let said = gallery.erase_subject(shop, "Bo").unwrap_err().to_string();
    assert!(said.contains("`keep`"), "{said}");
    db.execute_batch("DROP TRIGGER keep").unwrap();
    gallery.erase_subject(shop, "Bo").unwrap().unwrap();
    gallery.verify_erased().unwrap();
}

#[test]
fn a_cut_log_does_not_grow_until_somebody_decides_and_the_decision_is_in_it() {
    let stage = Stage::new();
    fs::write(stage.path(), &stage.new).unwrap();
    let gallery = stage.open().unwrap();
    let club = gallery.services()[0].0;
    let db = Connection::open(stage.path()).unwrap();
    let last: i64 = db
        .query_row("SELECT max(seq) FROM audit", [], |r| r.get(0))
        .unwrap();
    db.execute("DELETE FROM audit WHERE seq = ?1", [last])
        .unwrap();
    let broken = |e: &Error| matches!(e, Error::Chain { seq } if *seq == last);
    let changes = [
        gallery.add_subject(club, "Cy", None).map(drop),
        gallery.erase_subject(club, "The director").map(drop),
        gallery.record(fusiform_gallery::Action::Identify, Some(club), None, 1),
    ];
    for change in changes {
        assert!(change.as_ref().is_err_and(broken), "{change:?}");
    }
    assert_eq!(gallery.health().broken_at, Some(last));
    assert!(gallery.health().fault().is_some());
    drop(gallery);
    // The server starts, says so, and goes on refusing.
    let gallery = stage.open().unwrap();
    assert_eq!(gallery.health().broken_at, Some(last));
    assert!(gallery.verify_audit(|_| ()).as_ref().is_err_and(broken));
    let refused = gallery.add_subject(club, "Cy", None);
    assert!(refused.as_ref().is_err_and(broken), "{refused:?}");
    drop(gallery);

    let accepted = fusiform_gallery::SqliteStore::accept(&stage.path(), &stage.secret()).unwrap();
    assert_eq!(
        (accepted.broken_at, accepted.was_altered),
        (Some(last), true)
    );
    assert!(accepted.removed.is_empty(), "{accepted:?}");
    let gallery = stage.open().unwrap();
    assert_eq!(gallery.health().fault(), None);
    let mut actions = Vec::new();
    let verified = gallery
        .verify_audit(|e| actions.push((e.action.name(), e.count)))
        .unwrap();
    assert_eq!(actions, [("accept", last)]);
    assert_eq!(verified.first, last + 1);
    // Everything is listed still, and new entries follow.
    assert!(gallery.add_subject(club, "Cy", None).unwrap());
    gallery.verify_erased().unwrap();
    assert_eq!(
        gallery.audit_page(0, 1000, None).unwrap().len() as i64,
        last + 1
    );
    drop(gallery);
    let again = fusiform_gallery::SqliteStore::accept(&stage.path(), &stage.secret()).unwrap();
    assert!(!again.was_altered, "{again:?}");
}

#[test]
fn accepting_removes_what_is_not_proved_and_nothing_else() {
    let stage = Stage::new();
    let db = stage.attack();
    db.execute_batch(
        "UPDATE example SET subject = 1 WHERE subject = 2;
         UPDATE subject SET service = 1 WHERE id = 3;
         INSERT INTO subject SELECT * FROM old.subject WHERE id = 5;
         CREATE TRIGGER keep BEFORE DELETE ON example BEGIN SELECT RAISE(IGNORE); END;",
    )
    .unwrap();
    drop(db);
    assert!(stage.open().is_err());
    let accepted = fusiform_gallery::SqliteStore::accept(&stage.path(), &stage.secret()).unwrap();
    let n = |what: &str| {
        accepted
            .removed
            .iter()
            .filter(|r| r.starts_with(what))
            .count()
    };
    assert_eq!(n("the trigger"), 1, "{accepted:?}");
    assert_eq!(
        (n("person 3"), n("person 5"), n("face")),
        (1, 1, 2),
        "{accepted:?}"
    );
    let gallery = stage.open().unwrap();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for (of, _) in gallery.services() {
        for person in gallery.people(of) {
            let n = gallery.person(of, &person.name).unwrap().1;
            names.insert(person.name, n);
        }
    }
    let wanted = [("A burglar", 0), ("Bo", 1), ("New", 1), ("The director", 2)];
    assert!(
        names.iter().map(|(name, n)| (&**name, *n)).eq(wanted),
        "{names:?}"
    );
    gallery.verify_erased().unwrap();
}

#[test]
fn an_older_copy_of_the_whole_file_is_found_by_a_hash_that_was_noted() {
    let stage = Stage::new();
    fs::write(stage.path(), &stage.new).unwrap();
    let newest = stage.open().unwrap().verify_audit(|_| ()).unwrap().newest;
    fs::write(stage.path(), &stage.old).unwrap();
    let gallery = stage.open().unwrap();
    let older = gallery.verify_audit(|_| ()).unwrap();
    let club = gallery.services()[0].0;
    // Also when entries followed.
    for i in 0..20 {
        gallery.add_subject(club, &format!("P{i}"), None).unwrap();
    }
    let missed = gallery.verify_audit_since(&newest);
    assert!(matches!(missed, Err(Error::UnknownAnchor(_))), "{missed:?}");
    let (seq, verified) = gallery
        .verify_audit_since(&older.newest.to_uppercase())
        .unwrap();
    assert_eq!(seq, older.n_entries);
    assert_eq!(verified.n_entries, older.n_entries + 20);
}

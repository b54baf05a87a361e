//! API keys of a sealed file: several for one service, with ends, taken back, and proved.

use fusiform_gallery::{Gallery, KeyLabel, Kind, Secret, Terms, Uuid};
use rusqlite::Connection;
use tempfile::TempDir;

struct Vault {
    dir: TempDir,
}

impl Vault {
    fn open(&self) -> Gallery {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<Gallery, fusiform_gallery::Error> {
        let secret = Secret::Hex("5a".repeat(32).into());
        Gallery::open(&self.dir.path().join("vault.db"), &secret, "model")
    }

    fn sql(&self) -> Connection {
        Connection::open(self.dir.path().join("vault.db")).unwrap()
    }
}

fn vault() -> Vault {
    Vault {
        dir: tempfile::tempdir().unwrap(),
    }
}

fn terms() -> Terms {
    Terms {
        basis: "contract".into(),
        purpose: "door".into(),
        keep_days: None,
    }
}

fn key(n: u128) -> Uuid {
    Uuid::from_u128(0x1234_5678_9abc_def0_1234_5678_9abc_0000 + n)
}

#[test]
fn a_key_is_exchanged_with_an_overlap_and_taken_back_for_good() {
    let vault = vault();
    let gallery = vault.open();
    let label = KeyLabel {
        name: "front door".into(),
        expires_at_ms: None,
    };
    let door = gallery
        .add_service_labelled(Kind::Recognition, &key(1), terms(), &label)
        .unwrap();
    let opens = |gallery: &Gallery, n| gallery.service(Kind::Recognition, &key(n));
    assert_eq!(opens(&gallery, 1), Some(door));
    let first = gallery.keys()[0].0.number;
    let second = gallery
        .rotate_key(first, &key(2), 3_600_000)
        .unwrap()
        .unwrap();
    assert_eq!(second.name, "front door");
    assert_eq!(
        (opens(&gallery, 1), opens(&gallery, 2)),
        (Some(door), Some(door))
    );
    gallery.revoke_key(first).unwrap().unwrap();
    gallery.keep_key_use().unwrap();
    drop(gallery);

    let gallery = vault.open();
    assert_eq!((opens(&gallery, 1), opens(&gallery, 2)), (None, Some(door)));
    assert_eq!(
        gallery.service(Kind::Admin, &key(2)),
        None,
        "a key has one kind"
    );
    let (old, _) = &gallery.keys()[0];
    assert!(old.revoked && old.used_at_ms.is_some() && old.expires_at_ms.is_some());
    assert!(
        gallery
            .add_service(Kind::Detection, &key(1), terms())
            .is_err(),
        "never again"
    );
    assert_eq!(gallery.revoke_key(99).unwrap(), None);
    let ended = KeyLabel {
        name: String::new(),
        expires_at_ms: Some(1),
    };
    gallery.add_key(door, &key(3), &ended).unwrap();
    assert_eq!(opens(&gallery, 3), None, "it ended long ago");
    let mut said = Vec::new();
    gallery
        .verify_audit(|e| said.push(e.action.name()))
        .unwrap();
    assert_eq!(said, ["key", "add-key", "revoke-key", "add-key"]);
}

#[test]
fn an_older_ring_that_is_put_back_is_noticed() {
    let vault = vault();
    let gallery = vault.open();
    gallery
        .add_service(Kind::Recognition, &key(1), terms())
        .unwrap();
    let number = gallery.keys()[0].0.number;
    let ring = |db: &Connection| -> Vec<u8> {
        let sql = "SELECT value FROM head WHERE name = 'keys'";
        db.query_row(sql, [], |r| r.get(0)).unwrap()
    };
    let before = ring(&vault.sql());
    gallery.revoke_key(number).unwrap();
    drop(gallery);
    let put = "UPDATE head SET value = ?1 WHERE name = 'keys'";
    let now = ring(&vault.sql());
    vault.sql().execute(put, [&before]).unwrap();
    let refused = vault
        .try_open()
        .err()
        .map(|e| e.to_string())
        .unwrap_or_default();
    assert!(refused.contains("API keys"), "{refused}");
    vault
        .sql()
        .execute("DELETE FROM head WHERE name = 'keys'", [])
        .unwrap();
    assert!(vault.try_open().is_err(), "nor may it be missing");
    let back = "INSERT INTO head VALUES ('keys', ?1)";
    vault.sql().execute(back, [&now]).unwrap();
    assert_eq!(vault.open().service(Kind::Recognition, &key(1)), None);
}

#[test]
fn people_in_memory_have_keys_too() {
    let gallery = Gallery::in_memory("model").unwrap();
    let service = gallery
        .add_service(Kind::Detection, &key(1), terms())
        .unwrap();
    let second = gallery
        .add_key(service, &key(2), &KeyLabel::default())
        .unwrap();
    assert_eq!(gallery.service(Kind::Detection, &key(2)), Some(service));
    gallery.revoke_key(second.number).unwrap();
    assert_eq!(gallery.service(Kind::Detection, &key(2)), None);
    gallery.remove_service(service).unwrap();
    assert_eq!(gallery.service(Kind::Detection, &key(1)), None);
    assert!(gallery.keys().is_empty());
}

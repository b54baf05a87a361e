//! The store of one machine: a SQLite file, sealed. In: a path and a secret. Out: a [`Store`].
//!
//! Vectors, names, consents, terms, images and audit entries are sealed with a data key, which is
//! sealed with the secret. Numbers, ids, ends of consents and models are in the clear. Durable: WAL
//! with `synchronous = FULL`. Removed rows are overwritten (`secure_delete`), and the write-ahead
//! log is truncated by [`Store::scrub`].

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rayon::prelude::*;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::audit_log;
use super::schema::{APPLICATION_ID, MIGRATIONS, NEWEST};
use super::sqlite_transaction::SqliteTransaction;
use super::{Inventory, Row, Store, StoredExample, StoredService, Transaction};
use crate::audit::{Action, Chain, Entry, Verified};
use crate::consent::Consent;
use crate::error::Error;
use crate::person::Person;
use crate::private_file::open_or_create;
use crate::seal::{Sealer, Secret, random};
use crate::service::{Kind, Service, Terms};

/// Examples that are decrypted together when a file is opened.
const LOAD_BATCH: usize = 4096;

/// A sealed SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    db: Mutex<Connection>,
    sealer: Sealer,
    chain: Chain,
    data_key: Zeroizing<[u8; 32]>,
    /// Key of the hashes of API keys.
    pepper: [u8; 32],
}

impl SqliteStore {
    /// Opens the file, or makes it, readable by its owner alone.
    ///
    /// # Errors
    /// [`Error::WrongKey`], [`Error::NotAGallery`] and [`Error::Newer`] change nothing.
    pub fn open(path: &Path, secret: &Secret) -> Result<SqliteStore, Error> {
        // SQLite gives its log the rights of the file, so the file is made before.
        drop(open_or_create(path).map_err(|e| Error::File(path.into(), e))?);
        let mut db = Connection::open(path)?;
        db.busy_timeout(Duration::from_secs(10))?;
        // A wrong key must not even move what another process left in the write-ahead log.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let data_key = if is_gallery(&db, path)? {
            let key = unwrap_key(&db, path, secret)?;
            migrate(&mut db, path)?;
            key
        } else {
            let key = Zeroizing::new(random::<32>()?);
            migrate(&mut db, path)?;
            let made = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            wrap_key(&made, secret, &key)?;
            audit_log::begin(&made, &Sealer::new(&key))?;
            made.commit()?;
            key
        };
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
             PRAGMA foreign_keys = ON;",
        )?;
        Ok(SqliteStore {
            path: path.to_owned(),
            db: Mutex::new(db),
            sealer: Sealer::new(&data_key),
            chain: Chain {
                key: blake3::derive_key("fusiform vault 2026 audit chain", &data_key[..]),
            },
            pepper: blake3::derive_key("fusiform vault 2026 api keys", &data_key[..]),
            data_key,
        })
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_services(&self, db: &Connection) -> Result<Vec<StoredService>, Error> {
        let mut found = Vec::new();
        let sql = "SELECT id, kind, key_hash, terms, keep_days FROM service ORDER BY id";
        let mut rows = db.prepare(sql)?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let kind = Kind::of(row.get(1)?).ok_or(Error::Damaged)?;
            let terms = self.open_consent(&format!("terms {kind:?}"), row.get(3)?, None)?;
            let service = Service {
                id: row.get(0)?,
                kind,
            };
            found.push(StoredService {
                service,
                key_hash: row.get(2)?,
                terms: Terms {
                    basis: terms.basis,
                    purpose: terms.purpose,
                    keep_days: row.get(4)?,
                },
            });
        }
        Ok(found)
    }

    fn open_consent(
        &self,
        field: &str,
        sealed: Vec<u8>,
        expires_at_ms: Option<i64>,
    ) -> Result<Consent, Error> {
        let plain = self.sealer.open(field, &sealed)?;
        Consent::from_bytes(&plain, expires_at_ms).ok_or(Error::Damaged)
    }

    /// Opens sealed vectors on all threads and hands them on in their order.
    fn open_vectors(
        &self,
        batch: &mut Vec<(StoredExample, Vec<u8>)>,
        each: &mut dyn FnMut(Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let opened: Result<Vec<Zeroizing<Vec<u8>>>, Error> = batch
            .par_iter()
            .map(|(example, sealed)| self.sealer.open(&format!("vector {}", example.id), sealed))
            .collect();
        for ((mut example, _), plain) in batch.drain(..).zip(opened?) {
            let (numbers, _) = plain.as_chunks::<4>();
            example.vector = numbers.iter().map(|b| f32::from_le_bytes(*b)).collect();
            each(Row::Example(example))?;
        }
        Ok(())
    }
}

impl Store for SqliteStore {
    fn load(&self, each: &mut dyn FnMut(Row) -> Result<(), Error>) -> Result<(), Error> {
        let db = self.db();
        // One read transaction: another process may write meanwhile.
        let db = db.unchecked_transaction()?;
        for service in self.read_services(&db)? {
            each(Row::Service(service))?;
        }
        let sql = "SELECT id, service, name, consent, expires_at_ms FROM subject ORDER BY id";
        let mut rows = db.prepare(sql)?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let number: i64 = row.get(0)?;
            let sealed: Vec<u8> = row.get(2)?;
            let name = self.sealer.open(&format!("subject {number}"), &sealed)?;
            let name = std::str::from_utf8(&name).map_err(|_| Error::Damaged)?;
            let field = format!("consent {number}");
            let consent = self.open_consent(&field, row.get(3)?, row.get(4)?)?;
            let person = Person {
                number,
                name: name.to_owned(),
                consent,
            };
            each(Row::Person(row.get(1)?, person))?;
        }
        let sql = "SELECT id, subject, model, vector FROM example ORDER BY rowid";
        let mut rows = db.prepare(sql)?;
        let mut rows = rows.query([])?;
        let mut batch = Vec::new();
        while let Some(row) = rows.next()? {
            let example = StoredExample {
                id: Uuid::from_bytes(row.get(0)?),
                person: row.get(1)?,
                model: row.get(2)?,
                vector: Vec::new(),
            };
            batch.push((example, row.get(3)?));
            if batch.len() == LOAD_BATCH {
                self.open_vectors(&mut batch, each)?;
            }
        }
        self.open_vectors(&mut batch, each)
    }

    fn services(&self) -> Result<Vec<StoredService>, Error> {
        self.read_services(&self.db())
    }

    fn version(&self) -> Result<i64, Error> {
        // It counts what other connections committed.
        let version = self
            .db()
            .query_row("PRAGMA data_version", [], |r| r.get(0))?;
        Ok(version)
    }

    fn transact(
        &self,
        work: &mut dyn FnMut(&mut dyn Transaction) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut db = self.db();
        let db = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        work(&mut SqliteTransaction {
            db: &db,
            sealer: &self.sealer,
            chain: &self.chain,
        })?;
        Ok(db.commit()?)
    }

    fn image(&self, id: &Uuid) -> Result<Option<Vec<u8>>, Error> {
        let sql = "SELECT image FROM example WHERE id = ?1";
        let sealed: Option<Vec<u8>> = self
            .db()
            .query_row(sql, [id.as_bytes()], |r| r.get(0))
            .optional()?
            .flatten();
        let open = |sealed: Vec<u8>| self.sealer.open(&format!("image {id}"), &sealed);
        Ok(sealed.map(open).transpose()?.map(|plain| plain.to_vec()))
    }

    fn key_hash(&self, key: &Uuid) -> [u8; 32] {
        *blake3::keyed_hash(&self.pepper, key.as_bytes()).as_bytes()
    }

    fn verify_audit(&self, each: &mut dyn FnMut(Entry)) -> Result<Verified, Error> {
        audit_log::verify(&self.chain, &self.db(), &self.sealer, each)
    }

    fn inventory(&self) -> Result<Inventory, Error> {
        let db = self.db();
        let mut found = Inventory::default();
        let mut ids = db.prepare("SELECT id FROM subject UNION SELECT subject FROM example")?;
        for id in ids.query_map([], |r| r.get(0))? {
            found.people.insert(id?);
        }
        let count = |table: &str| -> Result<usize, Error> {
            let sql = format!("SELECT count(*) FROM {table}");
            let n: i64 = db.query_row(&sql, [], |r| r.get(0))?;
            Ok(usize::try_from(n).unwrap_or_default())
        };
        (found.n_people, found.n_examples) = (count("subject")?, count("example")?);
        let mut wal = self.path.clone().into_os_string();
        wal.push("-wal");
        found.unscrubbed_bytes = std::fs::metadata(wal).map_or(0, |m| m.len());
        Ok(found)
    }

    fn scrub(&self) -> Result<bool, Error> {
        let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
        let busy: i64 = self.db().query_row(sql, [], |r| r.get(0))?;
        Ok(busy == 0)
    }

    fn backup(&self, to: &Path) -> Result<(), Error> {
        let io = |e| Error::File(to.into(), e);
        if std::fs::metadata(to).is_ok_and(|m| m.len() > 0) {
            let why = std::io::Error::other("is there already; name another file");
            return Err(io(why));
        }
        drop(open_or_create(to).map_err(io)?);
        let name = to
            .to_str()
            .ok_or_else(|| io(std::io::Error::other("the name of a backup must be UTF-8")))?;
        self.transact(&mut |t| t.log(Action::Backup, 0, 0, 1))?;
        // A second connection, so that enrolments and audit entries do not wait for the copy.
        Connection::open(&self.path)?.execute("VACUUM INTO ?1", [name])?;
        std::fs::File::open(to)
            .and_then(|f| f.sync_all())
            .map_err(io)
    }

    fn rekey(&self, secret: &Secret) -> Result<(), Error> {
        let mut db = self.db();
        let change = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        wrap_key(&change, secret, &self.data_key)?;
        let entry = Entry::text(Action::Rekey, 0, 0, 1);
        audit_log::append(&self.chain, &change, &self.sealer, &entry)?;
        change.commit()?;
        drop(db);
        self.scrub().map(drop)
    }
}

/// Whether the file holds a gallery; `false` if it is empty, or was made and never given a key.
fn is_gallery(db: &Connection, path: &Path) -> Result<bool, Error> {
    let number = |sql: &str| db.query_row(sql, [], |r| r.get::<_, i64>(0));
    let application = number("PRAGMA application_id")?;
    if application != 0 && application != i64::from(APPLICATION_ID) {
        return Err(Error::NotAGallery(path.into()));
    }
    let found = number("PRAGMA user_version")?;
    if found > NEWEST {
        return Err(Error::Newer {
            file: path.into(),
            found,
            known: NEWEST,
        });
    }
    if number("SELECT count(*) FROM sqlite_schema")? == 0 {
        return Ok(false);
    }
    if number("SELECT count(*) FROM sqlite_schema WHERE name IN ('head', 'example')")? != 2 {
        return Err(Error::NotAGallery(path.into()));
    }
    let written = "SELECT EXISTS (SELECT 1 FROM head) OR EXISTS (SELECT 1 FROM service)
                   OR EXISTS (SELECT 1 FROM audit)";
    Ok(number(written)? != 0)
}

fn migrate(db: &mut Connection, path: &Path) -> Result<(), Error> {
    let migrated = MIGRATIONS.to_latest(db);
    migrated.map_err(|e| Error::Migration(path.into(), e.into()))?;
    let application: i32 = db.query_row("PRAGMA application_id", [], |r| r.get(0))?;
    if application != APPLICATION_ID {
        db.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    Ok(())
}

fn unwrap_key(db: &Connection, path: &Path, secret: &Secret) -> Result<Zeroizing<[u8; 32]>, Error> {
    let read = |name: &str| -> Result<Vec<u8>, Error> {
        let sql = "SELECT value FROM head WHERE name = ?1";
        let found = db.query_row(sql, [name], |r| r.get(0)).optional()?;
        found.ok_or(Error::Damaged)
    };
    let master = secret.key(&read("salt")?)?;
    let opened = Sealer::of(&master).open("data key", &read("data key")?);
    let opened = opened.map_err(|_| Error::WrongKey(path.into()))?;
    let key = opened.as_slice().try_into().map_err(|_| Error::Damaged)?;
    Ok(Zeroizing::new(key))
}

fn wrap_key(db: &Connection, secret: &Secret, key: &[u8; 32]) -> Result<(), Error> {
    let salt = random::<16>()?;
    let sealed = Sealer::of(&secret.key(&salt)?).seal("data key", key)?;
    for (name, value) in [("salt", &salt[..]), ("data key", &sealed)] {
        let sql = "INSERT OR REPLACE INTO head VALUES (?1, ?2)";
        db.execute(sql, rusqlite::params![name, value])?;
    }
    Ok(())
}

//! The encrypted file. In: a key. Out: services, an audit log, and the memory that people are matched in.
//! What a call has answered is on disk; a kill at any instant leaves the state before or after a call.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::audit::{self, Action, Chain, Entry, Verified};
use crate::consent::Consent;
use crate::error::Error;
use crate::index::{Index, Person};
use crate::seal::{Sealer, Secret, random};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS head (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS service (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, key_hash BLOB NOT NULL UNIQUE,
    terms BLOB NOT NULL, keep_days INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS subject (
    id INTEGER PRIMARY KEY AUTOINCREMENT, service INTEGER NOT NULL REFERENCES service(id) ON DELETE CASCADE,
    name BLOB NOT NULL, consent BLOB NOT NULL, expires_at_ms INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS example (
    id BLOB PRIMARY KEY, subject INTEGER NOT NULL REFERENCES subject(id) ON DELETE CASCADE,
    model TEXT NOT NULL, vector BLOB NOT NULL, image BLOB) STRICT;
CREATE INDEX IF NOT EXISTS example_subject ON example(subject);
CREATE INDEX IF NOT EXISTS subject_service ON subject(service);";

/// What a service's key is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Enrols and recognises.
    Recognition = 0,
    /// Finds faces.
    Detection = 1,
    /// Compares two images.
    Verification = 2,
    /// Makes and removes services and copies the vault; sees nobody's faces.
    Admin = 3,
}

impl Kind {
    fn of(number: i64) -> Option<Kind> {
        [
            Kind::Recognition,
            Kind::Detection,
            Kind::Verification,
            Kind::Admin,
        ]
        .into_iter()
        .find(|k| *k as i64 == number)
    }
}

/// A service that a key opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// Its number, as the audit log has it.
    pub id: i64,
    /// What it may do.
    pub kind: Kind,
}

/// On what terms a service keeps people of whom nothing else is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The legal ground.
    pub basis: String,
    /// What the enrolment is for.
    pub purpose: String,
    /// Days until a person ends; `None` is until erased.
    pub keep_days: Option<u32>,
}

impl Terms {
    pub(crate) fn consent(&self) -> Consent {
        let end = |days| audit::now_ms() + i64::from(days) * 86_400_000;
        Consent {
            basis: self.basis.clone(),
            purpose: self.purpose.clone(),
            expires_at_ms: self.keep_days.map(end),
        }
    }
}

/// An open vault.
pub struct Vault {
    db: Mutex<Connection>,
    pub(crate) sealer: Sealer,
    chain: Chain,
    data_key: [u8; 32],
    pepper: [u8; 32],
    pub(crate) model: String,
    services: RwLock<Vec<([u8; 32], Service, Terms)>>,
    indexes: RwLock<HashMap<i64, Index>>,
    /// Erased bytes may still stand in the write-ahead log.
    flush_due: AtomicBool,
    seen_version: AtomicI64,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// Opens the file, or makes it readable by its owner alone, and reads every template into memory.
    ///
    /// # Errors
    /// [`Error::WrongKey`] changes nothing. [`Error::Model`] if the file holds another model's templates.
    pub fn open(path: &Path, secret: &Secret, model: &str) -> Result<Vault, Error> {
        drop(own_file(path)?);
        let db = Connection::open(path)?;
        db.busy_timeout(Duration::from_secs(10))?;
        // A wrong key must not even move what another process left in the write-ahead log.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let head = "SELECT 1 FROM sqlite_schema WHERE name = 'head'";
        let made = db.query_row(head, [], |_| Ok(())).optional()?.is_some();
        let data_key = if made {
            unwrap_key(&db, path, secret)?
        } else {
            let key = random::<32>()?;
            let made = db.unchecked_transaction()?;
            made.execute_batch(SCHEMA)?;
            made.execute_batch(audit::SCHEMA)?;
            wrap_key(&made, secret, &key)?;
            audit::begin(&made, &Sealer::new(&key))?;
            made.commit()?;
            key
        };
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON;",
        )?;
        let key = blake3::derive_key("fusiform vault 2026 audit chain", &data_key);
        let vault = Vault {
            db: Mutex::new(db),
            sealer: Sealer::new(&data_key),
            chain: Chain { key },
            pepper: blake3::derive_key("fusiform vault 2026 api keys", &data_key),
            data_key,
            model: model.to_owned(),
            services: RwLock::default(),
            indexes: RwLock::default(),
            flush_due: AtomicBool::new(true),
            seen_version: AtomicI64::new(0),
        };
        vault.load()?;
        Ok(vault)
    }

    fn load(&self) -> Result<(), Error> {
        let db = self.db();
        self.load_services(&db)?;
        let mut indexes = write(&self.indexes);
        let mut of_subject = HashMap::new();
        let mut rows =
            db.prepare("SELECT id, service, name, consent, expires_at_ms FROM subject")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let (number, service): (i64, i64) = (row.get(0)?, row.get(1)?);
            let sealed: Vec<u8> = row.get(2)?;
            let name = self.sealer.open(&format!("subject {number}"), &sealed)?;
            let name = std::str::from_utf8(&name).map_err(|_| Error::Damaged)?;
            let consent =
                self.open_consent(&format!("consent {number}"), row.get(3)?, row.get(4)?)?;
            indexes.entry(service).or_default().add_person(Person {
                number,
                name: name.to_owned(),
                consent,
            });
            of_subject.insert(number, service);
        }
        let mut rows = db.prepare("SELECT id, subject, model, vector FROM example")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let (id, subject, model): (Uuid, i64, String) =
                (Uuid::from_bytes(row.get(0)?), row.get(1)?, row.get(2)?);
            if model != self.model {
                return Err(Error::Model {
                    found: model,
                    wanted: self.model.clone(),
                });
            }
            let sealed = row.get_ref(3)?.as_blob().map_err(|_| Error::Damaged)?;
            let plain = self.sealer.open(&format!("vector {id}"), sealed)?;
            let (numbers, _) = plain.as_chunks::<4>();
            let vector: Vec<f32> = numbers.iter().map(|b| f32::from_le_bytes(*b)).collect();
            let service = of_subject.get(&subject).ok_or(Error::Damaged)?;
            indexes
                .entry(*service)
                .or_default()
                .add(id, subject, &vector);
        }
        Ok(())
    }

    /// Reads services that another process made or removed since.
    fn load_services(&self, db: &Connection) -> Result<(), Error> {
        let mut found = Vec::new();
        let mut rows = db.prepare("SELECT id, kind, key_hash, terms, keep_days FROM service")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let kind = Kind::of(row.get(1)?).ok_or(Error::Damaged)?;
            let terms = self.open_consent(&format!("terms {kind:?}"), row.get(3)?, None)?;
            let terms = Terms {
                basis: terms.basis,
                purpose: terms.purpose,
                keep_days: row.get(4)?,
            };
            let service = Service {
                id: row.get(0)?,
                kind,
            };
            found.push((row.get(2)?, service, terms));
        }
        let mut indexes = write(&self.indexes);
        for (_, service, _) in &found {
            indexes.entry(service.id).or_default();
        }
        *write(&self.services) = found;
        Ok(())
    }

    /// Learns of services that `fusiform key` made while this vault is open; `false` if nothing was written since.
    ///
    /// # Errors
    /// [`Error::Database`]; [`Error::Damaged`].
    pub fn learn_services(&self) -> Result<bool, Error> {
        let db = self.db();
        // It counts what other connections wrote.
        let version: i64 = db.query_row("PRAGMA data_version", [], |r| r.get(0))?;
        if self.seen_version.swap(version, Ordering::SeqCst) == version {
            return Ok(false);
        }
        self.load_services(&db)?;
        Ok(true)
    }

    fn open_consent(
        &self,
        place: &str,
        sealed: Vec<u8>,
        end: Option<i64>,
    ) -> Result<Consent, Error> {
        let plain = self.sealer.open(place, &sealed)?;
        Consent::from_bytes(&plain, end).ok_or(Error::Damaged)
    }

    pub(crate) fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an entry to the audit log, in the transaction of what it records.
    pub(crate) fn log(
        &self,
        db: &Connection,
        action: Action,
        of: (i64, i64, i64),
    ) -> Result<(), Error> {
        self.chain.add(db, &self.sealer, action, of)
    }

    /// Records that something was done that changes nothing here; on disk when this returns.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn record(
        &self,
        action: Action,
        service: Option<Service>,
        number: Option<i64>,
        count: usize,
    ) -> Result<(), Error> {
        let mut db = self.db();
        let change = begin(&mut db)?;
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let of = (service.map_or(0, |s| s.id), number.unwrap_or(0), count);
        self.log(&change, action, of)?;
        Ok(change.commit()?)
    }

    /// Reads the whole audit log and proves that no entry was altered, left out or cut off.
    ///
    /// # Errors
    /// [`Error::Chain`] naming the first entry that does not fit.
    pub fn verify_audit(&self, each: impl FnMut(Entry)) -> Result<Verified, Error> {
        self.chain.verify(&self.db(), &self.sealer, each)
    }

    /// Writes a copy, sealed with the same key, while the vault is in use.
    ///
    /// # Errors
    /// [`Error::File`] if there is a file already.
    pub fn backup(&self, to: &Path) -> Result<(), Error> {
        let io = |e| Error::File(to.into(), e);
        if std::fs::metadata(to).is_ok_and(|m| m.len() > 0) {
            let why = std::io::Error::other("is there already; name another file");
            return Err(io(why));
        }
        drop(own_file(to)?);
        self.record(Action::Backup, None, None, 1)?;
        let name = to
            .to_str()
            .ok_or_else(|| io(std::io::Error::other("the name of a backup must be UTF-8")))?;
        // A connection of its own: who enrols or identifies meanwhile does not wait for it.
        let path = self.db().path().unwrap_or_default().to_owned();
        Connection::open(path)?.execute("VACUUM INTO ?1", [name])?;
        std::fs::File::open(to)
            .and_then(|f| f.sync_all())
            .map_err(io)
    }

    /// Seals the vault with another key or passphrase. Copies made before keep the old one.
    ///
    /// # Errors
    /// [`Error::BadKey`]; [`Error::Database`].
    pub fn rekey(&self, secret: &Secret) -> Result<(), Error> {
        let mut db = self.db();
        let change = begin(&mut db)?;
        wrap_key(&change, secret, &self.data_key)?;
        self.log(&change, Action::Rekey, (0, 0, 1))?;
        change.commit()?;
        self.flush(&db)
    }

    fn hash(&self, key: &Uuid) -> [u8; 32] {
        *blake3::keyed_hash(&self.pepper, key.as_bytes()).as_bytes()
    }

    /// Makes a service with this key; only the key's keyed hash is stored.
    ///
    /// # Errors
    /// [`Error::KeyTaken`].
    pub fn add_service(&self, kind: Kind, key: &Uuid, terms: Terms) -> Result<Service, Error> {
        let hash = self.hash(key);
        if read(&self.services).iter().any(|(h, ..)| *h == hash) {
            return Err(Error::KeyTaken);
        }
        let sealed = self
            .sealer
            .seal(&format!("terms {kind:?}"), &terms.consent().to_bytes())?;
        let mut db = self.db();
        let change = begin(&mut db)?;
        change.execute(
            "INSERT INTO service (kind, key_hash, terms, keep_days) VALUES (?1, ?2, ?3, ?4)",
            params![kind as i64, hash, sealed, terms.keep_days],
        )?;
        let id = change.last_insert_rowid();
        self.log(&change, Action::Key, (id, 0, 1))?;
        change.commit()?;
        let service = Service { id, kind };
        write(&self.services).push((hash, service, terms));
        write(&self.indexes).insert(id, Index::default());
        Ok(service)
    }

    /// The service of this key and kind. Every stored hash is compared, in constant time.
    pub fn service(&self, kind: Kind, key: &Uuid) -> Option<Service> {
        let hash = self.hash(key);
        let mut found = None;
        for (stored, service, _) in read(&self.services).iter() {
            if bool::from(stored.ct_eq(&hash)) && service.kind == kind {
                found = Some(*service);
            }
        }
        found
    }

    /// What a person of this service is kept on when nothing else is said.
    pub(crate) fn usual_consent(&self, service: Service) -> Result<Consent, Error> {
        let services = read(&self.services);
        let found = services.iter().find(|(_, s, _)| *s == service);
        found
            .map(|(.., terms)| terms.consent())
            .ok_or(Error::Damaged)
    }

    /// Every service and its terms.
    pub fn services(&self) -> Vec<(Service, Terms)> {
        let services = read(&self.services);
        services
            .iter()
            .map(|(_, s, terms)| (*s, terms.clone()))
            .collect()
    }

    /// Forgets a service whose people [`Vault::erase_all`] has erased; its key opens nothing from now on.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn remove_service(&self, service: Service) -> Result<(), Error> {
        let mut db = self.db();
        let change = begin(&mut db)?;
        change.execute("DELETE FROM service WHERE id = ?1", [service.id])?;
        self.log(&change, Action::Key, (service.id, 0, -1))?;
        change.commit()?;
        write(&self.services).retain(|(_, s, _)| *s != service);
        write(&self.indexes).remove(&service.id);
        self.flush(&db)
    }

    pub(crate) fn with<T: Default>(&self, service: Service, f: impl FnOnce(&Index) -> T) -> T {
        read(&self.indexes)
            .get(&service.id)
            .map(f)
            .unwrap_or_default()
    }

    pub(crate) fn change(&self, service: Service, f: impl FnOnce(&mut Index)) {
        f(write(&self.indexes).entry(service.id).or_default());
    }

    /// Erased bytes leave the write-ahead log too, not only the pages (which `secure_delete` overwrites). If another
    /// process reads just now, the next call does it.
    pub(crate) fn flush(&self, db: &Connection) -> Result<(), Error> {
        let busy: i64 = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |r| r.get(0))?;
        self.flush_due.store(busy != 0, Ordering::SeqCst);
        Ok(())
    }

    pub(crate) fn flush_if_due(&self) -> Result<(), Error> {
        if self.flush_due.load(Ordering::SeqCst) {
            self.flush(&self.db())?;
        }
        Ok(())
    }
}

pub(crate) fn begin(db: &mut Connection) -> Result<Transaction<'_>, Error> {
    Ok(db.transaction_with_behavior(TransactionBehavior::Immediate)?)
}

fn unwrap_key(db: &Connection, path: &Path, secret: &Secret) -> Result<[u8; 32], Error> {
    let read = |name: &str| -> rusqlite::Result<Vec<u8>> {
        let query = "SELECT value FROM head WHERE name = ?1";
        db.query_row(query, [name], |r| r.get(0))
    };
    let master = secret.key(&read("salt")?)?;
    let opened = Sealer::of(&master).open("data key", &read("data key")?);
    let opened = opened.map_err(|_| Error::WrongKey(path.into()))?;
    opened.as_slice().try_into().map_err(|_| Error::Damaged)
}

fn wrap_key(db: &Connection, secret: &Secret, key: &[u8; 32]) -> Result<(), Error> {
    let salt = random::<16>()?;
    let sealed = Sealer::of(&secret.key(&salt)?).seal("data key", key)?;
    for (name, value) in [("salt", &salt[..]), ("data key", &sealed)] {
        db.execute(
            "INSERT OR REPLACE INTO head VALUES (?1, ?2)",
            params![name, value],
        )?;
    }
    Ok(())
}

/// Opens the file, made if it is not there, so that SQLite gives its log the same rights.
pub(crate) fn own_file(path: &Path) -> Result<File, Error> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|e| Error::File(path.into(), e))
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

//! The encrypted file. In: services, subjects, examples. Out: what was committed, and matches.
//! What a call has answered is on disk; a kill at any instant leaves the state before or after a call.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::error::Error;
use crate::index::{Example, Index, Match};
use crate::seal::{Sealer, Secret, random};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS head (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS service (id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, key_hash BLOB NOT NULL UNIQUE) STRICT;
CREATE TABLE IF NOT EXISTS subject (
    id INTEGER PRIMARY KEY, service INTEGER NOT NULL REFERENCES service(id) ON DELETE CASCADE, name BLOB NOT NULL) STRICT;
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
}

/// A service that a key opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    id: i64,
    /// What it may do.
    pub kind: Kind,
}

/// An open vault.
pub struct Vault {
    db: Mutex<Connection>,
    sealer: Sealer,
    pepper: [u8; 32],
    model: String,
    services: RwLock<Vec<([u8; 32], Service)>>,
    indexes: RwLock<HashMap<i64, Index>>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    /// Opens the file, or makes it, and reads every template into memory.
    ///
    /// # Errors
    /// [`Error::WrongKey`] changes nothing. [`Error::Model`] if the file holds another model's templates.
    pub fn open(path: &Path, secret: &Secret, model: &str) -> Result<Vault, Error> {
        let db = Connection::open(path)?;
        db.busy_timeout(Duration::from_secs(10))?;
        let made = db
            .query_row(
                "SELECT 1 FROM sqlite_schema WHERE name = 'head'",
                [],
                |_| Ok(()),
            )
            .optional()?
            .is_some();
        let read = |name: &str| -> rusqlite::Result<Vec<u8>> {
            db.query_row("SELECT value FROM head WHERE name = ?1", [name], |r| {
                r.get(0)
            })
        };
        let data_key: [u8; 32] = if made {
            let master = secret.key(&read("salt")?)?;
            let opened = Sealer::of(&master).open("data key", &read("data key")?);
            let opened = opened.map_err(|_| Error::WrongKey(path.into()))?;
            opened.as_slice().try_into().map_err(|_| Error::Damaged)?
        } else {
            let (salt, key) = (random::<16>()?, random::<32>()?);
            let sealed = Sealer::of(&secret.key(&salt)?).seal("data key", &key)?;
            let made = db.unchecked_transaction()?;
            made.execute_batch(SCHEMA)?;
            for (name, value) in [("salt", &salt[..]), ("data key", &sealed)] {
                made.execute("INSERT INTO head VALUES (?1, ?2)", params![name, value])?;
            }
            made.commit()?;
            key
        };
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON;",
        )?;
        let pepper = Sha256::digest([b"api keys".as_slice(), &data_key].concat()).into();
        let vault = Vault {
            db: Mutex::new(db),
            sealer: Sealer::new(&data_key),
            pepper,
            model: model.to_owned(),
            services: RwLock::default(),
            indexes: RwLock::default(),
        };
        vault.load()?;
        Ok(vault)
    }

    fn load(&self) -> Result<(), Error> {
        let db = self.db();
        let mut services = write(&self.services);
        let mut indexes = write(&self.indexes);
        let mut rows = db.prepare("SELECT id, kind, key_hash FROM service")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let kind = match row.get(1)? {
                0 => Kind::Recognition,
                1 => Kind::Detection,
                2 => Kind::Verification,
                _ => return Err(Error::Damaged),
            };
            let id = row.get(0)?;
            services.push((row.get(2)?, Service { id, kind }));
            indexes.insert(id, Index::default());
        }
        let mut of_subject = HashMap::new();
        let mut rows = db.prepare("SELECT id, service, name FROM subject")?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let (id, service): (i64, i64) = (row.get(0)?, row.get(1)?);
            let name = self.sealer.open(
                &subject_place(id),
                row.get_ref(2)?.as_blob().map_err(|_| Error::Damaged)?,
            )?;
            let name = std::str::from_utf8(&name).map_err(|_| Error::Damaged)?;
            indexes.entry(service).or_default().add_subject(id, name);
            of_subject.insert(id, service);
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
            let vector: Vec<f32> = plain
                .as_chunks::<4>()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b))
                .collect();
            let service = of_subject.get(&subject).ok_or(Error::Damaged)?;
            indexes
                .entry(*service)
                .or_default()
                .add(id, subject, &vector);
        }
        Ok(())
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        self.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hash(&self, key: &Uuid) -> [u8; 32] {
        Sha256::digest([self.pepper.as_slice(), key.as_bytes()].concat()).into()
    }

    /// Makes a service with this key; only the key's hash is stored.
    ///
    /// # Errors
    /// [`Error::KeyTaken`].
    pub fn add_service(&self, kind: Kind, key: &Uuid) -> Result<Service, Error> {
        let hash = self.hash(key);
        if read(&self.services).iter().any(|(h, _)| *h == hash) {
            return Err(Error::KeyTaken);
        }
        let db = self.db();
        db.execute(
            "INSERT INTO service (kind, key_hash) VALUES (?1, ?2)",
            params![kind as i64, hash],
        )?;
        let service = Service {
            id: db.last_insert_rowid(),
            kind,
        };
        write(&self.services).push((hash, service));
        write(&self.indexes).insert(service.id, Index::default());
        Ok(service)
    }

    /// The service of this key and kind. Every stored hash is compared, in constant time.
    pub fn service(&self, kind: Kind, key: &Uuid) -> Option<Service> {
        let hash = self.hash(key);
        let mut found = None;
        for (stored, service) in read(&self.services).iter() {
            if bool::from(stored.ct_eq(&hash)) && service.kind == kind {
                found = Some(*service);
            }
        }
        found
    }

    /// Names of the subjects, as stored.
    pub fn subjects(&self, service: Service) -> Vec<String> {
        self.with(service, |index| index.subjects.values().cloned().collect())
    }

    fn with<T: Default>(&self, service: Service, f: impl FnOnce(&Index) -> T) -> T {
        read(&self.indexes)
            .get(&service.id)
            .map(f)
            .unwrap_or_default()
    }

    fn change(&self, service: Service, f: impl FnOnce(&mut Index)) {
        f(write(&self.indexes).entry(service.id).or_default());
    }

    fn insert_subject(&self, db: &Connection, service: Service, name: &str) -> Result<i64, Error> {
        db.execute(
            "INSERT INTO subject (service, name) VALUES (?1, x'')",
            [service.id],
        )?;
        let id = db.last_insert_rowid();
        self.set_name(db, id, name)?;
        Ok(id)
    }

    fn set_name(&self, db: &Connection, id: i64, name: &str) -> Result<(), Error> {
        let sealed = self.sealer.seal(&subject_place(id), name.as_bytes())?;
        db.execute(
            "UPDATE subject SET name = ?2 WHERE id = ?1",
            params![id, sealed],
        )?;
        Ok(())
    }

    /// Makes a subject; `false` if there is one of that name, whatever its letter case.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn add_subject(&self, service: Service, name: &str) -> Result<bool, Error> {
        let mut db = self.db();
        if self.with(service, |i| i.find(name)).is_some() {
            return Ok(false);
        }
        let change = db.transaction()?;
        let id = self.insert_subject(&change, service, name)?;
        change.commit()?;
        self.change(service, |i| i.add_subject(id, name));
        Ok(true)
    }

    /// Gives a subject another name, or folds it into the subject that has it. `false` if there is no such subject.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn rename_subject(&self, service: Service, old: &str, new: &str) -> Result<bool, Error> {
        let mut db = self.db();
        let (from, to) = self.with(service, |i| (i.find(old), i.find(new)));
        let Some(from) = from else {
            return Ok(false);
        };
        let change = db.transaction()?;
        match to.filter(|to| *to != from) {
            Some(to) => {
                change.execute(
                    "UPDATE example SET subject = ?2 WHERE subject = ?1",
                    [from, to],
                )?;
                change.execute("DELETE FROM subject WHERE id = ?1", [from])?;
                change.commit()?;
                self.change(service, |i| i.fold(from, to));
            }
            None => {
                self.set_name(&change, from, new)?;
                change.commit()?;
                self.change(service, |i| i.rename(from, new));
            }
        }
        Ok(true)
    }

    /// Erases a subject with its examples and images: its stored name and how many examples went.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn erase_subject(
        &self,
        service: Service,
        name: &str,
    ) -> Result<Option<(String, usize)>, Error> {
        let db = self.db();
        let found = self.with(service, |i| {
            let id = i.find(name)?;
            Some((id, i.subjects.get(&id)?.clone(), i.of_subject(id).len()))
        });
        let Some((id, stored, n)) = found else {
            return Ok(None);
        };
        db.execute("DELETE FROM subject WHERE id = ?1", [id])?;
        self.change(service, |i| i.drop_subject(id));
        flush(&db)?;
        Ok(Some((stored, n)))
    }

    /// Erases everything of a service: how many subjects and examples went.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn erase_all(&self, service: Service) -> Result<(usize, usize), Error> {
        let db = self.db();
        let n = self.with(service, |i| (i.subjects.len(), i.examples().len()));
        db.execute("DELETE FROM subject WHERE service = ?1", [service.id])?;
        self.change(service, |i| *i = Index::default());
        flush(&db)?;
        Ok(n)
    }

    /// Enrols a face; the subject is made when needed. On disk when this returns.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn enrol(
        &self,
        service: Service,
        subject: &str,
        vector: &[f32],
        image: &[u8],
    ) -> Result<Uuid, Error> {
        let id = Uuid::from_bytes(random::<16>()?);
        let id = uuid::Builder::from_random_bytes(*id.as_bytes()).into_uuid();
        let plain: Vec<u8> = vector.iter().flat_map(|v| v.to_le_bytes()).collect();
        let vector_sealed = self.sealer.seal(&format!("vector {id}"), &plain)?;
        let image_sealed = self.sealer.seal(&format!("image {id}"), image)?;
        let mut db = self.db();
        let known = self.with(service, |i| i.find(subject));
        let change = db.transaction()?;
        let number = match known {
            Some(number) => number,
            None => self.insert_subject(&change, service, subject)?,
        };
        change.execute(
            "INSERT INTO example VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                id.as_bytes(),
                number,
                self.model,
                vector_sealed,
                image_sealed
            ],
        )?;
        change.commit()?;
        self.change(service, |i| {
            if known.is_none() {
                i.add_subject(number, subject);
            }
            i.add(id, number, vector);
        });
        Ok(id)
    }

    /// Erases one example; the subject stays.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub fn erase_example(&self, service: Service, id: &Uuid) -> Result<Option<Example>, Error> {
        let db = self.db();
        let Some((example, _)) = self.example(service, id) else {
            return Ok(None);
        };
        db.execute("DELETE FROM example WHERE id = ?1", [id.as_bytes()])?;
        self.change(service, |i| i.drop_example(id));
        flush(&db)?;
        Ok(Some(example))
    }

    /// One example and its vector.
    pub fn example(&self, service: Service, id: &Uuid) -> Option<(Example, Vec<f32>)> {
        self.with(service, |i| i.example(id).map(|(e, v)| (e, v.to_vec())))
    }

    /// Every example, in an order that does not change between calls.
    pub fn examples(&self, service: Service) -> Vec<Example> {
        self.with(service, Index::examples)
    }

    /// The bytes that were enrolled.
    ///
    /// # Errors
    /// [`Error::Damaged`]; [`Error::Database`].
    pub fn image(&self, service: Service, id: &Uuid) -> Result<Option<Vec<u8>>, Error> {
        if self.example(service, id).is_none() {
            return Ok(None);
        }
        let query = "SELECT image FROM example WHERE id = ?1";
        let sealed: Option<Vec<u8>> = self
            .db()
            .query_row(query, [id.as_bytes()], |r| r.get(0))
            .optional()?
            .flatten();
        let open = |s: Vec<u8>| {
            self.sealer
                .open(&format!("image {id}"), &s)
                .map(|p| p.to_vec())
        };
        sealed.map(open).transpose()
    }

    /// The `top` nearest examples of a unit vector, nearest first.
    pub fn nearest(&self, service: Service, probe: &[f32], top: usize) -> Vec<Match> {
        self.with(service, |i| i.nearest(probe, top))
    }
}

/// Erased bytes leave the write-ahead log too, not only the pages (which `secure_delete` overwrites).
fn flush(db: &Connection) -> Result<(), Error> {
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}

fn subject_place(id: i64) -> String {
    format!("subject {id}")
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

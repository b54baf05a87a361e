//! The store of one machine: a SQLite file, sealed. In: a path and a secret. Out: a [`Store`].
//!
//! Vectors, names, consents, terms, images and audit entries are sealed with a data key, which is
//! sealed with the secret. Numbers, ids, ends of consents and models are in the clear, and
//! authenticated with what is sealed beside them (`rows.rs`); a sealed head proves that no row is
//! missing or from an older copy (`state.rs`). Durable: WAL with `synchronous = FULL`. Removed rows
//! are overwritten (`secure_delete`), and the write-ahead log is truncated by [`Store::scrub`].

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rayon::prelude::*;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::file::{Wrapping, connect, is_gallery, migrate, unwrap_key, wrapped_key};
use super::keys::{Keys, altered, unreadable};
use super::partial_file::PartialFile;
use super::records::ExampleRecord;
use super::reserve::Reserve;
use super::room::has_room;
use super::rows::{EXAMPLE, ExampleRow, SERVICE, SUBJECT, ServiceRow, SubjectRow};
use super::sqlite_transaction::SqliteTransaction;
use super::state::{RowSum, State, TABLES, Table};
use super::{Inventory, Ledger, Loaded, Noted, Row, Store, StoredExample, StoredService};
use super::{Transaction, audit_log, schema, upgrade};
use crate::audit::{Action, Entry, Verified};
use crate::error::Error;
use crate::key_ring::KeyRing;
use crate::person::Person;
use crate::private_file::open_or_create;
use crate::seal::{Sealer, Secret, random};

/// Examples that are decrypted together when a file is opened.
const LOAD_BATCH: usize = 4096;

/// A sealed SQLite file.
pub struct SqliteStore {
    pub(super) path: PathBuf,
    /// The one connection that writes.
    db: Mutex<Connection>,
    /// For reads that must not wait for a writer.
    reader: Mutex<Connection>,
    /// For checkpoints, which wait for nobody.
    scrubber: Mutex<Connection>,
    /// Where entries go while the disk is full.
    reserve: Mutex<Option<Reserve>>,
    pub(super) keys: Keys,
    data_key: Zeroizing<[u8; 32]>,
    /// Key of the hashes of API keys.
    pepper: [u8; 32],
    /// Version of the schema when it was checked last.
    schema: AtomicI64,
    /// The salt and the sealed data key, as they were when the file was opened or sealed anew.
    wrapped: Mutex<[Vec<u8>; 2]>,
}

impl SqliteStore {
    /// Opens the file, or makes it, readable by its owner alone.
    ///
    /// # Errors
    /// [`Error::WrongKey`], [`Error::NotAGallery`], [`Error::Newer`] and [`Error::Tampered`] change
    /// nothing; [`Error::BadKey`] and [`Error::WeakSecret`] make no file.
    pub fn open(path: &Path, secret: &Secret) -> Result<SqliteStore, Error> {
        let mut store = SqliteStore::open_copy(path, secret)?;
        store.reserve = Mutex::new(Reserve::open(path)?);
        store.replay()?;
        Ok(store)
    }

    /// As [`SqliteStore::open`], without the reserved file beside it.
    pub(super) fn open_copy(path: &Path, secret: &Secret) -> Result<SqliteStore, Error> {
        let is_empty = std::fs::metadata(path).map_or(true, |m| m.len() == 0);
        // Before the file is made, so that a bad key leaves none.
        let wrapping = is_empty.then(|| Wrapping::new(secret)).transpose()?;
        // SQLite gives its log the rights of the file, so the file is made before.
        drop(open_or_create(path).map_err(|e| Error::File(path.into(), e))?);
        let mut db = connect(path)?;
        // A wrong key must not even move what another process left in the write-ahead log.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let data_key = if is_gallery(&db, path)? {
            let key = unwrap_key(&db, path, secret)?;
            schema::check(&db)?;
            migrate(&mut db, path)?;
            let wrap = |db: &Connection| Wrapping::again(secret)?.write(db, &key);
            upgrade::run(&mut db, &Keys::of(&key), wrap)?;
            key
        } else {
            let key = Zeroizing::new(random::<32>()?);
            let wrapping = wrapping.map_or_else(|| Wrapping::new(secret), Ok)?;
            migrate(&mut db, path)?;
            let made = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            wrapping.write(&made, &key)?;
            State::default().write(&made, &Sealer::new(&key))?;
            made.commit()?;
            key
        };
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        db.execute_batch("PRAGMA journal_mode = WAL;")?;
        schema::check(&db)?;
        let scrubber = connect(path)?;
        scrubber.busy_timeout(Duration::ZERO)?;
        Ok(SqliteStore {
            schema: AtomicI64::new(schema_version(&db)?),
            wrapped: Mutex::new(wrapped_key(&db)?),
            reader: Mutex::new(connect(path)?),
            scrubber: Mutex::new(scrubber),
            reserve: Mutex::new(None),
            path: path.to_owned(),
            db: Mutex::new(db),
            keys: Keys::of(&data_key),
            pepper: blake3::derive_key("fusiform vault 2026 api keys", &data_key[..]),
            data_key,
        })
    }

    /// Closes the file, with nothing left in a write-ahead log.
    pub(super) fn close(self) -> Result<(), Error> {
        self.scrub()?;
        let SqliteStore {
            db,
            reader,
            scrubber,
            ..
        } = self;
        for db in [scrubber, reader, db] {
            let db = db.into_inner().unwrap_or_else(PoisonError::into_inner);
            db.close().map_err(|(_, e)| Error::from(e))?;
        }
        Ok(())
    }

    /// Logs what an earlier process could only keep aside, on a full disk.
    fn replay(&self) -> Result<(), Error> {
        let state = State::read(&self.reader(), &self.keys.sealer)?;
        let kept = match &mut *locked(&self.reserve) {
            Some(reserve) => reserve.read(&self.keys.sealer, &state)?,
            None => Vec::new(),
        };
        if kept.is_empty() {
            return Ok(());
        }
        match self.transact(&mut |t| kept.iter().try_for_each(|entry| t.note(entry))) {
            // Full still, or broken: what is kept stays where it is.
            Err(Error::DiskFull | Error::DiskFails(_) | Error::Chain { .. }) => Ok(()),
            done => done,
        }
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        locked(&self.db)
    }

    fn reader(&self) -> MutexGuard<'_, Connection> {
        locked(&self.reader)
    }

    /// Runs `work` in a transaction over a log whose end is as it was left.
    fn change<T>(
        &self,
        work: impl FnOnce(&mut SqliteTransaction<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut db = self.db();
        let db = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version = schema_version(&db)?;
        if version != self.schema.load(Ordering::SeqCst) {
            schema::check(&db)?;
            self.schema.store(version, Ordering::SeqCst);
        }
        let state = State::read(&db, &self.keys.sealer)?;
        audit_log::check_end(&db, &state)?;
        let mut transaction = SqliteTransaction {
            db: &db,
            keys: &self.keys,
            state,
        };
        let done = work(&mut transaction)?;
        if transaction.state != state {
            transaction.state.write(&db, &self.keys.sealer)?;
        }
        db.commit()?;
        Ok(done)
    }

    fn read_services(
        &self,
        db: &Connection,
        each: &mut dyn FnMut(&ServiceRow, StoredService) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut rows = db.prepare(&format!("SELECT {SERVICE} FROM service ORDER BY id"))?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let row = ServiceRow::read(row).map_err(|e| unreadable(Table::Service, e))?;
            each(&row, self.keys.open_service(&row)?)?;
        }
        Ok(())
    }

    /// Opens sealed examples on all threads and hands them on in their order.
    fn open_examples(
        &self,
        batch: &mut Vec<(ExampleRow, Option<i64>)>,
        each: &mut dyn FnMut(Row) -> Result<(), Error>,
        sum: &mut RowSum,
        stored: &mut Ledger,
    ) -> Result<(), Error> {
        let opened: Result<Vec<(ExampleRecord, [u8; 32])>, Error> = batch
            .par_iter()
            .map(|(row, n_bytes)| {
                let record = self.keys.open_example(row)?;
                if *n_bytes != Some(record.image.n_bytes) {
                    return Err(altered(format_args!("the image of face {}", row.uuid())));
                }
                Ok((record, self.keys.rows.example(row)))
            })
            .collect();
        for ((row, _), (mut record, hash)) in batch.drain(..).zip(opened?) {
            sum.add(&hash);
            if !stored.add_face(row.subject) {
                let (id, person) = (row.uuid(), row.subject);
                let what = format!("face {id} belongs to person {person}, who is missing");
                return Err(Error::Tampered(what));
            }
            each(Row::Example(StoredExample {
                id: row.uuid(),
                person: row.subject,
                model: row.model,
                vector: std::mem::take(&mut record.vector),
                consent: record.consent.take(),
                aside: record.aside,
            }))?;
        }
        Ok(())
    }
}

impl Store for SqliteStore {
    fn load(&self, each: &mut dyn FnMut(Row) -> Result<(), Error>) -> Result<Loaded, Error> {
        // A connection of its own: nobody waits for it. One read transaction: others may write.
        let db = connect(&self.path)?;
        let db = db.unchecked_transaction()?;
        schema::check(&db)?;
        if wrapped_key(&db)? != *locked(&self.wrapped) {
            return Err(altered("the key in the vault's head"));
        }
        let Keys { sealer, chain, .. } = &self.keys;
        let state = State::read(&db, sealer)?;
        self.keys.read_key_ring(&db, &state)?;
        let (mut sums, mut stored) = ([RowSum::default(); 3], Ledger::default());
        let sum_of = |table: Table| table as usize;
        self.read_services(&db, &mut |row, service| {
            sums[sum_of(Table::Service)].add(&self.keys.rows.service(row));
            stored.add_service(row.id);
            each(Row::Service(service))
        })?;
        let mut rows = db.prepare(&format!("SELECT {SUBJECT} FROM subject ORDER BY id"))?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let row = SubjectRow::read(row).map_err(|e| unreadable(Table::Subject, e))?;
            let (name, consent, revision) = self.keys.open_subject(&row)?;
            sums[sum_of(Table::Subject)].add(&self.keys.rows.subject(&row));
            stored.add_person(row.service, row.id, revision);
            let person = Person {
                number: row.id,
                name,
                consent,
            };
            each(Row::Person {
                service: row.service,
                person,
                revision,
            })?;
        }
        let sql = format!("SELECT {EXAMPLE}, length(image) FROM example ORDER BY rowid");
        let mut rows = db.prepare(&sql)?;
        let mut rows = rows.query([])?;
        let (sum, mut batch) = (&mut sums[sum_of(Table::Example)], Vec::new());
        while let Some(row) = rows.next()? {
            let unreadable = |e| unreadable(Table::Example, e);
            let example = ExampleRow::read(row).map_err(unreadable)?;
            batch.push((example, row.get(4).map_err(unreadable)?));
            if batch.len() == LOAD_BATCH {
                self.open_examples(&mut batch, each, sum, &mut stored)?;
            }
        }
        self.open_examples(&mut batch, each, sum, &mut stored)?;
        let log = match audit_log::verify(chain, &db, sealer, &state, &mut |_, _| ()) {
            Ok((_, ledger)) => Ok(ledger),
            Err(Error::Chain { seq }) => Err(seq),
            Err(other) => return Err(other),
        };
        let differing = TABLES
            .iter()
            .find(|t| sums[sum_of(**t)] != state.sums[sum_of(**t)]);
        if let Some(table) = differing {
            if let Ok(log) = &log {
                // It can tell whom the difference is about.
                stored.compare(log)?;
            }
            let rows = table.rows();
            let what = format!("among {rows} one is missing, planted or from an older copy");
            return Err(Error::Tampered(what));
        }
        let clock = state.clock;
        Ok(Loaded { log, clock })
    }

    fn services(&self) -> Result<Vec<StoredService>, Error> {
        let mut found = Vec::new();
        self.read_services(&self.reader(), &mut |_, service| {
            found.push(service);
            Ok(())
        })?;
        Ok(found)
    }

    fn key_ring(&self) -> Result<KeyRing, Error> {
        let db = self.reader();
        let db = db.unchecked_transaction()?;
        let state = State::read(&db, &self.keys.sealer)?;
        self.keys.read_key_ring(&db, &state)
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
        self.change(|transaction| work(transaction))
    }

    fn image(&self, id: &Uuid) -> Result<Option<Vec<u8>>, Error> {
        let sql = format!("SELECT {EXAMPLE}, image FROM example WHERE id = ?1");
        let read = |r: &rusqlite::Row<'_>| Ok((ExampleRow::read(r)?, r.get(4)?));
        let db = self.reader();
        let found = db.query_row(&sql, [id.as_bytes()], read).optional()?;
        drop(db);
        let Some((row, sealed)): Option<(ExampleRow, Option<Vec<u8>>)> = found else {
            return Ok(None);
        };
        let record = self.keys.open_example(&row)?;
        let sealed = sealed.unwrap_or_default();
        let mut image = self.keys.open_image(id, &record, &sealed)?;
        Ok(Some(std::mem::take(&mut *image)))
    }

    fn verify_images(&self) -> Result<(), Error> {
        let db = connect(&self.path)?;
        let mut rows = db.prepare(&format!("SELECT {EXAMPLE}, image FROM example"))?;
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            let sealed: Option<Vec<u8>> = row.get(4)?;
            let row = ExampleRow::read(row)?;
            let record = self.keys.open_example(&row)?;
            let sealed = sealed.unwrap_or_default();
            self.keys.open_image(&row.uuid(), &record, &sealed)?;
        }
        Ok(())
    }

    fn key_hash(&self, key: &Uuid) -> [u8; 32] {
        *blake3::keyed_hash(&self.pepper, key.as_bytes()).as_bytes()
    }

    fn verify_audit(&self, each: &mut dyn FnMut(Entry)) -> Result<Verified, Error> {
        // A connection of its own: nobody waits for it. One read transaction: others may append.
        let db = connect(&self.path)?;
        let db = db.unchecked_transaction()?;
        let Keys { sealer, chain, .. } = &self.keys;
        let state = State::read(&db, sealer)?;
        let each = &mut |entry: &Entry, _: &Ledger| each(*entry);
        Ok(audit_log::verify(chain, &db, sealer, &state, each)?.0)
    }

    fn audit_page(
        &self,
        after: i64,
        limit: usize,
        service: Option<i64>,
    ) -> Result<Vec<Entry>, Error> {
        let db = connect(&self.path)?;
        let Keys { sealer, chain, .. } = &self.keys;
        audit_log::page(chain, &db, sealer, after, limit, service)
    }

    fn prune_audit(&self, before_ms: i64) -> Result<i64, Error> {
        let Keys { sealer, chain, .. } = &self.keys;
        self.change(|t| {
            let n = audit_log::prune(chain, t.db, sealer, &t.state, before_ms)?;
            if n > 0 {
                t.log(Action::Prune, 0, 0, n)?;
            }
            Ok(n)
        })
    }

    fn reserve(&self, entries: &[Noted]) -> Result<i64, Error> {
        let state = State::read(&self.reader(), &self.keys.sealer)?;
        match &mut *locked(&self.reserve) {
            Some(reserve) => reserve.append(&self.keys.sealer, &state, entries)?,
            None => return Err(Error::DiskFull),
        }
        Ok(state.seq)
    }

    fn has_room(&self) -> bool {
        has_room(&self.path)
    }

    fn inventory(&self) -> Result<Inventory, Error> {
        let db = self.reader();
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
        let db = locked(&self.scrubber);
        // The first copies what it can while others write; what is left for the second is little.
        for mode in ["PASSIVE", "TRUNCATE"] {
            let sql = format!("PRAGMA wal_checkpoint({mode})");
            let busy: Result<i64, rusqlite::Error> = db.query_row(&sql, [], |r| r.get(0));
            match busy {
                Ok(0) => {}
                Ok(_) => return Ok(false),
                Err(e) => {
                    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
                    return match e.sqlite_error_code() {
                        Some(DatabaseBusy | DatabaseLocked) => Ok(false),
                        _ => Err(e.into()),
                    };
                }
            }
        }
        Ok(true)
    }

    fn backup(&self, to: &Path) -> Result<(), Error> {
        let (partial, _) = PartialFile::beside(to)?;
        let name = partial.utf8()?;
        self.transact(&mut |t| t.log(Action::Backup, 0, 0, 1))?;
        // A second connection, so that enrolments and audit entries do not wait for the copy.
        connect(&self.path)?.execute("VACUUM INTO ?1", [name])?;
        partial.put()
    }

    fn rekey(&self, secret: &Secret) -> Result<(), Error> {
        let wrapping = Wrapping::new(secret)?;
        self.change(|t| {
            wrapping.write(t.db, &self.data_key)?;
            t.log(Action::Rekey, 0, 0, 1)
        })?;
        *locked(&self.wrapped) = wrapped_key(&self.reader())?;
        self.scrub().map(drop)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn schema_version(db: &Connection) -> Result<i64, Error> {
    Ok(db.query_row("PRAGMA schema_version", [], |r| r.get(0))?)
}

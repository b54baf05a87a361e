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

use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::file::{connect, is_gallery, migrate};
use super::keys::{Keys, altered, pepper};
use super::partial_file::PartialFile;
use super::reserve::Reserve;
use super::room::has_room;
use super::sealed_transaction::SealedTransaction;
use super::state::State;
use super::tables::Tables;
use super::wrapping::{Wrapping, unwrap_key, wrapped_key};
use super::{Inventory, Ledger, Loaded, Noted, Row, Store, StoredService};
use super::{Transaction, audit_log, schema, upgrade};
use crate::audit::{Action, Entry, Verified};
use crate::error::Error;
use crate::key_ring::KeyRing;
use crate::private_file::open_or_create;
use crate::seal::{Sealer, Secret, random};

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
            wrapping.write(&*made, &key)?;
            State::default().write(&*made, &Sealer::new(&key))?;
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
            pepper: pepper(&data_key),
            data_key,
        })
    }

    /// Makes a file that holds what is in other tables.
    #[cfg(feature = "postgres")]
    pub(super) fn fill(path: &Path, from: &dyn super::transfer::Copied) -> Result<(), Error> {
        drop(open_or_create(path).map_err(|e| Error::File(path.into(), e))?);
        let mut db = connect(path)?;
        if is_gallery(&db, path)? {
            let why = std::io::Error::other("is a gallery already");
            return Err(Error::File(path.into(), why));
        }
        migrate(&mut db, path)?;
        let filled = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        super::transfer::copy(from, &*filled)?;
        filled.commit()?;
        db.close().map_err(|(_, e)| e.into())
    }

    /// The file as of one instant.
    #[cfg(feature = "postgres")]
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let db = connect(&self.path)?;
        let db = db.unchecked_transaction()?;
        work(&db)
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
        let state = State::read(&*self.reader(), &self.keys.sealer)?;
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
        work: impl FnOnce(&mut SealedTransaction<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut db = self.db();
        let db = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let version = schema_version(&db)?;
        if version != self.schema.load(Ordering::SeqCst) {
            schema::check(&db)?;
            self.schema.store(version, Ordering::SeqCst);
        }
        let mut transaction = SealedTransaction::begin(&*db, &self.keys)?;
        let before = transaction.state;
        let done = work(&mut transaction)?;
        if transaction.state != before {
            transaction.state.write(&*db, &self.keys.sealer)?;
        }
        db.commit()?;
        Ok(done)
    }
}

impl Store for SqliteStore {
    fn load(&self, each: &mut dyn FnMut(Row) -> Result<(), Error>) -> Result<Loaded, Error> {
        // A connection of its own: nobody waits for it. One read transaction: others may write.
        let db = connect(&self.path)?;
        let db = db.unchecked_transaction()?;
        schema::check(&db)?;
        if wrapped_key(&*db)? != *locked(&self.wrapped) {
            return Err(altered("the key in the vault's head"));
        }
        Ok(self.keys.load(&*db, each)?.0)
    }

    fn services(&self) -> Result<Vec<StoredService>, Error> {
        self.keys.services(&*self.reader())
    }

    fn key_ring(&self) -> Result<KeyRing, Error> {
        let db = self.reader();
        let db = db.unchecked_transaction()?;
        let state = State::read(&*db, &self.keys.sealer)?;
        self.keys.read_key_ring(&*db, &state)
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
        self.keys.image(&*self.reader(), id)
    }

    fn verify_images(&self) -> Result<(), Error> {
        self.keys.verify_images(&connect(&self.path)?)
    }

    fn key_hash(&self, key: &Uuid) -> [u8; 32] {
        *blake3::keyed_hash(&self.pepper, key.as_bytes()).as_bytes()
    }

    fn verify_audit(&self, each: &mut dyn FnMut(Entry)) -> Result<Verified, Error> {
        // A connection of its own: nobody waits for it. One read transaction: others may append.
        let db = connect(&self.path)?;
        let db = db.unchecked_transaction()?;
        let state = State::read(&*db, &self.keys.sealer)?;
        let each = &mut |entry: &Entry, _: &Ledger| each(*entry);
        Ok(audit_log::verify(&*db, &self.keys, &state, each)?.0)
    }

    fn audit_page(
        &self,
        after: i64,
        limit: usize,
        service: Option<i64>,
    ) -> Result<Vec<Entry>, Error> {
        let db = connect(&self.path)?;
        audit_log::page(&db, &self.keys, after, limit, service)
    }

    fn prune_audit(&self, before_ms: i64) -> Result<i64, Error> {
        self.change(|t| {
            let n = audit_log::prune(t.tables, t.keys, &t.state, before_ms)?;
            if n > 0 {
                t.log(Action::Prune, 0, 0, n)?;
            }
            Ok(n)
        })
    }

    fn reserve(&self, entries: &[Noted]) -> Result<i64, Error> {
        let state = State::read(&*self.reader(), &self.keys.sealer)?;
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
        let mut found = self.reader().inventory()?;
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
            wrapping.write(t.tables, &self.data_key)?;
            t.log(Action::Rekey, 0, 0, 1)
        })?;
        *locked(&self.wrapped) = wrapped_key(&*self.reader())?;
        self.scrub().map(drop)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn schema_version(db: &Connection) -> Result<i64, Error> {
    Ok(db.query_row("PRAGMA schema_version", [], |r| r.get(0))?)
}

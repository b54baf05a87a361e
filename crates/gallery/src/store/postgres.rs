//! The store of several machines: a PostgreSQL database, sealed. In: an address and a secret. Out:
//! a [`Store`] that any number of servers use at a time.
//!
//! What is sealed, summed and proved is the same as in the SQLite file (`sealed.rs`). One row, the
//! sealed state, is locked by whoever writes, so that transactions and the audit log have one order
//! for all servers. A transaction that changes rows raises the version in that state, says which
//! rows they were, sealed, and notifies the others (`LISTEN`); who missed a notice reads on from
//! the version it knows. Durable as far as the server is (`fsync`).
//!
//! Removed rows stay in the pages of the database until `VACUUM`, which [`Store::scrub`] runs, and
//! in its write-ahead log and backups for as long as its administrator keeps those; sealed.

mod changes;
mod connections;
mod database;
mod index;
mod listen;
mod rotation;
mod schema;
mod tables;

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use uuid::Uuid;

use self::connections::{Connections, Session, is_serialization_failure};
pub use self::database::PostgresStore;
use self::database::{Known, VACUUM_TIMEOUT, WRITE, locked};
use self::listen::Listener;
use super::keys::altered;
use super::partial_file::PartialFile;
use super::sealed_transaction::SealedTransaction;
use super::sqlite::SqliteStore;
use super::state::State;
use super::tables::Tables;
use super::transfer::copy;
use super::wrapping::{Wrapping, wrapped_key};
use super::{
    Change, IndexShape, IndexStated, Inventory, Ledger, Loaded, Near, Noted, Row, ServerSeen, Store,
};
use super::{StoredService, Transaction, WriteLock, audit_log};
use crate::audit::{Action, Entry, Verified};
use crate::error::Error;
use crate::key_ring::KeyRing;
use crate::proof::prove;
use crate::seal::Secret;

/// How often a transaction is run again that the database gave up.
const TRIES: usize = 5;
/// How long removed templates are gathered before the index is rid of them.
const VACUUM_PAUSE: Duration = Duration::from_secs(2);
/// How long it is asked whether a commit without an answer was done.
const COMMIT_PATIENCE: Duration = Duration::from_secs(15);

impl PostgresStore {
    /// Copies a gallery from a file into a database that has none, byte by byte, and proves the
    /// copy: the same secret opens it, it has the same people, and its log goes on from the same
    /// entry. The file stays as it is, but for an entry of [`Action::Backup`].
    ///
    /// # Errors
    /// [`Error::Occupied`] if the database has a gallery; those of [`SqliteStore::open`] and
    /// [`PostgresStore::open`]; [`Error::Tampered`], [`Error::Chain`] and [`Error::Remains`] for
    /// what is not as it was written. The database then has no gallery.
    pub fn copy_from_file(file: &Path, url: &str, secret: &Secret) -> Result<Inventory, Error> {
        let source = SqliteStore::open(file, secret)?;
        prove(&source)?;
        let connections = Connections::new(url)?;
        let mut session = connections.session()?;
        session.begin("BEGIN; SET LOCAL lock_timeout = '60s'")?;
        schema::migrate(&session)?;
        schema::check(&session)?;
        if session.read_head("salt")?.is_some() {
            return Err(Error::Occupied(connections.address.to_string()));
        }
        source.transact(&mut |t| t.log(Action::Backup, 0, 0, 1))?;
        let newest = source.read(|tables| {
            copy(tables, &session)?;
            State::read(tables, &source.keys.sealer)
        })?;
        // Before anybody can see it.
        let (loaded, state) = source.keys.load(&session, &mut |_| Ok(()))?;
        source.keys.verify_images(&session)?;
        if loaded.log.is_err() || state != newest {
            return Err(Error::Tampered("the copy is not what was copied".into()));
        }
        session.commit()?;
        drop(session);
        let copied = PostgresStore::open(url, secret)?;
        copied.transact(&mut |t| t.log(Action::Restore, 0, 0, 1))?;
        copied.inventory()
    }

    /// As [`PostgresStore::copy_from_file`], into a file that is not there yet.
    ///
    /// # Errors
    /// [`Error::File`] if there is something already; those of [`PostgresStore::open`].
    pub fn copy_to_file(url: &str, file: &Path, secret: &Secret) -> Result<Inventory, Error> {
        PostgresStore::open(url, secret)?.backup(file)?;
        let copied = SqliteStore::open(file, secret)?;
        prove(&copied)?;
        copied.transact(&mut |t| t.log(Action::Restore, 0, 0, 1))?;
        copied.scrub()?;
        copied.inventory()
    }

    /// Runs `work` in a transaction over a log whose end is as it was left.
    fn run<T>(
        &self,
        work: &mut dyn FnMut(&mut SealedTransaction<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut tries = 1;
        loop {
            match self.try_once(work) {
                Err(why) if tries < TRIES && is_serialization_failure(&why) => tries += 1,
                done => return done,
            }
        }
    }

    fn try_once<T>(
        &self,
        work: &mut dyn FnMut(&mut SealedTransaction<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let session = self.in_transaction(WRITE)?;
        let mut transaction = SealedTransaction::begin(&session, &self.keys)?;
        let before = transaction.state;
        let known = *self.known();
        let is_known = known.leads_to(&before, &session)? && known.version == before.version;
        let done = work(&mut transaction)?;
        let SealedTransaction {
            mut state,
            touched,
            n_removed_bytes,
            ..
        } = transaction;
        if !touched.is_empty() {
            if self.is_locked.load(Ordering::SeqCst) && !is_known {
                let what = "another server changed the gallery while this one lost its lock";
                return Err(Error::Database(what.into()));
            }
            state.version += 1;
            self.follow_index(&session, &touched)?;
            self.write_change(&session, state.version, touched)?;
        }
        if state != before {
            state.write(&session, &self.keys.sealer)?;
        }
        let removed_by = match n_removed_bytes {
            0 => None,
            _ => Some(session.one("SELECT pg_current_xact_id()::xid::text")?),
        };
        self.commit(session, &before, &state)?;
        if n_removed_bytes > 0 {
            self.n_removed_bytes
                .fetch_add(n_removed_bytes, Ordering::SeqCst);
            *locked(&self.removed_by) = removed_by;
        }
        if is_known {
            self.known().take(&state);
        }
        Ok(done)
    }

    /// Commits; if the connection breaks meanwhile, finds out whether it was done.
    fn commit(&self, mut session: Session<'_>, before: &State, after: &State) -> Result<(), Error> {
        let Err(why) = session.commit() else {
            return Ok(());
        };
        if !matches!(why, Error::Unreachable { .. }) {
            return Err(why);
        }
        drop(session);
        let since = Instant::now();
        loop {
            match self.was_committed(before, after) {
                Ok(true) => return Ok(()),
                Ok(false) => return Err(why),
                Err(_) if since.elapsed() < COMMIT_PATIENCE => {
                    std::thread::sleep(Duration::from_millis(200));
                }
                Err(_) => return Err(why),
            }
        }
    }

    /// Whether the log, or else the state, went on as a transaction wanted it to.
    fn was_committed(&self, before: &State, after: &State) -> Result<bool, Error> {
        // Behind whatever is still going on over the connection that broke.
        let session = self.in_transaction(WRITE)?;
        if after.seq > before.seq {
            let hash = session.entry_hash(after.seq)?;
            return Ok(hash.is_some_and(|hash| hash == after.hash));
        }
        Ok(State::read(&session, &self.keys.sealer)? == *after)
    }
}

impl Store for PostgresStore {
    fn load(&self, each: &mut dyn FnMut(Row) -> Result<(), Error>) -> Result<Loaded, Error> {
        let session = self.snapshot()?;
        schema::check(&session)?;
        if wrapped_key(&session)? != *locked(&self.wrapped) {
            return Err(altered("the key in the vault's head"));
        }
        let (loaded, state) = self.keys.load(&session, each)?;
        self.known().take(&state);
        Ok(loaded)
    }

    fn services(&self) -> Result<Vec<StoredService>, Error> {
        self.keys.services(&self.snapshot()?)
    }

    fn key_ring(&self) -> Result<KeyRing, Error> {
        let session = self.snapshot()?;
        let state = State::read(&session, &self.keys.sealer)?;
        self.keys.read_key_ring(&session, &state)
    }

    fn version(&self) -> Result<i64, Error> {
        Ok(self.state()?.version)
    }

    fn transact(
        &self,
        work: &mut dyn FnMut(&mut dyn Transaction) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.run(&mut |transaction| work(transaction))
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn lock(&self) -> Result<Option<Box<dyn WriteLock + '_>>, Error> {
        // It ends with its transaction, and that with the connection, however the process ends.
        let begin = "BEGIN; SET LOCAL lock_timeout = '10s';
                     SELECT pg_advisory_xact_lock(1182102358, 1)";
        let session = self.in_transaction(begin)?;
        self.is_locked.store(true, Ordering::SeqCst);
        Ok(Some(Box::new(Locked {
            store: self,
            _session: session,
        })))
    }

    fn has_changes(&self) -> Result<bool, Error> {
        let known = *self.known();
        Ok(!known.is(&self.state()?))
    }

    fn changes(&self, each: &mut dyn FnMut(Change) -> Result<(), Error>) -> Result<bool, Error> {
        self.hand_on_changes(each)
    }

    fn forget_taken_in(&self) {
        *self.known() = Known::default();
    }

    fn wait_for_change(&self, timeout: Duration) {
        let mut listener = locked(&self.listener);
        let listener = listener.get_or_insert_with(|| Listener::start(&self.connections));
        listener.wait(timeout);
    }

    fn report(&self) -> Result<(), Error> {
        let (version, name) = (self.known().version, own_name());
        let session = self.connections.session()?;
        let sql = "INSERT INTO fusiform.server (id, name, version) VALUES ($1, $2, $3)
                   ON CONFLICT (id) DO UPDATE SET version = $3, seen_at = now()";
        session.change(sql, &[&self.id, &name, &version])?;
        let sql = "DELETE FROM fusiform.server WHERE seen_at < now() - interval '1 day'";
        session.change(sql, &[]).map(drop)
    }

    fn servers(&self) -> Result<Vec<ServerSeen>, Error> {
        let newest = self.state()?.version;
        let sql = "SELECT name, version, (extract(epoch FROM now() - seen_at) * 1000)::bigint
                   FROM fusiform.server ORDER BY name, id";
        let session = self.connections.session()?;
        let rows: Vec<(String, i64, i64)> = session.rows(sql, &[], |row| {
            Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
        })?;
        let seen = rows
            .into_iter()
            .map(|(name, version, seen_ms_ago)| ServerSeen {
                name,
                n_behind: newest - version,
                seen_ms_ago,
            });
        Ok(seen.collect())
    }

    fn index(&self) -> Result<Option<IndexStated>, Error> {
        let session = self.snapshot()?;
        Ok(self.index(&session)?.map(|index| index.stated))
    }

    fn build_index(
        &self,
        shape: IndexShape,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<(), Error> {
        self.build(shape, progress)
    }

    fn calibrate_index(
        &self,
        recall: f64,
        n_probes: usize,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<IndexStated>, Error> {
        self.calibrate(recall, n_probes, progress)
    }

    fn nearest(
        &self,
        service: i64,
        probes: &[&[f32]],
        top: usize,
    ) -> Result<(Vec<Vec<Near>>, IndexStated), Error> {
        self.search(service, probes, top)
    }

    fn template(&self, id: &Uuid) -> Result<Option<Vec<f32>>, Error> {
        let row = self.snapshot()?.example(id.as_bytes())?;
        row.map(|row| Ok(self.keys.example(row)?.vector))
            .transpose()
    }

    fn image(&self, id: &Uuid) -> Result<Option<Vec<u8>>, Error> {
        self.keys.image(&self.snapshot()?, id)
    }

    fn verify_images(&self) -> Result<(), Error> {
        self.keys.verify_images(&self.snapshot()?)
    }

    fn key_hash(&self, key: &Uuid) -> [u8; 32] {
        *blake3::keyed_hash(&self.pepper, key.as_bytes()).as_bytes()
    }

    fn verify_audit(&self, each: &mut dyn FnMut(Entry)) -> Result<Verified, Error> {
        let session = self.snapshot()?;
        let state = State::read(&session, &self.keys.sealer)?;
        let each = &mut |entry: &Entry, _: &Ledger| each(*entry);
        Ok(audit_log::verify(&session, &self.keys, &state, each)?.0)
    }

    fn audit_page(
        &self,
        after: i64,
        limit: usize,
        service: Option<i64>,
    ) -> Result<Vec<Entry>, Error> {
        audit_log::page(&self.snapshot()?, &self.keys, after, limit, service)
    }

    fn prune_audit(&self, before_ms: i64) -> Result<i64, Error> {
        self.run(&mut |t| {
            let n = audit_log::prune(t.tables, t.keys, &t.state, before_ms)?;
            if n > 0 {
                t.log(Action::Prune, 0, 0, n)?;
            }
            Ok(n)
        })
    }

    fn reserve(&self, _: &[Noted]) -> Result<i64, Error> {
        // The disk is another machine's.
        Err(Error::DiskFull)
    }

    fn inventory(&self) -> Result<Inventory, Error> {
        let mut found = self.snapshot()?.inventory()?;
        found.unscrubbed_bytes = self.n_removed_bytes.load(Ordering::SeqCst);
        Ok(found)
    }

    fn scrub(&self) -> Result<bool, Error> {
        let removed = self.n_removed_bytes.load(Ordering::SeqCst);
        if removed == 0 {
            return Ok(true);
        }
        let session = self.connections.session()?;
        // A transaction that began before the removal keeps what it may still read.
        if let Some(removed_by) = &*locked(&self.removed_by) {
            let sql = "SELECT EXISTS (SELECT FROM pg_stat_activity
                       WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()
                         AND datname = current_database()
                         AND age(backend_xmin) >= age($1::text::xid))";
            let row = session.query_opt(sql, &[removed_by])?;
            let is_read = row.map(|row| session.value(&row, 0)).transpose()?;
            if is_read != Some(false) {
                return Ok(false);
            }
        }
        let has_index = session.one("SELECT to_regclass('fusiform.template') IS NOT NULL")?;
        if has_index {
            // Every point of the graph is looked at, so the erasures of a while share it; nobody
            // waits for it.
            let due = *locked(&self.vacuum_at).get_or_insert_with(|| Instant::now() + VACUUM_PAUSE);
            if Instant::now() < due {
                return Ok(false);
            }
        }
        let vacuum = |sql: &str| {
            let done = session.client().batch_execute(sql);
            self.connections.wait(VACUUM_TIMEOUT, done)
        };
        vacuum("VACUUM fusiform.example")?;
        vacuum("VACUUM fusiform.subject")?;
        vacuum("VACUUM fusiform.service")?;
        if has_index {
            // Without the cleanup a vector would stay in the graph until many had gone.
            vacuum("VACUUM (INDEX_CLEANUP ON) fusiform.template")?;
            *locked(&self.vacuum_at) = None;
        }
        self.n_removed_bytes.fetch_sub(removed, Ordering::SeqCst);
        Ok(true)
    }

    fn backup(&self, to: &Path) -> Result<(), Error> {
        // As a SQLite file, which opens with the same secret on any machine.
        let (partial, _) = PartialFile::beside(to)?;
        self.transact(&mut |t| t.log(Action::Backup, 0, 0, 1))?;
        SqliteStore::fill(&partial.path, &self.snapshot()?)?;
        partial.put()
    }

    fn rekey(&self, secret: &Secret) -> Result<(), Error> {
        let wrapping = Wrapping::new(secret)?;
        self.run(&mut |t| {
            wrapping.write(t.tables, &self.data_key)?;
            t.log(Action::Rekey, 0, 0, 1)
        })?;
        *locked(&self.wrapped) = wrapped_key(&self.snapshot()?)?;
        Ok(())
    }
}

/// Keeps other servers from changing rows.
struct Locked<'a> {
    store: &'a PostgresStore,
    _session: Session<'a>,
}

impl WriteLock for Locked<'_> {}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.store.is_locked.store(false, Ordering::SeqCst);
    }
}

/// This machine and process, for the list of servers.
fn own_name() -> String {
    #[cfg(unix)]
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    #[cfg(not(unix))]
    let host = String::from("server");
    format!("{host}, process {}", std::process::id())
}

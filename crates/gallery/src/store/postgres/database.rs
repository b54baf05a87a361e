//! A gallery's database as a process has it. In: an address and a secret. Out: sessions, and what
//! this process knows of the database.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;
use zeroize::Zeroizing;

use super::connections::{Connections, LOCK_TIMEOUT, MAX_SESSIONS, Session};
use super::listen::Listener;
use super::rotation::Rotation;
use super::schema;
use crate::error::Error;
use crate::seal::{Sealer, Secret, random};
use crate::store::IndexStated;
use crate::store::keys::{Keys, pepper};
use crate::store::state::State;
use crate::store::tables::Tables;
use crate::store::wrapping::{Wrapping, unwrap_key, wrapped_key};

/// How long a `VACUUM` may take.
pub(super) const VACUUM_TIMEOUT: Duration = Duration::from_secs(3600);

/// A read transaction as of one instant.
pub(super) const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// A transaction that holds the state until it ends, durable even where that is not the default.
pub(super) const WRITE: &str = "
    BEGIN;
    SET LOCAL lock_timeout = '10s';
    SELECT set_config('synchronous_commit', 'on', true)
        WHERE current_setting('synchronous_commit') = 'off';
    SELECT FROM fusiform.head WHERE name = 'state' FOR UPDATE";

/// A sealed PostgreSQL database.
pub struct PostgresStore {
    pub(super) connections: Connections,
    pub(super) keys: Keys,
    pub(super) data_key: Zeroizing<[u8; 32]>,
    pub(super) pepper: [u8; 32],
    /// The salt and the sealed data key, as they were when the store was opened or sealed anew.
    pub(super) wrapped: Mutex<[Vec<u8>; 2]>,
    /// What this process has taken in.
    pub(super) known: Mutex<Known>,
    /// Whether [`crate::Store::lock`] is held.
    pub(super) is_locked: AtomicBool,
    /// Bytes that this process removed since it ran `VACUUM` last.
    pub(super) n_removed_bytes: AtomicU64,
    /// The newest transaction of this process that removed something, as PostgreSQL counts them.
    pub(super) removed_by: Mutex<Option<String>>,
    /// When the index is rid of what was removed.
    pub(super) vacuum_at: Mutex<Option<Instant>>,
    pub(super) listener: Mutex<Option<Listener>>,
    /// As it was when it was looked at last.
    pub(super) index: Mutex<Option<Arc<Index>>>,
    /// Names this process among the servers of the gallery.
    pub(super) id: Uuid,
}

/// What a process has taken in.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    /// Of the state.
    pub(super) version: i64,
    /// Newest entry of the log; 0 before anything was taken in.
    pub(super) seq: i64,
    /// Its hash.
    pub(super) hash: [u8; 32],
}

impl Known {
    pub(super) fn take(&mut self, state: &State) {
        (self.version, self.seq, self.hash) = (state.version, state.seq, state.hash);
    }

    /// Whether nothing has changed since.
    pub(super) fn is(&self, state: &State) -> bool {
        (self.version, self.seq, self.hash) == (state.version, state.seq, state.hash)
    }

    /// Whether a state goes on from what was taken in, as far as the log still tells.
    pub(super) fn leads_to(&self, state: &State, tables: &dyn Tables) -> Result<bool, Error> {
        if self.seq == 0 || self.is(state) {
            return Ok(true);
        }
        let before = tables.entry_hash(self.seq)?;
        let is_older = state.seq < self.seq || state.version < self.version;
        match before {
            Some(hash) if !is_older && hash == self.hash => Ok(true),
            // Pruned: everything has to be read again.
            None if state.seq > self.seq && !is_older => Ok(false),
            _ => Err(Error::WentBack(format!(
                "the database is not the one that this server has read from: entry {} of the audit \
                 log is gone or another, after a failover or a restore. Start the server again to \
                 go on with it",
                self.seq
            ))),
        }
    }
}

/// What is turned, and what is known of the index.
pub(super) struct Index {
    pub(super) rotation: Rotation,
    pub(super) stated: IndexStated,
}

impl PostgresStore {
    /// Opens the gallery of a database, or makes it in the schema `fusiform`.
    ///
    /// `url` is an address such as `postgres://user:password@host:5432/database?sslmode=require`,
    /// as libpq has them. Of several hosts the one that takes changes is used. Certificates are
    /// proved: by those of the system, or those in the file that `sslrootcert=FILE` names.
    ///
    /// # Errors
    /// [`Error::BadAddress`]; [`Error::Unreachable`]; [`Error::WrongKey`], [`Error::NotAGallery`],
    /// [`Error::Newer`] and [`Error::Tampered`] change nothing.
    pub fn open(url: &str, secret: &Secret) -> Result<PostgresStore, Error> {
        let connections = Connections::new(url)?;
        let mut session = connections.session()?;
        let address = PathBuf::from(&*connections.address);
        session.begin("BEGIN; SET LOCAL lock_timeout = '60s'")?;
        schema::migrate(&session)?;
        schema::check(&session)?;
        let key = if session.read_head("salt")?.is_some() {
            unwrap_key(&session, &address, secret)?
        } else {
            let key = Zeroizing::new(random::<32>()?);
            Wrapping::new(secret)?.write(&session, &key)?;
            State::default().write(&session, &Sealer::new(&key))?;
            key
        };
        let wrapped = wrapped_key(&session)?;
        session.commit()?;
        drop(session);
        Ok(PostgresStore {
            keys: Keys::of(&key),
            pepper: pepper(&key),
            data_key: key,
            wrapped: Mutex::new(wrapped),
            known: Mutex::default(),
            is_locked: AtomicBool::new(false),
            // What a process before this one removed may be there still.
            n_removed_bytes: AtomicU64::new(1),
            removed_by: Mutex::new(None),
            vacuum_at: Mutex::new(None),
            listener: Mutex::new(None),
            index: Mutex::new(None),
            id: Uuid::new_v4(),
            connections,
        })
    }

    /// Whether the database has a gallery.
    ///
    /// # Errors
    /// [`Error::BadAddress`]; [`Error::Unreachable`].
    pub fn exists(url: &str) -> Result<bool, Error> {
        let connections = Connections::new(url)?;
        let session = connections.session()?;
        if !session.one::<bool>("SELECT to_regclass('fusiform.head') IS NOT NULL")? {
            return Ok(false);
        }
        Ok(session.read_head("salt")?.is_some())
    }

    /// A session in a read transaction.
    pub(super) fn snapshot(&self) -> Result<Session<'_>, Error> {
        self.in_transaction(SNAPSHOT)
    }

    /// A session in a transaction.
    pub(super) fn in_transaction(&self, begin: &str) -> Result<Session<'_>, Error> {
        self.first(|session| session.begin(begin))
            .map(|(session, ())| session)
    }

    /// Asks the first question of a session. Connections that were cut off while they waited in
    /// the pool are replaced, as nothing was asked over them yet.
    fn first<T>(
        &self,
        mut ask: impl FnMut(&mut Session<'_>) -> Result<T, Error>,
    ) -> Result<(Session<'_>, T), Error> {
        let (mut n_cut_off, since) = (0, Instant::now());
        loop {
            let mut session = self.connections.session()?;
            match ask(&mut session) {
                Ok(answer) => return Ok((session, answer)),
                // Whoever lets others wait is not asked again.
                Err(Error::Unreachable { .. })
                    if n_cut_off < MAX_SESSIONS && since.elapsed() < LOCK_TIMEOUT =>
                {
                    n_cut_off += 1;
                    session.give_up();
                }
                Err(why) => return Err(why),
            }
        }
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        locked(&self.known)
    }

    /// The state as of now, in one question.
    pub(super) fn state(&self) -> Result<State, Error> {
        let read = |session: &mut Session<'_>| State::read(session, &self.keys.sealer);
        self.first(read).map(|(_, state)| state)
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! The album's file: opening, migrating, transactions, queries. In: a path. Out: [`Album`].
//! Knows nothing of photos or people; the other files add methods to [`Album`].
//!
//! Every change is one transaction, so that a kill at any instant leaves the state before or after
//! it. The schema's version is SQLite's `user_version`, counted by `rusqlite_migration`; the files
//! of `migrations/` are its list.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::backup::Backup;
use rusqlite::types::FromSql;
use rusqlite::{Connection, ErrorCode, OpenFlags, Params, Row, Transaction, TransactionBehavior};
use rusqlite_migration::{M, Migrations};

use crate::error::Error;
use crate::names;

/// Step `n` makes a file of version `n + 1` of one of version `n`.
const MIGRATIONS: [&str; 9] = [
    include_str!("../migrations/0001_initial.sql"),
    include_str!("../migrations/0002_decisions.sql"),
    include_str!("../migrations/0003_cells.sql"),
    include_str!("../migrations/0004_words.sql"),
    include_str!("../migrations/0005_pictures.sql"),
    include_str!("../migrations/0006_shared_links.sql"),
    include_str!("../migrations/0007_dates_and_drawing.sql"),
    include_str!("../migrations/0008_questions_and_copies.sql"),
    include_str!("../migrations/0009_videos.sql"),
];

/// SQLite's `application_id` of an album: "FusF" in ASCII.
const APPLICATION_ID: i32 = 0x4675_7346;

/// How long to wait for the write lock of another process.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How to open an album.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenOptions {
    /// Refuse every change. A file of an older version is then migrated in memory only.
    pub read_only: bool,
    /// Make the file if it does not exist.
    pub create: bool,
}

/// An open album: photos, faces, people and decisions in one SQLite file.
///
/// Several processes may have one file open; writers wait for each other, readers wait for nobody.
///
/// # Example
/// ```
/// use fusiform_album::{Album, OpenOptions, Page, PeopleFilter};
///
/// # let dir = tempfile::tempdir()?;
/// # let file = dir.path().join("album.db");
/// let options = OpenOptions { create: true, ..OpenOptions::default() };
/// let album = Album::open(&file, options)?;
/// assert_eq!(album.people_page(PeopleFilter::Visible, Page::default())?.total, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Album {
    file: PathBuf,
    pub(crate) db: Connection,
    /// The file's version; in memory it is always the newest.
    version: i64,
    actor: String,
    is_read_only: bool,
}

impl Album {
    /// Opens an album and migrates it to this build's version.
    ///
    /// A new file can be read and written by its owner alone (on Unix).
    ///
    /// # Errors
    /// [`Error::NotAnAlbum`], [`Error::Newer`], [`Error::ReadOnly`], [`Error::DiskFull`],
    /// [`Error::Busy`]; [`Error::Sqlite`] if the file does not exist and is not to be made.
    pub fn open(file: &Path, options: OpenOptions) -> Result<Album, Error> {
        let sqlite = |e| Error::sqlite(file, e);
        if options.create && !options.read_only && !file.exists() {
            create_private(file)?;
        }
        let db = match options.read_only {
            true => connect_read_only(file).map_err(sqlite)?,
            false => {
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                Connection::open_with_flags(file, flags).map_err(sqlite)?
            }
        };
        db.busy_timeout(BUSY_TIMEOUT).map_err(sqlite)?;
        names::register(&db).map_err(sqlite)?;
        let mut album = Album {
            file: file.into(),
            db,
            version: 0,
            actor: "command line".into(),
            is_read_only: options.read_only,
        };
        album.version = album.check_version()?;
        if !options.read_only {
            album.migrate()?;
            album.version = Album::newest_version();
        } else if album.version < Album::newest_version() {
            album.migrate_in_memory()?;
        }
        Ok(album)
    }

    /// Opens the file, read-only if it cannot be written to: on a disk that is mounted so, or in a
    /// folder of somebody else. [`Album::is_read_only`] says which it is.
    ///
    /// # Errors
    /// As [`Album::open`].
    pub fn open_for_reading(file: &Path) -> Result<Album, Error> {
        let writing = OpenOptions::default();
        match Album::open(file, writing) {
            // What is wrong with the file itself is so however it is opened.
            Err(why @ (Error::ReadOnly { .. } | Error::DiskFull { .. } | Error::Sqlite { .. })) => {
                let reading = OpenOptions {
                    read_only: true,
                    ..writing
                };
                Album::open(file, reading).map_err(|_| why)
            }
            opened => opened,
        }
    }

    /// Whether every change is refused.
    pub fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// The album's file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The newest file version that this build reads.
    pub fn newest_version() -> i64 {
        MIGRATIONS.len() as i64
    }

    /// The file's version.
    pub(crate) fn version(&self) -> i64 {
        self.version
    }

    /// Sets the name under which the history lists decisions from now on; until then it is
    /// "command line". Control characters are dropped, and what exceeds 200 characters.
    pub fn set_actor(&mut self, actor: &str) {
        let printable = actor.chars().filter(|c| !c.is_control());
        self.actor = printable.take(200).collect();
    }

    /// The name under which the history lists decisions.
    pub fn actor(&self) -> &str {
        &self.actor
    }

    /// A time in the zone of this machine, for people: `2026-11-26 21:05:03`.
    ///
    /// # Units
    /// `at_ms` is UTC in milliseconds since 1970, as in
    /// [`Decision::at_ms`](crate::Decision::at_ms).
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn local_time(&self, at_ms: i64) -> Result<String, Error> {
        // SQLite knows the zone; a clock library for this alone would weigh more.
        let sql = "SELECT datetime(?1, 'unixepoch', 'localtime')";
        let found = self
            .db
            .query_row(sql, [at_ms.div_euclid(1000)], |row| row.get(0));
        found.map_err(|e| self.sqlite_error(e))
    }

    /// The time now, in the form of [`Album::local_time`].
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn local_now(&self) -> Result<String, Error> {
        self.local_time(now_ms())
    }

    pub(crate) fn sqlite_error(&self, source: rusqlite::Error) -> Error {
        Error::sqlite(&self.file, source)
    }

    /// The only value of a query's only row.
    pub(crate) fn query_value<T: FromSql>(&self, sql: &str) -> Result<T, Error> {
        self.db
            .query_row(sql, [], |row| row.get(0))
            .map_err(|e| self.sqlite_error(e))
    }

    /// All rows of a query.
    pub(crate) fn query_rows<T>(
        &self,
        sql: &str,
        key: impl Params,
        row: impl FnMut(&Row) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let read = || -> rusqlite::Result<Vec<T>> {
            self.db.prepare_cached(sql)?.query_map(key, row)?.collect()
        };
        read().map_err(|e| self.sqlite_error(e))
    }

    /// The file's version, if it is an album that this build reads.
    fn check_version(&self) -> Result<i64, Error> {
        let version: i64 = self.query_value("PRAGMA user_version")?;
        let application: i32 = self.query_value("PRAGMA application_id")?;
        let tables: i64 = self.query_value("SELECT count(*) FROM sqlite_schema")?;
        if application != APPLICATION_ID && tables > 0 {
            return Err(Error::NotAnAlbum {
                file: self.file.clone(),
                what: "the database of another program".into(),
            });
        }
        if version > Album::newest_version() {
            return Err(Error::Newer {
                file: self.file.clone(),
                found: version,
                known: Album::newest_version(),
            });
        }
        Ok(version)
    }

    fn migrate(&mut self) -> Result<(), Error> {
        // WAL: readers go on while a scan writes. NORMAL: a kill loses nothing, a power cut at
        // most the last transactions. secure_delete: erased bytes are overwritten with zeros.
        let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
                       PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;";
        self.db
            .execute_batch(pragmas)
            .map_err(|e| self.sqlite_error(e))?;
        // Immediate: the write lock is requested at the start, where waiting for it is possible.
        self.db
            .set_transaction_behavior(TransactionBehavior::Immediate);
        if let Err(error) = to_latest(&mut self.db, &self.file) {
            // Two processes may find an old file at once. The one that waited for the lock then
            // fails, because its steps are done already.
            if self.query_value::<i64>("PRAGMA user_version")? != Album::newest_version() {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Replaces the connection to an older file by a migrated copy in memory, so that every query
    /// may assume the newest schema and the file stays as it is.
    fn migrate_in_memory(&mut self) -> Result<(), Error> {
        let copy = || -> rusqlite::Result<Connection> {
            let mut memory = Connection::open_in_memory()?;
            names::register(&memory)?;
            let no_pause = Duration::ZERO;
            Backup::new(&self.db, &mut memory)?.run_to_completion(1 << 14, no_pause, None)?;
            Ok(memory)
        };
        let mut memory = copy().map_err(|e| self.sqlite_error(e))?;
        to_latest(&mut memory, &self.file)?;
        memory
            .pragma_update(None, "query_only", true)
            .map_err(|e| self.sqlite_error(e))?;
        self.db = memory;
        Ok(())
    }

    /// Makes all changes of `f`, or none.
    pub(crate) fn transaction<T>(
        &mut self,
        f: impl FnOnce(&Transaction) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        self.try_transaction(|t| f(t).map_err(Abort::Sqlite))
    }

    /// As [`Album::transaction`], for changes that may be refused after the transaction has begun.
    pub(crate) fn try_transaction<T>(
        &mut self,
        f: impl FnOnce(&Transaction) -> Result<T, Abort>,
    ) -> Result<T, Error> {
        let file = self.file.clone();
        let sqlite = |e| Error::sqlite(&file, e);
        let t = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(sqlite)?;
        match f(&t) {
            Ok(value) => {
                t.commit().map_err(sqlite)?;
                Ok(value)
            }
            Err(Abort::Sqlite(e)) => Err(sqlite(e)),
            Err(Abort::Refused(e)) => Err(e),
        }
    }
}

/// A connection that changes nothing.
///
/// A file with a write-ahead log needs a file of shared memory beside it, which cannot be made on a
/// disk that is mounted read-only. Where there is no log, nobody is writing, and the file is read
/// as one that never changes.
fn connect_read_only(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(file, flags)?;
    let probe = db.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    let Err(why) = probe else { return Ok(db) };
    let is_unwritable = matches!(
        why.sqlite_error_code(),
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
    );
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    let has_log = std::fs::metadata(log).is_ok_and(|log| log.len() > 0);
    let Some(path) = file.to_str().filter(|_| is_unwritable && !has_log) else {
        return Err(why);
    };
    let escaped: String = path
        .chars()
        .map(|c| match c {
            '%' => "%25".into(),
            '?' => "%3f".into(),
            '#' => "%23".into(),
            other => other.to_string(),
        })
        .collect();
    let uri = format!("file:{escaped}?immutable=1");
    Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
}

/// Why a transaction was rolled back.
#[derive(Debug)]
pub(crate) enum Abort {
    /// SQLite failed.
    Sqlite(rusqlite::Error),
    /// The request cannot be carried out.
    Refused(Error),
}

impl From<rusqlite::Error> for Abort {
    fn from(e: rusqlite::Error) -> Abort {
        Abort::Sqlite(e)
    }
}

impl From<fusiform_search::Error> for Abort {
    fn from(e: fusiform_search::Error) -> Abort {
        Abort::Refused(e.into())
    }
}

impl From<Error> for Abort {
    fn from(e: Error) -> Abort {
        Abort::Refused(e)
    }
}

/// Runs the steps that are missing, all in one transaction.
fn to_latest(db: &mut Connection, file: &Path) -> Result<(), Error> {
    let mark = |t: &Transaction| {
        t.pragma_update(None, "application_id", APPLICATION_ID)?;
        Ok(())
    };
    let steps = MIGRATIONS.map(|sql| M::up_with_hook(sql, mark));
    let migrations = Migrations::from_slice(&steps);
    migrations.to_latest(db).map_err(|e| match e {
        rusqlite_migration::Error::RusqliteError { err, .. } => Error::sqlite(file, err),
        // A version that is not in the list, which `check_version` has excluded before.
        other => Error::NotAnAlbum {
            file: file.into(),
            what: other.to_string(),
        },
    })
}

/// UTC in milliseconds since 1970; 0 if the clock is before that.
pub(crate) fn now_ms() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    since_1970.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

/// Makes an empty file that only its owner may read: it will hold biometric data.
fn create_private(file: &Path) -> Result<(), Error> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let kind = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            Err(Error::ReadOnly { file: file.into() })
        }
        std::io::ErrorKind::StorageFull => Err(Error::DiskFull { file: file.into() }),
        // Another process made it in the meantime, which is as good.
        std::io::ErrorKind::AlreadyExists => Ok(()),
        _ => Err(Error::NotAnAlbum {
            file: file.into(),
            what: e.to_string(),
        }),
    };
    options.open(file).map(drop).or_else(kind)
}

#[cfg(test)]
pub(crate) mod old_schema {
    //! Files as earlier builds made them, for the tests of migrations.

    use super::*;

    /// A new file with the schema of `version`.
    pub(crate) fn create(file: &Path, version: usize) -> Connection {
        let db = Connection::open(file).unwrap();
        for sql in &MIGRATIONS[..version] {
            db.execute_batch(sql).unwrap();
        }
        db.pragma_update(None, "application_id", APPLICATION_ID)
            .unwrap();
        db.pragma_update(None, "user_version", version as i64)
            .unwrap();
        db
    }
}

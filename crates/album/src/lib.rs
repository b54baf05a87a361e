//! One SQLite file that holds photos, faces, people and decisions. In: scanned files, decisions. Out: people, matches.
//! Knows nothing of pixels. Every change is one transaction: a kill at any instant leaves the state before or after it.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod assertions;
mod assign;
mod browse;
mod edit;
mod erase;
mod error;
mod group;
mod health;
mod history;
mod people;
mod person_stats;
mod record;
mod region;
pub mod regions;
mod review;
pub mod scan;
mod search;
mod suggest;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

pub use browse::{Aside, FaceCard, MAX_PAGE, Page, Paged, PersonCard, PhotoCard, PhotoView, Which};
pub use erase::Erased;
pub use group::GroupSummary;
pub use health::Health;
pub use history::Decision;
pub use people::{PersonPhoto, PersonSummary};
pub use record::{
    FaceRecord, FileState, ModelPair, Outcome, PhotoRecord, QualityParts, ScannedFile,
};
pub use review::{Question, Reply, Subject};
pub use search::{Index, Match};

pub use error::{Error, ErrorKind};
pub use fusiform_search::{cluster, metrics, template};

/// What is done to a catalogue of version n to make it one of version n + 1.
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_initial.sql"),
    include_str!("../migrations/0002_decisions.sql"),
    include_str!("../migrations/0003_cells.sql"),
];

/// Marks the file as ours: "FusF" in ASCII (SQLite file format, application id).
const APPLICATION_ID: i32 = 0x4675_7346;

/// How long to wait for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// Number of a photo, which is a content, wherever it lies.
    PhotoId
);
id!(
    /// Number of a face.
    FaceId
);
id!(
    /// Number of a person, named or not.
    PersonId
);

/// How to open a catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenOptions {
    /// Refuse every change.
    pub read_only: bool,
    /// Make the file if it is not there.
    pub create: bool,
}

/// An open catalogue.
#[derive(Debug)]
pub struct Album {
    file: PathBuf,
    db: Connection,
    /// Who decides, for the history.
    who: String,
}

impl Album {
    /// Opens a catalogue and brings it to this build's version.
    ///
    /// A new file can be read and written by its owner alone (on Unix).
    ///
    /// # Errors
    /// [`Error`] naming the file: not a catalogue, from a newer build, read-only, no room.
    pub fn open(file: &Path, options: OpenOptions) -> Result<Album, Error> {
        let of = |e| Error::sqlite(file, e);
        if options.create && !options.read_only && !file.exists() {
            create_private(file)?;
        }
        let mode = if options.read_only {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        } else {
            OpenFlags::SQLITE_OPEN_READ_WRITE
        };
        let db = Connection::open_with_flags(file, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)
            .map_err(of)?;
        db.busy_timeout(BUSY_TIMEOUT).map_err(of)?;
        let mut catalogue = Album {
            file: file.into(),
            db,
            who: "command line".into(),
        };
        catalogue.check_owner()?;
        if !options.read_only {
            catalogue.migrate()?;
        }
        Ok(catalogue)
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The newest version this build knows.
    pub fn newest_version() -> i64 {
        MIGRATIONS.len() as i64
    }

    /// The local time, as it is written beside decisions.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn now(&self) -> Result<String, Error> {
        self.one("SELECT datetime('now', 'localtime')")
    }

    fn of(&self, source: rusqlite::Error) -> Error {
        Error::sqlite(&self.file, source)
    }

    /// The only value of a query's only row.
    fn one<T: rusqlite::types::FromSql>(&self, sql: &str) -> Result<T, Error> {
        self.db
            .query_row(sql, [], |row| row.get(0))
            .map_err(|e| self.of(e))
    }

    fn check_owner(&self) -> Result<(), Error> {
        let version: i64 = self.one("PRAGMA user_version")?;
        let application: i32 = self.one("PRAGMA application_id")?;
        let tables: i64 = self.one("SELECT count(*) FROM sqlite_schema")?;
        if application != APPLICATION_ID && tables > 0 {
            let what = "the database of another program".into();
            return Err(Error::NotACatalogue {
                file: self.file.clone(),
                what,
            });
        }
        if version > Album::newest_version() {
            return Err(Error::Newer {
                file: self.file.clone(),
                found: version,
                known: Album::newest_version(),
            });
        }
        Ok(())
    }

    fn migrate(&mut self) -> Result<(), Error> {
        // WAL lets readers go on while a scan writes; NORMAL survives a kill, and a power cut loses the last batch at most.
        let pragmas = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; \
             PRAGMA secure_delete = ON;";
        self.db.execute_batch(pragmas).map_err(|e| self.of(e))?;
        let version: i64 = self.one("PRAGMA user_version")?;
        let done = usize::try_from(version).unwrap_or(0);
        for (number, sql) in MIGRATIONS.iter().enumerate().skip(done) {
            self.change(|t| {
                t.execute_batch(sql)?;
                t.pragma_update(None, "application_id", APPLICATION_ID)?;
                t.pragma_update(None, "user_version", number as i64 + 1)
            })?;
        }
        Ok(())
    }

    /// Does all of it, or nothing.
    fn change<T>(
        &mut self,
        f: impl FnOnce(&Transaction) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        self.try_change(|t| f(t).map_err(Failed::Sqlite))
    }

    /// As `change`, for work that can also refuse.
    fn try_change<T>(
        &mut self,
        f: impl FnOnce(&Transaction) -> Result<T, Failed>,
    ) -> Result<T, Error> {
        let file = self.file.clone();
        let of = |e| Error::sqlite(&file, e);
        // Immediate: the lock is asked for at once, so that waiting for it is possible.
        let t = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(of)?;
        match f(&t) {
            Ok(value) => {
                t.commit().map_err(of)?;
                Ok(value)
            }
            Err(Failed::Sqlite(e)) => Err(of(e)),
            Err(Failed::Refused(e)) => Err(e),
        }
    }
}

/// Why a transaction ended without effect.
enum Failed {
    Sqlite(rusqlite::Error),
    Refused(Error),
}

impl From<rusqlite::Error> for Failed {
    fn from(e: rusqlite::Error) -> Failed {
        Failed::Sqlite(e)
    }
}

impl From<fusiform_search::Error> for Failed {
    fn from(error: fusiform_search::Error) -> Failed {
        Failed::Refused(error.into())
    }
}

impl From<Error> for Failed {
    fn from(e: Error) -> Failed {
        Failed::Refused(e)
    }
}

/// An empty file that only its owner may read: it will hold biometric data.
fn create_private(file: &Path) -> Result<(), Error> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let what = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            Err(Error::ReadOnly { file: file.into() })
        }
        std::io::ErrorKind::StorageFull => Err(Error::DiskFull { file: file.into() }),
        // Somebody else made it meanwhile, which is as good.
        std::io::ErrorKind::AlreadyExists => Ok(()),
        _ => Err(Error::NotACatalogue {
            file: file.into(),
            what: e.to_string(),
        }),
    };
    options.open(file).map(drop).or_else(what)
}

#[cfg(test)]
mod tests;

//! Where a gallery is kept. In: a path or an address, as a setting has it. Out: a store.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::lock::Lock;
use crate::seal::Secret;
use crate::store::Store;
use crate::store::sqlite::SqliteStore;

/// A file, or a database of a PostgreSQL server.
///
/// # Example
/// ```
/// use fusiform_gallery::Place;
///
/// assert_eq!(Place::from("people.db").file(), Some("people.db".as_ref()));
/// let shared = Place::from("postgres://ida:secret@db.example/faces");
/// assert_eq!(shared.file(), None);
/// assert!(!format!("{shared} {shared:?}").contains("secret"));
/// let odd = Place::from("postgres://ida:secret?secret@db.example/faces?password=secret@b");
/// assert!(!format!("{odd} {odd:?}").contains("secret"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub enum Place {
    /// The path of a sealed SQLite file.
    File(PathBuf),
    /// `postgres://user:password@host:port/database`, with the parameters of libpq.
    Postgres(String),
}

impl From<&str> for Place {
    fn from(text: &str) -> Place {
        let schemes = ["postgres://", "postgresql://"];
        match schemes.iter().any(|scheme| text.starts_with(scheme)) {
            true => Place::Postgres(text.to_owned()),
            false => Place::File(text.into()),
        }
    }
}

impl From<PathBuf> for Place {
    fn from(path: PathBuf) -> Place {
        match path.to_str().map(Place::from) {
            Some(place) => place,
            None => Place::File(path),
        }
    }
}

/// Without user and password.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => path.display().fmt(f),
            Place::Postgres(url) => {
                let (_, rest) = url.split_once("://").unwrap_or(("", url));
                // A password may hold a question mark, and a parameter an `@`.
                let rest = rest.split_once('@').map_or(rest, |(_, after)| after);
                let rest = rest.split('?').next().unwrap_or_default();
                let rest = rest.rsplit('@').next().unwrap_or_default();
                write!(f, "postgres://{rest}")
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Place {
    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Place::File(path) => Some(path),
            Place::Postgres(_) => None,
        }
    }

    /// Whether a gallery is there.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::BadAddress`] and [`Error::Unsupported`] of a database.
    pub fn exists(&self) -> Result<bool, Error> {
        match self {
            Place::File(path) => Ok(path.exists()),
            Place::Postgres(url) => exists(url),
        }
    }

    /// Keeps other processes from a file that [`Place::open`] takes into memory; a database is
    /// shared, and needs no lock.
    ///
    /// # Errors
    /// As [`Lock::take`].
    pub fn lock(&self) -> Result<Option<Lock>, Error> {
        self.file().map(Lock::take).transpose()
    }

    /// Opens the store, or makes it.
    ///
    /// # Errors
    /// As [`SqliteStore::open`] and `PostgresStore::open`; [`Error::Unsupported`] for a database if
    /// this was built without the feature `postgres`.
    pub fn open(&self, secret: &Secret) -> Result<Box<dyn Store>, Error> {
        match self {
            Place::File(path) => Ok(Box::new(SqliteStore::open(path, secret)?)),
            Place::Postgres(url) => open(url, secret),
        }
    }
}

#[cfg(feature = "postgres")]
use crate::store::postgres::PostgresStore;

#[cfg(feature = "postgres")]
fn exists(url: &str) -> Result<bool, Error> {
    PostgresStore::exists(url)
}

#[cfg(feature = "postgres")]
fn open(url: &str, secret: &Secret) -> Result<Box<dyn Store>, Error> {
    Ok(Box::new(PostgresStore::open(url, secret)?))
}

#[cfg(not(feature = "postgres"))]
const WITHOUT: Error = Error::Unsupported("this was built without the feature `postgres`");

#[cfg(not(feature = "postgres"))]
fn exists(_: &str) -> Result<bool, Error> {
    Err(WITHOUT)
}

#[cfg(not(feature = "postgres"))]
fn open(_: &str, _: &Secret) -> Result<Box<dyn Store>, Error> {
    Err(WITHOUT)
}

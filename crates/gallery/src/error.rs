//! What can go wrong in a gallery. Messages name the file and the value; commands and settings that
//! help are added by the program that has them.

use std::path::PathBuf;

/// Why the gallery could not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file was sealed with another key; nothing was changed.
    #[error(
        "{0}: the key does not open this vault; nothing was changed. Give the key it was made with"
    )]
    WrongKey(PathBuf),
    /// The file is a database, but not of a gallery; nothing was changed.
    #[error("{0}: the database of another program; nothing was changed")]
    NotAGallery(PathBuf),
    /// The file was written by a newer version; nothing was changed.
    #[error(
        "{file}: written by a newer version (schema {found}, {known} is known); update this one"
    )]
    Newer {
        /// The file.
        file: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest schema version that is known.
        known: i64,
    },
    /// A row does not decrypt: it was altered or damaged.
    #[error("a record of the vault was altered or is damaged; restore a backup")]
    Damaged,
    /// Something in the file is not as it was written: altered, removed or put back from an older
    /// copy by another program, or damaged.
    #[error("{0}; the file was changed by another program or is damaged, so restore a backup")]
    Tampered(String),
    /// The key is not one.
    #[error("a vault key is 64 hexadecimal digits; {0}")]
    BadKey(String),
    /// The passphrase or key gives no protection.
    #[error("{0}; nothing was changed")]
    WeakSecret(&'static str),
    /// A name that no person can have.
    #[error(
        "{0:?} cannot be the name of a person: it is empty, a path that web clients drop, or holds \
         a control character"
    )]
    Name(String),
    /// There is no person of that name, and this call makes none.
    #[error("nobody is called {0:?}; enter the person with a consent first")]
    UnknownPerson(String),
    /// The consent has ended.
    #[error("the consent of {0:?} has ended; state a new one before enrolling")]
    ConsentEnded(String),
    /// The end of a consent is not in milliseconds.
    #[error(
        "a consent that ends at {0} ends before 1973; give milliseconds since 1970, not seconds"
    )]
    ConsentUnit(i64),
    /// The log does not have an entry with this hash.
    #[error(
        "no entry of the audit log has the hash {0}: it is another vault, an older copy of it, or \
         the entry was removed as too old"
    )]
    UnknownAnchor(String),
    /// No room is left on the disk.
    #[error("the disk that holds the vault is full; free some space")]
    DiskFull,
    /// The disk takes nothing, though it may have room: a quota, a limit, a file system that became
    /// read-only, a fault.
    #[error("the disk that holds the vault cannot be written: {0}")]
    DiskFails(Cause),
    /// The gallery holds templates of another model.
    #[error(
        "an example was made by model {found}, and {wanted} is in use; enrol again or use the old \
         pack"
    )]
    Model {
        /// Which model made it.
        found: String,
        /// Which is in use.
        wanted: String,
    },
    /// A vector has another length than those enrolled.
    #[error(transparent)]
    Search(#[from] fusiform_search::Error),
    /// The API key is in use already.
    #[error("a service has this key already")]
    KeyTaken,
    /// The audit log was altered.
    #[error("the audit log is broken at entry {seq}: it was altered, or entries are missing")]
    Chain {
        /// The first entry that does not fit.
        seq: i64,
    },
    /// Another process serves or fills the gallery.
    #[error("{0}: another process has this vault; stop the server first")]
    Locked(PathBuf),
    /// A person is stored whom the audit log says is erased.
    #[error(
        "person {number} is in the vault, though the audit log knows no enrolment or says it was \
         erased"
    )]
    Remains {
        /// The person's number.
        number: i64,
    },
    /// Faces are to be searched in a database whose templates have no index.
    #[error("the database has no index of templates yet")]
    NoIndex,
    /// This kind of store cannot do it.
    #[error("{0}")]
    Unsupported(&'static str),
    /// A file is in the way, or cannot be made.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// The system gave no random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// The store's database failed.
    #[error("the vault's database: {0}")]
    Database(Cause),
    /// The database server does not answer, or ended the connection. What was being changed is
    /// changed as a whole or not at all.
    #[error("the database at {address} cannot be used: {cause}")]
    Unreachable {
        /// Host, port and name of the database.
        address: String,
        /// Why.
        cause: Cause,
    },
    /// The address of a database is none.
    #[error(
        "the address of the database: {0}; it is like \
         postgres://user:password@host:5432/database?sslmode=require"
    )]
    BadAddress(String),
    /// The database has a gallery already.
    #[error("the database at {0} has a gallery already; nothing was changed")]
    Occupied(String),
    /// The database went back to an older state.
    #[error("{0}")]
    WentBack(String),
    /// Another process has been changing the store for too long.
    #[error("another server has been changing the gallery for {0} s; try again")]
    Busy(u64),
    /// The database takes no changes just now.
    #[error("the database at {0} takes no changes: it is a standby, or read-only")]
    ReadOnly(String),
    /// The schema could not be brought up to date; nothing was changed.
    #[error("{0}: the schema cannot be migrated: {1}")]
    Migration(PathBuf, Cause),
}

impl Error {
    /// Whether the same may work a little later.
    pub fn may_pass(&self) -> bool {
        use Error::{Busy, Database, ReadOnly, Unreachable};
        matches!(
            self,
            Database(_) | Unreachable { .. } | Busy(_) | ReadOnly(_)
        )
    }
}

/// An error of the library that a store rests on.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Error::DiskFull,
            Some(ErrorCode::SystemIoFailure | ErrorCode::ReadOnly) => {
                Error::DiskFails(error.into())
            }
            _ => Error::Database(error.into()),
        }
    }
}

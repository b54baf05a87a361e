//! What can go wrong in the vault, and what to do about it.

use std::path::PathBuf;

/// Why the vault could not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file was sealed with another key; nothing was changed.
    #[error(
        "{0}: the key does not open this vault; nothing was changed. Give the key it was made with"
    )]
    WrongKey(PathBuf),
    /// A row does not decrypt: it was altered or damaged.
    #[error("a record of the vault was altered or is damaged; restore a backup")]
    Damaged,
    /// The key is not one.
    #[error("a vault key is 64 hexadecimal digits; {0}")]
    BadKey(String),
    /// The file was written for another model.
    #[error(
        "an example was made by model {found}, and {wanted} is in use; enrol again or use the old pack"
    )]
    Model {
        /// Which model made it.
        found: String,
        /// Which is in use.
        wanted: String,
    },
    /// The API key is in use already.
    #[error("a service has this key already")]
    KeyTaken,
    /// The audit log was altered.
    #[error("the audit log is broken at entry {seq}: it was altered, or entries are missing")]
    Chain {
        /// The first entry that does not fit.
        seq: i64,
    },
    /// Another process serves or fills the vault.
    #[error("{0}: another process has this vault; stop the server first")]
    Locked(PathBuf),
    /// Somebody whom the audit log says is erased is in the file.
    #[error(
        "person {number} is in the vault, though the audit log knows no enrolment or says it was erased"
    )]
    Remains {
        /// The person's number.
        number: i64,
    },
    /// A file is in the way, or cannot be made.
    #[error("{0}: {1}")]
    File(PathBuf, std::io::Error),
    /// The system gave no random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// SQLite said no.
    #[error("the vault's database: {0}")]
    Database(#[from] rusqlite::Error),
}

//! What can go wrong with an album. In: causes. Out: errors that name the file, the value and the
//! remedy. Knows nothing of commands, flags or pages: the program around it adds those.

use std::path::{Path, PathBuf};

/// What went wrong; the source is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is not a SQLite database, is damaged, or belongs to another program.
    #[error("{file}: not an album ({what}); choose another file, or restore a copy of this one")]
    NotAnAlbum {
        /// The album's file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A newer version of this library wrote the file.
    #[error(
        "{file}: written by a newer version (its format is {found}, this version reads up to \
         {known}); use the newer version, or choose another file"
    )]
    Newer {
        /// The album's file.
        file: PathBuf,
        /// The file's format version.
        found: i64,
        /// The newest format version that this build reads.
        known: i64,
    },
    /// Not a database of digiKam.
    #[error("{file}: no database of digiKam: {what}")]
    NotDigikam {
        /// The file.
        file: PathBuf,
        /// What it is instead.
        what: String,
    },
    /// The file or its folder may not be written to.
    #[error(
        "{file}: read-only; give yourself write permission to it and to its folder, or choose \
         another file"
    )]
    ReadOnly {
        /// The album's file.
        file: PathBuf,
    },
    /// No space is left.
    #[error("{file}: the disk is full; free some space and run again, nothing recorded is lost")]
    DiskFull {
        /// The album's file.
        file: PathBuf,
    },
    /// Another process holds the write lock.
    #[error("{file}: in use by another process; wait until that has finished")]
    Busy {
        /// The album's file.
        file: PathBuf,
    },
    /// Any other error of SQLite.
    #[error("{file}: {source}")]
    Sqlite {
        /// The album's file.
        file: PathBuf,
        /// SQLite's error.
        source: rusqlite::Error,
    },
    /// No person has this name or number.
    #[error("nobody is called {0:?} or has that number")]
    NoSuchPerson(String),
    /// No face has this number, or it is not one of the person meant.
    #[error("there is no face {0}, or it is not a face of that person")]
    NoSuchFace(i64),
    /// No photo has this number or path.
    #[error("{0}: not a photo of the album; scan it first")]
    NoSuchPhoto(String),
    /// No decision of this number can be undone.
    #[error("there is no decision {0} that can be undone; an erasure is for good")]
    NoSuchDecision(i64),
    /// The question was answered, or settled in another way.
    #[error("question {id} is not open any more: {why}")]
    NoSuchQuestion {
        /// What it is called.
        id: String,
        /// What became of it.
        why: String,
    },
    /// The last step was an erasure, and undoing would take back something older unasked.
    #[error(
        "the last step was an erasure, which cannot be undone ({erasure}); {}",
        match before {
            Some((id, what)) => format!("before it came decision {id}: {what}"),
            None => "there is nothing before it to undo".into(),
        }
    )]
    AfterErasure {
        /// The erasure in words.
        erasure: String,
        /// The decision before it, by number and in words.
        before: Option<(i64, String)>,
    },
    /// Another person has the name.
    #[error("{name:?} is the name of person {id} already; merge the two if they are one person")]
    NameTaken {
        /// The name.
        name: String,
        /// The person who has it.
        id: i64,
    },
    /// Not acceptable as a name.
    #[error("{0:?} cannot be a name: it needs 1 to 200 characters that are not all digits")]
    BadName(String),
    /// A request that cannot be carried out; the text states why.
    #[error("{0}")]
    InvalidRequest(String),
    /// Vectors of different models, or of different lengths.
    #[error(transparent)]
    Search(#[from] fusiform_search::Error),
}

/// What an [`Error`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file cannot be used as it is.
    File,
    /// What was asked for does not exist or makes no sense.
    Request,
}

impl Error {
    /// What the error is about.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::NotAnAlbum { .. }
            | Error::NotDigikam { .. }
            | Error::Newer { .. }
            | Error::ReadOnly { .. }
            | Error::DiskFull { .. }
            | Error::Busy { .. }
            | Error::Sqlite { .. } => ErrorKind::File,
            _ => ErrorKind::Request,
        }
    }

    /// Sorts an error of SQLite by what the user can do about it.
    pub(crate) fn sqlite(file: &Path, source: rusqlite::Error) -> Error {
        use rusqlite::ErrorCode as Code;
        let file = file.to_path_buf();
        match source.sqlite_error_code() {
            Some(Code::ReadOnly | Code::PermissionDenied) => Error::ReadOnly { file },
            // A log beside the file cannot be made, where the file itself can be opened.
            Some(Code::CannotOpen) if file.exists() => Error::ReadOnly { file },
            Some(Code::DiskFull) => Error::DiskFull { file },
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => Error::Busy { file },
            Some(Code::NotADatabase | Code::DatabaseCorrupt) => Error::NotAnAlbum {
                file,
                what: source.to_string(),
            },
            _ => Error::Sqlite { file, source },
        }
    }
}

//! What can go wrong with a catalogue. In: causes. Out: messages that name the file and the remedy.

use std::path::{Path, PathBuf};

/// What went wrong; the source is kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is no SQLite database, is damaged, or belongs to another program.
    #[error(
        "{file}: not a catalogue ({what}); name another with --catalogue, or restore a copy of it"
    )]
    NotACatalogue {
        /// The catalogue.
        file: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A newer build wrote it.
    #[error(
        "{file}: written by a newer fusiform (catalogue version {found}, this build knows {known}); \
         use that version, or name another catalogue with --catalogue"
    )]
    Newer {
        /// The catalogue.
        file: PathBuf,
        /// Its version.
        found: i64,
        /// The newest this build knows.
        known: i64,
    },
    /// It may not be written to.
    #[error(
        "{file}: read-only; give yourself write permission to it and to its folder, or name \
         another catalogue with --catalogue"
    )]
    ReadOnly {
        /// The catalogue.
        file: PathBuf,
    },
    /// No room is left.
    #[error("{file}: the disk is full; free some space and run again, nothing recorded is lost")]
    DiskFull {
        /// The catalogue.
        file: PathBuf,
    },
    /// Another process writes to it.
    #[error("{file}: in use by another process; wait until that has finished")]
    Busy {
        /// The catalogue.
        file: PathBuf,
    },
    /// Anything else SQLite says.
    #[error("{file}: {source}")]
    Sqlite {
        /// The catalogue.
        file: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Nobody of that name or number.
    #[error("nobody is called {0:?} or has that number; `fusiform people` lists all")]
    NoSuchPerson(String),
    /// No face of that number, or not one of that person.
    #[error("{0} is no face of that person; `fusiform person` lists the faces and their numbers")]
    NoSuchFace(i64),
    /// No photo of that number or path.
    #[error("{0}: no photo of the catalogue; `fusiform scan` takes photos in")]
    NoSuchPhoto(String),
    /// The name belongs to somebody else.
    #[error("{name:?} is person {id} already; `fusiform merge {id} …` if they are the same")]
    NameTaken {
        /// The name.
        name: String,
        /// Who has it.
        id: i64,
    },
    /// A name that cannot be one.
    #[error("{0:?} cannot be a name: 1 to 200 characters that are not all digits are wanted")]
    BadName(String),
    /// A decision that says nothing.
    #[error("{0}")]
    Pointless(String),
    /// Vectors of different models, or not of one length.
    #[error(transparent)]
    Search(#[from] fusiform_search::Error),
}

/// Whose fault an [`Error`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file cannot be used as it is.
    File,
    /// What was asked for does not exist or makes no sense.
    Request,
}

impl Error {
    /// Whose fault it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::NotACatalogue { .. }
            | Error::Newer { .. }
            | Error::ReadOnly { .. }
            | Error::DiskFull { .. }
            | Error::Busy { .. }
            | Error::Sqlite { .. } => ErrorKind::File,
            _ => ErrorKind::Request,
        }
    }

    /// An error of SQLite, told by what a user can do about it.
    pub(crate) fn sqlite(file: &Path, source: rusqlite::Error) -> Error {
        use rusqlite::ErrorCode as Code;
        let file = file.to_path_buf();
        match source.sqlite_error_code() {
            Some(Code::ReadOnly | Code::PermissionDenied) => Error::ReadOnly { file },
            Some(Code::DiskFull) => Error::DiskFull { file },
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => Error::Busy { file },
            Some(Code::NotADatabase | Code::DatabaseCorrupt) => Error::NotACatalogue {
                file,
                what: source.to_string(),
            },
            _ => Error::Sqlite { file, source },
        }
    }
}

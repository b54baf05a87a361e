//! The lock on a gallery's file. In: its path. Out: a lock that one process holds: what a server
//! keeps in memory does not follow what another process enrols. Services and backups may be made
//! without it.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::private_file::open_or_create;

/// Held while it lives; the operating system releases it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _held: File,
}

impl Lock {
    /// Takes the lock of a gallery's file, which is a file beside it with the extension `lock`.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process has it; [`Error::File`].
    pub fn take(gallery: &Path) -> Result<Lock, Error> {
        let path: PathBuf = gallery.with_extension("lock");
        let held = open_or_create(&path).map_err(|e| Error::File(path.clone(), e))?;
        match held.try_lock() {
            Ok(()) => Ok(Lock { _held: held }),
            Err(std::fs::TryLockError::WouldBlock) => Err(Error::Locked(gallery.into())),
            Err(std::fs::TryLockError::Error(e)) => Err(Error::File(path, e)),
        }
    }
}

//! Who has the vault. In: its path. Out: a claim that only one process holds: what a server keeps in memory would not
//! follow another's enrolments. Keys may be made, and copies, without one.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::store::own_file;

/// Held for as long as it lives; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _held: File,
}

impl Lock {
    /// Takes the claim on a vault.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process has it; [`Error::File`].
    pub fn take(vault: &Path) -> Result<Lock, Error> {
        let path: PathBuf = vault.with_extension("lock");
        let held = own_file(&path)?;
        match held.try_lock() {
            Ok(()) => Ok(Lock { _held: held }),
            Err(std::fs::TryLockError::WouldBlock) => Err(Error::Locked(vault.into())),
            Err(std::fs::TryLockError::Error(e)) => Err(Error::File(path, e)),
        }
    }
}

//! What erasures left behind. In: the audit log and the store. Out: an error if anything stored is
//! not what the log says, else the backups that still hold people erased since.

use crate::audit::Action;
use crate::error::Error;
use crate::gallery::Gallery;
use crate::proof::prove;

/// What is stored, and what may be left elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureCheck {
    /// People stored, each with an enrolment in the log and no erasure after it.
    pub people: usize,
    /// Their examples.
    pub faces: usize,
    /// Bytes outside the tables that may hold something erased; 0 unless another process uses the
    /// store just now.
    pub wal_bytes: u64,
    /// Times (UTC, ms since 1970) of backups made before a later erasure; they still hold that
    /// person.
    pub copies_ms: Vec<i64>,
}

impl Gallery {
    /// Proves from the log that everybody erased is gone from the store, that everybody else is
    /// there as they were enrolled, and overwrites what the erased left.
    ///
    /// # Errors
    /// [`Error::Remains`] naming a person who should not be there; [`Error::Tampered`] naming
    /// anything else that is not as it was written; [`Error::Chain`].
    pub fn verify_erased(&self) -> Result<ErasureCheck, Error> {
        self.flush()?;
        let (mut copies, mut outdated) = (Vec::new(), Vec::new());
        self.verify_audit(|e| match e.action {
            Action::Erase | Action::Expire | Action::EraseFace | Action::ExpireFace => {
                outdated.append(&mut copies);
            }
            Action::Backup => copies.push(e.at_ms),
            _ => {}
        })?;
        prove(&*self.store)?;
        self.scrub()?;
        let stored = self.store.inventory()?;
        Ok(ErasureCheck {
            people: stored.n_people,
            faces: stored.n_examples,
            wal_bytes: stored.unscrubbed_bytes,
            copies_ms: outdated,
        })
    }
}

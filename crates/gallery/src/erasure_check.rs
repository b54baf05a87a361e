//! What erasures left behind. In: the audit log and the store. Out: an error if a person is stored
//! whom the log records as erased, else the backups that still hold people erased since.

use std::collections::BTreeMap;

use crate::audit::Action;
use crate::error::Error;
use crate::gallery::Gallery;

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
    /// Proves from the log that everybody erased is gone from the store, and overwrites what they
    /// left.
    ///
    /// # Errors
    /// [`Error::Remains`] naming a person who should not be there; [`Error::Chain`].
    pub fn verify_erased(&self) -> Result<ErasureCheck, Error> {
        let (mut kept, mut copies, mut outdated) = (BTreeMap::new(), Vec::new(), Vec::new());
        self.verify_audit(|e| match e.action {
            Action::Enrol => drop(kept.insert(e.subject, e.service)),
            Action::Erase | Action::Expire => {
                if e.subject == 0 {
                    kept.retain(|_, service| *service != e.service);
                } else {
                    kept.remove(&e.subject);
                }
                outdated.append(&mut copies);
            }
            Action::EraseFace => outdated.append(&mut copies),
            Action::Backup => copies.push(e.at_ms),
            _ => {}
        })?;
        self.scrub()?;
        let stored = self.store.inventory()?;
        let erased = stored.people.iter().find(|id| !kept.contains_key(id));
        if let Some(number) = erased {
            return Err(Error::Remains { number: *number });
        }
        Ok(ErasureCheck {
            people: stored.n_people,
            faces: stored.n_examples,
            wal_bytes: stored.unscrubbed_bytes,
            copies_ms: outdated,
        })
    }
}

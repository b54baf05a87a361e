//! What erasing left. In: the audit log and the file. Out: that nobody is in the file whom the log says is erased, and
//! which copies are out of reach.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::Action;
use crate::error::Error;
use crate::store::Vault;

/// What the file holds, and what it may have left elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureCheck {
    /// People in the file, each with an enrolment in the log and no erasure after it.
    pub people: usize,
    /// Their examples.
    pub faces: usize,
    /// Bytes of the write-ahead log; 0 unless another process works with the vault just now.
    pub wal_bytes: u64,
    /// When copies were made, in milliseconds since 1970, that still hold people erased since.
    pub copies_ms: Vec<i64>,
}

impl Vault {
    /// Proves from the log that everybody erased is gone from the file, and empties the write-ahead log.
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
        let db = self.db();
        self.flush(&db)?;
        let ids = |query: &str| -> Result<BTreeSet<i64>, Error> {
            let mut rows = db.prepare(query)?;
            let ids = rows.query_map([], |r| r.get(0))?;
            Ok(ids.collect::<Result<_, _>>()?)
        };
        let people = ids("SELECT id FROM subject")?;
        let owners = ids("SELECT subject FROM example")?;
        let erased = people.union(&owners).find(|id| !kept.contains_key(id));
        if let Some(number) = erased {
            return Err(Error::Remains { number: *number });
        }
        let faces: i64 = db.query_row("SELECT count(*) FROM example", [], |r| r.get(0))?;
        let wal = format!("{}-wal", db.path().unwrap_or_default());
        Ok(ErasureCheck {
            people: people.len(),
            faces: usize::try_from(faces).unwrap_or_default(),
            wal_bytes: std::fs::metadata(wal).map_or(0, |m| m.len()),
            copies_ms: outdated,
        })
    }
}

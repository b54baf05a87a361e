//! The proof of a whole store. In: a store. Out: an error naming what is not as it was written, or
//! not as the audit log says.

use crate::error::Error;
use crate::ledger::Ledger;
use crate::store::{Row, Store};

impl Ledger {
    /// Takes a row that is stored.
    pub(crate) fn add_row(&mut self, row: &Row) -> Result<(), Error> {
        match row {
            Row::Service(stored) => self.add_service(stored.service.id),
            Row::Person {
                service,
                person,
                revision,
            } => self.add_person(*service, person.number, *revision),
            Row::Example(example) => {
                if !self.add_face(example.person) {
                    let what = format!("face {} belongs to nobody", example.id);
                    return Err(Error::Tampered(what));
                }
            }
        }
        Ok(())
    }
}

/// Proves a whole store: every row, every image, the audit log, and that they say the same.
pub(crate) fn prove(store: &dyn Store) -> Result<(), Error> {
    let mut stored = Ledger::default();
    let loaded = store.load(&mut |row| stored.add_row(&row))?;
    let log = loaded.log.map_err(|seq| Error::Chain { seq })?;
    stored.compare(&log)?;
    store.verify_images()
}

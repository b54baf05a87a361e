//! The rows of a sealed store. In: rows as they are written, sealed. Out: the same. Whatever is
//! sealed, summed and proved (`sealed.rs`) is the same for every database behind this trait.

use super::Inventory;
use super::rows::{ExampleRow, ServiceRow, SubjectRow};
use crate::error::Error;

/// An entry of the audit log as it is stored.
pub(super) struct AuditRow {
    pub(super) seq: i64,
    pub(super) at_ms: i64,
    pub(super) sealed: Vec<u8>,
    pub(super) hash: Vec<u8>,
}

/// What takes rows one by one; its first error ends the reading.
pub(super) type Each<'a, T> = &'a mut dyn FnMut(T) -> Result<(), Error>;

/// What takes entries of the audit log, `None` for one that is none, until it says `false`.
pub(super) type EachEntry<'a> = &'a mut dyn FnMut(Option<AuditRow>) -> Result<bool, Error>;

/// The tables, within a transaction or as of one instant. Every call may fail with
/// [`Error::Database`], and those that read rows with [`Error::Tampered`] for one of another kind.
pub(super) trait Tables {
    fn read_head(&self, name: &str) -> Result<Option<Vec<u8>>, Error>;
    fn write_head(&self, name: &str, value: &[u8]) -> Result<(), Error>;

    /// In the order of their numbers.
    fn services(&self, each: Each<'_, ServiceRow>) -> Result<(), Error>;
    fn service(&self, id: i64) -> Result<Option<ServiceRow>, Error>;
    /// Adds one without terms; its number was never used before.
    fn add_service(
        &self,
        kind: i64,
        key_hash: &[u8; 32],
        keep_days: Option<i64>,
    ) -> Result<i64, Error>;
    fn set_terms(&self, id: i64, terms: &[u8]) -> Result<(), Error>;
    fn remove_service(&self, id: i64) -> Result<(), Error>;

    /// In the order of their numbers.
    fn people(&self, each: Each<'_, SubjectRow>) -> Result<(), Error>;
    fn person(&self, number: i64) -> Result<Option<SubjectRow>, Error>;
    fn numbers_of(&self, service: i64) -> Result<Vec<i64>, Error>;
    /// Adds one without name and consent; the number was never used before.
    fn add_person(&self, service: i64) -> Result<i64, Error>;
    /// Writes name, consent and its end.
    fn set_person(&self, row: &SubjectRow) -> Result<(), Error>;
    /// Removes a person with all examples.
    fn remove_person(&self, number: i64) -> Result<(), Error>;

    /// In the order in which they were added, with the bytes of each image.
    fn examples(&self, each: Each<'_, (ExampleRow, Option<i64>)>) -> Result<(), Error>;
    fn example(&self, id: &[u8; 16]) -> Result<Option<ExampleRow>, Error>;
    fn examples_of(&self, number: i64) -> Result<Vec<ExampleRow>, Error>;
    fn add_example(&self, row: &ExampleRow, image: &[u8]) -> Result<(), Error>;
    /// Writes all of it but the image.
    fn set_example(&self, row: &ExampleRow) -> Result<(), Error>;
    fn remove_example(&self, id: &[u8; 16]) -> Result<(), Error>;
    /// An example with its image.
    fn image(&self, id: &[u8; 16]) -> Result<Option<(ExampleRow, Vec<u8>)>, Error>;
    /// As [`Tables::examples`], with the images.
    fn images(&self, each: Each<'_, (ExampleRow, Vec<u8>)>) -> Result<(), Error>;

    /// Position and hash of the newest entry.
    fn newest_entry(&self) -> Result<Option<(i64, Vec<u8>)>, Error>;
    fn entry_hash(&self, seq: i64) -> Result<Option<Vec<u8>>, Error>;
    /// Entries after a position, in their order.
    fn entries(&self, after: i64, each: EachEntry<'_>) -> Result<(), Error>;
    fn add_entry(&self, entry: &AuditRow) -> Result<(), Error>;
    /// Removes the entries up to a position: how many.
    fn remove_entries(&self, until: i64) -> Result<i64, Error>;

    /// Who and how many are there; nothing of bytes elsewhere.
    fn inventory(&self) -> Result<Inventory, Error>;
}

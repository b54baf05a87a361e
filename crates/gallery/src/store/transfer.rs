//! A gallery from one database to another. In: tables with rows, and tables without. Out: the same
//! rows, byte by byte: what is sealed is sealed with the same data key, and stays proved by the
//! same state and the same chain.

use super::rows::{ExampleRow, ServiceRow, SubjectRow};
use super::state::INDEX;
use super::tables::{AuditRow, Each, Tables};
use crate::error::Error;

/// Tables that can be copied whole.
pub(super) trait Copied: Tables {
    fn heads(&self, each: Each<'_, (String, Vec<u8>)>) -> Result<(), Error>;

    /// Adds a whole row, under its own number.
    fn put_service(&self, row: &ServiceRow) -> Result<(), Error>;
    /// As [`Copied::put_service`].
    fn put_person(&self, row: &SubjectRow) -> Result<(), Error>;
    /// Adds rows with their images, in this order.
    fn put_examples(&self, rows: &[(ExampleRow, Vec<u8>)]) -> Result<(), Error> {
        rows.iter()
            .try_for_each(|(row, image)| self.add_example(row, image))
    }
    fn put_entries(&self, entries: &[AuditRow]) -> Result<(), Error> {
        entries.iter().try_for_each(|entry| self.add_entry(entry))
    }
    /// The highest numbers that a service and a person ever had.
    fn last_numbers(&self) -> Result<[i64; 2], Error>;
    fn set_last_numbers(&self, numbers: [i64; 2]) -> Result<(), Error>;
}

/// Rows that are written together.
const BATCH: usize = 256;
/// Bytes of them.
const BATCH_BYTES: usize = 16 << 20;

/// Copies everything into empty tables, within a transaction of them.
pub(super) fn copy(from: &dyn Copied, to: &dyn Copied) -> Result<(), Error> {
    from.heads(&mut |(name, value)| match &name[..] {
        INDEX => Ok(()),
        _ => to.write_head(&name, &value),
    })?;
    from.services(&mut |row| to.put_service(&row))?;
    from.people(&mut |row| to.put_person(&row))?;
    let (mut rows, mut n_bytes) = (Vec::new(), 0);
    let put = |rows: &mut Vec<(ExampleRow, Vec<u8>)>| {
        to.put_examples(rows)?;
        rows.clear();
        Ok(())
    };
    from.images(&mut |(row, image)| {
        n_bytes += image.len() + row.record.len();
        rows.push((row, image));
        if rows.len() < BATCH && n_bytes < BATCH_BYTES {
            return Ok(());
        }
        n_bytes = 0;
        put(&mut rows)
    })?;
    put(&mut rows)?;
    let mut entries: Vec<AuditRow> = Vec::new();
    from.entries(i64::MIN, &mut |entry| {
        entries.push(entry.ok_or(Error::Damaged)?);
        if entries.len() == BATCH {
            to.put_entries(&entries)?;
            entries.clear();
        }
        Ok(true)
    })?;
    to.put_entries(&entries)?;
    // Numbers of those who were removed are not used again either.
    to.set_last_numbers(from.last_numbers()?)
}

//! A gallery from one database to another. In: tables with rows, and tables without. Out: the same
//! rows, byte by byte: what is sealed is sealed with the same data key, and stays proved by the
//! same state and the same chain.

use super::rows::ExampleRow;
use super::tables::{AuditRow, Tables};
use crate::error::Error;

/// Rows that are written together.
const BATCH: usize = 256;
/// Bytes of them.
const BATCH_BYTES: usize = 16 << 20;

/// Copies everything into empty tables, within a transaction of them.
pub(super) fn copy(from: &dyn Tables, to: &dyn Tables) -> Result<(), Error> {
    from.heads(&mut |(name, value)| to.write_head(&name, &value))?;
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

//! The audit log of the sealed SQLite store. In: entries, within the transaction of what they
//! record. Out: whether all are there and unaltered. The newest hash is also sealed in the table
//! `head`, so that entries cut off the end are missed.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::audit::{Chain, Entry, Verified};
use crate::clock::now_ms;
use crate::error::Error;
use crate::seal::Sealer;

/// Name of the sealed newest hash in the table `head`, and the field it is sealed as.
const HEAD: &str = "audit head";

/// Makes the sealed end of an empty log.
pub(super) fn begin(db: &Connection, sealer: &Sealer) -> Result<(), Error> {
    let head = sealer.seal(HEAD, &0i64.to_le_bytes())?;
    db.execute("INSERT INTO head VALUES (?1, ?2)", params![HEAD, head])?;
    Ok(())
}

/// Appends an entry.
pub(super) fn append(
    chain: &Chain,
    db: &Connection,
    sealer: &Sealer,
    entry: &str,
) -> Result<(), Error> {
    let newest = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1";
    let read = |r: &Row<'_>| Ok((r.get(0)?, r.get(1)?));
    let newest: Option<(i64, Vec<u8>)> =
        db.prepare_cached(newest)?.query_row([], read).optional()?;
    let (last, before) = newest.unwrap_or_default();
    let (seq, at_ms) = (last + 1, now_ms());
    let entry = sealer.seal(&field(seq), entry.as_bytes())?;
    let hash = chain.hash(&before, seq, at_ms, &entry);
    db.prepare_cached("INSERT INTO audit VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![seq, at_ms, entry, hash])?;
    let head = sealer.seal(HEAD, &[&seq.to_le_bytes()[..], &hash].concat())?;
    db.prepare_cached("INSERT OR REPLACE INTO head VALUES (?1, ?2)")?
        .execute(params![HEAD, head])?;
    Ok(())
}

/// Reads the log from its beginning and hands each entry on.
pub(super) fn verify(
    chain: &Chain,
    db: &Connection,
    sealer: &Sealer,
    each: &mut dyn FnMut(Entry),
) -> Result<Verified, Error> {
    // One read transaction: another process may add entries meanwhile.
    let db = db.unchecked_transaction()?;
    let mut rows = db.prepare("SELECT seq, at_ms, entry, hash FROM audit ORDER BY seq")?;
    let mut rows = rows.query([])?;
    let (mut n, mut before) = (0, Vec::new());
    while let Some(row) = rows.next()? {
        let (seq, at_ms, sealed, hash): (i64, i64, Vec<u8>, Vec<u8>) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let broken = Error::Chain { seq: n + 1 };
        if seq != n + 1 || chain.hash(&before, seq, at_ms, &sealed)[..] != hash[..] {
            return Err(broken);
        }
        let plain = sealer
            .open(&field(seq), &sealed)
            .map_err(|_| Error::Chain { seq })?;
        each(Entry::parse(seq, at_ms, &plain).ok_or(broken)?);
        (n, before) = (seq, hash);
    }
    let head = "SELECT value FROM head WHERE name = ?1";
    let head: Option<Vec<u8>> = db.query_row(head, [HEAD], |r| r.get(0)).optional()?;
    let cut = Error::Chain { seq: n + 1 };
    let end = sealer.open(HEAD, &head.ok_or(cut)?)?;
    if end[..] != [&n.to_le_bytes()[..], &before].concat() {
        return Err(Error::Chain { seq: n + 1 });
    }
    Ok(Verified {
        n_entries: n,
        newest: hex::encode(before),
    })
}

fn field(seq: i64) -> String {
    format!("audit {seq}")
}

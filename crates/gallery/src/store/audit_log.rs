//! The audit log of the sealed SQLite store. In: entries, within the transaction of what they
//! record. Out: whether all are there and unaltered, and what they say is stored. The newest hash
//! is in the sealed state of the file, so that entries cut off the end are missed.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::state::{State, read_head, take, write_head};
use super::{Ledger, Noted};
use crate::audit::{Chain, Entry, Verified};
use crate::error::Error;
use crate::seal::Sealer;

/// Name of the sealed [`Base`] in the table `head`, and the field it is sealed as.
const BASE: &str = "audit base";

/// Where the proved part of the log begins, once earlier entries were removed or given up, and
/// what the log up to there said is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) seq: i64,
    pub(super) hash: [u8; 32],
    pub(super) ledger: Ledger,
}

impl Base {
    pub(super) fn read(db: &Connection, sealer: &Sealer) -> Result<Option<Base>, Error> {
        let Some(sealed) = read_head(db, BASE)? else {
            return Ok(None);
        };
        let plain = sealer.open(BASE, &sealed);
        let plain = plain.map_err(|_| Error::Chain { seq: 1 })?;
        let parse = |mut rest: &[u8]| {
            Some(Base {
                seq: i64::from_le_bytes(take(&mut rest)?),
                hash: take(&mut rest)?,
                ledger: Ledger::from_bytes(rest)?,
            })
        };
        parse(&plain).map(Some).ok_or(Error::Chain { seq: 1 })
    }

    pub(super) fn write(&self, db: &Connection, sealer: &Sealer) -> Result<(), Error> {
        let ledger = self.ledger.to_bytes();
        let plain = [&self.seq.to_le_bytes()[..], &self.hash, &ledger].concat();
        write_head(db, BASE, &sealer.seal(BASE, &plain)?)
    }
}

/// Compares the newest entry with the sealed state: a log that was cut or grown by somebody else
/// must not go on as if nothing had happened.
pub(super) fn check_end(db: &Connection, state: &State) -> Result<(), Error> {
    let newest = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1";
    let read = |r: &Row<'_>| Ok((r.get(0)?, r.get(1)?));
    let newest: Option<(i64, Vec<u8>)> =
        db.prepare_cached(newest)?.query_row([], read).optional()?;
    let (seq, hash) = newest.unwrap_or((0, vec![0; 32]));
    if seq == state.seq && hash[..] == state.hash {
        return Ok(());
    }
    let seq = if seq == state.seq {
        seq
    } else {
        seq.min(state.seq) + 1
    };
    Err(Error::Chain { seq })
}

/// Appends an entry to a log whose end was compared.
pub(super) fn append(
    chain: &Chain,
    db: &Connection,
    sealer: &Sealer,
    state: &mut State,
    entry: &Noted,
) -> Result<(), Error> {
    let (seq, at_ms) = (state.seq + 1, entry.at_ms);
    let text = Entry::text(entry.action, entry.service, entry.person, entry.count);
    let sealed = sealer.seal(&field(seq), text.as_bytes())?;
    let hash = chain.hash(before(state.seq, &state.hash), seq, at_ms, &sealed);
    db.prepare_cached("INSERT INTO audit VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![seq, at_ms, sealed, hash])?;
    (state.seq, state.hash) = (seq, hash);
    Ok(())
}

/// The hash that the entry after `seq` goes on from: nothing before the first.
fn before(seq: i64, hash: &[u8; 32]) -> &[u8] {
    if seq == 0 { &[] } else { hash }
}

/// An entry as it is in the file.
struct Stored {
    seq: i64,
    at_ms: i64,
    sealed: Vec<u8>,
    hash: Vec<u8>,
}

impl Stored {
    fn read(row: &Row<'_>) -> rusqlite::Result<Stored> {
        Ok(Stored {
            seq: row.get(0)?,
            at_ms: row.get(1)?,
            sealed: row.get(2)?,
            hash: row.get(3)?,
        })
    }

    /// The entry, if it goes on from `before`.
    fn open(&self, chain: &Chain, sealer: &Sealer, before: Option<&[u8]>) -> Option<Entry> {
        let hash = <[u8; 32]>::try_from(&self.hash[..]).ok()?;
        let goes_on = |before| chain.hash(before, self.seq, self.at_ms, &self.sealed) == hash;
        if !before.is_none_or(goes_on) {
            return None;
        }
        let plain = sealer.open(&field(self.seq), &self.sealed).ok()?;
        Entry::parse(self.seq, self.at_ms, &plain, hash)
    }
}

const ENTRIES: &str = "SELECT seq, at_ms, entry, hash FROM audit WHERE seq > ?1 ORDER BY seq";

/// Reads the proved part of the log within a read transaction and hands each entry on, with what
/// the log up to it says is stored.
pub(super) fn verify(
    chain: &Chain,
    db: &Connection,
    sealer: &Sealer,
    end: &State,
    each: &mut dyn FnMut(&Entry, &Ledger),
) -> Result<(Verified, Ledger), Error> {
    let base = Base::read(db, sealer)?;
    // Without a base no row may be there that is not proved, whatever its position.
    let after = base.as_ref().map_or(i64::MIN, |base| base.seq);
    let base = base.unwrap_or(Base {
        seq: 0,
        hash: [0; 32],
        ledger: Ledger::default(),
    });
    let mut query = db.prepare(ENTRIES)?;
    let mut rows = query.query([after])?;
    let (mut last, mut hash, mut ledger) = (base.seq, base.hash, base.ledger);
    while let Some(row) = rows.next()? {
        let broken = Error::Chain { seq: last + 1 };
        let Ok(stored) = Stored::read(row) else {
            return Err(broken);
        };
        if stored.seq != last + 1 {
            return Err(broken);
        }
        let entry = stored.open(chain, sealer, Some(before(last, &hash)));
        let entry = entry.ok_or(broken)?;
        (last, hash) = (entry.seq, entry.hash);
        ledger.apply(&entry);
        each(&entry, &ledger);
    }
    if (last, hash) != (end.seq, end.hash) {
        return Err(Error::Chain { seq: last + 1 });
    }
    let verified = Verified {
        n_entries: last - base.seq,
        first: base.seq + 1,
        newest: if last == 0 {
            String::new()
        } else {
            hex::encode(hash)
        },
    };
    Ok((verified, ledger))
}

/// Entries after a position, each compared with the one before it where that is there. Of those
/// that somebody decided to go on without, the ones that can be read.
pub(super) fn page(
    chain: &Chain,
    db: &Connection,
    sealer: &Sealer,
    after: i64,
    limit: usize,
    service: Option<i64>,
) -> Result<Vec<Entry>, Error> {
    let base = Base::read(db, sealer)?;
    let base = base.map_or((0, Vec::new()), |base| (base.seq, base.hash.to_vec()));
    let sql = "SELECT hash FROM audit WHERE seq = ?1";
    let known: Option<Vec<u8>> = db.query_row(sql, [after], |r| r.get(0)).optional()?;
    let mut before = known.map(|hash| (after, hash));
    let mut query = db.prepare(ENTRIES)?;
    let mut rows = query.query([after])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()?
        && found.len() < limit
    {
        let stored = Stored::read(row)?;
        let proved = stored.seq > base.0;
        let from = match &before {
            _ if !proved => None,
            _ if stored.seq == base.0 + 1 => Some(&base.1[..]),
            Some((seq, hash)) if stored.seq == seq + 1 => Some(&hash[..]),
            _ => None,
        };
        match stored.open(chain, sealer, from) {
            Some(entry) if service.is_none_or(|service| entry.service == service) => {
                found.push(entry);
            }
            None if proved => return Err(Error::Chain { seq: stored.seq }),
            _ => {}
        }
        before = Some((stored.seq, stored.hash));
    }
    Ok(found)
}

/// Removes the entries before a time, within a transaction, and keeps what they say: how many.
pub(super) fn prune(
    chain: &Chain,
    db: &Connection,
    sealer: &Sealer,
    state: &State,
    before_ms: i64,
) -> Result<i64, Error> {
    let (mut base, mut all_older) = (None, true);
    verify(chain, db, sealer, state, &mut |entry, ledger| {
        all_older &= entry.at_ms < before_ms && entry.seq < state.seq;
        // A merge and the erasure that ends it stay together.
        if all_older && !ledger.is_merging() {
            base = Some(Base {
                seq: entry.seq,
                hash: entry.hash,
                ledger: ledger.clone(),
            });
        }
    })?;
    let Some(base) = base else {
        return Ok(0);
    };
    base.write(db, sealer)?;
    let n = db.execute("DELETE FROM audit WHERE seq <= ?1", [base.seq])?;
    Ok(i64::try_from(n).unwrap_or(i64::MAX))
}

fn field(seq: i64) -> String {
    format!("audit {seq}")
}

//! The audit log of a sealed store. In: entries, within the transaction of what they
//! record. Out: whether all are there and unaltered, and what they say is stored. The newest hash
//! is in the sealed state of the store, so that entries cut off the end are missed.

use super::keys::Keys;
use super::state::{State, take};
use super::tables::{AuditRow, Tables};
use super::{Ledger, Noted};
use crate::audit::{Entry, Verified};
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
    pub(super) fn read(tables: &dyn Tables, sealer: &Sealer) -> Result<Option<Base>, Error> {
        let Some(sealed) = tables.read_head(BASE)? else {
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

    pub(super) fn write(&self, tables: &dyn Tables, sealer: &Sealer) -> Result<(), Error> {
        let ledger = self.ledger.to_bytes();
        let plain = [&self.seq.to_le_bytes()[..], &self.hash, &ledger].concat();
        tables.write_head(BASE, &sealer.seal(BASE, &plain)?)
    }
}

/// Compares the newest entry with the sealed state: a log that was cut or grown by somebody else
/// must not go on as if nothing had happened.
pub(super) fn check_end(tables: &dyn Tables, state: &State) -> Result<(), Error> {
    let (seq, hash) = tables.newest_entry()?.unwrap_or((0, vec![0; 32]));
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
    tables: &dyn Tables,
    keys: &Keys,
    state: &mut State,
    entry: &Noted,
) -> Result<(), Error> {
    let (seq, at_ms) = (state.seq + 1, entry.at_ms);
    let text = Entry::text(entry.action, entry.service, entry.person, entry.count);
    let sealed = keys.sealer.seal(&field(seq), text.as_bytes())?;
    let hash = keys
        .chain
        .hash(before(state.seq, &state.hash), seq, at_ms, &sealed);
    tables.add_entry(&AuditRow {
        seq,
        at_ms,
        sealed,
        hash: hash.to_vec(),
    })?;
    (state.seq, state.hash) = (seq, hash);
    Ok(())
}

/// The hash that the entry after `seq` goes on from: nothing before the first.
fn before(seq: i64, hash: &[u8; 32]) -> &[u8] {
    if seq == 0 { &[] } else { hash }
}

impl AuditRow {
    /// The entry, if it goes on from `before`.
    fn open(&self, keys: &Keys, before: Option<&[u8]>) -> Option<Entry> {
        let hash = <[u8; 32]>::try_from(&self.hash[..]).ok()?;
        let chain = &keys.chain;
        let goes_on = |before| chain.hash(before, self.seq, self.at_ms, &self.sealed) == hash;
        if !before.is_none_or(goes_on) {
            return None;
        }
        let plain = keys.sealer.open(&field(self.seq), &self.sealed).ok()?;
        Entry::parse(self.seq, self.at_ms, &plain, hash)
    }
}

/// Reads the proved part of the log, as of one instant, and hands each entry on, with what the log
/// up to it says is stored.
pub(super) fn verify(
    tables: &dyn Tables,
    keys: &Keys,
    end: &State,
    each: &mut dyn FnMut(&Entry, &Ledger),
) -> Result<(Verified, Ledger), Error> {
    let base = Base::read(tables, &keys.sealer)?;
    // Without a base no row may be there that is not proved, whatever its position.
    let after = base.as_ref().map_or(i64::MIN, |base| base.seq);
    let base = base.unwrap_or(Base {
        seq: 0,
        hash: [0; 32],
        ledger: Ledger::default(),
    });
    let (mut last, mut hash, mut ledger) = (base.seq, base.hash, base.ledger);
    tables.entries(after, &mut |row| {
        let next = last + 1;
        let entry = row
            .filter(|row| row.seq == next)
            .and_then(|row| row.open(keys, Some(before(last, &hash))));
        let entry = entry.ok_or(Error::Chain { seq: next })?;
        (last, hash) = (entry.seq, entry.hash);
        ledger.apply(&entry);
        each(&entry, &ledger);
        Ok(true)
    })?;
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
    tables: &dyn Tables,
    keys: &Keys,
    after: i64,
    limit: usize,
    service: Option<i64>,
) -> Result<Vec<Entry>, Error> {
    let base = Base::read(tables, &keys.sealer)?;
    let base = base.map_or((0, Vec::new()), |base| (base.seq, base.hash.to_vec()));
    let mut before = tables.entry_hash(after)?.map(|hash| (after, hash));
    let mut found = Vec::new();
    if limit == 0 {
        return Ok(found);
    }
    tables.entries(after, &mut |row| {
        let row = row.ok_or(Error::Damaged)?;
        let proved = row.seq > base.0;
        let from = match &before {
            _ if !proved => None,
            _ if row.seq == base.0 + 1 => Some(&base.1[..]),
            Some((seq, hash)) if row.seq == seq + 1 => Some(&hash[..]),
            _ => None,
        };
        match row.open(keys, from) {
            Some(entry) if service.is_none_or(|service| entry.service == service) => {
                found.push(entry);
            }
            None if proved => return Err(Error::Chain { seq: row.seq }),
            _ => {}
        }
        before = Some((row.seq, row.hash));
        Ok(found.len() < limit)
    })?;
    Ok(found)
}

/// Removes the entries before a time, within a transaction, and keeps what they say: how many.
pub(super) fn prune(
    tables: &dyn Tables,
    keys: &Keys,
    state: &State,
    before_ms: i64,
) -> Result<i64, Error> {
    let (mut base, mut all_older) = (None, true);
    verify(tables, keys, state, &mut |entry, ledger| {
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
    base.write(tables, &keys.sealer)?;
    tables.remove_entries(base.seq)
}

fn field(seq: i64) -> String {
    format!("audit {seq}")
}

//! Who did what, in a chain. In: entries, in the transaction of what they record. Out: whether nothing was altered since.
//! Each entry carries a keyed hash over itself and the hash before it; the newest is also sealed in the head, so that
//! entries cut off the end are missed. Entries name people by number, so erasing a person leaves no name behind.

use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::Error;
use crate::seal::Sealer;

pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS audit (
    seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, entry BLOB NOT NULL, hash BLOB NOT NULL) STRICT;";

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A service and its key were made, or removed where the count is -1.
    Key,
    /// A face was enrolled, or a person made or renamed.
    Enrol,
    /// Faces were compared with enrolled people.
    Identify,
    /// Two images were compared with each other.
    Compare,
    /// An enrolled image was handed out.
    Export,
    /// A person was erased on request; all of a service where no person is named.
    Erase,
    /// One example was erased on request; the person stays.
    EraseFace,
    /// A person was erased because the consent ended.
    Expire,
    /// A copy of the vault was written.
    Backup,
    /// The vault's key was changed.
    Rekey,
}

const ACTIONS: [(Action, &str); 10] = [
    (Action::Key, "key"),
    (Action::Enrol, "enrol"),
    (Action::Identify, "identify"),
    (Action::Compare, "compare"),
    (Action::Export, "export"),
    (Action::Erase, "erase"),
    (Action::EraseFace, "erase-face"),
    (Action::Expire, "expire"),
    (Action::Backup, "backup"),
    (Action::Rekey, "rekey"),
];

impl Action {
    /// The word that stands for it.
    pub fn name(self) -> &'static str {
        ACTIONS
            .iter()
            .find(|(a, _)| *a == self)
            .map_or("", |(_, n)| n)
    }
}

/// One entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the chain, from 1.
    pub seq: i64,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// What.
    pub action: Action,
    /// The service whose key was used; 0 for the command line.
    pub service: i64,
    /// The person's number; 0 if there is not one person.
    pub subject: i64,
    /// How many faces or examples.
    pub count: i64,
}

/// What the chain proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Entries, all in place and unaltered.
    pub n_entries: i64,
    /// The newest entry's hash, in hexadecimal. Whoever noted an earlier one elsewhere can tell that the whole file was
    /// not put back to an older state.
    pub newest: String,
}

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

/// The key of the chain and the sealer of its entries.
pub(crate) struct Chain {
    pub(crate) key: [u8; 32],
}

impl Chain {
    fn hash(&self, before: &[u8], seq: i64, at_ms: i64, entry: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(before);
        hasher.update(&seq.to_le_bytes());
        hasher.update(&at_ms.to_le_bytes());
        hasher.update(entry);
        *hasher.finalize().as_bytes()
    }

    /// Adds an entry; call it inside the transaction of what it records.
    pub(crate) fn add(
        &self,
        db: &Connection,
        sealer: &Sealer,
        action: Action,
        (service, subject, count): (i64, i64, i64),
    ) -> Result<(), Error> {
        let newest = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1";
        let read = |r: &Row<'_>| Ok((r.get(0)?, r.get(1)?));
        let newest: Option<(i64, Vec<u8>)> =
            db.prepare_cached(newest)?.query_row([], read).optional()?;
        let (last, before) = newest.unwrap_or_default();
        let (seq, at_ms) = (last + 1, now_ms());
        let plain = format!("{} {service} {subject} {count}", action.name());
        let entry = sealer.seal(&format!("audit {seq}"), plain.as_bytes())?;
        let hash = self.hash(&before, seq, at_ms, &entry);
        db.prepare_cached("INSERT INTO audit VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![seq, at_ms, entry, hash])?;
        let head = sealer.seal("audit head", &[&seq.to_le_bytes()[..], &hash].concat())?;
        db.prepare_cached("INSERT OR REPLACE INTO head VALUES ('audit head', ?1)")?
            .execute([head])?;
        Ok(())
    }

    /// Reads the chain from its beginning and hands each entry on.
    pub(crate) fn verify(
        &self,
        db: &Connection,
        sealer: &Sealer,
        mut each: impl FnMut(Entry),
    ) -> Result<Verified, Error> {
        // One read transaction: a server may add entries meanwhile.
        let db = db.unchecked_transaction()?;
        let mut rows = db.prepare("SELECT seq, at_ms, entry, hash FROM audit ORDER BY seq")?;
        let mut rows = rows.query([])?;
        let (mut n, mut before) = (0, Vec::new());
        while let Some(row) = rows.next()? {
            let (seq, at_ms, sealed, hash): (i64, i64, Vec<u8>, Vec<u8>) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            let broken = Error::Chain { seq: n + 1 };
            if seq != n + 1 || self.hash(&before, seq, at_ms, &sealed)[..] != hash[..] {
                return Err(broken);
            }
            let plain = sealer
                .open(&format!("audit {seq}"), &sealed)
                .map_err(|_| Error::Chain { seq })?;
            each(read(seq, at_ms, &plain).ok_or(broken)?);
            (n, before) = (seq, hash);
        }
        let head = "SELECT value FROM head WHERE name = 'audit head'";
        let head: Option<Vec<u8>> = db.query_row(head, [], |r| r.get(0)).optional()?;
        let cut = Error::Chain { seq: n + 1 };
        let end = sealer.open("audit head", &head.ok_or(cut)?)?;
        if end[..] != [&n.to_le_bytes()[..], &before].concat() {
            return Err(Error::Chain { seq: n + 1 });
        }
        Ok(Verified {
            n_entries: n,
            newest: before.iter().map(|b| format!("{b:02x}")).collect(),
        })
    }
}

/// Makes the sealed end of an empty log.
pub(crate) fn begin(db: &Connection, sealer: &Sealer) -> Result<(), Error> {
    let head = sealer.seal("audit head", &0i64.to_le_bytes())?;
    db.execute("INSERT INTO head VALUES ('audit head', ?1)", [head])?;
    Ok(())
}

fn read(seq: i64, at_ms: i64, plain: &[u8]) -> Option<Entry> {
    let mut words = std::str::from_utf8(plain).ok()?.split(' ');
    let name = words.next()?;
    let (action, _) = ACTIONS.iter().find(|(_, n)| *n == name)?;
    let mut number = || words.next()?.parse().ok();
    Some(Entry {
        seq,
        at_ms,
        action: *action,
        service: number()?,
        subject: number()?,
        count: number()?,
    })
}

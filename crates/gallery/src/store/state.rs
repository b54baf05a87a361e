//! The sealed head of a store. In: what each transaction leaves behind. Out: the end of the audit
//! log, a sum over all rows, and what is known of the clock, as they were after the newest
//! transaction; so that a row or an entry that was altered, removed, planted or put back is missed.
//!
//! The sum is a multiset hash (MSet-Add-Hash of Clarke et al., 2003): the keyed hashes of all rows,
//! added. It changes with a row in constant time, and is sealed, so that it can be neither read nor
//! aimed at without the key.

use super::rows::Table;
use super::tables::Tables;
use crate::clock::ClockMark;
use crate::error::Error;
use crate::seal::Sealer;

/// Name in the table `head`, and the field it is sealed as.
pub(super) const STATE: &str = "state";
/// The same of the API keys.
pub(super) const KEY_RING: &str = "keys";
/// The same of what is known of an index, which one database has and its copies have not.
#[cfg(feature = "postgres")]
pub(super) const INDEX: &str = "index";
const VERSION: u8 = 1;

/// Sum of the hashes of a table's rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct RowSum([u64; 4]);

impl RowSum {
    pub(super) fn add(&mut self, hash: &[u8; 32]) {
        self.each(hash, u64::wrapping_add);
    }

    pub(super) fn subtract(&mut self, hash: &[u8; 32]) {
        self.each(hash, u64::wrapping_sub);
    }

    fn each(&mut self, hash: &[u8; 32], combine: fn(u64, u64) -> u64) {
        let (words, _) = hash.as_chunks::<8>();
        for (sum, word) in self.0.iter_mut().zip(words) {
            *sum = combine(*sum, u64::from_le_bytes(*word));
        }
    }
}

/// What the newest transaction left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Position of the newest entry of the audit log.
    pub(super) seq: i64,
    /// Its hash; zeros before the first.
    pub(super) hash: [u8; 32],
    pub(super) sums: [RowSum; 3],
    pub(super) clock: Option<ClockMark>,
    /// Keyed hash of the sealed API keys; zeros if there are none.
    pub(super) keys: [u8; 32],
    /// How many transactions changed rows, where several processes have to follow each other; 0
    /// where none has to.
    pub(super) version: i64,
}

impl State {
    pub(super) fn sum(&mut self, table: Table) -> &mut RowSum {
        &mut self.sums[table as usize]
    }

    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.seq.to_le_bytes());
        bytes.extend(self.hash);
        for word in self.sums.iter().flat_map(|sum| sum.0) {
            bytes.extend(word.to_le_bytes());
        }
        if let Some(mark) = self.clock {
            bytes.extend(mark.trusted_ms.to_le_bytes());
            bytes.extend(mark.doubt_ms.unwrap_or(i64::MIN).to_le_bytes());
        }
        if self.keys != [0; 32] {
            bytes.extend(self.keys);
        }
        if self.version != 0 {
            bytes.extend(self.version.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<State> {
        let (version, mut rest) = bytes.split_first()?;
        if *version != VERSION {
            return None;
        }
        let mut state = State {
            seq: i64::from_le_bytes(take(&mut rest)?),
            hash: take(&mut rest)?,
            ..State::default()
        };
        for sum in &mut state.sums {
            for word in &mut sum.0 {
                *word = u64::from_le_bytes(take(&mut rest)?);
            }
        }
        // The mark has 16 bytes, the hash 32 and the version 8, and each may be missing.
        if rest.len() % 16 == 8 {
            let (before, version) = rest.split_last_chunk()?;
            state.version = i64::from_le_bytes(*version);
            rest = before;
        }
        if rest.len() % 32 == 16 {
            let trusted_ms = i64::from_le_bytes(take(&mut rest)?);
            let doubt_ms = Some(i64::from_le_bytes(take(&mut rest)?)).filter(|d| *d != i64::MIN);
            state.clock = Some(ClockMark {
                trusted_ms,
                doubt_ms,
            });
        }
        if !rest.is_empty() {
            state.keys = take(&mut rest)?;
        }
        rest.is_empty().then_some(state)
    }

    /// The state as it is stored.
    pub(super) fn read(tables: &dyn Tables, sealer: &Sealer) -> Result<State, Error> {
        State::open(tables.read_head(STATE)?, sealer)
    }

    /// The state in the head of that name.
    pub(super) fn open(sealed: Option<Vec<u8>>, sealer: &Sealer) -> Result<State, Error> {
        let missing = || Error::Tampered("the sealed head of the vault is not its own".into());
        let plain = sealer.open(STATE, &sealed.ok_or_else(missing)?);
        let plain = plain.map_err(|_| missing())?;
        State::from_bytes(&plain).ok_or_else(missing)
    }

    /// Stores it, within the transaction that it is about.
    pub(super) fn write(&self, tables: &dyn Tables, sealer: &Sealer) -> Result<(), Error> {
        tables.write_head(STATE, &sealer.seal(STATE, &self.to_bytes())?)
    }
}

/// The next bytes of a record.
pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_as_it_was_written_and_a_sum_forgets_what_is_subtracted() {
        let mut sum = RowSum::default();
        for byte in [1, 2, 250] {
            sum.add(&[byte; 32]);
        }
        sum.subtract(&[2; 32]);
        let mut other = RowSum::default();
        other.add(&[250; 32]);
        other.add(&[1; 32]);
        assert_eq!(sum, other);
        for (doubt_ms, keys, version) in [(None, [0; 32], 0), (Some(-3), [4; 32], 9)] {
            let state = State {
                keys,
                version,
                seq: 7,
                hash: [9; 32],
                sums: [sum, RowSum::default(), other],
                clock: Some(ClockMark {
                    trusted_ms: 5,
                    doubt_ms,
                }),
            };
            assert_eq!(State::from_bytes(&state.to_bytes()), Some(state));
            let state = State {
                clock: None,
                ..state
            };
            assert_eq!(State::from_bytes(&state.to_bytes()), Some(state));
        }
        assert_eq!(State::from_bytes(&[1, 2, 3]), None);
    }
}

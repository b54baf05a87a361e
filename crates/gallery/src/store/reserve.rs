//! Entries of the audit log while the disk is full. In: entries, and the state of the file that
//! they come after. Out: the same, after a kill too. They stand in a file beside the store whose
//! room was taken when it was opened, so that writing needs none; each is sealed and bound to its
//! place after that state, so that they count only until a transaction was committed.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::Noted;
use super::state::State;
use crate::audit::Entry;
use crate::error::Error;
use crate::private_file::private_file;
use crate::seal::Sealer;

/// Room for about 2,500 entries.
pub(super) const RESERVE_BYTES: u64 = 256 << 10;

/// The reserved file.
pub(super) struct Reserve {
    file: File,
    /// Position of the state that what is written comes after.
    after: i64,
    n_written: u64,
    end: u64,
}

impl Reserve {
    /// Takes the room, unless it is taken already; `None` where the folder cannot be written.
    pub(super) fn open(store: &Path) -> Result<Option<Reserve>, Error> {
        let path = store.with_extension("reserve");
        if path.is_symlink() {
            let why = std::io::Error::other("is a link; remove it");
            return Err(Error::File(path, why));
        }
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let Ok(file) = private_file(&path, &mut options) else {
            return Ok(None);
        };
        let mut reserve = Reserve {
            file,
            after: -1,
            n_written: 0,
            end: 0,
        };
        Ok(reserve.take_room().is_ok().then_some(reserve))
    }

    /// Zeros, not a hole: the room must be there when the disk is full.
    fn take_room(&mut self) -> std::io::Result<()> {
        let found = self.file.metadata()?.len();
        if found < RESERVE_BYTES {
            let zeros = vec![0; usize::try_from(RESERVE_BYTES - found).unwrap_or(0)];
            self.write_at(&zeros, found)?;
            self.file.sync_all()?;
        }
        Ok(())
    }

    fn write_at(&mut self, bytes: &[u8], at: u64) -> std::io::Result<()> {
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(bytes)
    }

    fn field(state: &State, n: u64) -> String {
        format!(
            "reserve {n} after {} {}",
            state.seq,
            hex::encode(state.hash)
        )
    }

    /// The entries that were written after this state.
    pub(super) fn read(&mut self, sealer: &Sealer, state: &State) -> Result<Vec<Noted>, Error> {
        let mut bytes = vec![0; RESERVE_BYTES as usize];
        let begun = self.file.seek(SeekFrom::Start(0));
        // A file that cannot be read holds nothing that could be logged.
        if begun
            .and_then(|_| self.file.read_exact(&mut bytes))
            .is_err()
        {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        (self.after, self.n_written, self.end) = (state.seq, 0, 0);
        let mut rest = &bytes[..];
        while let Some((n, after)) = rest.split_first_chunk::<4>() {
            let n = u32::from_le_bytes(*n) as usize;
            let Some((sealed, after)) = after.split_at_checked(n) else {
                break;
            };
            let field = Reserve::field(state, self.n_written);
            let Ok(plain) = sealer.open(&field, sealed) else {
                break;
            };
            found.extend(
                std::str::from_utf8(&plain)
                    .unwrap_or("")
                    .lines()
                    .filter_map(parse),
            );
            rest = after;
            self.n_written += 1;
            self.end += 4 + n as u64;
        }
        Ok(found)
    }

    /// Writes entries behind those that were written after the same state.
    pub(super) fn append(
        &mut self,
        sealer: &Sealer,
        state: &State,
        entries: &[Noted],
    ) -> Result<(), Error> {
        if self.after != state.seq {
            (self.after, self.n_written, self.end) = (state.seq, 0, 0);
        }
        let lines: Vec<String> = entries.iter().map(line).collect();
        let field = Reserve::field(state, self.n_written);
        let sealed = sealer.seal(&field, lines.join("\n").as_bytes())?;
        let frame = [&(sealed.len() as u32).to_le_bytes()[..], &sealed].concat();
        let end = self.end + frame.len() as u64;
        if end > RESERVE_BYTES {
            return Err(Error::DiskFull);
        }
        let written = self.write_at(&frame, self.end);
        written
            .and_then(|()| self.file.sync_data())
            .map_err(|_| Error::DiskFull)?;
        (self.end, self.n_written) = (end, self.n_written + 1);
        Ok(())
    }
}

fn line(e: &Noted) -> String {
    let text = Entry::text(e.action, e.service, e.person, e.count);
    format!("{} {text}", e.at_ms)
}

fn parse(line: &str) -> Option<Noted> {
    let (at_ms, text) = line.split_once(' ')?;
    let entry = Entry::parse(0, at_ms.parse().ok()?, text.as_bytes(), [0; 32])?;
    Some(Noted {
        at_ms: entry.at_ms,
        action: entry.action,
        service: entry.service,
        person: entry.subject,
        count: entry.count,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Action;

    #[test]
    fn what_was_kept_counts_after_its_own_state_alone_until_the_room_is_full() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("people.db");
        let sealer = Sealer::new(&[7; 32]);
        let state = State {
            seq: 5,
            hash: [1; 32],
            ..State::default()
        };
        let entry = |count| Noted {
            at_ms: 12,
            action: Action::Identify,
            service: 3,
            person: 0,
            count,
        };
        let mut reserve = Reserve::open(&path).unwrap().unwrap();
        assert!(reserve.read(&sealer, &state).unwrap().is_empty());
        reserve
            .append(&sealer, &state, &[entry(1), entry(2)])
            .unwrap();
        reserve.append(&sealer, &state, &[entry(3)]).unwrap();
        let mut again = Reserve::open(&path).unwrap().unwrap();
        let wanted = [entry(1), entry(2), entry(3)];
        assert_eq!(again.read(&sealer, &state).unwrap(), wanted);
        let later = State { seq: 6, ..state };
        assert!(again.read(&sealer, &later).unwrap().is_empty());
        let mut n = 0;
        while again.append(&sealer, &later, &[entry(n)]).is_ok() {
            n += 1;
        }
        assert!(n > 2000, "{n} entries");
        assert_eq!(again.read(&sealer, &later).unwrap().len(), n as usize);
        let length = std::fs::metadata(path.with_extension("reserve"))
            .unwrap()
            .len();
        assert_eq!(length, RESERVE_BYTES);
    }
}

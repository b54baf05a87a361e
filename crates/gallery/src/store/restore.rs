//! A vault from a copy. In: a copy and a secret. Out: a vault, after the copy was proved from the
//! first page to the last.

use std::fs::File;
use std::io::{Error as IoError, Read};
use std::path::Path;

use super::Store;
use super::file::{connect, is_gallery};
use super::partial_file::PartialFile;
use super::sqlite::SqliteStore;
use super::wrapping::unwrap_key;
use crate::audit::Action;
use crate::error::Error;
use crate::proof::prove;
use crate::seal::Secret;

/// The first bytes of every SQLite file.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

impl SqliteStore {
    /// Makes a vault from a copy, after everything in the copy was opened and proved.
    ///
    /// # Errors
    /// [`Error::File`] if something is at `to` already, or `from` cannot be read;
    /// [`Error::NotAGallery`] for an empty file or another program's; [`Error::WrongKey`];
    /// [`Error::Tampered`], [`Error::Chain`] and [`Error::Remains`] for a damaged copy. In each
    /// case nothing is left at `to`.
    pub fn restore(from: &Path, to: &Path, secret: &Secret) -> Result<(), Error> {
        let io = |e| Error::File(from.into(), e);
        let mut source = File::open(from).map_err(io)?;
        let found = source.metadata().map_err(io)?;
        if !found.is_file() || found.len() < MAGIC.len() as u64 {
            return Err(Error::NotAGallery(from.into()));
        }
        let mut log = from.as_os_str().to_owned();
        log.push("-wal");
        if std::fs::metadata(&log).is_ok_and(|m| m.len() > 0) {
            let why = "its write-ahead log is beside it: this is no finished copy; make a backup";
            return Err(io(IoError::other(why)));
        }
        let (partial, mut coming) = PartialFile::beside(to)?;
        let mut head = [0; MAGIC.len()];
        source.read_exact(&mut head).map_err(io)?;
        if head != *MAGIC {
            return Err(Error::NotAGallery(from.into()));
        }
        std::io::Write::write_all(&mut coming, &head)
            .and_then(|()| std::io::copy(&mut source, &mut coming))
            .and_then(|_| coming.sync_all())
            .map_err(|e| Error::File(to.into(), e))?;
        let db = connect(&partial.path)?;
        if !is_gallery(&db, from)? {
            return Err(Error::NotAGallery(from.into()));
        }
        let damaged = |what: &str| {
            let file = from.display();
            Error::Tampered(format!("{file}: pages of the copy are damaged: {what}"))
        };
        let sound = db.query_row("PRAGMA integrity_check(1)", [], |r| r.get::<_, String>(0));
        match sound {
            Ok(sound) if sound == "ok" => {}
            Ok(what) => return Err(damaged(&what)),
            Err(e) => return Err(damaged(&e.to_string())),
        }
        unwrap_key(&db, from, secret)?;
        drop(db);
        let store = SqliteStore::open_copy(&partial.path, secret)?;
        prove(&store)?;
        store.transact(&mut |t| t.log(Action::Restore, 0, 0, 1))?;
        store.close()?;
        partial.put()
    }
}

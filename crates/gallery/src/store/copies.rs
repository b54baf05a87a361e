//! Copies of the file. In: a store and a place, or a copy and a secret. Out: a copy that opens with
//! the same secret, or a vault made from one that was proved from the first page to the last. Both
//! are written beside their place under a name of their own, readable by their owner alone, and
//! renamed at the end: what fails leaves nothing behind.

use std::fs::{File, OpenOptions};
use std::io::{Error as IoError, Read};
use std::path::{Path, PathBuf};

use super::Store;
use super::sqlite::{SqliteStore, connect, is_gallery, unwrap_key};
use crate::audit::Action;
use crate::erasure_check::prove;
use crate::error::Error;
use crate::private_file::private_file;
use crate::seal::{Secret, random};

/// The first bytes of every SQLite file.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// A new file beside a place; removed when dropped, unless it was put there.
struct Partial {
    path: PathBuf,
    place: PathBuf,
}

impl Partial {
    fn beside(place: &Path) -> Result<(Partial, File), Error> {
        let io = |e| Error::File(place.into(), e);
        // A link that leads nowhere is in the way too.
        if place.symlink_metadata().is_ok() {
            return Err(io(IoError::other("is there already; name another file")));
        }
        let mut name = place.as_os_str().to_owned();
        name.push(format!(".partial-{}", hex::encode(random::<8>()?)));
        let path = PathBuf::from(name);
        let mut options = OpenOptions::new();
        let file = private_file(&path, options.read(true).write(true).create_new(true));
        let place = place.to_owned();
        let partial = Partial { path, place };
        Ok((partial, file.map_err(io)?))
    }

    /// Puts the file in its place, on disk when this returns.
    fn put(self) -> Result<(), Error> {
        let synced = File::open(&self.path).and_then(|f| f.sync_all());
        let put = synced.and_then(|()| std::fs::rename(&self.path, &self.place));
        put.map_err(|e| Error::File(self.place.clone(), e))?;
        let dir = self.place.parent().filter(|d| !d.as_os_str().is_empty());
        // Not every file system lets a folder be opened; the rename is done either way.
        drop(File::open(dir.unwrap_or(Path::new("."))).and_then(|d| d.sync_all()));
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm", "-journal"] {
            let mut name = self.path.clone().into_os_string();
            name.push(end);
            drop(std::fs::remove_file(name));
        }
    }
}

/// See [`Store::backup`].
pub(super) fn backup(store: &SqliteStore, to: &Path) -> Result<(), Error> {
    let (partial, _) = Partial::beside(to)?;
    let name = partial.path.to_str();
    let not_utf8 = || IoError::other("the name of a backup must be UTF-8");
    let name = name.ok_or_else(|| Error::File(to.into(), not_utf8()))?;
    store.transact(&mut |t| t.log(Action::Backup, 0, 0, 1))?;
    // A second connection, so that enrolments and audit entries do not wait for the copy.
    connect(&store.path)?.execute("VACUUM INTO ?1", [name])?;
    partial.put()
}

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
        let (partial, mut coming) = Partial::beside(to)?;
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

//! Files that appear whole or not at all. In: a place. Out: a file beside it under a name of its
//! own, readable by its owner alone, which is renamed at the end; what fails leaves nothing behind.

use std::fs::{File, OpenOptions};
use std::io::Error as IoError;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::private_file::private_file;
use crate::seal::random;

/// A new file beside a place; removed when dropped, unless it was put there.
pub(super) struct PartialFile {
    pub(super) path: PathBuf,
    place: PathBuf,
}

impl PartialFile {
    pub(super) fn beside(place: &Path) -> Result<(PartialFile, File), Error> {
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
        let partial = PartialFile { path, place };
        Ok((partial, file.map_err(io)?))
    }

    /// Its name, as SQL takes it.
    pub(super) fn utf8(&self) -> Result<&str, Error> {
        let why = || IoError::other("the name of a backup must be UTF-8");
        let name = self.path.to_str();
        name.ok_or_else(|| Error::File(self.place.clone(), why()))
    }

    /// Puts the file in its place, on disk when this returns.
    pub(super) fn put(self) -> Result<(), Error> {
        let synced = File::open(&self.path).and_then(|f| f.sync_all());
        let put = synced.and_then(|()| std::fs::rename(&self.path, &self.place));
        put.map_err(|e| Error::File(self.place.clone(), e))?;
        let dir = self.place.parent().filter(|d| !d.as_os_str().is_empty());
        // Not every file system lets a folder be opened; the rename is done either way.
        drop(File::open(dir.unwrap_or(Path::new("."))).and_then(|d| d.sync_all()));
        Ok(())
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm", "-journal"] {
            let mut name = self.path.clone().into_os_string();
            name.push(end);
            drop(std::fs::remove_file(name));
        }
    }
}

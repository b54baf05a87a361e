//! Files that their owner alone may read. In: a path. Out: an open file, mode 0600 if it was made
//! now. Every such file of the service is made here: database, lock, backup, key. The album, which
//! cannot depend on this crate, makes its one file itself (`create_private`).

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file, which is made readable by its owner alone (mode 0600 on Unix) where `options` make
/// one.
///
/// # Errors
/// Those of [`OpenOptions::open`].
///
/// # Example
/// ```
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("secret.key");
/// let mut options = std::fs::OpenOptions::new();
/// fusiform_gallery::private_file(&path, options.write(true).create_new(true))?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn private_file(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.open(path)
}

/// Opens a private file, made if it is not there, without changing what is in it. A link to a file
/// that is there is followed; none is made through a link.
pub(crate) fn open_or_create(path: &Path) -> io::Result<File> {
    if !path.exists() {
        match private_file(path, OpenOptions::new().append(true).create_new(true)) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && path.exists() => {}
            made => return made,
        }
    }
    private_file(path, OpenOptions::new().append(true))
}

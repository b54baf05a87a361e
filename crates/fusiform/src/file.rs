//! Files of limited size. In: a path and a limit. Out: bytes. Knows nothing of what they mean.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// Fails unless the path is an ordinary file, or leads to one: opening a pipe waits for whoever
/// writes into it.
pub(crate) fn check_ordinary(path: &Path) -> Result<()> {
    match std::fs::metadata(path)?.is_file() {
        true => Ok(()),
        false => Err(Error::other("is no ordinary file")),
    }
}

/// Reads a file that may grow while it is read, up to a limit.
pub(crate) fn read_bounded(path: &Path, max_bytes: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        let what = format!("larger than the {max_bytes} bytes allowed for it");
        return Err(Error::new(ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

//! Paths as SQLite blobs. In and out: paths, which need not be UTF-8.
//! Knows nothing of the files.

use std::path::{Path, PathBuf};

/// The bytes of a path, as the operating system has them.
pub(crate) fn path_to_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

/// The inverse of [`path_to_bytes`].
#[cfg(unix)]
pub(crate) fn path_from_bytes(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

/// The inverse of [`path_to_bytes`] where file names are Unicode.
#[cfg(not(unix))]
pub(crate) fn path_from_bytes(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

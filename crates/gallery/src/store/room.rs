//! Room on a disk. In: a file. Out: whether there is enough beside it.

use std::path::Path;

/// Room for what is usual beside large images: rows, the log, a portrait.
#[cfg(unix)]
const ENOUGH_BYTES: u64 = 1 << 20;

/// Whether the disk that holds a file has room for what is usual; also if nobody can tell.
pub fn has_room(file: &Path) -> bool {
    #[cfg(unix)]
    {
        let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty());
        let found = rustix::fs::statvfs(dir.unwrap_or(Path::new(".")));
        found.map_or(true, |disk| {
            disk.f_bavail.saturating_mul(disk.f_frsize) >= ENOUGH_BYTES
        })
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        true
    }
}

//! Paths that begin with `~`. In: a path as people write it, and their home folder. Out: the path
//! it means. Reads no environment: the program knows whose home it is.

use std::path::{Component, Path, PathBuf};

use crate::error::Error;

/// The path that is meant: `~` and `~/Pictures` are in `home`, everything else is as it stands.
///
/// # Errors
/// [`Error::InvalidRequest`] for `~` without a known home, and for another user's, `~ida`, which is
/// not looked up. A folder that is called so is written `./~ida`.
///
/// # Example
/// ```
/// use std::path::Path;
/// use fusiform_album::expand_home;
/// let home = Some(Path::new("/home/bo"));
/// assert_eq!(expand_home(Path::new("~/Pictures"), home)?, Path::new("/home/bo/Pictures"));
/// assert_eq!(expand_home(Path::new("/mnt/~x"), home)?, Path::new("/mnt/~x"));
/// assert!(expand_home(Path::new("~ida/Pictures"), home).is_err());
/// # Ok::<(), fusiform_album::Error>(())
/// ```
pub fn expand_home(path: &Path, home: Option<&Path>) -> Result<PathBuf, Error> {
    let mut parts = path.components();
    let first = match parts.next() {
        Some(Component::Normal(first)) => first.as_encoded_bytes(),
        _ => return Ok(path.into()),
    };
    match (first, home) {
        (b"~", Some(home)) => Ok(home.join(parts.as_path())),
        (b"~", None) => {
            let what = format!("{}: no home folder is known; write it out", path.display());
            Err(Error::InvalidRequest(what))
        }
        ([b'~', ..], _) => {
            let what = format!(
                "{}: the home of another user is not looked up; write the whole path, or ./{} for \
                 a folder of that name",
                path.display(),
                path.display()
            );
            Err(Error::InvalidRequest(what))
        }
        _ => Ok(path.into()),
    }
}

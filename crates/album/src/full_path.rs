//! Paths from the root on. In: a path as it was typed. Out: the one way to write it, so that
//! nothing is recorded under two names. Links stay as they are named.

use std::io;
use std::path::{Component, Path, PathBuf};

/// The path from the root on, without `.`, `..` and a slash at its end.
///
/// A folder before `..` that is a link leads elsewhere, so it is followed there.
///
/// # Errors
/// That of the operating system, if the current folder is not known.
///
/// # Example
/// ```
/// use std::path::Path;
/// let path = fusiform_album::full_path(Path::new("/photos/2020/../2021/"))?;
/// assert_eq!(path.as_os_str(), "/photos/2021");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn full_path(path: &Path) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    let mut full = PathBuf::new();
    for part in absolute.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                if full.is_symlink() {
                    full = full.canonicalize()?;
                }
                full.pop();
            }
            other => full.push(other),
        }
    }
    Ok(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_path_however_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/deep")).unwrap();
        std::fs::create_dir(root.join("b")).unwrap();
        for typed in ["b", "b/", "./b/.", "a/../b", "a/deep/../../b/", "gone/../b"] {
            let full = full_path(&root.join(typed)).unwrap();
            assert_eq!(full.as_os_str(), root.join("b").as_os_str(), "{typed}");
        }
        assert_eq!(full_path(Path::new("/..")).unwrap(), Path::new("/"));
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(root.join("a/deep"), root.join("link")).unwrap();
            assert_eq!(
                full_path(&root.join("link/../x")).unwrap(),
                root.join("a/x")
            );
            assert_eq!(
                full_path(&root.join("link/x")).unwrap(),
                root.join("link/x")
            );
        }
    }
}

//! Which files a scan reads. In: folders and files. Out: sorted paths, what looks like a picture or
//! film and is not read, and folders that cannot be read. Knows nothing of what photos hold.

use std::path::{Path, PathBuf};

use super::unread;
use fusiform_face::image::Format;
use walkdir::{DirEntry, WalkDir};

/// What was found below the roots.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Files with the name of a photo, sorted by the bytes of their paths, none twice.
    pub photos: Vec<PathBuf>,
    /// The roots as absolute paths.
    pub roots: Vec<PathBuf>,
    /// Paths that could not be read, each with reason and remedy.
    pub problems: Vec<(PathBuf, String)>,
    /// Pictures and films that have not the name of a photo and are not read, each with what it
    /// seems to be; sorted.
    pub unread: Vec<(PathBuf, String)>,
}

/// Lists the photos below `roots`; a root that is a file counts as one whatever its name.
///
/// Symbolic links are followed; a loop of links ends with a problem. Hidden folders and the
/// thumbnail folders of Synology systems (`@eaDir`) are left out.
pub fn photos_below(roots: &[PathBuf]) -> Found {
    let mut found = Found::default();
    for root in roots {
        // The album stores absolute paths: relative ones depend on the current folder.
        let root = match std::path::absolute(root) {
            Ok(root) => root,
            Err(e) => {
                found.problems.push((root.clone(), e.to_string()));
                continue;
            }
        };
        found.roots.push(root.clone());
        let named_file = root.is_file();
        for entry in WalkDir::new(&root)
            .follow_links(true)
            .into_iter()
            .filter_entry(wanted)
        {
            match entry {
                Ok(entry) if entry.file_type().is_file() => {
                    if named_file || looks_like_photo(entry.path()) {
                        found.photos.push(entry.into_path());
                    } else if let Some(kind) = unread::kind_of(entry.path()) {
                        found.unread.push((entry.into_path(), kind));
                    }
                }
                Ok(_) => {}
                Err(e) => {
                    let path = e.path().unwrap_or(&root).to_owned();
                    found.problems.push((path, reason(&e)));
                }
            }
        }
    }
    found.photos.sort_unstable();
    found.photos.dedup();
    found.unread.sort_unstable();
    found.unread.dedup();
    found
}

fn wanted(entry: &DirEntry) -> bool {
    let name = entry.file_name().as_encoded_bytes();
    entry.depth() == 0 || !(name.starts_with(b".") || name == b"@eaDir")
}

/// Whether a file has the name of a photo.
pub fn looks_like_photo(path: &Path) -> bool {
    path.extension()
        .and_then(|e| e.to_str())
        .is_some_and(|e| Format::from_extension(e).is_some())
}

fn reason(error: &walkdir::Error) -> String {
    if let Some(ancestor) = error.loop_ancestor() {
        return format!(
            "a link that leads back to {}; not followed, remove it to silence this",
            ancestor.display()
        );
    }
    match error.io_error() {
        Some(io) if io.kind() == std::io::ErrorKind::PermissionDenied => {
            "may not be read; give yourself read permission and scan again".into()
        }
        Some(io) if io.kind() == std::io::ErrorKind::NotFound => {
            "is not there; check the path, or whether its disk is connected".into()
        }
        Some(io) => io.to_string(),
        None => error.to_string(),
    }
}

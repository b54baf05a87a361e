//! Which files a scan reads. In: folders and files. Out: sorted paths, what looks like a picture or
//! film and is not read, what was left out, and folders that cannot be read. Knows nothing of what
//! photos hold.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::exclude::Exclude;
use super::unread::{self, VIDEO, looks_like_video};
use crate::error::Error;
use crate::full_path::full_path;
use fusiform_face::image::Format;
use walkdir::WalkDir;

/// Endings are not longer, in bytes; what is, is the name of something else.
const LONGEST_ENDING: usize = 8;

/// What was found below the roots.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Files with the name of a photo, sorted by the bytes of their paths, none twice.
    pub(super) photos: Vec<PathBuf>,
    /// The roots as absolute paths.
    pub(super) roots: Vec<PathBuf>,
    /// Paths that could not be read, each with reason and remedy.
    pub(super) problems: Vec<(PathBuf, String)>,
    /// Pictures and films that have not the name of a photo and are not read, each with what it
    /// seems to be; sorted.
    pub(super) unread: Vec<(PathBuf, String)>,
    /// Films of live photos; sorted.
    pub(super) live_films: Vec<PathBuf>,
    /// Folders and files that were left out, each with the reason; sorted.
    pub(super) excluded: Vec<(PathBuf, String)>,
    /// How many files are neither pictures nor films, by the ending of their names.
    pub(super) no_pictures: BTreeMap<String, usize>,
}

/// Lists the photos below `roots`; a root that is a file counts as one whatever its name.
///
/// Symbolic links are followed; a loop of links ends with a problem. Folders of trash, thumbnails
/// and previews are left out, and what `exclude` says; never a root itself.
///
/// `base_of` gives the folder that patterns are about: the root, or one that holds it.
///
/// # Errors
/// [`Error::InvalidRequest`] for a pattern that cannot be read; those of `base_of`.
pub(super) fn photos_below(
    roots: &[PathBuf],
    exclude: &Exclude,
    base_of: impl Fn(&Path) -> Result<PathBuf, Error>,
) -> Result<Found, Error> {
    let mut found = Found::default();
    for root in roots {
        // The album stores absolute paths: relative ones depend on the current folder.
        let root = match full_path(root) {
            Ok(root) => root,
            Err(e) => {
                found.problems.push((root.clone(), e.to_string()));
                continue;
            }
        };
        found.roots.push(root.clone());
        let named_file = root.is_file();
        let exclude = exclude.below(&base_of(&root)?)?;
        let mut walk = WalkDir::new(&root).follow_links(true).into_iter();
        while let Some(entry) = walk.next() {
            match entry {
                Ok(entry) if entry.depth() > 0 && entry.file_type().is_dir() => {
                    if let Some(reason) = exclude.folder(entry.path()) {
                        walk.skip_current_dir();
                        found.excluded.push((entry.into_path(), reason.to_string()));
                    }
                }
                Ok(entry) if entry.file_type().is_file() => {
                    if let Some(reason) = exclude.file(entry.path()).filter(|_| !named_file) {
                        if looks_like_photo(entry.path()) || looks_like_video(entry.path()) {
                            found.excluded.push((entry.into_path(), reason.to_string()));
                        }
                    } else if looks_like_video(entry.path()) {
                        match unread::is_part_of_photo(entry.path()) {
                            true => found.live_films.push(entry.into_path()),
                            false => found.unread.push((entry.into_path(), VIDEO.into())),
                        }
                    } else if named_file || looks_like_photo(entry.path()) {
                        found.photos.push(entry.into_path());
                    } else if let Some(kind) = unread::kind_of(entry.path()) {
                        found.unread.push((entry.into_path(), kind));
                    } else {
                        *found.no_pictures.entry(ending(entry.path())).or_default() += 1;
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
    found.live_films.sort_unstable();
    found.live_films.dedup();
    found.excluded.sort_unstable();
    found.excluded.dedup();
    Ok(found)
}

/// The ending of a file's name in lower case, if it may be one.
fn ending(path: &Path) -> String {
    let ending = path
        .extension()
        .and_then(|e| e.to_str())
        .unwrap_or_default();
    match ending.len() <= LONGEST_ENDING {
        true => ending.to_lowercase(),
        false => String::new(),
    }
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

//! What a scan leaves out. In: patterns of the owner. Out: for each path below a root, whether it
//! is left out and why. Knows nothing of what files hold.
//!
//! Folders of thumbnails, trash and previews hold copies of photos that are elsewhere, or photos
//! that somebody threw away. Their names are those that the programs and systems give them.

use std::path::Path;
use std::sync::Arc;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::error::Error;

/// Folders by name, in whatever case, and why they are left out.
const FOLDERS: &[(&str, &str)] = &[
    ("@eaDir", "thumbnails of a Synology"),
    ("#recycle", "trash of a Synology"),
    ("#snapshot", "snapshots of a Synology"),
    ("@Recycle", "trash of a QNAP"),
    ("@Recently-Snapshot", "snapshots of a QNAP"),
    (".@__thumb", "thumbnails of a QNAP"),
    ("$RECYCLE.BIN", "trash of Windows"),
    ("RECYCLER", "trash of Windows"),
    ("System Volume Information", "files of Windows"),
    ("lost+found", "files of the file system"),
    ("__MACOSX", "files of macOS in an archive"),
];

/// Endings of folders that belong to one program.
const FOLDER_ENDINGS: &[(&str, &str)] = &[
    (".lrdata", "previews of Lightroom"),
    (".lrcat-data", "data of Lightroom"),
    (".cocatalogdb", "previews of Capture One"),
    (".dtrash", "trash of digiKam"),
];

/// Endings of Apple's photo libraries.
const LIBRARIES: &[&str] = &[
    ".photoslibrary",
    ".aplibrary",
    ".photolibrary",
    ".migratedphotolibrary",
];
/// Folders of such a library that hold photos as they were taken.
const LIBRARY_ORIGINALS: &[&str] = &["originals", "masters"];

/// A file that says that a folder holds nothing for albums (Android).
pub(crate) const NO_MEDIA: &str = ".nomedia";

/// Most patterns, and bytes of one: each is matched with every path.
const MAX_PATTERNS: usize = 1000;
const MAX_PATTERN_BYTES: usize = 4096;

/// What a scan leaves out: what everybody leaves out, and the owner's patterns.
///
/// Patterns are those of `.gitignore`: `*.tmp`, `screenshots/`, `/2019/private`, `!keep.jpg`; they
/// apply to the path below the folder that is scanned, and later ones win.
#[derive(Debug, Clone, Default)]
pub struct Exclude {
    patterns: Vec<String>,
}

/// Why something is left out.
pub(super) type Reason = Arc<str>;

impl Exclude {
    /// With patterns of the owner.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] naming a pattern that cannot be read, or too many of them.
    ///
    /// # Example
    /// ```
    /// use fusiform_album::scan::Exclude;
    /// assert!(Exclude::new(&["*.png", "private/"]).is_ok());
    /// assert!(Exclude::new(&["[z-a].png"]).is_err());
    /// ```
    pub fn new(patterns: &[impl AsRef<str>]) -> Result<Exclude, Error> {
        if patterns.len() > MAX_PATTERNS {
            let what = format!(
                "{} patterns of what to leave out; at most {MAX_PATTERNS} are possible",
                patterns.len()
            );
            return Err(Error::InvalidRequest(what));
        }
        let patterns: Vec<String> = patterns.iter().map(|p| p.as_ref().to_owned()).collect();
        let exclude = Exclude { patterns };
        exclude.below(Path::new("/"))?;
        Ok(exclude)
    }

    /// The same, with more patterns, which win.
    ///
    /// # Errors
    /// As [`Exclude::new`].
    pub fn and(&self, patterns: &[impl AsRef<str>]) -> Result<Exclude, Error> {
        let more = patterns.iter().map(|p| p.as_ref().to_owned());
        Exclude::new(
            &self
                .patterns
                .iter()
                .cloned()
                .chain(more)
                .collect::<Vec<_>>(),
        )
    }

    /// Whether a folder below a root is left out, or lies in one that is.
    pub fn leaves_out(&self, root: &Path, folder: &Path) -> bool {
        // Patterns that cannot be read were refused when they were given.
        self.below(root)
            .is_ok_and(|below| below.leaves_out(root, folder))
    }

    /// For paths below one root.
    pub(crate) fn below(&self, root: &Path) -> Result<ExcludeBelow, Error> {
        let bad = |pattern: &str, why: String| {
            Error::InvalidRequest(format!(
                "{pattern:?} is no pattern of what to leave out ({why}); write it as in a \
                 .gitignore, such as \"*.png\" or \"private/\""
            ))
        };
        let mut builder = GitignoreBuilder::new(root);
        // A bracket that is not closed is a slip, and no name with a bracket.
        builder.allow_unclosed_class(false);
        for pattern in &self.patterns {
            if pattern.len() > MAX_PATTERN_BYTES || pattern.contains('\0') {
                let start: String = pattern.chars().take(40).collect();
                return Err(bad(&start, "too long, or with a zero in it".into()));
            }
            if pattern.trim().is_empty() || pattern.starts_with('#') {
                let what = "a comment there; write \\# for a name that begins so";
                return Err(bad(pattern, what.into()));
            }
            builder
                .add_line(None, pattern)
                .map_err(|e| bad(pattern, e.to_string()))?;
        }
        let patterns = builder.build().map_err(|e| bad("all", e.to_string()))?;
        Ok(ExcludeBelow { patterns })
    }
}

/// What is left out below one root; patterns are read once for all of its paths.
#[derive(Debug)]
pub(crate) struct ExcludeBelow {
    patterns: Gitignore,
}

impl ExcludeBelow {
    /// Whether a folder below the root is left out, or lies in one that is.
    pub(crate) fn leaves_out(&self, root: &Path, folder: &Path) -> bool {
        let mut all = folder
            .ancestors()
            .take_while(|p| p.starts_with(root) && *p != root);
        all.any(|path| self.folder(path).is_some())
    }

    /// Why a folder is left out with all that is in it.
    pub(super) fn folder(&self, path: &Path) -> Option<Reason> {
        let name = path.file_name()?.to_string_lossy();
        let of_name = FOLDERS.iter().find(|(n, _)| name.eq_ignore_ascii_case(n));
        if let Some((name, why)) = of_name {
            return Some(format!("{name}: {why}").into());
        }
        let lower = name.to_ascii_lowercase();
        let ending = FOLDER_ENDINGS.iter().find(|(end, _)| lower.ends_with(end));
        if let Some((ending, why)) = ending {
            return Some(format!("*{ending}: {why}").into());
        }
        if lower.starts_with(".trash") {
            return Some("trash".into());
        }
        if lower.starts_with('.') {
            return Some("hidden folder".into());
        }
        if let Some(reason) = within_library(path, &lower) {
            return Some(reason);
        }
        if path.join(NO_MEDIA).exists() {
            return Some(format!("holds {NO_MEDIA}").into());
        }
        self.by_pattern(path, true)
    }

    /// Why a file is left out.
    pub(super) fn file(&self, path: &Path) -> Option<Reason> {
        let name = path.file_name()?.as_encoded_bytes();
        // macOS keeps what another file system has no place for in files of these names.
        if name.starts_with(b"._") {
            return Some("._*: second halves of files of macOS".into());
        }
        self.by_pattern(path, false)
    }

    fn by_pattern(&self, path: &Path, is_dir: bool) -> Option<Reason> {
        match self.patterns.matched(path, is_dir) {
            ignore::Match::Ignore(glob) => Some(format!("pattern {}", glob.original()).into()),
            _ => None,
        }
    }
}

/// In a library of Apple's programs only the originals are photos of the owner.
fn within_library(path: &Path, name: &str) -> Option<Reason> {
    let parent = path.parent()?.file_name()?.to_string_lossy();
    let parent = parent.to_ascii_lowercase();
    let is_library = LIBRARIES.iter().any(|end| parent.ends_with(end));
    let is_original = LIBRARY_ORIGINALS.contains(&name);
    (is_library && !is_original).then(|| "derivatives within a photo library of Apple".into())
}

//! One file of a scan. In: a path. Out: what the album records of it.
//! Knows nothing of the other files; an error of this one never reaches them.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fusiform_face::image::Taken;

use super::analyse::Analyse;
use crate::photo_record::{Outcome, PhotoRecord, ScannedFile};
use crate::unusable::{ProblemKind, Unusable};

/// A file to be read, with the size and time it had when it was listed.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) path: PathBuf,
    pub(super) size_bytes: u64,
    pub(super) mtime_ns: i64,
}

/// Reads a whole file, unless it is larger than `max_bytes`, as
/// [`DecodeLimits::max_bytes`](fusiform_face::image::DecodeLimits::max_bytes).
///
/// # Errors
/// The error of the operating system; `FileTooLarge` for more bytes than a photo may have.
pub fn read_photo(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(max_bytes.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        let what = format!(
            "larger than the {max_bytes} bytes that max_bytes allows; raise it, or save a smaller \
             copy"
        );
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    Ok(bytes)
}

impl Work {
    /// The file as it is now, or the record of why it cannot be read.
    pub(super) fn new(path: PathBuf) -> Result<Work, Box<ScannedFile>> {
        match size_and_mtime(&path) {
            Ok((size_bytes, mtime_ns)) => Ok(Work {
                path,
                size_bytes,
                mtime_ns,
            }),
            Err(e) => {
                let work = Work {
                    path,
                    size_bytes: 0,
                    mtime_ns: 0,
                };
                Err(Box::new(work.with(None, Outcome::Problem(io_problem(&e)))))
            }
        }
    }

    /// The record with the date that the file's name states, if the file itself has none; else with
    /// the time when the file was last written.
    fn dated(&self, mut photo: PhotoRecord) -> PhotoRecord {
        let named = || {
            let name = self.path.file_name().and_then(|name| name.to_str());
            name.and_then(Taken::from_file_name)
        };
        let written = || self.modified().and_then(Taken::from_file_time);
        photo.taken = photo.taken.or_else(named).or_else(written);
        photo
    }

    /// When the file was last written; `None` before 1970, and where the file system knows no time.
    fn modified(&self) -> Option<SystemTime> {
        let ns = u64::try_from(self.mtime_ns).ok().filter(|ns| *ns > 0)?;
        UNIX_EPOCH.checked_add(Duration::from_nanos(ns))
    }

    /// Reads, hashes and analyses the file; adds what is to be said of it to `notes`.
    pub(super) fn run(
        self,
        engine: &impl Analyse,
        known: &HashMap<[u8; 32], bool>,
        notes: &Mutex<Vec<(PathBuf, String)>>,
    ) -> ScannedFile {
        let read = match read_photo(&self.path, engine.max_bytes()) {
            Ok(bytes) => bytes,
            Err(e) => return self.with(None, Outcome::Problem(io_problem(&e))),
        };
        let hash = *blake3::hash(&read).as_bytes();
        // A panic on one photo must not end the scan of the others.
        let mut note = |text| {
            let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
            notes.push((self.path.clone(), text));
        };
        let work = || match known.get(&hash) {
            Some(true) => Ok(Outcome::KnownContent),
            Some(false) => {
                let (fingerprint, orientation) = engine.fingerprint(&read)?;
                Ok(Outcome::KnownPicture(fingerprint, orientation))
            }
            None => {
                let record = engine.photo_record_noting(&read, &mut note);
                record.map(|photo| Outcome::New(self.dated(photo)))
            }
        };
        let analysed: std::thread::Result<Result<Outcome, Unusable>> =
            catch_unwind(AssertUnwindSafe(work));
        let outcome = match analysed {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(e)) => Outcome::Problem(e),
            Err(_) => Outcome::Problem(Unusable::new(
                ProblemKind::Failed,
                "a fault in fusiform while reading it; please report it with this photo",
            )),
        };
        self.with(Some(hash), outcome)
    }

    fn with(self, hash: Option<[u8; 32]>, outcome: Outcome) -> ScannedFile {
        let Work {
            path,
            size_bytes,
            mtime_ns,
        } = self;
        ScannedFile {
            path,
            size_bytes,
            mtime_ns,
            hash,
            outcome,
        }
    }
}

/// Size in bytes and modification time in nanoseconds since 1970.
pub(crate) fn size_and_mtime(path: &Path) -> io::Result<(u64, i64)> {
    let metadata = fs::metadata(path)?;
    let modified = metadata.modified()?;
    let ns = |d: std::time::Duration| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX);
    let mtime_ns = match modified.duration_since(UNIX_EPOCH) {
        Ok(after) => ns(after),
        Err(before) => -ns(before.duration()),
    };
    Ok((metadata.len(), mtime_ns))
}

/// The error of the operating system, with the remedy where there is one.
pub(super) fn io_problem(error: &io::Error) -> Unusable {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "vanished while scanning; scan again if it comes back".into(),
        io::ErrorKind::PermissionDenied => {
            "may not be read; give yourself read permission and scan again".into()
        }
        _ => error.to_string(),
    };
    let kind = match error.kind() {
        io::ErrorKind::FileTooLarge => ProblemKind::OverLimit,
        _ => ProblemKind::Unreadable,
    };
    Unusable { kind, why }
}

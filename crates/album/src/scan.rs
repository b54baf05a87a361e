//! Photos into the catalogue. In: folders, an engine, a catalogue. Out: recorded faces and a summary.
//! Knows nothing of terminals: it reports through a callback.
//!
//! Files are handed out in sorted order, worked on by several threads, and recorded in that same order, so that the
//! catalogue does not depend on which thread was faster, nor on where an earlier run was stopped. At most
//! [`WINDOW_PER_THREAD`] files per thread are under way or waiting, whatever the folder's size.

mod read;
mod walk;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use read::Work;
pub use read::read_photo;
pub use walk::{Found, looks_like_photo, photos_below};

use crate::error::Error;
use crate::{Album, FileState, ModelPair, Outcome, PhotoRecord, ScannedFile};

/// Files per thread that may be under way or waiting to be recorded.
pub const WINDOW_PER_THREAD: usize = 16;

/// A transaction is closed after this many files …
const BATCH_FILES: usize = 64;
/// … or after this long, so that a kill loses little.
const BATCH_AGE: Duration = Duration::from_millis(500);

/// What a scan needs of an engine.
pub trait Analyse: Sync {
    /// The models whose work is recorded.
    fn models(&self) -> ModelPair;

    /// All that the album keeps of a photo.
    ///
    /// # Errors
    /// What is wrong with the photo, and the remedy, for the list of problems.
    fn photo_record(&self, bytes: &[u8]) -> Result<PhotoRecord, String>;
}

/// How to scan.
#[derive(Debug, Clone)]
pub struct ScanOptions {
    /// Photos handled at once.
    pub threads: usize,
}

/// What the scan tells while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The folders were walked: so many files are to be looked at.
    Found(usize),
    /// So many of them are recorded by now.
    Recorded(usize),
}

/// What a scan did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScanSummary {
    /// Files whose name says photo.
    pub files: usize,
    /// Known from an earlier scan and not read again.
    pub unchanged: usize,
    /// Read, and the same content was known from another file.
    pub known_content: usize,
    /// Read and looked through for faces.
    pub described: usize,
    /// Faces found in those.
    pub new_faces: usize,
    /// Files and folders that could not be used, with reason and remedy.
    pub problems: Vec<(PathBuf, String)>,
    /// Whether it was asked to stop before the end.
    pub interrupted: bool,
}

/// Looks at every photo below `roots` and records what is new; the grouping into people is a step of its own.
///
/// `stop` ends the scan after the files under way; a later scan goes on from there.
///
/// # Errors
/// [`Error::Album`] if nothing can be recorded any more. A bad photo is no error: it is listed in the summary.
pub fn scan(
    engine: &impl Analyse,
    catalogue: &mut Album,
    roots: &[PathBuf],
    options: &ScanOptions,
    stop: &AtomicBool,
    mut tell: impl FnMut(Event),
) -> Result<ScanSummary, Error> {
    let found = photos_below(roots);
    tell(Event::Found(found.photos.len()));
    let mut summary = ScanSummary {
        files: found.photos.len(),
        problems: found.problems,
        ..ScanSummary::default()
    };
    let models = engine.models();
    let known = catalogue.known_contents(&models)?;
    let threads = options.threads.max(1);

    thread::scope(|scope| {
        let (work_in, work_out) = mpsc::sync_channel::<(usize, Work)>(threads);
        let work_out = Arc::new(Mutex::new(work_out));
        let (done_in, done_out) = mpsc::channel();
        for _ in 0..threads {
            let (work_out, done_in) = (Arc::clone(&work_out), done_in.clone());
            let known = &known;
            scope.spawn(move || {
                loop {
                    let next = work_out
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .recv();
                    let Ok((position, work)) = next else { return };
                    if done_in.send((position, work.run(engine, known))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done_in);

        let mut writer = Writer::new(catalogue);
        let mut under_way = 0;
        let mut paths = found.photos.into_iter().enumerate();
        loop {
            if stop.load(Ordering::Relaxed) {
                summary.interrupted = paths.len() > 0;
                break;
            }
            let Some((position, path)) = paths.next() else {
                break;
            };
            match Work::on(path) {
                Ok(work) if writer.is_unchanged(&work, &models)? => {
                    summary.unchanged += 1;
                    writer.take(position, None, &mut summary)?;
                }
                Ok(work) => {
                    // Receivers live until this end is dropped: a worker does not panic.
                    if work_in.send((position, work)).is_err() {
                        break;
                    }
                    under_way += 1;
                }
                Err(problem) => writer.take(position, Some(*problem), &mut summary)?,
            }
            // A slow file must not let the others pile up behind it.
            let full = |w: &Writer, n: usize| n + w.waiting.len() >= threads * WINDOW_PER_THREAD;
            while under_way > 0 {
                let done = if full(&writer, under_way) {
                    done_out.recv().ok()
                } else {
                    done_out.try_recv().ok()
                };
                let Some((position, file)) = done else { break };
                under_way -= 1;
                writer.take(position, Some(file), &mut summary)?;
            }
            tell(Event::Recorded(writer.next));
        }
        drop(work_in);
        for (position, file) in done_out {
            writer.take(position, Some(file), &mut summary)?;
            tell(Event::Recorded(writer.next));
        }
        writer.flush(&mut summary)
    })?;
    summary.problems.sort();
    Ok(summary)
}

/// Records files in the order of their positions, a batch a transaction.
struct Writer<'a> {
    catalogue: &'a mut Album,
    /// Position of the next file to record.
    next: usize,
    /// Done before their turn; `None` needs no record.
    waiting: BTreeMap<usize, Option<ScannedFile>>,
    batch: Vec<ScannedFile>,
    opened: Instant,
}

impl<'a> Writer<'a> {
    fn new(catalogue: &'a mut Album) -> Writer<'a> {
        let (waiting, batch) = (BTreeMap::new(), Vec::with_capacity(BATCH_FILES));
        Writer {
            catalogue,
            next: 0,
            waiting,
            batch,
            opened: Instant::now(),
        }
    }

    fn is_unchanged(&self, work: &Work, models: &ModelPair) -> Result<bool, Error> {
        let state =
            self.catalogue
                .file_state(&work.path, work.size_bytes, work.mtime_ns, models)?;
        Ok(matches!(state, FileState::Unchanged(_)))
    }

    /// Takes one file; records whatever has its turn now.
    fn take(
        &mut self,
        position: usize,
        file: Option<ScannedFile>,
        summary: &mut ScanSummary,
    ) -> Result<(), Error> {
        self.waiting.insert(position, file);
        while let Some(file) = self.waiting.remove(&self.next) {
            self.next += 1;
            self.batch.extend(file);
        }
        if self.batch.len() >= BATCH_FILES || self.opened.elapsed() >= BATCH_AGE {
            self.flush(summary)?;
        }
        Ok(())
    }

    fn flush(&mut self, summary: &mut ScanSummary) -> Result<(), Error> {
        self.opened = Instant::now();
        if self.batch.is_empty() {
            return Ok(());
        }
        self.catalogue.record(&self.batch)?;
        for file in self.batch.drain(..) {
            match file.outcome {
                Outcome::New(photo) => {
                    summary.described += 1;
                    summary.new_faces += photo.faces.len();
                }
                Outcome::KnownContent => summary.known_content += 1,
                Outcome::Problem(why) => summary.problems.push((file.path, why)),
            }
        }
        Ok(())
    }
}

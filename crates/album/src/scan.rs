//! Taking photos into an album. In: folders, an engine, an album. Out: recorded faces and a
//! summary. Knows nothing of terminals: it reports through a callback.
//!
//! # Order
//! Files are handed out in sorted order, analysed by several threads, and recorded in the same
//! order. So the album depends neither on which thread was faster nor on where an earlier scan was
//! stopped.
//!
//! # Interruption
//! Files are recorded in batches, each in one transaction. A kill at any instant loses at most the
//! batch under way; the next scan skips all that is recorded, by path, size and time of the file,
//! and goes on from there. A file whose content was recorded under another path is read and hashed,
//! but not analysed again.
//!
//! # Deleted and moved files
//! Once all is recorded, files that were not found again below a root that is there are taken out
//! (`crate::presence`). A scan that was interrupted takes nothing out.
//!
//! # Memory
//! At most [`WINDOW_PER_THREAD`] files per thread are being analysed or waiting for their turn to
//! be recorded, whatever the folder's size.
//!
//! # Threads
//! The workers are plain threads and not rayon tasks: networks are run with rayon inside, and a
//! rayon task that waits for an inner one may start another photo meanwhile, which would hold the
//! pixels of both.

mod analyse;
mod exclude;
mod left_out;
mod read;
mod unread;
mod videos;
mod walk;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use analyse::Analyse;
pub use exclude::Exclude;
pub(crate) use exclude::{ExcludeBelow, NO_MEDIA};
pub use left_out::{LeftOut, Reason};
use read::Work;
pub use read::read_photo;
pub(crate) use read::size_and_mtime;
pub use unread::looks_like_video;
pub use videos::{LookAtVideos, VideoSummary, look_at_videos};
pub use walk::looks_like_photo;
use walk::photos_below;

use crate::database::Album;
use crate::error::Error;
use crate::photo_record::{FileState, ModelPair, Outcome, Recorded, ScannedFile};
use crate::presence::{MissingRoot, Reconciled};
use crate::unusable::{ProblemKind, Unusable};

/// Files per thread that may be in analysis or waiting to be recorded.
pub const WINDOW_PER_THREAD: usize = 16;

/// A transaction is closed after this many files …
const BATCH_FILES: usize = 64;
/// … or after this long, so that a kill loses little.
const BATCH_AGE: Duration = Duration::from_millis(500);

/// How to scan.
#[derive(Debug, Clone)]
pub struct ScanOptions {
    /// Photos analysed at once; at least one.
    pub threads: usize,
    /// What to leave out.
    pub exclude: Exclude,
}

/// Progress of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The folders were listed; the number of files to scan.
    Found(usize),
    /// The number of files done by now.
    Recorded(usize),
}

/// What a scan did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScanSummary {
    /// Files with the name of a photo.
    pub files: usize,
    /// Recorded by an earlier scan and not read again.
    pub unchanged: usize,
    /// Read, and found to show a picture that the album has: a copy, or an edited file.
    pub known_content: usize,
    /// Pictures that are new.
    pub analysed: usize,
    /// Faces found in those.
    pub new_faces: usize,
    /// What was taken out because it is not there any more, or left out now.
    pub gone: Reconciled,
    /// How many of the files that were taken out were scanned earlier and are left out now.
    pub n_excluded_files: usize,
    /// Files and folders that could not be used, with reason and remedy.
    pub problems: Vec<(PathBuf, Unusable)>,
    /// What in photos that were used had no effect or is missing.
    pub notes: Vec<(PathBuf, String)>,
    /// Pictures and films that are not read, each with what it seems to be.
    pub unread: Vec<(PathBuf, String)>,
    /// The films of live photos, which lie beside a photo of their name.
    pub live_films: Vec<PathBuf>,
    /// Videos that have no file any more.
    pub n_gone_videos: usize,
    /// Folders and files that were left out, each with the reason.
    pub excluded: Vec<(PathBuf, String)>,
    /// How many files are neither pictures nor films, by the ending of their names.
    pub no_pictures: BTreeMap<String, usize>,
    /// Folders that hold nothing at all now, although photos of the album were there: perhaps a
    /// disk that is off. What was found there is kept.
    pub emptied: Vec<MissingRoot>,
    /// Whether it was asked to stop before the end.
    pub interrupted: bool,
}

/// Records every new or changed photo below `roots`, and takes out those that are gone from there.
/// Grouping into people is a separate step, [`Album::group`].
///
/// `stop` ends the scan after the files in analysis; a later scan goes on from there.
///
/// # Errors
/// [`Error`] if nothing can be recorded any more. A bad photo is no error: it is listed in the
/// summary and in [`Album::problems`].
pub fn scan(
    engine: &impl Analyse,
    album: &mut Album,
    roots: &[PathBuf],
    options: &ScanOptions,
    stop: &AtomicBool,
    mut report: impl FnMut(Event),
) -> Result<ScanSummary, Error> {
    let found = photos_below(roots, &options.exclude, |root| album.root_of(root))?;
    report(Event::Found(found.photos.len()));
    let mut summary = ScanSummary {
        files: found.photos.len(),
        problems: found
            .problems
            .into_iter()
            .map(|(path, why)| (path, Unusable::new(ProblemKind::Unreadable, why)))
            .collect(),
        no_pictures: found.no_pictures,
        unread: found.unread,
        live_films: found.live_films,
        excluded: found.excluded,
        ..ScanSummary::default()
    };
    let models = engine.models();
    let known = album.known_contents(&models)?;
    let threads = options.threads.max(1);

    let listed = found.photos.clone();
    let unread: Vec<PathBuf> = summary.problems.iter().map(|(p, _)| p.clone()).collect();
    let videos = summary.clone().take_videos();
    album.remember_roots(&found.roots)?;
    let notes = Mutex::new(Vec::new());
    thread::scope(|scope| {
        let (work_in, work_out) = mpsc::sync_channel::<(usize, Work)>(threads);
        let work_out = Arc::new(Mutex::new(work_out));
        let (done_in, done_out) = mpsc::channel();
        for _ in 0..threads {
            let (work_out, done_in) = (Arc::clone(&work_out), done_in.clone());
            let (known, notes) = (&known, &notes);
            scope.spawn(move || {
                loop {
                    let next = work_out
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .recv();
                    let Ok((position, work)) = next else { return };
                    if done_in
                        .send((position, work.run(engine, known, notes)))
                        .is_err()
                    {
                        return;
                    }
                }
            });
        }
        drop(done_in);

        let mut writer = Writer::new(album);
        let mut in_analysis = 0;
        let mut paths = found.photos.into_iter().enumerate();
        loop {
            if stop.load(Ordering::Relaxed) {
                summary.interrupted = paths.len() > 0;
                break;
            }
            let Some((position, path)) = paths.next() else {
                break;
            };
            match Work::new(path) {
                Ok(work) if writer.is_unchanged(&work, &models)? => {
                    summary.unchanged += 1;
                    writer.add(position, None, &mut summary)?;
                }
                Ok(work) => {
                    // Fails only if all workers are gone; they do not panic.
                    if work_in.send((position, work)).is_err() {
                        break;
                    }
                    in_analysis += 1;
                }
                Err(problem) => writer.add(position, Some(*problem), &mut summary)?,
            }
            // One slow file must not let results pile up behind it, so a full window waits for it.
            let is_full = |w: &Writer, n: usize| n + w.waiting.len() >= threads * WINDOW_PER_THREAD;
            while in_analysis > 0 {
                let done = if is_full(&writer, in_analysis) {
                    done_out.recv().ok()
                } else {
                    done_out.try_recv().ok()
                };
                let Some((position, file)) = done else { break };
                in_analysis -= 1;
                writer.add(position, Some(file), &mut summary)?;
            }
            report(Event::Recorded(writer.next));
        }
        drop(work_in);
        for (position, file) in done_out {
            writer.add(position, Some(file), &mut summary)?;
            report(Event::Recorded(writer.next));
        }
        writer.flush(&mut summary)
    })?;
    if !summary.interrupted {
        let excluded: Vec<PathBuf> = summary.excluded.iter().map(|(p, _)| p.clone()).collect();
        summary.n_excluded_files = album.files_within(&excluded)?;
        let of_scan = |path: &PathBuf| found.roots.iter().any(|root| path.starts_with(root));
        let mut missing = album.missing_of(album.roots()?.into_iter().filter(of_scan))?;
        missing.retain(|missing| missing.is_empty);
        summary.emptied = missing;
        summary.gone = album.reconcile(&found.roots, &listed, &unread)?;
        summary.n_gone_videos = album.reconcile_videos(&found.roots, &videos, &unread)?;
    }
    summary.problems.sort();
    summary.notes = notes.into_inner().unwrap_or_else(PoisonError::into_inner);
    summary.notes.sort();
    Ok(summary)
}

/// Records files in the order of their positions, one transaction for each batch.
struct Writer<'a> {
    album: &'a mut Album,
    /// Position of the next file to record.
    next: usize,
    /// Files done out of order, by position; `None` needs no record.
    waiting: BTreeMap<usize, Option<ScannedFile>>,
    batch: Vec<ScannedFile>,
    /// When the last batch was recorded.
    flushed: Instant,
}

impl<'a> Writer<'a> {
    fn new(album: &'a mut Album) -> Writer<'a> {
        Writer {
            album,
            next: 0,
            waiting: BTreeMap::new(),
            batch: Vec::with_capacity(BATCH_FILES),
            flushed: Instant::now(),
        }
    }

    fn is_unchanged(&self, work: &Work, models: &ModelPair) -> Result<bool, Error> {
        let state = self
            .album
            .file_state(&work.path, work.size_bytes, work.mtime_ns, models)?;
        Ok(matches!(state, FileState::Unchanged(_)))
    }

    /// Adds one file, and records the batch if it is large or old enough.
    fn add(
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
        if self.batch.len() >= BATCH_FILES || self.flushed.elapsed() >= BATCH_AGE {
            self.flush(summary)?;
        }
        Ok(())
    }

    fn flush(&mut self, summary: &mut ScanSummary) -> Result<(), Error> {
        self.flushed = Instant::now();
        if self.batch.is_empty() {
            return Ok(());
        }
        let recorded = self.album.record(&self.batch)?;
        for (file, recorded) in self.batch.drain(..).zip(recorded) {
            match (recorded, file.outcome) {
                (Recorded::NewPicture, Outcome::New(photo)) => {
                    summary.analysed += 1;
                    summary.new_faces += photo.faces.len();
                }
                (_, Outcome::Problem(why)) => summary.problems.push((file.path, why)),
                _ => summary.known_content += 1,
            }
        }
        Ok(())
    }
}

//! Looking for people with a name in the videos of a library. In: videos that a scan listed, what
//! looks at one, an album whose faces are grouped. Out: appearances, and a summary.
//!
//! A video is read whole for its hash; it is looked at once, and again only if somebody may be in
//! it who has a name since (`crate::videos`). While nobody has a name, none is opened. One is
//! looked at after the other, in sorted order, each recorded in one transaction: a kill loses the
//! one under way.

use std::fs::File;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use fusiform_search::template::{ModelId, Similarity};

use super::read::{io_problem, size_and_mtime};
use super::{Event, ScanSummary};
use crate::database::Album;
use crate::error::Error;
use crate::unusable::{ProblemKind, Unusable};
use crate::video_record::VideoRecord;
use crate::videos::{FileOfVideo, Look};

/// Bytes read at once for a hash.
const READ_BYTES: usize = 1 << 20;

/// What looking at videos needs of an engine.
pub trait LookAtVideos {
    /// The model of the templates.
    fn model(&self) -> &ModelId;

    /// All on which the result depends beside the file: a video is looked at again when it changes.
    fn looked_with(&self) -> String;

    /// Similarity at and above which a face counts as a person.
    fn same_at(&self) -> Similarity;

    /// What passes by in a video; `None` if `stop` was set before its end.
    ///
    /// # Errors
    /// What is wrong with the video, and the remedy, for the list of problems.
    fn record(&self, path: &Path, stop: &AtomicBool) -> Result<Option<VideoRecord>, Unusable>;
}

/// What was done with the videos of a scan.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VideoSummary {
    /// Files with the name of a video.
    pub files: usize,
    /// Those that needed no look: known, or moved, or copies of each other.
    pub known: usize,
    /// Those that were looked at.
    pub looked_at: usize,
    /// Appearances of people with a name in those.
    pub appearances: usize,
    /// Those that were not looked at because nobody has a name yet.
    pub waiting: usize,
    /// Files that could not be looked at, with reason and remedy.
    pub problems: Vec<(PathBuf, Unusable)>,
    /// Videos of which a part was not looked at, and why.
    pub notes: Vec<(PathBuf, String)>,
    /// Whether it was asked to stop before the end.
    pub interrupted: bool,
}

impl ScanSummary {
    /// The videos that were listed, sorted, for [`look_at_videos`]. Those that are left here count
    /// as not read.
    pub fn take_videos(&mut self) -> Vec<PathBuf> {
        let mut videos = std::mem::take(&mut self.live_films);
        let listed = self
            .unread
            .extract_if(.., |(_, kind)| kind == super::unread::VIDEO);
        videos.extend(listed.map(|(path, _)| path));
        videos.sort_unstable();
        videos
    }
}

/// Looks for everybody with a name in videos that are new, changed, or may show somebody who was
/// named since. Faces must be grouped before.
///
/// `stop` ends the work within the video under way, which is looked at anew by the next call.
///
/// # Errors
/// [`Error`] if nothing can be recorded any more. A bad video is no error: it is listed in the
/// summary and in [`Album::problems`].
pub fn look_at_videos(
    engine: &impl LookAtVideos,
    album: &mut Album,
    videos: &[PathBuf],
    stop: &AtomicBool,
    mut report: impl FnMut(Event),
) -> Result<VideoSummary, Error> {
    let mut summary = VideoSummary {
        files: videos.len(),
        ..VideoSummary::default()
    };
    report(Event::Found(videos.len()));
    album.settle_appearances()?;
    let look = album.look(engine.model(), &engine.looked_with(), engine.same_at())?;
    let mut index = None;
    for (n_done, path) in videos.iter().enumerate() {
        report(Event::Recorded(n_done));
        if stop.load(Ordering::Relaxed) {
            summary.interrupted = true;
            break;
        }
        let file = match size_and_mtime(path) {
            Ok((size_bytes, mtime_ns)) => FileOfVideo {
                path: path.clone(),
                size_bytes,
                mtime_ns,
            },
            Err(e) => {
                summary.problems.push((path.clone(), io_problem(&e)));
                continue;
            }
        };
        let state = match state(album, &file, &look, stop) {
            Ok(state) => state,
            Err(Failed::File(e)) => {
                note_problem(album, &mut summary, file, io_problem(&e))?;
                continue;
            }
            Err(Failed::Album(e)) => return Err(e),
        };
        let hash = match state {
            State::Done(cut_short) => {
                summary.known += 1;
                summary.notes.extend(cut_short.map(|why| (file.path, why)));
                continue;
            }
            State::Waiting => {
                summary.waiting += 1;
                continue;
            }
            State::Stopped => {
                summary.interrupted = true;
                break;
            }
            State::ToLookAt(hash) => hash,
        };
        if index.is_none() {
            index = Some(album.index(engine.model())?);
        }
        let Some(index) = &index else { break };
        // A panic on one video must not end the scan of the others.
        let seen = catch_unwind(AssertUnwindSafe(|| engine.record(path, stop)));
        let seen = seen.unwrap_or_else(|_| {
            let why = "a fault in fusiform while looking at it; please report it with this video";
            Err(Unusable::new(ProblemKind::Failed, why))
        });
        match seen {
            Ok(Some(record)) => {
                summary.appearances += album.record_video(&file, &hash, &record, &look, index)?;
                summary.looked_at += 1;
                let said = record.cut_short.map(|why| (file.path, why));
                summary.notes.extend(said);
            }
            Ok(None) => {
                summary.interrupted = true;
                break;
            }
            Err(why) => match album.video_of_content(&hash)? {
                // What was found in it before stays.
                Some(video) => {
                    album.record_video_file(&file, Ok(video))?;
                    summary.problems.push((file.path, why));
                }
                None => note_problem(album, &mut summary, file, why)?,
            },
        }
        report(Event::Recorded(n_done + 1));
    }
    Ok(summary)
}

/// What is to be done with a file.
enum State {
    /// Nothing; why its end was not looked at, if it was not.
    Done(Option<String>),
    /// Nothing, while nobody has a name.
    Waiting,
    /// It is asked to stop.
    Stopped,
    /// It is to be looked at; its hash.
    ToLookAt([u8; 32]),
}

/// Why a file is not looked at, or nothing any more.
enum Failed {
    File(io::Error),
    Album(Error),
}

impl From<io::Error> for Failed {
    fn from(e: io::Error) -> Failed {
        Failed::File(e)
    }
}

impl From<Error> for Failed {
    fn from(e: Error) -> Failed {
        Failed::Album(e)
    }
}

/// What is to be done with a file; a known video that is only to be noted is.
fn state(
    album: &mut Album,
    file: &FileOfVideo,
    look: &Look,
    stop: &AtomicBool,
) -> Result<State, Failed> {
    if let Some(video) = album.video_of_file(file)?
        && !album.needs_look(video, look)?
    {
        return Ok(State::Done(album.cut_short(video)?));
    }
    if look.is_for_nobody() {
        return Ok(State::Waiting);
    }
    let Some(hash) = hash(&file.path, stop)? else {
        return Ok(State::Stopped);
    };
    if let Some(video) = album.video_of_content(&hash)?
        && !album.needs_look(video, look)?
    {
        album.record_video_file(file, Ok(video))?;
        return Ok(State::Done(album.cut_short(video)?));
    }
    Ok(State::ToLookAt(hash))
}

/// BLAKE3 of a file; `None` if it is asked to stop.
fn hash(path: &Path, stop: &AtomicBool) -> io::Result<Option<[u8; 32]>> {
    let mut file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut part = vec![0; READ_BYTES];
    loop {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        match file.read(&mut part)? {
            0 => return Ok(Some(*hasher.finalize().as_bytes())),
            n => hasher.update(&part[..n]),
        };
    }
}

fn note_problem(
    album: &mut Album,
    summary: &mut VideoSummary,
    file: FileOfVideo,
    why: Unusable,
) -> Result<(), Error> {
    album.record_video_file(&file, Err(&why.why))?;
    summary.problems.push((file.path, why));
    Ok(())
}

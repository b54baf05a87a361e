//! Videos. In: a video and whom to keep. Out: a copy, whole or not there at all.

use std::fs::{self, File};
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, ensure};
use fusiform::verify::Verdict;
use fusiform::video::{Likeness, RedactVideoOptions, RedactedVideo, has_video_signature};
use fusiform::{Engine, Face, image};
use serde::Serialize;

use super::keep::Keep;
use crate::args::RedactArgs;
use crate::context::{Context, shown};

/// Extensions of videos; what a file holds counts first.
const EXTENSIONS: [&str; 18] = [
    "mp4", "m4v", "mov", "mkv", "webm", "avi", "3gp", "mts", "m2ts", "mpg", "mpeg", "wmv", "asf",
    "flv", "ogv", "vob", "dv", "mxf",
];
/// Extensions of what is written.
const WRITTEN: [&str; 4] = ["mp4", "m4v", "mov", "mkv"];

/// Whether a file is read as a video. A file that cannot be read is refused as a photo is.
pub(super) fn is_video(path: &Path) -> bool {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(64).read_to_end(&mut head));
    // Pictures are in boxes like those of MP4, too.
    read.is_ok()
        && image::sniff(&head).is_none()
        && (has_video_signature(&head) || extension(path, &EXTENSIONS).is_some())
}

/// The extension if it is one of these, in small letters.
fn extension(path: &Path, of: &[&'static str]) -> Option<&'static str> {
    let found = path.extension()?;
    of.iter().find(|e| found.eq_ignore_ascii_case(e)).copied()
}

#[derive(Serialize)]
pub(super) struct Redacted {
    video: String,
    copy: String,
    duration_ms: u64,
    frames: usize,
    /// Faces passing by that are covered wherever they are seen, and those kept in some frames.
    covered_tracks: usize,
    kept_tracks: usize,
    /// Faces frame by frame, and places covered in frames where none was found.
    covered_faces: usize,
    kept_faces: usize,
    bridged: usize,
}

impl Redacted {
    pub(super) fn tell(&self, context: &Context) -> Result<()> {
        context.printer.row(format_args!(
            "{}: {} kept, {} covered, in {} frames",
            self.copy, self.kept_tracks, self.covered_tracks, self.frames
        ))?;
        Ok(())
    }
}

/// What a video is redacted with.
pub(super) struct Redaction<'a> {
    pub(super) context: &'a Context,
    pub(super) engine: &'a Engine,
    pub(super) keep: Option<&'a Keep<'a>>,
    pub(super) args: &'a RedactArgs,
    pub(super) stop: &'a AtomicBool,
}

impl Redaction<'_> {
    /// `None` if it was stopped.
    pub(super) fn copy(&self, video: &Path) -> Result<Option<Redacted>> {
        let copy = self.destination(video)?;
        ensure!(
            !copy.exists(),
            "{} is there already; name another with -o",
            shown(&copy)
        );
        let folder = copy.parent().filter(|dir| !dir.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        fs::create_dir_all(folder).with_context(|| shown(folder))?;
        let ending = extension(&copy, &WRITTEN).unwrap_or("mp4");
        let mut unfinished = tempfile::Builder::new();
        let ending = format!(".{ending}");
        unfinished.prefix(".unfinished-").suffix(&ending);
        #[cfg(unix)]
        // As the user's other files, by the process's mask.
        unfinished.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let unfinished = unfinished
            .tempfile_in(folder)
            .with_context(|| shown(folder))?;
        let unfinished = unfinished.into_temp_path();
        let Some(done) = self.write(video, &unfinished)? else {
            return Ok(None);
        };
        if let Some(keep) = self.keep {
            keep.note(done.n_covered_faces + done.n_kept_faces)?;
        }
        File::open(&unfinished)
            .and_then(|file| file.sync_all())
            .with_context(|| shown(&copy))?;
        unfinished
            .persist_noclobber(&copy)
            .map_err(|e| e.error)
            .with_context(|| shown(&copy))?;
        Ok(Some(Redacted {
            video: shown(video),
            copy: shown(&copy),
            duration_ms: done.duration_ms,
            frames: done.n_frames,
            covered_tracks: done.n_covered_tracks,
            kept_tracks: done.n_kept_tracks,
            covered_faces: done.n_covered_faces,
            kept_faces: done.n_kept_faces,
            bridged: done.n_bridged,
        }))
    }

    /// The file that is named, for one video; else one in the folder that is named.
    fn destination(&self, video: &Path) -> Result<PathBuf> {
        let out = &self.args.out;
        if extension(out, &WRITTEN).is_some() && !out.is_dir() {
            ensure!(
                self.args.files.len() == 1,
                "{} is the name of one video, and there are {} files; name a folder with -o",
                shown(out),
                self.args.files.len()
            );
            return Ok(out.clone());
        }
        let name = video.file_stem().context("has no file name")?;
        let mut copy = out.join(name).into_os_string();
        copy.push(".");
        // MKV takes whatever sound other containers have.
        copy.push(extension(video, &WRITTEN).unwrap_or("mkv"));
        Ok(copy.into())
    }

    fn write(&self, video: &Path, to: &Path) -> Result<Option<RedactedVideo>> {
        let mut options = RedactVideoOptions {
            threads: NonZeroUsize::new(self.context.threads()).unwrap_or(NonZeroUsize::MIN),
            ..RedactVideoOptions::default()
        };
        let usual = options.detect;
        options.detect = self.args.detect.options();
        options.detect.min_score = options.detect.min_score.or(usual.min_score);
        options.detect.keep_doubtful = usual.keep_doubtful;
        let bar = self
            .context
            .printer
            .bar(0, "covering faces, seconds of video twice");
        let done = self.engine.redact_video(
            video,
            to,
            &options,
            &|face| self.likeness(face),
            |done_ms, all_ms| {
                bar.set_length(all_ms / 1000);
                bar.set_position(done_ms / 1000);
                !self.stop.load(Ordering::Relaxed)
            },
        );
        bar.finish_and_clear();
        Ok(done?)
    }

    fn likeness(&self, face: &Face) -> Result<Likeness, fusiform::Error> {
        let Some(keep) = self.keep else {
            return Ok(Likeness::Other);
        };
        if face.is_unclear() {
            return Ok(Likeness::Unclear);
        }
        Ok(match keep.verdict(face)? {
            Some(Verdict::Same) => Likeness::Same,
            Some(Verdict::Unsure) => Likeness::Unsure,
            Some(Verdict::Different) | None => Likeness::Other,
        })
    }
}

//! People with a name in the videos of an album. In: videos that a scan listed and an [`Engine`].
//! Out: an album that knows who appears when. Of everybody else nothing leaves this file.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fusiform_album::scan::{Event, LookAtVideos, VideoSummary, look_at_videos};
use fusiform_album::{Album, ProblemKind, Unusable, VideoRecord, VideoTrack};
use fusiform_search::template::{ModelId, Similarity};
use fusiform_video::VideoError;

use crate::engine::Engine;
use crate::error::Error;
use crate::models::Threshold;
use crate::verify::{Fmr, SAME_FMR};
use crate::video::{Appearance, Clip, VideoOptions};

/// False-match rate at whose similarity somebody in a video of an album counts as a person: a tenth
/// of that of a check that somebody asked for, since a library has many strangers passing by. The
/// rate of [`SAME_FMR`] where a pack states no lower one.
pub const VIDEO_FMR: f64 = 1e-4;

/// How the videos of an album are looked at.
#[derive(Debug, Clone)]
pub struct AlbumVideoOptions {
    /// How each is.
    pub video: VideoOptions,
    /// Most time for one; its end is not looked at if it takes longer.
    pub max_time: Duration,
}

impl Default for AlbumVideoOptions {
    /// Two frames a second, an hour for each video.
    fn default() -> AlbumVideoOptions {
        AlbumVideoOptions {
            video: VideoOptions {
                interval: Duration::from_millis(500),
                ..VideoOptions::default()
            },
            max_time: Duration::from_secs(3600),
        }
    }
}

impl Engine {
    /// The similarity at which somebody in a video of an album counts as a person.
    ///
    /// # Errors
    /// [`Error::Lacks`], [`Error::Uncalibrated`].
    pub fn album_video_threshold(&self) -> Result<Threshold, Error> {
        let thresholds = self.thresholds()?;
        let strict = thresholds.at_fmr(Fmr(VIDEO_FMR));
        strict.or_else(|_| thresholds.at_fmr(Fmr(SAME_FMR)))
    }

    /// Looks for everybody with a name in videos, [`ScanSummary::take_videos`] of a scan, that are
    /// new, changed, or may show somebody who was named since. [`Engine::group`] comes before.
    ///
    /// Whoever has no name leaves a count, and no template of a video is kept. One video is looked
    /// at after the other; setting `stop` ends the work within one, which is begun anew later.
    ///
    /// # Errors
    /// [`Error::Lacks`], [`Error::Uncalibrated`]; [`Error::Album`] if nothing can be recorded.
    ///
    /// [`ScanSummary::take_videos`]: fusiform_album::scan::ScanSummary::take_videos
    pub fn look_at_videos(
        &self,
        album: &mut Album,
        videos: &[PathBuf],
        options: &AlbumVideoOptions,
        stop: &AtomicBool,
        tell: impl FnMut(Event),
    ) -> Result<VideoSummary, Error> {
        let looks = Looks {
            engine: self,
            options,
            model: self.embedder_id()?,
            threshold: self.album_video_threshold()?,
        };
        Ok(look_at_videos(&looks, album, videos, stop, tell)?)
    }
}

/// An engine that looks at videos in one way.
struct Looks<'a> {
    engine: &'a Engine,
    options: &'a AlbumVideoOptions,
    model: &'a ModelId,
    threshold: Threshold,
}

impl LookAtVideos for Looks<'_> {
    fn model(&self) -> &ModelId {
        self.model
    }

    fn looked_with(&self) -> String {
        let (models, video) = (self.engine.models(), &self.options.video);
        let embedder = models.embedder.map_or(String::new(), |id| id.0);
        format!(
            "{} {embedder} {} ms, {:?}, above {}",
            models.detector.0,
            video.interval.as_millis(),
            video.detect,
            self.threshold.similarity
        )
    }

    fn same_at(&self) -> Similarity {
        Similarity(self.threshold.similarity)
    }

    fn record(&self, path: &Path, stop: &AtomicBool) -> Result<Option<VideoRecord>, Unusable> {
        let begun = Instant::now();
        let mut late_at_ms = None;
        let looked = self
            .engine
            .analyse_video(path, &self.options.video, |time_ms, _| {
                if begun.elapsed() >= self.options.max_time {
                    late_at_ms = Some(time_ms);
                }
                late_at_ms.is_none() && !stop.load(Ordering::Relaxed)
            });
        let clip = looked.map_err(|error| unusable(&error))?;
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        Ok(Some(VideoRecord {
            cut_short: cut_short(&clip, late_at_ms, self.options.max_time),
            duration_ms: clip.duration_ms,
            tracks: clip.appearances.into_iter().map(track).collect(),
        }))
    }
}

fn track(seen: Appearance) -> VideoTrack {
    let best = seen.boxes.iter().position(|(ms, _)| *ms == seen.best_ms);
    VideoTrack {
        best: best.unwrap_or(0),
        boxes: seen.boxes,
        template: seen.template,
    }
}

/// Why not all of a video was looked at.
fn cut_short(clip: &Clip, late_at_ms: Option<u64>, max_time: Duration) -> Option<String> {
    match (late_at_ms, &clip.broke_off) {
        (Some(ms), _) => Some(format!(
            "of {} s the first {} were looked at, because that took {} minutes already",
            clip.duration_ms / 1000,
            ms / 1000,
            max_time.as_secs() / 60
        )),
        (None, Some(why)) => Some(format!("broke off: {why}")),
        (None, None) if clip.n_damaged > 0 => {
            Some(format!("{} coded frames are damaged", clip.n_damaged))
        }
        (None, None) => None,
    }
}

/// What a scan says of a video that cannot be looked at. The list of problems names the file.
fn unusable(error: &Error) -> Unusable {
    let Error::Video { source, .. } = error else {
        return Unusable {
            kind: ProblemKind::Failed,
            why: error.to_string(),
        };
    };
    let kind = match source {
        VideoError::Io(_) => ProblemKind::Unreadable,
        VideoError::Container(_) => ProblemKind::Damaged,
        VideoError::NoVideo(_)
        | VideoError::Codec(_)
        | VideoError::Unsupported { .. }
        | VideoError::Limit { .. }
        | VideoError::TooManyPixels(_)
        | VideoError::NoFfmpeg => ProblemKind::NotCovered,
        _ => ProblemKind::Failed,
    };
    Unusable {
        kind,
        why: source.to_string(),
    }
}

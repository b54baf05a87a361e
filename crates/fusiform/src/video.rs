//! Who passes by in a video. In: a video file, an engine. Out: appearances: from when to when a
//! face was in view, where it was, and a template of its frames. Knows nothing of names.
//!
//! Frames are looked at a few times a second; boxes are joined by where they are
//! ([`fusiform_video::Tracker`]) within one scene, and parted again where the faces of one track do
//! not resemble each other, so that two people who cross do not become one.

mod redaction;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fusiform_search::template::{MeanTemplate, Template};
use fusiform_video::Video;
#[cfg(feature = "live")]
pub use fusiform_video::live;
pub use fusiform_video::{
    Codec, CoverageOptions, Likeness, MotionGate, Seen, Tracker, TrackerOptions, VideoError,
    VideoLimits, has_video_signature,
};

use crate::engine::Engine;
use crate::error::Error;
use crate::photo::{AnalyseOptions, Face};
use crate::verify::DIFFERENT_FMR;
use crate::{BoundingBox, DetectOptions};
pub use redaction::{RedactVideoOptions, RedactedVideo};

/// How a video is looked at.
#[derive(Debug, Clone)]
pub struct VideoOptions {
    /// Time between the frames that are looked at.
    pub interval: Duration,
    /// How faces are found in a frame.
    pub detect: DetectOptions,
    /// When boxes are one face passing by.
    pub tracker: TrackerOptions,
    /// What a file may ask for.
    pub limits: VideoLimits,
}

impl Default for VideoOptions {
    /// Five frames a second.
    fn default() -> VideoOptions {
        VideoOptions {
            interval: Duration::from_millis(200),
            detect: DetectOptions::default(),
            tracker: TrackerOptions::default(),
            limits: VideoLimits::default(),
        }
    }
}

/// What was seen in a video.
#[derive(Debug, Clone)]
pub struct Clip {
    /// How it is coded: `H.264`, `H.265`, or what the file calls another codec that ffmpeg decodes.
    pub codec_name: String,
    /// Its length by its own word, or the time of the last frame.
    pub duration_ms: u64,
    /// Frames that were looked at.
    pub n_frames: usize,
    /// Coded frames that were damaged.
    pub n_damaged: u64,
    /// Why the end of it could not be read, if it could not.
    pub broke_off: Option<String>,
    /// By their first time. Their order is all that tells those of unknown people apart.
    pub appearances: Vec<Appearance>,
}

/// A face in view for a while.
#[derive(Debug, Clone)]
pub struct Appearance {
    /// When it was seen first, in milliseconds from the first frame.
    pub start_ms: u64,
    /// When it was seen last.
    pub end_ms: u64,
    /// Where it was in each frame that was looked at, in pixels of the upright frame.
    pub boxes: Vec<(u64, BoundingBox)>,
    /// Time of the frame that shows it best.
    pub best_ms: u64,
    /// The face in that frame.
    pub best: Face,
    /// The mean of its frames by their quality, of length 1; `None` if nobody can be recognised by
    /// any of them, or the pack has no embedder.
    pub template: Option<Template>,
}

impl Engine {
    /// Who passes by in a video file. `goes_on` is told the time of each frame that is looked at
    /// and the length of the video, both in milliseconds, and ends the work by `false`: what was
    /// seen until then is returned.
    ///
    /// Of each face in view the best frame is kept, and one sum of its templates, however long the
    /// video is. A file that breaks off keeps what was seen before.
    ///
    /// # Errors
    /// [`Error::Video`] names the file; [`Error::Face`] if a network fails.
    ///
    /// # Example
    /// ```no_run
    /// use fusiform::{Engine, VideoOptions};
    /// let engine = Engine::builtin()?;
    /// let clip = engine.analyse_video("clip.mp4", &VideoOptions::default(), |_, _| true)?;
    /// for seen in &clip.appearances {
    ///     println!("{} to {} ms", seen.start_ms, seen.end_ms);
    /// }
    /// # Ok::<(), fusiform::Error>(())
    /// ```
    pub fn analyse_video(
        &self,
        path: impl AsRef<Path>,
        options: &VideoOptions,
        mut goes_on: impl FnMut(u64, u64) -> bool,
    ) -> Result<Clip, Error> {
        let path = path.as_ref();
        let of_file = |source| Error::Video {
            path: PathBuf::from(path),
            source,
        };
        let video = Video::open_any(path, &options.limits).map_err(of_file)?;
        let info = video.info().clone();
        let analyse = AnalyseOptions {
            detect: options.detect.clone(),
            ..AnalyseOptions::default()
        };
        let mut frames = video.frames(options.interval);
        let mut tracker = Tracker::new(options.tracker.clone());
        let apart = match self.thresholds() {
            Ok(thresholds) => thresholds.at_fmr(DIFFERENT_FMR)?.similarity,
            Err(_) => f32::NEG_INFINITY,
        };
        let mut passing: BTreeMap<u64, Passing> = BTreeMap::new();
        let mut passed: Vec<Passing> = Vec::new();
        let (mut n_frames, mut last_ms, mut broke_off) = (0, 0, None);
        let mut scene = 0;
        for frame in frames.by_ref() {
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) if n_frames > 0 => {
                    broke_off = Some(error.to_string());
                    break;
                }
                Err(error) => return Err(of_file(error)),
            };
            if !goes_on(frame.time_ms, info.duration_ms) {
                break;
            }
            (n_frames, last_ms) = (n_frames + 1, frame.time_ms);
            if frame.scene != scene {
                tracker.end_all();
                scene = frame.scene;
            }
            let mut faces = self.analyse_image(&frame.image, &analyse)?.faces;
            let boxes: Vec<_> = faces.iter().map(|face| (face.bbox, face.score)).collect();
            let mut seen = tracker.step(frame.time_ms, &boxes);
            // Taken from the end, so that the places of the others stay.
            seen.sort_by_key(|seen| std::cmp::Reverse(seen.face));
            for seen in seen {
                let face = faces.swap_remove(seen.face);
                match passing.entry(seen.track) {
                    Entry::Vacant(new) => _ = new.insert(Passing::begin(frame.time_ms, face)),
                    Entry::Occupied(mut known) if known.get().is_another(&face, apart) => {
                        passed.push(known.insert(Passing::begin(frame.time_ms, face)));
                    }
                    Entry::Occupied(mut known) => known.get_mut().seen(frame.time_ms, face),
                }
            }
        }
        passed.extend(passing.into_values());
        let mut appearances: Vec<Appearance> = passed.into_iter().map(Passing::ended).collect();
        appearances.sort_by_key(|seen| (seen.start_ms, seen.end_ms));
        Ok(Clip {
            codec_name: info.codec_name,
            duration_ms: info.duration_ms.max(last_ms),
            n_frames,
            n_damaged: frames.damaged(),
            broke_off,
            appearances,
        })
    }
}

/// A face in view, as far as it was seen. Of its frames only the best is kept: the others would be
/// 40 kB each.
struct Passing {
    /// Never empty.
    boxes: Vec<(u64, BoundingBox)>,
    best_ms: u64,
    best: Face,
    /// The last clear one: unclear faces resemble nobody, and go with those before them.
    last: Option<Template>,
    clear: MeanTemplate,
}

impl Passing {
    fn begin(time_ms: u64, face: Face) -> Passing {
        let template = clear(&face).cloned();
        let mut begun = Passing {
            boxes: vec![(time_ms, face.bbox)],
            best_ms: time_ms,
            best: face,
            last: None,
            clear: MeanTemplate::default(),
        };
        begun.add(template);
        begun
    }

    /// Whether a face where this one should be resembles it less than strangers do.
    fn is_another(&self, face: &Face, apart: f32) -> bool {
        let similarity = clear(face).zip(self.last.as_ref());
        similarity.is_some_and(|(a, b)| a.similarity(b).is_ok_and(|s| s.0 < apart))
    }

    fn seen(&mut self, time_ms: u64, face: Face) {
        self.boxes.push((time_ms, face.bbox));
        self.add(clear(&face).cloned());
        if face.quality.overall >= self.best.quality.overall {
            (self.best_ms, self.best) = (time_ms, face);
        }
    }

    fn add(&mut self, clear: Option<Template>) {
        let Some(template) = clear else {
            return;
        };
        self.clear.add(&template);
        self.last = Some(template);
    }

    fn ended(self) -> Appearance {
        Appearance {
            start_ms: self.boxes[0].0,
            end_ms: self.boxes[self.boxes.len() - 1].0,
            boxes: self.boxes,
            best_ms: self.best_ms,
            best: self.best,
            template: self.clear.mean(),
        }
    }
}

/// The template of a face by which somebody can be recognised.
fn clear(face: &Face) -> Option<&Template> {
    face.template.as_ref().filter(|_| !face.is_unclear())
}

//! Who passes by in a video. In: a video file, an engine. Out: appearances: from when to when a
//! face was in view, where it was, and a template of its frames. Knows nothing of names.
//!
//! Frames are looked at a few times a second; boxes are joined by where they are
//! ([`fusiform_video::Tracker`]) within one scene, and parted again where the faces of one track do
//! not resemble each other, so that two people who cross do not become one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fusiform_search::template::Template;
pub use fusiform_video::{Codec, TrackerOptions, VideoError, VideoLimits};
use fusiform_video::{Tracker, Video};

use crate::engine::Engine;
use crate::error::Error;
use crate::photo::{AnalyseOptions, Face};
use crate::verify::DIFFERENT_FMR;
use crate::{BoundingBox, DetectOptions};

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
    /// How it is coded.
    pub codec: Codec,
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

/// A face of one frame.
struct Shot {
    time_ms: u64,
    face: Face,
}

impl Engine {
    /// Who passes by in a video file. `goes_on` is told the time of each frame that is looked at
    /// and ends the work by `false`: what was seen until then is returned.
    ///
    /// A file that breaks off keeps what was seen before.
    ///
    /// # Errors
    /// [`Error::Video`] names the file; [`Error::Face`] if a network fails.
    ///
    /// # Example
    /// ```no_run
    /// use fusiform::{Engine, VideoOptions};
    /// let engine = Engine::builtin()?;
    /// let clip = engine.analyse_video("clip.mp4", &VideoOptions::default(), |_| true)?;
    /// for seen in &clip.appearances {
    ///     println!("{} to {} ms", seen.start_ms, seen.end_ms);
    /// }
    /// # Ok::<(), fusiform::Error>(())
    /// ```
    pub fn analyse_video(
        &self,
        path: impl AsRef<Path>,
        options: &VideoOptions,
        mut goes_on: impl FnMut(u64) -> bool,
    ) -> Result<Clip, Error> {
        let path = path.as_ref();
        let of_file = |source| Error::Video {
            path: PathBuf::from(path),
            source,
        };
        let video = Video::open(path, &options.limits).map_err(of_file)?;
        let info = video.info().clone();
        let analyse = AnalyseOptions {
            detect: options.detect.clone(),
            ..AnalyseOptions::default()
        };
        let mut frames = video.frames(options.interval);
        let mut tracker = Tracker::new(options.tracker.clone());
        let mut tracks: BTreeMap<u64, Vec<Shot>> = BTreeMap::new();
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
            if !goes_on(frame.time_ms) {
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
                tracks.entry(seen.track).or_default().push(Shot {
                    time_ms: frame.time_ms,
                    face: faces.swap_remove(seen.face),
                });
            }
        }
        let apart = match self.thresholds() {
            Ok(thresholds) => thresholds.at_fmr(DIFFERENT_FMR)?.similarity,
            Err(_) => f32::NEG_INFINITY,
        };
        let parted = tracks.into_values().flat_map(|shots| parted(shots, apart));
        let mut appearances: Vec<Appearance> = parted.filter_map(appearance).collect();
        appearances.sort_by_key(|seen| (seen.start_ms, seen.end_ms));
        Ok(Clip {
            codec: info.codec,
            duration_ms: info.duration_ms.max(last_ms),
            n_frames,
            n_damaged: frames.damaged(),
            broke_off,
            appearances,
        })
    }
}

/// A track in parts within which its clear faces resemble each other more than strangers do.
fn parted(shots: Vec<Shot>, apart: f32) -> Vec<Vec<Shot>> {
    let mut parts: Vec<Vec<Shot>> = vec![Vec::new()];
    // The last clear face decides: unclear ones resemble nobody, and go with those before them.
    let mut last: Option<Template> = None;
    for shot in shots {
        let clear = shot
            .face
            .template
            .as_ref()
            .filter(|_| !shot.face.is_unclear());
        if let (Some(template), Some(before)) = (clear, &last)
            && before.similarity(template).is_ok_and(|s| s.0 < apart)
        {
            parts.push(Vec::new());
        }
        if let Some(template) = clear {
            last = Some(template.clone());
        }
        if let Some(part) = parts.last_mut() {
            part.push(shot);
        }
    }
    parts
}

fn appearance(shots: Vec<Shot>) -> Option<Appearance> {
    let boxes: Vec<_> = shots
        .iter()
        .map(|shot| (shot.time_ms, shot.face.bbox))
        .collect();
    let (start_ms, end_ms) = (boxes.first()?.0, boxes.last()?.0);
    let clear = shots.iter().filter(|shot| !shot.face.is_unclear());
    let template = mean(clear.filter_map(|shot| shot.face.template.as_ref()));
    let quality = |shot: &Shot| shot.face.quality.overall;
    let best = shots
        .into_iter()
        .max_by(|a, b| quality(a).total_cmp(&quality(b)))?;
    Some(Appearance {
        start_ms,
        end_ms,
        boxes,
        best_ms: best.time_ms,
        best: best.face,
        template,
    })
}

/// The mean of templates of one model, weighed by the square of their quality, of length 1; its
/// quality is the best one.
fn mean<'a>(templates: impl Iterator<Item = &'a Template>) -> Option<Template> {
    let mut mean: Option<Template> = None;
    for template in templates {
        let weight = template.quality * template.quality;
        let weighed = template.vector.iter().map(|x| x * weight);
        match &mut mean {
            None => {
                mean = Some(Template {
                    vector: weighed.collect(),
                    ..template.clone()
                });
            }
            Some(mean) => {
                mean.quality = mean.quality.max(template.quality);
                mean.vector
                    .iter_mut()
                    .zip(weighed)
                    .for_each(|(sum, x)| *sum += x);
            }
        }
    }
    let mut mean = mean?;
    let length = mean.vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    // Of no quality at all, or of opposite directions.
    if length == 0.0 {
        return None;
    }
    mean.vector.iter_mut().for_each(|x| *x /= length);
    Some(mean)
}

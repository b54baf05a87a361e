//! A video in which nobody can be recognised but those to keep. In: a video file, an engine, who is
//! to be kept. Out: a new file. Knows nothing of names.
//!
//! The video is decoded twice. First every frame is looked at, and what is found decides with what
//! comes before and after which places are covered in which frame
//! ([`fusiform_video::coverage`]); then they are covered, and the frames are encoded by ffmpeg. A
//! frame that is not the same to the bit in both passes ends the work: nothing is written that was
//! not looked at.

use std::hash::{DefaultHasher, Hasher};
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use fusiform_face::redact::redact;
use fusiform_video::{
    Coverage, CoverageOptions, Encoder, EncoderOptions, FaceSeen, Frame, FrameSeen, Likeness,
    Video, VideoError, VideoLimits, checked_start_ms, coverage,
};

use crate::cover::COVER_SCORE;
use crate::engine::Engine;
use crate::error::Error;
use crate::photo::{AnalyseOptions, Face};
use crate::{BoundingBox, DetectOptions, Image};

/// How a video is covered.
#[derive(Debug, Clone)]
pub struct RedactVideoOptions {
    /// How faces are found in a frame.
    pub detect: DetectOptions,
    /// How long faces are covered where they are not found.
    pub coverage: CoverageOptions,
    /// What a file may ask for.
    pub limits: VideoLimits,
    /// Frames that are looked at at once.
    pub threads: NonZeroUsize,
    /// Constant rate factor of the new file: 0 loses nothing, 51 nearly everything.
    pub rate_factor: u8,
}

impl Default for RedactVideoOptions {
    /// Every detection from a score of 0.2 on; one thread; a rate factor of 18, at which losses are
    /// hardly seen.
    fn default() -> RedactVideoOptions {
        RedactVideoOptions {
            detect: DetectOptions {
                min_score: Some(WEAK_SCORE),
                keep_doubtful: true,
                ..DetectOptions::default()
            },
            coverage: CoverageOptions::default(),
            limits: VideoLimits::default(),
            threads: NonZeroUsize::MIN,
            rate_factor: 18,
        }
    }
}

/// What became of a video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedactedVideo {
    /// Frames, all of which were looked at.
    pub n_frames: usize,
    /// Time of the last frame.
    pub duration_ms: u64,
    /// Faces passing by that are covered wherever they are seen.
    pub n_covered_tracks: usize,
    /// Those that are kept in some frames at least.
    pub n_kept_tracks: usize,
    /// Faces that were found and covered, frame by frame.
    pub n_covered_faces: usize,
    /// Faces that were found and kept.
    pub n_kept_faces: usize,
    /// Places covered in frames where no face was found.
    pub n_bridged: usize,
}

/// Detector score from which on a box counts that is where one is in other frames: three frames say
/// more than one.
const WEAK_SCORE: f32 = 0.2;

/// Time between the frames that are looked at turned, and again with covered what was found: faces
/// that lie on their side, or are lost beside larger ones.
const THOROUGH_MS: u64 = 200;

/// A frame that was looked at, and what tells it again.
struct Looked {
    seen: FrameSeen,
    hash: u64,
}

impl Engine {
    /// Writes a video over `to`, an empty file whose extension says mp4, m4v, mov or mkv, in which
    /// every face of the video `from` is covered but those that `likeness` says are somebody to
    /// keep. Sound is copied; nothing else of the file is, neither places nor dates nor titles.
    ///
    /// Frames where a face is not found between others where it is, and those shortly before and
    /// after, are covered where it must have been. A face is kept only in frames where it is found
    /// and is somebody to keep beyond doubt. `goes_on` is told how much of the work is done and how
    /// much there is, in milliseconds of video, and ends it by `false`: then the result is `None`,
    /// and what is in `to` is no video.
    ///
    /// # Errors
    /// [`Error::Video`] names the file: also if a part of it is damaged, since what cannot be seen
    /// cannot be searched for faces, and if ffmpeg is not installed. [`Error::Face`]. Whatever
    /// `likeness` returns. After an error `to` is to be deleted.
    pub fn redact_video(
        &self,
        from: &Path,
        to: &Path,
        options: &RedactVideoOptions,
        likeness: &dyn Fn(&Face) -> Result<Likeness, Error>,
        mut goes_on: impl FnMut(u64, u64) -> bool,
    ) -> Result<Option<RedactedVideo>, Error> {
        let of_file = |source| Error::Video {
            path: from.to_owned(),
            source,
        };
        // That ffmpeg is missing, or the file damaged, is known before hours of work.
        let start_ms = checked_start_ms(from, &options.limits).map_err(of_file)?;
        let Some(looked) = self.look_at(from, options, likeness, &mut goes_on)? else {
            return Ok(None);
        };
        let (seen, hashes): (Vec<FrameSeen>, Vec<u64>) = looked
            .into_iter()
            .map(|frame| (frame.seen, frame.hash))
            .unzip();
        let plan = coverage(&seen, &options.coverage);
        let duration_ms = seen.last().map_or(0, |frame| frame.time_ms);
        let n_steps = seen.len().saturating_sub(1).max(1) as u64;
        let encoding = EncoderOptions {
            width_px: 0,
            height_px: 0,
            usual_step_ms: duration_ms / n_steps,
            start_ms,
            rate_factor: options.rate_factor,
        };
        let pass = Covering {
            from,
            to,
            options,
            encoding,
            plan: &plan,
            hashes: &hashes,
        };
        let is_done = pass.run(&mut |time_ms| goes_on(duration_ms + time_ms, 2 * duration_ms));
        if !is_done.map_err(of_file)? {
            return Ok(None);
        }
        let n_faces = seen.iter().map(|frame| frame.faces.len()).sum::<usize>();
        let n_kept_faces = plan.frames.iter().map(|frame| frame.kept.len()).sum();
        Ok(Some(RedactedVideo {
            n_frames: seen.len(),
            duration_ms,
            n_covered_tracks: plan.n_covered_tracks,
            n_kept_tracks: plan.n_kept_tracks,
            n_covered_faces: n_faces - n_kept_faces,
            n_kept_faces,
            n_bridged: plan.n_bridged,
        }))
    }

    /// The first pass: what is in every frame. `None` if it was stopped.
    fn look_at(
        &self,
        path: &Path,
        options: &RedactVideoOptions,
        likeness: &dyn Fn(&Face) -> Result<Likeness, Error>,
        goes_on: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Option<Vec<Looked>>, Error> {
        let of_file = |source| Error::Video {
            path: path.to_owned(),
            source,
        };
        let video = Video::open_any(path, &options.limits).map_err(of_file)?;
        let duration_ms = video.info().duration_ms;
        let mut frames = video.frames(Duration::ZERO);
        let mut looked: Vec<Looked> = Vec::new();
        let mut thorough: Option<(u64, u64)> = None;
        let mut first_size = None;
        loop {
            let mut batch: Vec<(Frame, bool)> = Vec::new();
            for frame in frames.by_ref().take(options.threads.get()) {
                let frame = frame.map_err(of_file)?;
                let size = frame.image.size();
                let first = *first_size.get_or_insert(size);
                if size != first {
                    let (width_px, height_px) = (first.width_px.into(), first.height_px.into());
                    return Err(of_file(VideoError::Resized {
                        width_px,
                        height_px,
                    }));
                }
                let is_thorough = thorough.is_none_or(|(time_ms, scene)| {
                    frame.scene != scene || frame.time_ms - time_ms >= THOROUGH_MS
                });
                if is_thorough {
                    thorough = Some((frame.time_ms, frame.scene));
                }
                batch.push((frame, is_thorough));
            }
            let Some((last, _)) = batch.last() else {
                break;
            };
            let last_ms = last.time_ms;
            if !goes_on(last_ms, 2 * duration_ms.max(last_ms)) {
                return Ok(None);
            }
            let look = |(frame, is_thorough): &(Frame, bool)| {
                self.look_at_frame(frame, *is_thorough, options)
            };
            let found: Vec<Result<Found, Error>> = std::thread::scope(|scope| {
                let started: Vec<_> = batch
                    .iter()
                    .map(|frame| scope.spawn(move || look(frame)))
                    .collect();
                let joined = started.into_iter().map(|thread| thread.join());
                // A panic here is a fault of this program, and goes on as one.
                joined
                    .map(|done| done.unwrap_or_else(|why| std::panic::resume_unwind(why)))
                    .collect()
            });
            for ((frame, _), found) in batch.iter().zip(found) {
                looked.push(found?.judged(frame, likeness)?);
            }
        }
        match frames.damaged() {
            0 if looked.is_empty() => Err(of_file(VideoError::NoVideo("no frame".to_owned()))),
            0 => Ok(Some(looked)),
            n => Err(of_file(VideoError::Damaged(n))),
        }
    }

    fn look_at_frame(
        &self,
        frame: &Frame,
        is_thorough: bool,
        options: &RedactVideoOptions,
    ) -> Result<Found, Error> {
        let mut looking = AnalyseOptions {
            detect: options.detect.clone(),
            ..AnalyseOptions::default()
        };
        looking.detect.try_turned &= is_thorough;
        let faces = self.analyse_image(&frame.image, &looking)?.faces;
        let least = looking.detect.min_score;
        looking.detect.min_score = least.map(|least| least.max(COVER_SCORE));
        let mut more = Vec::new();
        if is_thorough && !faces.is_empty() {
            let mut copy = frame.image.clone();
            let mut covered: Vec<_> = faces.iter().map(|face| face.bbox).collect();
            redact(&mut copy, &covered, &[]);
            self.cover_remaining(&mut copy, &mut covered, &[], &looking)?;
            more = covered.split_off(faces.len());
        }
        Ok(Found {
            faces,
            more,
            hash: hash(&frame.image),
        })
    }
}

/// What was found in a frame.
struct Found {
    faces: Vec<Face>,
    /// Found when the others were covered.
    more: Vec<BoundingBox>,
    hash: u64,
}

impl Found {
    fn judged(
        self,
        frame: &Frame,
        likeness: &dyn Fn(&Face) -> Result<Likeness, Error>,
    ) -> Result<Looked, Error> {
        let mut faces = Vec::with_capacity(self.faces.len() + self.more.len());
        for face in &self.faces {
            faces.push(FaceSeen {
                bbox: face.bbox,
                score: face.score,
                likeness: likeness(face)?,
            });
        }
        faces.extend(self.more.into_iter().map(|bbox| FaceSeen {
            bbox,
            score: COVER_SCORE,
            likeness: Likeness::Other,
        }));
        Ok(Looked {
            seen: FrameSeen {
                time_ms: frame.time_ms,
                scene: frame.scene,
                faces,
            },
            hash: self.hash,
        })
    }
}

/// The second pass.
struct Covering<'a> {
    from: &'a Path,
    to: &'a Path,
    options: &'a RedactVideoOptions,
    encoding: EncoderOptions,
    plan: &'a Coverage,
    hashes: &'a [u64],
}

impl Covering<'_> {
    /// False if it was stopped.
    fn run(mut self, goes_on: &mut dyn FnMut(u64) -> bool) -> Result<bool, VideoError> {
        let changed = || VideoError::Container("it changed while it was read".to_owned());
        let limits = &self.options.limits;
        let mut encoder = None;
        let mut n_written = 0;
        for frame in Video::open_any(self.from, limits)?.frames(Duration::ZERO) {
            let Frame {
                time_ms, mut image, ..
            } = frame?;
            if !goes_on(time_ms) {
                return Ok(false);
            }
            let cover = self.plan.frames.get(n_written).ok_or_else(changed)?;
            if hash(&image) != self.hashes[n_written] {
                return Err(changed());
            }
            redact(&mut image, &cover.covered, &cover.kept);
            let encoder = match &mut encoder {
                Some(encoder) => encoder,
                none => {
                    self.encoding.width_px = image.width();
                    self.encoding.height_px = image.height();
                    none.insert(Encoder::start(self.to, self.from, self.encoding, limits)?)
                }
            };
            encoder.write(time_ms, &image)?;
            n_written += 1;
        }
        if n_written != self.hashes.len() {
            return Err(changed());
        }
        encoder.map_or(Ok(()), Encoder::finish).map(|()| true)
    }
}

/// Tells whether two frames are the same to the bit.
fn hash(image: &Image) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u32(image.width());
    hasher.write(image.rgb());
    hasher.finish()
}

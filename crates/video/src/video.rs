//! A video file. In: a path. Out: its pictures and frames, decoded on a thread of their own.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use fusiform_face::image::{Image, Orientation, contain};

use crate::codec::{Codec, Decoder};
use crate::container::{Container, Sample};
use crate::cut::CutDetector;
use crate::error::VideoError;
use crate::ffmpeg::Transcoded;
use crate::limits::VideoLimits;
use crate::picture::Picture;

/// Pictures that wait for whoever looks at them.
const WAITING: usize = 3;

/// An open video file.
pub struct Video {
    source: Source,
    info: VideoInfo,
    /// Where another program may go on if the decoder here cannot begin.
    instead: Option<(PathBuf, VideoLimits)>,
}

/// What pictures come from.
enum Source {
    Decoded {
        container: Box<Container>,
        decoder: Box<Decoder>,
        shown_ms: Range<u64>,
    },
    Transcoded(Box<Transcoded>),
}

/// What a video's head says.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoInfo {
    /// How it is coded; `None` if ffmpeg decodes it.
    pub codec: Option<Codec>,
    /// The name of that, as far as it is known.
    pub codec_name: String,
    /// How its frames are turned to be upright.
    pub orientation: Orientation,
    /// How long it is, by its own word; 0 if it says nothing.
    pub duration_ms: u64,
}

/// An upright frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// When it is shown, in milliseconds from the first frame.
    pub time_ms: u64,
    /// Which scene it is of, from 0: between two numbers lies a cut.
    pub scene: u64,
    /// Its pixels.
    pub image: Image,
}

impl Video {
    /// Opens a file and reads its head.
    ///
    /// # Errors
    /// [`VideoError`], all but [`VideoError::Decoder`].
    pub fn open(path: &Path, limits: &VideoLimits) -> Result<Video, VideoError> {
        let container = Container::open(path, limits)?;
        let track = container.track();
        let decoder = Decoder::new(track.codec, &track.config, limits)?;
        let info = VideoInfo {
            codec: Some(track.codec),
            codec_name: track.codec.name().to_owned(),
            orientation: track.orientation,
            duration_ms: track.duration_ms,
        };
        let shown_ms = track.shown_ms.clone();
        Ok(Video {
            source: Source::Decoded {
                container: Box::new(container),
                decoder: Box::new(decoder),
                shown_ms,
            },
            info,
            instead: None,
        })
    }

    /// As [`Video::open`], and what is not decoded here is by the program ffmpeg, if that is
    /// installed: other containers, other codecs, other ways of these codecs.
    ///
    /// # Errors
    /// [`VideoError`], all but [`VideoError::Decoder`].
    pub fn open_any(path: &Path, limits: &VideoLimits) -> Result<Video, VideoError> {
        let refused = match Video::open(path, limits) {
            Ok(video) => {
                return Ok(Video {
                    instead: Some((path.to_owned(), limits.clone())),
                    ..video
                });
            }
            Err(error) => error,
        };
        let codec_name = match &refused {
            VideoError::Codec(name) | VideoError::NoVideo(name) => name.clone(),
            VideoError::Container(_) | VideoError::Unsupported { .. } => "other".to_owned(),
            _ => return Err(refused),
        };
        match Transcoded::open(path, true, limits) {
            Ok(source) => Ok(Video {
                info: VideoInfo {
                    codec: None,
                    codec_name,
                    orientation: Orientation::Upright,
                    duration_ms: source.duration_ms(),
                },
                source: Source::Transcoded(Box::new(source)),
                instead: None,
            }),
            // What it is not, in the words that do not need the other program.
            Err(VideoError::NoFfmpeg) => Err(refused),
            Err(VideoError::Ffmpeg(said)) => Err(match refused {
                VideoError::Container(what) => {
                    VideoError::Container(format!("{what}; ffmpeg: {said}"))
                }
                VideoError::NoVideo(_) => refused,
                _ => VideoError::Ffmpeg(said),
            }),
            Err(error) => Err(error),
        }
    }

    /// What the head says.
    pub fn info(&self) -> &VideoInfo {
        &self.info
    }

    /// Every picture as it is stored, in the order in which they are shown.
    pub fn pictures(self) -> Pictures {
        let (to, from) = sync_channel(WAITING);
        let (mut source, mut instead) = (self.source, self.instead);
        let decode = move || {
            let mut ended = None;
            while ended.is_none() {
                // What a decoder leaves behind a panic is not used again.
                let step = contain(|| source.step());
                let (pictures, end) =
                    step.unwrap_or_else(|why| (Vec::new(), Some(Err(VideoError::Decoder(why)))));
                if !pictures.is_empty() {
                    instead = None;
                }
                for picture in pictures {
                    if to.send(Ok(Step::Shown(picture))).is_err() {
                        return;
                    }
                }
                ended = end;
                if let (Some(Err(VideoError::Unsupported { .. })), Some((path, limits))) =
                    (&ended, instead.take_if(|_| ended.is_some()))
                    && let Ok(other) = Transcoded::open(&path, false, &limits)
                {
                    source = Source::Transcoded(Box::new(other));
                    ended = None;
                }
            }
            let damaged = source.damaged();
            // Whoever listened may have gone.
            let _ = to.send(match ended {
                Some(Err(error)) => Err(error),
                _ => Ok(Step::Ended { damaged }),
            });
        };
        let started = std::thread::Builder::new()
            .name("video".to_owned())
            .spawn(decode);
        Pictures {
            from: started.is_ok().then_some(from),
            failed: started.err(),
            damaged: 0,
        }
    }

    /// One upright frame for each `interval`: the first of its time.
    pub fn frames(self, interval: Duration) -> Frames {
        Frames {
            orientation: self.info.orientation,
            interval_ms: u64::try_from(interval.as_millis()).unwrap_or(u64::MAX),
            next_ms: 0,
            scene: 0,
            cuts: CutDetector::default(),
            pictures: self.pictures(),
        }
    }
}

impl Source {
    /// The pictures that come next; and how the video ended, if it did. What was held back is shown
    /// before.
    fn step(&mut self) -> (Vec<Picture>, Option<Result<(), VideoError>>) {
        let (container, decoder, shown_ms) = match self {
            Source::Transcoded(source) => {
                return match source.next() {
                    Ok(Some(picture)) => (vec![picture], None),
                    Ok(None) => (Vec::new(), Some(Ok(()))),
                    Err(error) => (Vec::new(), Some(Err(error))),
                };
            }
            Source::Decoded {
                container,
                decoder,
                shown_ms,
            } => (container, decoder, shown_ms),
        };
        let shown = |mut pictures: Vec<Picture>| {
            pictures.retain(|picture| shown_ms.contains(&picture.time_ms));
            for picture in &mut pictures {
                picture.time_ms -= shown_ms.start;
            }
            pictures
        };
        let end = match container.next() {
            Ok(Some(Sample { bytes, time_ms })) => match decoder.decode(&bytes, time_ms) {
                Ok(pictures) => return (shown(pictures), None),
                Err(error) => Err(error),
            },
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        match decoder.flush() {
            Ok(pictures) => (shown(pictures), Some(end)),
            Err(error) => (Vec::new(), Some(end.and(Err(error)))),
        }
    }

    fn damaged(&self) -> u64 {
        match self {
            Source::Decoded { decoder, .. } => decoder.damaged(),
            Source::Transcoded(source) => source.damaged(),
        }
    }
}

enum Step {
    Shown(Picture),
    Ended { damaged: u64 },
}

/// The pictures of a video; ends after the first error. Dropping it ends the decoder.
pub struct Pictures {
    from: Option<Receiver<Result<Step, VideoError>>>,
    failed: Option<std::io::Error>,
    damaged: u64,
}

impl Pictures {
    /// Samples that were damaged, known at the end.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }
}

impl Iterator for Pictures {
    type Item = Result<Picture, VideoError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.take() {
            return Some(Err(VideoError::Io(error)));
        }
        match self.from.as_ref()?.recv() {
            Ok(Ok(Step::Shown(picture))) => Some(Ok(picture)),
            Ok(Ok(Step::Ended { damaged })) => {
                self.damaged = damaged;
                self.from = None;
                None
            }
            Ok(Err(error)) => {
                self.from = None;
                Some(Err(error))
            }
            Err(_) => {
                self.from = None;
                None
            }
        }
    }
}

/// Upright frames of a video, one for each interval.
pub struct Frames {
    pictures: Pictures,
    orientation: Orientation,
    interval_ms: u64,
    next_ms: u64,
    scene: u64,
    cuts: CutDetector,
}

impl Frames {
    /// Samples that were damaged, known at the end.
    pub fn damaged(&self) -> u64 {
        self.pictures.damaged()
    }
}

impl Iterator for Frames {
    type Item = Result<Frame, VideoError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let picture = match self.pictures.next()? {
                Ok(picture) => picture,
                Err(error) => return Some(Err(error)),
            };
            self.scene += u64::from(self.cuts.is_cut(&picture.planes));
            let (time_ms, scene) = (picture.time_ms, self.scene);
            if time_ms < self.next_ms {
                continue;
            }
            let passed = time_ms - time_ms.checked_rem(self.interval_ms).unwrap_or(0);
            self.next_ms = passed.saturating_add(self.interval_ms);
            let image = picture.planes.to_image(self.orientation);
            let image = image.map_err(|error| VideoError::Decoder(error.to_string()));
            return Some(image.map(|image| Frame {
                time_ms,
                scene,
                image,
            }));
        }
    }
}

//! Frames and tracks. In: video files and cameras; boxes of faces, frame by frame. Out: upright RGB
//! frames with their times; which boxes are one face passing by. Knows nothing of people and
//! storage.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! let limits = fusiform_video::VideoLimits::default();
//! let video = fusiform_video::Video::open("clip.mp4".as_ref(), &limits)?;
//! for frame in video.frames(Duration::from_millis(200)) {
//!     let frame = frame?;
//!     println!("{} ms: {} × {}", frame.time_ms, frame.image.width(), frame.image.height());
//! }
//! # Ok::<(), fusiform_video::VideoError>(())
//! ```

#![forbid(unsafe_code)]

mod codec;
mod container;
mod coverage;
mod cut;
mod error;
mod ffmpeg;
mod limits;
#[cfg(feature = "live")]
pub mod live;
mod motion;
mod picture;
mod tracker;
mod video;

pub use codec::Codec;
pub use container::has_video_signature;
pub use coverage::{
    Coverage, CoverageOptions, FaceSeen, FrameCover, FrameSeen, Likeness, coverage,
};
pub use error::VideoError;
pub use ffmpeg::{Encoder, EncoderOptions, checked_start_ms};
pub use limits::VideoLimits;
pub use motion::MotionGate;
pub use picture::{Colour, Picture, Planes};
pub use tracker::{Seen, Tracker, TrackerOptions};
pub use video::{Frame, Frames, Pictures, Video, VideoInfo};

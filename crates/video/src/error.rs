//! What can be wrong with a video.

use std::io;

/// Why a video cannot be read, or not further.
#[derive(Debug, thiserror::Error)]
pub enum VideoError {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no MP4, MOV, MKV or WebM, or a broken one.
    #[error("this is no MP4, MOV, MKV or WebM that can be read: {0}")]
    Container(String),
    /// It has no moving pictures.
    #[error("there is no video track, only {0}")]
    NoVideo(String),
    /// Its frames are coded in a way that is not decoded here.
    #[error("its video is {0}; H.264 and H.265 are decoded, others where ffmpeg is installed")]
    Codec(String),
    /// A part of the coding that is not decoded here.
    #[error("{codec}: {what}")]
    Unsupported {
        /// `H.264` or `H.265`.
        codec: &'static str,
        /// The decoder's words.
        what: String,
    },
    /// It asks for more than a limit allows.
    #[error("{what} {value} is more than the limit of {limit}")]
    Limit {
        /// What is limited, for messages.
        what: &'static str,
        /// What the file asks for.
        value: u64,
        /// The limit.
        limit: u64,
    },
    /// A decoder met a frame that is larger than the limit.
    #[error("a frame of more pixels than the limit of {0}")]
    TooManyPixels(u64),
    /// Frames of one video are of several sizes.
    #[error("its frames are not all of {width_px}x{height_px} px")]
    Resized {
        /// Columns of the first frame.
        width_px: u64,
        /// Rows of the first frame.
        height_px: u64,
    },
    /// Frames that were not decoded whole, where all are needed.
    #[error(
        "it is damaged in {0} places, and what is not decoded whole cannot be searched for faces; \
         repair the file first"
    )]
    Damaged(u64),
    /// The other program that is needed is not there.
    #[error("the program ffmpeg is needed and is not installed")]
    NoFfmpeg,
    /// The other program failed.
    #[error("ffmpeg: {0}")]
    Ffmpeg(String),
    /// The decoder failed in a way that it should not.
    #[error("the decoder failed: {0}")]
    Decoder(String),
}

impl VideoError {
    /// [`VideoError::Limit`] if the value is above the limit.
    pub(crate) fn above(what: &'static str, value: u64, limit: u64) -> Result<(), VideoError> {
        if value > limit {
            return Err(VideoError::Limit { what, value, limit });
        }
        Ok(())
    }
}

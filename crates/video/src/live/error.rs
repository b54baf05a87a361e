//! What can be wrong with a stream. Messages name no login.

use std::time::Duration;

use crate::error::VideoError;

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// No connection.
    #[error("no connection: {0}")]
    Connect(String),
    /// Login and password are wrong or missing.
    #[error("the camera refuses the login; set user and password")]
    Login,
    /// The camera refuses.
    #[error("the camera answers {0}")]
    Refused(String),
    /// What it sends is not understood.
    #[error("what the camera sends cannot be read: {0}")]
    Protocol(String),
    /// It sends something else than pictures.
    #[error(
        "the camera sends {0}; RTSP with H.264, H.265 or JPEG, multipart JPEG and single JPEGs \
             are understood"
    )]
    NoPictures(String),
    /// It was silent for too long.
    #[error("no picture came for {} seconds", .0.as_secs())]
    Stalled(Duration),
    /// It ended the stream.
    #[error("the camera has ended the stream")]
    Ended,
    /// A picture asks for too much, or cannot be decoded.
    #[error(transparent)]
    Video(#[from] VideoError),
}

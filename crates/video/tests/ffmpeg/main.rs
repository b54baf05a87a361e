//! Frames of clips that ffmpeg wrote, compared with ffmpeg's own decoding: to the bit as stored,
//! within one level as RGB. Needs ffmpeg with libx264 and libx265.

mod clips;
mod decoding;
mod transcoding;

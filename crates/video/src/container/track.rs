//! What a container holds of a track. In: nothing. Out: plain data.

use std::ops::Range;

use fusiform_face::image::Orientation;

use crate::codec::Codec;

/// What is known of a track before it is decoded.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Track {
    pub(crate) codec: Codec,
    /// `avcC` or `hvcC`.
    pub(crate) config: Vec<u8>,
    pub(crate) orientation: Orientation,
    pub(crate) duration_ms: u64,
    /// Which times of samples are shown: those before are only needed to decode the others.
    pub(crate) shown_ms: Range<u64>,
}

/// A coded frame.
pub(crate) struct Sample {
    pub(crate) bytes: Vec<u8>,
    /// When it is shown, from the first sample, be that shown or not.
    pub(crate) time_ms: u64,
}

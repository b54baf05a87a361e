//! What both decoders make of a frame. In: planes of any depth. Out: planes of eight bits.

use crate::error::VideoError;
use crate::picture::{Picture, Planes};

/// Pictures that are held until those before them are there, at most.
pub(super) const MAX_REORDERED: usize = 16;

/// Samples of more than eight bits, rounded to eight.
pub(super) fn rounded(samples: impl Iterator<Item = u16>, bits: u8) -> Vec<u8> {
    let shift = bits.saturating_sub(8).min(8);
    let half = (1u32 << shift) >> 1;
    samples
        .map(|sample| ((u32::from(sample) + half) >> shift).min(255) as u8)
        .collect()
}

/// A picture whose planes are as large as they say.
pub(super) fn whole(planes: Planes, time_ms: u64) -> Result<Picture, VideoError> {
    match planes.is_whole() {
        true => Ok(Picture { time_ms, planes }),
        false => Err(VideoError::Decoder(
            "a picture with planes of other sizes".to_owned(),
        )),
    }
}

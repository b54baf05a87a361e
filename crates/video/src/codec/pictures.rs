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

/// Whether the units of a sample, each after its length, fill it: one that is cut or hit has a
/// length that leads beyond it, and what follows is lost. Zeros may fill up the end.
pub(super) fn is_filled(sample: &[u8], length_size: usize) -> bool {
    let mut rest = sample;
    while let Some((length, after)) = rest.split_at_checked(length_size) {
        let length = length
            .iter()
            .fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        let unit = usize::try_from(length).ok();
        let Some((_, after)) = unit.and_then(|unit| after.split_at_checked(unit)) else {
            return false;
        };
        rest = after;
    }
    rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_filled_by_its_units() {
        for (sample, wanted) in [
            (&[0, 2, 7, 7, 0, 1, 7][..], true),
            (&[], true),
            (&[0, 2, 7, 7, 0], true),
            (&[0, 2, 7, 7, 0, 0, 0, 0], true),
            (&[0, 2, 7, 7, 0, 9, 7], false),
            (&[0, 2, 7], false),
            (&[0, 2, 7, 7, 9], false),
        ] {
            assert_eq!(is_filled(sample, 2), wanted, "{sample:?}");
        }
    }
}

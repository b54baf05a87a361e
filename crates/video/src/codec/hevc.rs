//! H.265. In: samples of length-prefixed units, or of units after start codes. Out: pictures. Over
//! `rust_h265`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rust_h265::{DecodeError, DecodeLimits, Frame, NalUnit, PixelData};

use super::pictures::{MAX_REORDERED, is_filled, rounded, whole};
use crate::error::VideoError;
use crate::limits::VideoLimits;
use crate::picture::{Colour, Picture, Planes};

/// What is kept per picture by the decoder, in bytes per pixel, at most.
const MAX_STATE_BYTES_PER_PIXEL: u64 = 24;

pub(super) struct Decoder {
    decoder: Box<rust_h265::Decoder>,
    /// Bytes of the length before each unit of a sample; `None` for a live stream, whose units
    /// follow start codes and whose pictures are given as soon as they are decoded.
    length_size: Option<u8>,
    /// Times of samples whose pictures have not been shown: the first shown has the least.
    times: BinaryHeap<Reverse<u64>>,
    max_pixels: u64,
}

impl Decoder {
    pub(super) fn new(config: &[u8], limits: &VideoLimits) -> Result<Decoder, VideoError> {
        let (length_size, units) = parameter_sets(config)
            .ok_or_else(|| VideoError::Container("its hvcC record is cut".to_owned()))?;
        let mut decoder = Decoder {
            decoder: Box::new(limited(limits).with_display_order()),
            length_size: Some(length_size),
            times: BinaryHeap::new(),
            max_pixels: limits.max_pixels,
        };
        for unit in units.iter().filter_map(|unit| rust_h265::parse_nal(unit)) {
            decoder.unit(&unit, &mut Vec::new())?;
        }
        Ok(decoder)
    }

    /// For samples of whole pictures with start codes (ITU-T H.265, annex B).
    #[cfg(feature = "live")]
    pub(super) fn live(limits: &VideoLimits) -> Decoder {
        Decoder {
            decoder: Box::new(limited(limits)),
            length_size: None,
            times: BinaryHeap::new(),
            max_pixels: limits.max_pixels,
        }
    }

    /// Whether the whole sample could be decoded.
    pub(super) fn decode(
        &mut self,
        sample: &[u8],
        time_ms: u64,
        shown: &mut Vec<Picture>,
    ) -> Result<bool, VideoError> {
        self.times.push(Reverse(time_ms));
        // Never more than are held for their order: those before were lost.
        while self.times.len() > 4 * MAX_REORDERED {
            self.times.pop();
        }
        let mut is_whole = match self.length_size {
            Some(length_size) => is_filled(sample, length_size.into()),
            None => true,
        };
        let units = match self.length_size {
            Some(length_size) => rust_h265::parse_hvcc(sample, length_size),
            None => rust_h265::parse_annex_b(sample),
        };
        for unit in units {
            is_whole &= self.unit(&unit, shown)?;
        }
        while let Some(frame) = self.decoder.next_output() {
            shown.push(self.picture(frame)?);
        }
        Ok(is_whole)
    }

    pub(super) fn flush(&mut self) -> Result<Vec<Picture>, VideoError> {
        let mut shown = Vec::new();
        while let Some(frame) = self.decoder.flush() {
            shown.push(self.picture(frame)?);
        }
        Ok(shown)
    }

    /// False for a unit that is damaged.
    fn unit(&mut self, unit: &NalUnit<'_>, shown: &mut Vec<Picture>) -> Result<bool, VideoError> {
        let what = match self.decoder.decode_nal(unit) {
            Ok(None) => return Ok(true),
            // Only a live stream's: else they come in the order of their showing.
            Ok(Some(frame)) => {
                if self.length_size.is_none() {
                    shown.push(self.picture(frame)?);
                }
                return Ok(true);
            }
            Err(DecodeError::Unsupported(what)) => what.to_string(),
            Err(DecodeError::ResourceLimit(_)) => {
                return Err(VideoError::TooManyPixels(self.max_pixels));
            }
            Err(_) => return Ok(false),
        };
        Err(VideoError::Unsupported {
            codec: "H.265",
            what,
        })
    }

    fn picture(&mut self, frame: Frame) -> Result<Picture, VideoError> {
        let (chroma_width_px, chroma_height_px) = match frame.chroma_format_idc {
            3 => (frame.width, frame.height),
            _ => (frame.width / 2, frame.height / 2),
        };
        let planes = Planes {
            width_px: frame.width,
            height_px: frame.height,
            chroma_width_px,
            chroma_height_px,
            colour: Colour::usual(frame.height),
            y: eight(frame.y, frame.bit_depth),
            cb: eight(frame.u, frame.bit_depth),
            cr: eight(frame.v, frame.bit_depth),
        };
        let time_ms = self.times.pop().map_or(0, |Reverse(time_ms)| time_ms);
        whole(planes, time_ms)
    }
}

fn limited(limits: &VideoLimits) -> rust_h265::Decoder {
    rust_h265::Decoder::with_limits(DecodeLimits {
        max_picture_pixels: limits.max_pixels,
        max_picture_memory_bytes: limits.max_pixels * MAX_STATE_BYTES_PER_PIXEL,
    })
}

fn eight(plane: PixelData, bits: u8) -> Vec<u8> {
    match plane {
        PixelData::U8(samples) => samples,
        PixelData::U16(samples) => rounded(samples.into_iter(), bits),
    }
}

/// The size of the lengths in samples, and the parameter sets, of an `hvcC` record (ISO/IEC
/// 14496-15, 8.3.3.1).
fn parameter_sets(record: &[u8]) -> Option<(u8, Vec<&[u8]>)> {
    let length_size = (record.get(21)? & 3) + 1;
    let n_arrays = *record.get(22)?;
    let mut rest = record.get(23..)?;
    let mut units = Vec::new();
    for _ in 0..n_arrays {
        let (_, after) = rest.split_first()?;
        let (n_units, after) = after.split_first_chunk()?;
        rest = after;
        for _ in 0..u16::from_be_bytes(*n_units) {
            let (length, after) = rest.split_first_chunk()?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (unit, after) = after.split_at_checked(length)?;
            units.push(unit);
            rest = after;
        }
    }
    Some((length_size, units))
}

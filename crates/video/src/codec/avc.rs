//! H.264. In: samples of length-prefixed units, or of units after start codes. Out: pictures. Over
//! `rust_h264`.

use rust_h264::decoder::{Frame, OrderedDecoder};
use rust_h264::error::DecodeError;
use rust_h264::nal::{self, NalUnit, NalUnitType, SpsInfo};

use super::pictures::{MAX_REORDERED, is_filled, rounded, whole};
use crate::error::VideoError;
use crate::limits::VideoLimits;
use crate::picture::{Colour, Picture, Planes};

pub(super) struct Decoder {
    inner: Inner,
    /// By the last parameter set.
    colour: Option<Colour>,
    max_pixels: u64,
}

enum Inner {
    /// Of a file: pictures in the order of their showing, each with its time.
    Shown {
        decoder: Box<OrderedDecoder<u64>>,
        /// Bytes of the length before each unit of a sample.
        length_size: usize,
    },
    /// Of a live stream: each picture as soon as its sample is decoded.
    #[cfg(feature = "live")]
    Live(Box<rust_h264::decoder::Decoder>),
}

impl Decoder {
    /// For samples of whole pictures with start codes (ITU-T H.264, annex B).
    #[cfg(feature = "live")]
    pub(super) fn live(limits: &VideoLimits) -> Decoder {
        Decoder {
            inner: Inner::Live(Box::default()),
            colour: None,
            max_pixels: limits.max_pixels,
        }
    }

    pub(super) fn new(config: &[u8], limits: &VideoLimits) -> Result<Decoder, VideoError> {
        let record = nal::parse_avcc_config(config)
            .map_err(|what| VideoError::Container(what.to_owned()))?;
        let info = record.sps_nals.first().map(nal::parse_sps_info);
        let reorder = info.and_then(|info| info.ok()?.max_reorder_frames);
        let depth = reorder.map_or(MAX_REORDERED, |n| (n as usize + 1).min(MAX_REORDERED));
        let mut decoder = Decoder {
            inner: Inner::Shown {
                decoder: Box::new(OrderedDecoder::with_max_depth(depth)),
                length_size: record.length_size,
            },
            colour: None,
            max_pixels: limits.max_pixels,
        };
        for unit in record.sps_nals.iter().chain(&record.pps_nals) {
            decoder.unit(unit, 0, &mut Vec::new())?;
        }
        Ok(decoder)
    }

    /// Whether the whole sample could be decoded.
    pub(super) fn decode(
        &mut self,
        sample: &[u8],
        time_ms: u64,
        shown: &mut Vec<Picture>,
    ) -> Result<bool, VideoError> {
        let units = match &self.inner {
            Inner::Shown { length_size, .. } => nal::parse_avcc(sample, *length_size),
            #[cfg(feature = "live")]
            Inner::Live(_) => nal::parse_annex_b(sample),
        };
        let mut is_whole = match &self.inner {
            Inner::Shown { length_size, .. } => is_filled(sample, *length_size),
            #[cfg(feature = "live")]
            Inner::Live(_) => true,
        };
        for unit in units {
            is_whole &= self.unit(&unit, time_ms, shown)?;
        }
        #[cfg(feature = "live")]
        if let Inner::Live(decoder) = &mut self.inner
            && let Some(frame) = decoder.flush()
        {
            shown.push(picture(frame, self.colour, time_ms)?);
        }
        Ok(is_whole)
    }

    pub(super) fn flush(&mut self) -> Result<Vec<Picture>, VideoError> {
        let held = match &mut self.inner {
            Inner::Shown { decoder, .. } => decoder.flush_with_meta().into_iter(),
            #[cfg(feature = "live")]
            Inner::Live(_) => return Ok(Vec::new()),
        };
        held.map(|(frame, time_ms)| picture(frame, self.colour, time_ms))
            .collect()
    }

    /// False for a unit that is damaged.
    fn unit(
        &mut self,
        unit: &NalUnit<'_>,
        time_ms: u64,
        shown: &mut Vec<Picture>,
    ) -> Result<bool, VideoError> {
        if unit.nal_unit_type == NalUnitType::Sps {
            // Before the decoder allocates pictures for it.
            let Ok(info) = nal::parse_sps_info(unit) else {
                return Ok(false);
            };
            let pixels = u64::from(info.coded_width) * u64::from(info.coded_height);
            VideoError::above("a frame of so many pixels:", pixels, self.max_pixels)?;
            self.colour = Some(colour(&info));
        }
        let decoded = match &mut self.inner {
            Inner::Shown { decoder, .. } => decoder.decode_nal_with_meta(unit, time_ms),
            #[cfg(feature = "live")]
            Inner::Live(decoder) => decoder
                .decode_nal(unit)
                .map(|frame| frame.map(|frame| (frame, time_ms)).into_iter().collect()),
        };
        match decoded {
            Ok(frames) => {
                for (frame, time_ms) in frames {
                    shown.push(picture(frame, self.colour, time_ms)?);
                }
                Ok(true)
            }
            Err(DecodeError::Unsupported(what)) => Err(VideoError::Unsupported {
                codec: "H.264",
                what: what.to_owned(),
            }),
            Err(_) => Ok(false),
        }
    }
}

/// What a parameter set says of the colours; the usual where it says nothing.
fn colour(info: &SpsInfo) -> Colour {
    // ITU-T H.273: 1 is BT.709, 5 and 6 are BT.601, 2 is unspecified.
    let is_bt709 = match info.matrix {
        1 => true,
        5 | 6 => false,
        _ => Colour::usual(info.height).is_bt709,
    };
    Colour {
        is_bt709,
        is_full_range: info.full_range,
    }
}

fn picture(frame: Frame, colour: Option<Colour>, time_ms: u64) -> Result<Picture, VideoError> {
    let planes = Planes {
        width_px: frame.width,
        height_px: frame.height,
        chroma_width_px: frame.chroma_width(),
        chroma_height_px: frame.chroma_height(),
        colour: colour.unwrap_or(Colour::usual(frame.height)),
        y: eight(frame.y, frame.bit_depth),
        cb: eight(frame.u, frame.bit_depth),
        cr: eight(frame.v, frame.bit_depth),
    };
    whole(planes, time_ms)
}

fn eight(plane: Vec<u8>, bits: u8) -> Vec<u8> {
    if bits == 8 {
        return plane;
    }
    let samples = plane.as_chunks::<2>().0.iter();
    rounded(samples.map(|&bytes| u16::from_le_bytes(bytes)), bits)
}

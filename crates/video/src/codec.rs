//! Decoders. In: coded samples with their times. Out: pictures in the order of their showing.
//! Knows nothing of files.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rust_h264::decoder::{ChromaFormat, Frame as AvcFrame, OrderedDecoder};
use rust_h264::error::DecodeError as AvcError;
use rust_h264::nal::{self as avc, NalUnitType, SpsInfo};
use rust_h265::{DecodeError as HevcError, DecodeLimits, Frame as HevcFrame, PixelData};

use crate::error::VideoError;
use crate::limits::VideoLimits;
use crate::picture::{Colour, Picture, Planes};

/// How a video track is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// H.264, also called AVC: ITU-T H.264.
    H264,
    /// H.265, also called HEVC: ITU-T H.265.
    H265,
}

impl Codec {
    /// `H.264` or `H.265`.
    pub fn name(self) -> &'static str {
        match self {
            Codec::H264 => "H.264",
            Codec::H265 => "H.265",
        }
    }
}

/// Pictures that are held until those before them are there, at most.
const MAX_REORDERED: usize = 16;

/// What is kept per picture by the decoder of H.265, in bytes per pixel, at most.
const MAX_STATE_BYTES_PER_PIXEL: u64 = 24;

/// A decoder of one track.
pub(crate) struct Decoder {
    inner: Inner,
    /// Bytes of the length before each unit of a sample.
    length_size: usize,
    max_pixels: u64,
    /// Samples that could not be decoded, or not wholly.
    damaged: u64,
}

enum Inner {
    H264 {
        decoder: Box<OrderedDecoder<u64>>,
        colour: Option<Colour>,
    },
    H265 {
        decoder: Box<rust_h265::Decoder>,
        /// Times of samples whose pictures have not been shown: the first shown has the least.
        times: BinaryHeap<Reverse<u64>>,
    },
}

impl Decoder {
    /// `config` is the codec's record in the container: `avcC` or `hvcC` (ISO/IEC 14496-15).
    pub(crate) fn new(
        codec: Codec,
        config: &[u8],
        limits: &VideoLimits,
    ) -> Result<Decoder, VideoError> {
        let max_pixels = limits.max_pixels;
        match codec {
            Codec::H264 => {
                let record = avc::parse_avcc_config(config)
                    .map_err(|what| VideoError::Container(what.to_owned()))?;
                let info = record.sps_nals.first().map(avc::parse_sps_info);
                let reorder = info.and_then(|info| info.ok()?.max_reorder_frames);
                let depth = reorder.map_or(MAX_REORDERED, |n| (n as usize + 1).min(MAX_REORDERED));
                let mut decoder = Decoder {
                    inner: Inner::H264 {
                        decoder: Box::new(OrderedDecoder::with_max_depth(depth)),
                        colour: None,
                    },
                    length_size: record.length_size,
                    max_pixels,
                    damaged: 0,
                };
                let units = record.sps_nals.iter().chain(&record.pps_nals);
                for unit in units {
                    decoder.avc_unit(unit, 0, &mut Vec::new())?;
                }
                Ok(decoder)
            }
            Codec::H265 => {
                let (length_size, units) = hevc_record(config)
                    .ok_or_else(|| VideoError::Container("its hvcC record is cut".to_owned()))?;
                let decoder = rust_h265::Decoder::with_limits(DecodeLimits {
                    max_picture_pixels: max_pixels,
                    max_picture_memory_bytes: max_pixels * MAX_STATE_BYTES_PER_PIXEL,
                });
                let mut decoder = Decoder {
                    inner: Inner::H265 {
                        decoder: Box::new(decoder.with_display_order()),
                        times: BinaryHeap::new(),
                    },
                    length_size,
                    max_pixels,
                    damaged: 0,
                };
                for unit in units.iter().filter_map(|unit| rust_h265::parse_nal(unit)) {
                    decoder.hevc_unit(&unit)?;
                }
                Ok(decoder)
            }
        }
    }

    /// The pictures that a sample completes, in the order in which they are shown.
    pub(crate) fn decode(
        &mut self,
        sample: &[u8],
        time_ms: u64,
    ) -> Result<Vec<Picture>, VideoError> {
        let mut shown = Vec::new();
        let mut whole = true;
        match &mut self.inner {
            Inner::H264 { .. } => {
                for unit in avc::parse_avcc(sample, self.length_size) {
                    whole &= self.avc_unit(&unit, time_ms, &mut shown)?;
                }
            }
            Inner::H265 { times, .. } => {
                times.push(Reverse(time_ms));
                // Never more than are held for their order: those before were lost.
                while times.len() > 4 * MAX_REORDERED {
                    times.pop();
                }
                for unit in rust_h265::parse_hvcc(sample, self.length_size as u8) {
                    whole &= self.hevc_unit(&unit)?;
                }
                self.hevc_shown(&mut shown)?;
            }
        }
        self.damaged += u64::from(!whole);
        Ok(shown)
    }

    /// The pictures that were held back, at the end.
    pub(crate) fn flush(&mut self) -> Result<Vec<Picture>, VideoError> {
        let mut shown = Vec::new();
        match &mut self.inner {
            Inner::H264 { decoder, colour } => {
                for (frame, time_ms) in decoder.flush_with_meta() {
                    shown.push(avc_picture(frame, *colour, time_ms)?);
                }
            }
            Inner::H265 { decoder, times } => {
                while let Some(frame) = decoder.flush() {
                    shown.push(hevc_picture(frame, times)?);
                }
            }
        }
        Ok(shown)
    }

    /// Samples that were damaged.
    pub(crate) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// False for a unit that is damaged.
    fn avc_unit(
        &mut self,
        unit: &avc::NalUnit<'_>,
        time_ms: u64,
        shown: &mut Vec<Picture>,
    ) -> Result<bool, VideoError> {
        let Inner::H264 { decoder, colour } = &mut self.inner else {
            return Ok(false);
        };
        if unit.nal_unit_type == NalUnitType::Sps {
            // Before the decoder allocates pictures for it.
            let Ok(info) = avc::parse_sps_info(unit) else {
                return Ok(false);
            };
            let pixels = u64::from(info.coded_width) * u64::from(info.coded_height);
            VideoError::above("a frame of so many pixels:", pixels, self.max_pixels)?;
            *colour = avc_colour(&info);
        }
        match decoder.decode_nal_with_meta(unit, time_ms) {
            Ok(frames) => {
                for (frame, time_ms) in frames {
                    shown.push(avc_picture(frame, *colour, time_ms)?);
                }
                Ok(true)
            }
            Err(AvcError::Unsupported(what)) => Err(VideoError::Unsupported {
                codec: Codec::H264.name(),
                what: what.to_owned(),
            }),
            Err(_) => Ok(false),
        }
    }

    /// False for a unit that is damaged.
    fn hevc_unit(&mut self, unit: &rust_h265::NalUnit<'_>) -> Result<bool, VideoError> {
        let Inner::H265 { decoder, .. } = &mut self.inner else {
            return Ok(false);
        };
        match decoder.decode_nal(unit) {
            Ok(_) => Ok(true),
            Err(HevcError::Unsupported(what)) => Err(VideoError::Unsupported {
                codec: Codec::H265.name(),
                what: what.to_string(),
            }),
            Err(error @ HevcError::ResourceLimit { .. }) => Err(VideoError::Unsupported {
                codec: Codec::H265.name(),
                what: error.to_string(),
            }),
            Err(_) => Ok(false),
        }
    }

    fn hevc_shown(&mut self, shown: &mut Vec<Picture>) -> Result<(), VideoError> {
        if let Inner::H265 { decoder, times } = &mut self.inner {
            while let Some(frame) = decoder.next_output() {
                shown.push(hevc_picture(frame, times)?);
            }
        }
        Ok(())
    }
}

/// What the stream says of its colours; `None` where it says nothing.
fn avc_colour(info: &SpsInfo) -> Option<Colour> {
    // ITU-T H.273: 1 is BT.709, 5 and 6 are BT.601, 2 is unspecified.
    let is_bt709 = match info.matrix {
        1 => true,
        5 | 6 => false,
        _ => Colour::usual(info.height).is_bt709,
    };
    Some(Colour {
        is_bt709,
        is_full_range: info.full_range,
    })
}

fn avc_picture(
    frame: AvcFrame,
    colour: Option<Colour>,
    time_ms: u64,
) -> Result<Picture, VideoError> {
    let (chroma_width_px, chroma_height_px) = match frame.chroma_format {
        ChromaFormat::Yuv422 => (frame.chroma_width(), frame.height),
        _ => (frame.chroma_width(), frame.chroma_height()),
    };
    let bits = frame.bit_depth;
    let eight = |plane: Vec<u8>| match bits {
        8 => plane,
        _ => {
            let samples = plane.as_chunks::<2>().0.iter();
            rounded(samples.map(|&bytes| u16::from_le_bytes(bytes)), bits)
        }
    };
    whole(Picture {
        time_ms,
        planes: Planes {
            width_px: frame.width,
            height_px: frame.height,
            y: eight(frame.y),
            cb: eight(frame.u),
            cr: eight(frame.v),
            chroma_width_px,
            chroma_height_px,
            colour: colour.unwrap_or(Colour::usual(frame.height)),
        },
    })
}

fn hevc_picture(
    frame: HevcFrame,
    times: &mut BinaryHeap<Reverse<u64>>,
) -> Result<Picture, VideoError> {
    let (chroma_width_px, chroma_height_px) = match frame.chroma_format_idc {
        3 => (frame.width, frame.height),
        _ => (frame.width / 2, frame.height / 2),
    };
    let bits = frame.bit_depth;
    let eight = |plane: PixelData| match plane {
        PixelData::U8(samples) => samples,
        PixelData::U16(samples) => rounded(samples.into_iter(), bits),
    };
    whole(Picture {
        time_ms: times.pop().map_or(0, |Reverse(time_ms)| time_ms),
        planes: Planes {
            width_px: frame.width,
            height_px: frame.height,
            y: eight(frame.y),
            cb: eight(frame.u),
            cr: eight(frame.v),
            chroma_width_px,
            chroma_height_px,
            colour: Colour::usual(frame.height),
        },
    })
}

fn rounded(samples: impl Iterator<Item = u16>, bits: u8) -> Vec<u8> {
    let shift = bits.saturating_sub(8).min(8);
    let half = (1u32 << shift) >> 1;
    samples
        .map(|sample| ((u32::from(sample) + half) >> shift).min(255) as u8)
        .collect()
}

fn whole(picture: Picture) -> Result<Picture, VideoError> {
    if picture.planes.is_whole() {
        return Ok(picture);
    }
    Err(VideoError::Decoder(
        "a picture with planes of other sizes".to_owned(),
    ))
}

/// The size of the lengths in samples, and the parameter sets, of an `hvcC` record (ISO/IEC
/// 14496-15, 8.3.3.1).
fn hevc_record(record: &[u8]) -> Option<(usize, Vec<&[u8]>)> {
    let length_size = usize::from(record.get(21)? & 3) + 1;
    let n_arrays = *record.get(22)?;
    let mut rest = record.get(23..)?;
    let mut units = Vec::new();
    for _ in 0..n_arrays {
        let [_, high, low, after @ ..] = rest else {
            return None;
        };
        rest = after;
        for _ in 0..u16::from_be_bytes([*high, *low]) {
            let [high, low, after @ ..] = rest else {
                return None;
            };
            let (unit, after) =
                after.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
            units.push(unit);
            rest = after;
        }
    }
    Some((length_size, units))
}

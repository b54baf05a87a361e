//! Decoders. In: coded samples with their times. Out: pictures in the order of their showing.
//! Knows nothing of files.

mod avc;
mod hevc;
mod pictures;

use crate::error::VideoError;
use crate::limits::VideoLimits;
use crate::picture::Picture;

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

/// A decoder of one track.
pub(crate) struct Decoder {
    inner: Inner,
    /// Samples that could not be decoded, or not wholly.
    damaged: u64,
}

enum Inner {
    H264(avc::Decoder),
    H265(hevc::Decoder),
}

impl Decoder {
    /// `config` is the codec's record in the container: `avcC` or `hvcC` (ISO/IEC 14496-15).
    pub(crate) fn new(
        codec: Codec,
        config: &[u8],
        limits: &VideoLimits,
    ) -> Result<Decoder, VideoError> {
        let inner = match codec {
            Codec::H264 => Inner::H264(avc::Decoder::new(config, limits)?),
            Codec::H265 => Inner::H265(hevc::Decoder::new(config, limits)?),
        };
        Ok(Decoder { inner, damaged: 0 })
    }

    /// A decoder of a live stream: a sample is one picture with its parameter sets, of units after
    /// start codes, and is shown as soon as it is decoded. A camera that reorders its pictures
    /// (B-frames) shows them out of order.
    #[cfg(feature = "live")]
    pub(crate) fn live(codec: Codec, limits: &VideoLimits) -> Decoder {
        let inner = match codec {
            Codec::H264 => Inner::H264(avc::Decoder::live(limits)),
            Codec::H265 => Inner::H265(hevc::Decoder::live(limits)),
        };
        Decoder { inner, damaged: 0 }
    }

    /// The pictures that a sample completes, in the order in which they are shown.
    pub(crate) fn decode(
        &mut self,
        sample: &[u8],
        time_ms: u64,
    ) -> Result<Vec<Picture>, VideoError> {
        let mut shown = Vec::new();
        let is_whole = match &mut self.inner {
            Inner::H264(decoder) => decoder.decode(sample, time_ms, &mut shown)?,
            Inner::H265(decoder) => decoder.decode(sample, time_ms, &mut shown)?,
        };
        self.damaged += u64::from(!is_whole);
        Ok(shown)
    }

    /// The pictures that were held back, at the end.
    pub(crate) fn flush(&mut self) -> Result<Vec<Picture>, VideoError> {
        match &mut self.inner {
            Inner::H264(decoder) => decoder.flush(),
            Inner::H265(decoder) => decoder.flush(),
        }
    }

    /// Samples that were damaged.
    pub(crate) fn damaged(&self) -> u64 {
        self.damaged
    }
}

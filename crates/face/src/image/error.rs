//! Why bytes did not become an image. In: causes. Out: messages that name the value and the remedy.
//! Knows nothing of paths: the caller, who knows the file, puts its name in front.

use std::time::Duration;

use super::format::Format;

/// Why bytes did not become an image, or an image not bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// There is nothing to decode.
    #[error("the file is empty (0 bytes); copy it again from its source")]
    Empty,
    /// The content has no known format, whatever the name says.
    #[error("the content is not an image of a known format ({content}); convert it to JPEG or PNG")]
    UnknownFormat {
        /// What the first bytes suggest.
        content: String,
    },
    /// A known format with content that no decoder here covers.
    #[error("this kind of {format} is not covered ({what}); save it as an ordinary JPEG or PNG")]
    Unsupported {
        /// The format by content.
        format: Format,
        /// What is not covered.
        what: String,
    },
    /// The encoded file is larger than the limit.
    #[error(
        "the file has {bytes} bytes, over the limit max_bytes of {limit}; raise it, or save a \
         smaller copy"
    )]
    TooManyBytes {
        /// Size of the encoded file.
        bytes: u64,
        /// [`DecodeLimits::max_bytes`](super::DecodeLimits::max_bytes).
        limit: u64,
    },
    /// The header claims more pixels than the limit; nothing was allocated for them.
    #[error(
        "the header claims {width_px}x{height_px} px, over the {max_pixels} px that max_pixels \
         allows here or {max_side_px} px a side; raise the limit, or save a smaller copy"
    )]
    TooManyPixels {
        /// Claimed width.
        width_px: u32,
        /// Claimed height.
        height_px: u32,
        /// [`DecodeLimits::max_pixels`](super::DecodeLimits::max_pixels), or less where a format's
        /// decoder holds more than four bytes a pixel.
        max_pixels: u64,
        /// [`DecodeLimits::max_side_px`](super::DecodeLimits::max_side_px).
        max_side_px: u32,
    },
    /// The header claims more pixels than a photo of so few bytes can hold; nothing was allocated
    /// for them.
    #[error(
        "the {format} header claims {width_px}x{height_px} px, which {bytes} bytes of {format} \
         cannot hold as a photo; copy it again from its source"
    )]
    TooFewBytes {
        /// The format by content.
        format: Format,
        /// Claimed width.
        width_px: u32,
        /// Claimed height.
        height_px: u32,
        /// Size of the encoded file.
        bytes: u64,
    },
    /// A progressive JPEG in more scans than the limit.
    #[error(
        "the JPEG has {scans} scans of {pixels} px, over the limit of {limit}; save it again as an \
         ordinary JPEG"
    )]
    TooManyScans {
        /// Scans in the file.
        scans: u32,
        /// Pixels that each scan may touch.
        pixels: u64,
        /// Scans allowed for so many pixels.
        limit: u32,
    },
    /// Decoding took longer than the limit.
    #[error(
        "decoding took longer than the limit of {} ms; save a smaller copy of it",
        limit.as_millis()
    )]
    TooSlow {
        /// [`DecodeLimits::max_time`](super::DecodeLimits::max_time).
        limit: Duration,
    },
    /// The decoder panicked: a fault of the decoder, whatever the file is.
    #[error(
        "the {format} decoder failed on this file ({what}); convert it to JPEG or PNG with another \
         program"
    )]
    DecoderFailed {
        /// The format by content.
        format: Format,
        /// The panic's message.
        what: String,
    },
    /// The header claims a side of zero pixels, or the pixels given do not fill the size given.
    #[error("an image of {width_px}x{height_px} px cannot have {bytes} bytes of RGB")]
    Shape {
        /// Width in pixels.
        width_px: u32,
        /// Height in pixels.
        height_px: u32,
        /// Bytes given.
        bytes: usize,
    },
    /// The file ends before its pixels do.
    #[error(
        "the {format} file is truncated: it ends before its pixels do; copy it again from its \
         source"
    )]
    Truncated {
        /// The format by content.
        format: Format,
    },
    /// The file contradicts its format.
    #[error("the {format} file is damaged ({what}); open it in an image editor and save it again")]
    Damaged {
        /// The format by content.
        format: Format,
        /// The decoder's message.
        what: String,
    },
    /// The encoder refused.
    #[error("the image cannot be written as {format} ({what})")]
    Encode {
        /// The format asked for.
        format: Format,
        /// The encoder's message.
        what: String,
    },
}

impl ImageError {
    /// Whether the file asks for more than [`DecodeLimits`](super::DecodeLimits) allow.
    pub fn is_over_limit(&self) -> bool {
        use ImageError::*;
        matches!(
            self,
            TooManyBytes { .. }
                | TooManyPixels { .. }
                | TooFewBytes { .. }
                | TooManyScans { .. }
                | TooSlow { .. }
        )
    }
}

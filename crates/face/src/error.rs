//! What can go wrong between bytes and described faces. In: causes. Out: messages that name value and remedy.
//! Knows nothing of paths: the caller, who knows the file, puts its name in front.

use crate::image::Format;

/// Why bytes did not become an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// There is nothing to decode.
    #[error("the file is empty (0 bytes); copy it again from its source")]
    Empty,
    /// The content is none of the formats, whatever the name says.
    #[error(
        "the content is not an image of a known format ({content}); convert it to JPEG, PNG, \
         WebP, TIFF, BMP or GIF"
    )]
    UnknownFormat {
        /// What the first bytes look like.
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
    #[error("the file has {bytes} bytes, over the limit of {limit}; raise the limit or shrink it")]
    TooManyBytes {
        /// Size of the encoded file.
        bytes: u64,
        /// [`DecodeLimits::max_bytes`](crate::image::DecodeLimits::max_bytes).
        limit: u64,
    },
    /// The header claims more pixels than the limit; nothing was allocated for them.
    #[error(
        "the header claims {width}x{height} px, over the limit of {max_pixels} px in all and \
         {max_side} px a side; raise the limit or shrink the image"
    )]
    TooManyPixels {
        /// Locked width.
        width: u32,
        /// Locked height.
        height: u32,
        /// [`DecodeLimits::max_pixels`](crate::image::DecodeLimits::max_pixels).
        max_pixels: u64,
        /// [`DecodeLimits::max_side`](crate::image::DecodeLimits::max_side).
        max_side: u32,
    },
    /// The header claims a side of zero pixels, or the pixels given do not fill the size given.
    #[error("an image of {width}x{height} px cannot have {bytes} bytes of RGB")]
    Shape {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Bytes given.
        bytes: usize,
    },
    /// The file ends before its pixels do.
    #[error(
        "the {format} file is truncated: it ends before its pixels do; copy it again from its source"
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
        /// What the decoder said.
        what: String,
    },
    /// The encoder refused.
    #[error("the image cannot be written as {format} ({what})")]
    Encode {
        /// The format asked for.
        format: Format,
        /// What the encoder said.
        what: String,
    },
}

/// Why a face could not be brought upright.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AlignError {
    /// The landmarks lie on one spot or are not numbers.
    #[error(
        "five landmarks spread over {spread_px} px do not fix a similarity; use landmarks at \
         least 1 px apart"
    )]
    Degenerate {
        /// Root mean square distance of the landmarks from their mean.
        spread_px: f32,
    },
    /// The box of a detector without landmarks has no area.
    #[error("a box of {width}x{height} px holds no face; use one of 1 px to 1,000,000 px a side")]
    EmptyBox {
        /// Width of the box.
        width: f32,
        /// Height of the box.
        height: f32,
    },
}

/// Why a face pipeline could not be built or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A photo's bytes.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A face's landmarks.
    #[error(transparent)]
    Align(#[from] AlignError),
    /// The runtime refused the network's input or failed inside it.
    #[error("{stage}: {source}")]
    Network {
        /// `detector` or `embedder`.
        stage: &'static str,
        /// What the runtime said.
        source: fusiform_nn::Error,
    },
    /// The network's ports are not those of the head that the model pack names.
    #[error("{stage}: {what}; correct the head or the input in the pack's manifest.toml")]
    Contract {
        /// `detector` or `embedder`.
        stage: &'static str,
        /// Which port, what it has and what it should have.
        what: String,
    },
    /// An option has a value outside its range.
    #[error("{option} = {value} is not {wanted}")]
    Option {
        /// Name of the field.
        option: &'static str,
        /// Its value.
        value: f64,
        /// What it should be.
        wanted: &'static str,
    },
}

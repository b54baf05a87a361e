//! The names of image formats. In: nothing. Out: [`Format`].
//! Knows neither signatures nor decoders: the table in `codec.rs` has those.

use std::fmt;

/// A format that a codec's row exists for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// JPEG, baseline or progressive.
    Jpeg,
    /// PNG.
    Png,
    /// WebP, lossy or lossless.
    WebP,
    /// TIFF or BigTIFF.
    Tiff,
    /// Windows bitmap.
    Bmp,
    /// GIF; its first frame.
    Gif,
    /// HEIC or another HEIF file coded as HEVC; its primary image.
    Heic,
    /// AVIF; its primary image.
    Avif,
    /// JPEG XL; its first frame.
    JpegXl,
    /// A camera's raw file; its embedded preview.
    Raw,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Jpeg => "JPEG",
            Format::Png => "PNG",
            Format::WebP => "WebP",
            Format::Tiff => "TIFF",
            Format::Bmp => "BMP",
            Format::Gif => "GIF",
            Format::Heic => "HEIC",
            Format::Avif => "AVIF",
            Format::JpegXl => "JPEG XL",
            Format::Raw => "raw file",
        })
    }
}

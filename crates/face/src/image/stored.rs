//! What passes between the road and its codecs. In: checked bytes ([`Source`]). Out: pixels as they
//! are stored, with what the file states of them ([`Stored`]). Knows nothing of any format's bytes.

use std::borrow::Cow;
use std::fmt;

use super::exif::{self, Exif};
use super::limits::{Deadline, DecodeLimits};
use super::pixels::Image;
use crate::geometry::Size;

/// Bytes to decode, and how far a codec may go.
pub(super) struct Source<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) limits: &'a DecodeLimits,
    pub(super) deadline: Deadline,
    /// A codec that can decode at a reduced size may do so while the longest side keeps so many
    /// pixels.
    pub(super) enough_px: Option<u32>,
}

/// The colours that the file's samples stand for; the pixels beside it are RGB already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Samples {
    Grey,
    Rgb,
    Cmyk,
}

/// A decoded file before colour conversion and orientation.
pub(super) struct Stored<'a> {
    /// Pixels in the order of the file, in the colours of its profile.
    pub(super) image: Image,
    /// Size that the header states; `image` is smaller if it was reduced.
    pub(super) size: Size,
    pub(super) samples: Samples,
    pub(super) exif: Exif,
    pub(super) profile: Option<Cow<'a, [u8]>>,
    pub(super) notes: Vec<Note>,
}

impl<'a> Stored<'a> {
    /// Reads the EXIF block within its limit and keeps the profile for later.
    pub(super) fn new(
        source: &Source,
        image: Image,
        size: Size,
        samples: Samples,
        exif: Option<&[u8]>,
        profile: Profile<'a>,
    ) -> Stored<'a> {
        let mut notes = Vec::new();
        let limit = source.limits.max_metadata_bytes;
        let exif = match exif {
            Some(block) if block.len() > limit as usize => {
                notes.push(Note::MetadataIgnored { limit });
                Exif::default()
            }
            Some(block) => exif::read(block),
            None => Exif::default(),
        };
        let limit = source.limits.max_icc_bytes as usize;
        let profile = match profile {
            Profile::None => None,
            Profile::Bytes(bytes) if bytes.len() <= limit => Some(bytes),
            Profile::Bytes(bytes) => {
                let why = format!("it has {} bytes, over the limit of {limit}", bytes.len());
                notes.push(Note::ProfileIgnored { why });
                None
            }
            Profile::Unreadable(why) => {
                notes.push(Note::ProfileIgnored { why });
                None
            }
        };
        Stored {
            image,
            size,
            samples,
            exif,
            profile,
            notes,
        }
    }
}

/// What a file has of an ICC profile.
pub(super) enum Profile<'a> {
    None,
    Bytes(Cow<'a, [u8]>),
    /// Why it could not be brought out of the file.
    Unreadable(String),
}

/// Something in a file that had no effect on its pixels, or pixels that it lacks, and why. Not an
/// error: what is there is worth having.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// The ICC profile was not applied; the colours are read as sRGB.
    ProfileIgnored {
        /// What is wrong with it.
        why: String,
    },
    /// The EXIF block exceeds
    /// [`DecodeLimits::max_metadata_bytes`](super::DecodeLimits::max_metadata_bytes); orientation
    /// and date are unknown.
    MetadataIgnored {
        /// The limit in bytes.
        limit: u32,
    },
    /// The file ends early or was hit; rows that are not in it are grey.
    RowsMissing {
        /// Rows of pixels that are not, or not whole, in the file.
        n_missing_px: u32,
        /// All rows of the picture.
        height_px: u32,
    },
    /// Passes that add detail are cut, or may be; the picture is coarser than it was.
    DetailMissing,
    /// Of a raw file the embedded preview was read.
    PreviewRead {
        /// Size of the preview as it is stored.
        size: Size,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::ProfileIgnored { why } => {
                write!(f, "its colour profile was ignored ({why}); read as sRGB")
            }
            Note::MetadataIgnored { limit } => write!(
                f,
                "its EXIF block was ignored (over the limit of {limit} bytes)"
            ),
            Note::RowsMissing {
                n_missing_px,
                height_px,
            } => write!(
                f,
                "{n_missing_px} of its {height_px} rows are missing; the rest was used, copy it \
                 again from its source"
            ),
            Note::PreviewRead { size } => {
                write!(f, "the preview of {size} px in the raw file was read")
            }
            Note::DetailMissing => f.write_str(
                "its end is missing, and with it some of its detail; the rest was used, copy it \
                 again from its source",
            ),
        }
    }
}

//! The road from bytes to pixels. In: the bytes of a file and its limits. Out: upright sRGB.
//! Every limit is checked on this road, so that no caller can forget one.

use super::codec::{decoder_of, describe_unknown, sniff};
use super::colour::convert_to_srgb;
use super::containment::contain;
use super::error::ImageError;
use super::format::Format;
use super::limits::{Deadline, DecodeLimits};
use super::orientation::Orientation;
use super::pixels::Image;
use super::stored::{Note, Source};
use super::taken::Taken;
use crate::geometry::Size;

/// A decoded file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The pixels, upright, in sRGB.
    pub image: Image,
    /// The format by content.
    pub format: Format,
    /// How the stored pixels lay; `image` has this undone.
    pub orientation: Orientation,
    /// Size of the photo, upright; `image` is smaller after [`decode_reduced`].
    pub size: Size,
    /// [`Taken::local`] of `taken`.
    pub taken_at: Option<String>,
    /// When it was taken, by the most trusted of the dates in the file.
    pub taken: Option<Taken>,
    /// What in the file had no effect.
    pub notes: Vec<Note>,
}

/// Decodes a picture of any [`Format`] that this build has to upright 8-bit sRGB.
///
/// Transparency is laid on white, CMYK and grey become RGB, 16-bit samples are rounded to 8. An ICC
/// profile is applied. A file that ends before its pixels do is an error; but a JPEG is used as far
/// as it goes if at least a quarter of its rows is there, with a [`Note`], as viewers show it.
///
/// # Errors
/// [`ImageError`], which says what is wrong and what to do; it does not know the path. A decoder's
/// panic is one of them, [`ImageError::DecoderFailed`], unless the program was built with `panic =
/// "abort"`.
///
/// # Source
/// ITU-T T.81 (JPEG), RFC 2083 and PNG third edition, RFC 9649 (WebP), TIFF 6.0, GIF89a, ISO/IEC
/// 23008-12 (HEIF), ISO/IEC 18181 (JPEG XL); EXIF 2.32 (CIPA DC-008) for `Orientation` and dates;
/// ICC.1:2010.
///
/// # Example
/// ```
/// use fusiform_face::image::{DecodeLimits, Image, decode, encode_png};
/// let file = encode_png(&Image::new(2, 1, vec![255, 0, 0, 0, 0, 255])?)?;
/// let decoded = decode(&file, &DecodeLimits::default())?;
/// assert_eq!(decoded.image.pixel(1, 0), [0, 0, 255]);
/// # Ok::<(), fusiform_face::image::ImageError>(())
/// ```
pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Decoded, ImageError> {
    decode_within(bytes, limits, None, Deadline::start(limits))
}

/// As [`decode`], but a JPEG comes at a half, a quarter or an eighth of its size if its longest
/// side then still has `enough_px`, in less time and memory.
///
/// # Errors
/// As [`decode`].
pub fn decode_reduced(
    bytes: &[u8],
    limits: &DecodeLimits,
    enough_px: u32,
) -> Result<Decoded, ImageError> {
    let enough_px = Some(enough_px.max(1));
    decode_within(bytes, limits, enough_px, Deadline::start(limits))
}

/// As [`decode_reduced`] where `enough_px` is given, for a caller who decodes more than once within
/// one time limit.
pub(crate) fn decode_within(
    bytes: &[u8],
    limits: &DecodeLimits,
    enough_px: Option<u32>,
    deadline: Deadline,
) -> Result<Decoded, ImageError> {
    if bytes.is_empty() {
        return Err(ImageError::Empty);
    }
    limits.check_bytes(bytes.len())?;
    deadline.check()?;
    let format = sniff(bytes).ok_or_else(|| ImageError::UnknownFormat {
        content: describe_unknown(bytes),
    })?;
    let decode = decoder_of(format).ok_or_else(|| ImageError::Unsupported {
        format,
        what: "this build of the library has no decoder for it".into(),
    })?;
    let source = Source {
        bytes,
        limits,
        deadline,
        enough_px,
    };
    let converted = contain(|| {
        let mut stored = decode(&source)?;
        if let Some(profile) = &stored.profile {
            let note = convert_to_srgb(&mut stored.image, profile, stored.samples);
            stored.notes.extend(note);
        }
        Ok(stored)
    });
    let stored = converted.map_err(|what| ImageError::DecoderFailed { format, what })??;
    let orientation = stored.exif.orientation.unwrap_or_default();
    let taken = stored.exif.taken.or_else(|| searched_date(bytes, limits));
    Ok(Decoded {
        size: orientation.upright_size(stored.size),
        image: orientation.upright(stored.image),
        format,
        orientation,
        taken_at: taken.as_ref().map(|taken| taken.local.clone()),
        taken,
        notes: stored.notes,
    })
}

/// A date of an XMP packet or an IPTC record, which stand near the start of a file, or its end.
fn searched_date(bytes: &[u8], limits: &DecodeLimits) -> Option<Taken> {
    let n = (limits.max_metadata_bytes as usize).min(bytes.len());
    let (head, tail) = (&bytes[..n], &bytes[bytes.len() - n..]);
    Taken::from_xmp(head)
        .or_else(|| Taken::from_xmp(tail))
        .or_else(|| Taken::from_iptc(head))
}

//! JPEG to RGB. In: checked bytes. Out: stored pixels, the EXIF block, the ICC profile.
//! Knows nothing of orientation.
//!
//! Two decoders share the work. `zune-jpeg` decodes ordinary files. `jpeg-decoder` gives reduced
//! sizes, and reads what the first one gets wrong: components that come one after the other, and
//! unusual sampling. Neither reports a picture that is closed before its last row (`zune-jpeg` not
//! even in its strict mode): both go on with zeros. So an ordinary file is given to them without
//! its EOI, behind which nothing can be read, and of other files the codes are counted. What is
//! cut, hit or out of order is written again first (`jpeg/repair.rs`).

mod huffman;
mod markers;
mod repair;

use std::borrow::Cow;
use std::io::Read;

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use self::markers::{APP1, APP2, EOI, Frame, Markers, SOS, Scan};
use self::repair::{Repaired, is_whole, repair};
use super::error::ImageError;
use super::format::Format;
use super::pixels::Image;
use super::stored::{Note, Profile, Samples, Source, Stored};
use crate::geometry::Size;

const FORMAT: Format = Format::Jpeg;

/// A picture of which less is there than one part in so many is refused: mostly a copy under way.
const LEAST_PART: u32 = 4;

/// An end of coded samples: no code consists of ones only.
const NO_CODES: &[u8] = b"\xFF\0\xFF\0\xFF\0\xFF\0\xFF\0\xFF\0\xFF\0\xFF\0\xFF\xD9";

/// Decodes every component layout (grey, YCbCr, RGB, CMYK, YCCK) to RGB.
///
/// With `enough_px`, a half, quarter or eighth of the size if its longest side still has so many
/// pixels: frequencies that the small copy cannot hold are left out of the transform, which costs
/// less than all pixels and does not alias.
///
/// A file that ends early or was hit is decoded as far as it goes, with a note of the rows that are
/// missing, if at least a quarter of its rows is there.
pub(super) fn decode<'a>(source: &Source<'a>) -> Result<Stored<'a>, ImageError> {
    let bytes = source.bytes;
    let facts = Facts::read(bytes);
    let frame = facts.frame.as_ref().ok_or_else(|| facts.without_frame())?;
    check_kind(frame)?;
    let size = frame.size;
    source.limits.check_size(size, 3, FORMAT, bytes.len())?;
    source.limits.check_scans(size, facts.n_scans)?;
    source.deadline.check()?;
    let job = Job {
        frame,
        decoder: facts.decoder,
        divisor: divisor(size, source.enough_px),
    };
    let (image, note) = job.run(&facts)?;
    let samples = match frame.components.len() {
        1 => Samples::Grey,
        4 => Samples::Cmyk,
        _ => Samples::Rgb,
    };
    let profile = facts.profile();
    let mut stored = Stored::new(source, image, size, samples, facts.exif, profile);
    let lacks_detail = frame.is_progressive() && (facts.end.is_none() || !facts.has_all_detail());
    stored
        .notes
        .extend(note.or(lacks_detail.then_some(Note::DetailMissing)));
    Ok(stored)
}

/// The size of a JPEG that [`decode`] may read, from its first segments.
#[cfg(feature = "raw")]
pub(super) fn size_of(bytes: &[u8]) -> Option<Size> {
    const MAX_SEGMENTS: usize = 64;
    let frame = Markers::new(bytes)
        .take(MAX_SEGMENTS)
        .take_while(|segment| !segment.follows_junk && segment.marker != SOS)
        .find(|segment| Frame::begins_at(segment.marker))?;
    let frame = Frame::read(frame.marker, frame.content)?;
    let size = frame.size;
    (check_kind(&frame).is_ok() && size.pixels() > 0).then_some(size)
}

/// Refuses what no decoder here reads, by its name.
fn check_kind(frame: &Frame) -> Result<(), ImageError> {
    let what = match frame.process {
        0..=2 if frame.bits == 8 => match frame.components.len() {
            1 | 3 | 4 => return Ok(()),
            n => format!("{n} components"),
        },
        0..=2 => format!("samples of {} bits", frame.bits),
        3 | 7 => "lossless coding".into(),
        9..=11 => "arithmetic coding, which only few programs write".into(),
        _ => "hierarchical coding".into(),
    };
    Err(ImageError::Unsupported {
        format: FORMAT,
        what,
    })
}

fn divisor(size: Size, enough_px: Option<u32>) -> Option<u32> {
    let longest_px = size.longest_px();
    [8, 4, 2]
        .into_iter()
        .find(|d| enough_px.is_some_and(|px| longest_px / d >= px))
}

/// Which decoder gives whole pictures of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Decoder {
    Strict,
    /// For files that the strict one gets wrong.
    Lenient,
}

struct Job<'a> {
    frame: &'a Frame,
    decoder: Decoder,
    divisor: Option<u32>,
}

impl Job<'_> {
    /// Pixels of a file, written again where it must be.
    fn run(&self, facts: &Facts) -> Result<(Image, Option<Note>), ImageError> {
        let (bytes, end) = (facts.bytes, facts.end);
        let mut failed = None;
        if facts.is_in_order {
            let is_counted = self.decoder == Decoder::Lenient || self.frame.is_progressive();
            if !is_counted || is_whole(bytes) {
                match self.pixels(bytes, end.filter(|_| !is_counted)) {
                    Ok(image) => return Ok((image, None)),
                    Err(e) => failed = Some(e),
                }
            }
        }
        let height_px = self.frame.size.height_px;
        let Some(Repaired {
            file,
            n_missing_rows,
        }) = repair(bytes)
        else {
            return Err(failed.unwrap_or_else(truncated));
        };
        if n_missing_rows > height_px - height_px.div_ceil(LEAST_PART) {
            return Err(truncated());
        }
        let note = (n_missing_rows > 0).then_some(Note::RowsMissing {
            n_missing_px: n_missing_rows,
            height_px,
        });
        match self.pixels(&file, None) {
            Ok(image) => Ok((image, note)),
            // Passes that refine may be cut; every block was counted.
            Err(_) if self.frame.is_progressive() => {
                let image = whole_size(&file, self.frame.size, false)?;
                Ok((image, note.or(Some(Note::DetailMissing))))
            }
            Err(e) => Err(failed.unwrap_or(e)),
        }
    }

    /// With `end`, the offset of the EOI of a file of one scan, a scan that is closed too early is
    /// an error.
    fn pixels(&self, bytes: &[u8], end: Option<usize>) -> Result<Image, ImageError> {
        let size = self.frame.size;
        let is_lenient = self.decoder == Decoder::Lenient;
        let divisor = self.divisor.or(is_lenient.then_some(1));
        let scaled = divisor.map(|divisor| match end {
            Some(end) => scaled(bytes[..end].chain(NO_CODES), size, divisor),
            None => scaled(bytes, size, divisor),
        });
        // Without its EOI the file ends where the decoder would else go on with zeros.
        let bytes = end.map_or(bytes, |end| &bytes[..end]);
        match scaled {
            Some(Ok(image)) => Ok(image),
            // What is refused there, or has other colours, is left to the one for whole pictures,
            // which says why.
            Some(Err(_)) if !is_lenient => whole_size(bytes, size, true),
            Some(Err(what)) => Err(ImageError::Unsupported {
                format: FORMAT,
                what,
            }),
            None => whole_size(bytes, size, true),
        }
    }
}

fn whole_size(bytes: &[u8], size: Size, is_strict: bool) -> Result<Image, ImageError> {
    // The decoder's own limits would hide the size from the message; ours are checked before.
    let options = DecoderOptions::default()
        .set_strict_mode(is_strict)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(damaged)?;
    let mut rgb = vec![0; size.width_px as usize * size.height_px as usize * 3];
    decoder.decode_into(&mut rgb).map_err(damaged)?;
    Image::new(size.width_px, size.height_px, rgb)
}

/// A part of the size in each direction, or the reason why this decoder does not give it.
fn scaled(bytes: impl Read, size: Size, divisor: u32) -> Result<Image, String> {
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    let side = |px: u32| px.div_ceil(divisor) as u16;
    let (width, height) = decoder
        .scale(side(size.width_px), side(size.height_px))
        .map_err(|e| e.to_string())?;
    let samples = decoder.decode().map_err(|e| e.to_string())?;
    let rgb = match decoder.info().map(|info| info.pixel_format) {
        Some(jpeg_decoder::PixelFormat::RGB24) => samples,
        Some(jpeg_decoder::PixelFormat::L8) => samples.into_iter().flat_map(|v| [v; 3]).collect(),
        _ => return Err("inks in an unusual order or sampling".into()),
    };
    Image::new(width.into(), height.into(), rgb).map_err(|e| e.to_string())
}

fn truncated() -> ImageError {
    ImageError::Truncated { format: FORMAT }
}

fn damaged(error: DecodeErrors) -> ImageError {
    let format = FORMAT;
    match error {
        DecodeErrors::ExhaustedData => truncated(),
        DecodeErrors::Unsupported(_) => {
            let what = "a coding other than baseline or progressive with Huffman codes".into();
            ImageError::Unsupported { format, what }
        }
        DecodeErrors::Format(what) => ImageError::Damaged { format, what },
        DecodeErrors::FormatStatic(what) => ImageError::Damaged {
            format,
            what: what.into(),
        },
        other => ImageError::Damaged {
            format,
            what: format!("{other:?}"),
        },
    }
}

/// What the markers of the first image in a file state; previews inside segments do not count, nor
/// does what follows the image.
struct Facts<'a> {
    bytes: &'a [u8],
    /// Offset of the EOI.
    end: Option<usize>,
    frame: Option<Frame>,
    decoder: Decoder,
    /// Whether the image reaches its own EOI, with nothing between its segments.
    is_in_order: bool,
    n_scans: u32,
    /// For each component of a progressive file, which coefficients are there to their last bit.
    detail: [u64; 4],
    /// The first EXIF block.
    exif: Option<&'a [u8]>,
    /// Parts of the ICC profile in the order of the file: number from 1, number of parts, bytes.
    icc_parts: Vec<(u8, u8, &'a [u8])>,
}

impl<'a> Facts<'a> {
    /// Walks all markers up to EOI.
    ///
    /// # Source
    /// ICC.1:2010, annex B.4 (profiles in JPEG).
    fn read(bytes: &'a [u8]) -> Facts<'a> {
        let mut facts = Facts {
            bytes,
            end: None,
            frame: None,
            decoder: Decoder::Strict,
            is_in_order: true,
            n_scans: 0,
            detail: [0; 4],
            exif: None,
            icc_parts: Vec::new(),
        };
        let mut markers = Markers::new(bytes);
        while let Some(segment) = markers.next() {
            facts.is_in_order &= segment.is_whole && !segment.follows_junk;
            match segment.marker {
                EOI => facts.end = Some(markers.offset() - 2),
                marker => facts.add(marker, segment.content),
            }
        }
        facts.is_in_order &= facts.end.is_some();
        facts
    }

    fn add(&mut self, marker: u8, content: &'a [u8]) {
        match marker {
            SOS => {
                self.n_scans = self.n_scans.saturating_add(1);
                let Some(frame) = &self.frame else { return };
                let scan = Scan::read(content, frame);
                if !is_ordinary(frame, scan.as_ref()) {
                    self.decoder = Decoder::Lenient;
                }
                if let Some(scan) = scan.filter(|scan| scan.bit == 0) {
                    let coefficients = (scan.first..=scan.last.min(63)).fold(0, |m, k| m | 1 << k);
                    for (position, ..) in scan.components {
                        self.detail[position] |= coefficients;
                    }
                }
            }
            APP1 if self.exif.is_none() => {
                self.exif = content.starts_with(b"Exif\0\0").then_some(content);
            }
            APP2 => {
                if let Some([number, count, part @ ..]) = content.strip_prefix(b"ICC_PROFILE\0") {
                    self.icc_parts.push((*number, *count, part));
                }
            }
            _ if Frame::begins_at(marker) && self.frame.is_none() => {
                self.frame = Frame::read(marker, content);
            }
            _ => {}
        }
    }

    fn has_all_detail(&self) -> bool {
        let n = self
            .frame
            .as_ref()
            .map_or(0, |frame| frame.components.len());
        self.detail.iter().take(n).all(|&d| d == u64::MAX)
    }

    fn without_frame(&self) -> ImageError {
        match self.end.is_some() {
            true => ImageError::Damaged {
                format: FORMAT,
                what: "it has no frame, or one that contradicts itself".into(),
            },
            false => truncated(),
        }
    }

    /// The profile from its parts, which may stand in any order.
    fn profile(&self) -> Profile<'a> {
        let mut parts = self.icc_parts.clone();
        parts.sort_by_key(|(number, ..)| *number);
        let numbers_fit = parts
            .iter()
            .zip(1u8..)
            .all(|((number, count, _), expected)| {
                *number == expected && usize::from(*count) == parts.len()
            });
        match parts[..] {
            [] => Profile::None,
            _ if !numbers_fit => Profile::Unreadable("some of its parts are missing".into()),
            [(_, _, whole)] => Profile::Bytes(Cow::Borrowed(whole)),
            _ => Profile::Bytes(parts.iter().flat_map(|(.., part)| *part).copied().collect()),
        }
    }
}

/// Whether the strict decoder gets a scan right: measured against libjpeg, it does not where
/// components of a sequential file come one after the other, nor where the first component is
/// sampled less than another.
fn is_ordinary(frame: &Frame, scan: Option<&Scan>) -> bool {
    let most = frame.most_sampling();
    let first = frame.components.first();
    let is_sampled_most = first.is_some_and(|c| (c.across, c.down) == most);
    let divides =
        |c: &markers::Component| most.0.is_multiple_of(c.across) && most.1.is_multiple_of(c.down);
    let are_powers = most.0 != 3 && most.1 != 3 && frame.components.iter().all(divides);
    let is_together =
        frame.is_progressive() || scan.is_none_or(|s| s.components.len() == frame.components.len());
    is_sampled_most && are_powers && is_together
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_joined_by_the_numbers_of_its_parts() {
        let part = |number: u8, count: u8, text: &[u8]| {
            let length = (2 + 12 + 2 + text.len() as u16).to_be_bytes();
            [
                b"\xFF\xE2",
                &length[..],
                b"ICC_PROFILE\0",
                &[number, count],
                text,
            ]
            .concat()
        };
        let read = |parts: &[Vec<u8>]| {
            let file = [b"\xFF\xD8", &parts.concat()[..], b"\xFF\xD9"].concat();
            match Facts::read(&file).profile() {
                Profile::None => "none".into(),
                Profile::Unreadable(why) => why,
                Profile::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            }
        };
        assert_eq!(read(&[]), "none");
        assert_eq!(read(&[part(1, 1, b"whole")]), "whole");
        assert_eq!(
            read(&[part(2, 2, b"half"), part(1, 2, b"other ")]),
            "other half"
        );
        for broken in [
            vec![part(2, 2, b"half")],
            vec![part(1, 2, b"a"), part(1, 2, b"b")],
            vec![part(0, 0, b"none")],
        ] {
            assert!(read(&broken).contains("missing"), "{broken:?}");
        }
    }

    #[test]
    fn scans_are_counted() {
        let scan = b"\xFF\xDA\x00\x02\x12\xFF\x00\x34";
        let file = [b"\xFF\xD8", &scan.repeat(7)[..], b"\xFF\xD9"].concat();
        assert_eq!(Facts::read(&file).n_scans, 7);
    }
}

//! TIFFs of every layout of samples. In: checked bytes. Out: stored pixels. For what the `image`
//! crate's decoder refuses: palettes, few bits, YCbCr, Lab, planes of tiles, JPEG, Zstandard.

use std::borrow::Cow;

use super::super::error::ImageError;
use super::super::format::Format;
use super::super::jpeg;
use super::super::pixels::Image;
use super::super::stored::{Note, Samples, Source};
use super::super::tiff_directory::Tiff;
use super::colours::{Colours, from_ycbcr, rgb, sample};
use super::layout::Layout;
use super::unpack::{Unpacked, unpack};
use crate::geometry::Size;

const FORMAT: Format = Format::Tiff;
const JPEG: u32 = 7;
const JPEG_TABLES: u16 = 347;
/// Parts between two checks of the deadline.
const PARTS_PER_CHECK: usize = 16;

/// Pixels, the colours they stood for, and what was missing.
pub(super) struct Read {
    pub(super) image: Image,
    pub(super) samples: Samples,
    pub(super) notes: Vec<Note>,
}

pub(super) fn read(source: &Source, tiff: &Tiff) -> Result<Read, ImageError> {
    let unsupported = |what: String| ImageError::Unsupported {
        format: FORMAT,
        what,
    };
    let layout = Layout::read(tiff).map_err(unsupported)?;
    let bytes_each = u64::from(layout.bits.div_ceil(8)) * layout.n_samples as u64;
    let (limits, n_bytes) = (source.limits, source.bytes.len());
    limits.check_size(layout.size, bytes_each.max(3), FORMAT, n_bytes)?;
    limits.check_size(layout.part, bytes_each.max(3), FORMAT, n_bytes)?;
    let colours = Colours::of(&layout).map_err(unsupported)?;
    let mut canvas = Canvas {
        size: layout.size,
        rgb: vec![0; layout.size.pixels() as usize * 3],
    };
    let mut notes = Vec::new();
    let is_jpeg = layout.compression == JPEG;
    if is_jpeg && (layout.is_planar || layout.bits != 8) {
        return Err(unsupported(
            "JPEG coding in separate planes or of other than 8 bits".into(),
        ));
    }
    let tables = tiff
        .first_directory()
        .and_then(|d| tiff.find(d, JPEG_TABLES));
    let tables = tables
        .and_then(|entry| tiff.bytes(&entry))
        .unwrap_or_default();
    let n_planes = if layout.is_planar {
        layout.n_samples
    } else {
        1
    };
    for part in 0..layout.parts_of_a_plane() {
        if part % PARTS_PER_CHECK == 0 {
            source.deadline.check()?;
        }
        let left_px = (part % layout.parts_across()) as u32 * layout.part.width_px;
        let top_px = (part / layout.parts_across()) as u32 * layout.part.height_px;
        if is_jpeg {
            let packed = packed(source, &layout, part)?;
            let (image, note) = read_jpeg(source, &layout, packed, tables)?;
            let fits = image.width() >= layout.part.width_px.min(layout.size.width_px - left_px);
            let n_rows = layout.rows_of(top_px).min(layout.size.height_px - top_px);
            if !fits || image.height() < n_rows {
                return Err(truncated());
            }
            notes.extend(note);
            canvas.put(image.rgb(), image.width() as usize, left_px, top_px, n_rows);
            continue;
        }
        let planes = (0..n_planes).map(|plane| {
            let position = plane * layout.parts_of_a_plane() + part;
            Part::unpack(
                source,
                &layout,
                colours,
                position,
                top_px,
                tiff.is_big_endian(),
            )
        });
        let planes: Vec<Part> = planes.collect::<Result<_, _>>()?;
        put_part(&mut canvas, &layout, colours, &planes, left_px, top_px);
    }
    let samples = match colours {
        Colours::Grey { .. } => Samples::Grey,
        Colours::Cmyk => Samples::Cmyk,
        _ => Samples::Rgb,
    };
    Ok(Read {
        image: Image::new(layout.size.width_px, layout.size.height_px, canvas.rgb)?,
        samples,
        notes,
    })
}

fn packed<'a>(source: &Source<'a>, layout: &Layout, part: usize) -> Result<&'a [u8], ImageError> {
    let (start, length) = layout.parts[part];
    let end = start.checked_add(length);
    let bytes = end.and_then(|end| source.bytes.get(start..end));
    bytes.ok_or_else(truncated)
}

/// Rows of one strip or tile in one plane.
struct Part<'a> {
    bytes: Cow<'a, [u8]>,
    row_bytes: usize,
}

impl<'a> Part<'a> {
    fn unpack(
        source: &Source<'a>,
        layout: &Layout,
        colours: Colours,
        position: usize,
        top_px: u32,
        is_big_endian: bool,
    ) -> Result<Part<'a>, ImageError> {
        let n_rows = layout.rows_of(top_px) as usize;
        let width = layout.part.width_px as usize;
        let (row_bytes, n_rows) = match is_in_units(layout, colours) {
            true => {
                let (across, down) = (layout.chroma.0 as usize, layout.chroma.1 as usize);
                let unit = across * down + 2;
                (width.div_ceil(across) * unit, n_rows.div_ceil(down))
            }
            false => {
                let bits = width * layout.n_together() * layout.bits as usize;
                (bits.div_ceil(8), n_rows)
            }
        };
        let packed = packed(source, layout, position)?;
        let bytes = unpack(layout, packed, row_bytes, n_rows, is_big_endian);
        let bytes = bytes.map_err(|why| match why {
            Unpacked::TooShort => truncated(),
            Unpacked::Damaged => ImageError::Damaged {
                format: FORMAT,
                what: "a strip or tile does not unpack".into(),
            },
            Unpacked::Unsupported(what) => ImageError::Unsupported {
                format: FORMAT,
                what,
            },
        })?;
        Ok(Part { bytes, row_bytes })
    }

    fn row(&self, y: usize) -> &[u8] {
        let start = y * self.row_bytes;
        self.bytes
            .get(start..start + self.row_bytes)
            .unwrap_or_default()
    }
}

/// Whether luma and chroma lie in units of several pixels.
fn is_in_units(layout: &Layout, colours: Colours) -> bool {
    colours == Colours::YCbCr && !layout.is_planar && layout.chroma != (1, 1) && layout.bits == 8
}

fn put_part(
    canvas: &mut Canvas,
    layout: &Layout,
    colours: Colours,
    planes: &[Part],
    left_px: u32,
    top_px: u32,
) {
    let width = layout.part.width_px.min(layout.size.width_px - left_px) as usize;
    let n_rows = layout.rows_of(top_px).min(layout.size.height_px - top_px) as usize;
    let n = layout.n_samples;
    let mut samples = vec![0u64; n];
    for y in 0..n_rows {
        let start = ((top_px as usize + y) * layout.size.width_px as usize + left_px as usize) * 3;
        let row = &mut canvas.rgb[start..start + width * 3];
        for (x, pixel) in row.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            if is_in_units(layout, colours) {
                let (across, down) = (layout.chroma.0 as usize, layout.chroma.1 as usize);
                let unit = across * down + 2;
                let at = x / across * unit;
                let units = planes[0].row(y / down);
                let byte = |i: usize| units.get(at + i).copied().unwrap_or(0);
                let luma = byte(y % down * across + x % across);
                *pixel = from_ycbcr(luma, byte(unit - 2), byte(unit - 1));
                continue;
            }
            for (s, value) in samples.iter_mut().enumerate() {
                *value = match layout.is_planar {
                    true => sample(planes[s].row(y), x, layout.bits),
                    false => sample(planes[0].row(y), x * n + s, layout.bits),
                };
            }
            *pixel = rgb(layout, colours, &samples);
        }
    }
}

/// A strip or tile that is a JPEG, whose tables may stand in the directory.
fn read_jpeg(
    source: &Source,
    layout: &Layout,
    packed: &[u8],
    tables: &[u8],
) -> Result<(Image, Option<Note>), ImageError> {
    const SOI: &[u8] = b"\xFF\xD8";
    const EOI: &[u8] = b"\xFF\xD9";
    const YCBCR: u32 = 6;
    let tables = tables.strip_prefix(SOI).unwrap_or(tables);
    let tables = tables.strip_suffix(EOI).unwrap_or(tables);
    let coded = packed.strip_prefix(SOI).unwrap_or(packed);
    // Decoders tell colours by this segment; strips have none of it.
    let transform = u8::from(layout.photometric == YCBCR);
    let adobe = [&b"\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0"[..], &[transform]].concat();
    let adobe = if layout.n_samples == 3 {
        &adobe[..]
    } else {
        &[]
    };
    let file = [SOI, adobe, tables, coded].concat();
    let part = Source {
        bytes: &file,
        limits: source.limits,
        deadline: source.deadline,
        enough_px: None,
    };
    let stored = jpeg::decode(&part)?;
    let note = stored.notes.into_iter().next();
    Ok((stored.image, note))
}

struct Canvas {
    size: Size,
    rgb: Vec<u8>,
}

impl Canvas {
    /// Copies the rows of a part that lie inside; its rows have `width` pixels.
    fn put(&mut self, part: &[u8], width: usize, left_px: u32, top_px: u32, n_rows: u32) {
        let inside = width.min((self.size.width_px - left_px) as usize);
        for y in 0..n_rows as usize {
            let row = (top_px as usize + y) * self.size.width_px as usize;
            let to = (row + left_px as usize) * 3;
            let from = y * width * 3;
            self.rgb[to..to + inside * 3].copy_from_slice(&part[from..from + inside * 3]);
        }
    }
}

fn truncated() -> ImageError {
    ImageError::Truncated { format: FORMAT }
}

//! Pictures coded as AV1. In: items of a HEIF file. Out: upright RGB on white.
//! Knows nothing of EXIF and colour profiles.

use heifer_isobmff::boxes::{ColorInfo, Property};
use heifer_isobmff::{HeifFile, ItemId};
use re_rav1d::dav1d::{self, Decoder, Picture, PixelLayout, PlanarImageComponent, Settings, pixel};

use super::super::error::ImageError;
use super::super::format::Format;
use super::super::orientation::Orientation;
use super::super::pixels::Image;
use super::super::samples::{Depth, Layout, to_rgb8};
use super::super::stored::Source;
use super::container::{BYTES_PER_PIXEL, coded_sources, damaged, explain, is_alpha};
use super::yuv::{Matrix, Planes, Range, to_rgba};
use crate::geometry::Size;

const FORMAT: Format = Format::Avif;

/// Pixels as red, green, blue, opacity.
struct Canvas {
    size: Size,
    rgba: Vec<u8>,
}

impl Canvas {
    fn new(size: Size) -> Canvas {
        let n = size.width_px as usize * size.height_px as usize;
        Canvas {
            size,
            rgba: vec![255; n * 4],
        }
    }

    /// Copies the part of a picture that lies inside.
    fn put(&mut self, part: &Canvas, left_px: u32, top_px: u32) {
        let width = part
            .size
            .width_px
            .min(self.size.width_px.saturating_sub(left_px)) as usize;
        let height = part
            .size
            .height_px
            .min(self.size.height_px.saturating_sub(top_px));
        for y in 0..height {
            let from = y as usize * part.size.width_px as usize * 4;
            let row = (top_px + y) as usize * self.size.width_px as usize;
            let to = (row + left_px as usize) * 4;
            self.rgba[to..to + width * 4].copy_from_slice(&part.rgba[from..from + width * 4]);
        }
    }

    fn crop(&self, left_px: u32, top_px: u32, size: Size) -> Canvas {
        let mut cropped = Canvas::new(size);
        for y in 0..size.height_px {
            let row = (top_px + y) as usize * self.size.width_px as usize;
            let from = (row + left_px as usize) * 4;
            let n = size.width_px as usize * 4;
            let to = y as usize * n;
            cropped.rgba[to..to + n].copy_from_slice(&self.rgba[from..from + n]);
        }
        cropped
    }
}

/// The primary item, turned and cropped as its properties say.
pub(super) fn decode(
    file: &HeifFile,
    primary: ItemId,
    source: &Source,
    max_pixels: u64,
) -> Result<Image, ImageError> {
    let job = Job {
        file,
        source,
        max_pixels,
    };
    let (mut canvas, has_alpha) = job.with_alpha(primary)?;
    let properties: Vec<&Property> = file
        .item_properties(primary)
        .map_err(|cause| explain(cause, FORMAT))?
        .collect();
    for property in &properties {
        if let Property::CleanAperture {
            width,
            height,
            horiz_offset,
            vert_offset,
        } = property
        {
            let (left_px, width_px) = aperture(canvas.size.width_px, *width, *horiz_offset)?;
            let (top_px, height_px) = aperture(canvas.size.height_px, *height, *vert_offset)?;
            let size = Size {
                width_px,
                height_px,
            };
            canvas = canvas.crop(left_px, top_px, size);
        }
    }
    let layout = Layout::RgbAlpha;
    if !has_alpha {
        canvas
            .rgba
            .as_chunks_mut::<4>()
            .0
            .iter_mut()
            .for_each(|p| p[3] = 255);
    }
    let mut image = to_rgb8(canvas.size, layout, Depth::Eight, canvas.rgba)?;
    for property in properties {
        let orientation = match property {
            // Quarter turns anticlockwise.
            Property::Rotation(1) => Orientation::RotatedRight,
            Property::Rotation(2) => Orientation::UpsideDown,
            Property::Rotation(3) => Orientation::RotatedLeft,
            Property::Mirror(true) => Orientation::MirroredUpsideDown,
            Property::Mirror(false) => Orientation::Mirrored,
            _ => continue,
        };
        image = orientation.upright(image);
    }
    Ok(image)
}

/// First pixel and number of pixels of a crop along one side: a fraction about the middle.
fn aperture(side_px: u32, kept: (u32, u32), offset: (i32, u32)) -> Result<(u32, u32), ImageError> {
    let refused = || damaged(FORMAT, "it is cropped to what is not there");
    let number = |n: f64, d: u32| (d > 0).then(|| n / f64::from(d)).ok_or_else(refused);
    let kept_px = number(kept.0.into(), kept.1)?.round();
    let middle = number(offset.0.into(), offset.1)? + (f64::from(side_px) - 1.0) / 2.0;
    let first_px = (middle - (kept_px - 1.0) / 2.0).round().max(0.0);
    if kept_px < 1.0 || first_px + kept_px > f64::from(side_px) {
        return Err(refused());
    }
    Ok((first_px as u32, kept_px as u32))
}

struct Job<'a> {
    file: &'a HeifFile<'a>,
    source: &'a Source<'a>,
    max_pixels: u64,
}

impl Job<'_> {
    /// A picture with its transparency, and whether it has one.
    fn with_alpha(&self, id: ItemId) -> Result<(Canvas, bool), ImageError> {
        let mut canvas = self.item(id)?;
        let alpha = self.file.referencing_items(id, b"auxl");
        let Some(alpha) = alpha.into_iter().find(|&aux| is_alpha(self.file, aux)) else {
            return Ok((canvas, false));
        };
        let alpha = self.item(alpha)?;
        if alpha.size != canvas.size {
            return Err(damaged(FORMAT, "its transparency has another size"));
        }
        let pairs = canvas.rgba.as_chunks_mut::<4>().0.iter_mut();
        for (pixel, alpha) in pairs.zip(alpha.rgba.as_chunks::<4>().0) {
            pixel[3] = alpha[0];
        }
        Ok((canvas, true))
    }

    /// One coded picture, or a grid of them.
    fn item(&self, id: ItemId) -> Result<Canvas, ImageError> {
        let explained = |cause| explain(cause, FORMAT);
        let kind = self.file.item(id).map_err(explained)?.item_type.0;
        let sources = coded_sources(self.file, id, FORMAT)?;
        match &kind {
            b"grid" => {}
            b"iovl" => {
                let what = "pictures laid over each other".into();
                return Err(ImageError::Unsupported {
                    format: FORMAT,
                    what,
                });
            }
            _ => return self.coded(sources[0], id),
        }
        let grid = self.file.grid(id).map_err(explained)?;
        let size = Size {
            width_px: grid.output_width,
            height_px: grid.output_height,
        };
        let (limits, n_bytes) = (self.source.limits, self.source.bytes.len());
        limits.check_size(size, BYTES_PER_PIXEL, FORMAT, n_bytes)?;
        let (rows, columns) = (u32::from(grid.rows), u32::from(grid.columns));
        if sources.len() != (rows * columns) as usize {
            return Err(damaged(
                FORMAT,
                "its grid has not as many tiles as it states",
            ));
        }
        let mut canvas = Canvas::new(size);
        let mut tile_size: Option<Size> = None;
        for (position, &source) in (0u32..).zip(&sources) {
            self.source.deadline.check()?;
            let tile = self.coded(source, id)?;
            let first = *tile_size.get_or_insert(tile.size);
            if tile.size != first {
                return Err(damaged(FORMAT, "the tiles of its grid differ in size"));
            }
            let (column, row) = (position % columns, position / columns);
            let left_px = column.saturating_mul(first.width_px);
            canvas.put(&tile, left_px, row.saturating_mul(first.height_px));
        }
        match tile_size {
            Some(tile)
                if tile.width_px.saturating_mul(columns) >= size.width_px
                    && tile.height_px.saturating_mul(rows) >= size.height_px =>
            {
                Ok(canvas)
            }
            _ => Err(damaged(FORMAT, "the tiles of its grid do not fill it")),
        }
    }

    /// Decodes one item; `owner` is the grid that may state its colours instead.
    fn coded(&self, id: ItemId, owner: ItemId) -> Result<Canvas, ImageError> {
        let data = self
            .file
            .item_data(id)
            .map_err(|cause| explain(cause, FORMAT))?;
        let picture = av1_picture(data.into_owned(), self.max_pixels)?;
        let size = Size {
            width_px: picture.width(),
            height_px: picture.height(),
        };
        let colours = [id, owner].into_iter().find_map(|id| {
            let mut properties = self.file.item_properties(id).ok()?;
            properties.find_map(|p| match p {
                Property::Color(ColorInfo::Nclx {
                    matrix, full_range, ..
                }) => Some((*matrix, *full_range)),
                _ => None,
            })
        });
        let (matrix, is_full) = colours.unwrap_or_else(|| {
            let is_full = matches!(picture.color_range(), pixel::YUVRange::Full);
            (picture.matrix_coefficients() as u16, is_full)
        });
        let range = if is_full { Range::Full } else { Range::Limited };
        let planes = planes(&picture)?;
        let rgba = to_rgba(size, &planes.borrowed(), Matrix::from_h273(matrix), range);
        Ok(Canvas { size, rgba })
    }
}

/// Samples of a picture, each plane with the bytes of its rows.
struct OwnedPlanes {
    bits: u32,
    halved: (bool, bool),
    planes: Vec<(dav1d::Plane, usize)>,
}

impl OwnedPlanes {
    fn borrowed(&self) -> Planes<'_> {
        Planes {
            bits: self.bits,
            halved: self.halved,
            planes: self
                .planes
                .iter()
                .map(|(p, stride)| (p.as_ref(), *stride))
                .collect(),
        }
    }
}

fn planes(picture: &Picture) -> Result<OwnedPlanes, ImageError> {
    let (components, halved): (&[PlanarImageComponent], _) = match picture.pixel_layout() {
        PixelLayout::I400 => (&[PlanarImageComponent::Y], (false, false)),
        PixelLayout::I420 => (&ALL, (true, true)),
        PixelLayout::I422 => (&ALL, (true, false)),
        PixelLayout::I444 => (&ALL, (false, false)),
    };
    let bits = picture.bits_per_component().map_or(8, |bits| bits.0 as u32);
    let planes = components
        .iter()
        .map(|&c| (picture.plane(c), picture.stride(c) as usize))
        .collect();
    Ok(OwnedPlanes {
        bits,
        halved,
        planes,
    })
}

const ALL: [PlanarImageComponent; 3] = [
    PlanarImageComponent::Y,
    PlanarImageComponent::U,
    PlanarImageComponent::V,
];

/// Decodes one still picture.
fn av1_picture(data: Vec<u8>, max_pixels: u64) -> Result<Picture, ImageError> {
    let failed = |e: dav1d::Error| damaged(FORMAT, &e.to_string());
    let mut settings = Settings::new();
    // Photos are decoded beside each other, and a panic must stay on this thread.
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    settings.set_frame_size_limit(u32::try_from(max_pixels).unwrap_or(u32::MAX));
    settings.set_all_layers(false);
    let mut decoder = Decoder::with_settings(&settings).map_err(failed)?;
    match decoder.send_data(data, None, None, None) {
        Ok(()) | Err(dav1d::Error::Again) => {}
        Err(e) => return Err(failed(e)),
    }
    loop {
        match decoder.get_picture() {
            Ok(picture) => return Ok(picture),
            Err(dav1d::Error::Again) => match decoder.send_pending_data() {
                Ok(()) => return decoder.get_picture().map_err(|_| cut()),
                Err(dav1d::Error::Again) => {}
                Err(e) => return Err(failed(e)),
            },
            Err(e) => return Err(failed(e)),
        }
    }
}

fn cut() -> ImageError {
    ImageError::Truncated { format: FORMAT }
}

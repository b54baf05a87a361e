//! Face regions as photo programs store them. In and out: boxes with names, as shares of the photo.
//! Knows nothing of formats; `xmp` and `picasa` read and write these.

use std::collections::BTreeMap;

use fusiform_face::geometry::BoundingBox;
use fusiform_face::image::Orientation;

/// Most regions taken from one photo.
pub(crate) const MAX_REGIONS: usize = 10_000;

/// A box as shares of the photo's width and height, 0…1, so that it holds for every size of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RelativeBox {
    /// Left edge.
    pub x_min: f64,
    /// Top edge.
    pub y_min: f64,
    /// Right edge.
    pub x_max: f64,
    /// Bottom edge.
    pub y_max: f64,
}

impl RelativeBox {
    /// A box in pixels of a photo of this size; parts outside the photo are cut off.
    pub fn from_pixels(bbox: &BoundingBox, width_px: u32, height_px: u32) -> RelativeBox {
        let (width, height) = (f64::from(width_px), f64::from(height_px));
        RelativeBox {
            x_min: f64::from(bbox.x_min) / width,
            y_min: f64::from(bbox.y_min) / height,
            x_max: f64::from(bbox.x_max) / width,
            y_max: f64::from(bbox.y_max) / height,
        }
        .clipped()
    }

    /// The box in pixels of a photo of this size.
    pub fn to_pixels(&self, width_px: u32, height_px: u32) -> BoundingBox {
        let (width, height) = (f64::from(width_px), f64::from(height_px));
        BoundingBox {
            x_min: (self.x_min * width) as f32,
            y_min: (self.y_min * height) as f32,
            x_max: (self.x_max * width) as f32,
            y_max: (self.y_max * height) as f32,
        }
    }

    /// A box of stored pixels, brought upright with them.
    pub fn upright(self, orientation: Orientation) -> RelativeBox {
        use Orientation::*;
        let turned = match orientation {
            Transposed | RotatedLeft | Transversed | RotatedRight => self.transposed(),
            _ => self,
        };
        match orientation {
            Upright | Transposed => turned,
            Mirrored | RotatedLeft => turned.mirrored(),
            UpsideDown | Transversed => turned.mirrored().flipped(),
            MirroredUpsideDown | RotatedRight => turned.flipped(),
        }
    }

    /// A box of the upright picture where its pixels are stored: the inverse of
    /// [`RelativeBox::upright`].
    pub fn stored(self, orientation: Orientation) -> RelativeBox {
        // A rotation is undone by the opposite one; every mirroring undoes itself.
        self.upright(match orientation {
            Orientation::RotatedLeft => Orientation::RotatedRight,
            Orientation::RotatedRight => Orientation::RotatedLeft,
            other => other,
        })
    }

    fn transposed(self) -> RelativeBox {
        RelativeBox {
            x_min: self.y_min,
            y_min: self.x_min,
            x_max: self.y_max,
            y_max: self.x_max,
        }
    }

    fn mirrored(self) -> RelativeBox {
        RelativeBox {
            x_min: 1.0 - self.x_max,
            x_max: 1.0 - self.x_min,
            ..self
        }
    }

    fn flipped(self) -> RelativeBox {
        RelativeBox {
            y_min: 1.0 - self.y_max,
            y_max: 1.0 - self.y_min,
            ..self
        }
    }

    /// Intersection over union.
    pub fn iou(&self, other: &RelativeBox) -> f64 {
        let area = |b: &RelativeBox| (b.x_max - b.x_min).max(0.0) * (b.y_max - b.y_min).max(0.0);
        let shared = area(&RelativeBox {
            x_min: self.x_min.max(other.x_min),
            y_min: self.y_min.max(other.y_min),
            x_max: self.x_max.min(other.x_max),
            y_max: self.y_max.min(other.y_max),
        });
        shared / (area(self) + area(other) - shared).max(f64::MIN_POSITIVE)
    }

    fn clipped(self) -> RelativeBox {
        RelativeBox {
            x_min: self.x_min.clamp(0.0, 1.0),
            y_min: self.y_min.clamp(0.0, 1.0),
            x_max: self.x_max.clamp(0.0, 1.0),
            y_max: self.y_max.clamp(0.0, 1.0),
        }
    }
}

/// One face with its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Region {
    /// The person.
    pub name: String,
    /// Where the face is.
    pub area: RelativeBox,
    /// Whether Fusiform wrote it.
    pub is_ours: bool,
}

/// What a file says of the people in one photo.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Regions {
    /// Width and height in pixels of the photo on which the regions were drawn, if stated.
    pub drawn_on: Option<(u32, u32)>,
    /// Whether the program is known to draw on the upright picture.
    pub is_upright: bool,
    /// Whether the file has a list of regions, which may be empty.
    pub has_list: bool,
    /// Faces with a name.
    pub faces: Vec<Region>,
    /// People who are in the photo, nobody says where.
    pub people: Vec<String>,
    /// What was not understood, in words, and how often.
    pub left_out: BTreeMap<String, usize>,
    /// When the file was written, ISO 8601, if it says so.
    pub written_at: Option<String>,
}

/// The pixels that areas are shares of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// As the file stores them, before the EXIF orientation: what the standard demands.
    Stored,
    /// After the EXIF orientation.
    Upright,
}

/// Largest difference of two shapes that are one, as a share: programs round sizes.
const SAME_SHAPE: f64 = 0.02;

impl Regions {
    /// Adds a face, unless nothing of its box lies inside the photo.
    pub(crate) fn add(&mut self, name: &str, area: RelativeBox, is_ours: bool) {
        let area = area.clipped();
        if area.x_max > area.x_min && area.y_max > area.y_min {
            let name = name.into();
            self.faces.push(Region {
                name,
                area,
                is_ours,
            });
        } else {
            self.leave_out("face regions outside the photo");
        }
    }

    /// Counts something that was not understood.
    pub(crate) fn leave_out(&mut self, what: impl Into<String>) {
        *self.left_out.entry(what.into()).or_default() += 1;
    }

    /// In which frame the areas are, told by the size they were drawn on; `None` if that is the
    /// size of neither, so that the photo was cropped or turned since.
    pub fn frame(&self, upright_px: (u32, u32), orientation: Orientation) -> Option<Frame> {
        use Orientation::*;
        let default = if self.is_upright {
            Frame::Upright
        } else {
            Frame::Stored
        };
        let Some((width, height)) = self.drawn_on.filter(|(w, h)| *w > 0 && *h > 0) else {
            return Some(default);
        };
        let has_shape = |(w, h): (u32, u32)| {
            let (a, b) = (
                f64::from(width) * f64::from(h),
                f64::from(height) * f64::from(w),
            );
            (a - b).abs() <= SAME_SHAPE * a.max(b)
        };
        let swapped = (upright_px.1, upright_px.0);
        let is_on_side = matches!(
            orientation,
            Transposed | RotatedLeft | Transversed | RotatedRight
        );
        match (has_shape(upright_px), has_shape(swapped), is_on_side) {
            (true, true, _) | (true, false, false) => Some(default),
            (true, false, true) => Some(Frame::Upright),
            (false, true, true) => Some(Frame::Stored),
            (false, ..) => None,
        }
    }
}

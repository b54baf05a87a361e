//! Face regions as photo programs store them. In and out: boxes with names, as shares of the photo.
//! Knows nothing of formats; `xmp` and `picasa` read and write these.

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
}

/// The regions of one photo.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Regions {
    /// Width and height in pixels of the photo on which the regions were drawn, if stated.
    pub drawn_on: Option<(u32, u32)>,
    /// Faces with a name.
    pub faces: Vec<Region>,
}

impl Regions {
    /// Adds a face, unless nothing of its box lies inside the photo.
    pub(crate) fn add(&mut self, name: &str, area: RelativeBox) {
        let area = area.clipped();
        if area.x_max > area.x_min && area.y_max > area.y_min {
            let name = name.into();
            self.faces.push(Region { name, area });
        }
    }
}

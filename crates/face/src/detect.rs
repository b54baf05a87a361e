//! Stage 2. In: a photo. Out: boxes, scores and landmarks of its faces, in pixels of that photo.
//! Knows nothing of who they are. The heads differ only in how they read the network's outputs.

use std::fmt;

use crate::Error;
use crate::backend::{ImageInput, Network};
use crate::geometry::Size;
use crate::image::{self, Image};
use crate::stage::Stage;

mod grid;
mod pyramid;
mod scrfd;
mod spec;
mod suppress;
mod ultraface;
mod yunet;

pub use crate::normalisation::{ChannelOrder, Normalisation};
use pyramid::{Level, Tile};
pub use spec::{DetectOptions, DetectedFace, DetectorSpec, Head, InputSize};

/// A network that finds faces. Shared between threads by reference.
pub struct Detector {
    stage: Stage,
    spec: DetectorSpec,
}

impl fmt::Debug for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detector")
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}

impl Detector {
    /// Joins a network and what is known of it.
    ///
    /// # Errors
    /// [`Error::Contract`] if the network has not one input; [`Error::Option`] for a value of
    /// `spec` out of range.
    pub fn new(network: Box<dyn Network>, spec: DetectorSpec) -> Result<Detector, Error> {
        check("min_score", spec.min_score, 0.0..=1.0, "between 0 and 1")?;
        check("nms_iou", spec.nms_iou, 0.0..=1.0, "between 0 and 1")?;
        check(
            "smallest_face_px",
            spec.smallest_face_px,
            1.0..=1000.0,
            "between 1 and 1000",
        )?;
        let sides = match spec.input_size {
            InputSize::Dynamic { multiple_of } => [multiple_of; 2],
            InputSize::Fixed(size) => [size.width_px, size.height_px],
        };
        for side in sides {
            check(
                "input_size",
                side as f32,
                1.0..=4096.0,
                "between 1 and 4096",
            )?;
        }
        Ok(Detector {
            stage: Stage::new(network, "detector")?,
            spec,
        })
    }

    /// What is known of the network.
    pub fn spec(&self) -> &DetectorSpec {
        &self.spec
    }

    /// Finds the faces of a photo, best score first; the same photo gives the same answer to the
    /// bit.
    ///
    /// The network sees the photo at the scales that its pixels and `options` ask for: at the usual
    /// size, a third of it for faces that fill the picture, and in powers of two above, in
    /// overlapping tiles, for small faces. A smaller [`DetectOptions::min_face_px`] never loses a
    /// face that a larger one finds.
    ///
    /// # Errors
    /// [`Error::Option`] for an option out of range; [`Error::Network`], [`Error::Contract`] if the
    /// network fails or its outputs are not those of its head.
    pub fn detect(
        &self,
        image: &Image,
        options: &DetectOptions,
    ) -> Result<Vec<DetectedFace>, Error> {
        self.detect_in(image, image.size(), options)
    }

    /// As [`detect`](Self::detect), in pixels of `image`, which has fewer of them than the photo
    /// that it was decoded from.
    pub(crate) fn detect_in(
        &self,
        image: &Image,
        photo: Size,
        options: &DetectOptions,
    ) -> Result<Vec<DetectedFace>, Error> {
        let min_score = self.checked(options)?;
        let levels = pyramid::levels(photo, image.size(), &self.spec, options);
        let mut found = Vec::new();
        let (adding, whole): (Vec<_>, Vec<_>) = levels.iter().partition(|level| level.adds);
        for level in whole {
            found.extend(self.at_level(image, level, min_score)?);
        }
        let mut faces = suppress::between_levels(found, self.spec.nms_iou);
        for level in adding {
            let more = self.at_level(image, level, min_score)?;
            suppress::add(&mut faces, more, self.spec.nms_iou);
        }
        faces.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(faces)
    }

    /// Shorter side, in pixels of a photo, of the smallest face that is looked for in it.
    pub fn smallest_face_px(&self, photo: Size, options: &DetectOptions) -> f32 {
        let levels = pyramid::levels(photo, photo, &self.spec, options);
        let finest = levels.iter().map(|level| level.scale).fold(0.0, f64::max);
        (f64::from(self.spec.smallest_face_px) / finest) as f32
    }

    /// The score below which faces are dropped.
    fn checked(&self, options: &DetectOptions) -> Result<f32, Error> {
        let min_score = options.min_score.unwrap_or(self.spec.min_score);
        check("min_score", min_score, 0.0..=1.0, "between 0 and 1")?;
        check(
            "longest_side_px",
            options.longest_side_px as f32,
            16.0..=16_384.0,
            "between 16 and 16384",
        )?;
        if let Some(px) = options.min_face_px {
            check("min_face_px", px, 1.0..=65_535.0, "between 1 and 65535")?;
        }
        Ok(min_score)
    }

    /// What one level shows, in pixels of `image`, best score first.
    fn at_level(
        &self,
        image: &Image,
        level: &Level,
        min_score: f32,
    ) -> Result<Vec<DetectedFace>, Error> {
        let mut faces = Vec::new();
        for tile in level.tiles() {
            let found = self.in_tile(image, level, tile, min_score)?;
            faces.extend(found.iter().map(|f| level.to_image(tile, f, image.size())));
        }
        Ok(suppress::suppress(faces, self.spec.nms_iou))
    }

    /// Candidates of one run of the network, in pixels of the tile.
    fn in_tile(
        &self,
        image: &Image,
        level: &Level,
        tile: Tile,
        min_score: f32,
    ) -> Result<Vec<DetectedFace>, Error> {
        let whole = tile.size == level.copy;
        let rgb = match whole {
            true => image::resize(image, level.copy),
            false => image::resize_part(image, level.copy, (tile.x, tile.y), tile.size),
        };
        let input = level.input(tile, &self.spec);
        let outputs = self.stage.run(&[ImageInput {
            rgb: &rgb,
            size: tile.size,
            canvas: input,
            normalisation: &self.spec.normalisation,
        }])?;
        let mut faces = match self.spec.head {
            Head::YuNet => yunet::read(&outputs, input, min_score)?,
            Head::Scrfd => scrfd::read(&outputs, input, min_score)?,
            Head::UltraFace => ultraface::read(&outputs, input, min_score)?,
        };
        let (width, height) = (tile.size.width_px as f32, tile.size.height_px as f32);
        // The padding holds no face, and a network fed with nonsense may answer with infinities.
        faces.retain(|face| {
            let (center, bbox) = (face.bbox.center(), &face.bbox);
            bbox.area().is_finite()
                && bbox.area() > 0.0
                && (0.0..width).contains(&center.x)
                && (0.0..height).contains(&center.y)
                && level.believes(bbox)
                && face.landmarks.is_none_or(|l| {
                    l.as_array()
                        .iter()
                        .all(|p| p.x.is_finite() && p.y.is_finite())
                })
        });
        Ok(suppress::suppress(faces, self.spec.nms_iou))
    }
}

fn check(
    option: &'static str,
    value: f32,
    range: std::ops::RangeInclusive<f32>,
    wanted: &'static str,
) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(Error::Option {
        option,
        value: f64::from(value),
        wanted,
    })
}

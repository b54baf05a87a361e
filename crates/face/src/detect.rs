//! Stage 2. In: a photo. Out: boxes, scores and landmarks of its faces, in pixels of that photo.
//! Knows nothing of who they are. The heads differ only in how they read the network's outputs.

use std::fmt;

use crate::Error;
use crate::backend::{ImageInput, Network};
use crate::image::{self, Image};
use crate::stage::Stage;

mod grid;
mod plan;
mod scrfd;
mod spec;
mod suppress;
mod ultraface;
mod yunet;

pub use crate::normalisation::{ChannelOrder, Normalisation};
use plan::Plan;
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
    /// # Errors
    /// [`Error::Option`] for an option out of range; [`Error::Network`], [`Error::Contract`] if the
    /// network fails or its outputs are not those of its head.
    pub fn detect(
        &self,
        image: &Image,
        options: &DetectOptions,
    ) -> Result<Vec<DetectedFace>, Error> {
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
        let plan = Plan::new(image.size(), &self.spec, options);
        let copy = image::resize(image, plan.copy);
        let outputs = self.stage.run(&[ImageInput {
            rgb: &copy,
            size: plan.copy,
            canvas: plan.input,
            normalisation: &self.spec.normalisation,
        }])?;
        let mut faces = match self.spec.head {
            Head::YuNet => yunet::read(&outputs, plan.input, min_score)?,
            Head::Scrfd => scrfd::read(&outputs, plan.input, min_score)?,
            Head::UltraFace => ultraface::read(&outputs, plan.input, min_score)?,
        };
        let (copy_width, copy_height) = (plan.copy.width_px as f32, plan.copy.height_px as f32);
        // The padding holds no face, and a network fed with nonsense may answer with infinities.
        faces.retain(|face| {
            let (center, bbox) = (face.bbox.center(), &face.bbox);
            bbox.area().is_finite()
                && bbox.area() > 0.0
                && (0.0..copy_width).contains(&center.x)
                && (0.0..copy_height).contains(&center.y)
                && face.landmarks.is_none_or(|l| {
                    l.as_array()
                        .iter()
                        .all(|p| p.x.is_finite() && p.y.is_finite())
                })
        });
        let mut faces = suppress::suppress(faces, self.spec.nms_iou);
        for face in &mut faces {
            *face = plan.to_photo(face);
        }
        Ok(faces)
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

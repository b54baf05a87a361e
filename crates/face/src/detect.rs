//! Stage 2. In: a photo. Out: boxes, scores and landmarks of its faces, in pixels of that photo.
//! Knows nothing of who they are. The heads differ only in how they read the network's outputs.

use std::fmt;

use fusiform_nn::Session;

use crate::Error;
use crate::geometry::{BoundingBox, Landmarks, Point};
use crate::image::Image;
use crate::network::Network;
use crate::resample;

mod plan;
mod scrfd;
mod suppress;
mod ultraface;
mod yunet;

pub use crate::normalisation::{ChannelOrder, Normalisation};
use plan::Plan;

/// How the outputs of a detector are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// Per stride 8, 16, 32: `cls`, `obj`, `bbox`, `kps`. Wu, Peng and Yu, "YuNet: a tiny millisecond-level face
    /// detector", Machine Intelligence Research 2023.
    YuNet,
    /// Per stride 8, 16, 32, two anchors a cell: scores, distances to the box's sides, landmarks. Guo et al., "Sample
    /// and computation redistribution for efficient face detection", ICLR 2022.
    Scrfd,
    /// Scores and boxes as parts of the picture, no landmarks. Ultra-Light-Fast-Generic-Face-Detector-1MB.
    UltraFace,
}

/// Which sizes the network takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputSize {
    /// Any size whose sides are multiples of this.
    Dynamic {
        /// The coarsest stride, usually 32.
        multiple_of: usize,
    },
    /// One size; photos are fitted into it and `min_face_px` has no effect.
    Fixed {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
}

/// What there is to know of a detector beside its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectorSpec {
    /// How its outputs are read.
    pub head: Head,
    /// What it wants to see.
    pub normalisation: Normalisation,
    /// Which sizes it takes.
    pub input_size: InputSize,
    /// Faces scored lower are dropped, 0 to 1.
    pub min_score: f32,
    /// Boxes that overlap more than this are one face, 0 to 1.
    pub nms_iou: f32,
    /// Shorter side, in pixels of its input, of the smallest face it finds reliably.
    ///
    /// The default is YuNet's: of 220 LFW faces shrunk to this side it finds 41 % at 10 px, 82 % at 12, 93 % at 14,
    /// 98 % at 16 (score at least 0.6).
    pub smallest_face_px: f32,
}

impl Default for DetectorSpec {
    /// YuNet as published: BGR 0 to 255, any multiple of 32.
    fn default() -> Self {
        DetectorSpec {
            head: Head::YuNet,
            normalisation: Normalisation {
                channel_order: ChannelOrder::Bgr,
                ..Normalisation::default()
            },
            input_size: InputSize::Dynamic { multiple_of: 32 },
            min_score: 0.6,
            nms_iou: 0.3,
            smallest_face_px: 14.0,
        }
    }
}

/// How one photo is searched.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectOptions {
    /// Longest side of the copy that the detector sees.
    ///
    /// A smaller photo is not enlarged to it: on LFW (250 px) twice the size found the same faces (all 3,811) at four
    /// times the work, with verification accuracy 0.9917 for 0.9923 and TAR at FAR 1e-3 of 0.9813 for 0.9793, which is
    /// within the noise of 3,000 pairs.
    pub longest_side_px: u32,
    /// Shorter side, in pixels of the photo, of the smallest face to find; enlarges the copy as far as that needs.
    pub min_face_px: Option<f32>,
    /// Replaces [`DetectorSpec::min_score`].
    pub min_score: Option<f32>,
}

impl Default for DetectOptions {
    fn default() -> Self {
        DetectOptions {
            longest_side_px: 640,
            min_face_px: None,
            min_score: None,
        }
    }
}

/// One face in a photo.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectedFace {
    /// Where it is; may reach over the photo's edge when the face does.
    pub bbox: BoundingBox,
    /// How sure the detector is, 0 to 1. Not a probability.
    pub score: f32,
    /// Eyes, nose and mouth, if the detector gives them.
    pub landmarks: Option<Landmarks>,
}

impl DetectedFace {
    /// The same face in a copy of the photo that is so many times as wide and high.
    pub(crate) fn stretch(&mut self, x: f32, y: f32) {
        let b = &mut self.bbox;
        (b.x_min, b.x_max) = (b.x_min * x, b.x_max * x);
        (b.y_min, b.y_max) = (b.y_min * y, b.y_max * y);
        let place = |p: Point| Point {
            x: p.x * x,
            y: p.y * y,
        };
        self.landmarks = self
            .landmarks
            .map(|l| Landmarks::from_array(l.as_array().map(place)));
    }
}

/// A network that finds faces. Shared between threads by reference.
pub struct Detector {
    network: Network,
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
    /// [`Error::Contract`] if the network has not one input; [`Error::Option`] for a value of `spec` out of range.
    pub fn new(session: Session, spec: DetectorSpec) -> Result<Detector, Error> {
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
            InputSize::Fixed { width, height } => [width, height],
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
            network: Network::new(session, "detector")?,
            spec,
        })
    }

    /// What is known of the network.
    pub fn spec(&self) -> &DetectorSpec {
        &self.spec
    }

    /// Finds the faces of a photo, best score first; the same photo gives the same answer to the bit.
    ///
    /// # Errors
    /// [`Error::Option`] for an option out of range; [`Error::Network`], [`Error::Contract`] if the network fails or
    /// its outputs are not those of its head.
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
        let plan = Plan::new(image, &self.spec, options);
        let copy = resample::resize(image, plan.width as u32, plan.height as u32);
        let input = (plan.input_width, plan.input_height);
        let photo = self
            .spec
            .normalisation
            .photo(&copy, (plan.width, plan.height), input);
        let outputs = self.network.run(&[photo])?;
        let mut faces = match self.spec.head {
            Head::YuNet => yunet::read(&outputs, input, min_score)?,
            Head::Scrfd => scrfd::read(&outputs, input, min_score)?,
            Head::UltraFace => ultraface::read(&outputs, input, min_score)?,
        };
        // Padding is no place for a face, and a network fed with nonsense may answer with infinities.
        faces.retain(|face| {
            let (center, bbox) = (face.bbox.center(), &face.bbox);
            bbox.area().is_finite()
                && bbox.area() > 0.0
                && (0.0..plan.width as f32).contains(&center.x)
                && (0.0..plan.height as f32).contains(&center.y)
                && face.landmarks.is_none_or(|l| {
                    l.as_array()
                        .iter()
                        .all(|p| p.x.is_finite() && p.y.is_finite())
                })
        });
        let mut faces = suppress::suppress(faces, self.spec.nms_iou);
        for face in &mut faces {
            plan.to_photo(face);
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

/// The cells of one stride with the place of each in input pixels: `(index, x, y)` of its top left corner.
fn cells(width: usize, height: usize, stride: usize) -> impl Iterator<Item = (usize, f32, f32)> {
    let columns = width / stride;
    (0..columns * (height / stride)).map(move |i| {
        (
            i,
            ((i % columns) * stride) as f32,
            ((i / columns) * stride) as f32,
        )
    })
}

/// Five points from ten numbers, each a distance from `(x, y)` in strides.
fn landmarks_at(values: &[f32; 10], x: f32, y: f32, stride: f32) -> Landmarks {
    Landmarks::from_array(std::array::from_fn(|i| Point {
        x: x + values[2 * i] * stride,
        y: y + values[2 * i + 1] * stride,
    }))
}

//! Stage 3. In: a photo and boxes. Out: for each the five points of the face at whatever roll, how
//! sure it is one, and how far off the points may be. Knows nothing of who anybody is.
//!
//! A detector errs with a tilted head: its landmarks stay level. This network sees a round crop
//! around the box, in which nothing tells where up is, and a second time brought upright by what it
//! found.

use std::fmt;

use crate::Error;
use crate::align::{REFERENCE, SimilarityTransform, round_crop};
use crate::backend::{ImageInput, Network};
use crate::geometry::{BoundingBox, Landmarks, Point, Size, deg_apart};
use crate::image::Image;
use crate::normalisation::Normalisation;
use crate::stage::Stage;

/// What there is to know of a landmark network beside its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct LandmarkSpec {
    /// What it wants to see.
    pub normalisation: Normalisation,
    /// Side of its input in pixels.
    pub side_px: u32,
    /// Side of the first crop in longer sides of the box.
    pub crop_scale: f32,
    /// Side of the second crop in distances between the eyes; no second pass if absent.
    pub second_crop_scale: Option<f32>,
    /// A box scored lower is no face, 0 to 1.
    pub min_score: f32,
}

/// What the network says of one box.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Refined {
    /// The five points, in pixels of the photo.
    pub landmarks: Landmarks,
    /// How sure it is that the box holds a face, 0 to 1.
    pub score: f32,
    /// How far off the points may be on average, in distances between the eyes; 0 if the network
    /// does not say.
    pub expected_error: f32,
    /// Where the box of the face stands, if the network says it: the crop shows a small face
    /// enlarged, and a detector has one cell for 8 pixels.
    pub bbox: Option<BoundingBox>,
}

/// A network that finds the landmarks of a face in a box. Shared between threads by reference.
pub struct LandmarkNetwork {
    stage: Stage,
    spec: LandmarkSpec,
}

impl fmt::Debug for LandmarkNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LandmarkNetwork")
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}

/// A second look is taken at a face that is turned by more than this,
const FAR_ROLL_DEG: f32 = 15.0;
/// whose middle lies so many sides of the crop off its middle,
const FAR_SHIFT: f32 = 0.12;
/// or that is so much larger or smaller than in the second crop.
const FAR_SCALE: f32 = 1.35;

/// Crops in one run of the network.
const MAX_BATCH: usize = 16;

impl LandmarkNetwork {
    /// Joins a network and what is known of it.
    ///
    /// Its outputs are `points` `[n, 10]` (x, y in half sides of the crop from its middle), `face`
    /// and `error` `[n, 1]`, and perhaps `box` `[n, 4]` (its middle as the points, and the natural
    /// logarithms of half its width and half its height in half sides, the face being upright).
    ///
    /// # Errors
    /// [`Error::Contract`] if the network has not one input; [`Error::Option`] for a value of
    /// `spec` out of range.
    pub fn new(network: Box<dyn Network>, spec: LandmarkSpec) -> Result<LandmarkNetwork, Error> {
        let scales = [Some(spec.crop_scale), spec.second_crop_scale];
        for scale in scales.into_iter().flatten() {
            if !(0.1..=10.0).contains(&scale) {
                return Err(Error::Option {
                    option: "crop_scale",
                    value: f64::from(scale),
                    wanted: "between 0.1 and 10",
                });
            }
        }
        if !(8..=512).contains(&spec.side_px) {
            return Err(Error::Option {
                option: "side_px",
                value: f64::from(spec.side_px),
                wanted: "between 8 and 512",
            });
        }
        Ok(LandmarkNetwork {
            stage: Stage::new(network, "landmarks")?,
            spec,
        })
    }

    /// What is known of the network.
    pub fn spec(&self) -> &LandmarkSpec {
        &self.spec
    }

    /// Looks at boxes of a photo; the answers are in their order and do not depend on what else is
    /// in the batch.
    ///
    /// `None` for a box without extent, and where the points fall on one spot.
    ///
    /// # Units
    /// Pixels of `image`, origin top-left, centres at .5. `roll_deg` is about how far the faces are
    /// turned clockwise, 0 where nothing is known: the first crop is turned by it, which a face at
    /// its right roll is surer to be read in.
    ///
    /// # Errors
    /// [`Error::Network`] if the network fails; [`Error::Contract`] if its outputs are not those
    /// named in [`new`](Self::new).
    pub fn refine(
        &self,
        image: &Image,
        boxes: &[BoundingBox],
        roll_deg: f32,
    ) -> Result<Vec<Option<Refined>>, Error> {
        let first = boxes.iter().map(|bbox| self.first_crop(bbox, roll_deg));
        let first: Vec<_> = first.collect();
        let mut found = self.pass(image, &first)?;
        let Some(scale) = self.spec.second_crop_scale else {
            return Ok(found);
        };
        let second = found.iter().zip(&first).map(|(found, first)| {
            let crop = self.second_crop(found.as_ref()?, scale)?;
            self.moved_far(first.as_ref()?, &crop).then_some(crop)
        });
        let second: Vec<_> = second.collect();
        for ((found, again), crop) in found
            .iter_mut()
            .zip(self.pass(image, &second)?)
            .zip(&second)
        {
            if crop.is_some() {
                *found = again;
            }
        }
        Ok(found)
    }

    /// Whether the face stands in the second crop otherwise than in the first by more than the
    /// first pass is sure to make up for.
    ///
    /// With this LFW's pairs have a TAR at FMR 1e-3 of 0.977; 0.973 if each face is looked at
    /// twice, which is within the noise and takes twice as long.
    fn moved_far(&self, first: &SimilarityTransform, second: &SimilarityTransform) -> bool {
        let half = self.spec.side_px as f32 / 2.0;
        let middle = first.apply(second.inverse().apply(Point { x: half, y: half }));
        let shift = (middle.x - half).hypot(middle.y - half) / (2.0 * half);
        let larger = second.scale() / first.scale();
        deg_apart(second.rotation_deg(), first.rotation_deg()) > FAR_ROLL_DEG
            || shift > FAR_SHIFT
            || !(1.0 / FAR_SCALE..FAR_SCALE).contains(&larger)
    }

    /// From the photo onto a crop around a box.
    fn first_crop(&self, bbox: &BoundingBox, roll_deg: f32) -> Option<SimilarityTransform> {
        let longer = bbox.width().max(bbox.height());
        let side = (longer * self.spec.crop_scale).max(2.0);
        let finite = bbox.as_array().iter().all(|v| v.is_finite());
        (finite && longer > 0.0).then(|| self.onto(bbox.center(), side, roll_deg))
    }

    /// From the photo onto a crop in which the face stands upright in the middle.
    fn second_crop(&self, found: &Refined, scale: f32) -> Option<SimilarityTransform> {
        // The mean face that fits the points best, so that one point alone turns it little.
        let fit = SimilarityTransform::umeyama(&REFERENCE, &found.landmarks.as_array()).ok()?;
        let [right, left, _, right_mouth, left_mouth] = REFERENCE;
        let middle = Point {
            x: (right.x + left.x + right_mouth.x + left_mouth.x) / 4.0,
            y: (right.y + left.y + right_mouth.y + left_mouth.y) / 4.0,
        };
        let side = (left.x - right.x) * fit.scale() * scale;
        let middle = fit.apply(middle);
        let sane = side.is_finite() && side < 1e6 && middle.x.abs() < 1e6 && middle.y.abs() < 1e6;
        sane.then(|| self.onto(middle, side.max(2.0), fit.rotation_deg()))
    }

    /// The map that brings a square of the photo, turned clockwise by `roll_deg`, onto the crop.
    fn onto(&self, middle: Point, side: f32, roll_deg: f32) -> SimilarityTransform {
        let crop_side = self.spec.side_px as f32;
        let scale = crop_side / side;
        let (a, b) = (
            scale * roll_deg.to_radians().cos(),
            -scale * roll_deg.to_radians().sin(),
        );
        SimilarityTransform {
            a,
            b,
            tx: crop_side / 2.0 - a * middle.x + b * middle.y,
            ty: crop_side / 2.0 - b * middle.x - a * middle.y,
        }
    }

    fn pass(
        &self,
        image: &Image,
        crops: &[Option<SimilarityTransform>],
    ) -> Result<Vec<Option<Refined>>, Error> {
        let mut found = vec![None; crops.len()];
        let there = crops.iter().enumerate();
        let there: Vec<(usize, &SimilarityTransform)> = there
            .filter_map(|(i, to)| Some((i, to.as_ref()?)))
            .collect();
        for batch in there.chunks(MAX_BATCH) {
            let transforms: Vec<_> = batch.iter().map(|(_, to)| *to).collect();
            let refined = self.run(image, &transforms)?;
            for ((i, _), refined) in batch.iter().zip(refined) {
                found[*i] = refined;
            }
        }
        Ok(found)
    }

    fn run(
        &self,
        image: &Image,
        crops: &[&SimilarityTransform],
    ) -> Result<Vec<Option<Refined>>, Error> {
        let side_px = self.spec.side_px;
        let views: Vec<Vec<u8>> = crops
            .iter()
            .map(|to| round_crop(image, to, side_px as usize))
            .collect();
        let size = Size {
            width_px: side_px,
            height_px: side_px,
        };
        let inputs: Vec<ImageInput> = views
            .iter()
            .map(|rgb| ImageInput {
                rgb,
                size,
                canvas: size,
                normalisation: &self.spec.normalisation,
            })
            .collect();
        let n = crops.len();
        let outputs = self.stage.run(&inputs)?;
        let points = outputs.named("points", n * 10)?.as_chunks::<10>().0;
        let scores = outputs.named("face", n)?;
        let errors = outputs.named("error", n)?;
        let boxes = match outputs.has("box") {
            true => outputs.named("box", n * 4)?.as_chunks::<4>().0,
            false => &[],
        };
        let half = side_px as f32 / 2.0;
        let refined = crops.iter().zip(points).zip(scores.iter().zip(errors));
        let refined = refined.enumerate();
        let refined = refined.map(|(i, ((to, values), (&score, &error)))| {
            let back = to.inverse();
            let point = |i: usize| {
                back.apply(Point {
                    x: half + values[2 * i] * half,
                    y: half + values[2 * i + 1] * half,
                })
            };
            let landmarks = Landmarks::from_array(std::array::from_fn(point));
            let finite = landmarks.as_array().iter().all(|p| (p.x + p.y).is_finite());
            (finite && score.is_finite()).then_some(Refined {
                landmarks,
                score: score.clamp(0.0, 1.0),
                expected_error: if error.is_finite() {
                    error.max(0.0)
                } else {
                    0.0
                },
                bbox: boxes.get(i).and_then(|values| bbox_of(values, &back, half)),
            })
        });
        Ok(refined.collect())
    }
}

/// The upright box in the photo around an ellipse that fills the one that the network gives in its
/// crop, which is turned.
fn bbox_of(values: &[f32; 4], back: &SimilarityTransform, half: f32) -> Option<BoundingBox> {
    let [x, y, width, height] = *values;
    let middle = back.apply(Point {
        x: half + x * half,
        y: half + y * half,
    });
    let (half_width, half_height) = (width.exp() * half, height.exp() * half);
    // `a` and `b` are scale times cosine and sine.
    let across = (half_width * back.a).hypot(half_height * back.b);
    let down = (half_width * back.b).hypot(half_height * back.a);
    let bbox = BoundingBox::around(middle, 2.0 * across, 2.0 * down);
    let finite = bbox.as_array().iter().all(|v| v.is_finite());
    (finite && across > 0.0 && down > 0.0).then_some(bbox)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crop of 64 pixels that shows 32 of the photo around (100, 50), turned.
    fn back(deg: f32) -> SimilarityTransform {
        let (sin, cos) = deg.to_radians().sin_cos();
        let (a, b) = (2.0 * cos, -2.0 * sin);
        let onto = SimilarityTransform {
            a,
            b,
            tx: 32.0 - a * 100.0 + b * 50.0,
            ty: 32.0 - b * 100.0 - a * 50.0,
        };
        onto.inverse()
    }

    fn near(bbox: Option<BoundingBox>, wanted: [f32; 4]) {
        let found = bbox.expect("a box").as_array();
        let off = found.iter().zip(wanted).map(|(a, b)| (a - b).abs());
        assert!(
            off.fold(0.0, f32::max) < 1e-3,
            "{found:?} and not {wanted:?}"
        );
    }

    #[test]
    fn a_box_of_a_turned_crop_lies_upright_in_the_photo() {
        // Half a side aside; half of the crop wide and a quarter high.
        let values = [0.5, 0.0, 0.5f32.ln(), 0.25f32.ln()];
        near(
            bbox_of(&values, &back(0.0), 32.0),
            [100.0, 46.0, 116.0, 54.0],
        );
        near(
            bbox_of(&values, &back(90.0), 32.0),
            [96.0, 50.0, 104.0, 66.0],
        );
        // An ellipse of half axes 8 and 4 at 45° reaches √40 to each side.
        let (x, reach) = (8.0 / 2f32.sqrt(), 40f32.sqrt());
        let wanted = [
            100.0 + x - reach,
            50.0 + x - reach,
            100.0 + x + reach,
            50.0 + x + reach,
        ];
        near(bbox_of(&values, &back(45.0), 32.0), wanted);
    }

    #[test]
    fn a_box_without_extent_is_none() {
        for values in [
            [0.0, 0.0, f32::NAN, 0.0],
            [0.0, 0.0, 200.0, 0.0],
            [0.0, 0.0, -200.0, 0.0],
        ] {
            assert_eq!(bbox_of(&values, &back(0.0), 32.0), None);
        }
    }
}

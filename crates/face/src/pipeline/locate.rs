//! Where the faces of a picture are, whichever way it was held. In: a picture. Out: boxes, scores
//! and landmarks. Knows nothing of crops and embeddings.

use super::tilt::{TILTS_DEG, Tilted};
use super::turn::Turn;
use crate::Error;
use crate::detect::{DetectOptions, DetectedFace, Detector};
use crate::geometry::{BoundingBox, Landmarks, Point, Size, deg_apart};
use crate::image::Image;
use crate::landmarks::{LandmarkNetwork, Refined};
use crate::quality::Pose;

/// Where no face is found that the detector is so sure of, the picture is looked at turned. A face
/// that is not upright may have a score below it, and points of another roll.
const SURE_SCORE: f32 = 0.9;

/// Longest side of the copy that is looked at turned: a face of a twentieth of the photo is found,
/// and the three looks at quarter turns cost less than the one at the usual size.
const SMALL_PX: u32 = 320;

/// A face stands upright, more or less, with a roll below this.
const UPRIGHT_DEG: f32 = 60.0;

/// Two faces whose points have their middles within so many eye distances are one: heads apart are
/// farther, also where one lies before another.
const SAME_SPOT: f32 = 0.4;

/// Boxes without refined points that overlap so much are one face: found twice, upright and turned.
const SAME_BOX_IOU: f32 = 0.4;

/// Sizes of the boxes that are looked at where a human drew one.
const DRAWN_SCALES: [f32; 4] = [1.0, 0.75, 1.3, 0.55];

/// A detector and perhaps a landmark network.
#[derive(Debug)]
pub(super) struct Locator {
    pub(super) detector: Detector,
    pub(super) landmarks: Option<LandmarkNetwork>,
}

/// A face and where its landmarks are from.
#[derive(Debug, Clone)]
pub(super) struct Located {
    pub(super) face: DetectedFace,
    pub(super) refined: Option<Refined>,
}

/// A way in which a picture may have been held.
#[derive(Debug, Clone, Copy)]
enum Held {
    /// It stands upright after this turn.
    OnItsSide(Turn),
    /// It stands upright after so many clockwise degrees.
    Aslant(f32),
}

impl Locator {
    /// The faces of an image, in its pixels, best score first; and the clockwise quarter turns that
    /// bring them upright, in degrees.
    ///
    /// `photo` is the size of the photo of which the image has all or some of the pixels.
    pub(super) fn locate(
        &self,
        image: &Image,
        photo: Size,
        options: &DetectOptions,
    ) -> Result<(Vec<Located>, u16), Error> {
        let found = self.detector.detect_in(image, photo, options)?;
        let mut faces = self.refine(image, found, 0.0, options)?;
        if !options.try_turned {
            return Ok((faces, 0));
        }
        let best = faces.iter().map(|f| f.face.score).fold(0.0, f32::max);
        let mut held = None;
        if best < SURE_SCORE {
            held = self.held(image, best, options)?;
        }
        let Some(held) = held.or_else(|| common_turn(&faces).map(Held::OnItsSide)) else {
            return Ok((faces, 0));
        };
        let (more, turn_deg) = match held {
            Held::OnItsSide(turn) => {
                let turned = turn.turn(image.clone());
                let size = turn.turned_size(photo);
                let found = self.detector.detect_in(&turned, size, options)?;
                let found = found.iter().map(|face| turn.undo(face, image.size()));
                (found.collect(), turn.deg())
            }
            Held::Aslant(deg) => {
                let small = image.shrunk_to(SMALL_PX.min(options.longest_side_px));
                let tilted = Tilted::new(&small, deg)?;
                let found = self.upright_in(&tilted.copy, options)?;
                let (x, y) = ratio(small.size(), image.size());
                let found = found.iter().map(|f| tilted.undo(&f.face).scaled(x, y));
                (found.collect(), 0)
            }
        };
        let mut more = self.refine(image, more, -held.deg(), options)?;
        // A pattern that looks like a face in one turn seldom has its points turned as well.
        more.retain(|found| is_upright(found, held.deg()));
        // One that stood upright and is read at the same roll again had the better box.
        more.retain(|again| {
            let known =
                |f: &Located| is_upright(f, 0.0) && is_same(f, again) && same_roll(f, again);
            !faces.iter().any(known)
        });
        let turn_deg = if more.is_empty() { 0 } else { turn_deg };
        faces.extend(more);
        faces.sort_by(|a, b| b.face.score.total_cmp(&a.face.score));
        Ok((one_of_each(faces), turn_deg))
    }

    /// How the picture was held, if small copies of it show a face that has a better score than
    /// `best`: the way in which they show the most faces, by the sum of their scores.
    ///
    /// Aslant only where no quarter turn shows a sure face, and not without a landmark network:
    /// boxes of such a copy have no points of their own in the picture.
    fn held(
        &self,
        image: &Image,
        best: f32,
        options: &DetectOptions,
    ) -> Result<Option<Held>, Error> {
        let (mut most, mut held, mut sure) = (0.0, None, false);
        let mut look = |copy: &Image, way: Held| -> Result<bool, Error> {
            let found = self.upright_in(copy, options)?;
            let scores = || found.iter().map(|f| f.face.score);
            let sum = scores().sum();
            if scores().any(|score| score > best) && sum > most {
                (most, held) = (sum, Some(way));
            }
            sure |= scores().any(|score| score >= SURE_SCORE);
            Ok(sure)
        };
        let small = image.shrunk_to(SMALL_PX.min(options.longest_side_px));
        let mut enough = self.landmarks.is_none();
        for turn in Turn::ALL {
            enough |= look(&turn.turn(small.clone()), Held::OnItsSide(turn))?;
        }
        if !enough {
            for deg in TILTS_DEG {
                look(&Tilted::new(&small, deg)?.copy, Held::Aslant(deg))?;
            }
        }
        Ok(held)
    }

    /// The faces of a small copy that stand upright in it.
    fn upright_in(&self, copy: &Image, options: &DetectOptions) -> Result<Vec<Located>, Error> {
        let once = DetectOptions {
            min_face_px: None,
            ..options.clone()
        };
        let found = self.detector.detect(copy, &once)?;
        let mut found = self.refine(copy, found, 0.0, options)?;
        found.retain(|found| is_upright(found, 0.0));
        Ok(found)
    }

    /// The face in a box that a human drew, with the points of the best of some boxes around it:
    /// people draw wider and narrower than the network was trained on.
    pub(super) fn drawn(&self, image: &Image, bbox: &BoundingBox) -> Result<Located, Error> {
        let mut face = DetectedFace {
            bbox: *bbox,
            score: 1.0,
            landmarks: None,
        };
        let mut refined = None;
        if let Some(network) = &self.landmarks {
            let boxes = DRAWN_SCALES.map(|scale| bbox.resized(scale));
            let seen = network.refine(image, &boxes, 0.0)?.into_iter().flatten();
            refined = seen.max_by(|a, b| a.score.total_cmp(&b.score));
            face.score = refined.map_or(0.0, |seen| seen.score);
            let sure = refined.filter(|seen| seen.score >= network.spec().min_score);
            face.landmarks = sure.map(|seen| seen.landmarks);
        }
        Ok(Located { face, refined })
    }

    /// Faces with the points that the landmark network gives them, without what it calls none.
    /// `roll_deg` as in [`LandmarkNetwork::refine`].
    pub(super) fn refine(
        &self,
        image: &Image,
        faces: Vec<DetectedFace>,
        roll_deg: f32,
        options: &DetectOptions,
    ) -> Result<Vec<Located>, Error> {
        let plain = |face| Located {
            face,
            refined: None,
        };
        let Some(network) = &self.landmarks else {
            return Ok(faces.into_iter().map(plain).collect());
        };
        let boxes: Vec<BoundingBox> = faces.iter().map(|face| face.bbox).collect();
        let refined = network.refine(image, &boxes, roll_deg)?;
        let mut located = Vec::with_capacity(faces.len());
        for (mut face, refined) in faces.into_iter().zip(refined) {
            let seen = refined.filter(|r| r.score >= network.spec().min_score);
            if let Some(seen) = &seen {
                face.landmarks = Some(seen.landmarks);
                face.bbox = seen.bbox.unwrap_or(face.bbox);
            }
            if seen.is_some() || options.keep_doubtful {
                located.push(Located { face, refined });
            }
        }
        Ok(one_of_each(located))
    }
}

impl Held {
    /// Clockwise degrees that bring the picture upright.
    fn deg(self) -> f32 {
        match self {
            Held::OnItsSide(turn) => f32::from(turn.deg()),
            Held::Aslant(deg) => deg,
        }
    }
}

impl Located {
    /// The same face in a copy of the picture that is so many times as wide and as high.
    pub(super) fn scaled(self, x: f32, y: f32) -> Located {
        Located {
            face: self.face.scaled(x, y),
            refined: self.refined.map(|refined| Refined {
                landmarks: refined.landmarks.scaled(x, y),
                bbox: refined.bbox.map(|bbox| bbox.scaled(x, y)),
                ..refined
            }),
        }
    }
}

/// Whether a face stands upright, more or less, once its picture is turned clockwise by so much;
/// of one without landmarks nothing is known, and it passes.
fn is_upright(found: &Located, deg: f32) -> bool {
    let landmarks = found.face.landmarks;
    landmarks.is_none_or(|l| deg_apart(Pose::of(&l).roll_deg, -deg) < UPRIGHT_DEG)
}

/// The turn that rights every face, if they all lie on one side.
fn common_turn(faces: &[Located]) -> Option<Turn> {
    let turn_of = |f: &Located| Turn::for_roll(Pose::of(&f.refined.as_ref()?.landmarks).roll_deg);
    let turn = turn_of(faces.first()?)?;
    faces
        .iter()
        .all(|f| turn_of(f) == Some(turn))
        .then_some(turn)
}

/// Without those that lie where a face before does: boxes of a head and of a part of it lead to the
/// same points, and a head that is read at another roll has them around the same middle.
fn one_of_each(faces: Vec<Located>) -> Vec<Located> {
    let mut kept: Vec<Located> = Vec::with_capacity(faces.len());
    for face in faces {
        if !kept.iter().any(|other| is_same(&face, other)) {
            kept.push(face);
        }
    }
    kept
}

fn is_same(face: &Located, other: &Located) -> bool {
    match (&face.refined, &other.refined) {
        (Some(a), Some(b)) => {
            let (one, two) = (middle(&a.landmarks), middle(&b.landmarks));
            let eyes = a.landmarks.inter_eye_px().max(b.landmarks.inter_eye_px());
            (one.x - two.x).hypot(one.y - two.y) < SAME_SPOT * eyes
        }
        _ => face.face.bbox.iou(&other.face.bbox) > SAME_BOX_IOU,
    }
}

/// Whether two readings of a face are turned alike; one without points is.
fn same_roll(one: &Located, other: &Located) -> bool {
    let roll_deg = |f: &Located| f.face.landmarks.map(|l| Pose::of(&l).roll_deg);
    match (roll_deg(one), roll_deg(other)) {
        (Some(one), Some(other)) => deg_apart(one, other) < UPRIGHT_DEG / 2.0,
        _ => true,
    }
}

/// The middle of the five points.
fn middle(landmarks: &Landmarks) -> Point {
    let points = landmarks.as_array();
    Point {
        x: points.iter().map(|p| p.x).sum::<f32>() / 5.0,
        y: points.iter().map(|p| p.y).sum::<f32>() / 5.0,
    }
}

/// Pixels of one size per pixel of another, across and down.
pub(super) fn ratio(from: Size, to: Size) -> (f32, f32) {
    (
        to.width_px as f32 / from.width_px as f32,
        to.height_px as f32 / from.height_px as f32,
    )
}

//! The order of the work. In: the bytes of a photo. Out: its faces with box, quality, crop and
//! embedding. The only file that knows the order; knows nothing of people or files.

mod turn;

use crate::Error;
use crate::align::{self, AlignError, AlignedFace};
use crate::detect::{DetectOptions, DetectedFace, Detector};
use crate::embed::{Embedder, Embedding};
use crate::geometry::{BoundingBox, Size};
use crate::image::{self, Deadline, DecodeLimits, Fingerprint, Image, Note, Orientation, Taken};
use crate::landmarks::{LandmarkNetwork, Refined};
use crate::quality::{self, Pose, Quality};
use turn::Turn;

/// How a photo is analysed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AnalyseOptions {
    /// How hard to search for faces.
    pub detect: DetectOptions,
    /// What the bytes of a photo may ask for.
    pub limits: DecodeLimits,
}

/// A photo and its faces, in pixels of the photo, however many of them were decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Photo {
    /// Size of the photo, upright.
    pub size: Size,
    /// When it was taken, and who says so.
    pub taken: Option<Taken>,
    /// How the file stores the pixels; everything else here is upright.
    pub orientation: Orientation,
    /// What tells the picture again after its file was changed; `None` if it was no file.
    pub fingerprint: Option<Fingerprint>,
    /// What in the file had no effect.
    pub notes: Vec<Note>,
    /// Clockwise degrees that bring its faces upright: 0, 90, 180 or 270. Not 0 for a scan or a
    /// photo without EXIF that lies on its side.
    pub turn_deg: u16,
    /// Shorter side of the smallest face that was looked for.
    pub smallest_face_px: f32,
    /// Best detector score first.
    pub faces: Vec<Face>,
}

/// Everything that is known of one face without knowing anybody.
#[derive(Debug, Clone, PartialEq)]
pub struct Face {
    /// Box, score and landmarks.
    pub detected: DetectedFace,
    /// What the landmark network said of the box, if there is one.
    pub refined: Option<Refined>,
    /// How much it is worth to a recogniser.
    pub quality: Quality,
    /// The crop that the embedder saw.
    pub aligned: AlignedFace,
    /// What the embedder made of it, if there is one.
    pub embedding: Option<Embedding>,
}

/// A large JPEG is decoded to so many times the side that the detector sees first: as large as its
/// second look needs, and enough for the crops of all but the small faces.
const DECODED_SIDES: u32 = 2;

/// Longest side of the copy in which a photo without upright faces is looked at turned: a face of a
/// twentieth of the photo is found, and three looks cost less than the one at the usual size.
const TURNED_PX: u32 = 320;

/// Sizes of the boxes that are looked at where a human drew one.
const DRAWN_SCALES: [f32; 4] = [1.0, 0.75, 1.3, 0.55];

/// Two faces whose points lie on average within so many eye distances are one.
const SAME_SPOT: f32 = 0.4;

/// A detector and perhaps networks for landmarks and embeddings.
///
/// Nothing in it changes: many threads may analyse photos through one reference. One call works on
/// the calling thread and needs, beside the photo, the detector's copy (about 4 MB at the default
/// size) and the networks' own memory.
#[derive(Debug)]
pub struct Pipeline {
    detector: Detector,
    landmarks: Option<LandmarkNetwork>,
    embedder: Option<Embedder>,
}

/// A face and where its landmarks are from.
#[derive(Debug, Clone)]
struct Located {
    face: DetectedFace,
    refined: Option<Refined>,
}

impl Pipeline {
    /// Joins the stages.
    pub fn new(
        detector: Detector,
        landmarks: Option<LandmarkNetwork>,
        embedder: Option<Embedder>,
    ) -> Pipeline {
        Pipeline {
            detector,
            landmarks,
            embedder,
        }
    }

    /// The detector.
    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// The landmark network, if there is one.
    pub fn landmarks(&self) -> Option<&LandmarkNetwork> {
        self.landmarks.as_ref()
    }

    /// The embedder, if there is one.
    pub fn embedder(&self) -> Option<&Embedder> {
        self.embedder.as_ref()
    }

    /// Finds and describes every face of a photo: the one road from bytes to faces.
    ///
    /// The same bytes and options give the same faces to the bit, whoever calls, on however many
    /// threads. A large JPEG is decoded at a reduced size, and again with more pixels only if a
    /// face is so small that its crop needs them. Where nothing upright is found, the photo is
    /// looked at turned. A face whose landmarks fall on one spot cannot be brought upright and is
    /// left out.
    ///
    /// # Errors
    /// [`Error::Image`] for bytes that are no photo or exceed a limit; [`Error::Option`],
    /// [`Error::Network`] and [`Error::Contract`] as [`Detector::detect`],
    /// [`LandmarkNetwork::refine`] and [`Embedder::embed`].
    pub fn analyse(&self, bytes: &[u8], options: &AnalyseOptions) -> Result<Photo, Error> {
        let (limits, detect) = (&options.limits, &options.detect);
        let deadline = Deadline::start(limits);
        let decoded = image::decode_within(bytes, limits, enough_px(detect), deadline)?;
        let (located, turn_deg) = self.locate(&decoded.image, decoded.size, detect)?;
        let mut faces: Vec<Upright> = located
            .into_iter()
            .filter_map(|face| upright(&decoded.image, face))
            .collect();
        if decoded.image.size() != decoded.size {
            self.sharpen_small_faces(&mut faces, &decoded.image, detect, |more_px| {
                image::decode_within(bytes, limits, Some(more_px), deadline).map(|d| d.image)
            })?;
        }
        let (x, y) = ratio(decoded.image.size(), decoded.size);
        let in_photo = faces.into_iter().map(|(located, mut crop)| {
            crop.from_photo = crop.from_photo.with_scaled_source(x);
            (located.scaled(x, y), crop)
        });
        Ok(Photo {
            size: decoded.size,
            taken: decoded.taken,
            orientation: decoded.orientation,
            fingerprint: Some(Fingerprint::of(&decoded.image)),
            notes: decoded.notes,
            turn_deg,
            smallest_face_px: self.detector.smallest_face_px(decoded.size, detect),
            faces: self.describe(in_photo)?,
        })
    }

    /// The fingerprint that [`analyse`](Self::analyse) would give, without running a network; and
    /// how the file stores its pixels.
    ///
    /// # Errors
    /// [`Error::Image`] as [`analyse`](Self::analyse).
    pub fn fingerprint(
        &self,
        bytes: &[u8],
        options: &AnalyseOptions,
    ) -> Result<(Fingerprint, Orientation), Error> {
        let limits = &options.limits;
        let enough_px = enough_px(&options.detect);
        let decoded = image::decode_within(bytes, limits, enough_px, Deadline::start(limits))?;
        Ok((Fingerprint::of(&decoded.image), decoded.orientation))
    }

    /// Finds and describes every face of pixels that were never a file here: a video frame, a
    /// rendering, a crop.
    ///
    /// Not for a decoded photo: [`analyse`](Self::analyse) may decode the same bytes at another
    /// size, and its embeddings then differ from these in the last digits.
    ///
    /// # Errors
    /// As [`Detector::detect`], [`LandmarkNetwork::refine`] and [`Embedder::embed`].
    pub fn analyse_image(&self, image: &Image, options: &DetectOptions) -> Result<Photo, Error> {
        let (located, turn_deg) = self.locate(image, image.size(), options)?;
        let upright = located.into_iter().filter_map(|face| upright(image, face));
        Ok(Photo {
            size: image.size(),
            taken: None,
            orientation: Orientation::Upright,
            fingerprint: None,
            notes: Vec::new(),
            turn_deg,
            smallest_face_px: self.detector.smallest_face_px(image.size(), options),
            faces: self.describe(upright)?,
        })
    }

    /// The embedding of a region where a face is known to be, whatever the detector would find
    /// there.
    ///
    /// # Errors
    /// As [`align::align`] and [`Embedder::embed`]; `None` without an embedder.
    pub fn embed_at(&self, image: &Image, face: &DetectedFace) -> Result<Option<Embedding>, Error> {
        let Some(embedder) = &self.embedder else {
            return Ok(None);
        };
        let mut face = face.clone();
        if let (None, Some(network)) = (face.landmarks, &self.landmarks) {
            let seen = network.refine(image, &[face.bbox])?.pop().flatten();
            let seen = seen.filter(|seen| seen.score >= network.spec().min_score);
            face.landmarks = seen.map(|seen| seen.landmarks);
        }
        Ok(embedder.embed(&[align(image, &face)?])?.pop())
    }

    /// The face in a box that a human drew, whatever the detector would find there; in pixels of
    /// the image. Its points are those of the best of some boxes around the one drawn, since people
    /// draw wider and narrower than the network was trained on; `None` of them if it is sure of
    /// none.
    ///
    /// # Errors
    /// As [`align::align`], [`LandmarkNetwork::refine`] and [`Embedder::embed`].
    pub fn describe_at(&self, image: &Image, bbox: &BoundingBox) -> Result<Face, Error> {
        let mut face = DetectedFace {
            bbox: *bbox,
            score: 1.0,
            landmarks: None,
        };
        let mut refined = None;
        if let Some(network) = &self.landmarks {
            let boxes = DRAWN_SCALES.map(|scale| resized(bbox, scale));
            let seen = network.refine(image, &boxes)?.into_iter().flatten();
            refined = seen.max_by(|a, b| a.score.total_cmp(&b.score));
            face.score = refined.map_or(0.0, |seen| seen.score);
            let sure = refined.filter(|seen| seen.score >= network.spec().min_score);
            face.landmarks = sure.map(|seen| seen.landmarks);
        }
        let aligned = align(image, &face)?;
        let embedding = match &self.embedder {
            Some(embedder) => embedder.embed(std::slice::from_ref(&aligned))?.pop(),
            None => None,
        };
        Ok(Face {
            quality: quality::assess(&face, &aligned),
            detected: face,
            refined,
            aligned,
            embedding,
        })
    }

    /// The faces of an image, in its pixels, and the turn that brings them upright.
    fn locate(
        &self,
        image: &Image,
        photo: Size,
        options: &DetectOptions,
    ) -> Result<(Vec<Located>, u16), Error> {
        let found = self.detector.detect_in(image, photo, options)?;
        let mut faces = self.refine(image, found, options)?;
        if !options.try_turned {
            return Ok((faces, 0));
        }
        let turn = match faces.is_empty() {
            true => self.turn_with_faces(image, options)?,
            false => common_turn(&faces),
        };
        let Some(turn) = turn else {
            return Ok((faces, 0));
        };
        let turned = turn.turn(image.clone());
        let more = self
            .detector
            .detect_in(&turned, turn.turned_size(photo), options)?;
        let more = more
            .iter()
            .map(|face| turn.undo(face, image.size()))
            .collect();
        let mut more = self.refine(image, more, options)?;
        // A pattern that looks like a face in one turn seldom has its points turned as well.
        more.retain(|f| {
            f.face
                .landmarks
                .is_none_or(|l| turn.rights(Pose::of(&l).roll_deg))
        });
        faces.extend(more);
        faces.sort_by(|a, b| b.face.score.total_cmp(&a.face.score));
        let faces = one_of_each(faces);
        let turn_deg = if faces.is_empty() { 0 } else { turn.deg() };
        Ok((faces, turn_deg))
    }

    /// The turn in which a small copy shows the most faces, by the sum of their scores.
    fn turn_with_faces(
        &self,
        image: &Image,
        options: &DetectOptions,
    ) -> Result<Option<Turn>, Error> {
        let once = DetectOptions {
            longest_side_px: options.longest_side_px.min(TURNED_PX),
            min_face_px: None,
            ..options.clone()
        };
        let small = image.shrunk_to(once.longest_side_px);
        let mut best = (0.0, None);
        for turn in Turn::ALL {
            let found = self.detector.detect(&turn.turn(small.clone()), &once)?;
            let found = found.iter().map(|f| turn.undo(f, small.size())).collect();
            let found = self.refine(&small, found, options)?;
            let righted = |f: &&Located| {
                let roll = f.face.landmarks.map(|l| Pose::of(&l).roll_deg);
                roll.is_none_or(|roll| turn.rights(roll))
            };
            let sum: f32 = found.iter().filter(righted).map(|f| f.face.score).sum();
            if sum > best.0 {
                best = (sum, Some(turn));
            }
        }
        Ok(best.1)
    }

    /// Faces with the points that the landmark network gives them, without what it calls none.
    fn refine(
        &self,
        image: &Image,
        faces: Vec<DetectedFace>,
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
        let refined = network.refine(image, &boxes)?;
        let mut located = Vec::with_capacity(faces.len());
        for (mut face, refined) in faces.into_iter().zip(refined) {
            let seen = refined.filter(|r| r.score >= network.spec().min_score);
            if let Some(seen) = &seen {
                face.landmarks = Some(seen.landmarks);
            }
            if seen.is_some() || options.keep_doubtful {
                located.push(Located { face, refined });
            }
        }
        Ok(one_of_each(located))
    }

    /// Takes the crops of faces that are enlarged from `reduced` again, from a copy with as many
    /// pixels as the smallest of them needs, which `decode` gives for a longest side.
    fn sharpen_small_faces(
        &self,
        faces: &mut [Upright],
        reduced: &Image,
        options: &DetectOptions,
        decode: impl FnOnce(u32) -> Result<Image, image::ImageError>,
    ) -> Result<(), Error> {
        // Crop pixels per decoded pixel: above 1 the photo may have more detail.
        let enlargement = |upright: &Upright| upright.1.from_photo.scale();
        let largest = faces.iter().map(enlargement).fold(1.0, f32::max);
        if largest <= 1.0 {
            return Ok(());
        }
        let more_px = (reduced.size().longest_px() as f32 * largest).ceil() as u32;
        let larger = decode(more_px)?;
        let (x, y) = ratio(reduced.size(), larger.size());
        let (back_x, back_y) = ratio(larger.size(), reduced.size());
        for small in faces.iter_mut().filter(|face| enlargement(face) > 1.0) {
            let mut located = small.0.clone().scaled(x, y);
            // More pixels show where its points are, too.
            let again = self.refine(&larger, vec![located.face.clone()], options)?;
            if let [
                Located {
                    face,
                    refined: Some(refined),
                },
            ] = &again[..]
            {
                located = Located {
                    face: face.clone(),
                    refined: Some(*refined),
                };
            }
            if let Some((located, mut crop)) = upright(&larger, located) {
                crop.from_photo = crop.from_photo.with_scaled_source(1.0 / x);
                *small = (located.scaled(back_x, back_y), crop);
            }
        }
        Ok(())
    }

    fn describe(&self, upright: impl Iterator<Item = Upright>) -> Result<Vec<Face>, Error> {
        let (faces, crops): (Vec<Located>, Vec<AlignedFace>) = upright.unzip();
        let embeddings = match &self.embedder {
            Some(embedder) => embedder.embed(&crops)?.into_iter().map(Some).collect(),
            None => vec![None; faces.len()],
        };
        Ok(faces
            .into_iter()
            .zip(crops)
            .zip(embeddings)
            .map(|((located, aligned), embedding)| Face {
                quality: quality::assess(&located.face, &aligned),
                detected: located.face,
                refined: located.refined,
                aligned,
                embedding,
            })
            .collect())
    }
}

impl Located {
    fn scaled(self, x: f32, y: f32) -> Located {
        Located {
            face: self.face.scaled(x, y),
            refined: self.refined.map(|refined| Refined {
                landmarks: refined.landmarks.scaled(x, y),
                ..refined
            }),
        }
    }
}

/// A box with sides so many times as long, around the same middle.
fn resized(bbox: &BoundingBox, scale: f32) -> BoundingBox {
    let middle = bbox.center();
    let (x, y) = (bbox.width() * scale / 2.0, bbox.height() * scale / 2.0);
    BoundingBox::from_array([middle.x - x, middle.y - y, middle.x + x, middle.y + y])
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

/// Without those whose points fall on those of a face before: boxes of a head and of a part of it
/// lead to the same points.
fn one_of_each(faces: Vec<Located>) -> Vec<Located> {
    let mut kept: Vec<Located> = Vec::with_capacity(faces.len());
    for face in faces {
        let same = |other: &Located| match (&face.refined, &other.refined) {
            (Some(a), Some(b)) => {
                let (one, two) = (a.landmarks.as_array(), b.landmarks.as_array());
                let apart = one
                    .iter()
                    .zip(two)
                    .map(|(p, q)| (p.x - q.x).hypot(p.y - q.y));
                let eyes = a.landmarks.inter_eye_px().max(b.landmarks.inter_eye_px());
                apart.sum::<f32>() / 5.0 < SAME_SPOT * eyes
            }
            _ => face.face.bbox.iou(&other.face.bbox) > SAME_BOX_IOU,
        };
        if !kept.iter().any(same) {
            kept.push(face);
        }
    }
    kept
}

/// Boxes without refined points that overlap so much are one face: found twice, upright and turned.
const SAME_BOX_IOU: f32 = 0.4;

/// The longest side at which a photo is decoded, if it may be reduced.
fn enough_px(detect: &DetectOptions) -> Option<u32> {
    match detect.min_face_px {
        None => Some(detect.longest_side_px.saturating_mul(DECODED_SIDES).max(1)),
        // Small faces are asked for: every pixel may hold one.
        Some(_) => None,
    }
}

/// A face and its upright crop.
type Upright = (Located, AlignedFace);

/// `None` for a face that cannot be brought upright.
fn upright(image: &Image, located: Located) -> Option<Upright> {
    let crop = align(image, &located.face).ok()?;
    Some((located, crop))
}

fn align(image: &Image, face: &DetectedFace) -> Result<AlignedFace, AlignError> {
    match &face.landmarks {
        Some(landmarks) => align::align(image, landmarks),
        None => align::align_by_box(image, &face.bbox),
    }
}

/// Pixels of one size per pixel of another, across and down.
fn ratio(from: Size, to: Size) -> (f32, f32) {
    (
        to.width_px as f32 / from.width_px as f32,
        to.height_px as f32 / from.height_px as f32,
    )
}

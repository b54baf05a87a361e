//! The order of the work. In: the bytes of a photo. Out: its faces with box, quality, crop and
//! embedding. The only file that knows the order; knows nothing of people or files.

mod locate;
mod tilt;
mod turn;

use crate::Error;
use crate::align::{self, AlignError, AlignedFace};
use crate::detect::{DetectOptions, DetectedFace, Detector};
use crate::embed::{Embedder, Embedding};
use crate::geometry::{BoundingBox, Size};
use crate::image::{self, Deadline, DecodeLimits, Fingerprint, Image, Note, Orientation, Taken};
use crate::landmarks::{LandmarkNetwork, Refined};
use crate::quality::{self, Pose, Quality};
use locate::{Located, Locator, ratio};

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

/// A detector and perhaps networks for landmarks and embeddings.
///
/// Nothing in it changes: many threads may analyse photos through one reference. One call works on
/// the calling thread and needs, beside the photo, the detector's copy (about 4 MB at the default
/// size) and the networks' own memory.
#[derive(Debug)]
pub struct Pipeline {
    locator: Locator,
    embedder: Option<Embedder>,
}

impl Pipeline {
    /// Joins the stages.
    pub fn new(
        detector: Detector,
        landmarks: Option<LandmarkNetwork>,
        embedder: Option<Embedder>,
    ) -> Pipeline {
        Pipeline {
            locator: Locator {
                detector,
                landmarks,
            },
            embedder,
        }
    }

    /// The detector.
    pub fn detector(&self) -> &Detector {
        &self.locator.detector
    }

    /// The landmark network, if there is one.
    pub fn landmarks(&self) -> Option<&LandmarkNetwork> {
        self.locator.landmarks.as_ref()
    }

    /// The embedder, if there is one.
    pub fn embedder(&self) -> Option<&Embedder> {
        self.embedder.as_ref()
    }

    /// Finds and describes every face of a photo: the one road from bytes to faces.
    ///
    /// The same bytes and options give the same faces to the bit, whoever calls, on however many
    /// threads. A large JPEG is decoded at a reduced size, and again with more pixels only if a
    /// face is so small that its crop needs them. Where no face is found for sure, the photo is
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
        let (located, turn_deg) = self.locator.locate(&decoded.image, decoded.size, detect)?;
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
        let described = |(located, aligned)| described(located, aligned, None);
        let mut faces: Vec<Face> = in_photo.map(described).collect();
        self.embed(&mut faces)?;
        Ok(Photo {
            size: decoded.size,
            taken: decoded.taken,
            orientation: decoded.orientation,
            fingerprint: Some(Fingerprint::of(&decoded.image)),
            notes: decoded.notes,
            turn_deg,
            smallest_face_px: self.detector().smallest_face_px(decoded.size, detect),
            faces,
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
        let mut found = self.find(image, options)?;
        self.embed(&mut found.faces)?;
        Ok(found)
    }

    /// As [`analyse_image`](Self::analyse_image) without embeddings, for a caller who wants few of
    /// them: [`embed`](Self::embed) adds them.
    ///
    /// # Errors
    /// As [`Detector::detect`] and [`LandmarkNetwork::refine`].
    pub fn find(&self, image: &Image, options: &DetectOptions) -> Result<Photo, Error> {
        let (located, turn_deg) = self.locator.locate(image, image.size(), options)?;
        let upright = located.into_iter().filter_map(|face| upright(image, face));
        let described = |(located, aligned)| described(located, aligned, None);
        Ok(Photo {
            size: image.size(),
            taken: None,
            orientation: Orientation::Upright,
            fingerprint: None,
            notes: Vec::new(),
            turn_deg,
            smallest_face_px: self.detector().smallest_face_px(image.size(), options),
            faces: upright.map(described).collect(),
        })
    }

    /// Gives faces their embeddings, if there is an embedder.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    pub fn embed(&self, faces: &mut [Face]) -> Result<(), Error> {
        if let Some(embedder) = &self.embedder {
            let crops: Vec<&AlignedFace> = faces.iter().map(|face| &face.aligned).collect();
            let embeddings = embedder.embed(&crops)?;
            for (face, embedding) in faces.iter_mut().zip(embeddings) {
                face.embedding = Some(embedding);
            }
        }
        Ok(())
    }

    /// Whether the networks are sure of a face: by their own thresholds, whatever the options of
    /// the search that found it.
    pub fn is_sure(&self, face: &Face) -> bool {
        let by_points = match (self.landmarks(), &face.refined) {
            (Some(network), Some(refined)) => refined.score >= network.spec().min_score,
            (Some(_), None) => false,
            (None, _) => true,
        };
        by_points && face.detected.score >= self.detector().spec().min_score
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
        if let (None, Some(network)) = (face.landmarks, self.landmarks()) {
            let seen = network.refine(image, &[face.bbox], 0.0)?.pop().flatten();
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
        let located = self.locator.drawn(image, bbox)?;
        let aligned = align(image, &located.face)?;
        let embedding = match &self.embedder {
            Some(embedder) => embedder.embed(std::slice::from_ref(&aligned))?.pop(),
            None => None,
        };
        Ok(described(located, aligned, embedding))
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
            let roll_deg = located
                .face
                .landmarks
                .map_or(0.0, |l| Pose::of(&l).roll_deg);
            let found = vec![located.face.clone()];
            let again = self.locator.refine(&larger, found, roll_deg, options)?;
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
}

fn described(located: Located, aligned: AlignedFace, embedding: Option<Embedding>) -> Face {
    Face {
        quality: quality::assess(&located.face, &aligned),
        detected: located.face,
        refined: located.refined,
        aligned,
        embedding,
    }
}

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

//! The order of the work. In: a photo. Out: its faces with box, quality, crop and embedding.
//! The only file that knows the order; knows nothing of people or files.

use crate::Error;
use crate::align::{self, AlignedFace};
use crate::detect::{DetectOptions, DetectedFace, Detector};
use crate::embed::{Embedder, Embedding};
use crate::image::{self, DecodeLimits, Image};
use crate::quality::{self, Quality};

/// All there is to say of one face without knowing anybody.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribedFace {
    /// Where it is.
    pub face: DetectedFace,
    /// How much it is worth to a recogniser.
    pub quality: Quality,
    /// What the embedder saw.
    pub aligned: AlignedFace,
    /// What the embedder made of it, if there is one.
    pub embedding: Option<Embedding>,
}

/// A photo's faces, in pixels of the photo, whatever was decoded of it.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribedPhoto {
    /// Width and height of the photo, upright.
    pub size: (u32, u32),
    /// As [`image::Decoded::taken_at`].
    pub taken_at: Option<String>,
    /// Best detector score first.
    pub faces: Vec<DescribedFace>,
}

/// A large JPEG is decoded to so many times the side that the detector sees: enough for the crops of all faces but the
/// small ones, and the detector's copy is still averaged down from it.
const DECODED_SIDES: u32 = 2;

/// A detector and perhaps an embedder.
///
/// Nothing in it changes: many threads may describe photos through one reference. One call works on its own thread
/// and needs, beside the photo, the detector's copy (about 4 MB at the default size) and the networks' own memory.
#[derive(Debug)]
pub struct Pipeline {
    detector: Detector,
    embedder: Option<Embedder>,
}

impl Pipeline {
    /// Joins the stages.
    pub fn new(detector: Detector, embedder: Option<Embedder>) -> Pipeline {
        Pipeline { detector, embedder }
    }

    /// The detector.
    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// The embedder, if there is one.
    pub fn embedder(&self) -> Option<&Embedder> {
        self.embedder.as_ref()
    }

    /// What the embedder makes of a place where a face is known to be, whatever the detector would say.
    ///
    /// # Errors
    /// As [`align::align`] and [`Embedder::embed`]; `None` without an embedder.
    pub fn embed_at(&self, image: &Image, face: &DetectedFace) -> Result<Option<Embedding>, Error> {
        let Some(embedder) = &self.embedder else {
            return Ok(None);
        };
        let aligned = match &face.landmarks {
            Some(landmarks) => align::align(image, landmarks),
            None => align::align_by_box(image, &face.bbox),
        }?;
        Ok(embedder.embed(&[aligned])?.pop())
    }

    /// Finds and describes every face, best detector score first.
    ///
    /// A face whose landmarks fall on one spot cannot be brought upright and is left out: it is not one that anybody
    /// could recognise.
    ///
    /// # Errors
    /// As [`Detector::detect`] and [`Embedder::embed`].
    pub fn describe(
        &self,
        image: &Image,
        options: &DetectOptions,
    ) -> Result<Vec<DescribedFace>, Error> {
        let faces = self.detector.detect(image, options)?;
        self.describe_found(faces.into_iter().filter_map(|face| cut(image, face)))
    }

    /// As [`Pipeline::describe`], from the bytes of a file and without more pixels than its faces need: a large JPEG is
    /// decoded at a reduced size, and again with more pixels only if a face is so small that its crop would lack them.
    ///
    /// # Errors
    /// As [`image::decode`] and [`Pipeline::describe`].
    pub fn describe_file(
        &self,
        bytes: &[u8],
        limits: &DecodeLimits,
        options: &DetectOptions,
    ) -> Result<DescribedPhoto, Error> {
        let enough_px = options.longest_side_px.saturating_mul(DECODED_SIDES);
        let photo = match options.min_face_px {
            None => image::decode_reduced(bytes, limits, enough_px)?,
            Some(_) => image::decode(bytes, limits)?,
        };
        let found = self.detector.detect(&photo.image, options)?;
        let mut cuts: Vec<Cut> = found
            .into_iter()
            .filter_map(|face| cut(&photo.image, face))
            .collect();
        let is_reduced = (photo.image.width(), photo.image.height()) != photo.size;
        // Crop pixels per decoded pixel: beyond 1 the photo may have more to give.
        let lacking = |cut: &Cut| is_reduced && cut.1.from_photo.scale() > 1.0;
        let most = cuts
            .iter()
            .filter(|cut| lacking(cut))
            .map(|cut| cut.1.from_photo.scale())
            .fold(1.0, f32::max);
        if most > 1.0 {
            let decoded_px = photo.image.width().max(photo.image.height());
            let more_px = (decoded_px as f32 * most).ceil() as u32;
            let finer = image::decode_reduced(bytes, limits, more_px)?.image;
            let (x, y) = steps(&photo.image, (finer.width(), finer.height()));
            let (back_x, back_y) = steps(&finer, (photo.image.width(), photo.image.height()));
            for found in cuts.iter_mut().filter(|cut| lacking(cut)) {
                let mut face = found.0.clone();
                face.stretch(x, y);
                if let Some((mut face, mut crop)) = cut(&finer, face) {
                    face.stretch(back_x, back_y);
                    crop.from_photo = crop.from_photo.of_stretched(1.0 / x);
                    *found = (face, crop);
                }
            }
        }
        let (x, y) = steps(&photo.image, photo.size);
        let whole = cuts.into_iter().map(|(mut face, mut crop)| {
            face.stretch(x, y);
            crop.from_photo = crop.from_photo.of_stretched(x);
            (face, crop)
        });
        Ok(DescribedPhoto {
            size: photo.size,
            taken_at: photo.taken_at,
            faces: self.describe_found(whole)?,
        })
    }

    fn describe_found(&self, cuts: impl Iterator<Item = Cut>) -> Result<Vec<DescribedFace>, Error> {
        let (faces, crops): (Vec<DetectedFace>, Vec<AlignedFace>) = cuts.unzip();
        let embeddings = match &self.embedder {
            Some(embedder) => embedder.embed(&crops)?.into_iter().map(Some).collect(),
            None => vec![None; faces.len()],
        };
        Ok(faces
            .into_iter()
            .zip(crops)
            .zip(embeddings)
            .map(|((face, aligned), embedding)| {
                let quality = quality::assess(&face, &aligned);
                DescribedFace {
                    face,
                    quality,
                    aligned,
                    embedding,
                }
            })
            .collect())
    }
}

/// A face and what the embedder will see of it.
type Cut = (DetectedFace, AlignedFace);

/// `None` for a face that cannot be brought upright.
fn cut(image: &Image, face: DetectedFace) -> Option<Cut> {
    let crop = match &face.landmarks {
        Some(landmarks) => align::align(image, landmarks),
        None => align::align_by_box(image, &face.bbox),
    };
    Some((face, crop.ok()?))
}

/// Pixels of another size per pixel of an image, across and down.
fn steps(image: &Image, (width, height): (u32, u32)) -> (f32, f32) {
    (
        width as f32 / image.width() as f32,
        height as f32 / image.height() as f32,
    )
}

//! The order of the work. In: a photo. Out: its faces with box, quality, crop and embedding.
//! The only file that knows the order; knows nothing of people or files.

use crate::Error;
use crate::align::{self, AlignedFace};
use crate::detect::{DetectOptions, DetectedFace, Detector};
use crate::embed::{Embedder, Embedding};
use crate::image::Image;
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
        let (mut faces, mut crops) = (Vec::new(), Vec::new());
        for face in self.detector.detect(image, options)? {
            let aligned = match &face.landmarks {
                Some(landmarks) => align::align(image, landmarks),
                None => align::align_by_box(image, &face.bbox),
            };
            if let Ok(aligned) = aligned {
                faces.push(face);
                crops.push(aligned);
            }
        }
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

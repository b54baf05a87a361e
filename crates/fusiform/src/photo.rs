//! What an engine says of one photo. In: nothing. Out: plain data: [`Photo`] and its [`Face`]s.
//! Knows nothing of how faces are found.

use fusiform_face::align::AlignedFace;
use fusiform_face::geometry::{BoundingBox, Landmarks};
use fusiform_face::pipeline;
pub use fusiform_face::pipeline::AnalyseOptions;
use fusiform_face::quality::Quality;
use fusiform_search::template::{ModelId, Template};

use crate::error::Error;

/// One analysed photo.
#[derive(Debug, Clone, PartialEq)]
pub struct Photo {
    /// Width in pixels, upright.
    pub width_px: u32,
    /// Height in pixels, upright.
    pub height_px: u32,
    /// When it was taken: EXIF `DateTimeOriginal`, local time without a zone, `2021-07-04T18:30:05`.
    pub taken_at: Option<String>,
    /// Best detector score first.
    pub faces: Vec<Face>,
}

/// One face of a photo.
#[derive(Debug, Clone, PartialEq)]
pub struct Face {
    /// Where it is, in pixels of the upright photo.
    pub bbox: BoundingBox,
    /// The detector's score, 0…1.
    pub score: f32,
    /// Five points, where the detector gives them.
    pub landmarks: Option<Landmarks>,
    /// How much the face is worth to a recogniser.
    pub quality: Quality,
    /// The upright crop that the embedder saw.
    pub aligned: AlignedFace,
    /// The face's template; `None` if the pack only detects.
    pub template: Option<Template>,
}

impl Photo {
    /// The face with the largest box, which is whom a portrait is of.
    ///
    /// # Errors
    /// [`Error::NoFace`] if there is none.
    pub fn largest(&self) -> Result<&Face, Error> {
        let by_area = |a: &&Face, b: &&Face| a.bbox.area().total_cmp(&b.bbox.area());
        self.faces.iter().max_by(by_area).ok_or(Error::NoFace)
    }
}

impl Face {
    /// The face of the pipeline, its embedding tagged with the model that made it.
    pub(crate) fn of(found: pipeline::Face, model: Option<&ModelId>) -> Face {
        let quality = found.quality;
        let template = model
            .zip(found.embedding)
            .map(|(model, embedding)| Template {
                model: model.clone(),
                vector: embedding.0,
                quality: quality.overall,
            });
        Face {
            bbox: found.face.bbox,
            score: found.face.score,
            landmarks: found.face.landmarks,
            quality,
            aligned: found.aligned,
            template,
        }
    }
}

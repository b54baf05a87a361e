//! An analysed photo. In: nothing. Out: plain data: [`Photo`] and its [`Face`]s.
//! Knows nothing of how faces are found.

use fusiform_face::align::AlignedFace;
use fusiform_face::detect::DetectedFace;
use fusiform_face::geometry::{BoundingBox, Landmarks};
use fusiform_face::image::{Fingerprint, Note, Orientation, Taken};
use fusiform_face::pipeline;
use fusiform_face::quality::{Quality, Unrecognisable};
use fusiform_search::template::{ModelId, Similarity, Template};

use crate::error::Error;
pub use fusiform_face::pipeline::AnalyseOptions;

/// One analysed photo.
///
/// # Units
/// Sizes and coordinates are pixels of the whole upright photo (after its EXIF orientation),
/// however much of it was decoded: origin at the top left, pixel centres at .5.
#[derive(Debug, Clone, PartialEq)]
pub struct Photo {
    /// Width in pixels, upright.
    pub width_px: u32,
    /// Height in pixels, upright.
    pub height_px: u32,
    /// When it was taken, in local time without a zone: `2021-07-04T18:30:05`; as in `taken`.
    pub taken_at: Option<String>,
    /// When it was taken, with the zone if the file states it, and who says so.
    pub taken: Option<Taken>,
    /// How the file stores the pixels; everything else here is upright.
    pub orientation: Orientation,
    /// What tells the picture again after its file was changed; `None` for pixels of no file.
    pub fingerprint: Option<Fingerprint>,
    /// What in the file had no effect: a colour profile or EXIF block that could not be used.
    pub notes: Vec<Note>,
    /// Clockwise degrees that bring its faces upright: 0, 90, 180 or 270; not 0 for a photo without
    /// EXIF that lies on its side.
    pub turn_deg: u16,
    /// Shorter side, in pixels, of the smallest face that was looked for.
    pub smallest_face_px: f32,
    /// Best detector score first.
    pub faces: Vec<Face>,
}

/// One face of a photo.
#[derive(Debug, Clone, PartialEq)]
pub struct Face {
    /// Where it is, in pixels of the upright photo; may reach beyond its edges.
    pub bbox: BoundingBox,
    /// The detector's score, 0…1.
    pub score: f32,
    /// Eyes, nose, corners of the mouth, in pixels of the upright photo; `None` if the detector
    /// gives boxes alone.
    pub landmarks: Option<Landmarks>,
    /// How much of a recogniser's accuracy the face keeps, 0…1, with the reasons.
    pub quality: Quality,
    /// The upright crop of 112×112 RGB pixels that the embedder was given.
    pub aligned: AlignedFace,
    /// Length of the embedding before it was made 1.
    pub embedding_length: Option<f32>,
    /// The embedding with the model that made it; `None` if the pack has no embedder.
    pub template: Option<Template>,
}

/// A face that was found and not yet described; see
/// [`Engine::find_faces`](crate::Engine::find_faces).
#[derive(Debug, Clone, PartialEq)]
pub struct FoundFace {
    pub(crate) face: pipeline::Face,
    pub(crate) is_sure: bool,
}

impl FoundFace {
    /// Where it is, in pixels of the image; may reach beyond its edges.
    pub fn bbox(&self) -> &BoundingBox {
        &self.face.detected.bbox
    }

    /// How much of a recogniser's accuracy it keeps by size, sharpness, pose and light, 0…1; an
    /// embedding may say that it is less.
    pub fn quality(&self) -> f32 {
        self.face.quality.overall
    }

    /// Whether it is a face by the thresholds of the networks, and not by looser ones of a search.
    pub fn is_sure(&self) -> bool {
        self.is_sure
    }
}

impl Photo {
    /// The face with the largest box: the person whom a portrait shows.
    ///
    /// # Errors
    /// [`Error::NoFace`] if no face was found.
    pub fn largest(&self) -> Result<&Face, Error> {
        largest(self.faces.iter()).ok_or(Error::NoFace)
    }
}

/// The face with the largest box.
fn largest<'a>(faces: impl Iterator<Item = &'a Face>) -> Option<&'a Face> {
    faces.max_by(|a, b| a.bbox.area().total_cmp(&b.bbox.area()))
}

/// Why a photo does not show the one face that an enrolment wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NotOneFace {
    /// Faces in the photo.
    pub n_faces: usize,
    /// Those in which somebody can be recognised.
    pub n_clear: usize,
    /// The best recognisability among them, 0…1.
    pub recognisability: f32,
}

impl std::fmt::Display for NotOneFace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.n_faces, self.n_clear) {
            (0, _) => f.write_str("one face is wanted, none is in the image"),
            (n, 0) => write!(
                f,
                "one face is wanted; the {n} in the image cannot be recognised: too small, too \
                 blurred, or turned away (recognisability {:.2})",
                self.recognisability
            ),
            (_, n) => write!(f, "one face is wanted, {n} are in the image"),
        }
    }
}

impl std::error::Error for NotOneFace {}

/// The face that an enrolment's photo shows: the only clear one, or with `take_largest` the
/// largest of several. Unclear faces, in the background or anywhere, do not count.
///
/// # Errors
/// [`NotOneFace`].
///
/// # Example
/// ```
/// let engine = fusiform::Engine::builtin()?;
/// let party = engine.analyse_file("tests/data/party.jpg")?.faces;
/// let why = fusiform::one_clear_face(&party, false).unwrap_err();
/// assert!(why.n_clear > 1);
/// assert!(fusiform::one_clear_face(&party, true).is_ok());
/// # Ok::<(), fusiform::Error>(())
/// ```
pub fn one_clear_face(faces: &[Face], take_largest: bool) -> Result<&Face, NotOneFace> {
    let clear = || faces.iter().filter(|face| !face.is_unclear());
    let n_clear = clear().count();
    let best = faces.iter().map(|face| face.quality.recognisability);
    let taken = largest(clear()).filter(|_| take_largest || n_clear == 1);
    taken.ok_or_else(|| NotOneFace {
        n_faces: faces.len(),
        n_clear,
        recognisability: best.fold(0.0, f32::max),
    })
}

impl Face {
    /// The face of the pipeline, its embedding tagged with the model that made it.
    pub(crate) fn of(
        found: pipeline::Face,
        model: Option<&ModelId>,
        unrecognisable: Option<&Unrecognisable>,
    ) -> Face {
        let mut quality = found.quality;
        if let (Some(embedding), Some(unrecognisable)) = (&found.embedding, unrecognisable) {
            quality = quality.with(embedding, unrecognisable);
        }
        let embedding_length = found.embedding.as_ref().map(|e| e.length);
        let template = model
            .zip(found.embedding)
            .map(|(model, embedding)| Template {
                model: model.clone(),
                vector: embedding.vector,
                quality: quality.overall,
            });
        Face {
            bbox: found.detected.bbox,
            score: found.detected.score,
            landmarks: found.detected.landmarks,
            quality,
            aligned: found.aligned,
            embedding_length,
            template,
        }
    }

    /// Whether nobody can be recognised in it: too small, too blurred, or no face. Such faces
    /// resemble each other more than they resemble their owners, so they are not grouped.
    pub fn is_unclear(&self) -> bool {
        self.template.as_ref().is_some_and(|t| t.quality <= 0.0)
    }

    /// The template, for a task that cannot do without.
    ///
    /// # Errors
    /// [`Error::NoTemplate`] if the pack that found the face has no embedder.
    pub fn template(&self) -> Result<&Template, Error> {
        self.template.as_ref().ok_or(Error::NoTemplate)
    }

    /// Cosine similarity of two faces, -1…1; larger is nearer. What it means depends on the model:
    /// [`Engine::verify`](crate::Engine::verify) judges it by measured error rates.
    ///
    /// # Errors
    /// [`Error::NoTemplate`]; [`Error::Search`] for templates of different models.
    pub fn similarity(&self, other: &Face) -> Result<Similarity, Error> {
        Ok(self.template()?.similarity(other.template()?)?)
    }

    /// Box, score and landmarks alone, as [`Engine::embed_at`](crate::Engine::embed_at) takes them.
    pub fn detected(&self) -> DetectedFace {
        DetectedFace {
            bbox: self.bbox,
            score: self.score,
            landmarks: self.landmarks,
        }
    }
}

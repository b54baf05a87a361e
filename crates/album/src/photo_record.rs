//! What a scan hands over: files with their outcome, photos, faces. In and out: plain data.
//! Knows nothing of how it is stored.

use std::path::PathBuf;

use fusiform_face::geometry::{BoundingBox, Landmarks};
use fusiform_face::image::{Fingerprint, Orientation, Taken};
use fusiform_face::quality::Quality;
use fusiform_search::template::ModelId;

use crate::ids::PhotoId;
use crate::unusable::Unusable;

/// The models whose results are recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPair {
    /// Finds faces.
    ///
    /// What it was asked beyond the usual follows after a space: a photo that was searched harder
    /// need not be searched again as usual, but the other way round.
    pub detector: ModelId,
    /// Computes templates; `None` if the model pack only detects.
    pub embedder: Option<ModelId>,
}

impl ModelPair {
    pub(crate) fn embedder_name(&self) -> &str {
        self.embedder.as_ref().map_or("", |id| &id.0)
    }
}

/// What the album knows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileState {
    /// Same size and time as when it was read, and analysed by these models.
    Unchanged(PhotoId),
    /// New, changed, a problem last time, or not analysed by these models yet.
    Unknown,
}

/// One file of a scan.
#[derive(Debug, Clone, PartialEq)]
pub struct ScannedFile {
    /// Absolute path; need not be UTF-8.
    pub path: PathBuf,
    /// Size when it was listed.
    pub size_bytes: u64,
    /// Modification time when it was listed, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// BLAKE3 of the content, if it could be read.
    pub hash: Option<[u8; 32]>,
    /// The result.
    pub outcome: Outcome,
}

/// The result for one file.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It was analysed.
    New(PhotoRecord),
    /// Its content is in the album already.
    KnownContent,
    /// Its content is in the album already, but was recorded without a fingerprint.
    KnownPicture(Fingerprint, Orientation),
    /// It could not be used: reason and remedy.
    Problem(Unusable),
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It shows a picture that was not in the album.
    NewPicture,
    /// It shows a picture that is in the album: a copy, or a file that was edited.
    KnownPicture,
    /// It could not be used.
    Problem,
}

/// All that is kept of a photo.
#[derive(Debug, Clone, PartialEq)]
pub struct PhotoRecord {
    /// Width of the upright photo.
    pub width_px: u32,
    /// Height of the upright photo.
    pub height_px: u32,
    /// When it was taken, and who says so.
    pub taken: Option<Taken>,
    /// How the file stores the pixels; everything else here is upright.
    pub orientation: Orientation,
    /// What tells the picture again after its file was changed; without it every change of the file
    /// makes another photo.
    pub fingerprint: Option<Fingerprint>,
    /// The models that analysed it.
    pub models: ModelPair,
    /// The faces found.
    pub faces: Vec<FaceRecord>,
}

/// All that is kept of a face.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceRecord {
    /// In pixels of the upright photo.
    pub bbox: BoundingBox,
    /// The detector's score, 0…1.
    pub score: f32,
    /// Five points in pixels of the upright photo, if the detector gives them.
    pub landmarks: Option<Landmarks>,
    /// How much the face is worth to a recogniser.
    pub quality: Quality,
    /// The template's vector, of the pair's embedder and of unit length.
    pub vector: Option<Vec<f32>>,
}

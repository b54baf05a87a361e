//! One network of a pack as its manifest states it. In: a `[[network]]` table. Out: its settings by
//! [`Role`], checked. Knows nothing of the other networks, and never opens a model.

use std::fmt;

use fusiform_nn::Precision;
use serde::{Deserialize, Serialize};

use crate::models::error::PackError;

/// What a network does in the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// Photo → boxes, and five points where the head gives them.
    Detector,
    /// Crop → refined landmarks.
    Landmarks,
    /// Aligned crop → embedding.
    Embedder,
    /// Crop → whether a living face was before the camera.
    Liveness,
}

impl Role {
    /// Every role, in the order of the pipeline.
    pub const ALL: &[Role] = &[
        Role::Detector,
        Role::Landmarks,
        Role::Embedder,
        Role::Liveness,
    ];

    /// The word that the manifest uses.
    pub fn name(self) -> &'static str {
        match self {
            Role::Detector => "detector",
            Role::Landmarks => "landmarks",
            Role::Embedder => "embedder",
            Role::Liveness => "liveness",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What every network states, whatever its role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkInfo<'a> {
    /// What it does.
    pub role: Role,
    /// Name of the network.
    pub name: &'a str,
    /// File beside the manifest.
    pub file: &'a str,
    /// SHA-256 of that file, 64 lower-case hexadecimal digits.
    pub sha256: &'a str,
    /// What its dense layers multiply.
    pub precision: Precision,
    /// Licence of the weights.
    pub licence: &'a str,
    /// What it was trained on, and on what terms.
    pub training_data: &'a str,
}

/// How the outputs of a detector are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeadName {
    /// YuNet: per stride `cls`, `obj`, `bbox`, `kps`.
    YuNet,
    /// SCRFD: distance boxes, two anchors per cell.
    Scrfd,
    /// UltraFace: scores and normalised boxes, no landmarks.
    UltraFace,
}

/// Order of the colour channels a network was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Red first.
    Rgb,
    /// Blue first, as OpenCV reads photos.
    Bgr,
}

/// The input of a network: `(x - mean) * scale` per channel, in the named order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputManifest {
    /// Channel order.
    pub channels: Channels,
    /// Subtracted from each 0–255 value.
    #[serde(default)]
    pub mean: [f32; 3],
    /// Multiplied after the subtraction.
    #[serde(default = "ones")]
    pub scale: [f32; 3],
    /// Width in pixels of a network with a fixed input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width_px: Option<u32>,
    /// Height in pixels of a network with a fixed input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height_px: Option<u32>,
    /// For a network of any size: both sides must be a multiple of this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiple_of: Option<u32>,
}

fn ones() -> [f32; 3] {
    [1.0; 3]
}

/// The detector of a pack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorManifest {
    /// Name of the network.
    pub name: String,
    /// File beside the manifest.
    pub file: String,
    /// SHA-256 of that file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// What its dense layers multiply: `"float32"`, or `"int8"`, which is faster.
    #[serde(default, with = "precision", skip_serializing_if = "is_default")]
    pub precision: Precision,
    /// How to read its outputs.
    pub head: HeadName,
    /// What it is given.
    pub input: InputManifest,
    /// Faces scored lower are dropped, 0…1.
    pub min_score: f32,
    /// Boxes that overlap more than this are one face, 0…1.
    pub nms_iou: f32,
    /// Side in detector pixels of the smallest face it finds reliably.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smallest_face_px: Option<f32>,
    /// Licence of the weights.
    pub licence: String,
    /// What it was trained on, and on what terms.
    pub training_data: String,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
}

/// The network that refines the landmarks of a detected face and tells whether it is one. Its
/// outputs are `points` `[n, 10]` (x, y in half sides of the crop from its middle: right eye, left
/// eye, nose, right and left corner of the mouth), `face` and `error` `[n, 1]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LandmarksManifest {
    /// Name of the network.
    pub name: String,
    /// File beside the manifest.
    pub file: String,
    /// SHA-256 of that file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// What its dense layers multiply: `"float32"`, or `"int8"`, which is faster.
    #[serde(default, with = "precision", skip_serializing_if = "is_default")]
    pub precision: Precision,
    /// What it is given; `width_px` and `height_px` are the size of the crop.
    pub input: InputManifest,
    /// Side of the crop in longer sides of the detector's box.
    pub crop_scale: f32,
    /// Side of a second crop in distances between the eyes, brought upright by the first's points;
    /// no second look if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second_crop_scale: Option<f32>,
    /// A box whose `face` is lower is dropped, 0…1.
    #[serde(default)]
    pub min_score: f32,
    /// How many points it gives: 5.
    pub points: u32,
    /// Licence of the weights.
    pub licence: String,
    /// What it was trained on, and on what terms.
    pub training_data: String,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
}

/// The embedder of a pack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbedderManifest {
    /// Name of the network.
    pub name: String,
    /// File beside the manifest.
    pub file: String,
    /// SHA-256 of that file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// What its dense layers multiply: `"float32"`, or `"int8"`, which is faster.
    #[serde(default, with = "precision", skip_serializing_if = "is_default")]
    pub precision: Precision,
    /// What it is given; the crop is always 112×112.
    pub input: InputManifest,
    /// Length of the embedding.
    pub dimensions: usize,
    /// Whether to average with the embedding of the mirrored crop.
    #[serde(default)]
    pub mirror: bool,
    /// Licence of the weights.
    pub licence: String,
    /// What it was trained on, and on what terms.
    pub training_data: String,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// What was measured, in words, with the command that printed it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub accuracy: String,
    /// What the thresholds were measured on.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub threshold_evidence: String,
    /// Similarities for stated false-match rates, loosest first.
    #[serde(default, rename = "threshold", skip_serializing_if = "Vec::is_empty")]
    pub thresholds: Vec<Threshold>,
    /// What faces that cannot be recognised look like to it; without it every face counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unrecognisable: Option<UnrecognisableManifest>,
}

/// What the embeddings of faces that cannot be recognised have in common, as `calibrate` measures
/// it; see [`fusiform_face::quality::Unrecognisable`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnrecognisableManifest {
    /// Median length of the embeddings of usual faces.
    pub usual_length: f32,
    /// A face whose recognisability is lower is never grouped, asked about or enrolled.
    pub min_recognisability: f32,
    /// Direction of their mean embedding, of unit length.
    pub center: Vec<f32>,
}

/// The network that tells a living face from a picture of one. This version keeps it in the pack
/// and does not run it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LivenessManifest {
    /// Name of the network.
    pub name: String,
    /// File beside the manifest.
    pub file: String,
    /// SHA-256 of that file, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// What its dense layers multiply: `"float32"`, or `"int8"`, which is faster.
    #[serde(default, with = "precision", skip_serializing_if = "is_default")]
    pub precision: Precision,
    /// What it is given; `width_px` and `height_px` are the size of the crop.
    pub input: InputManifest,
    /// Side of the crop in sides of the detector's box.
    pub crop_scale: f32,
    /// Position of the score for "live" among the outputs.
    pub live_output: u32,
    /// Scores at and above this are called live, 0…1.
    pub min_score: f32,
    /// Licence of the weights.
    pub licence: String,
    /// What it was trained on, and on what terms.
    pub training_data: String,
    /// Where it comes from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
}

/// A similarity with the error rates that were measured at it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// False-match rate (ISO/IEC 19795-1), share of impostor pairs at or above `similarity`, 0…1.
    pub fmr: f64,
    /// Cosine similarity, -1…1; larger is nearer.
    pub similarity: f32,
    /// False-non-match rate there: share of genuine pairs below it, 0…1.
    pub fnmr: f64,
}

fn is_default(precision: &Precision) -> bool {
    *precision == Precision::default()
}

/// A precision by its name.
mod precision {
    use super::Precision;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        precision: &Precision,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_str(precision)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Precision, D::Error> {
        let name = String::deserialize(from)?;
        name.parse().map_err(D::Error::custom)
    }
}

/// The fields that all roles have.
macro_rules! info {
    ($($manifest:ident is $role:ident;)*) => {$(
        impl $manifest {
            pub(super) fn info(&self) -> NetworkInfo<'_> {
                NetworkInfo {
                    role: Role::$role,
                    name: &self.name,
                    file: &self.file,
                    sha256: &self.sha256,
                    precision: self.precision,
                    licence: &self.licence,
                    training_data: &self.training_data,
                }
            }
        }
    )*};
}

info! {
    DetectorManifest is Detector;
    LandmarksManifest is Landmarks;
    EmbedderManifest is Embedder;
    LivenessManifest is Liveness;
}

fn bad<T>(what: String) -> Result<T, PackError> {
    Err(PackError::Manifest(what))
}

fn share(role: Role, field: &str, value: f32) -> Result<(), PackError> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    bad(format!("{role} {field} = {value} must lie in 0…1"))
}

impl NetworkInfo<'_> {
    /// A manifest comes from outside: a file must not reach out of the manifest's folder.
    pub(super) fn check(&self) -> Result<(), PackError> {
        let NetworkInfo {
            role, file, sha256, ..
        } = self;
        if *file == "manifest.toml"
            || file.is_empty()
            || file.starts_with('.')
            || file.contains(['/', '\\', '\0', ':'])
        {
            return bad(format!("{role} file = {file:?} must be a plain file name"));
        }
        let lower = !sha256.bytes().any(|b| b.is_ascii_uppercase());
        if !lower || hex::decode(sha256).map_or(0, |hash| hash.len()) != 32 {
            return bad(format!(
                "{role} sha256 = {sha256:?} must be 64 lower-case hexadecimal digits"
            ));
        }
        Ok(())
    }
}

impl InputManifest {
    fn check(&self, role: Role) -> Result<(), PackError> {
        let finite = |v: &[f32; 3]| v.iter().all(|x| x.is_finite());
        if !finite(&self.mean) || !finite(&self.scale) || self.scale.contains(&0.0) {
            return bad(format!(
                "{role} input: mean and scale must be finite numbers, scale not zero"
            ));
        }
        let sides = [self.width_px, self.height_px, self.multiple_of];
        if sides.iter().flatten().any(|px| !(1..=4096).contains(px)) {
            return bad(format!(
                "{role} input: width_px, height_px and multiple_of must lie in 1…4096"
            ));
        }
        if self.width_px.is_some() != self.height_px.is_some() {
            return bad(format!("{role} input: width_px and height_px go together"));
        }
        Ok(())
    }

    /// As `check`, for a network whose crop has one size.
    fn check_crop(&self, role: Role, crop_scale: f32) -> Result<(), PackError> {
        self.check(role)?;
        if self.width_px.is_none() {
            return bad(format!("{role} input: width_px and height_px are missing"));
        }
        if !(0.1..=10.0).contains(&crop_scale) {
            return bad(format!(
                "{role} crop_scale = {crop_scale} must lie in 0.1…10"
            ));
        }
        Ok(())
    }
}

impl DetectorManifest {
    pub(super) fn check(&self) -> Result<(), PackError> {
        self.input.check(Role::Detector)?;
        share(Role::Detector, "min_score", self.min_score)?;
        share(Role::Detector, "nms_iou", self.nms_iou)?;
        let smallest = self.smallest_face_px.unwrap_or(1.0);
        if !(1.0..=1000.0).contains(&smallest) {
            return bad(format!(
                "detector smallest_face_px = {smallest} must lie in 1…1000"
            ));
        }
        Ok(())
    }
}

impl LandmarksManifest {
    pub(super) fn check(&self) -> Result<(), PackError> {
        self.input.check_crop(Role::Landmarks, self.crop_scale)?;
        let second = self.second_crop_scale.unwrap_or(1.0);
        if !(0.1..=10.0).contains(&second) {
            return bad(format!(
                "landmarks second_crop_scale = {second} must lie in 0.1…10"
            ));
        }
        if self.input.width_px != self.input.height_px {
            return bad("landmarks input: width_px and height_px must be equal".into());
        }
        share(Role::Landmarks, "min_score", self.min_score)?;
        if self.points != 5 {
            return bad(format!(
                "landmarks points = {}: this version aligns by 5",
                self.points
            ));
        }
        Ok(())
    }
}

impl EmbedderManifest {
    pub(super) fn check(&self) -> Result<(), PackError> {
        self.input.check(Role::Embedder)?;
        if !(1..=4096).contains(&self.dimensions) {
            return bad(format!(
                "embedder dimensions = {} must lie in 1…4096",
                self.dimensions
            ));
        }
        for pair in self.thresholds.windows(2) {
            if pair[0].fmr <= pair[1].fmr || pair[0].similarity > pair[1].similarity {
                return bad("thresholds must go from the largest fmr to the smallest, \
                     with rising similarity"
                    .into());
            }
        }
        if let Some(found) = &self.unrecognisable {
            let length = found.center.iter().map(|v| v * v).sum::<f32>().sqrt();
            if found.center.len() != self.dimensions || !(0.99..=1.01).contains(&length) {
                return bad(format!(
                    "embedder unrecognisable center has {} numbers of length {length}; it must \
                     have {} of length 1",
                    found.center.len(),
                    self.dimensions
                ));
            }
            let usual = found.usual_length;
            if !(usual.is_finite() && usual > 0.0) {
                return bad(format!("embedder usual_length = {usual} must be above 0"));
            }
            share(
                Role::Embedder,
                "min_recognisability",
                found.min_recognisability,
            )?;
        }
        for t in &self.thresholds {
            let rates = (0.0..=1.0).contains(&t.fmr) && (0.0..=1.0).contains(&t.fnmr);
            if !rates || !(-1.0..=1.0).contains(&t.similarity) {
                return bad(format!("threshold {t:?} has a value out of range"));
            }
        }
        Ok(())
    }
}

impl LivenessManifest {
    pub(super) fn check(&self) -> Result<(), PackError> {
        self.input.check_crop(Role::Liveness, self.crop_scale)?;
        share(Role::Liveness, "min_score", self.min_score)?;
        if self.live_output >= 1000 {
            return bad(format!(
                "liveness live_output = {} must be below 1000",
                self.live_output
            ));
        }
        Ok(())
    }
}

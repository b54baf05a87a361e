//! What a model pack says of itself. In: the text of `manifest.toml`. Out: a checked [`Manifest`].
//! Knows nothing of where packs lie, and never opens a model.

use fusiform_nn::Precision;
use serde::{Deserialize, Serialize};

use super::PackError;

/// The manifest format this build writes and reads.
pub const FORMAT: u32 = 1;

/// One pack: a detector, an embedder, or both, with their terms and measured thresholds.
///
/// # Source
/// `DESIGN.md`, decision 2: models are data with a manifest.
///
/// # Example
/// ```
/// let text = r#"
/// format = 1
/// name = "doors"
/// version = "1"
/// summary = "a detector for a door camera"
///
/// [detector]
/// name = "yunet-n"
/// file = "yunet.onnx"
/// sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
/// head = "yunet"
/// input = { channels = "bgr", multiple_of = 32 }
/// min_score = 0.6
/// nms_iou = 0.3
/// licence = "Apache-2.0"
/// training_data = "WIDER FACE"
/// "#;
/// let manifest = fusiform::models::Manifest::parse(text)?;
/// assert_eq!(manifest.name, "doors");
/// assert!(manifest.embedder.is_none());
/// # Ok::<(), fusiform::models::PackError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this file's format; [`FORMAT`].
    pub format: u32,
    /// Name of the pack: lower-case letters, digits and `-`, unique on one machine.
    pub name: String,
    /// Version of the pack, free text.
    pub version: String,
    /// One sentence for `fusiform models list`.
    pub summary: String,
    /// The network that finds faces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detector: Option<DetectorManifest>,
    /// The network that turns an upright crop into an embedding.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedder: Option<EmbedderManifest>,
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

/// What a network wants to see: `(x - mean) * scale` per channel, in the named order.
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width_px: Option<u32>,
    /// Height in pixels of a network with a fixed input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height_px: Option<u32>,
    /// For a network of any size: both sides must be a multiple of this.
    #[serde(skip_serializing_if = "Option::is_none")]
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
    /// What its dense layers multiply: `"float32"`, or `"int8"`, which is faster (`bench/RESULTS.md`).
    #[serde(default, with = "precision", skip_serializing_if = "is_default")]
    pub precision: Precision,
    /// How to read its outputs.
    pub head: HeadName,
    /// What it wants to see.
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
    /// What its dense layers multiply: `"float32"`, or `"int8"`, which is faster (`bench/RESULTS.md`).
    #[serde(default, with = "precision", skip_serializing_if = "is_default")]
    pub precision: Precision,
    /// What it wants to see; the crop is always 112×112.
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
}

/// A similarity at which a stated share of impostor pairs is wrongly accepted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// False-match rate (ISO/IEC 19795-1), share of impostor pairs at or above `similarity`.
    pub fmr: f64,
    /// Cosine similarity; larger is nearer.
    pub similarity: f32,
    /// False-non-match rate there: share of genuine pairs below it.
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

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// [`PackError::Manifest`] naming the field, its value and the remedy.
    pub fn parse(text: &str) -> Result<Manifest, PackError> {
        let manifest: Manifest =
            toml::from_str(text).map_err(|e| PackError::Manifest(e.to_string()))?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The manifest as TOML, as `fusiform calibrate` writes it back.
    ///
    /// # Errors
    /// [`PackError::Manifest`] if a value has no TOML form.
    pub fn to_toml(&self) -> Result<String, PackError> {
        toml::to_string_pretty(self).map_err(|e| PackError::Manifest(e.to_string()))
    }

    /// The networks of the pack as (role, file, sha256).
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &str, &str)> {
        let detector = self
            .detector
            .iter()
            .map(|d| ("detector", &*d.file, &*d.sha256));
        let embedder = self
            .embedder
            .iter()
            .map(|e| ("embedder", &*e.file, &*e.sha256));
        detector.chain(embedder)
    }

    fn check(&self) -> Result<(), PackError> {
        let bad = |what: String| Err(PackError::Manifest(what));
        if self.format != FORMAT {
            return bad(format!(
                "format = {} is not one this build reads (it reads {FORMAT}); use a newer fusiform",
                self.format
            ));
        }
        let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(named) {
            return bad(format!(
                "name = {:?} must be 1 to 64 lower-case letters, digits and '-'",
                self.name
            ));
        }
        if self.detector.is_none() && self.embedder.is_none() {
            return bad("it needs a [detector], an [embedder] or both".into());
        }
        for (role, file, sha256) in self.files() {
            // A manifest comes from outside: it must not reach out of its own folder.
            if file == "manifest.toml"
                || file.is_empty()
                || file.starts_with('.')
                || file.contains(['/', '\\', '\0', ':'])
            {
                return bad(format!("{role} file = {file:?} must be a plain file name"));
            }
            let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            if sha256.len() != 64 || !sha256.bytes().all(hex) {
                return bad(format!(
                    "{role} sha256 = {sha256:?} must be 64 lower-case hexadecimal digits"
                ));
            }
        }
        if let Some(d) = &self.detector {
            d.input.check("detector")?;
            for (field, value) in [("min_score", d.min_score), ("nms_iou", d.nms_iou)] {
                if !(0.0..=1.0).contains(&value) {
                    return bad(format!("detector {field} = {value} must lie in 0…1"));
                }
            }
            if d.smallest_face_px
                .is_some_and(|px| !(1.0..=1000.0).contains(&px))
            {
                return bad("detector smallest_face_px must lie in 1…1000".into());
            }
        }
        if let Some(e) = &self.embedder {
            e.input.check("embedder")?;
            if !(1..=4096).contains(&e.dimensions) {
                return bad(format!(
                    "embedder dimensions = {} must lie in 1…4096",
                    e.dimensions
                ));
            }
            for pair in e.thresholds.windows(2) {
                if pair[0].fmr <= pair[1].fmr || pair[0].similarity > pair[1].similarity {
                    return bad("thresholds must go from the largest fmr to the smallest, \
                         with rising similarity"
                        .into());
                }
            }
            for t in &e.thresholds {
                let rates = (0.0..=1.0).contains(&t.fmr) && (0.0..=1.0).contains(&t.fnmr);
                if !rates || !(-1.0..=1.0).contains(&t.similarity) {
                    return bad(format!("threshold {t:?} has a value out of range"));
                }
            }
        }
        Ok(())
    }
}

impl InputManifest {
    fn check(&self, role: &str) -> Result<(), PackError> {
        let finite = |v: &[f32; 3]| v.iter().all(|x| x.is_finite());
        if !finite(&self.mean) || !finite(&self.scale) || self.scale.contains(&0.0) {
            return Err(PackError::Manifest(format!(
                "{role} input: mean and scale must be finite numbers, scale not zero"
            )));
        }
        let sides = [self.width_px, self.height_px, self.multiple_of];
        if sides.iter().flatten().any(|px| !(1..=4096).contains(px)) {
            return Err(PackError::Manifest(format!(
                "{role} input: width_px, height_px and multiple_of must lie in 1…4096"
            )));
        }
        if self.width_px.is_some() != self.height_px.is_some() {
            return Err(PackError::Manifest(format!(
                "{role} input: width_px and height_px go together"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        format = 1
        name = "a-1"
        version = "1"
        summary = "s"
        [embedder]
        name = "e"
        file = "e.onnx"
        sha256 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
        input = { channels = "rgb" }
        dimensions = 128
        licence = "l"
        training_data = "t"
        threshold = [
            { fmr = 1e-2, similarity = 0.3, fnmr = 0.01 },
            { fmr = 1e-3, similarity = 0.4, fnmr = 0.02 },
        ]
    "#;

    #[test]
    fn a_manifest_survives_a_round_trip() {
        let manifest = Manifest::parse(GOOD).unwrap();
        assert_eq!(
            Manifest::parse(&manifest.to_toml().unwrap()).unwrap(),
            manifest
        );
    }

    #[test]
    fn eight_bits_are_asked_for_by_name_and_survive_a_round_trip() {
        assert!(
            !Manifest::parse(GOOD)
                .unwrap()
                .to_toml()
                .unwrap()
                .contains("precision")
        );
        let text = GOOD.replacen("dimensions", "precision = \"int8\"\ndimensions", 1);
        let manifest = Manifest::parse(&text).unwrap();
        assert_eq!(
            manifest.embedder.as_ref().unwrap().precision,
            Precision::Int8
        );
        assert_eq!(
            Manifest::parse(&manifest.to_toml().unwrap()).unwrap(),
            manifest
        );
    }

    #[test]
    fn each_bad_value_is_named() {
        let cases = [
            ("format = 1", "format = 2", "format = 2"),
            ("\"a-1\"", "\"A/1\"", "A/1"),
            ("\"e.onnx\"", "\"../e.onnx\"", "../e.onnx"),
            ("00112233", "0011223G", "sha256"),
            ("dimensions = 128", "dimensions = 0", "dimensions"),
            ("fmr = 1e-2", "fmr = 1e-4", "thresholds"),
            ("licence = \"l\"", "license = \"l\"", "license"),
            ("\"rgb\"", "\"xyz\"", "xyz"),
            (
                "dimensions = 128",
                "dimensions = 128\nprecision = \"int4\"",
                "\"int4\" is unknown; it is \"float32\" or \"int8\"",
            ),
            (
                "{ channels = \"rgb\" }",
                "{ channels = \"rgb\", width_px = 3 }",
                "go together",
            ),
        ];
        for (from, to, named) in cases {
            let error = Manifest::parse(&GOOD.replacen(from, to, 1))
                .unwrap_err()
                .to_string();
            assert!(error.contains(named), "{to}: {error}");
        }
    }
}

//! The manifest of a model pack. In: the text of `manifest.toml`, of format 1 or 2. Out: a checked
//! [`Manifest`]. Knows nothing of where packs lie, and never opens a model.

mod network;

use serde::{Deserialize, Serialize};

use super::error::PackError;
pub use network::{
    Channels, DetectorManifest, EmbedderManifest, HeadName, InputManifest, LandmarksManifest,
    LivenessManifest, NetworkInfo, Role, Threshold, UnrecognisableManifest,
};

/// The manifest format this build writes: networks are `[[network]]` tables with a `role`.
///
/// Format 1, which it reads too, knew the two tables `[detector]` and `[embedder]` alone.
pub const FORMAT: u32 = 2;

/// One pack: its networks by role, with their terms and measured thresholds. At most one network of
/// each role.
///
/// # Source
/// `DESIGN.md`, decision 2: models are data with a manifest.
///
/// # Example
/// ```
/// let text = r#"
/// format = 2
/// name = "doors"
/// version = "1"
/// summary = "a detector for a door camera"
///
/// [[network]]
/// role = "detector"
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
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Manifest {
    /// Version of the format that [`Manifest::to_toml`] writes; [`FORMAT`].
    pub format: u32,
    /// Name of the pack: lower-case letters, digits and `-`, unique on one machine.
    pub name: String,
    /// Version of the pack, free text.
    pub version: String,
    /// One sentence for lists of packs.
    pub summary: String,
    /// The network that finds faces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detector: Option<DetectorManifest>,
    /// The network that refines landmarks and drops boxes that hold no face.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landmarks: Option<LandmarksManifest>,
    /// The network that makes an embedding of an upright crop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedder: Option<EmbedderManifest>,
    /// The network that tells a living face from a picture of one; read and checked, not run yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness: Option<LivenessManifest>,
}

/// The file as it is written, in either format.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestFile {
    format: u32,
    name: String,
    version: String,
    summary: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detector: Option<DetectorManifest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    embedder: Option<EmbedderManifest>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    network: Vec<Network>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum Network {
    Detector(DetectorManifest),
    Landmarks(LandmarksManifest),
    Embedder(EmbedderManifest),
    Liveness(LivenessManifest),
}

impl Manifest {
    /// Reads and checks a manifest of format 1 or 2.
    ///
    /// # Errors
    /// [`PackError::Manifest`] naming the field, its value and the remedy: an unknown role or
    /// field, two networks of one role, a value out of range, a file name that leaves the folder.
    pub fn parse(text: &str) -> Result<Manifest, PackError> {
        let file: ManifestFile =
            toml::from_str(text).map_err(|e| PackError::Manifest(e.to_string()))?;
        let manifest = Manifest::of_file(file)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The manifest as TOML of format [`FORMAT`].
    ///
    /// # Errors
    /// [`PackError::Manifest`] if a value has no TOML form.
    pub fn to_toml(&self) -> Result<String, PackError> {
        let Manifest {
            name,
            version,
            summary,
            ..
        } = self.clone();
        let detector = self.detector.clone().map(Network::Detector);
        let landmarks = self.landmarks.clone().map(Network::Landmarks);
        let embedder = self.embedder.clone().map(Network::Embedder);
        let liveness = self.liveness.clone().map(Network::Liveness);
        let file = ManifestFile {
            format: FORMAT,
            name,
            version,
            summary,
            detector: None,
            embedder: None,
            network: [detector, landmarks, embedder, liveness]
                .into_iter()
                .flatten()
                .collect(),
        };
        toml::to_string_pretty(&file).map_err(|e| PackError::Manifest(e.to_string()))
    }

    /// What every network of the pack states, in the order of the pipeline.
    pub fn networks(&self) -> impl Iterator<Item = NetworkInfo<'_>> {
        let detector = self.detector.iter().map(DetectorManifest::info);
        let landmarks = self.landmarks.iter().map(LandmarksManifest::info);
        let embedder = self.embedder.iter().map(EmbedderManifest::info);
        let liveness = self.liveness.iter().map(LivenessManifest::info);
        detector.chain(landmarks).chain(embedder).chain(liveness)
    }

    fn of_file(file: ManifestFile) -> Result<Manifest, PackError> {
        let bad = |what: String| Err(PackError::Manifest(what));
        match file.format {
            1 if !file.network.is_empty() => {
                return bad("format = 1 has no [[network]]; write format = 2".into());
            }
            2 if file.detector.is_some() || file.embedder.is_some() => {
                return bad(
                    "format = 2 has no [detector] or [embedder]; write them as [[network]] with \
                     role = \"detector\" or \"embedder\", or write format = 1"
                        .into(),
                );
            }
            1 | 2 => {}
            other => {
                return bad(format!(
                    "format = {other} is not one this version reads (it reads 1 and {FORMAT}); \
                     use a newer version of Fusiform"
                ));
            }
        }
        let mut manifest = Manifest {
            format: FORMAT,
            name: file.name,
            version: file.version,
            summary: file.summary,
            detector: file.detector,
            landmarks: None,
            embedder: file.embedder,
            liveness: None,
        };
        for network in file.network {
            let (taken, role) = match network {
                Network::Detector(n) => (manifest.detector.replace(n).is_some(), Role::Detector),
                Network::Landmarks(n) => (manifest.landmarks.replace(n).is_some(), Role::Landmarks),
                Network::Embedder(n) => (manifest.embedder.replace(n).is_some(), Role::Embedder),
                Network::Liveness(n) => (manifest.liveness.replace(n).is_some(), Role::Liveness),
            };
            if taken {
                return bad(format!(
                    "two networks have role = \"{role}\"; a pack has one of each role"
                ));
            }
        }
        Ok(manifest)
    }

    fn check(&self) -> Result<(), PackError> {
        let bad = |what: String| Err(PackError::Manifest(what));
        let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(named) {
            return bad(format!(
                "name = {:?} must be 1 to 64 lower-case letters, digits and '-'",
                self.name
            ));
        }
        let mut files = Vec::new();
        for network in self.networks() {
            network.check()?;
            if files.contains(&network.file) {
                return bad(format!("two networks have file = {:?}", network.file));
            }
            files.push(network.file);
        }
        if files.is_empty() {
            return bad("it needs a [[network]] with role = \"detector\" or \"embedder\"".into());
        }
        self.detector
            .as_ref()
            .map_or(Ok(()), DetectorManifest::check)?;
        self.landmarks
            .as_ref()
            .map_or(Ok(()), LandmarksManifest::check)?;
        self.embedder
            .as_ref()
            .map_or(Ok(()), EmbedderManifest::check)?;
        self.liveness
            .as_ref()
            .map_or(Ok(()), LivenessManifest::check)
    }
}

#[cfg(test)]
mod tests {
    use fusiform_nn::Precision;

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

    /// The same pack in format 2, with all four roles.
    const ROLES: &str = r#"
        format = 2
        name = "a-1"
        version = "1"
        summary = "s"
        [[network]]
        role = "embedder"
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
        [[network]]
        role = "landmarks"
        name = "l"
        file = "l.onnx"
        sha256 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
        input = { channels = "rgb", width_px = 64, height_px = 64 }
        crop_scale = 1.5
        points = 5
        licence = "l"
        training_data = "t"
        [[network]]
        role = "detector"
        name = "d"
        file = "d.onnx"
        sha256 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
        head = "scrfd"
        input = { channels = "rgb", multiple_of = 32 }
        min_score = 0.5
        nms_iou = 0.3
        licence = "l"
        training_data = "t"
        [[network]]
        role = "liveness"
        name = "v"
        file = "v.onnx"
        sha256 = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
        input = { channels = "rgb", width_px = 80, height_px = 80 }
        crop_scale = 2.7
        live_output = 1
        min_score = 0.5
        licence = "l"
        training_data = "t"
    "#;

    #[test]
    fn both_formats_state_the_same_embedder_and_the_new_one_every_role() {
        let (old, new) = (
            Manifest::parse(GOOD).unwrap(),
            Manifest::parse(ROLES).unwrap(),
        );
        assert_eq!(old.embedder, new.embedder);
        assert!(new.networks().map(|n| n.role).eq(Role::ALL.iter().copied()));
        assert_eq!(Manifest::parse(&new.to_toml().unwrap()).unwrap(), new);
        assert!(old.to_toml().unwrap().contains("[[network]]"));
    }

    #[test]
    fn each_bad_network_is_named() {
        let cases = [
            ("\"liveness\"", "\"gender\"", "gender"),
            ("role = \"liveness\"\n", "", "role"),
            (
                "role = \"liveness\"",
                "role = \"detector\"",
                "unknown field",
            ),
            ("\"v.onnx\"", "\"d.onnx\"", "two networks have file"),
            (
                "crop_scale = 1.5",
                "crop_scale = 0.0",
                "landmarks crop_scale",
            ),
            (
                "live_output = 1",
                "live_output = 5000",
                "live_output = 5000",
            ),
            (
                "width_px = 64, height_px = 64",
                "multiple_of = 8",
                "landmarks input",
            ),
            ("format = 2", "format = 1", "format = 1"),
            ("format = 2", "format = 3", "format = 3"),
        ];
        for (from, to, named) in cases {
            let text = ROLES.replacen(from, to, 1);
            assert_ne!(text, ROLES, "{from}");
            let error = Manifest::parse(&text).unwrap_err().to_string();
            assert!(error.contains(named), "{to}: {error}");
        }
        let detector = &ROLES[ROLES
            .find("[[network]]\n        role = \"detector\"")
            .unwrap()..];
        let twice = format!(
            "{ROLES}\n{}",
            &detector[..detector
                .find("[[network]]\n        role = \"liveness\"")
                .unwrap()]
        );
        let error = Manifest::parse(&twice).unwrap_err().to_string();
        assert!(
            error.contains("two networks have role = \"detector\""),
            "{error}"
        );
    }

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

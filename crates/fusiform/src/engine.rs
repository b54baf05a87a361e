//! A pack at work. In: a [`Pack`] and photo bytes. Out: described faces and templates.
//! The only file that turns a manifest into networks, and an `Embedding` into a `Template`.

use std::path::Path;

use fusiform_album::scan::{Analyse, read_photo};
use fusiform_album::{Album, FaceRecord, GroupSummary, ModelPair, PhotoRecord, QualityParts};
use fusiform_face::backend::{Backend, Network, NnBackend, Precision};
use fusiform_face::detect::{
    ChannelOrder, DetectOptions, DetectedFace, Detector, DetectorSpec, Head, InputSize,
    Normalisation,
};
use fusiform_face::embed::{Embedder, EmbedderSpec};
use fusiform_face::geometry::Size;
use fusiform_face::image::{DecodeLimits, Decoded, Image};
use fusiform_face::pipeline::{self, Pipeline};
use fusiform_search::cluster::ClusterOptions;
use fusiform_search::template::{ModelId, Template};

use crate::error::Error;
use crate::models::{Channels, DetectorManifest, EmbedderManifest, HeadName, InputManifest, Pack};
use crate::photo::{AnalyseOptions, Face, Photo};
use crate::verify::{FLOOR_BALANCE, LINK_BALANCE, SAME_FMR, Thresholds};

/// A detector and an embedder, ready to run from many threads at once.
#[derive(Debug)]
pub struct Engine {
    pack: String,
    pipeline: Pipeline,
    detector_id: ModelId,
    embedder: Option<(ModelId, Thresholds)>,
    precisions: [Precision; 2],
    dimensions: usize,
    limits: DecodeLimits,
}

impl Engine {
    /// Opens the networks of a pack.
    ///
    /// # Errors
    /// [`Error::Lacks`] without a detector; [`Error::Network`] if a network is not one the runtime covers.
    pub fn open(pack: &Pack) -> Result<Engine, Error> {
        let name = &pack.manifest.name;
        let (Some(spec), Some(weights)) = (&pack.manifest.detector, &pack.detector) else {
            return Err(Error::Lacks {
                pack: name.clone(),
                role: "detector",
            });
        };
        let detector = Detector::new(
            session(&spec.name, weights, spec.precision)?,
            detector_spec(spec),
        )?;
        let detector_id = model_id(&spec.name, &spec.sha256);
        let (embedder, identity) = match (&pack.manifest.embedder, &pack.embedder) {
            (Some(spec), Some(weights)) => {
                let network = session(&spec.name, weights, spec.precision)?;
                let thresholds = Thresholds {
                    pack: name.clone(),
                    stated: spec.thresholds.clone(),
                };
                (
                    Some(Embedder::new(network, embedder_spec(spec))?),
                    Some((model_id(&spec.name, &spec.sha256), thresholds)),
                )
            }
            _ => (None, None),
        };
        Ok(Engine {
            pack: name.clone(),
            pipeline: Pipeline::new(detector, embedder),
            detector_id,
            embedder: identity,
            precisions: [
                spec.precision,
                pack.manifest
                    .embedder
                    .as_ref()
                    .map_or(Precision::default(), |e| e.precision),
            ],
            dimensions: pack.manifest.embedder.as_ref().map_or(0, |e| e.dimensions),
            limits: DecodeLimits::default(),
        })
    }

    /// The pack that is compiled in.
    ///
    /// # Errors
    /// [`Error::Pack`] or [`Error::Network`] if the build holds no usable pack.
    pub fn builtin() -> Result<Engine, Error> {
        Engine::open(&crate::models::base_pack()?)
    }

    /// Bytes of a photo to its faces: the one road that everything takes which looks at photos.
    ///
    /// A large JPEG is decoded with no more pixels than its faces need.
    ///
    /// # Errors
    /// [`Error::Image`] for bytes that are no photo; [`Error::Face`].
    pub fn analyse(&self, bytes: &[u8], options: &AnalyseOptions) -> Result<Photo, Error> {
        let described = self.pipeline.analyse(bytes, options).map_err(|e| match e {
            fusiform_face::Error::Image(cause) => Error::Image(cause),
            other => Error::Face(other),
        })?;
        let model = self.embedder.as_ref().map(|(id, _)| id);
        let faces = described.faces.into_iter();
        Ok(Photo {
            width_px: described.size.width_px,
            height_px: described.size.height_px,
            taken_at: described.taken_at,
            faces: faces.map(|face| Face::of(face, model)).collect(),
        })
    }

    /// As [`Engine::analyse`], for a file, with the usual options.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Photo`] name the file.
    pub fn analyse_file(&self, path: impl AsRef<Path>) -> Result<Photo, Error> {
        let path = path.as_ref();
        let bytes = read_photo(path).map_err(|e| Error::io(path, e))?;
        let photo = self.analyse(&bytes, &AnalyseOptions::default());
        photo.map_err(|e| match e {
            Error::Image(source) => Error::Photo {
                path: path.into(),
                source,
            },
            other => other,
        })
    }

    /// Name of the pack.
    pub fn pack(&self) -> &str {
        &self.pack
    }

    /// Which detector this is: its name and the head of its hash.
    pub fn detector_id(&self) -> &ModelId {
        &self.detector_id
    }

    /// What detector and embedder multiply.
    pub fn precisions(&self) -> [Precision; 2] {
        self.precisions
    }

    /// Which embedder this is.
    ///
    /// # Errors
    /// [`Error::Lacks`] if the pack only detects.
    pub fn embedder_id(&self) -> Result<&ModelId, Error> {
        self.identity().map(|(id, _)| id)
    }

    /// The embedder's similarities at stated false-match rates.
    ///
    /// # Errors
    /// [`Error::Lacks`] if the pack only detects.
    pub fn thresholds(&self) -> Result<&Thresholds, Error> {
        self.identity().map(|(_, thresholds)| thresholds)
    }

    /// Numbers in an embedding; 0 if the pack only detects.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn identity(&self) -> Result<&(ModelId, Thresholds), Error> {
        self.embedder.as_ref().ok_or_else(|| Error::Lacks {
            pack: self.pack.clone(),
            role: "embedder",
        })
    }

    /// Bytes of a photo to upright pixels.
    ///
    /// # Errors
    /// [`Error::Image`] saying what is wrong with the bytes.
    pub fn decode(&self, bytes: &[u8]) -> Result<Decoded, Error> {
        Ok(fusiform_face::image::decode(bytes, &self.limits)?)
    }

    /// Finds the faces of a photo and describes each: box, landmarks, quality, embedding.
    ///
    /// # Errors
    /// [`Error::Face`].
    pub fn describe(
        &self,
        image: &Image,
        options: &DetectOptions,
    ) -> Result<Vec<pipeline::Face>, Error> {
        Ok(self.pipeline.analyse_image(image, options)?)
    }

    /// The embedding of a place where a face is known to be, whatever the detector would say of it.
    ///
    /// # Errors
    /// [`Error::Lacks`] if the pack only detects; [`Error::Face`].
    pub fn embed_at(&self, image: &Image, face: &DetectedFace) -> Result<Vec<f32>, Error> {
        let embedding = self.pipeline.embed_at(image, face)?;
        let lacks = || Error::Lacks {
            pack: self.pack.clone(),
            role: "embedder",
        };
        Ok(embedding.ok_or_else(lacks)?.0)
    }

    /// The template of a described face: its embedding, tagged with the model that made it.
    ///
    /// # Errors
    /// [`Error::Lacks`] if the pack only detects.
    pub fn template(&self, face: &pipeline::Face) -> Result<Template, Error> {
        let id = self.embedder_id()?;
        let embedding = face.embedding.as_ref().ok_or_else(|| Error::Lacks {
            pack: self.pack.clone(),
            role: "embedder",
        })?;
        Ok(Template {
            model: id.clone(),
            vector: embedding.0.clone(),
            quality: face.quality.overall,
        })
    }

    /// Reads a photo from its file.
    ///
    /// # Errors
    /// [`Error::Photo`] naming the file and what is wrong with it.
    pub fn read(&self, path: &Path) -> Result<Decoded, Error> {
        let bytes = read_photo(path).map_err(|e| Error::io(path, e))?;
        let of_photo = |source| Error::Photo {
            path: path.into(),
            source,
        };
        fusiform_face::image::decode(&bytes, &self.limits).map_err(of_photo)
    }

    /// The pair of models whose work the catalogue records.
    pub fn models(&self) -> ModelPair {
        let embedder = self.embedder.as_ref().map(|(id, _)| id.clone());
        ModelPair {
            detector: self.detector_id.clone(),
            embedder,
        }
    }

    /// All that the catalogue keeps of a photo.
    ///
    /// # Errors
    /// [`Error::Image`] for bytes that are no photo; [`Error::Face`].
    pub fn photo_record(
        &self,
        bytes: &[u8],
        options: &DetectOptions,
    ) -> Result<PhotoRecord, Error> {
        let photo = self.describe_file(bytes, options)?;
        Ok(PhotoRecord {
            width_px: photo.size.width_px,
            height_px: photo.size.height_px,
            taken_at: photo.taken_at,
            models: self.models(),
            faces: photo.faces.into_iter().map(face_record).collect(),
        })
    }

    /// Bytes of a photo to its faces, decoding no more pixels than they need.
    ///
    /// # Errors
    /// [`Error::Image`] for bytes that are no photo; [`Error::Face`].
    pub fn describe_file(
        &self,
        bytes: &[u8],
        options: &DetectOptions,
    ) -> Result<pipeline::Photo, Error> {
        let options = AnalyseOptions {
            detect: options.clone(),
            limits: self.limits,
        };
        let described = self.pipeline.analyse(bytes, &options);
        described.map_err(|e| match e {
            fusiform_face::Error::Image(cause) => Error::Image(cause),
            other => Error::Face(other),
        })
    }

    /// How the faces of an album are grouped: from the error rates that the pack states.
    ///
    /// # Errors
    /// [`Error::Lacks`], [`Error::Uncalibrated`].
    pub fn cluster_options(&self) -> Result<ClusterOptions, Error> {
        let thresholds = self.thresholds()?;
        Ok(ClusterOptions {
            floor_similarity: thresholds.at_balance(FLOOR_BALANCE)?,
            link_similarity: thresholds.at_balance(LINK_BALANCE)?,
            ask_similarity: thresholds.at_fmr(SAME_FMR)?.similarity,
            ..ClusterOptions::default()
        })
    }

    /// Groups the catalogue's faces into people, if anything changed since that was last done.
    ///
    /// # Errors
    /// [`Error::Uncalibrated`]; [`Error::Album`].
    pub fn group(&self, catalogue: &mut Album) -> Result<GroupSummary, Error> {
        Ok(catalogue.group(self.embedder_id()?, &self.cluster_options()?)?)
    }

    /// The largest face of a photo, which is whom a portrait is of.
    ///
    /// # Errors
    /// [`Error::NoFace`]; [`Error::Face`].
    pub fn main_face(
        &self,
        image: &Image,
        options: &DetectOptions,
    ) -> Result<(pipeline::Face, usize), Error> {
        let faces = self.describe(image, options)?;
        let n_faces = faces.len();
        let area = |f: &pipeline::Face| f.face.bbox.area();
        faces
            .into_iter()
            .max_by(|a, b| area(a).total_cmp(&area(b)))
            .map(|face| (face, n_faces))
            .ok_or(Error::NoFace)
    }
}

/// An engine that looks for faces in one way, as a scan needs it.
#[derive(Debug)]
pub struct Scanner<'a> {
    /// The networks.
    pub engine: &'a Engine,
    /// How hard to look for faces.
    pub options: DetectOptions,
}

impl Analyse for Scanner<'_> {
    fn models(&self) -> ModelPair {
        self.engine.models()
    }

    fn photo_record(&self, bytes: &[u8]) -> Result<PhotoRecord, String> {
        let record = self.engine.photo_record(bytes, &self.options);
        record.map_err(|e| e.to_string())
    }
}

fn face_record(face: pipeline::Face) -> FaceRecord {
    let (b, q) = (&face.face.bbox, &face.quality);
    FaceRecord {
        bbox: [b.x_min, b.y_min, b.x_max, b.y_max],
        score: face.face.score,
        landmarks: face
            .face
            .landmarks
            .map(|l| l.as_array().map(|p| [p.x, p.y])),
        quality: QualityParts {
            overall: q.overall,
            size: q.size,
            sharpness: q.sharpness,
            exposure: q.exposure,
            frontal: q.frontal,
            yaw_deg: q.pose.yaw_deg,
            pitch_deg: q.pose.pitch_deg,
            roll_deg: q.pose.roll_deg,
        },
        vector: face.embedding.map(|e| e.0),
    }
}

/// Two files never share an id: it holds the head of the weights' hash.
fn model_id(name: &str, sha256: &str) -> ModelId {
    ModelId(format!("{name}@{}", &sha256[..12]))
}

fn session(name: &str, weights: &[u8], precision: Precision) -> Result<Box<dyn Network>, Error> {
    let loaded = NnBackend.load(weights.into(), precision);
    loaded.map_err(|source| Error::Network {
        name: name.into(),
        source,
    })
}

fn normalisation(input: &InputManifest) -> Normalisation {
    Normalisation {
        mean: input.mean,
        scale: input.scale,
        channel_order: match input.channels {
            Channels::Rgb => ChannelOrder::Rgb,
            Channels::Bgr => ChannelOrder::Bgr,
        },
    }
}

fn detector_spec(manifest: &DetectorManifest) -> DetectorSpec {
    let input = &manifest.input;
    let input_size = match (input.width_px, input.height_px) {
        (Some(width_px), Some(height_px)) => InputSize::Fixed(Size {
            width_px,
            height_px,
        }),
        _ => InputSize::Dynamic {
            multiple_of: input.multiple_of.unwrap_or(32),
        },
    };
    let head = match manifest.head {
        HeadName::YuNet => Head::YuNet,
        HeadName::Scrfd => Head::Scrfd,
        HeadName::UltraFace => Head::UltraFace,
    };
    let default = DetectorSpec::default();
    DetectorSpec {
        head,
        normalisation: normalisation(input),
        input_size,
        min_score: manifest.min_score,
        nms_iou: manifest.nms_iou,
        smallest_face_px: manifest
            .smallest_face_px
            .unwrap_or(default.smallest_face_px),
    }
}

fn embedder_spec(manifest: &EmbedderManifest) -> EmbedderSpec {
    EmbedderSpec {
        normalisation: normalisation(&manifest.input),
        dimensions: manifest.dimensions,
        mirror: manifest.mirror,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_of_threads_changes_no_embedding() {
        let library = crate::models::Library::at(Path::new("/nowhere"));
        let engine = Engine::open(&library.load(None).unwrap()).unwrap();
        let album = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/album");
        let mut photos: Vec<_> = std::fs::read_dir(album)
            .unwrap()
            .map(|p| p.unwrap().path())
            .collect();
        photos.sort();
        let options = DetectOptions::default();
        let describe = |photo: &std::path::PathBuf| {
            engine
                .describe(&engine.read(photo).unwrap().image, &options)
                .unwrap()
        };
        let alone: Vec<_> = photos.iter().map(describe).collect();
        assert!(
            alone.iter().any(|faces| faces.len() > 2),
            "no group in the album"
        );
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let pooled: Vec<_> = pool.install(|| photos.iter().map(describe).collect());
            assert!(pooled == alone, "{threads} threads");
        }
    }
}

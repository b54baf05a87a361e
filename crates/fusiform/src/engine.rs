//! A pack at work. In: a [`Pack`], then photo bytes. Out: faces with their templates.
//! The only file that makes networks of a manifest.

use std::path::Path;

use fusiform_face::align::AlignedFace;
use fusiform_face::backend::{Backend, Network, NnBackend, Precision};
use fusiform_face::detect::{
    ChannelOrder, DetectOptions, DetectedFace, Detector, DetectorSpec, Head, InputSize,
    Normalisation,
};
use fusiform_face::embed::{Embedder, EmbedderSpec, Embedding};
use fusiform_face::geometry::{BoundingBox, Size};
use fusiform_face::image::{DecodeLimits, Decoded, Fingerprint, Frame, Image, Orientation};
use fusiform_face::landmarks::{LandmarkNetwork, LandmarkSpec};
use fusiform_face::pipeline::Pipeline;
use fusiform_face::quality::Unrecognisable;
use fusiform_search::cluster::ClusterOptions;
use fusiform_search::template::ModelId;

use crate::error::Error;
use crate::file::read_bounded;
use crate::models::{
    Channels, DetectorManifest, EmbedderManifest, HeadName, InputManifest, LandmarksManifest, Pack,
    Role,
};
use crate::photo::{AnalyseOptions, Face, FoundFace, Photo};
use crate::verify::{FLOOR_BALANCE, LINK_BALANCE, SAME_FMR, Thresholds, Verification};

/// A detector and, in most packs, an embedder, ready to run.
///
/// An engine never changes: share it between threads by reference. One call works on the thread
/// that makes it; called on a thread of a rayon pool, it shares the embedding of several faces with
/// that pool. Every engine of one pack gives bit-identical templates, whatever the number of
/// threads.
///
/// # Example
/// ```
/// use fusiform::Engine;
/// let engine = Engine::builtin()?;
/// let photo = engine.analyse_file("tests/data/ida.jpg")?;
/// let face = photo.largest()?;
/// println!("{:?}, quality {:.2}", face.bbox, face.quality.overall);
/// assert_eq!(face.template()?.vector.len(), engine.dimensions());
/// # Ok::<(), fusiform::Error>(())
/// ```
#[derive(Debug)]
pub struct Engine {
    pack: String,
    pipeline: Pipeline,
    detector_id: ModelId,
    landmarks_id: Option<ModelId>,
    embedder: Option<(ModelId, Thresholds)>,
    unrecognisable: Option<Unrecognisable>,
    precisions: [Precision; 2],
    dimensions: usize,
    idle: Vec<Role>,
    limits: DecodeLimits,
}

impl Engine {
    /// Builds the networks of a pack.
    ///
    /// Takes the pack, so that the bytes of each file are dropped as soon as its network is built.
    /// Networks of roles that this version does not run are named in the log and by
    /// [`Engine::idle_roles`].
    ///
    /// # Errors
    /// [`Error::Lacks`] without a detector; [`Error::Network`] for a network that the runtime does
    /// not cover; [`Error::Face`] for one with other inputs than its role has.
    pub fn open(mut pack: Pack) -> Result<Engine, Error> {
        let manifest = pack.manifest.clone();
        let name = manifest.name;
        let lacks = |role: Role| Error::Lacks {
            pack: name.clone(),
            role: role.name(),
        };
        let spec = manifest.detector.ok_or_else(|| lacks(Role::Detector))?;
        let network = load_network(&mut pack, Role::Detector, &spec.name, spec.precision)?;
        let detector = Detector::new(network, detector_spec(&spec))?;
        let mut landmarks = None;
        if let Some(spec) = &manifest.landmarks {
            let network = load_network(&mut pack, Role::Landmarks, &spec.name, spec.precision)?;
            landmarks = Some(LandmarkNetwork::new(network, landmark_spec(spec))?);
        }
        let (mut embedder, mut identity, mut unrecognisable) = (None, None, None);
        let (mut precisions, mut dimensions) = ([spec.precision, Precision::default()], 0);
        if let Some(spec) = &manifest.embedder {
            let network = load_network(&mut pack, Role::Embedder, &spec.name, spec.precision)?;
            embedder = Some(Embedder::new(network, embedder_spec(spec))?);
            let thresholds = Thresholds::of(&name, &spec.thresholds);
            identity = Some((model_id(&spec.name, &spec.sha256), thresholds));
            precisions[1] = spec.precision;
            dimensions = spec.dimensions;
            unrecognisable = spec.unrecognisable.clone().map(|found| Unrecognisable {
                center: found.center,
                usual_length: found.usual_length,
                min_recognisability: found.min_recognisability,
            });
        }
        let idle: Vec<Role> = pack.roles().collect();
        if !idle.is_empty() {
            let roles = idle
                .iter()
                .map(Role::to_string)
                .collect::<Vec<_>>()
                .join(", ");
            tracing::warn!(
                pack = name,
                roles,
                "networks of the pack that are not run yet"
            );
        }
        Ok(Engine {
            pipeline: Pipeline::new(detector, landmarks, embedder),
            landmarks_id: (manifest.landmarks.as_ref()).map(|l| model_id(&l.name, &l.sha256)),
            detector_id: model_id(&spec.name, &spec.sha256),
            pack: name,
            embedder: identity,
            unrecognisable,
            precisions,
            dimensions,
            idle,
            limits: DecodeLimits::DEFAULT,
        })
    }

    /// The engine with other limits to what the bytes of photos may ask for.
    pub fn with_limits(self, limits: DecodeLimits) -> Engine {
        Engine { limits, ..self }
    }

    /// What the bytes of photos may ask for where no options say it.
    pub fn limits(&self) -> &DecodeLimits {
        &self.limits
    }

    /// The usual options, with the limits of this engine.
    pub fn usual_options(&self) -> AnalyseOptions {
        AnalyseOptions {
            limits: self.limits,
            ..AnalyseOptions::default()
        }
    }

    /// The pack that is compiled in.
    ///
    /// # Errors
    /// [`Error::Pack`] or [`Error::Network`] if the build holds no usable pack.
    pub fn builtin() -> Result<Engine, Error> {
        Engine::open(Pack::base()?)
    }

    /// Bytes of a photo to its faces: the one road that every photo takes.
    ///
    /// A large JPEG is decoded with no more pixels than its faces need.
    ///
    /// # Shapes
    /// Per face a crop of `[112, 112, 3]` RGB bytes and a template of [`Engine::dimensions`]
    /// numbers.
    ///
    /// # Units
    /// Pixels of the upright photo; see [`Photo`].
    ///
    /// # Errors
    /// [`Error::Image`] for bytes that are not a photo, are damaged, or exceed the limits;
    /// [`Error::Face`] for an option out of its range or a network that fails.
    pub fn analyse(&self, bytes: &[u8], options: &AnalyseOptions) -> Result<Photo, Error> {
        let described = self.pipeline.analyse(bytes, options).map_err(of_image)?;
        Ok(self.photo(described))
    }

    /// What tells a photo's picture again after its file was changed, without looking for faces;
    /// and how the file stores its pixels.
    ///
    /// # Errors
    /// [`Error::Image`] as [`Engine::analyse`].
    pub fn fingerprint(
        &self,
        bytes: &[u8],
        options: &AnalyseOptions,
    ) -> Result<(Fingerprint, Orientation), Error> {
        self.pipeline.fingerprint(bytes, options).map_err(of_image)
    }

    /// As [`Engine::analyse`], for a file, with [`Engine::usual_options`].
    ///
    /// # Errors
    /// As [`Engine::analyse_file_with`].
    pub fn analyse_file(&self, path: impl AsRef<Path>) -> Result<Photo, Error> {
        self.analyse_file_with(path, &self.usual_options())
    }

    /// As [`Engine::analyse`], for a file.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Photo`] name the file; [`Error::Face`].
    pub fn analyse_file_with(
        &self,
        path: impl AsRef<Path>,
        options: &AnalyseOptions,
    ) -> Result<Photo, Error> {
        let path = path.as_ref();
        let bytes = read_photo(path, &options.limits)?;
        let photo = self.analyse(&bytes, options);
        photo.map_err(|e| of_file(path, e))
    }

    /// The faces of pixels that came from no file: a frame of a camera, a photo after drawing on
    /// it.
    ///
    /// Bytes of a file go to [`Engine::analyse`], which decodes only what it needs.
    ///
    /// # Errors
    /// [`Error::Face`].
    pub fn analyse_image(&self, image: &Image, options: &AnalyseOptions) -> Result<Photo, Error> {
        let described = self.pipeline.analyse_image(image, &options.detect)?;
        Ok(self.photo(described))
    }

    /// As [`Engine::analyse_image`], for pixels in any layout, with stride and rotation, that
    /// somebody else holds: each is converted once and none is copied besides.
    ///
    /// # Errors
    /// [`Error::Face`] and [`Error::Image`] for a frame that does not fit together or exceeds the
    /// limits; [`Error::Face`] as [`Engine::analyse_image`].
    pub fn analyse_frame(
        &self,
        frame: &Frame<'_>,
        options: &AnalyseOptions,
    ) -> Result<Photo, Error> {
        let image = frame.to_image(&options.limits).map_err(of_image)?;
        self.analyse_image(&image, options)
    }

    /// Where the faces of pixels are, without their embeddings: for a caller who looks at one
    /// person many times and needs few of them. [`Engine::describe`] adds them.
    ///
    /// # Errors
    /// [`Error::Face`].
    ///
    /// # Example
    /// ```
    /// let engine = fusiform::Engine::builtin()?;
    /// let image = engine.decode_file("tests/data/ida.jpg")?.image;
    /// let found = engine.find_faces(&image, &Default::default())?;
    /// let faces = engine.describe(found)?;
    /// assert_eq!(faces, engine.analyse_image(&image, &Default::default())?.faces);
    /// # Ok::<(), fusiform::Error>(())
    /// ```
    pub fn find_faces(
        &self,
        image: &Image,
        options: &DetectOptions,
    ) -> Result<Vec<FoundFace>, Error> {
        let found = self.pipeline.find(image, options)?.faces.into_iter();
        let found = found.map(|face| FoundFace {
            is_sure: self.pipeline.is_sure(&face),
            face,
        });
        Ok(found.collect())
    }

    /// Faces that were found, with their embeddings.
    ///
    /// # Errors
    /// [`Error::Face`].
    pub fn describe(&self, found: Vec<FoundFace>) -> Result<Vec<Face>, Error> {
        let mut faces: Vec<_> = found.into_iter().map(|found| found.face).collect();
        self.pipeline.embed(&mut faces)?;
        let model = self.embedder.as_ref().map(|(id, _)| id);
        let face = |face| Face::of(face, model, self.unrecognisable.as_ref());
        Ok(faces.into_iter().map(face).collect())
    }

    /// The embeddings of crops that were aligned before.
    ///
    /// # Errors
    /// [`Error::Lacks`] if the pack has no embedder; [`Error::Face`].
    pub fn embed_aligned(&self, crops: &[AlignedFace]) -> Result<Vec<Embedding>, Error> {
        let embedder = self.pipeline.embedder();
        Ok(embedder
            .ok_or_else(|| self.lacks_embedder())?
            .embed(crops)?)
    }

    fn photo(&self, found: fusiform_face::pipeline::Photo) -> Photo {
        let model = self.embedder.as_ref().map(|(id, _)| id);
        let face = |face| Face::of(face, model, self.unrecognisable.as_ref());
        Photo {
            width_px: found.size.width_px,
            height_px: found.size.height_px,
            taken_at: found.taken.as_ref().map(|taken| taken.local.clone()),
            taken: found.taken,
            orientation: found.orientation,
            fingerprint: found.fingerprint,
            notes: found.notes,
            turn_deg: found.turn_deg,
            smallest_face_px: found.smallest_face_px,
            faces: found.faces.into_iter().map(face).collect(),
        }
    }

    /// Bytes of a photo to upright RGB pixels, all of them: to draw on, or to cut crops from.
    ///
    /// # Errors
    /// [`Error::Image`] for bytes that are not a photo, are damaged, or exceed the limits.
    pub fn decode(&self, bytes: &[u8]) -> Result<Decoded, Error> {
        Ok(fusiform_face::image::decode(bytes, &self.limits)?)
    }

    /// As [`Engine::decode`], for a file.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Photo`] name the file.
    pub fn decode_file(&self, path: impl AsRef<Path>) -> Result<Decoded, Error> {
        let path = path.as_ref();
        let bytes = read_photo(path, &self.limits)?;
        self.decode(&bytes).map_err(|e| of_file(path, e))
    }

    /// The template of a region where a face is known to be, whether or not the detector finds it.
    ///
    /// # Units
    /// Pixels of `image`.
    ///
    /// # Errors
    /// [`Error::Lacks`] if the pack has no embedder; [`Error::Face`] for an empty box or landmarks
    /// that coincide.
    pub fn embed_at(&self, image: &Image, face: &DetectedFace) -> Result<Vec<f32>, Error> {
        let embedding = self.pipeline.embed_at(image, face)?;
        Ok(embedding.ok_or_else(|| self.lacks_embedder())?.vector)
    }

    /// The face in a box that a human drew, whether or not the detector finds it. It has landmarks
    /// if the landmark network is sure of some; without, it is unclear.
    ///
    /// # Units
    /// Pixels of `image`.
    ///
    /// # Errors
    /// [`Error::Face`] for an empty box.
    pub fn describe_at(&self, image: &Image, bbox: &BoundingBox) -> Result<Face, Error> {
        let found = self.pipeline.describe_at(image, bbox)?;
        let is_sure = found.detected.landmarks.is_some() || self.pipeline.landmarks().is_none();
        let model = self.embedder.as_ref().map(|(id, _)| id);
        let mut face = Face::of(found, model, self.unrecognisable.as_ref());
        if !is_sure {
            face.quality.overall = 0.0;
            if let Some(template) = &mut face.template {
                template.quality = 0.0;
            }
        }
        Ok(face)
    }

    /// Whether two faces are of one person, with the thresholds and error rates that decide.
    ///
    /// # Errors
    /// [`Error::NoTemplate`] and [`Error::Lacks`] without an embedder; [`Error::Search`] for faces
    /// of different models; [`Error::Uncalibrated`].
    ///
    /// # Example
    /// ```
    /// use fusiform::{Engine, verify::Verdict};
    /// let engine = Engine::builtin()?;
    /// let ida = engine.analyse_file("tests/data/ida.jpg")?;
    /// let verification = engine.verify(ida.largest()?, ida.largest()?)?;
    /// assert_eq!(verification.verdict, Verdict::Same);
    /// assert_eq!(verification.same_at.fmr, 1e-3);
    /// # Ok::<(), fusiform::Error>(())
    /// ```
    pub fn verify(&self, a: &Face, b: &Face) -> Result<Verification, Error> {
        self.thresholds()?.judge(a.similarity(b)?)
    }

    /// Name of the pack.
    pub fn pack(&self) -> &str {
        &self.pack
    }

    /// Roles of networks that the pack holds and this version does not run.
    pub fn idle_roles(&self) -> &[Role] {
        &self.idle
    }

    /// Which detector this is: its name and the head of its hash.
    pub fn detector_id(&self) -> &ModelId {
        &self.detector_id
    }

    /// Which landmark network this is, if the pack has one.
    pub fn landmarks_id(&self) -> Option<&ModelId> {
        self.landmarks_id.as_ref()
    }

    /// What detector and embedder multiply.
    pub fn precisions(&self) -> [Precision; 2] {
        self.precisions
    }

    /// Which embedder this is: its name and the head of its hash. Only templates of one id compare.
    ///
    /// # Errors
    /// [`Error::Lacks`] if the pack has no embedder.
    pub fn embedder_id(&self) -> Result<&ModelId, Error> {
        self.identity().map(|(id, _)| id)
    }

    /// The embedder's similarities at stated false-match rates.
    ///
    /// # Errors
    /// [`Error::Lacks`] if the pack has no embedder.
    pub fn thresholds(&self) -> Result<&Thresholds, Error> {
        self.identity().map(|(_, thresholds)| thresholds)
    }

    /// Numbers in a template; 0 if the pack has no embedder.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// How faces are grouped into people: from the error rates that the pack states.
    ///
    /// # Errors
    /// [`Error::Lacks`], [`Error::Uncalibrated`].
    pub fn cluster_options(&self) -> Result<ClusterOptions, Error> {
        let thresholds = self.thresholds()?;
        Ok(ClusterOptions {
            floor_similarity: thresholds.at_balance(FLOOR_BALANCE)?,
            link_similarity: thresholds.at_balance(LINK_BALANCE)?,
            ask_similarity: thresholds.at_fmr(SAME_FMR)?.similarity,
            likelihood_ratio: thresholds.likelihood_ratio(),
            ..ClusterOptions::default()
        })
    }

    fn identity(&self) -> Result<&(ModelId, Thresholds), Error> {
        self.embedder.as_ref().ok_or_else(|| self.lacks_embedder())
    }

    fn lacks_embedder(&self) -> Error {
        Error::Lacks {
            pack: self.pack.clone(),
            role: Role::Embedder.name(),
        }
    }
}

fn read_photo(path: &Path, limits: &DecodeLimits) -> Result<Vec<u8>, Error> {
    read_bounded(path, limits.max_bytes).map_err(|e| Error::io(path, e))
}

/// A photo that cannot be read is another error than a network that fails.
fn of_image(error: fusiform_face::Error) -> Error {
    match error {
        fusiform_face::Error::Image(cause) => Error::Image(cause),
        other => Error::Face(other),
    }
}

/// The same error, naming the file if it is about the file's content.
fn of_file(path: &Path, error: Error) -> Error {
    match error {
        Error::Image(source) => Error::Photo {
            path: path.into(),
            source,
        },
        other => other,
    }
}

/// Two files never share an id: it holds the head of the weights' hash.
fn model_id(name: &str, sha256: &str) -> ModelId {
    ModelId(format!("{name}@{}", &sha256[..12]))
}

/// The network of a role; the pack no longer holds its file then.
fn load_network(
    pack: &mut Pack,
    role: Role,
    name: &str,
    precision: Precision,
) -> Result<Box<dyn Network>, Error> {
    let failed = |source| Error::Network {
        name: name.into(),
        source,
    };
    let loaded = pack.take_weights(role, |reader, n_bytes| {
        NnBackend
            .load_from(reader, n_bytes, precision)
            .map_err(failed)
    })?;
    loaded.ok_or_else(|| Error::Lacks {
        pack: pack.manifest.name.clone(),
        role: role.name(),
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

fn landmark_spec(manifest: &LandmarksManifest) -> LandmarkSpec {
    LandmarkSpec {
        normalisation: normalisation(&manifest.input),
        // The manifest was checked to state a square.
        side_px: manifest.input.width_px.unwrap_or_default(),
        crop_scale: manifest.crop_scale,
        second_crop_scale: manifest.second_crop_scale,
        min_score: manifest.min_score,
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
    fn networks_that_are_not_run_are_named() {
        let base = Pack::base().unwrap();
        assert_eq!(Engine::open(base.clone()).unwrap().idle_roles(), []);
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        for network in base.manifest.networks() {
            let weights = base.weights(network.role).unwrap().unwrap();
            files.push((network.file.into(), weights.to_vec()));
        }
        // Any bytes will do: they are checked by hash and kept, not read.
        let detector = base.weights(Role::Detector).unwrap().unwrap();
        let sha256 = &base.manifest.detector.as_ref().unwrap().sha256;
        let text = format!(
            "{}\n[[network]]\nrole = \"liveness\"\nname = \"l\"\nfile = \"l.onnx\"\n\
             sha256 = \"{sha256}\"\ncrop_scale = 1.5\nlive_output = 1\nmin_score = 0.5\n\
             licence = \"l\"\n\
             input = {{ channels = \"rgb\", width_px = 64, height_px = 64 }}\n\
             training_data = \"t\"\n",
            base.manifest.to_toml().unwrap()
        );
        files.push(("l.onnx".into(), detector.to_vec()));
        let manifest = crate::models::Manifest::parse(&text).unwrap();
        let pack = Pack::from_parts(manifest, files).unwrap();
        assert!(pack.roles().eq([
            Role::Detector,
            Role::Landmarks,
            Role::Embedder,
            Role::Liveness
        ]));
        assert_eq!(Engine::open(pack).unwrap().idle_roles(), [Role::Liveness]);
    }

    #[test]
    fn a_pool_of_threads_changes_no_embedding() {
        let engine = Engine::builtin().unwrap();
        let photos = ["ida.jpg", "party.jpg"].map(|name| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/data")
                .join(name);
            std::fs::read(path).unwrap()
        });
        let options = AnalyseOptions::default();
        let analyse = |photo: &Vec<u8>| engine.analyse(photo, &options).unwrap().faces;
        let alone: Vec<_> = photos.iter().map(analyse).collect();
        assert!(
            alone.iter().any(|faces| faces.len() > 2),
            "no group in the data"
        );
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let pooled: Vec<_> = pool.install(|| photos.iter().map(analyse).collect());
            assert!(pooled == alone, "{threads} threads");
        }
    }
}

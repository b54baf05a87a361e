//! Faces of photos. In: bytes of a picture. Out: its faces with their templates. Joins the engine
//! and the limits of [`Admission`]; knows no person and no contract.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use fusiform::Face;
use fusiform::detect::DetectedFace;
use fusiform::engine::Engine;
use fusiform::geometry::{BoundingBox, Size};
use fusiform::models::Threshold;

use crate::admission::{Admission, Holder, blocking, decoding_bytes};
use crate::problem::Problem;

/// False-match rate at which faces of a whole library are linked by other programs. One in a
/// thousand, right for a single comparison, would give each of 10,000 photos ten false neighbours.
const LIBRARY_FMR: f64 = 1e-5;

/// An engine, and how much of it is used at once. Clones share both.
#[derive(Debug, Clone)]
pub(crate) struct Analyser {
    engine: Arc<Engine>,
    admission: Arc<Admission>,
}

/// The faces of one photo.
#[derive(Debug)]
pub(crate) struct Analysed {
    /// Largest box first.
    pub(crate) faces: Vec<Face>,
    /// The upright photo.
    pub(crate) size: Size,
    /// Milliseconds that it took, without the wait for a core.
    pub(crate) took_ms: f64,
}

impl Analyser {
    pub(crate) fn new(engine: Arc<Engine>, admission: Arc<Admission>) -> Analyser {
        Analyser { engine, admission }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.admission
    }

    /// The faces of a photo.
    pub(crate) async fn analyse(
        &self,
        holder: impl Into<Holder>,
        bytes: Bytes,
    ) -> Result<Analysed, Problem> {
        let work = |engine: &Engine, bytes: &Bytes| {
            let started = Instant::now();
            let photo = engine.analyse(bytes, &engine.usual_options())?;
            let mut faces = photo.faces;
            faces.sort_by(|a, b| b.bbox.area().total_cmp(&a.bbox.area()));
            Ok(Analysed {
                faces,
                size: Size {
                    width_px: photo.width_px,
                    height_px: photo.height_px,
                },
                took_ms: started.elapsed().as_secs_f64() * 1e3,
            })
        };
        self.with_picture(holder, bytes, work).await
    }

    /// Does something with a picture once it is the holder's turn, within the memory that
    /// decoding it takes.
    pub(crate) async fn with_picture<T: Send + 'static>(
        &self,
        holder: impl Into<Holder>,
        bytes: Bytes,
        work: impl FnOnce(&Engine, &Bytes) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let pixel_bytes = self.pixel_bytes(&bytes).await?;
        let engine = Arc::clone(&self.engine);
        let work = move || work(&engine, &bytes);
        self.admission.compute(holder, pixel_bytes, work).await
    }

    /// The box and the embedding of a picture that is one cropped face; nothing is detected.
    pub(crate) async fn embed_crop(
        &self,
        holder: impl Into<Holder>,
        bytes: Bytes,
    ) -> Result<(BoundingBox, Vec<f32>), Problem> {
        let whole = |size: Size| BoundingBox {
            x_min: 0.0,
            y_min: 0.0,
            x_max: size.width_px as f32,
            y_max: size.height_px as f32,
        };
        self.embed(holder, bytes, whole).await
    }

    /// The embedding of a region of a picture where a face is known to be.
    pub(crate) async fn embed_at(
        &self,
        holder: impl Into<Holder>,
        bytes: Bytes,
        bbox: BoundingBox,
    ) -> Result<Vec<f32>, Problem> {
        let (_, vector) = self.embed(holder, bytes, move |_| bbox).await?;
        Ok(vector)
    }

    async fn embed(
        &self,
        holder: impl Into<Holder>,
        bytes: Bytes,
        bbox: impl FnOnce(Size) -> BoundingBox + Send + 'static,
    ) -> Result<(BoundingBox, Vec<f32>), Problem> {
        let work = |engine: &Engine, bytes: &Bytes| {
            let image = engine.decode(bytes)?.image;
            let bbox = bbox(Size {
                width_px: image.width(),
                height_px: image.height(),
            });
            let face = DetectedFace {
                bbox,
                score: 1.0,
                landmarks: None,
            };
            Ok((bbox, engine.embed_at(&image, &face)?))
        };
        self.with_picture(holder, bytes, work).await
    }

    /// Memory that decoding a picture takes; reading its header may take a while.
    async fn pixel_bytes(&self, bytes: &Bytes) -> Result<u64, Problem> {
        let (bytes, max_pixels) = (bytes.clone(), self.engine.limits().max_pixels);
        blocking(move || Ok(decoding_bytes(&bytes, max_pixels))).await
    }
}

/// The similarity at which other programs should link the faces of a whole library, where one false
/// match in a hundred thousand is enough; `None` for a pack that states none.
pub(crate) fn library_threshold(engine: &Engine) -> Option<Threshold> {
    threshold_at_most(engine, LIBRARY_FMR)
}

/// The loosest threshold that the pack states of at most this false-match rate, else its strictest;
/// `None` for a pack that states none.
pub(crate) fn threshold_at_most(engine: &Engine, fmr: f64) -> Option<Threshold> {
    let stated = engine.thresholds().ok()?.stated();
    // Rates pass through text, so they are compared with a tolerance.
    let strict = |t: &&Threshold| t.fmr <= fmr * (1.0 + 1e-6);
    stated.iter().find(strict).or(stated.last()).copied()
}

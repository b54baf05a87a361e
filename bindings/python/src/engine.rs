//! The engine as Python sees it. In: a pack, then images. Out: photos, verdicts, thresholds.
//! Knows nothing of people.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use fusiform::models::Manifest;
use fusiform::{BoundingBox, DecodeLimits, Fmr, Pack};
use numpy::{PyArray1, PyArray3, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use crate::error::{OrRaise, bad_option, not_pickled};
use crate::face::{Face, Photo};
use crate::pixels::Source;
use crate::process::on_threads;
use crate::results;

/// The networks of a model pack, ready to run. Threads may share one.
#[pyclass(frozen, module = "fusiform")]
pub(crate) struct Engine {
    pub(crate) inner: Arc<fusiform::Engine>,
    threads: usize,
}

#[pymethods]
impl Engine {
    /// Opens the pack that comes with Fusiform, or the one in a folder.
    ///
    /// `threads` is how many work on one photo; calls of different threads run side by side anyway.
    /// `max_pixels` and `max_bytes` limit what a photo may ask for.
    #[new]
    #[pyo3(signature = (pack=None, *, threads=1, max_pixels=None, max_bytes=None))]
    fn new(
        py: Python<'_>,
        pack: Option<PathBuf>,
        threads: usize,
        max_pixels: Option<u64>,
        max_bytes: Option<u64>,
    ) -> PyResult<Engine> {
        let opened = py.detach(|| match pack {
            Some(folder) => Ok(fusiform::Engine::open(Pack::open(folder)?)?),
            None => fusiform::Engine::builtin(),
        });
        Engine::with(py, opened.or_raise(py)?, threads, max_pixels, max_bytes)
    }

    /// Opens a pack in memory: the text of its manifest, and the bytes of the files it names.
    #[staticmethod]
    #[pyo3(signature = (manifest, files, *, threads=1, max_pixels=None, max_bytes=None))]
    fn from_memory(
        py: Python<'_>,
        manifest: &str,
        files: BTreeMap<String, PyBackedBytes>,
        threads: usize,
        max_pixels: Option<u64>,
        max_bytes: Option<u64>,
    ) -> PyResult<Engine> {
        let opened = py.detach(|| {
            let manifest = Manifest::parse(manifest)?;
            let files = files
                .iter()
                .map(|(name, bytes)| (name.clone(), bytes.to_vec()));
            fusiform::Engine::open(Pack::from_parts(manifest, files)?)
        });
        Engine::with(py, opened.or_raise(py)?, threads, max_pixels, max_bytes)
    }

    /// The faces of an image: a path, the bytes of a file, an array, or a PIL image.
    ///
    /// Arrays are uint8: (height, width, 3) in RGB, or BGR with color="bgr"; (height, width, 4)
    /// with opacity; (height, width) in grey. Raises Error with `kind` for anything else.
    #[pyo3(signature = (image, *, color="rgb", min_face_px=None, min_score=None,
                        longest_side_px=None))]
    fn analyse(
        &self,
        py: Python<'_>,
        image: &Bound<'_, PyAny>,
        color: &str,
        min_face_px: Option<f32>,
        min_score: Option<f32>,
        longest_side_px: Option<u32>,
    ) -> PyResult<Photo> {
        let mut options = self.inner.usual_options();
        options.detect.min_face_px = min_face_px;
        options.detect.min_score = min_score;
        if let Some(longest_side_px) = longest_side_px {
            options.detect.longest_side_px = longest_side_px;
        }
        let source = Source::of(image, color, &options.limits)?;
        let photo =
            py.detach(|| on_threads(self.threads, || source.analyse(&self.inner, &options)));
        Photo::of(py, photo.or_raise(py)?)
    }

    /// The face in a box that is known, whether or not the detector finds it; unclear if the
    /// landmark network is sure of no points. `bbox` is x_min, y_min, x_max, y_max in pixels.
    #[pyo3(signature = (image, bbox, *, color="rgb"))]
    fn describe(
        &self,
        py: Python<'_>,
        image: &Bound<'_, PyAny>,
        bbox: [f32; 4],
        color: &str,
    ) -> PyResult<Face> {
        let source = Source::of(image, color, self.inner.limits())?;
        let bbox = BoundingBox::from_array(bbox);
        let face = py.detach(|| {
            let image = source.decode(&self.inner)?;
            self.inner.describe_at(&image, &bbox)
        });
        Ok(Face(face.or_raise(py)?))
    }

    /// Upright pixels of an image: uint8 RGB of shape (height, width, 3).
    #[pyo3(signature = (image, *, color="rgb"))]
    fn decode<'py>(
        &self,
        py: Python<'py>,
        image: &Bound<'py, PyAny>,
        color: &str,
    ) -> PyResult<Bound<'py, PyArray3<u8>>> {
        let source = Source::of(image, color, self.inner.limits())?;
        let image = py.detach(|| source.decode(&self.inner)).or_raise(py)?;
        let (height, width) = (image.height() as usize, image.width() as usize);
        PyArray1::from_vec(py, image.into_rgb()).reshape([height, width, 3])
    }

    /// Whether two faces are of one person, with the thresholds and error rates that decide.
    fn verify<'py>(&self, py: Python<'py>, a: &Face, b: &Face) -> PyResult<Bound<'py, PyAny>> {
        let verification = self.inner.verify(&a.0, &b.0).or_raise(py)?;
        results::verification(py, &verification)
    }

    /// The similarity measured at a false-match rate. Raises Error of kind "uncalibrated" for a
    /// rate that the pack does not state; nothing is interpolated.
    fn threshold<'py>(&self, py: Python<'py>, fmr: f64) -> PyResult<Bound<'py, PyAny>> {
        let thresholds = self.inner.thresholds().or_raise(py)?;
        results::threshold(py, &thresholds.at_fmr(Fmr(fmr)).or_raise(py)?)
    }

    /// Every threshold that the pack states, loosest first.
    #[getter]
    fn thresholds<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let stated = self.inner.thresholds().or_raise(py)?.stated();
        stated.iter().map(|t| results::threshold(py, t)).collect()
    }

    /// Name of the pack.
    #[getter]
    fn pack(&self) -> &str {
        self.inner.pack()
    }

    /// Numbers in a template; 0 if the pack has no embedder.
    #[getter]
    fn dimensions(&self) -> usize {
        self.inner.dimensions()
    }

    /// Which embedder this is; None if the pack has none. Only templates of one id compare.
    #[getter]
    fn model(&self) -> Option<String> {
        self.inner.embedder_id().ok().map(|id| id.0.clone())
    }

    /// Which detector this is.
    #[getter]
    fn detector(&self) -> String {
        self.inner.detector_id().0.clone()
    }

    fn __repr__(&self) -> String {
        format!("<fusiform.Engine of pack {:?}>", self.inner.pack())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(not_pickled("an Engine"))
    }
}

impl Engine {
    fn with(
        py: Python<'_>,
        engine: fusiform::Engine,
        threads: usize,
        max_pixels: Option<u64>,
        max_bytes: Option<u64>,
    ) -> PyResult<Engine> {
        let threads = checked_threads(py, threads)?;
        let usual = *engine.limits();
        let limits = DecodeLimits {
            max_pixels: max_pixels.unwrap_or(usual.max_pixels),
            max_bytes: max_bytes.unwrap_or(usual.max_bytes),
            ..usual
        };
        Ok(Engine {
            inner: Arc::new(engine.with_limits(limits)),
            threads,
        })
    }
}

/// More than the cores of any machine that this is for.
const MAX_THREADS: usize = 1024;

/// A number of threads that can be asked for.
pub(crate) fn checked_threads(py: Python<'_>, threads: usize) -> PyResult<usize> {
    if (1..=MAX_THREADS).contains(&threads) {
        return Ok(threads);
    }
    let message = format!("threads={threads} is not 1 to {MAX_THREADS}");
    Err(bad_option(py, &message))
}

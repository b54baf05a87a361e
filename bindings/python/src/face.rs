//! Photos and faces as Python sees them. In: the library's. Out: attributes, arrays, pickles.
//! Knows nothing of how faces are found.

use fusiform::{
    AlignedFace, BoundingBox, Landmarks, ModelId, Pose, Quality, SimilarityTransform, Template,
};
use numpy::{PyArray1, PyArray2, PyArray3, PyArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::OrRaise;
use crate::results;

/// A photo and its faces, best detector score first.
#[pyclass(frozen, module = "fusiform")]
pub(crate) struct Photo {
    /// Width in pixels, upright.
    #[pyo3(get)]
    width_px: u32,
    /// Height in pixels, upright.
    #[pyo3(get)]
    height_px: u32,
    /// When it was taken, in local time without a zone, as ISO 8601; None if the file does not say.
    #[pyo3(get)]
    taken_at: Option<String>,
    /// Clockwise degrees that bring its faces upright: 0, 90, 180 or 270.
    #[pyo3(get)]
    turn_deg: u16,
    /// Shorter side, in pixels, of the smallest face that was looked for.
    #[pyo3(get)]
    smallest_face_px: f32,
    notes: Vec<String>,
    faces: Vec<Py<Face>>,
}

impl Photo {
    pub(crate) fn of(py: Python<'_>, photo: fusiform::Photo) -> PyResult<Photo> {
        let faces = photo.faces.into_iter().map(|face| Py::new(py, Face(face)));
        Ok(Photo {
            width_px: photo.width_px,
            height_px: photo.height_px,
            taken_at: photo.taken_at,
            turn_deg: photo.turn_deg,
            smallest_face_px: photo.smallest_face_px,
            notes: photo.notes.iter().map(ToString::to_string).collect(),
            faces: faces.collect::<PyResult<_>>()?,
        })
    }
}

#[pymethods]
impl Photo {
    /// The faces, best detector score first.
    #[getter]
    fn faces(&self, py: Python<'_>) -> Vec<Py<Face>> {
        self.faces.iter().map(|face| face.clone_ref(py)).collect()
    }

    /// What in the file had no effect, in words.
    #[getter]
    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    /// The face with the largest box: the person whom a portrait shows.
    ///
    /// Raises Error of kind "no_face" if there is none.
    fn largest(&self, py: Python<'_>) -> PyResult<Py<Face>> {
        let area = |face: &Py<Face>| face.get().0.bbox.area();
        let largest = self.faces.iter().max_by(|a, b| area(a).total_cmp(&area(b)));
        let largest = largest.ok_or(fusiform::Error::NoFace).or_raise(py)?;
        Ok(largest.clone_ref(py))
    }

    fn __repr__(&self) -> String {
        let (n, width, height) = (self.faces.len(), self.width_px, self.height_px);
        format!("<fusiform.Photo of {width}x{height} px with {n} faces>")
    }

    fn __eq__(&self, other: &Photo) -> bool {
        let plain = |p: &Photo| {
            let size = (p.width_px, p.height_px, p.turn_deg, p.smallest_face_px);
            (size, p.taken_at.clone(), p.notes.clone())
        };
        let faces = self.faces.iter().zip(&other.faces);
        plain(self) == plain(other)
            && self.faces.len() == other.faces.len()
            && faces.into_iter().all(|(a, b)| a.get().0 == b.get().0)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, PhotoState)> {
        let state = (
            (self.width_px, self.height_px),
            self.taken_at.clone(),
            self.turn_deg,
            self.smallest_face_px,
            self.notes.clone(),
            self.faces(py),
        );
        Ok((native(py, "_unpickle_photo")?, (state,)))
    }
}

type PhotoFields = (
    (u32, u32),
    Option<String>,
    u16,
    f32,
    Vec<String>,
    Vec<Py<Face>>,
);
type PhotoState = (PhotoFields,);

/// A Photo from what its pickle holds.
#[pyfunction]
pub(crate) fn _unpickle_photo(state: PhotoFields) -> Photo {
    let ((width_px, height_px), taken_at, turn_deg, smallest_face_px, notes, faces) = state;
    Photo {
        width_px,
        height_px,
        taken_at,
        turn_deg,
        smallest_face_px,
        notes,
        faces,
    }
}

/// One face: where it is, how good it is, and the template by which it is compared.
#[pyclass(frozen, module = "fusiform")]
pub(crate) struct Face(pub(crate) fusiform::Face);

#[pymethods]
impl Face {
    /// Where it is, in pixels of the upright photo; may reach beyond its edges.
    #[getter]
    fn bbox<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        results::bounding_box(py, &self.0.bbox)
    }

    /// The detector's score, 0 to 1. Not a probability.
    #[getter]
    fn score(&self) -> f32 {
        self.0.score
    }

    /// Five points as a float32 array of shape (5, 2), x first: the subject's right eye, left eye,
    /// tip of the nose, right and left corner of the mouth. None if the detector gives boxes alone.
    #[getter]
    fn landmarks<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyArray2<f32>>>> {
        let Some(landmarks) = &self.0.landmarks else {
            return Ok(None);
        };
        let points = landmarks.as_array().map(|p| vec![p.x, p.y]);
        Ok(Some(PyArray2::from_vec2(py, &points)?))
    }

    /// How much of a recogniser's accuracy the face keeps, 0 to 1, with the reasons.
    #[getter]
    fn quality<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        results::quality(py, &self.0.quality)
    }

    /// Where the face is directed, in degrees.
    #[getter]
    fn pose<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        results::pose(py, &self.0.quality)
    }

    /// The embedding of unit length as a float32 array; only those of one model compare.
    ///
    /// Raises Error of kind "lacks_embedder" if the pack has no embedder.
    #[getter]
    fn template<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let template = self.0.template().or_raise(py)?;
        Ok(PyArray1::from_slice(py, &template.vector))
    }

    /// Which model made the template; None if the pack has no embedder.
    #[getter]
    fn model(&self) -> Option<&str> {
        self.0.template.as_ref().map(|t| t.model.0.as_str())
    }

    /// Length of the embedding before it was made 1; None if the pack has no embedder.
    #[getter]
    fn embedding_length(&self) -> Option<f32> {
        self.0.embedding_length
    }

    /// The upright crop that the embedder was given: uint8 RGB of shape (112, 112, 3).
    #[getter]
    fn aligned<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray3<u8>>> {
        let side = fusiform::ALIGNED_SIDE_PX as usize;
        PyArray1::from_slice(py, &self.0.aligned.rgb).reshape([side, side, 3])
    }

    /// Whether nobody can be recognised in it: too small, too blurred, or no face.
    #[getter]
    fn is_unclear(&self) -> bool {
        self.0.is_unclear()
    }

    /// Cosine similarity to another face, -1 to 1; larger is nearer. Engine.verify judges it.
    ///
    /// Raises Error of kind "model_mismatch" for faces of different models.
    fn similarity(&self, py: Python<'_>, other: &Face) -> PyResult<f32> {
        Ok(self.0.similarity(&other.0).or_raise(py)?.0)
    }

    fn __repr__(&self) -> String {
        let (b, score, quality) = (self.0.bbox, self.0.score, self.0.quality.overall);
        format!(
            "<fusiform.Face of {:.0}x{:.0} px at ({:.0}, {:.0}), score {score:.2}, quality \
             {quality:.2}>",
            b.width(),
            b.height(),
            b.x_min,
            b.y_min
        )
    }

    fn __eq__(&self, other: &Face) -> bool {
        self.0 == other.0
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (FaceFields,))> {
        let (face, q, m) = (&self.0, &self.0.quality, &self.0.aligned.from_photo);
        let points = face.landmarks.map(|l| l.as_array().map(|p| [p.x, p.y]));
        let template = face.template.as_ref().map(|t| {
            let vector = PyBytes::new(py, &fusiform::template::to_blob(&t.vector));
            (t.model.0.clone(), vector.unbind(), t.quality)
        });
        let state = (
            face.bbox.as_array(),
            face.score,
            points,
            [
                q.overall,
                q.size,
                q.sharpness,
                q.exposure,
                q.pose.yaw_deg,
                q.pose.pitch_deg,
                q.pose.roll_deg,
                q.frontal,
                q.detector_score,
                q.recognisability,
            ],
            (
                PyBytes::new(py, &face.aligned.rgb).unbind(),
                [m.a, m.b, m.tx, m.ty],
            ),
            face.embedding_length,
            template,
        );
        Ok((native(py, "_unpickle_face")?, (state,)))
    }
}

type FaceFields = (
    [f32; 4],
    f32,
    Option<[[f32; 2]; 5]>,
    [f32; 10],
    (Py<PyBytes>, [f32; 4]),
    Option<f32>,
    Option<(String, Py<PyBytes>, f32)>,
);

/// A Face from what its pickle holds.
#[pyfunction]
pub(crate) fn _unpickle_face(py: Python<'_>, state: FaceFields) -> PyResult<Face> {
    let (bbox, score, points, quality, (rgb, [a, b, tx, ty]), embedding_length, template) = state;
    let rgb = rgb.as_bytes(py).to_vec();
    let side = fusiform::ALIGNED_SIDE_PX as usize;
    if rgb.len() != side * side * 3 {
        return Err(PyValueError::new_err(
            "the pickle of a Face holds no crop of 112x112 pixels",
        ));
    }
    let [
        overall,
        size,
        sharpness,
        exposure,
        yaw,
        pitch,
        roll,
        frontal,
        detector,
        clear,
    ] = quality;
    let template = template.map(|(model, vector, quality)| Template {
        model: ModelId(model),
        vector: fusiform::template::from_blob(vector.as_bytes(py)),
        quality,
    });
    Ok(Face(fusiform::Face {
        bbox: BoundingBox::from_array(bbox),
        score,
        landmarks: points
            .map(|points| Landmarks::from_array(points.map(|[x, y]| fusiform::Point { x, y }))),
        quality: Quality {
            overall,
            size,
            sharpness,
            exposure,
            pose: Pose {
                yaw_deg: yaw,
                pitch_deg: pitch,
                roll_deg: roll,
            },
            frontal,
            detector_score: detector,
            recognisability: clear,
        },
        aligned: AlignedFace {
            rgb,
            from_photo: SimilarityTransform { a, b, tx, ty },
        },
        embedding_length,
        template,
    }))
}

fn native<'py>(py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
    PyModule::import(py, "fusiform._native")?.getattr(name)
}

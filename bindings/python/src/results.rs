//! Plain answers as the named tuples of `fusiform._results`. In: values of the library. Out: typed
//! tuples, which can be compared, printed and pickled. Knows nothing of engines.

use fusiform::models::Threshold;
use fusiform::{BoundingBox, Quality, Verdict, Verification};
use pyo3::call::PyCallArgs;
use pyo3::prelude::*;

/// A named tuple by the name of its class.
pub(crate) fn tuple<'py>(
    py: Python<'py>,
    class: &str,
    values: impl PyCallArgs<'py>,
) -> PyResult<Bound<'py, PyAny>> {
    PyModule::import(py, "fusiform._results")?
        .getattr(class)?
        .call1(values)
}

pub(crate) fn bounding_box<'py>(
    py: Python<'py>,
    bbox: &BoundingBox,
) -> PyResult<Bound<'py, PyAny>> {
    tuple(
        py,
        "BoundingBox",
        (bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max),
    )
}

pub(crate) fn threshold<'py>(py: Python<'py>, of: &Threshold) -> PyResult<Bound<'py, PyAny>> {
    tuple(py, "Threshold", (of.fmr, of.similarity, of.fnmr))
}

pub(crate) fn quality<'py>(py: Python<'py>, of: &Quality) -> PyResult<Bound<'py, PyAny>> {
    let values = (
        of.overall,
        of.size,
        of.sharpness,
        of.exposure,
        of.frontal,
        of.detector_score,
        of.recognisability,
    );
    tuple(py, "Quality", values)
}

pub(crate) fn pose<'py>(py: Python<'py>, of: &Quality) -> PyResult<Bound<'py, PyAny>> {
    let pose = of.pose;
    tuple(py, "Pose", (pose.yaw_deg, pose.pitch_deg, pose.roll_deg))
}

pub(crate) fn verification<'py>(py: Python<'py>, of: &Verification) -> PyResult<Bound<'py, PyAny>> {
    let verdict = match of.verdict {
        Verdict::Same => "same",
        Verdict::Different => "different",
        Verdict::Unsure => "unsure",
    };
    let (same_at, different_below) = (
        threshold(py, &of.same_at)?,
        threshold(py, &of.different_below)?,
    );
    let values = (of.similarity.0, verdict, same_at, different_below);
    tuple(py, "Verification", values)
}

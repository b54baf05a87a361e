//! What Python calls an image. In: an array, a path, bytes, a PIL image. Out: pixels or a file.
//! Knows nothing of faces.

use std::path::PathBuf;

use fusiform::{AnalyseOptions, DecodeLimits, Engine, Error, Frame, Image, PixelFormat, Plane};
use numpy::{PyArrayDyn, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView, PyString};

use crate::error::{OrRaise, bad_option, wrong_type};

/// An image that no longer needs Python.
pub(crate) enum Source {
    File(PathBuf),
    Bytes(PyBackedBytes),
    Pixels(Image),
}

impl Source {
    /// Everything that an image may be; `color` is the order of channels of an array.
    pub(crate) fn of(
        image: &Bound<'_, PyAny>,
        color: &str,
        limits: &DecodeLimits,
    ) -> PyResult<Source> {
        let py = image.py();
        let is_bgr = match color {
            "rgb" => false,
            "bgr" => true,
            _ => {
                let message = format!("color={color:?} is neither \"rgb\" nor \"bgr\"");
                return Err(bad_option(py, &message));
            }
        };
        if let Ok(bytes) = image.cast::<PyBytes>() {
            return Ok(Source::Bytes(bytes.clone().into()));
        }
        if let Ok(array) = image.cast::<PyUntypedArray>() {
            return pixels(array, is_bgr, limits).map(Source::Pixels);
        }
        if image.is_instance_of::<PyString>() || image.hasattr("__fspath__")? {
            return Ok(Source::File(image.extract()?));
        }
        let is_buffer =
            image.is_instance_of::<PyByteArray>() || image.is_instance_of::<PyMemoryView>();
        if is_buffer {
            let bytes = py.get_type::<PyBytes>().call1((image,))?;
            return Ok(Source::Bytes(bytes.cast_into::<PyBytes>()?.into()));
        }
        let numpy = || PyModule::import(py, "numpy");
        if image.hasattr("convert")? && image.hasattr("mode")? {
            let mode = pil_mode(image)?;
            // Its file is decoded by what comes next: limits go before that.
            let (width_px, height_px): (u64, u64) = image.getattr("size")?.extract()?;
            if width_px.saturating_mul(height_px) > limits.max_pixels {
                let limit = limits.max_pixels;
                let message = format!(
                    "a PIL image of {width_px}x{height_px} pixels has more than {limit} pixels"
                );
                return Err(bad_option(py, &message));
            }
            let rgb = image.call_method1("convert", (mode,))?;
            let array = numpy()?.call_method1("asarray", (rgb,))?;
            return pixels(array.cast::<PyUntypedArray>()?, false, limits).map(Source::Pixels);
        }
        if image.hasattr("__array__")? || image.hasattr("__array_interface__")? {
            let array = numpy()?.call_method1("asarray", (image,))?;
            return pixels(array.cast::<PyUntypedArray>()?, is_bgr, limits).map(Source::Pixels);
        }
        let class = image.get_type().name()?;
        let message = format!(
            "an image is an array of pixels, a path, the bytes of a file, or a PIL image; \
             {class} is none of these"
        );
        Err(wrong_type(py, &message))
    }

    /// Its faces; works without Python.
    pub(crate) fn analyse(
        &self,
        engine: &Engine,
        options: &AnalyseOptions,
    ) -> Result<fusiform::Photo, Error> {
        match self {
            Source::File(path) => engine.analyse_file_with(path, options),
            Source::Bytes(bytes) => engine.analyse(bytes, options),
            Source::Pixels(image) => engine.analyse_image(image, options),
        }
    }

    /// Its upright pixels; works without Python.
    pub(crate) fn decode(self, engine: &Engine) -> Result<Image, Error> {
        match self {
            Source::File(path) => Ok(engine.decode_file(path)?.image),
            Source::Bytes(bytes) => Ok(engine.decode(&bytes)?.image),
            Source::Pixels(image) => Ok(image),
        }
    }
}

/// What a PIL image is converted to: its modes are many, and it knows how each becomes RGB.
fn pil_mode(image: &Bound<'_, PyAny>) -> PyResult<&'static str> {
    let mode: String = image.getattr("mode")?.extract()?;
    // Converting these would cut off all that is brighter than 255.
    if mode.starts_with(['I', 'F']) {
        let message = format!(
            "a PIL image of mode {mode:?} has more than 8 bits; scale it to mode \"L\", or give the \
             bytes of its file"
        );
        return Err(bad_option(image.py(), &message));
    }
    let is_transparent = mode.ends_with(['A', 'a']) || {
        let info = image.getattr("info")?;
        info.contains("transparency")?
    };
    Ok(if is_transparent { "RGBA" } else { "RGB" })
}

/// The pixels of an array, copied once: what the caller writes into it later has no effect.
fn pixels(
    array: &Bound<'_, PyUntypedArray>,
    is_bgr: bool,
    limits: &DecodeLimits,
) -> PyResult<Image> {
    let py = array.py();
    let (shape, dtype) = (array.shape().to_vec(), array.dtype());
    let unusable = |why: &str| {
        let message = format!(
            "an array of shape {shape:?} and dtype {dtype} is no image: {why}; wanted are uint8 \
             arrays of shape (height, width), (height, width, 3) or (height, width, 4)"
        );
        bad_option(py, &message)
    };
    let format = match (&shape[..], is_bgr) {
        ([_, _] | [_, _, 1], _) => PixelFormat::Grey,
        ([_, _, 3], false) => PixelFormat::Rgb,
        ([_, _, 3], true) => PixelFormat::Bgr,
        ([_, _, 4], false) => PixelFormat::Rgba,
        ([_, _, 4], true) => PixelFormat::Bgra,
        ([3 | 4, _, _], _) => return Err(unusable("channels come last")),
        ([_, _, _, _], _) => return Err(unusable("it is a batch; give its images one by one")),
        _ => return Err(unusable("it has other dimensions")),
    };
    if shape.contains(&0) {
        return Err(unusable("it has no pixels"));
    }
    let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
    let (height_px, width_px) = (side(shape[0]), side(shape[1]));
    let bytes = array
        .cast::<PyArrayDyn<u8>>()
        .map_err(|_| unusable("its numbers are not uint8; scale and convert it"))?;
    // One pixel that is repeated by strides of zero can claim any size: limits go before copies.
    if u64::from(width_px) * u64::from(height_px) > limits.max_pixels {
        let limit = limits.max_pixels;
        return Err(unusable(&format!("it has more than {limit} pixels")));
    }
    let whole = match bytes.is_c_contiguous() {
        true => bytes.clone(),
        // Rows with gaps, turned and mirrored views: numpy copies them faster than we would.
        false => bytes.call_method1("copy", ("C",))?.cast_into()?,
    };
    let held = whole
        .try_readonly()
        .map_err(|e| bad_option(py, &e.to_string()))?;
    let samples = held.as_slice()?;
    let plane = Plane {
        bytes: samples,
        stride_bytes: samples.len() / shape[0],
    };
    let frame = Frame {
        format,
        width_px,
        height_px,
        planes: &[plane],
        colour: fusiform::YuvColour::usual(height_px),
        rotation_deg: 0,
    };
    frame.to_image(limits).or_raise(py)
}

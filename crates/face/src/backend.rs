//! The seam for inference. In: a model file, then images or tensors. Out: named outputs.
//! Knows nothing of faces. The only file of this crate that names `fusiform_nn`.
//!
//! A [`Backend`] opens models, a [`Network`] runs one. [`NnBackend`] is Fusiform's own runtime.
//! ONNX Runtime can join without a change elsewhere: `load` builds a session from the bytes
//! (precision [`Precision::Int8`] is a hint that it may ignore), `inputs` and `outputs` translate
//! its metadata, `run` binds the tensors. It need not implement [`Network::run_images`]: the
//! default makes planes of the images and calls `run`. Its answers differ from those of the own
//! runtime in the last bits, so a catalogue must not mix the two under one model id.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io::{BufRead, Read};

pub use fusiform_nn::Precision;

use crate::geometry::Size;
use crate::normalisation::{ChannelOrder, Normalisation};

/// Opens model files.
pub trait Backend: Send + Sync {
    /// A network from the bytes of an ONNX file.
    ///
    /// Owned bytes are dropped once they are parsed, before weights are packed for the processor,
    /// so that a large model is not held twice.
    ///
    /// # Errors
    /// [`BackendError`] if the bytes are no model, or one that this backend does not cover.
    fn load(
        &self,
        onnx: Cow<'_, [u8]>,
        precision: Precision,
    ) -> Result<Box<dyn Network>, BackendError>;

    /// A network from a reader of an ONNX file of `n_bytes`, such as one that hashes what it passes
    /// on. A backend that decodes while it reads never holds the file.
    ///
    /// # Errors
    /// As [`load`](Self::load); also if the reader fails.
    fn load_from(
        &self,
        reader: &mut dyn BufRead,
        n_bytes: u64,
        precision: Precision,
    ) -> Result<Box<dyn Network>, BackendError> {
        let mut onnx = Vec::new();
        let read = reader.take(n_bytes).read_to_end(&mut onnx);
        read.map_err(BackendError::new)?;
        self.load(onnx.into(), precision)
    }
}

/// A network ready to run, from many threads at once through one reference.
///
/// The same inputs give the same outputs to the bit, on whatever thread and beside whatever else
/// runs.
pub trait Network: Send + Sync {
    /// What must be fed, in the order of the model file.
    fn inputs(&self) -> &[Port];

    /// What comes out, in the order of the model file.
    fn outputs(&self) -> &[Port];

    /// Runs the network once.
    ///
    /// # Errors
    /// [`BackendError`] if an input is missing, unknown or of the wrong shape, or if the run fails.
    fn run(&self, inputs: &[TensorInput]) -> Result<Vec<Output>, BackendError>;

    /// Runs a network with one input on a batch of images that have one canvas.
    ///
    /// A backend whose first layer reads bytes does so here and makes no planes; the numbers must
    /// be those of [`planes`].
    ///
    /// # Errors
    /// As [`run`](Self::run); also if the images do not fit together, or the network has not one
    /// input.
    fn run_images(&self, images: &[ImageInput]) -> Result<Vec<Output>, BackendError> {
        let [input] = self.inputs() else {
            let n = self.inputs().len();
            return Err(BackendError::new(format!("a network with {n} inputs")));
        };
        let (shape, values) = planes(images)?;
        self.run(&[TensorInput {
            name: &input.name,
            shape: &shape,
            values: &values,
        }])
    }
}

/// A named input or output of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Name in the model file.
    pub name: String,
    /// Size along each axis; `None` where the network takes any.
    pub shape: Vec<Option<usize>>,
}

/// Numbers for one input.
#[derive(Debug, Clone, Copy)]
pub struct TensorInput<'a> {
    /// Name of the input.
    pub name: &'a str,
    /// Size along each axis.
    pub shape: &'a [usize],
    /// Row-major, as many as the shape has elements.
    pub values: &'a [f32],
}

/// One image of a batch: its bytes, and what each becomes before the network reads it.
#[derive(Debug, Clone, Copy)]
pub struct ImageInput<'a> {
    /// `height` rows of `width` times red, green, blue.
    pub rgb: &'a [u8],
    /// Size of the image.
    pub size: Size,
    /// Size of the input. The image lies at its top left; the rest is black, normalised as the
    /// image is.
    pub canvas: Size,
    /// Mean, scale and order of the channels.
    pub normalisation: &'a Normalisation,
}

/// The values of one output.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// Name in the model file.
    pub name: String,
    /// Size along each axis.
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Vec<f32>,
}

/// A batch of images as one tensor `[batch, 3, height, width]`: its shape and values.
///
/// # Errors
/// [`BackendError`] for no images, for images of more than one canvas, for one that is larger than
/// its canvas, or whose bytes do not fill its size.
pub fn planes(images: &[ImageInput]) -> Result<([usize; 4], Vec<f32>), BackendError> {
    let canvas = images.first().map(|i| i.canvas);
    let Some(canvas) = canvas else {
        return Err(BackendError::new("a batch of no images"));
    };
    let (width, height) = (canvas.width_px as usize, canvas.height_px as usize);
    let mut values = Vec::with_capacity(images.len() * 3 * width * height);
    for image in images {
        let size = image.size;
        let columns = size.width_px as usize;
        let fits = image.canvas == canvas
            && size.width_px <= canvas.width_px
            && size.height_px <= canvas.height_px
            && image.rgb.len() as u64 == size.pixels() * 3;
        if !fits {
            return Err(BackendError::new(format!(
                "an image of {size} px in {} bytes on a canvas of {} in a batch of canvas {canvas}",
                image.rgb.len(),
                image.canvas
            )));
        }
        let pixels = image.rgb.as_chunks::<3>().0;
        let Normalisation {
            mean,
            scale,
            channel_order,
        } = image.normalisation;
        for plane in 0..3 {
            let channel = match channel_order {
                ChannelOrder::Rgb => plane,
                ChannelOrder::Bgr => 2 - plane,
            };
            let number = |byte: u8| (f32::from(byte) - mean[plane]) * scale[plane];
            for y in 0..height {
                let row_end = values.len() + width;
                let row = pixels.get(y * columns..(y + 1) * columns);
                let row = row.into_iter().flatten();
                values.extend(row.map(|pixel| number(pixel[channel])));
                values.resize(row_end, number(0));
            }
        }
    }
    Ok(([images.len(), 3, height, width], values))
}

/// What a backend says when it fails.
#[derive(Debug)]
pub struct BackendError(Box<dyn StdError + Send + Sync>);

impl BackendError {
    /// Wraps a backend's own error, or a message.
    pub fn new(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> BackendError {
        BackendError(cause.into())
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StdError for BackendError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

impl From<fusiform_nn::Error> for BackendError {
    fn from(cause: fusiform_nn::Error) -> BackendError {
        BackendError::new(cause)
    }
}

/// Fusiform's own runtime, `fusiform_nn`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NnBackend;

impl Backend for NnBackend {
    fn load(
        &self,
        onnx: Cow<'_, [u8]>,
        precision: Precision,
    ) -> Result<Box<dyn Network>, BackendError> {
        let model = fusiform_nn::Model::from_bytes(&onnx, &fusiform_nn::Limits::default())?;
        drop(onnx);
        nn_network(model, precision)
    }

    fn load_from(
        &self,
        reader: &mut dyn BufRead,
        n_bytes: u64,
        precision: Precision,
    ) -> Result<Box<dyn Network>, BackendError> {
        let limits = fusiform_nn::Limits::default();
        let model = fusiform_nn::Model::from_reader(reader, n_bytes, &limits)?;
        nn_network(model, precision)
    }
}

fn nn_network(
    model: fusiform_nn::Model,
    precision: Precision,
) -> Result<Box<dyn Network>, BackendError> {
    let session = fusiform_nn::Session::with_precision(model, precision)?;
    Ok(Box::new(NnNetwork {
        inputs: session.inputs().iter().map(port).collect(),
        outputs: session.outputs().iter().map(port).collect(),
        session,
    }))
}

struct NnNetwork {
    session: fusiform_nn::Session,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
}

fn port(port: &fusiform_nn::Port) -> Port {
    let size = |dim: &fusiform_nn::Dim| match dim {
        fusiform_nn::Dim::Fixed(n) => Some(*n),
        _ => None,
    };
    Port {
        name: port.name.clone(),
        shape: port.shape.iter().map(size).collect(),
    }
}

fn outputs_of(named: Vec<(String, fusiform_nn::Tensor)>) -> Vec<Output> {
    let output = |(name, tensor): (String, fusiform_nn::Tensor)| Output {
        name,
        shape: tensor.shape().to_vec(),
        values: tensor.into_data(),
    };
    named.into_iter().map(output).collect()
}

impl Network for NnNetwork {
    fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    fn run(&self, inputs: &[TensorInput]) -> Result<Vec<Output>, BackendError> {
        let tensor = |input: &TensorInput| {
            fusiform_nn::Tensor::new(input.shape.to_vec(), input.values.to_vec())
        };
        let tensors: Vec<_> = inputs.iter().map(tensor).collect::<Result<_, _>>()?;
        let named = inputs.iter().zip(&tensors).map(|(i, t)| (i.name, t));
        let named: Vec<_> = named.collect();
        Ok(outputs_of(self.session.run(&named)?))
    }

    /// The first layer reads the bytes; no planes are made.
    fn run_images(&self, images: &[ImageInput]) -> Result<Vec<Output>, BackendError> {
        let [input] = &self.inputs[..] else {
            let n = self.inputs.len();
            return Err(BackendError::new(format!("a network with {n} inputs")));
        };
        let sides = |size: Size| [size.height_px as usize, size.width_px as usize];
        let photos: Vec<fusiform_nn::RgbInput> = images
            .iter()
            .map(|image| fusiform_nn::RgbInput {
                rgb: image.rgb,
                size: sides(image.size),
                canvas: sides(image.canvas),
                mean: image.normalisation.mean,
                scale: image.normalisation.scale,
                blue_first: image.normalisation.channel_order == ChannelOrder::Bgr,
            })
            .collect();
        Ok(outputs_of(self.session.run_images(&input.name, &photos)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(width_px: u32, height_px: u32) -> Size {
        Size {
            width_px,
            height_px,
        }
    }

    #[test]
    fn planes_are_ordered_scaled_and_padded() {
        let normalisation = Normalisation {
            mean: [1.0, 2.0, 3.0],
            scale: [10.0, 1.0, 1.0],
            channel_order: ChannelOrder::Bgr,
        };
        let image = ImageInput {
            rgb: &[1, 2, 3, 4, 5, 6],
            size: size(2, 1),
            canvas: size(3, 2),
            normalisation: &normalisation,
        };
        let (shape, values) = planes(&[image]).unwrap();
        assert_eq!(shape, [1, 3, 2, 3]);
        let blue = [20.0, 50.0, -10.0, -10.0, -10.0, -10.0];
        let green = [0.0, 3.0, -2.0, -2.0, -2.0, -2.0];
        let red = [-2.0, 1.0, -3.0, -3.0, -3.0, -3.0];
        assert_eq!(values, [blue, green, red].concat());
        let short = ImageInput {
            rgb: &[1, 2, 3],
            ..image
        };
        let tall = ImageInput {
            canvas: size(3, 3),
            ..image
        };
        for batch in [&[][..], &[short], &[image, tall]] {
            assert!(planes(batch).is_err(), "{batch:?}");
        }
        let of_runtime = fusiform_nn::RgbInput::planes(&[fusiform_nn::RgbInput {
            rgb: image.rgb,
            size: [1, 2],
            canvas: [2, 3],
            mean: normalisation.mean,
            scale: normalisation.scale,
            blue_first: true,
        }]);
        assert_eq!(of_runtime.unwrap().data(), values);
    }

    #[test]
    fn bytes_that_are_no_model_are_refused() {
        let error = NnBackend
            .load(b"no model".into(), Precision::default())
            .err();
        assert!(error.is_some_and(|e| !e.to_string().is_empty()));
    }
}

//! The layers of a fused partition and their packed weights. In: weights as the file has them. Out:
//! weights packed for one instruction set, and back. Knows nothing of graphs or of image sizes.

use fusiform_kernels::buffer::Buffer;
use fusiform_kernels::epilogue::Activation;
use fusiform_kernels::nhwc::{Epilogue, Int8Weights, KernelSet};

use crate::error::Error;
use crate::ops::geometry::Geometry;
use crate::ops::pool::Window;
use crate::ops::resize::Resize;
use crate::tensor::{Tensor, Value};

/// One step of a fused partition.
#[derive(Debug)]
pub(super) struct Layer {
    /// Index of the step in the model.
    pub(super) step: usize,
    pub(super) kind: LayerKind,
    /// Values it reads: the input, then a residual or second summand.
    pub(super) inputs: Vec<usize>,
    /// The value it writes.
    pub(super) output: usize,
}

#[derive(Debug)]
pub(super) enum LayerKind {
    Dense(ConvLayer),
    Depthwise(ConvLayer),
    MaxPool(Window),
    Add,
    Affine { factor: f32, addend: f32 },
    Resize(Resize, Vec<Option<Value>>),
}

/// A convolution with constant weights. These are the only copy of the weights.
#[derive(Debug)]
pub(super) struct ConvLayer {
    pub(super) weights: PackedWeights,
    pub(super) bias: Buffer,
    /// For each output channel the factor of negative values (PReLU).
    pub(super) slopes: Option<Buffer>,
    pub(super) activation: Activation,
    pub(super) geometry: Geometry,
    /// `[out, in, kh, kw]`; of a depthwise convolution `[channels, channels, kh, kw]`.
    pub(super) sizes: [usize; 4],
    /// Floats in an input pixel.
    pub(super) pixel: usize,
}

#[derive(Debug)]
pub(super) enum PackedWeights {
    Float32(Buffer),
    Int8(Int8Weights),
}

impl Layer {
    /// The convolution, if it is one.
    pub(super) fn conv(&self) -> Option<&ConvLayer> {
        match &self.kind {
            LayerKind::Dense(conv) | LayerKind::Depthwise(conv) => Some(conv),
            _ => None,
        }
    }

    /// Multiplications and additions for one image of this output size.
    pub(super) fn flop(&self, [height, width]: [usize; 2]) -> usize {
        let pixels = height * width;
        match &self.kind {
            LayerKind::Dense(c) => 2 * pixels * c.sizes.iter().product::<usize>(),
            LayerKind::Depthwise(c) => 2 * pixels * c.n_out() * c.n_taps(),
            _ => 0,
        }
    }

    /// Bytes of packed weights.
    pub(super) fn weight_bytes(&self) -> usize {
        self.conv().map_or(0, |conv| conv.weights.bytes())
    }

    /// The weights as the file had them, rounded if the layer is in eight bits. `None` for layers
    /// without weights.
    pub(super) fn unpack(&self, kernels: KernelSet) -> Result<Option<Tensor>, Error> {
        let (conv, is_dense) = match &self.kind {
            LayerKind::Dense(conv) => (conv, true),
            LayerKind::Depthwise(conv) => (conv, false),
            _ => return Ok(None),
        };
        let [n_out, n_in, kh, kw] = conv.sizes;
        let data = match &conv.weights {
            PackedWeights::Int8(weights) => weights.unpack(conv.sizes, conv.pixel),
            PackedWeights::Float32(weights) if is_dense => {
                kernels.unpack_dense(weights, conv.sizes, conv.pixel)
            }
            PackedWeights::Float32(weights) => {
                kernels.unpack_depthwise(weights, n_out, conv.n_taps())
            }
        };
        let per_group = if is_dense { n_in } else { 1 };
        Tensor::new(vec![n_out, per_group, kh, kw], data).map(Some)
    }
}

impl ConvLayer {
    pub(super) fn n_out(&self) -> usize {
        self.sizes[0]
    }

    pub(super) fn n_in(&self) -> usize {
        self.sizes[1]
    }

    pub(super) fn kernel(&self) -> [usize; 2] {
        [self.sizes[2], self.sizes[3]]
    }

    pub(super) fn n_taps(&self) -> usize {
        self.sizes[2] * self.sizes[3]
    }

    pub(super) fn epilogue(&self) -> Epilogue<'_> {
        Epilogue {
            bias: &self.bias,
            activation: self.activation,
            slopes: self.slopes.as_deref(),
        }
    }
}

impl PackedWeights {
    fn bytes(&self) -> usize {
        match self {
            PackedWeights::Float32(weights) => weights.len() * size_of::<f32>(),
            PackedWeights::Int8(weights) => weights.bytes(),
        }
    }
}

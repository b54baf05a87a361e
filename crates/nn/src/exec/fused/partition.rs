//! Partitioning: which steps run fused. In: a model. Out: runs of fusible steps, with their weights
//! taken out of the model and packed. Knows nothing of image sizes: `plan` decides with them
//! whether a partition can run.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use fusiform_kernels::buffer::Buffer;
use fusiform_kernels::epilogue::Activation;
use fusiform_kernels::nhwc::{Int8Weights, KernelSet};

use super::candidate::{Candidate, candidate, fits_in_place};
use super::layer::{ConvLayer, Layer, LayerKind, PackedWeights};
use crate::error::Error;
use crate::model::{Model, Step};
use crate::ops::Op;
use crate::ops::conv::{Conv, ConvEpilogue};
use crate::precision::Precision;
use crate::tensor::{Tensor, Value};

/// Fewer input or output channels stay in float32: rounding the inputs costs two passes over them.
/// From here on every layer measured was faster in eight bits (`bench/RESULTS.md`, "Eight bits").
const MIN_INT8_CHANNELS: usize = 12;

/// Inputs of at most so many channels, such as RGB, are kept without padding.
const MAX_NARROW_CHANNELS: usize = 4;

/// Steps that follow each other and run fused.
#[derive(Debug)]
pub(super) struct Partition {
    /// Indices of the steps in the model.
    pub(super) steps: Range<usize>,
    pub(super) kernels: KernelSet,
    pub(super) layers: Vec<Layer>,
    /// Values computed before, and whether their pixels are kept without padding.
    pub(super) imports: Vec<(usize, bool)>,
    pub(super) exports: Vec<Export>,
}

/// A value of the partition that is read outside.
#[derive(Debug, Clone)]
pub(super) struct Export {
    /// The value inside.
    pub(super) from: usize,
    /// The value outside.
    pub(super) value: usize,
    /// Its channels of `from`.
    pub(super) channels: Range<usize>,
    /// Whether the result is `[batch, height, width, channels]`, as a transposition makes it.
    pub(super) channels_last: bool,
}

/// Reorders steps so that fusible ones follow each other, as far as what they read allows.
pub(super) fn reorder(model: &mut Model) {
    let mut known: Vec<bool> = vec![false; model.n_values];
    for value in model.constants.keys().chain(&model.input_values) {
        known[*value] = true;
    }
    let is_fusible: Vec<bool> = model
        .steps
        .iter()
        .map(|s| candidate(model, s).is_some())
        .collect();
    let mut left: Vec<Option<Step>> = std::mem::take(&mut model.steps)
        .into_iter()
        .map(Some)
        .collect();
    loop {
        let ready = |step: &Step| step.inputs.iter().flatten().all(|v| known[*v]);
        let first_ready = |fusible_only: bool| {
            let steps = left.iter().zip(&is_fusible);
            let mut wanted = steps.map(|(s, fusible)| {
                s.as_ref()
                    .is_some_and(|s| (*fusible || !fusible_only) && ready(s))
            });
            wanted.position(|w| w)
        };
        let Some(at) = first_ready(true).or_else(|| first_ready(false)) else {
            break;
        };
        let Some(step) = left[at].take() else { break };
        for value in &step.outputs {
            known[*value] = true;
        }
        model.steps.push(step);
    }
}

/// Finds the partitions of a reordered model and packs their weights, which leave the model.
///
/// # Errors
/// [`Error`] if constants are not of the shapes that were checked before.
pub(super) fn find(
    model: &mut Model,
    use_counts: &mut [usize],
    precision: Precision,
) -> Result<Vec<Partition>, Error> {
    let kernels = KernelSet::chosen();
    let candidates: Vec<Option<Candidate>> =
        model.steps.iter().map(|s| candidate(model, s)).collect();
    let fusible: Vec<bool> = (0..candidates.len())
        .map(|at| fits_in_place(model, &candidates, at))
        .collect();
    let mut partitions = Vec::new();
    let mut at = 0;
    while at < fusible.len() {
        let n = fusible[at..].iter().take_while(|f| **f).count();
        if n > 1
            && let Some(outline) = outline(model, at..at + n, &candidates)
        {
            partitions.push(outline.pack(model, use_counts, kernels, precision)?);
        }
        at += n.max(1);
    }
    Ok(partitions)
}

/// A partition before its weights are packed.
struct Outline {
    steps: Range<usize>,
    layers: Vec<LayerOutline>,
    imports: Vec<(usize, bool)>,
    exports: Vec<Export>,
}

struct LayerOutline {
    step: usize,
    kind: KindOutline,
    inputs: Vec<usize>,
    output: usize,
    /// Whether the input's pixels are kept without padding.
    narrow_input: bool,
}

enum KindOutline {
    Conv { is_dense: bool, sizes: [usize; 4] },
    Other(Box<LayerKind>),
}

/// `None` if the steps are no partition: there is no layer, or a transposition reads from outside.
fn outline(
    model: &Model,
    steps: Range<usize>,
    candidates: &[Option<Candidate>],
) -> Option<Outline> {
    let inside = &model.steps[steps.clone()];
    let is_written = |value: usize| inside.iter().any(|s| s.outputs.contains(&value));
    let narrow = narrow_values(model, inside);
    let is_narrow = |value: usize| narrow.get(&value).copied().unwrap_or(false);
    let (mut layers, mut exports, mut imports) =
        (Vec::<LayerOutline>::new(), Vec::new(), Vec::new());
    // Values that are some channels of another.
    let mut parts: BTreeMap<usize, (usize, Range<usize>)> = BTreeMap::new();
    for at in steps.clone() {
        let step = &model.steps[at];
        let kind = match candidates[at].as_ref()? {
            Candidate::ChannelsLast => {
                let read = step.input(0)?;
                let (from, channels) = parts.get(&read).cloned().unwrap_or((read, 0..usize::MAX));
                exports.push(Export {
                    from,
                    value: *step.outputs.first()?,
                    channels,
                    channels_last: true,
                });
                continue;
            }
            Candidate::Split(ranges) => {
                let whole = step.input(0)?;
                let named = step.outputs.iter().zip(ranges);
                parts.extend(named.map(|(value, range)| (*value, (whole, range.clone()))));
                continue;
            }
            Candidate::Conv { is_dense, sizes } => KindOutline::Conv {
                is_dense: *is_dense,
                sizes: *sizes,
            },
            Candidate::MaxPool => match &step.op {
                Op::Pool(window) => {
                    KindOutline::Other(Box::new(LayerKind::MaxPool(window.clone())))
                }
                _ => return None,
            },
            Candidate::Add => KindOutline::Other(Box::new(LayerKind::Add)),
            Candidate::Affine { factor, addend } => {
                KindOutline::Other(Box::new(LayerKind::Affine {
                    factor: *factor,
                    addend: *addend,
                }))
            }
            Candidate::Resize => match &step.op {
                Op::Resize(resize) => {
                    let others = step.inputs.iter().skip(1);
                    let sizes: Vec<Option<Value>> = others
                        .map(|v| v.and_then(|v| model.constants.get(&v).cloned()))
                        .collect();
                    KindOutline::Other(Box::new(LayerKind::Resize(resize.clone(), sizes)))
                }
                _ => return None,
            },
        };
        let input = step.input(0)?;
        let second = match &step.op {
            Op::Conv(_) => step.input(3),
            Op::Add => step.input(1),
            _ => None,
        };
        let inputs: Vec<usize> = std::iter::once(input).chain(second).collect();
        for value in &inputs {
            if !is_written(*value) && !imports.iter().any(|(v, _)| v == value) {
                imports.push((*value, is_narrow(*value)));
            }
        }
        layers.push(LayerOutline {
            step: at,
            kind,
            inputs,
            output: *step.outputs.first()?,
            narrow_input: is_narrow(input),
        });
    }
    let outside = || {
        let (before, after) = (&model.steps[..steps.start], &model.steps[steps.end..]);
        before.iter().chain(after)
    };
    let whole = layers.iter().map(|l| (l.output, (l.output, 0..usize::MAX)));
    for (value, (from, channels)) in whole.chain(parts) {
        let is_read = outside().any(|s| s.inputs.contains(&Some(value)))
            || model.output_values.contains(&value);
        if is_read {
            exports.push(Export {
                from,
                value,
                channels,
                channels_last: false,
            });
        }
    }
    let is_from_layer = |e: &Export| layers.iter().any(|l| l.output == e.from);
    let fits = !layers.is_empty() && exports.iter().all(is_from_layer);
    fits.then_some(Outline {
        steps,
        layers,
        imports,
        exports,
    })
}

/// Values whose pixels need no padding: imports of few channels that only dense convolutions read,
/// or affine steps whose result is such a value.
fn narrow_values(model: &Model, inside: &[Step]) -> HashMap<usize, bool> {
    let mut narrow: HashMap<usize, bool> = HashMap::new();
    // From the end, so that the readers of a value come before its writer.
    for step in inside.iter().rev() {
        let Some(input) = step.input(0) else {
            continue;
        };
        let reads_narrow = match &step.op {
            Op::Conv(conv) if conv.groups == 1 => {
                let weight = step.input(1).and_then(|w| model.constants.get(&w));
                let n_in = weight.and_then(|w| w.shape().get(1));
                n_in.is_some_and(|n| *n <= MAX_NARROW_CHANNELS)
            }
            Op::Binary(_) => narrow.get(&step.outputs[0]).copied().unwrap_or(false),
            _ => false,
        };
        *narrow.entry(input).or_insert(true) &= reads_narrow;
        for other in step.inputs.iter().skip(1).flatten() {
            narrow.insert(*other, false);
        }
    }
    for step in inside {
        if !matches!(step.op, Op::Binary(_)) {
            for value in &step.outputs {
                narrow.insert(*value, false);
            }
        }
    }
    narrow
}

impl Outline {
    /// Packs weight after weight, freeing each in the model before the next is packed.
    fn pack(
        self,
        model: &mut Model,
        use_counts: &mut [usize],
        kernels: KernelSet,
        precision: Precision,
    ) -> Result<Partition, Error> {
        let mut layers = Vec::with_capacity(self.layers.len());
        for layer in self.layers {
            let kind = match layer.kind {
                KindOutline::Other(kind) => *kind,
                KindOutline::Conv { is_dense, sizes } => {
                    let pixel = match layer.narrow_input {
                        true => sizes[1],
                        false => kernels.padded(sizes[1]),
                    };
                    let step = model.steps[layer.step].clone();
                    let bias = match step.input(2) {
                        Some(_) => model
                            .float_constant(step.input(2))
                            .map(|b| b.data().to_vec()),
                        None => Some(vec![0.0; sizes[0]]),
                    };
                    let weight = step
                        .input(1)
                        .and_then(|w| model.take_float_constant(w, use_counts));
                    let (Op::Conv(conv), Some(bias), Some(weight)) = (&step.op, bias, weight)
                    else {
                        return Err(Error::malformed("weights that are no constant")
                            .at(&step.name, step.op.name()));
                    };
                    let conv = pack_conv(
                        conv, is_dense, sizes, pixel, &bias, &weight, kernels, precision,
                    );
                    match is_dense {
                        true => LayerKind::Dense(conv),
                        false => LayerKind::Depthwise(conv),
                    }
                }
            };
            layers.push(Layer {
                step: layer.step,
                kind,
                inputs: layer.inputs,
                output: layer.output,
            });
        }
        Ok(Partition {
            steps: self.steps,
            kernels,
            layers,
            imports: self.imports,
            exports: self.exports,
        })
    }
}

#[allow(
    clippy::too_many_arguments,
    reason = "one call; each is a part of one layer"
)]
fn pack_conv(
    conv: &Conv,
    is_dense: bool,
    sizes: [usize; 4],
    pixel: usize,
    bias: &[f32],
    weight: &Tensor,
    kernels: KernelSet,
    precision: Precision,
) -> ConvLayer {
    let [n_out, n_in, kh, kw] = sizes;
    let (activation, slopes) = match &conv.epilogue {
        ConvEpilogue::Same(activation) => (*activation, None),
        ConvEpilogue::PerChannel(s) if s.len() == 1 => (Activation::Slope(s[0]), None),
        ConvEpilogue::PerChannel(s) => (Activation::None, Some(s)),
    };
    let is_int8 = is_dense
        && precision == Precision::Int8
        && n_in.min(n_out) >= MIN_INT8_CHANNELS
        && kh * kw * pixel <= Int8Weights::MAX_PRODUCTS
        && conv.geometry.dilations[1] == 1;
    let weights = match (is_int8, is_dense) {
        (true, _) => PackedWeights::Int8(kernels.pack_int8(weight.data(), sizes, pixel)),
        (_, true) => PackedWeights::Float32(kernels.pack_dense(weight.data(), sizes, pixel)),
        _ => PackedWeights::Float32(kernels.pack_depthwise(weight.data(), n_out, kh * kw)),
    };
    ConvLayer {
        weights,
        bias: Buffer::copied(&kernels.pad(bias)),
        slopes: slopes.map(|s| Buffer::copied(&kernels.pad(s))),
        activation,
        geometry: conv.geometry.clone(),
        sizes,
        pixel,
    }
}

//! The fast path. In: a network. Out: runs of steps that keep pixels with their channels side by side, row by row.
//! Knows when a step can go this way; `rows` does the work. Whatever cannot is left to `ops`, the definition.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use fusiform_kernels::buffer::Buffer;
use fusiform_kernels::finish::Activation;
use fusiform_kernels::pixels::{EightBits, Form};

use crate::graph::{Model, Step};
use crate::ops::arithmetic::Binary;
use crate::ops::geometry::Geometry;
use crate::ops::pool::Window;
use crate::ops::resize::Resize;
use crate::ops::{Finish, Op};
use crate::photo::Source;
use crate::session::Precision;
use crate::tensor::{Tensor, Value};

mod plan;
mod rows;

use plan::Plan;

/// Input shapes whose plans are kept; a detector sees few sizes over and over.
const KEPT_PLANS: usize = 8;

/// Steps that follow each other and can all go the fast way.
#[derive(Debug)]
pub(crate) struct Island {
    /// Their places among the steps of the model.
    pub(crate) steps: Range<usize>,
    form: Form,
    layers: Vec<Layer>,
    /// Values computed elsewhere; those of few channels are kept without padding.
    imports: Vec<(usize, bool)>,
    exports: Vec<Export>,
    plans: Mutex<Vec<KnownShapes>>,
}

/// Shapes of the imports, and the plan for them if they are any for the fast path.
type KnownShapes = (Vec<Vec<usize>>, Option<Arc<Plan>>);

/// A value that is read outside.
#[derive(Debug, Clone)]
struct Export {
    /// Where it lies inside.
    from: usize,
    /// Its number outside.
    value: usize,
    /// Which of its channels.
    channels: Range<usize>,
    /// Channels last, as a transposition wants it.
    channels_last: bool,
}

#[derive(Debug)]
struct Layer {
    /// Place among the steps of the model.
    step: usize,
    kind: Kind,
    /// Numbers of the values it reads: input, then residual or second summand.
    inputs: Vec<usize>,
    output: usize,
}

#[derive(Debug)]
enum Kind {
    Dense(Weights),
    Depthwise(Weights),
    Max(Window),
    Add,
    Affine { factor: f32, addend: f32 },
    Resize(Resize, Vec<Option<Value>>),
}

#[derive(Debug)]
struct Weights {
    packed: Packed,
    bias: Buffer,
    slopes: Option<Buffer>,
    activation: Activation,
    geometry: Geometry,
    kernel: [usize; 2],
    n_in: usize,
    n_out: usize,
    /// Floats in an input pixel.
    pixel: usize,
}

#[derive(Debug)]
enum Packed {
    Floats(Buffer),
    EightBits(EightBits),
}

impl Packed {
    /// Bytes in memory.
    fn bytes(&self) -> usize {
        match self {
            Packed::Floats(weights) => weights.len() * size_of::<f32>(),
            Packed::EightBits(weights) => weights.bytes(),
        }
    }
}

/// Channels on either side from which on every layer measured was faster in eight bits, which cost two passes over the
/// numbers that come in (`bench/RESULTS.md`, "Eight bits").
const EIGHT_BITS_FROM: usize = 12;

/// Puts steps that can go the fast way side by side, as far as what they read allows.
pub(crate) fn gather(model: &mut Model) {
    let mut known: Vec<bool> = vec![false; model.n_values];
    for value in model.constants.keys().chain(&model.input_values) {
        known[*value] = true;
    }
    let mut left: Vec<Option<Step>> = std::mem::take(&mut model.steps)
        .into_iter()
        .map(Some)
        .collect();
    loop {
        let ready = |step: &Option<Step>, known: &[bool]| {
            step.as_ref()
                .is_some_and(|s| s.inputs.iter().flatten().all(|v| known[*v]))
        };
        let next = |fast: bool, known: &[bool]| {
            left.iter().position(|s| {
                ready(s, known)
                    && s.as_ref()
                        .is_some_and(|s| !fast || may_go(s, &model.constants))
            })
        };
        let Some(at) = next(true, &known).or_else(|| next(false, &known)) else {
            break;
        };
        let Some(step) = left[at].take() else { break };
        for value in &step.outputs {
            known[*value] = true;
        }
        model.steps.push(step);
    }
}

/// Whether a step can go the fast way, as far as that is known before shapes are.
fn may_go(step: &Step, constants: &HashMap<usize, Value>) -> bool {
    is_channels_last(&step.op)
        || channels_of(&step.op).is_some()
        || layer(
            0,
            step,
            constants,
            Kernels {
                form: Form::chosen(),
                precision: Precision::Float32,
            },
            &|_| false,
        )
        .is_some()
}

/// The channels of each result of a split that is no work here: what it gives is only looked at from outside.
fn channels_of(op: &Op) -> Option<Vec<Range<usize>>> {
    let Op::Split {
        axis: 1,
        parts: Some(parts),
        n,
    } = op
    else {
        return None;
    };
    let mut end = 0usize;
    let mut ranges = Vec::new();
    for part in parts {
        let start = end;
        end = start.checked_add(usize::try_from(*part).ok()?)?;
        ranges.push(start..end);
    }
    (ranges.len() == *n).then_some(ranges)
}

/// Whether a step can go the fast way where it stands: a layer may not read a part of another's channels.
fn goes(model: &Model, step: &Step) -> bool {
    if !may_go(step, &model.constants) {
        return false;
    }
    let Some(parts) = channels_of(&step.op) else {
        return true;
    };
    let [Some(whole)] = step.inputs[..] else {
        return false;
    };
    let writer = model.steps.iter().find(|s| s.outputs.contains(&whole));
    let total = parts.last().map(|p| p.end);
    let all = writer.is_some_and(|s| {
        matches!(s.op, Op::Conv(_)) && s.weights(&model.constants).first().copied() == total
    });
    let reads = |s: &&Step| s.inputs.iter().flatten().any(|v| step.outputs.contains(v));
    let layer = |s: &Step| !is_channels_last(&s.op) && may_go(s, &model.constants);
    all && !model.steps.iter().filter(reads).any(layer)
}

fn is_channels_last(op: &Op) -> bool {
    matches!(op, Op::Transpose { order: Some(order) } if order[..] == [0, 2, 3, 1])
}

/// What layers are packed for.
#[derive(Debug, Clone, Copy)]
struct Kernels {
    form: Form,
    precision: Precision,
}

/// Finds the islands of a model whose steps are gathered.
pub(crate) fn find(model: &Model, precision: Precision) -> Vec<Island> {
    let kernels = Kernels {
        form: Form::chosen(),
        precision,
    };
    let mut islands = Vec::new();
    let mut at = 0;
    while at < model.steps.len() {
        let fast = model.steps[at..]
            .iter()
            .take_while(|s| goes(model, s))
            .count();
        if fast > 1 {
            islands.extend(island(model, at..at + fast, kernels));
        }
        at += fast.max(1);
    }
    islands
}

fn island(model: &Model, steps: Range<usize>, kernels: Kernels) -> Option<Island> {
    let inside = &model.steps[steps.clone()];
    let written = |value: usize| inside.iter().any(|s| s.outputs.contains(&value));
    // From the end: a value stays narrow if all its readers take it so.
    let mut narrow: HashMap<usize, bool> = HashMap::new();
    for step in inside.iter().rev() {
        let Some(Some(input)) = step.inputs.first().copied() else {
            continue;
        };
        let takes = match &step.op {
            Op::Conv(conv) if conv.groups == 1 => {
                step.inputs.get(1).copied().flatten().is_some_and(|w| {
                    model
                        .constants
                        .get(&w)
                        .is_some_and(|w| w.shape().get(1).is_some_and(|n| *n <= 4))
                })
            }
            Op::Binary(_) => narrow.get(&step.outputs[0]).copied().unwrap_or(false),
            _ => false,
        };
        *narrow.entry(input).or_insert(true) &= takes;
        for other in step.inputs.iter().skip(1).flatten() {
            narrow.insert(*other, false);
        }
    }
    for step in inside {
        let affine = matches!(step.op, Op::Binary(_));
        if !affine {
            step.outputs.iter().for_each(|v| {
                narrow.insert(*v, false);
            });
        }
    }
    let is_narrow = |value: usize| narrow.get(&value).copied().unwrap_or(false);
    let (mut layers, mut exports, mut imports) = (Vec::<Layer>::new(), Vec::new(), Vec::new());
    // Values that are some channels of another.
    let mut parts: BTreeMap<usize, (usize, Range<usize>)> = BTreeMap::new();
    for (i, step) in inside.iter().enumerate() {
        if is_channels_last(&step.op) {
            let read = step.inputs[0]?;
            let (from, channels) = parts.get(&read).cloned().unwrap_or((read, 0..usize::MAX));
            exports.push(Export {
                from,
                value: step.outputs[0],
                channels,
                channels_last: true,
            });
            continue;
        }
        if let Some(ranges) = channels_of(&step.op) {
            let whole = step.inputs[0]?;
            let named = step.outputs.iter().zip(ranges);
            parts.extend(named.map(|(value, range)| (*value, (whole, range))));
            continue;
        }
        let layer = layer(steps.start + i, step, &model.constants, kernels, &is_narrow)?;
        for value in &layer.inputs {
            if !written(*value) && !imports.iter().any(|(v, _)| v == value) {
                imports.push((*value, is_narrow(*value)));
            }
        }
        layers.push(layer);
    }
    let outside = || {
        model.steps[..steps.start]
            .iter()
            .chain(&model.steps[steps.end..])
    };
    let whole = layers.iter().map(|l| (l.output, (l.output, 0..usize::MAX)));
    for (value, (from, channels)) in whole.chain(parts) {
        let read = outside().any(|s| s.inputs.contains(&Some(value)))
            || model.output_values.contains(&value);
        if read {
            exports.push(Export {
                from,
                value,
                channels,
                channels_last: false,
            });
        }
    }
    // A transposition of what comes from elsewhere is no work for this path.
    let inner = |e: &Export| layers.iter().any(|l| l.output == e.from);
    (!layers.is_empty() && exports.iter().all(inner)).then(|| Island {
        steps,
        form: kernels.form,
        layers,
        imports,
        exports,
        plans: Mutex::default(),
    })
}

fn layer(
    at: usize,
    step: &Step,
    constants: &HashMap<usize, Value>,
    Kernels { form, precision }: Kernels,
    narrow: &dyn Fn(usize) -> bool,
) -> Option<Layer> {
    let constant = |i: usize| {
        step.inputs
            .get(i)
            .copied()
            .flatten()
            .and_then(|v| constants.get(&v))
    };
    let variable = |i: usize| {
        step.inputs
            .get(i)
            .copied()
            .flatten()
            .filter(|v| !constants.contains_key(v))
    };
    let input = variable(0)?;
    let mut inputs = vec![input];
    let kind = match &step.op {
        Op::Conv(conv) => {
            let weight = constant(1)?.float().ok()?;
            let &[n_out, per_group, kh, kw] = weight.shape() else {
                return None;
            };
            let bias = match step.inputs.get(2).copied().flatten() {
                Some(_) => constant(2)?.float().ok()?.data().to_vec(),
                None => vec![0.0; n_out],
            };
            if let Some(residual) = step.inputs.get(3).copied().flatten() {
                inputs.push(Some(residual).filter(|v| !constants.contains_key(v))?);
            }
            let (activation, slopes) = match &conv.finish {
                Finish::Same(activation) => (*activation, None),
                Finish::PerChannel(s) if s.len() == 1 => (Activation::Slope(s[0]), None),
                Finish::PerChannel(s) => (Activation::None, Some(s)),
            };
            let wrong =
                bias.len() != n_out || slopes.is_some_and(|s| s.len() != n_out) || kh * kw == 0;
            let dense = conv.groups == 1;
            let depthwise = conv.groups == n_out && per_group == 1;
            if wrong
                || n_out == 0
                || per_group == 0
                || !(dense || depthwise)
                || conv.kernel_differs([kh, kw])
            {
                return None;
            }
            let n_in = per_group * conv.groups;
            let pixel = if narrow(input) {
                n_in
            } else {
                form.padded(n_in)
            };
            let (sizes, data) = ([n_out, n_in, kh, kw], weight.data());
            let in_eight_bits = dense
                && precision == Precision::Int8
                && n_in.min(n_out) >= EIGHT_BITS_FROM
                && kh * kw * pixel <= EightBits::MOST
                && conv.geometry.dilations[1] == 1;
            let packed = match (in_eight_bits, dense) {
                (true, _) => Packed::EightBits(form.pack_eight(data, sizes, pixel)),
                (_, true) => Packed::Floats(Buffer::copied(&form.pack_dense(data, sizes, pixel))),
                _ => {
                    let packed = form.pack_depthwise(data, n_out, kh * kw);
                    Packed::Floats(Buffer::copied(&packed))
                }
            };
            let weights = Weights {
                packed,
                bias: Buffer::copied(&form.pad(&bias)),
                slopes: slopes.map(|s| Buffer::copied(&form.pad(s))),
                activation,
                geometry: conv.geometry.clone(),
                kernel: [kh, kw],
                n_in,
                n_out,
                pixel,
            };
            if dense {
                Kind::Dense(weights)
            } else {
                Kind::Depthwise(weights)
            }
        }
        Op::Pool(window) => Kind::Max(window.clone()),
        Op::Add if step.inputs.len() == 2 => {
            inputs.push(variable(1)?);
            Kind::Add
        }
        Op::Binary(Binary::Sub | Binary::Mul) if step.inputs.len() == 2 => {
            let scalar = constant(1)?.float().ok().filter(|t| t.data().len() == 1)?;
            let scalar = Some(scalar).filter(|t| t.shape().len() <= 4)?.data()[0];
            let subtracts = matches!(step.op, Op::Binary(Binary::Sub));
            let (factor, addend) = if subtracts {
                (1.0, -scalar)
            } else {
                (scalar, 0.0)
            };
            Kind::Affine { factor, addend }
        }
        Op::Resize(resize) => {
            let rest = (1..step.inputs.len()).map(|i| match step.inputs[i] {
                None => Some(None),
                Some(_) => constant(i).map(|v| Some(v.clone())),
            });
            Kind::Resize(resize.clone(), rest.collect::<Option<Vec<_>>>()?)
        }
        _ => return None,
    };
    Some(Layer {
        step: at,
        kind,
        inputs,
        output: *step.outputs.first()?,
    })
}

impl Island {
    /// Whether the step at this place of the model multiplies in eight bits.
    pub(crate) fn is_in_eight_bits(&self, step: usize) -> bool {
        let packed = |kind: &Kind| matches!(kind, Kind::Dense(w) if matches!(w.packed, Packed::EightBits(_)));
        self.layers
            .iter()
            .any(|l| l.step == step && packed(&l.kind))
    }

    /// Runs the island, or says that these shapes are none for it.
    ///
    /// `told` receives nanoseconds and operations of each layer by the place of its step.
    pub(crate) fn run(
        &self,
        given: &[Option<Source>],
        values: &[Option<Value>],
        max_elements: usize,
        n_bands: usize,
        told: Option<&mut dyn FnMut(usize, u64, u64)>,
    ) -> Option<Vec<(usize, Tensor)>> {
        let mut sources = Vec::with_capacity(self.imports.len());
        for (value, _) in &self.imports {
            let written = || values[*value].as_ref().and_then(|v| v.float().ok());
            sources.push(given[*value].or_else(|| written().map(Source::Tensor))?);
        }
        let key: Vec<Vec<usize>> = sources.iter().map(Source::shape).collect();
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        let plan = match plans.iter().find(|(k, _)| *k == key) {
            Some((_, plan)) => plan.clone(),
            None => {
                let plan = Plan::new(self, &key, max_elements).map(Arc::new);
                if plans.len() == KEPT_PLANS {
                    plans.remove(0);
                }
                plans.push((key, plan.clone()));
                plan
            }
        };
        drop(plans);
        Some(rows::run(self, &*plan?, &sources, n_bands, told))
    }
}

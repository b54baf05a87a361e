//! Narrow convolutions side by side made one. In: a network. Out: the same with the heads of a detector merged.
//!
//! A head of 1, 4 or 10 channels costs as much as one of a whole vector. Those that read one value and differ in nothing
//! but weights become one convolution whose result is split again; so do the depthwise convolutions behind them.

use crate::graph::{Model, Step};
use crate::ops::Op;
use crate::tensor::{Tensor, Value};

/// Channels from which a convolution fills vectors by itself.
const WIDE: usize = 16;

/// A head: a dense convolution, and perhaps a depthwise one behind it, by their places among the steps.
struct Head {
    dense: usize,
    depthwise: Option<usize>,
    channels: usize,
}

/// Merges what can be merged.
pub(super) fn merge(model: &mut Model) {
    let mut at = 0;
    while at < model.steps.len() {
        let heads = siblings(model, at);
        if heads.len() > 1 {
            put_together(model, &heads);
        }
        at += 1;
    }
}

/// The heads that can be merged with the one that begins at a step, itself first.
fn siblings(model: &Model, at: usize) -> Vec<Head> {
    let Some(first) = head(model, at) else {
        return Vec::new();
    };
    let like = |a: usize, b: usize| {
        let (a, b) = (&model.steps[a], &model.steps[b]);
        let shape = |s: &Step| weights(model, s).map(|w| w.shape()[2..].to_vec());
        match (&a.op, &b.op) {
            (Op::Conv(x), Op::Conv(y)) => {
                x.geometry == y.geometry && x.finish == y.finish && shape(a) == shape(b)
            }
            _ => false,
        }
    };
    let mut heads = vec![first];
    for other in at + 1..model.steps.len() {
        let same_input = model.steps[other].inputs.first() == model.steps[at].inputs.first();
        let Some(head) = head(model, other).filter(|_| same_input) else {
            continue;
        };
        let behind = match (heads[0].depthwise, head.depthwise) {
            (None, None) => true,
            (Some(a), Some(b)) => like(a, b),
            _ => false,
        };
        if behind && like(at, other) {
            heads.push(head);
        }
    }
    heads
}

fn head(model: &Model, at: usize) -> Option<Head> {
    let channels = plain(model, at, |groups, shape| groups == 1 && shape[0] < WIDE)?;
    let readers = readers(model, model.steps[at].outputs[0]);
    let behind = |at: usize| {
        plain(model, at, |groups, shape| {
            groups == shape[0] && shape[1] == 1
        })
    };
    if let [only] = readers[..]
        && behind(only) == Some(channels)
        && model.steps[only].inputs[0] == Some(model.steps[at].outputs[0])
        && !model.output_values.contains(&model.steps[at].outputs[0])
    {
        let ends = is_end(model, model.steps[only].outputs[0]);
        return ends.then_some(Head {
            dense: at,
            depthwise: Some(only),
            channels,
        });
    }
    is_end(model, model.steps[at].outputs[0]).then_some(Head {
        dense: at,
        depthwise: None,
        channels,
    })
}

/// Channels of a convolution with constant weights, no residual, and one finish for all channels.
fn plain(model: &Model, at: usize, fits: impl Fn(usize, &[usize]) -> bool) -> Option<usize> {
    let step = &model.steps[at];
    let Op::Conv(conv) = &step.op else {
        return None;
    };
    let shape = weights(model, step)?.shape();
    let bias = step.inputs.get(2).copied().flatten();
    let known = bias.is_none_or(|b| {
        let bias = model.constants.get(&b).and_then(|b| b.float().ok());
        bias.is_some_and(|b| b.data().len() == shape[0])
    });
    let alone = step.inputs.get(3).copied().flatten().is_none();
    let one_finish = matches!(conv.finish, crate::ops::Finish::Same(_));
    let variable = step.inputs[0].is_some_and(|v| !model.constants.contains_key(&v));
    (known && alone && one_finish && variable && shape[0] > 0 && fits(conv.groups, shape))
        .then_some(shape[0])
}

fn weights<'m>(model: &'m Model, step: &Step) -> Option<&'m Tensor> {
    let weights = model
        .constants
        .get(&step.inputs.get(1).copied().flatten()?)?;
    weights.float().ok().filter(|w| w.shape().len() == 4)
}

fn readers(model: &Model, value: usize) -> Vec<usize> {
    let reads = |at: &usize| model.steps[*at].inputs.contains(&Some(value));
    (0..model.steps.len()).filter(reads).collect()
}

/// Whether a value is for those who read the network's results: what computes on further would want it whole.
fn is_end(model: &Model, value: usize) -> bool {
    let ends = |at: usize| {
        let op = &model.steps[at].op;
        matches!(
            op,
            Op::Transpose { .. }
                | Op::Unary(_)
                | Op::Reshape { .. }
                | Op::Flatten { .. }
                | Op::Softmax { .. }
        )
    };
    readers(model, value).into_iter().all(ends)
}

fn put_together(model: &mut Model, heads: &[Head]) {
    let dense: Vec<usize> = heads.iter().map(|h| h.dense).collect();
    let depthwise: Option<Vec<usize>> = heads.iter().map(|h| h.depthwise).collect();
    let (Some(mut first), parts) = (
        joined(model, &dense, 1),
        heads.iter().map(|h| h.channels as i64).collect(),
    ) else {
        return;
    };
    let last = depthwise.as_ref().unwrap_or(&dense);
    let outputs: Vec<usize> = last.iter().map(|at| model.steps[*at].outputs[0]).collect();
    let mut merged = Vec::new();
    if let Some(depthwise) = &depthwise {
        let total = heads.iter().map(|h| h.channels).sum();
        let Some(mut second) = joined(model, depthwise, total) else {
            return;
        };
        second.inputs[0] = Some(fresh(model, &mut first));
        merged.push(first);
        first = second;
    }
    let whole = fresh(model, &mut first);
    let split = Step {
        name: first.name.clone(),
        op: Op::Split {
            axis: 1,
            parts: Some(parts),
            n: heads.len(),
        },
        inputs: vec![Some(whole)],
        outputs,
    };
    merged.extend([first, split]);
    // What all of them read is there where the first one stood, and nobody reads them earlier.
    let gone: Vec<usize> = dense
        .iter()
        .chain(depthwise.iter().flatten())
        .copied()
        .collect();
    let place = dense[0];
    let mut merged = Some(merged);
    let steps = std::mem::take(&mut model.steps);
    for (at, step) in steps.into_iter().enumerate() {
        if at == place {
            model.steps.extend(merged.take().into_iter().flatten());
        }
        if !gone.contains(&at) {
            model.steps.push(step);
        }
    }
}

/// Gives a step a result of its own.
fn fresh(model: &mut Model, step: &mut Step) -> usize {
    let value = model.n_values;
    model.n_values += 1;
    step.outputs = vec![value];
    value
}

/// The first of the convolutions with the weights of all.
fn joined(model: &mut Model, all: &[usize], groups: usize) -> Option<Step> {
    let mut step = model.steps[all[0]].clone();
    let (mut numbers, mut bias) = (Vec::new(), Vec::new());
    let mut shape = weights(model, &step)?.shape().to_vec();
    shape[0] = 0;
    let mut names = Vec::new();
    for at in all {
        let one = &model.steps[*at];
        let tensor = weights(model, one)?;
        if tensor.shape()[1..] != shape[1..] {
            return None;
        }
        shape[0] += tensor.shape()[0];
        numbers.extend_from_slice(tensor.data());
        match one.inputs.get(2).copied().flatten() {
            Some(b) => bias.extend_from_slice(model.constants.get(&b)?.float().ok()?.data()),
            None => bias.resize(shape[0], 0.0),
        }
        names.push(&*one.name);
    }
    step.name = names.join("+");
    let bias = Tensor::new(vec![shape[0]], bias).ok()?;
    let numbers = Tensor::new(shape, numbers).ok()?;
    if let Op::Conv(conv) = &mut step.op {
        conv.groups = groups;
    }
    for (input, tensor) in [(1, numbers), (2, bias)] {
        let value = model.n_values;
        model.n_values += 1;
        model.constants.insert(value, Value::Float(tensor));
        step.inputs.resize(4, None);
        step.inputs[input] = Some(value);
    }
    Some(step)
}

//! Merges narrow convolutions that read the same value, such as the heads of a detector. In: a
//! network. Out: one with a wider convolution and a split.
//!
//! A convolution to 1, 4 or 10 channels costs as much as one to a whole vector of channels.
//! Siblings that read one value and differ only in their weights become one convolution, whose
//! result is split again; so do the depthwise convolutions that follow them.

use std::collections::HashMap;

use crate::model::{Model, Step};
use crate::ops::Op;
use crate::tensor::Tensor;

/// Output channels from which a convolution fills vectors by itself.
const WIDE: usize = 16;

/// Readers of one value that are considered; no detector has more heads.
const MAX_SIBLINGS: usize = 64;

type Readers = HashMap<usize, Vec<usize>>;

/// A dense convolution, and perhaps the depthwise one that reads it, by their indices among the
/// steps.
struct Head {
    dense: usize,
    depthwise: Option<usize>,
    channels: usize,
}

/// Merges what can be merged.
pub(super) fn run(model: &mut Model) {
    let mut readers = readers(model);
    let mut at = 0;
    while at < model.steps.len() {
        let heads = siblings(model, &readers, at);
        if heads.len() > 1 {
            merge_heads(model, &heads);
            readers = self::readers(model);
        }
        at += 1;
    }
}

/// For each value the steps that read it.
fn readers(model: &Model) -> Readers {
    let mut readers = Readers::new();
    for (at, step) in model.steps.iter().enumerate() {
        for value in step.inputs.iter().flatten() {
            readers.entry(*value).or_default().push(at);
        }
    }
    readers
}

/// The heads that can be merged with the one that begins at step `at`, that one first.
fn siblings(model: &Model, readers: &Readers, at: usize) -> Vec<Head> {
    let siblings_of_input = model.steps[at].inputs.first().copied().flatten();
    let siblings_of_input = siblings_of_input
        .and_then(|v| readers.get(&v))
        .map_or(&[][..], |r| r);
    if !(2..=MAX_SIBLINGS).contains(&siblings_of_input.len()) {
        return Vec::new();
    }
    let Some(first) = head(model, readers, at) else {
        return Vec::new();
    };
    let like = |a: usize, b: usize| {
        let (a, b) = (&model.steps[a], &model.steps[b]);
        let shape = |s: &Step| weights(model, s).map(|w| w.shape()[2..].to_vec());
        match (&a.op, &b.op) {
            (Op::Conv(x), Op::Conv(y)) => {
                x.geometry == y.geometry && x.epilogue == y.epilogue && shape(a) == shape(b)
            }
            _ => false,
        }
    };
    let mut heads = vec![first];
    for &other in siblings_of_input.iter().filter(|other| **other > at) {
        if model.steps[other].inputs.first() != model.steps[at].inputs.first() {
            continue;
        }
        let Some(head) = head(model, readers, other) else {
            continue;
        };
        let followers_match = match (heads[0].depthwise, head.depthwise) {
            (None, None) => true,
            (Some(a), Some(b)) => like(a, b),
            _ => false,
        };
        if followers_match && like(at, other) {
            heads.push(head);
        }
    }
    heads
}

fn head(model: &Model, readers: &Readers, at: usize) -> Option<Head> {
    let channels = plain(model, at, |groups, shape| groups == 1 && shape[0] < WIDE)?;
    let followers_match = |at: usize| {
        plain(model, at, |groups, shape| {
            groups == shape[0] && shape[1] == 1
        })
    };
    let value = model.steps[at].outputs[0];
    let mut last = at;
    if let Some([only]) = readers.get(&value).map(|r| &r[..])
        && followers_match(*only) == Some(channels)
        && model.steps[*only].inputs[0] == Some(value)
        && !model.output_values.contains(&value)
    {
        last = *only;
    }
    is_read_by_final_operators_only(model, readers, model.steps[last].outputs[0]).then_some(Head {
        dense: at,
        depthwise: (last != at).then_some(last),
        channels,
    })
}

/// Output channels of a convolution with constant weights, no residual, and one activation for all
/// channels.
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
    let one_epilogue = matches!(conv.epilogue, crate::ops::conv::ConvEpilogue::Same(_));
    let variable = step.inputs[0].is_some_and(|v| !model.constants.contains_key(&v));
    let stated = !conv.kernel_differs([shape[2], shape[3]]);
    let usual = known && alone && one_epilogue && variable && stated;
    (usual && shape[0] > 0 && fits(conv.groups, shape)).then_some(shape[0])
}

fn weights<'m>(model: &'m Model, step: &Step) -> Option<&'m Tensor> {
    let weights = model
        .constants
        .get(&step.inputs.get(1).copied().flatten()?)?;
    weights.float().ok().filter(|w| w.shape().len() == 4)
}

/// Whether a value is read only by operators that end a network; a split result would slow down
/// others.
fn is_read_by_final_operators_only(model: &Model, readers: &Readers, value: usize) -> bool {
    let ends = |at: &usize| {
        let op = &model.steps[*at].op;
        matches!(
            op,
            Op::Transpose { .. }
                | Op::Unary(_)
                | Op::Reshape { .. }
                | Op::Flatten { .. }
                | Op::Softmax { .. }
                | Op::Shape { .. }
        )
    };
    readers.get(&value).is_none_or(|r| r.iter().all(ends))
}

fn merge_heads(model: &mut Model, heads: &[Head]) {
    let dense: Vec<usize> = heads.iter().map(|h| h.dense).collect();
    let depthwise: Option<Vec<usize>> = heads.iter().map(|h| h.depthwise).collect();
    let (Some(mut first), parts) = (
        concatenated(model, &dense, 1),
        heads.iter().map(|h| h.channels as i64).collect(),
    ) else {
        return;
    };
    let last = depthwise.as_ref().unwrap_or(&dense);
    let outputs: Vec<usize> = last.iter().map(|at| model.steps[*at].outputs[0]).collect();
    let mut merged = Vec::new();
    if let Some(depthwise) = &depthwise {
        let total = heads.iter().map(|h| h.channels).sum();
        let Some(mut second) = concatenated(model, depthwise, total) else {
            return;
        };
        second.inputs[0] = Some(set_new_output(model, &mut first));
        merged.push(first);
        first = second;
    }
    let whole = set_new_output(model, &mut first);
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
    // The merged steps take the position of the first head: their input is computed before it, and
    // their results are read after it.
    let merged_away: Vec<usize> = dense
        .iter()
        .chain(depthwise.iter().flatten())
        .copied()
        .collect();
    let position = dense[0];
    let mut merged = Some(merged);
    let steps = std::mem::take(&mut model.steps);
    for (at, step) in steps.into_iter().enumerate() {
        if at == position {
            model.steps.extend(merged.take().into_iter().flatten());
        }
        if !merged_away.contains(&at) {
            model.steps.push(step);
        }
    }
}

/// Gives a step a new value as its result.
fn set_new_output(model: &mut Model, step: &mut Step) -> usize {
    let value = model.add_value();
    step.outputs = vec![value];
    value
}

/// The first of the convolutions with the weights of all.
fn concatenated(model: &mut Model, all: &[usize], groups: usize) -> Option<Step> {
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
        let value = model.add_constant(tensor);
        step.inputs.resize(4, None);
        step.inputs[input] = Some(value);
    }
    Some(step)
}

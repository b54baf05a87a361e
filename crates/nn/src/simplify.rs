//! Fewer steps, the same result. In: a checked network. Out: one with constants computed, batch-norms folded into
//! convolutions, activations and residuals finished where the convolution stores, and narrow heads merged.

use std::collections::HashMap;

use fusiform_kernels::finish::Activation;

use crate::error::Error;
use crate::graph::Model;
use crate::ops::{Finish, Op, Work};
use crate::session::Pool;
use crate::tensor::{Tensor, Value};

mod heads;

pub(crate) fn simplify(model: &mut Model) -> Result<(), Error> {
    drop_identities(model);
    fold_constants(model)?;
    fold_batch_norms(model)?;
    fuse_into_convolutions(model);
    heads::merge(model);
    Ok(())
}

/// Lets readers of a copy read the original.
fn drop_identities(model: &mut Model) {
    let mut instead: HashMap<usize, usize> = HashMap::new();
    model.steps.retain_mut(|step| {
        for input in step.inputs.iter_mut().flatten() {
            if let Some(original) = instead.get(input) {
                *input = *original;
            }
        }
        match (&step.op, step.inputs.first(), step.outputs.first()) {
            (Op::Identity, Some(Some(original)), Some(copy)) => {
                instead.insert(*copy, *original);
                false
            }
            _ => true,
        }
    });
    for output in &mut model.output_values {
        if let Some(original) = instead.get(output) {
            *output = *original;
        }
    }
}

/// Runs every step whose inputs are all constants.
fn fold_constants(model: &mut Model) -> Result<(), Error> {
    let pool = Pool::default();
    let mut kept = Vec::with_capacity(model.steps.len());
    for step in std::mem::take(&mut model.steps) {
        let known = step
            .inputs
            .iter()
            .flatten()
            .all(|v| model.constants.contains_key(v));
        // A node without inputs is a constant; one that grows its input is left for the run, which has limits too.
        if !known {
            kept.push(step);
            continue;
        }
        let inputs: Vec<Option<&Value>> = step
            .inputs
            .iter()
            .map(|v| v.and_then(|v| model.constants.get(&v)))
            .collect();
        let work = Work {
            inputs: &inputs,
            pool: &pool,
            limits: &model.limits,
        };
        let results = step
            .op
            .run(&work)
            .map_err(|e| e.at(&step.name, step.op.name()))?;
        for (number, value) in step.outputs.iter().zip(results) {
            model.constants.insert(*number, value);
        }
    }
    model.steps = kept;
    Ok(())
}

/// How often each value is read, outputs of the model included.
fn reads(model: &Model) -> Vec<usize> {
    let mut counts = vec![0; model.n_values];
    for value in model.steps.iter().flat_map(|s| s.inputs.iter().flatten()) {
        counts[*value] += 1;
    }
    for value in &model.output_values {
        counts[*value] += 1;
    }
    counts
}

/// Which step writes each value.
fn writers(model: &Model) -> HashMap<usize, usize> {
    let of_step = |(i, s): (usize, &crate::graph::Step)| {
        s.outputs.iter().map(move |v| (*v, i)).collect::<Vec<_>>()
    };
    model.steps.iter().enumerate().flat_map(of_step).collect()
}

/// `bn(conv(x))` is a convolution with other weights: `w·g/σ` and `(b − μ)·g/σ + β` (Ioffe and Szegedy, 2015).
fn fold_batch_norms(model: &mut Model) -> Result<(), Error> {
    let (counts, written_by) = (reads(model), writers(model));
    let mut gone = Vec::new();
    for position in 0..model.steps.len() {
        let Op::BatchNorm { epsilon } = model.steps[position].op else {
            continue;
        };
        let inputs = model.steps[position].inputs.clone();
        let Some(&conv_at) = inputs
            .first()
            .copied()
            .flatten()
            .and_then(|v| written_by.get(&v))
        else {
            continue;
        };
        let conv = &model.steps[conv_at];
        let alone = counts[conv.outputs[0]] == 1;
        let Some(weight_at) = conv.inputs.get(1).copied().flatten() else {
            continue;
        };
        let bias_at = conv.inputs.get(2).copied().flatten();
        if !matches!(conv.op, Op::Conv(_)) || !alone || gone.contains(&conv_at) {
            continue;
        }
        let constant = |v: Option<usize>| v.and_then(|v| model.constants.get(&v));
        let float = |v| constant(v).and_then(|v| v.float().ok()).map(Tensor::data);
        let part = |i: usize| float(inputs.get(i).copied().flatten());
        let (Some(gain), Some(shift), Some(mean), Some(variance)) =
            (part(1), part(2), part(3), part(4))
        else {
            continue;
        };
        let Some(Ok(weight)) = model.constants.get(&weight_at).map(Value::float) else {
            continue;
        };
        let n_out = weight.shape().first().copied().unwrap_or(0);
        if n_out == 0
            || [gain, shift, mean, variance]
                .iter()
                .any(|p| p.len() != n_out)
        {
            continue;
        }
        let bias = match bias_at {
            Some(_) => match float(bias_at).filter(|b| b.len() == n_out) {
                Some(bias) => bias.to_vec(),
                None => continue,
            },
            None => vec![0.0; n_out],
        };
        let per_out = weight.data().len() / n_out;
        let mut new_weight = weight.data().to_vec();
        let mut new_bias = Vec::with_capacity(n_out);
        for channel in 0..n_out {
            let factor = gain[channel] / (variance[channel] + epsilon).sqrt();
            for w in &mut new_weight[channel * per_out..][..per_out] {
                *w *= factor;
            }
            new_bias.push((bias[channel] - mean[channel]) * factor + shift[channel]);
        }
        let new_weight = Tensor::new(weight.shape().to_vec(), new_weight)?;
        let new_bias = Tensor::new(vec![n_out], new_bias)?;
        let (w, b) = (model.n_values, model.n_values + 1);
        model.n_values += 2;
        model.constants.insert(w, Value::Float(new_weight));
        model.constants.insert(b, Value::Float(new_bias));
        let output = model.steps[position].outputs[0];
        let conv = &mut model.steps[conv_at];
        conv.inputs = vec![conv.inputs[0], Some(w), Some(b)];
        conv.outputs = vec![output];
        gone.push(position);
    }
    remove(model, &gone);
    Ok(())
}

/// Lets a convolution add the residual and apply the activation that would otherwise be steps of their own.
fn fuse_into_convolutions(model: &mut Model) {
    let (counts, written_by) = (reads(model), writers(model));
    let mut gone = Vec::new();
    for conv_at in 0..model.steps.len() {
        if !matches!(model.steps[conv_at].op, Op::Conv(_)) {
            continue;
        }
        // conv → (Add other) → (activation), each read by nobody else.
        let mut at = conv_at;
        let mut finish = Finish::default();
        let mut residual = None;
        while let Some(next_at) = only_reader(model, at, &counts) {
            let next = &model.steps[next_at];
            let mine = model.steps[at].outputs[0];
            match &next.op {
                Op::Add if residual.is_none() && finish == Finish::default() => {
                    let [Some(a), Some(b)] = next.inputs[..] else {
                        break;
                    };
                    let other = if a == mine { b } else { a };
                    // The other summand must be there when the convolution runs.
                    if other == mine {
                        break;
                    }
                    let ready = written_by.get(&other).is_none_or(|w| *w < conv_at);
                    if !ready || model.constants.contains_key(&other) {
                        break;
                    }
                    residual = Some(other);
                }
                op if finish == Finish::default() => match op.as_finish(next, &model.constants) {
                    Some(f) => finish = f,
                    None => break,
                },
                _ => break,
            }
            gone.push(next_at);
            at = next_at;
            if finish != Finish::default() {
                break;
            }
        }
        let output = model.steps[at].outputs[0];
        let step = &mut model.steps[conv_at];
        if let Op::Conv(conv) = &mut step.op {
            conv.finish = finish;
            step.inputs.resize(3, None);
            step.inputs.push(residual);
            step.outputs = vec![output];
        }
    }
    remove(model, &gone);
}

fn only_reader(model: &Model, at: usize, counts: &[usize]) -> Option<usize> {
    let value = *model.steps[at].outputs.first()?;
    if counts[value] != 1 || model.output_values.contains(&value) {
        return None;
    }
    let reads = |s: &crate::graph::Step| s.inputs.contains(&Some(value));
    model
        .steps
        .iter()
        .skip(at + 1)
        .position(reads)
        .map(|offset| at + 1 + offset)
}

fn remove(model: &mut Model, gone: &[usize]) {
    let mut position = 0;
    model.steps.retain(|_| {
        position += 1;
        !gone.contains(&(position - 1))
    });
}

impl Op {
    /// The operator as the end of a convolution, if it can be one.
    fn as_finish(
        &self,
        step: &crate::graph::Step,
        constants: &HashMap<usize, Value>,
    ) -> Option<Finish> {
        match self {
            Op::Relu => Some(Finish::Same(Activation::Relu)),
            Op::LeakyRelu { slope } => Some(Finish::Same(Activation::Slope(*slope))),
            Op::Clip { low, high } if step.inputs.len() == 1 => {
                Some(Finish::Same(Activation::Clip(*low, *high)))
            }
            Op::PRelu => {
                let slope = constants
                    .get(&step.inputs.get(1).copied().flatten()?)?
                    .float()
                    .ok()?;
                Some(Finish::PerChannel(slope.data().to_vec()))
            }
            _ => None,
        }
    }
}

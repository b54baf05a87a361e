//! Fuses residual sums and activations into the convolution before them. In: a network. Out: one
//! whose convolutions add and activate while they store.

use fusiform_kernels::epilogue::Activation;

use crate::model::Model;
use crate::ops::Op;
use crate::ops::conv::ConvEpilogue;
use crate::tensor::Tensor;

pub(super) fn run(model: &mut Model) {
    let (counts, writers) = (model.use_counts(), model.writers());
    let mut fused = Vec::new();
    for conv_at in 0..model.steps.len() {
        if !matches!(model.steps[conv_at].op, Op::Conv(_)) {
            continue;
        }
        // conv → (Add other) → (activation), each result read once.
        let mut at = conv_at;
        let mut epilogue = ConvEpilogue::default();
        let mut residual = None;
        while let Some(next_at) = only_reader(model, at, &counts) {
            let next = &model.steps[next_at];
            let result = model.steps[at].outputs[0];
            match &next.op {
                Op::Add if residual.is_none() && epilogue == ConvEpilogue::default() => {
                    let [Some(a), Some(b)] = next.inputs[..] else {
                        break;
                    };
                    let other = if a == result { b } else { a };
                    // The other summand must be computed before the convolution runs.
                    if other == result {
                        break;
                    }
                    let ready = writers.get(&other).is_none_or(|w| *w < conv_at);
                    if !ready || model.constants.contains_key(&other) {
                        break;
                    }
                    residual = Some(other);
                }
                op if epilogue == ConvEpilogue::default() => match epilogue_of(
                    op,
                    next.input(1).and_then(|v| model.float_constant(Some(v))),
                    next.inputs.len(),
                ) {
                    Some(found) => epilogue = found,
                    None => break,
                },
                _ => break,
            }
            fused.push(next_at);
            at = next_at;
            if epilogue != ConvEpilogue::default() {
                break;
            }
        }
        let output = model.steps[at].outputs[0];
        let step = &mut model.steps[conv_at];
        if let Op::Conv(conv) = &mut step.op {
            conv.epilogue = epilogue;
            step.inputs.resize(3, None);
            step.inputs.push(residual);
            step.outputs = vec![output];
        }
    }
    model.remove_steps(&fused);
}

fn only_reader(model: &Model, at: usize, counts: &[usize]) -> Option<usize> {
    let value = *model.steps[at].outputs.first()?;
    if counts[value] != 1 || model.output_values.contains(&value) {
        return None;
    }
    let reads = |s: &crate::model::Step| s.inputs.contains(&Some(value));
    model
        .steps
        .iter()
        .skip(at + 1)
        .position(reads)
        .map(|offset| at + 1 + offset)
}

/// The operator as the epilogue of a convolution, if it can be one. `slopes` is its second input.
fn epilogue_of(op: &Op, slopes: Option<&Tensor>, n_inputs: usize) -> Option<ConvEpilogue> {
    match op {
        Op::Relu => Some(ConvEpilogue::Same(Activation::Relu)),
        Op::LeakyRelu { slope } => Some(ConvEpilogue::Same(Activation::Slope(*slope))),
        Op::Clip { low, high } if n_inputs == 1 => {
            Some(ConvEpilogue::Same(Activation::Clip(*low, *high)))
        }
        Op::PRelu => Some(ConvEpilogue::PerChannel(slopes?.data().to_vec())),
        _ => None,
    }
}

//! Folds batch normalisation into the convolution before it. In: a network. Out: one with changed
//! weights and fewer steps.
//!
//! `bn(conv(x))` is a convolution with weights `w·g/σ` and bias `(b − μ)·g/σ + β` (Ioffe and
//! Szegedy, 2015).

use crate::error::Error;
use crate::model::Model;
use crate::ops::Op;
use crate::tensor::Tensor;

/// # Errors
/// [`Error`] if the new weights do not fit their shape, which the checks rule out.
pub(super) fn run(model: &mut Model) -> Result<(), Error> {
    let (mut use_counts, writers) = (model.use_counts(), model.writers());
    let mut folded = Vec::new();
    for position in 0..model.steps.len() {
        let step = &model.steps[position];
        let Op::BatchNorm { epsilon } = step.op else {
            continue;
        };
        let Some(&conv_at) = step.input(0).and_then(|v| writers.get(&v)) else {
            continue;
        };
        let conv = &model.steps[conv_at];
        let only_reader = use_counts[conv.outputs[0]] == 1;
        if !matches!(conv.op, Op::Conv(_)) || !only_reader || folded.contains(&conv_at) {
            continue;
        }
        let (Some(input), Some(weight_value)) = (conv.input(0), conv.input(1)) else {
            continue;
        };
        let float = |v| model.float_constant(v).map(Tensor::data);
        let part = |i: usize| float(step.input(i));
        let (Some(gain), Some(shift), Some(mean), Some(variance)) =
            (part(1), part(2), part(3), part(4))
        else {
            continue;
        };
        let Some(weight) = model.float_constant(Some(weight_value)) else {
            continue;
        };
        let n_out = weight.shape().first().copied().unwrap_or(0);
        let lengths = [gain, shift, mean, variance].map(<[f32]>::len);
        if n_out == 0 || lengths != [n_out; 4] {
            continue;
        }
        let old_bias = match conv.input(2) {
            Some(value) => match float(Some(value)).filter(|b| b.len() == n_out) {
                Some(bias) => bias.to_vec(),
                None => continue,
            },
            None => vec![0.0; n_out],
        };
        let (mut factors, mut bias) = (Vec::with_capacity(n_out), Vec::with_capacity(n_out));
        for channel in 0..n_out {
            let factor = gain[channel] / (variance[channel] + epsilon).sqrt();
            factors.push(factor);
            bias.push((old_bias[channel] - mean[channel]) * factor + shift[channel]);
        }
        let Some(mut weight) = model.take_float_constant(weight_value, &mut use_counts) else {
            continue;
        };
        let per_out = weight.data().len() / n_out;
        let kernels = weight.data_mut().chunks_exact_mut(per_out.max(1));
        for (kernel, factor) in kernels.zip(factors) {
            kernel.iter_mut().for_each(|w| *w *= factor);
        }
        let weight = model.add_constant(weight);
        let bias = model.add_constant(Tensor::new(vec![n_out], bias)?);
        use_counts.extend([1, 1]);
        let output = model.steps[position].outputs[0];
        let conv = &mut model.steps[conv_at];
        conv.inputs = vec![Some(input), Some(weight), Some(bias)];
        conv.outputs = vec![output];
        folded.push(position);
    }
    model.remove_steps(&folded);
    Ok(())
}

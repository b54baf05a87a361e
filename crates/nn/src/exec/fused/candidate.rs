//! Candidates: which steps can run fused. In: a step's attributes and the shapes of its constants.
//! Out: what it would compute. Knows nothing of image sizes, and touches no weights.

use std::ops::Range;

use crate::model::{Model, Step};
use crate::ops::Op;
use crate::ops::arithmetic::Binary;
use crate::ops::conv::{Conv, ConvEpilogue};

/// What a fusible step computes.
pub(super) enum Candidate {
    Conv {
        is_dense: bool,
        sizes: [usize; 4],
    },
    MaxPool,
    Add,
    Affine {
        factor: f32,
        addend: f32,
    },
    Resize,
    /// A transposition to channels last: an export in another layout.
    ChannelsLast,
    /// A split into these channels: its results are exports of a part.
    Split(Vec<Range<usize>>),
}

impl Candidate {
    pub(super) fn is_layer(&self) -> bool {
        !matches!(self, Candidate::ChannelsLast | Candidate::Split(_))
    }
}

/// What a step computes, if it can run fused as far as that is known without image sizes.
pub(super) fn candidate(model: &Model, step: &Step) -> Option<Candidate> {
    let is_constant = |value: usize| model.constants.contains_key(&value);
    let is_variable = |i: usize| step.input(i).is_some_and(|v| !is_constant(v));
    let float = |i: usize| model.float_constant(step.input(i));
    match &step.op {
        Op::Transpose { order: Some(order) } if order[..] == [0, 2, 3, 1] => {
            return Some(Candidate::ChannelsLast);
        }
        Op::Split {
            axis: 1,
            parts: Some(parts),
            n,
        } => return channel_ranges(parts, *n).map(Candidate::Split),
        _ => {}
    }
    step.outputs.first()?;
    is_variable(0).then_some(())?;
    Some(match &step.op {
        Op::Conv(conv) => conv_candidate(model, step, conv)?,
        Op::Pool(window) if window.is_unpadded_max() => Candidate::MaxPool,
        Op::Add if step.inputs.len() == 2 && is_variable(1) => Candidate::Add,
        Op::Binary(Binary::Sub | Binary::Mul) if step.inputs.len() == 2 => {
            let scalar = float(1).filter(|t| t.data().len() == 1 && t.shape().len() <= 4)?;
            let scalar = scalar.data()[0];
            let (factor, addend) = match step.op {
                Op::Binary(Binary::Sub) => (1.0, -scalar),
                _ => (scalar, 0.0),
            };
            Candidate::Affine { factor, addend }
        }
        Op::Resize(resize) if resize.is_nearest() => {
            let mut others = step.inputs.iter().skip(1).flatten();
            others
                .all(|v| is_constant(*v))
                .then_some(Candidate::Resize)?
        }
        _ => return None,
    })
}

fn conv_candidate(model: &Model, step: &Step, conv: &Conv) -> Option<Candidate> {
    let weight = model.float_constant(step.input(1))?;
    let &[n_out, per_group, kh, kw] = weight.shape() else {
        return None;
    };
    if step.input(2).is_some() {
        let bias = model.float_constant(step.input(2))?;
        (bias.data().len() == n_out).then_some(())?;
    }
    if let Some(residual) = step.input(3) {
        (!model.constants.contains_key(&residual)).then_some(())?;
    }
    let slopes_fit = match &conv.epilogue {
        ConvEpilogue::Same(_) => true,
        ConvEpilogue::PerChannel(slopes) => slopes.len() == 1 || slopes.len() == n_out,
    };
    let is_dense = conv.groups == 1;
    let is_depthwise = conv.groups == n_out && per_group == 1;
    let fits = slopes_fit
        && n_out > 0
        && per_group > 0
        && kh * kw > 0
        && (is_dense || is_depthwise)
        && !conv.kernel_differs([kh, kw]);
    fits.then_some(Candidate::Conv {
        is_dense,
        sizes: [n_out, per_group * conv.groups, kh, kw],
    })
}

/// The channels of each result of a split.
fn channel_ranges(parts: &[i64], n: usize) -> Option<Vec<Range<usize>>> {
    let mut end = 0usize;
    let mut ranges = Vec::new();
    for part in parts {
        let start = end;
        end = start.checked_add(usize::try_from(*part).ok()?)?;
        ranges.push(start..end);
    }
    (ranges.len() == n).then_some(ranges)
}

/// Whether a candidate can run fused among its neighbours. A split can, if it splits all channels
/// of a convolution and no layer reads its results: a layer reads whole images.
pub(super) fn fits_in_place(model: &Model, candidates: &[Option<Candidate>], at: usize) -> bool {
    let parts = match &candidates[at] {
        None => return false,
        Some(Candidate::Split(parts)) => parts,
        Some(_) => return true,
    };
    let step = &model.steps[at];
    let [Some(whole)] = step.inputs[..] else {
        return false;
    };
    let writer = model.steps.iter().find(|s| s.outputs.contains(&whole));
    let total = parts.last().map(|p| p.end);
    let splits_all = writer.is_some_and(|s| {
        let n_out = s.weight_shape(&model.constants).first().copied();
        matches!(s.op, Op::Conv(_)) && n_out == total
    });
    let mut readers = (0..model.steps.len()).filter(|i| {
        let inputs = model.steps[*i].inputs.iter().flatten();
        inputs.into_iter().any(|v| step.outputs.contains(v))
    });
    let is_layer = |i: usize| candidates[i].as_ref().is_some_and(Candidate::is_layer);
    splits_all && !readers.any(is_layer)
}

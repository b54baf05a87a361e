//! Element-wise operators, softmax and batch normalisation. In: one or two tensors. Out: one of the
//! broadcast shape. Knows nothing of fusion.

use fusiform_kernels::epilogue::Activation;

use super::attributes::Attributes;
use super::axis::axis_of;
use super::context::OpContext;
use crate::error::Error;
use crate::tensor::{Ints, Tensor, Value};

/// An element-wise operator of one input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Unary {
    Sigmoid,
    HardSigmoid { alpha: f32, beta: f32 },
    HardSwish,
    Exp,
    Log,
    Sqrt,
    Floor,
    Ceil,
    Neg,
    Abs,
    Tanh,
    Erf,
}

impl Unary {
    pub(super) fn read(op: &str, a: &mut Attributes) -> Result<Option<Unary>, Error> {
        Ok(Some(match op {
            "Sigmoid" => Unary::Sigmoid,
            "HardSigmoid" => Unary::HardSigmoid {
                alpha: a.float("alpha", 0.2)?,
                beta: a.float("beta", 0.5)?,
            },
            "HardSwish" => Unary::HardSwish,
            "Exp" => Unary::Exp,
            "Log" => Unary::Log,
            "Sqrt" => Unary::Sqrt,
            "Floor" => Unary::Floor,
            "Ceil" => Unary::Ceil,
            "Neg" => Unary::Neg,
            "Abs" => Unary::Abs,
            "Tanh" => Unary::Tanh,
            "Erf" => Unary::Erf,
            _ => return Ok(None),
        }))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Unary::Sigmoid => "Sigmoid",
            Unary::HardSigmoid { .. } => "HardSigmoid",
            Unary::HardSwish => "HardSwish",
            Unary::Exp => "Exp",
            Unary::Log => "Log",
            Unary::Sqrt => "Sqrt",
            Unary::Floor => "Floor",
            Unary::Ceil => "Ceil",
            Unary::Neg => "Neg",
            Unary::Abs => "Abs",
            Unary::Tanh => "Tanh",
            Unary::Erf => "Erf",
        }
    }

    pub(super) fn run(self, context: &OpContext) -> Result<Tensor, Error> {
        match self {
            Unary::Sigmoid => map(context, |x| 1.0 / (1.0 + (-x).exp())),
            Unary::HardSigmoid { alpha, beta } => {
                map(context, |x| (alpha * x + beta).clamp(0.0, 1.0))
            }
            Unary::HardSwish => map(context, |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
            Unary::Exp => map(context, f32::exp),
            Unary::Log => map(context, f32::ln),
            Unary::Sqrt => map(context, f32::sqrt),
            Unary::Floor => map(context, f32::floor),
            Unary::Ceil => map(context, f32::ceil),
            Unary::Neg => map(context, |x| -x),
            Unary::Abs => map(context, f32::abs),
            Unary::Tanh => map(context, f32::tanh),
            Unary::Erf => map(context, erf),
        }
    }
}

/// Error function, 7.1.26 of Abramowitz and Stegun (1964); absolute error below 1.5e-7.
fn erf(x: f32) -> f32 {
    let a = f64::from(x.abs());
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let poly = t
        * (0.254_829_592
            + t * (-0.284_496_736
                + t * (1.421_413_741 + t * (-1.453_152_027 + t * 1.061_405_429))));
    ((1.0 - poly * (-a * a).exp()) as f32).copysign(x)
}

pub(super) fn map(context: &OpContext, f: impl Fn(f32) -> f32) -> Result<Tensor, Error> {
    let input = context.float(0)?;
    let mut out = context.result(input.shape().to_vec())?;
    for (to, from) in out.data_mut().iter_mut().zip(input.data()) {
        *to = f(*from);
    }
    Ok(out)
}

pub(super) fn clip(context: &OpContext, low: f32, high: f32) -> Result<Tensor, Error> {
    let bound = |position: usize, default: f32| match context.optional(position) {
        None => Ok(default),
        Some(value) => value
            .float()?
            .data()
            .first()
            .copied()
            .ok_or_else(|| Error::shape("an empty bound")),
    };
    let (low, high) = (bound(1, low)?, bound(2, high)?);
    map(context, |x| x.max(low).min(high))
}

/// `x` where positive, `slope · x` elsewhere; the slope is broadcast to `x`.
pub(super) fn prelu(context: &OpContext) -> Result<Tensor, Error> {
    let (input, slope) = (context.float(0)?, context.float(1)?);
    let act = |x: f32, s: f32| Activation::Slope(s).apply(x);
    broadcast(context, input, slope, act).and_then(|out| {
        if out.shape() == input.shape() {
            return Ok(out);
        }
        let (i, s) = (input.shape(), slope.shape());
        Err(Error::shape(format!("slopes {s:?} do not fit {i:?}")))
    })
}

/// `(x − μ)·g/√(σ² + ε) + β` per channel, where it was not folded into a
/// convolution.
pub(super) fn batch_norm(context: &OpContext, epsilon: f32) -> Result<Tensor, Error> {
    let input = context.float(0)?;
    let part = |i: usize| context.float(i).map(Tensor::data);
    let (gain, shift, mean, variance) = (part(1)?, part(2)?, part(3)?, part(4)?);
    let n = input.shape().get(1).copied().unwrap_or(1);
    if [gain, shift, mean, variance].iter().any(|p| p.len() != n) {
        return Err(Error::shape(format!(
            "parameters for other than {n} channels"
        )));
    }
    let area: usize = input.shape().iter().skip(2).product();
    let mut out = context.result(input.shape().to_vec())?;
    if area == 0 {
        return Ok(out);
    }
    let rows = out
        .data_mut()
        .chunks_exact_mut(area)
        .zip(input.data().chunks_exact(area));
    for (row, (to, from)) in rows.enumerate() {
        let c = row % n;
        let factor = gain[c] / (variance[c] + epsilon).sqrt();
        let offset = shift[c] - mean[c] * factor;
        for (to, from) in to.iter_mut().zip(from) {
            *to = from * factor + offset;
        }
    }
    Ok(out)
}

/// An element-wise operator of two inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Min,
    Max,
}

impl Binary {
    pub(super) fn read(op: &str) -> Option<Binary> {
        Some(match op {
            "Sub" => Binary::Sub,
            "Mul" => Binary::Mul,
            "Div" => Binary::Div,
            "Pow" => Binary::Pow,
            "Min" => Binary::Min,
            "Max" => Binary::Max,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Binary::Add => "Add",
            Binary::Sub => "Sub",
            Binary::Mul => "Mul",
            Binary::Div => "Div",
            Binary::Pow => "Pow",
            Binary::Min => "Min",
            Binary::Max => "Max",
        }
    }

    pub(super) fn run(self, context: &OpContext) -> Result<Value, Error> {
        if context.inputs.len() != 2 {
            return Err(Error::unsupported(format!(
                "{} inputs; two are covered",
                context.inputs.len()
            )));
        }
        match (context.input(0)?, context.input(1)?) {
            (Value::Float(a), Value::Float(b)) => {
                let out = match self {
                    Binary::Add => broadcast(context, a, b, |a, b| a + b),
                    Binary::Sub => broadcast(context, a, b, |a, b| a - b),
                    Binary::Mul => broadcast(context, a, b, |a, b| a * b),
                    Binary::Div => broadcast(context, a, b, |a, b| a / b),
                    Binary::Pow => broadcast(context, a, b, f32::powf),
                    Binary::Min => broadcast(context, a, b, f32::min),
                    Binary::Max => broadcast(context, a, b, f32::max),
                };
                out.map(Value::Float)
            }
            (Value::Int(a), Value::Int(b)) => self.on_ints(a, b).map(Value::Int),
            (a, b) => {
                let (a, b) = (a.shape(), b.shape());
                Err(Error::shape(format!(
                    "floats and integers together: {a:?}, {b:?}"
                )))
            }
        }
    }

    /// Integer arithmetic, on shapes: equal lengths, or one number and several.
    fn on_ints(self, a: &Ints, b: &Ints) -> Result<Ints, Error> {
        let n = a.data.len().max(b.data.len());
        let fits = |v: &Ints| v.data.len() == n || v.data.len() == 1;
        if !fits(a) || !fits(b) {
            return Err(Error::shape(format!(
                "{:?} and {:?} do not fit",
                a.shape, b.shape
            )));
        }
        let at = |v: &Ints, i: usize| v.data[if v.data.len() == 1 { 0 } else { i }];
        let one = |i: usize| {
            let (a, b) = (at(a, i), at(b, i));
            match self {
                Binary::Add => a.checked_add(b),
                Binary::Sub => a.checked_sub(b),
                Binary::Mul => a.checked_mul(b),
                Binary::Div => a.checked_div(b),
                Binary::Pow => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
                Binary::Min => Some(a.min(b)),
                Binary::Max => Some(a.max(b)),
            }
        };
        let data: Option<Vec<i64>> = (0..n).map(one).collect();
        let shape = if a.data.len() == n {
            a.shape.clone()
        } else {
            b.shape.clone()
        };
        Ints::new(
            shape,
            data.ok_or_else(|| Error::shape("integers out of range"))?,
        )
    }
}

/// The shape that both broadcast to, by NumPy's rule, which is ONNX's.
pub(super) fn broadcast_shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Error> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], i: usize| (i + s.len()).checked_sub(rank).map_or(1, |j| s[j]);
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y => Ok(x),
            (1, y) => Ok(y),
            (x, 1) => Ok(x),
            _ => Err(Error::shape(format!("{a:?} and {b:?} do not broadcast"))),
        })
        .collect()
}

/// Distance in memory between neighbours along each axis of `shape`; 0 where `of` is repeated.
pub(super) fn strides_in(of: &[usize], shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![0; shape.len()];
    let mut step = 1;
    for (axis, size) in of.iter().enumerate().rev() {
        let at = axis + shape.len() - of.len();
        strides[at] = if *size == 1 { 0 } else { step };
        step *= size;
    }
    strides
}

fn broadcast(
    context: &OpContext,
    a: &Tensor,
    b: &Tensor,
    f: impl Fn(f32, f32) -> f32,
) -> Result<Tensor, Error> {
    let shape = broadcast_shape(a.shape(), b.shape())?;
    let mut out = context.result(shape.clone())?;
    if a.shape() == b.shape() {
        for ((to, x), y) in out.data_mut().iter_mut().zip(a.data()).zip(b.data()) {
            *to = f(*x, *y);
        }
        return Ok(out);
    }
    let inner = shape.last().copied().unwrap_or(1);
    if inner == 0 || out.data().is_empty() {
        return Ok(out);
    }
    let (sa, sb) = (strides_in(a.shape(), &shape), strides_in(b.shape(), &shape));
    let (ia, ib) = (
        sa.last().copied().unwrap_or(0),
        sb.last().copied().unwrap_or(0),
    );
    let mut index = vec![0usize; shape.len().saturating_sub(1)];
    for row in out.data_mut().chunks_exact_mut(inner) {
        let offset = |s: &[usize]| index.iter().zip(s).map(|(i, s)| i * s).sum::<usize>();
        let (a, b) = (&a.data()[offset(&sa)..], &b.data()[offset(&sb)..]);
        match (ia, ib) {
            (1, 0) => row.iter_mut().zip(a).for_each(|(to, x)| *to = f(*x, b[0])),
            (0, 1) => row.iter_mut().zip(b).for_each(|(to, y)| *to = f(a[0], *y)),
            _ => row
                .iter_mut()
                .enumerate()
                .for_each(|(i, to)| *to = f(a[i * ia], b[i * ib])),
        }
        advance(&mut index, &shape);
    }
    Ok(out)
}

/// Counts up a multi-digit index whose digits run to `shape`.
pub(super) fn advance(index: &mut [usize], shape: &[usize]) {
    for (digit, size) in index.iter_mut().zip(shape).rev() {
        *digit += 1;
        if *digit < *size {
            return;
        }
        *digit = 0;
    }
}

/// Exponentials that sum to one along an axis; before opset 13 along all axes from there on.
pub(super) fn softmax(context: &OpContext, axis: i64, flatten: bool) -> Result<Tensor, Error> {
    let input = context.float(0)?;
    let shape = input.shape();
    let axis = axis_of(axis, shape.len())?;
    let (n, inner) = if flatten {
        (shape[axis..].iter().product(), 1)
    } else {
        (shape[axis], shape[axis + 1..].iter().product::<usize>())
    };
    let mut out = context.result(shape.to_vec())?;
    if out.data().is_empty() {
        return Ok(out);
    }
    let blocks = out
        .data_mut()
        .chunks_exact_mut(n * inner)
        .zip(input.data().chunks_exact(n * inner));
    for (to, from) in blocks {
        for lane in 0..inner {
            let at = |i: usize| i * inner + lane;
            let most = (0..n)
                .map(|i| from[at(i)])
                .fold(f32::NEG_INFINITY, f32::max);
            let mut sum = 0.0;
            for i in 0..n {
                to[at(i)] = (from[at(i)] - most).exp();
                sum += to[at(i)];
            }
            for i in 0..n {
                to[at(i)] /= sum;
            }
        }
    }
    Ok(out)
}

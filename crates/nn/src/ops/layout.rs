//! Operators that move numbers and change none. In: tensors. Out: the same numbers concatenated,
//! split, sliced, gathered, transposed, padded or repeated.

use super::arithmetic::{advance, broadcast_shape, strides_in};
use super::attributes::Attributes;
use super::axis::axis_of;
use super::context::OpContext;
use crate::error::Error;
use crate::tensor::{Ints, Tensor, Value, elements};

/// Picks elements by their indices in the source, floats or integers.
fn pick(
    context: &OpContext,
    value: &Value,
    shape: Vec<usize>,
    picked: impl Iterator<Item = usize>,
) -> Result<Value, Error> {
    match value {
        Value::Float(t) => {
            let mut out = context.result(shape)?;
            out.data_mut()
                .iter_mut()
                .zip(picked)
                .for_each(|(to, index)| *to = t.data()[index]);
            Ok(Value::Float(out))
        }
        Value::Int(t) => Ok(Value::Int(Ints::new(
            shape,
            picked.map(|i| t.data[i]).collect(),
        )?)),
    }
}

/// The indices of a source read along `shape` with the given strides from `start`.
fn walk(shape: &[usize], strides: Vec<isize>, start: usize) -> impl Iterator<Item = usize> {
    let n = elements(shape).unwrap_or(0);
    let shape = shape.to_vec();
    let mut index = vec![0; shape.len()];
    (0..n).map(move |_| {
        let offset: isize = index
            .iter()
            .zip(&strides)
            .map(|(i, s)| *i as isize * s)
            .sum();
        advance(&mut index, &shape);
        (start as isize + offset) as usize
    })
}

fn row_major(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1; shape.len()];
    for axis in (0..shape.len().saturating_sub(1)).rev() {
        strides[axis] = strides[axis + 1] * shape[axis + 1] as isize;
    }
    strides
}

pub(super) fn concat(context: &OpContext, axis: i64) -> Result<Value, Error> {
    let first = context.input(0)?;
    let axis = axis_of(axis, first.shape().len())?;
    let mut shape = first.shape().to_vec();
    shape[axis] = 0;
    for i in 0..context.inputs.len() {
        let other = context.input(i)?.shape();
        let fits = other.len() == shape.len()
            && other
                .iter()
                .zip(first.shape())
                .enumerate()
                .all(|(a, (x, y))| a == axis || x == y);
        if !fits {
            let first = first.shape();
            return Err(Error::shape(format!(
                "{first:?} and {other:?} do not join on axis {axis}"
            )));
        }
        shape[axis] += other[axis];
    }
    let outer: usize = shape[..axis].iter().product();
    let inner: usize = shape[axis + 1..].iter().product();
    match first {
        Value::Float(_) => {
            let mut out = context.result(shape)?;
            let mut index = 0;
            for block in 0..outer {
                for i in 0..context.inputs.len() {
                    let t = context.float(i)?;
                    let n = t.shape()[axis] * inner;
                    out.data_mut()[index..index + n].copy_from_slice(&t.data()[block * n..][..n]);
                    index += n;
                }
            }
            Ok(Value::Float(out))
        }
        Value::Int(_) => {
            let mut data = Vec::new();
            for block in 0..outer {
                for i in 0..context.inputs.len() {
                    let t = context.input(i)?.ints()?;
                    let n = t.shape[axis] * inner;
                    data.extend_from_slice(&t.data[block * n..][..n]);
                }
            }
            Ok(Value::Int(Ints::new(shape, data)?))
        }
    }
}

pub(super) fn split(
    context: &OpContext,
    axis: i64,
    written: Option<&[i64]>,
    n: usize,
) -> Result<Vec<Value>, Error> {
    let value = context.input(0)?;
    let shape = value.shape();
    let axis = axis_of(axis, shape.len())?;
    let parts: Vec<usize> = match context.optional(1).map(|v| v.ints()).transpose()? {
        Some(parts) => parts
            .data
            .iter()
            .map(|p| usize::try_from(*p).unwrap_or(usize::MAX))
            .collect(),
        None => match written {
            Some(parts) => parts
                .iter()
                .map(|p| usize::try_from(*p).unwrap_or(usize::MAX))
                .collect(),
            None => {
                let each = shape[axis].div_ceil(n.max(1));
                (0..n)
                    .map(|i| each.min(shape[axis].saturating_sub(i * each)))
                    .collect()
            }
        },
    };
    let total = parts.iter().try_fold(0usize, |sum, p| sum.checked_add(*p));
    if total != Some(shape[axis]) || parts.len() != n {
        return Err(Error::shape(format!(
            "{parts:?} do not make up axis {axis} of {shape:?}"
        )));
    }
    let strides = row_major(shape);
    let mut start = 0;
    let mut out = Vec::with_capacity(n);
    for part in parts {
        let mut sides = shape.to_vec();
        sides[axis] = part;
        let from = start * strides[axis] as usize;
        out.push(pick(
            context,
            value,
            sides.clone(),
            walk(&sides, strides.clone(), from),
        )?);
        start += part;
    }
    Ok(out)
}

pub(super) fn transpose(context: &OpContext, order: Option<&[i64]>) -> Result<Value, Error> {
    let value = context.input(0)?;
    let shape = value.shape();
    let order: Vec<usize> = match order {
        None => (0..shape.len()).rev().collect(),
        Some(order) => order
            .iter()
            .map(|a| axis_of(*a, shape.len()))
            .collect::<Result<_, _>>()?,
    };
    let mut seen = order.clone();
    seen.sort_unstable();
    if seen != (0..shape.len()).collect::<Vec<_>>() {
        return Err(Error::shape(format!(
            "{order:?} does not permute the axes of {shape:?}"
        )));
    }
    let strides = row_major(shape);
    let sides: Vec<usize> = order.iter().map(|a| shape[*a]).collect();
    let permuted = order.iter().map(|a| strides[*a]).collect();
    pick(context, value, sides.clone(), walk(&sides, permuted, 0))
}

/// Bounds of Slice as attributes, as in files before opset 10.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    starts: Vec<i64>,
    ends: Vec<i64>,
    axes: Option<Vec<i64>>,
}

impl Bounds {
    pub(super) fn read(a: &mut Attributes) -> Result<Option<Bounds>, Error> {
        match (a.ints("starts")?, a.ints("ends")?) {
            (Some(starts), Some(ends)) => Ok(Some(Bounds {
                starts,
                ends,
                axes: a.ints("axes")?,
            })),
            (None, None) => Ok(None),
            _ => Err(Error::malformed(
                "starts without ends, or ends without starts",
            )),
        }
    }
}

pub(super) fn slice(context: &OpContext, written: Option<&Bounds>) -> Result<Value, Error> {
    let value = context.input(0)?;
    let shape = value.shape();
    let optional = |i: usize| {
        context
            .optional(i)
            .map(|v| v.ints().map(|t| t.data.clone()))
            .transpose()
    };
    let (starts, ends, axes, steps) = match written {
        Some(b) => (b.starts.clone(), b.ends.clone(), b.axes.clone(), None),
        None => (
            context.ints(1)?.to_vec(),
            context.ints(2)?.to_vec(),
            optional(3)?,
            optional(4)?,
        ),
    };
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
        return Err(Error::shape(
            "starts, ends, axes and steps of different lengths",
        ));
    }
    let mut strides = row_major(shape);
    let mut sides = shape.to_vec();
    let mut from = 0isize;
    for i in 0..starts.len() {
        let axis = axis_of(axes[i], shape.len())?;
        let (size, step) = (shape[axis] as i64, steps[i]);
        if step == 0 {
            return Err(Error::malformed("a step of 0"));
        }
        let wrap = |v: i64| if v < 0 { v.saturating_add(size) } else { v };
        let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
        let start = wrap(starts[i]).clamp(low.max(0), high.max(0));
        // Bounds beyond the axis, forwards or backwards, mean its end or its beginning.
        let end = wrap(ends[i]).clamp(low, high);
        let n = if step > 0 {
            (end - start + step - 1) / step
        } else {
            (start - end - step - 1) / -step
        };
        sides[axis] = usize::try_from(n).unwrap_or(0);
        from += start as isize * strides[axis];
        strides[axis] = strides[axis].saturating_mul(isize::try_from(step).unwrap_or(isize::MAX));
    }
    pick(
        context,
        value,
        sides.clone(),
        walk(&sides, strides, from as usize),
    )
}

pub(super) fn gather(context: &OpContext, axis: i64) -> Result<Value, Error> {
    let (value, indices) = (context.input(0)?, context.input(1)?.ints()?);
    let shape = value.shape();
    let axis = axis_of(axis, shape.len())?;
    let size = shape[axis] as i64;
    let wrap = |i: &i64| {
        let at = if *i < 0 { i + size } else { *i };
        let inside = (0..size).contains(&at);
        if inside {
            Ok(at as usize)
        } else {
            Err(Error::shape(format!("index {i} of {size}")))
        }
    };
    let chosen: Vec<usize> = indices.data.iter().map(wrap).collect::<Result<_, _>>()?;
    let mut sides = shape[..axis].to_vec();
    sides.extend(&indices.shape);
    sides.extend(&shape[axis + 1..]);
    let outer: usize = shape[..axis].iter().product();
    let inner: usize = shape[axis + 1..].iter().product();
    let size = shape[axis];
    let chosen = &chosen;
    let picked = (0..outer).flat_map(move |o| {
        chosen
            .iter()
            .flat_map(move |c| (0..inner).map(move |i| (o * size + c) * inner + i))
    });
    pick(context, value, sides, picked)
}

pub(super) fn pad(
    context: &OpContext,
    written: Option<&[i64]>,
    value: f32,
) -> Result<Tensor, Error> {
    let input = context.float(0)?;
    let shape = input.shape();
    let rank = shape.len();
    let pads = match context.optional(1) {
        Some(pads) => &pads.ints()?.data,
        None => written.ok_or_else(|| Error::malformed("no pads"))?,
    };
    let value = match context.optional(2) {
        Some(v) => v.float()?.data().first().copied().unwrap_or(value),
        None => value,
    };
    if pads.len() != 2 * rank || pads.iter().any(|p| !(0..=65_536).contains(p)) {
        return Err(Error::unsupported(format!("pads {pads:?} for {shape:?}")));
    }
    let sides: Vec<usize> = (0..rank)
        .map(|a| shape[a] + pads[a] as usize + pads[a + rank] as usize)
        .collect();
    let mut out = context.result(sides.clone())?;
    out.data_mut().fill(value);
    let strides = row_major(&sides);
    let start: isize = (0..rank).map(|a| pads[a] as isize * strides[a]).sum();
    for (index, value) in walk(shape, strides, start as usize).zip(input.data()) {
        out.data_mut()[index] = *value;
    }
    Ok(out)
}

pub(super) fn expand(context: &OpContext) -> Result<Tensor, Error> {
    let input = context.float(0)?;
    let wanted: Option<Vec<usize>> = context
        .ints(1)?
        .iter()
        .map(|s| usize::try_from(*s).ok())
        .collect();
    let wanted = wanted.ok_or_else(|| Error::shape("negative sizes"))?;
    let shape = broadcast_shape(input.shape(), &wanted)?;
    let strides = strides_in(input.shape(), &shape)
        .into_iter()
        .map(|s| s as isize)
        .collect();
    let mut out = context.result(shape.clone())?;
    for (to, index) in out.data_mut().iter_mut().zip(walk(&shape, strides, 0)) {
        *to = input.data()[index];
    }
    Ok(out)
}

//! Operators on shapes. In: a tensor. Out: the same numbers in another shape, or the shape itself.
//! Moves no number.

use super::axis::axis_of;
use super::context::OpContext;
use crate::error::Error;
use crate::tensor::{Ints, Tensor, Value, elements};

fn reshaped(value: &Value, shape: Vec<usize>) -> Result<Value, Error> {
    if elements(&shape) != elements(value.shape()) {
        return Err(Error::shape(format!(
            "{:?} cannot become {shape:?}",
            value.shape()
        )));
    }
    Ok(match value {
        Value::Float(t) => Value::Float(Tensor::new(shape, t.data().to_vec())?),
        Value::Int(t) => Value::Int(Ints::new(shape, t.data.clone())?),
    })
}

pub(super) fn reshape(context: &OpContext, allow_zero: bool) -> Result<Value, Error> {
    let value = context.input(0)?;
    let wanted = context.ints(1)?;
    let wrong = || Error::shape(format!("{:?} cannot become {wanted:?}", value.shape()));
    let mut shape = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (axis, side) in wanted.iter().enumerate() {
        shape.push(match *side {
            -1 if open.is_none() => {
                open = Some(axis);
                1
            }
            0 if !allow_zero => *value.shape().get(axis).ok_or_else(wrong)?,
            side => usize::try_from(side).map_err(|_| wrong())?,
        });
    }
    if let Some(axis) = open {
        let rest = elements(&shape).filter(|n| *n > 0).ok_or_else(wrong)?;
        let all = elements(value.shape()).ok_or_else(wrong)?;
        if all % rest != 0 {
            return Err(wrong());
        }
        shape[axis] = all / rest;
    }
    reshaped(value, shape)
}

pub(super) fn flatten(context: &OpContext, axis: i64) -> Result<Value, Error> {
    let value = context.input(0)?;
    let shape = value.shape();
    let axis = if axis == shape.len() as i64 {
        shape.len()
    } else {
        axis_of(axis, shape.len())?
    };
    let (left, right) = shape.split_at(axis);
    reshaped(value, vec![left.iter().product(), right.iter().product()])
}

fn axes<'a>(
    context: &OpContext<'a>,
    written: Option<&'a [i64]>,
) -> Result<Option<&'a [i64]>, Error> {
    match context.optional(1) {
        Some(axes) => Ok(Some(&axes.ints()?.data)),
        None => Ok(written),
    }
}

pub(super) fn squeeze(context: &OpContext, written: Option<&[i64]>) -> Result<Value, Error> {
    let value = context.input(0)?;
    let shape = value.shape();
    let gone: Vec<usize> = match axes(context, written)? {
        Some(axes) => axes
            .iter()
            .map(|a| axis_of(*a, shape.len()))
            .collect::<Result<_, _>>()?,
        None => (0..shape.len()).filter(|i| shape[*i] == 1).collect(),
    };
    let kept = shape
        .iter()
        .enumerate()
        .filter(|(i, _)| !gone.contains(i))
        .map(|(_, n)| *n);
    reshaped(value, kept.collect())
}

pub(super) fn unsqueeze(context: &OpContext, written: Option<&[i64]>) -> Result<Value, Error> {
    let value = context.input(0)?;
    let axes = axes(context, written)?.ok_or_else(|| Error::malformed("no axes"))?;
    let rank = value.shape().len() + axes.len();
    let new: Vec<usize> = axes
        .iter()
        .map(|a| axis_of(*a, rank))
        .collect::<Result<_, _>>()?;
    let mut old = value.shape().iter();
    let side = |i: usize| {
        if new.contains(&i) {
            Some(1)
        } else {
            old.next().copied()
        }
    };
    let shape: Option<Vec<usize>> = (0..rank).map(side).collect();
    reshaped(
        value,
        shape.ok_or_else(|| Error::shape("an axis is named twice"))?,
    )
}

pub(super) fn shape(context: &OpContext, start: i64, end: Option<i64>) -> Result<Value, Error> {
    let shape = context.input(0)?.shape();
    let rank = shape.len() as i64;
    let bound = |i: i64| (if i < 0 { i + rank } else { i }).clamp(0, rank) as usize;
    let (start, end) = (bound(start), bound(end.unwrap_or(rank)));
    let sides = shape.get(start..end.max(start)).unwrap_or_default();
    Ok(Value::Int(Ints::vector(
        sides.iter().map(|s| *s as i64).collect(),
    )))
}

pub(super) fn constant(context: &OpContext, value: Option<&Value>) -> Result<Value, Error> {
    let sides = context.ints(0)?;
    let shape: Option<Vec<usize>> = sides.iter().map(|s| usize::try_from(*s).ok()).collect();
    let shape = shape.ok_or_else(|| Error::shape(format!("sizes {sides:?}")))?;
    match value {
        Some(Value::Int(v)) => {
            let n = elements(&shape).filter(|n| *n <= context.limits.max_tensor_elements);
            let n = n.ok_or_else(|| Error::too_large(format!("a constant of shape {shape:?}")))?;
            Ok(Value::Int(Ints::new(
                shape,
                vec![v.data.first().copied().unwrap_or(0); n],
            )?))
        }
        Some(Value::Float(v)) => {
            let mut out = context.result(shape)?;
            out.data_mut()
                .fill(v.data().first().copied().unwrap_or(0.0));
            Ok(Value::Float(out))
        }
        None => {
            let mut out = context.result(shape)?;
            out.data_mut().fill(0.0);
            Ok(Value::Float(out))
        }
    }
}

pub(super) fn cast(context: &OpContext, to_float: bool) -> Result<Value, Error> {
    match (context.input(0)?, to_float) {
        (Value::Int(t), true) => {
            let data = t.data.iter().map(|v| *v as f32).collect();
            Ok(Value::Float(Tensor::new(t.shape.clone(), data)?))
        }
        (Value::Float(t), false) => {
            // Towards zero, as C and ONNX do it.
            let data = t.data().iter().map(|v| *v as i64).collect();
            Ok(Value::Int(Ints::new(t.shape().to_vec(), data)?))
        }
        (value, _) => Ok(value.clone()),
    }
}

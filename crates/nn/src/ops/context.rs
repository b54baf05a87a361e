//! The inputs of one operator and the memory for its results. In: values, limits, a buffer pool.
//! Out: inputs checked for presence and type. Knows nothing of operators.

use crate::error::Error;
use crate::exec::buffer_pool::BufferPool;
use crate::limits::Limits;
use crate::tensor::{Tensor, Value, elements};

/// The inputs of one operator, and where its results come from.
pub(crate) struct OpContext<'a> {
    pub(crate) inputs: &'a [Option<&'a Value>],
    pub(crate) buffers: &'a BufferPool,
    pub(crate) limits: &'a Limits,
}

impl<'a> OpContext<'a> {
    pub(crate) fn input(&self, position: usize) -> Result<&'a Value, Error> {
        self.optional(position)
            .ok_or_else(|| Error::malformed(format!("input {position} is missing")))
    }

    pub(crate) fn optional(&self, position: usize) -> Option<&'a Value> {
        self.inputs.get(position).copied().flatten()
    }

    pub(crate) fn float(&self, position: usize) -> Result<&'a Tensor, Error> {
        self.input(position)?.float()
    }

    /// The integers of an input, such as a shape.
    pub(crate) fn ints(&self, position: usize) -> Result<&'a [i64], Error> {
        Ok(&self.input(position)?.ints()?.data)
    }

    /// A result of this shape with unspecified content, if the limits allow it.
    pub(crate) fn result(&self, shape: Vec<usize>) -> Result<Tensor, Error> {
        let n = elements(&shape).filter(|n| *n <= self.limits.max_tensor_elements);
        let n = n.ok_or_else(|| {
            let max = self.limits.max_tensor_elements;
            Error::too_large(format!(
                "a result of shape {shape:?}; {max} elements are allowed"
            ))
        })?;
        Tensor::new(shape, self.buffers.take(n))
    }
}

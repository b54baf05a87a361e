//! Numbers with a shape. In: a shape and as many numbers. Out: the same, checked once.
//! Knows nothing of operators.

use crate::error::Error;

/// A dense `f32` array, row-major; images are `[batch, channels, height, width]`.
///
/// # Example
/// ```
/// let t = fusiform_nn::Tensor::new(vec![2, 3], vec![0.0; 6])?;
/// assert_eq!(t.shape(), [2, 3]);
/// assert!(fusiform_nn::Tensor::new(vec![2, 3], vec![0.0; 5]).is_err());
/// # Ok::<(), fusiform_nn::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl Tensor {
    /// A tensor of this shape and these numbers.
    ///
    /// # Errors
    /// [`Error`] if the shape does not have as many elements as there are numbers.
    pub fn new(shape: Vec<usize>, data: Vec<f32>) -> Result<Tensor, Error> {
        if elements(&shape) != Some(data.len()) {
            return Err(Error::shape(format!(
                "{} numbers do not fill {shape:?}",
                data.len()
            )));
        }
        Ok(Tensor { shape, data })
    }

    /// Size along each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The numbers, row-major.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The numbers, mutable.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// The numbers, without their shape.
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// The four sizes of an image `[batch, channels, height, width]` or of weights.
    pub(crate) fn nchw(&self) -> Result<[usize; 4], Error> {
        <[usize; 4]>::try_from(self.shape()).map_err(|_| {
            Error::shape(format!(
                "{:?} where [batch, channels, height, width] belongs",
                self.shape()
            ))
        })
    }

    /// The same numbers in another shape.
    pub(crate) fn reshaped(self, shape: Vec<usize>) -> Result<Tensor, Error> {
        Tensor::new(shape, self.data)
    }
}

/// Number of elements; `None` if it overflows.
pub(crate) fn elements(shape: &[usize]) -> Option<usize> {
    shape
        .iter()
        .try_fold(1usize, |n, side| n.checked_mul(*side))
}

/// A value that operators read and write.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Float(Tensor),
    /// Shapes and indices; truth values are 0 and 1.
    Int(Ints),
}

/// Integers with a shape.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ints {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<i64>,
}

impl Ints {
    pub(crate) fn new(shape: Vec<usize>, data: Vec<i64>) -> Result<Ints, Error> {
        if elements(&shape) != Some(data.len()) {
            return Err(Error::shape(format!(
                "{} numbers do not fill {shape:?}",
                data.len()
            )));
        }
        Ok(Ints { shape, data })
    }

    pub(crate) fn vector(data: Vec<i64>) -> Ints {
        Ints {
            shape: vec![data.len()],
            data,
        }
    }
}

impl Value {
    pub(crate) fn shape(&self) -> &[usize] {
        match self {
            Value::Float(t) => &t.shape,
            Value::Int(t) => &t.shape,
        }
    }

    pub(crate) fn float(&self) -> Result<&Tensor, Error> {
        match self {
            Value::Float(t) => Ok(t),
            Value::Int(t) => Err(Error::shape(format!(
                "integers {:?} where floats belong",
                t.shape
            ))),
        }
    }

    pub(crate) fn ints(&self) -> Result<&Ints, Error> {
        match self {
            Value::Int(t) => Ok(t),
            Value::Float(t) => Err(Error::shape(format!(
                "floats {:?} where integers belong",
                t.shape
            ))),
        }
    }
}

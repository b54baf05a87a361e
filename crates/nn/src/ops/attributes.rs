//! A node's attributes. In: attributes as the file has them. Out: typed values; one that no
//! operator reads is an error. Knows nothing of what they mean.

use crate::error::Error;
use crate::onnx::Attribute;
use crate::tensor::{Ints, Tensor, Value};

/// Attributes that were not read yet.
pub(super) struct Attributes {
    left: Vec<(String, Attribute)>,
}

impl Attributes {
    pub(super) fn new(all: Vec<(String, Attribute)>) -> Attributes {
        Attributes { left: all }
    }

    fn take(&mut self, name: &str) -> Option<Attribute> {
        let position = self.left.iter().position(|(n, _)| n == name)?;
        Some(self.left.swap_remove(position).1)
    }

    pub(super) fn float(&mut self, name: &str, default: f32) -> Result<f32, Error> {
        match self.take(name) {
            None => Ok(default),
            Some(Attribute::Float(value)) => Ok(value),
            Some(_) => Err(wrong(name, "a float")),
        }
    }

    pub(super) fn int(&mut self, name: &str, default: i64) -> Result<i64, Error> {
        Ok(self.optional_int(name)?.unwrap_or(default))
    }

    pub(super) fn optional_int(&mut self, name: &str) -> Result<Option<i64>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Int(value)) => Ok(Some(value)),
            Some(_) => Err(wrong(name, "an integer")),
        }
    }

    pub(super) fn ints(&mut self, name: &str) -> Result<Option<Vec<i64>>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Ints(values)) if values.len() <= 64 => Ok(Some(values)),
            Some(_) => Err(wrong(name, "a short list of integers")),
        }
    }

    pub(super) fn floats(&mut self, name: &str) -> Result<Option<Vec<f32>>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Floats(values)) if values.len() <= 64 => Ok(Some(values)),
            Some(_) => Err(wrong(name, "a short list of floats")),
        }
    }

    pub(super) fn text(&mut self, name: &str, default: &str) -> Result<String, Error> {
        match self.take(name) {
            None => Ok(default.into()),
            Some(Attribute::Text(value)) => Ok(value),
            Some(_) => Err(wrong(name, "text")),
        }
    }

    pub(super) fn tensor(&mut self, name: &str) -> Result<Option<Value>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Attribute::Tensor(value)) => Ok(Some(value)),
            Some(_) => Err(wrong(name, "a tensor")),
        }
    }

    pub(super) fn must_be(&mut self, name: &str, value: i64) -> Result<(), Error> {
        match self.int(name, value)? {
            found if found == value => Ok(()),
            found => Err(Error::unsupported(format!(
                "{name} = {found}; only {value} is covered"
            ))),
        }
    }

    pub(super) fn must_be_text(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let found = self.text(name, value)?;
        if found == value {
            return Ok(());
        }
        Err(Error::unsupported(format!(
            "{name} = {found:?}; only {value:?} is covered"
        )))
    }

    /// Drops attributes that matter in training only, or in modes that are refused.
    pub(super) fn ignore(&mut self, names: &[&str]) {
        self.left.retain(|(name, _)| !names.contains(&&**name));
    }

    /// The value of a Constant node, in whichever form it is written.
    pub(super) fn constant(&mut self) -> Result<Value, Error> {
        let (name, attribute) = self
            .left
            .pop()
            .ok_or_else(|| Error::malformed("a constant without a value"))?;
        match attribute {
            Attribute::Tensor(value) => Ok(value),
            Attribute::Float(value) => Tensor::new(vec![], vec![value]).map(Value::Float),
            Attribute::Floats(data) => Tensor::new(vec![data.len()], data).map(Value::Float),
            Attribute::Int(value) => Ints::new(vec![], vec![value]).map(Value::Int),
            Attribute::Ints(data) => Ok(Value::Int(Ints::vector(data))),
            _ => Err(Error::unsupported(format!(
                "a constant written as {name:?}"
            ))),
        }
    }

    /// Refuses attributes that were not read: one that is ignored would change the result.
    pub(super) fn refuse_rest(self) -> Result<(), Error> {
        match self.left.first() {
            None => Ok(()),
            Some((name, _)) => Err(Error::unsupported(format!(
                "attribute {name:?} is not covered"
            ))),
        }
    }
}

fn wrong(name: &str, wanted: &str) -> Error {
    Error::malformed(format!("attribute {name:?} is not {wanted}"))
}

/// Whether an ONNX number format becomes a float here; the others become integers.
pub(super) fn cast_to_float(to: i64) -> Result<bool, Error> {
    match to {
        1 | 10 | 11 => Ok(true),
        2..=7 | 9 | 12 | 13 => Ok(false),
        other => Err(Error::unsupported(format!(
            "a cast to number format {other}"
        ))),
    }
}

//! A network as a list of steps over numbered values. In: checked parts. Out: the same, and
//! which steps read and write which value. Knows nothing of files or of how an operator
//! computes.

use std::collections::HashMap;

use crate::limits::Limits;
use crate::ops::Op;
use crate::port::Port;
use crate::tensor::{Tensor, Value};

/// One operator with the numbers of the values it reads and writes.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// Name of the node, as in the file.
    pub(crate) name: String,
    pub(crate) op: Op,
    /// `None` for an optional input that is left out.
    pub(crate) inputs: Vec<Option<usize>>,
    pub(crate) outputs: Vec<usize>,
}

/// A network that was read, checked and optimised; [`crate::Session`] runs it.
///
/// # Example
/// ```no_run
/// use fusiform_nn::{Limits, Model};
/// let model = Model::open("detector.onnx".as_ref(), &Limits::default())?;
/// for port in model.inputs() {
///     println!("{} {:?}", port.name, port.shape);
/// }
/// # Ok::<(), fusiform_nn::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Model {
    /// In running order.
    pub(crate) steps: Vec<Step>,
    /// Values known before a run, by number.
    pub(crate) constants: HashMap<usize, Value>,
    /// Values are numbered from 0 to below this.
    pub(crate) n_values: usize,
    /// For each input port its value.
    pub(crate) input_values: Vec<usize>,
    /// For each output port its value.
    pub(crate) output_values: Vec<usize>,
    pub(crate) limits: Limits,
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
}

impl Step {
    /// The value of an input; `None` if it is left out.
    pub(crate) fn input(&self, position: usize) -> Option<usize> {
        self.inputs.get(position).copied().flatten()
    }

    /// Shape of the weights of a convolution or matrix product; empty for other operators.
    pub(crate) fn weight_shape(&self, constants: &HashMap<usize, Value>) -> Vec<usize> {
        let weighted = matches!(self.op, Op::Conv(_) | Op::Gemm { .. } | Op::MatMul);
        let weights = self.input(1).filter(|_| weighted);
        weights
            .and_then(|w| constants.get(&w))
            .map(|w| w.shape().to_vec())
            .unwrap_or_default()
    }
}

impl Model {
    /// The inputs that a run must be given.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// The outputs that a run returns, in this order.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// How many steps and outputs of the model read each value.
    pub(crate) fn use_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.n_values];
        let read = self.steps.iter().flat_map(|s| s.inputs.iter().flatten());
        for value in read.chain(&self.output_values) {
            counts[*value] += 1;
        }
        counts
    }

    /// For each value that a step writes, the index of the step.
    pub(crate) fn writers(&self) -> HashMap<usize, usize> {
        let steps = self.steps.iter().enumerate();
        let outputs = steps.flat_map(|(i, s)| s.outputs.iter().map(move |v| (*v, i)));
        outputs.collect()
    }

    /// A constant of floats.
    pub(crate) fn float_constant(&self, value: Option<usize>) -> Option<&Tensor> {
        self.constants.get(&value?)?.float().ok()
    }

    /// Gives a constant away if nothing else reads it, otherwise a copy, and counts one use less.
    pub(crate) fn take_float_constant(
        &mut self,
        value: usize,
        use_counts: &mut [usize],
    ) -> Option<Tensor> {
        use_counts[value] = use_counts[value].saturating_sub(1);
        if use_counts[value] > 0 {
            return self.constants.get(&value)?.float().ok().cloned();
        }
        match self.constants.remove(&value)? {
            Value::Float(tensor) => Some(tensor),
            Value::Int(_) => None,
        }
    }

    /// Adds a constant and gives its number.
    pub(crate) fn add_constant(&mut self, tensor: Tensor) -> usize {
        let value = self.add_value();
        self.constants.insert(value, Value::Float(tensor));
        value
    }

    /// A number for a new value.
    pub(crate) fn add_value(&mut self) -> usize {
        self.n_values += 1;
        self.n_values - 1
    }

    /// Removes the steps at these indices.
    pub(crate) fn remove_steps(&mut self, removed: &[usize]) {
        let mut index = 0;
        self.steps.retain(|_| {
            index += 1;
            !removed.contains(&(index - 1))
        });
    }
}

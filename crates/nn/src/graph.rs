//! A checked network. In: records as written. Out: operators in running order over numbered values.
//! Knows nothing of how an operator computes.

use std::collections::HashMap;

use crate::error::Error;
use crate::format::{Graph, read_model};
use crate::ops::Op;
use crate::simplify::simplify;
use crate::tensor::Value;

/// What a model may demand; checked before anything is allocated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file. Default 1 GiB; iResNet-100 in fp32 has 0.25.
    pub max_model_bytes: usize,
    /// Nodes of the graph. Default 20,000; iResNet-100 has under 400.
    pub max_nodes: usize,
    /// Elements of one tensor, weights and results alike. Default 2^28, a gigabyte of floats.
    pub max_tensor_elements: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_model_bytes: 1 << 30,
            max_nodes: 20_000,
            max_tensor_elements: 1 << 28,
        }
    }
}

/// One input or output of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Name in the file.
    pub name: String,
    /// Size along each axis.
    pub shape: Vec<Dim>,
}

/// Size along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dim {
    /// As the file states.
    Fixed(usize),
    /// Decided by what is put in.
    Any,
}

/// One operator with the numbers of the values it reads and writes.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) op: Op,
    /// `None` for an optional input that is left out.
    pub(crate) inputs: Vec<Option<usize>>,
    pub(crate) outputs: Vec<usize>,
}

impl Step {
    /// Shape of the weights of a convolution or matrix product.
    pub(crate) fn weights(&self, constants: &HashMap<usize, Value>) -> Vec<usize> {
        let weighted = matches!(self.op, Op::Conv(_) | Op::Gemm { .. } | Op::MatMul);
        let weights = self.inputs.get(1).copied().flatten().filter(|_| weighted);
        weights
            .and_then(|w| constants.get(&w))
            .map(|w| w.shape().to_vec())
            .unwrap_or_default()
    }
}

/// A network that was read, checked and simplified.
#[derive(Debug, Clone)]
pub struct Model {
    pub(crate) steps: Vec<Step>,
    pub(crate) constants: HashMap<usize, Value>,
    pub(crate) n_values: usize,
    pub(crate) input_values: Vec<usize>,
    pub(crate) output_values: Vec<usize>,
    pub(crate) limits: Limits,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
}

impl Model {
    /// Reads an ONNX model, checks it and simplifies it.
    ///
    /// # Errors
    /// [`Error`] naming the node: a truncated or cyclic file, an operator that is not covered, or more than `limits`.
    pub fn from_bytes(bytes: &[u8], limits: &Limits) -> Result<Model, Error> {
        let mut model = Model::build(read_model(bytes, limits)?, limits)?;
        simplify(&mut model)?;
        Ok(model)
    }

    /// What must be put in.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// What comes out.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    fn build(graph: Graph, limits: &Limits) -> Result<Model, Error> {
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut constants = HashMap::new();
        for (name, value) in graph.initialisers {
            let number = numbers.len();
            if numbers.insert(name.clone(), number).is_some() {
                return Err(Error::malformed(format!(
                    "two initialisers are called {name:?}"
                )));
            }
            constants.insert(number, value);
        }
        // Old files list their weights among the inputs too.
        let mut inputs = graph.inputs;
        inputs.retain(|port| !numbers.contains_key(&port.name));
        let mut input_values = Vec::new();
        for port in &inputs {
            let number = numbers.len();
            if numbers.insert(port.name.clone(), number).is_some() {
                return Err(Error::malformed(format!(
                    "two inputs are called {:?}",
                    port.name
                )));
            }
            input_values.push(number);
        }
        let mut steps = Vec::with_capacity(graph.nodes.len());
        for node in graph.nodes {
            let of = |e: Error| e.at(&node.name, &node.op);
            let op = Op::read(&node, graph.opset).map_err(of)?;
            // ONNX demands running order, so a name not seen yet is missing or part of a cycle.
            let mut read = Vec::with_capacity(node.inputs.len());
            for name in &node.inputs {
                read.push(match numbers.get(name) {
                    Some(number) => Some(*number),
                    None if name.is_empty() => None,
                    None => {
                        return Err(of(Error::malformed(format!(
                            "input {name:?} is computed by no earlier node: it is missing, or the \
                             graph has a cycle"
                        ))));
                    }
                });
            }
            if node.outputs.is_empty() {
                return Err(of(Error::malformed("it has no output")));
            }
            let mut written = Vec::with_capacity(node.outputs.len());
            for name in &node.outputs {
                let number = numbers.len();
                // An output left out keeps a number of its own.
                let key = if name.is_empty() {
                    format!("\0{number}")
                } else {
                    name.clone()
                };
                if numbers.insert(key, number).is_some() {
                    return Err(of(Error::malformed(format!("{name:?} is computed twice"))));
                }
                written.push(number);
            }
            steps.push(Step {
                name: node.name,
                op,
                inputs: read,
                outputs: written,
            });
        }
        let mut output_values = Vec::new();
        for port in &graph.outputs {
            let number = numbers.get(&port.name).ok_or_else(|| {
                Error::malformed(format!("output {:?} is computed by no node", port.name))
            })?;
            output_values.push(*number);
        }
        if output_values.is_empty() {
            return Err(Error::malformed("the graph has no output"));
        }
        Ok(Model {
            steps,
            constants,
            n_values: numbers.len(),
            input_values,
            output_values,
            limits: limits.clone(),
            inputs,
            outputs: graph.outputs,
        })
    }
}

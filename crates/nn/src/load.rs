//! Loading: from a file to a checked and optimised network. In: a path, a reader or bytes. Out: a
//! [`Model`]. Knows the order of the steps, not what they do.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::error::{Error, ErrorKind};
use crate::limits::Limits;
use crate::model::{Model, Step};
use crate::onnx::{Graph, read_model};
use crate::ops::Op;
use crate::optimize::optimize;

impl Model {
    /// Reads, checks and optimises an ONNX file.
    ///
    /// The file is decoded while it is read, so that memory holds its weights once. Prefer this to
    /// reading the file and calling [`Model::from_bytes`].
    ///
    /// # Errors
    /// As [`Model::from_reader`], or [`ErrorKind::Read`]; the message begins with the path.
    pub fn open(path: &Path, limits: &Limits) -> Result<Model, Error> {
        let failed = |e: std::io::Error| {
            Error::new(ErrorKind::Read, format!("the file cannot be read: {e}"))
        };
        let open = || {
            let file = File::open(path).map_err(failed)?;
            let n_bytes = file.metadata().map_err(failed)?.len();
            Model::from_reader(&mut BufReader::new(file), n_bytes, limits)
        };
        open().map_err(|e| e.in_file(path))
    }

    /// Reads, checks and optimises an ONNX model of `n_bytes` from a reader, such as one that
    /// hashes what it passes on.
    ///
    /// # Errors
    /// [`Error`] naming the node: a truncated or cyclic file, an operator that is not supported, or
    /// more than `limits`.
    pub fn from_reader(
        reader: &mut dyn BufRead,
        n_bytes: u64,
        limits: &Limits,
    ) -> Result<Model, Error> {
        let mut model = build(read_model(reader, n_bytes, limits)?, limits)?;
        optimize(&mut model)?;
        Ok(model)
    }

    /// Reads, checks and optimises an ONNX model from memory, such as one compiled into a program.
    ///
    /// # Errors
    /// As [`Model::from_reader`].
    pub fn from_bytes(bytes: &[u8], limits: &Limits) -> Result<Model, Error> {
        let mut reader = bytes;
        Model::from_reader(&mut reader, bytes.len() as u64, limits)
    }
}

/// Numbers the values and reads the operators; every name must be computed before it is read.
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
    for mut node in graph.nodes {
        let attributes = std::mem::take(&mut node.attributes);
        let at = |e: Error| e.at(&node.name, &node.op);
        let op = Op::read(&node, attributes, graph.opset).map_err(at)?;
        // ONNX demands running order, so a name not seen yet is missing or part of a cycle.
        let mut read = Vec::with_capacity(node.inputs.len());
        for name in &node.inputs {
            read.push(match numbers.get(name) {
                Some(number) => Some(*number),
                None if name.is_empty() => None,
                None => {
                    return Err(at(Error::malformed(format!(
                        "input {name:?} is computed by no earlier node: it is missing, or the \
                         graph has a cycle"
                    ))));
                }
            });
        }
        if node.outputs.is_empty() {
            return Err(at(Error::malformed("it has no output")));
        }
        let mut written = Vec::with_capacity(node.outputs.len());
        for name in &node.outputs {
            let number = numbers.len();
            // An output that is left out has a number too.
            let key = if name.is_empty() {
                format!("\0{number}")
            } else {
                name.clone()
            };
            if numbers.insert(key, number).is_some() {
                return Err(at(Error::malformed(format!("{name:?} is computed twice"))));
            }
            written.push(number);
        }
        if let Op::Constant(value) = op {
            constants.insert(written[0], value);
            continue;
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

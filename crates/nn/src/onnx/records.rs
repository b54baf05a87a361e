//! The messages of ONNX that a network needs. In: a byte stream. Out: records with the file's
//! names. Field numbers are those of `onnx.proto3` (ONNX 1.x, IR version 3 and later). Knows
//! nothing of what operators mean.

use std::io::BufRead;

use super::protobuf::{Bytes, Field, Message};
use crate::error::Error;
use crate::limits::Limits;
use crate::port::{Dim, Port};
use crate::tensor::{Ints, Tensor, Value, elements};

#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) opset: i64,
    pub(crate) nodes: Vec<Node>,
    pub(crate) initialisers: Vec<(String, Value)>,
    pub(crate) inputs: Vec<Port>,
    pub(crate) outputs: Vec<Port>,
}

#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) op: String,
    pub(crate) domain: String,
    pub(crate) inputs: Vec<String>,
    pub(crate) outputs: Vec<String>,
    pub(crate) attributes: Vec<(String, Attribute)>,
}

#[derive(Debug, Clone)]
pub(crate) enum Attribute {
    Float(f32),
    Int(i64),
    Text(String),
    Tensor(Value),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    /// A subgraph, or a list of values that no supported operator takes.
    Other,
}

/// Reads a model of `n_bytes`.
///
/// # Errors
/// [`Error`] if the stream is not an ONNX model, ends early, or exceeds `limits`.
pub(crate) fn read_model(
    source: &mut dyn BufRead,
    n_bytes: u64,
    limits: &Limits,
) -> Result<Graph, Error> {
    if n_bytes > limits.max_model_bytes as u64 {
        let max = limits.max_model_bytes;
        return Err(Error::too_large(format!(
            "the model has {n_bytes} bytes, {max} are allowed"
        )));
    }
    let mut graph = None;
    let mut opset = 0;
    let mut message = Message::new(source, n_bytes);
    while let Some((number, field)) = message.next()? {
        match number {
            7 => graph = Some(read_graph(field.message()?, limits)?),
            8 => {
                let (domain, version) = read_opset(field.message()?)?;
                if domain.is_empty() || domain == "ai.onnx" {
                    opset = version;
                }
            }
            _ => {}
        }
    }
    let mut graph =
        graph.ok_or_else(|| Error::malformed("no graph in it; is this an ONNX model?"))?;
    graph.opset = opset;
    Ok(graph)
}

fn read_opset(mut message: Message) -> Result<(String, i64), Error> {
    let (mut domain, mut version) = (String::new(), 0);
    while let Some((number, field)) = message.next()? {
        match number {
            1 => domain = field.text()?,
            2 => version = field.int()?,
            _ => {}
        }
    }
    Ok((domain, version))
}

fn read_graph(mut message: Message, limits: &Limits) -> Result<Graph, Error> {
    let mut graph = Graph::default();
    while let Some((number, field)) = message.next()? {
        match number {
            1 => {
                if graph.nodes.len() >= limits.max_nodes {
                    let max = limits.max_nodes;
                    return Err(Error::too_large(format!("more than {max} nodes")));
                }
                graph.nodes.push(read_node(field.message()?, limits)?);
            }
            5 => {
                if graph.initialisers.len() >= limits.max_nodes {
                    return Err(Error::too_large("more initialisers than nodes are allowed"));
                }
                let tensor = read_tensor(field.message()?, limits)?;
                graph.initialisers.push(tensor);
            }
            11 => graph.inputs.push(read_port(field.message()?)?),
            12 => graph.outputs.push(read_port(field.message()?)?),
            _ => {}
        }
    }
    Ok(graph)
}

fn read_node(mut message: Message, limits: &Limits) -> Result<Node, Error> {
    let mut node = Node::default();
    while let Some((number, field)) = message.next()? {
        match number {
            1 => node.inputs.push(field.text()?),
            2 => node.outputs.push(field.text()?),
            3 => node.name = field.text()?,
            4 => node.op = field.text()?,
            5 => {
                let attribute = read_attribute(field.message()?, limits)?;
                node.attributes.push(attribute);
            }
            7 => node.domain = field.text()?,
            _ => {}
        }
    }
    if node.name.is_empty() {
        node.name = node.outputs.first().cloned().unwrap_or_default();
    }
    Ok(node)
}

fn read_attribute(mut message: Message, limits: &Limits) -> Result<(String, Attribute), Error> {
    let mut name = String::new();
    let (mut floats, mut ints) = (Vec::new(), Vec::new());
    let mut kind = 0;
    let (mut float, mut int, mut text, mut tensor) = (0.0, 0, Vec::new(), None);
    while let Some((number, field)) = message.next()? {
        match number {
            1 => name = field.text()?,
            2 => match field {
                Field::Fixed32(bits) => float = f32::from_bits(bits),
                _ => return Err(Error::malformed("a float is stored as something else")),
            },
            3 => int = field.int()?,
            4 => text = field.bytes()?.into_vec()?,
            5 => tensor = Some(read_tensor(field.message()?, limits)?.1),
            7 => field.floats_into(&mut floats)?,
            8 => field.ints_into(&mut ints)?,
            20 => kind = field.int()?,
            _ => {}
        }
    }
    let attribute = match kind {
        1 => Attribute::Float(float),
        2 => Attribute::Int(int),
        3 => Attribute::Text(String::from_utf8_lossy(&text).into_owned()),
        4 => match tensor {
            Some(tensor) => Attribute::Tensor(tensor),
            None => {
                return Err(Error::malformed(format!(
                    "attribute {name:?} lacks its tensor"
                )));
            }
        },
        6 => Attribute::Floats(floats),
        7 => Attribute::Ints(ints),
        _ => Attribute::Other,
    };
    Ok((name, attribute))
}

/// `raw_data` of a tensor, decoded as soon as its data type is known.
enum RawData {
    /// Written before the data type.
    Undecoded(Vec<u8>),
    Decoded(i64, Numbers),
}

enum Numbers {
    Floats(Vec<f32>),
    Ints(Vec<i64>),
}

fn read_tensor(mut message: Message, limits: &Limits) -> Result<(String, Value), Error> {
    let (mut name, mut dims, mut data_type) = (String::new(), Vec::new(), 0);
    let (mut floats, mut ints, mut raw) = (Vec::new(), Vec::new(), None);
    let mut external = false;
    while let Some((number, field)) = message.next()? {
        match number {
            1 => field.ints_into(&mut dims)?,
            2 => data_type = field.int()?,
            4 => field.floats_into(&mut floats)?,
            5 | 7 => field.ints_into(&mut ints)?,
            8 => name = field.text()?,
            9 => {
                let bytes = field.bytes()?;
                raw = Some(match data_type {
                    0 => RawData::Undecoded(bytes.into_vec()?),
                    _ => {
                        let numbers = decode_raw(data_type, bytes, limits);
                        let at = |e| in_initialiser(&name, e);
                        RawData::Decoded(data_type, numbers.map_err(at)?)
                    }
                });
            }
            13 => external = true,
            14 => external |= field.int()? == 1,
            _ => {}
        }
    }
    let at = |e: Error| in_initialiser(&name, e);
    if external {
        return Err(at(Error::unsupported(
            "its numbers are in another file; save the model with its data inside",
        )));
    }
    let shape: Option<Vec<usize>> = dims.iter().map(|d| usize::try_from(*d).ok()).collect();
    let shape = shape.ok_or_else(|| at(Error::malformed(format!("sizes {dims:?}"))))?;
    if elements(&shape).is_none_or(|n| n > limits.max_tensor_elements) || shape.len() > 16 {
        let max = limits.max_tensor_elements;
        return Err(at(Error::too_large(format!(
            "{shape:?} has more than {max} elements"
        ))));
    }
    let numbers = match raw {
        Some(RawData::Decoded(of, numbers)) if of == data_type => Ok(numbers),
        Some(RawData::Decoded(..)) => Err(Error::malformed("two data types")),
        Some(RawData::Undecoded(bytes)) => {
            let (mut source, mut unread) = (&bytes[..], bytes.len() as u64);
            decode_raw(data_type, Bytes::new(&mut source, &mut unread), limits)
        }
        None => match data_type {
            1 => Ok(Numbers::Floats(floats)),
            10 => Ok(Numbers::Floats(
                ints.iter().map(|bits| half(*bits as u16)).collect(),
            )),
            6 | 7 | 9 => Ok(Numbers::Ints(ints)),
            other => Err(unknown_type(other)),
        },
    };
    let value = match numbers.map_err(at)? {
        Numbers::Floats(data) => Tensor::new(shape, data).map(Value::Float),
        Numbers::Ints(data) => Ints::new(shape, data).map(Value::Int),
    };
    let value = value.map_err(at)?;
    Ok((name, value))
}

fn in_initialiser(name: &str, e: Error) -> Error {
    Error::new(e.kind(), format!("initialiser {name:?}: {e}"))
}

fn unknown_type(data_type: i64) -> Error {
    Error::unsupported(format!("number format {data_type}"))
}

fn decode_raw(data_type: i64, bytes: Bytes, limits: &Limits) -> Result<Numbers, Error> {
    let size = match data_type {
        1 | 6 => 4,
        7 | 11 => 8,
        9 => 1,
        10 => 2,
        other => return Err(unknown_type(other)),
    };
    let (n, max) = (bytes.len() / size, limits.max_tensor_elements as u64);
    if n > max {
        return Err(Error::too_large(format!(
            "{n} numbers, {max} elements are allowed"
        )));
    }
    Ok(match data_type {
        1 => Numbers::Floats(bytes.words(f32::from_le_bytes)?),
        10 => Numbers::Floats(bytes.words(|w| half(u16::from_le_bytes(w)))?),
        11 => Numbers::Floats(bytes.words(|w| f64::from_le_bytes(w) as f32)?),
        7 => Numbers::Ints(bytes.words(i64::from_le_bytes)?),
        6 => Numbers::Ints(bytes.words(|w| i64::from(i32::from_le_bytes(w)))?),
        _ => Numbers::Ints(bytes.words(|[byte]| i64::from(byte))?),
    })
}

/// IEEE 754 binary16 to binary32.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10 & 0x1f);
    let fraction = u32::from(bits & 0x3ff);
    match exponent {
        0 => {
            // Zero and subnormal numbers: fraction · 2⁻²⁴.
            let magnitude = fraction as f32 * 2f32.powi(-24);
            f32::from_bits(sign | magnitude.to_bits())
        }
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

fn read_port(mut message: Message) -> Result<Port, Error> {
    let mut port = Port {
        name: String::new(),
        shape: Vec::new(),
    };
    while let Some((number, field)) = message.next()? {
        match number {
            1 => port.name = field.text()?,
            2 => port.shape = read_type(field.message()?)?,
            _ => {}
        }
    }
    Ok(port)
}

/// `TypeProto.tensor_type.shape.dim`: fields 1, 2 and 1.
fn read_type(mut message: Message) -> Result<Vec<Dim>, Error> {
    let mut dims = Vec::new();
    while let Some((number, field)) = message.next()? {
        if number != 1 {
            continue;
        }
        let mut tensor = field.message()?;
        while let Some((number, field)) = tensor.next()? {
            if number != 2 {
                continue;
            }
            let mut shape = field.message()?;
            while let Some((_, field)) = shape.next()? {
                dims.push(read_dim(field.message()?)?);
            }
        }
    }
    Ok(dims)
}

fn read_dim(mut message: Message) -> Result<Dim, Error> {
    let mut dim = Dim::Any;
    while let Some((number, field)) = message.next()? {
        if number == 1 {
            // Exporters write 0 or -1 for "any".
            dim = match usize::try_from(field.int()?) {
                Ok(size) if size > 0 => Dim::Fixed(size),
                _ => Dim::Any,
            };
        }
    }
    Ok(dim)
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn half_precision_numbers_expand_exactly() {
        let cases = [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 2f32.powi(-24)),
            (0x0400, 2f32.powi(-14)),
            (0x3555, 0.333_251_95),
        ];
        for (bits, value) in cases {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7e00).is_nan() && half(0x7c00).is_infinite());
    }
}

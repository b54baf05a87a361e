//! The messages of ONNX that a network needs. In: bytes. Out: records with the file's own names.
//! Field numbers are those of `onnx.proto3` (ONNX 1.x, IR version 3 and later).

use super::wire::{Field, Reader};
use crate::error::Error;
use crate::graph::{Dim, Limits, Port};
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
    /// A subgraph, or a list of things no covered operator takes.
    Other,
}

pub(crate) fn read_model(bytes: &[u8], limits: &Limits) -> Result<Graph, Error> {
    if bytes.len() > limits.max_model_bytes {
        let (n, max) = (bytes.len(), limits.max_model_bytes);
        return Err(Error::too_large(format!(
            "the model has {n} bytes, {max} are allowed"
        )));
    }
    let mut graph = None;
    let mut opset = 0;
    let mut reader = Reader::new(bytes);
    while let Some((number, field)) = reader.next()? {
        match number {
            7 => graph = Some(read_graph(field.bytes()?, limits)?),
            8 => {
                let (domain, version) = read_opset(field.bytes()?)?;
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

fn read_opset(bytes: &[u8]) -> Result<(String, i64), Error> {
    let (mut domain, mut version) = (String::new(), 0);
    let mut reader = Reader::new(bytes);
    while let Some((number, field)) = reader.next()? {
        match number {
            1 => domain = field.text()?,
            2 => version = field.int()?,
            _ => {}
        }
    }
    Ok((domain, version))
}

fn read_graph(bytes: &[u8], limits: &Limits) -> Result<Graph, Error> {
    let mut graph = Graph::default();
    let mut reader = Reader::new(bytes);
    while let Some((number, field)) = reader.next()? {
        match number {
            1 => {
                if graph.nodes.len() >= limits.max_nodes {
                    let max = limits.max_nodes;
                    return Err(Error::too_large(format!("more than {max} nodes")));
                }
                graph.nodes.push(read_node(field.bytes()?, limits)?);
            }
            5 => {
                if graph.initialisers.len() >= limits.max_nodes {
                    return Err(Error::too_large("more initialisers than nodes are allowed"));
                }
                graph
                    .initialisers
                    .push(read_tensor(field.bytes()?, limits)?);
            }
            11 => graph.inputs.push(read_port(field.bytes()?)?),
            12 => graph.outputs.push(read_port(field.bytes()?)?),
            _ => {}
        }
    }
    Ok(graph)
}

fn read_node(bytes: &[u8], limits: &Limits) -> Result<Node, Error> {
    let mut node = Node::default();
    let mut reader = Reader::new(bytes);
    while let Some((number, field)) = reader.next()? {
        match number {
            1 => node.inputs.push(field.text()?),
            2 => node.outputs.push(field.text()?),
            3 => node.name = field.text()?,
            4 => node.op = field.text()?,
            5 => node
                .attributes
                .push(read_attribute(field.bytes()?, limits)?),
            7 => node.domain = field.text()?,
            _ => {}
        }
    }
    if node.name.is_empty() {
        node.name = node.outputs.first().cloned().unwrap_or_default();
    }
    Ok(node)
}

fn read_attribute(bytes: &[u8], limits: &Limits) -> Result<(String, Attribute), Error> {
    let mut name = String::new();
    let (mut floats, mut ints) = (Vec::new(), Vec::new());
    let mut kind = 0;
    let (mut float, mut int, mut text, mut tensor) = (0.0, 0, String::new(), None);
    let mut reader = Reader::new(bytes);
    while let Some((number, field)) = reader.next()? {
        match number {
            1 => name = field.text()?,
            2 => match field {
                Field::Fixed32(bits) => float = f32::from_bits(bits),
                _ => return Err(Error::malformed("a float is stored as something else")),
            },
            3 => int = field.int()?,
            4 => text = String::from_utf8_lossy(field.bytes()?).into_owned(),
            5 => tensor = Some(read_tensor(field.bytes()?, limits)?.1),
            7 => field.floats_into(&mut floats)?,
            8 => field.ints_into(&mut ints)?,
            20 => kind = field.int()?,
            _ => {}
        }
    }
    let attribute = match kind {
        1 => Attribute::Float(float),
        2 => Attribute::Int(int),
        3 => Attribute::Text(text),
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

fn read_tensor(bytes: &[u8], limits: &Limits) -> Result<(String, Value), Error> {
    let (mut name, mut dims, mut kind) = (String::new(), Vec::new(), 0);
    let (mut floats, mut ints, mut raw) = (Vec::new(), Vec::new(), None);
    let mut external = false;
    let mut reader = Reader::new(bytes);
    while let Some((number, field)) = reader.next()? {
        match number {
            1 => field.ints_into(&mut dims)?,
            2 => kind = field.int()?,
            4 => field.floats_into(&mut floats)?,
            5 | 7 => field.ints_into(&mut ints)?,
            8 => name = field.text()?,
            9 => raw = Some(field.bytes()?),
            13 => external = true,
            14 => external |= field.int()? == 1,
            _ => {}
        }
    }
    let of = |e: Error| Error::new(e.kind(), format!("initialiser {name:?}: {e}"));
    if external {
        return Err(of(Error::unsupported(
            "its numbers lie in another file; save the model with its data inside",
        )));
    }
    let shape: Option<Vec<usize>> = dims.iter().map(|d| usize::try_from(*d).ok()).collect();
    let shape = shape.ok_or_else(|| of(Error::malformed(format!("sizes {dims:?}"))))?;
    if elements(&shape).is_none_or(|n| n > limits.max_tensor_elements) || shape.len() > 16 {
        let max = limits.max_tensor_elements;
        return Err(of(Error::too_large(format!(
            "{shape:?} has more than {max} elements"
        ))));
    }
    let value = decode_numbers(kind, shape, floats, ints, raw).map_err(of)?;
    Ok((name, value))
}

fn decode_numbers(
    kind: i64,
    shape: Vec<usize>,
    floats: Vec<f32>,
    ints: Vec<i64>,
    raw: Option<&[u8]>,
) -> Result<Value, Error> {
    fn words<const N: usize, T>(raw: &[u8], f: impl Fn([u8; N]) -> T) -> Result<Vec<T>, Error> {
        let (words, rest) = raw.as_chunks::<N>();
        if !rest.is_empty() {
            return Err(Error::malformed("numbers of a broken length"));
        }
        Ok(words.iter().map(|w| f(*w)).collect())
    }
    let float = |data| Tensor::new(shape.clone(), data).map(Value::Float);
    let int = |data| Ints::new(shape.clone(), data).map(Value::Int);
    match (kind, raw) {
        (1, Some(raw)) => float(words(raw, f32::from_le_bytes)?),
        (1, None) => float(floats),
        (10, Some(raw)) => float(words(raw, |w| half(u16::from_le_bytes(w)))?),
        (10, None) => float(ints.iter().map(|bits| half(*bits as u16)).collect()),
        (11, Some(raw)) => float(words(raw, |w| f64::from_le_bytes(w) as f32)?),
        (7, Some(raw)) => int(words(raw, i64::from_le_bytes)?),
        (6, Some(raw)) => int(words(raw, |w| i64::from(i32::from_le_bytes(w)))?),
        (9, Some(raw)) => int(raw.iter().map(|b| i64::from(*b)).collect()),
        (6 | 7 | 9, None) => int(ints),
        (other, _) => Err(Error::unsupported(format!("number format {other}"))),
    }
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

fn read_port(bytes: &[u8]) -> Result<Port, Error> {
    let mut port = Port {
        name: String::new(),
        shape: Vec::new(),
    };
    let mut reader = Reader::new(bytes);
    while let Some((number, field)) = reader.next()? {
        match number {
            1 => port.name = field.text()?,
            2 => port.shape = read_type(field.bytes()?)?,
            _ => {}
        }
    }
    Ok(port)
}

/// TypeProto → tensor_type → shape → dim, each field 1 but for shape, which is 2.
fn read_type(bytes: &[u8]) -> Result<Vec<Dim>, Error> {
    let mut dims = Vec::new();
    let mut reader = Reader::new(bytes);
    while let Some((number, field)) = reader.next()? {
        if number != 1 {
            continue;
        }
        let mut tensor = Reader::new(field.bytes()?);
        while let Some((number, field)) = tensor.next()? {
            if number != 2 {
                continue;
            }
            let mut shape = Reader::new(field.bytes()?);
            while let Some((_, field)) = shape.next()? {
                dims.push(read_dim(field.bytes()?)?);
            }
        }
    }
    Ok(dims)
}

fn read_dim(bytes: &[u8]) -> Result<Dim, Error> {
    let mut reader = Reader::new(bytes);
    while let Some((number, field)) = reader.next()? {
        if number == 1 {
            // Exporters write 0 or -1 for "any".
            return Ok(match usize::try_from(field.int()?) {
                Ok(size) if size > 0 => Dim::Fixed(size),
                _ => Dim::Any,
            });
        }
    }
    Ok(Dim::Any)
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

//! A small ONNX encoder for tests. In: nodes and tensors. Out: the bytes of a model.
//! Writes only what the tests read: floats, integers, names, and no types of ports.

/// A field of a message: number, wire type 2, content.
pub(crate) fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint(u64::from(number) << 3 | 2, &mut bytes);
    varint(content.len() as u64, &mut bytes);
    bytes.extend(content);
    bytes
}

fn varint(mut n: u64, bytes: &mut Vec<u8>) {
    while n >= 0x80 {
        bytes.push(n as u8 | 0x80);
        n >>= 7;
    }
    bytes.push(n as u8);
}

fn int_field(number: u8, value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    varint(u64::from(number) << 3, &mut bytes);
    varint(value, &mut bytes);
    bytes
}

/// A list of integers as an attribute of a node.
pub(crate) fn ints(name: &str, values: &[u64]) -> Vec<u8> {
    let values: Vec<u8> = values.iter().flat_map(|v| int_field(8, *v)).collect();
    field(
        5,
        &[field(1, name.as_bytes()), values, int_field(20, 7)].concat(),
    )
}

/// An integer as an attribute of a node.
pub(crate) fn int(name: &str, value: u64) -> Vec<u8> {
    let parts = [
        field(1, name.as_bytes()),
        int_field(3, value),
        int_field(20, 2),
    ];
    field(5, &parts.concat())
}

/// A node of a graph; attributes as [`ints`] and [`int`] give them.
pub(crate) fn node(op: &str, inputs: &[&str], output: &str, attributes: &[Vec<u8>]) -> Vec<u8> {
    let inputs: Vec<u8> = inputs.iter().flat_map(|i| field(1, i.as_bytes())).collect();
    let parts = [
        inputs,
        field(2, output.as_bytes()),
        field(3, output.as_bytes()),
        field(4, op.as_bytes()),
        attributes.concat(),
    ];
    field(1, &parts.concat())
}

/// An initialiser of a graph, its floats as raw data.
pub(crate) fn tensor(name: &str, shape: &[u64], data: impl Iterator<Item = f32>) -> Vec<u8> {
    let shape: Vec<u8> = shape.iter().flat_map(|d| int_field(1, *d)).collect();
    let raw: Vec<u8> = data.flat_map(f32::to_le_bytes).collect();
    let parts = [
        shape,
        int_field(2, 1),
        field(8, name.as_bytes()),
        field(9, &raw),
    ];
    field(5, &parts.concat())
}

/// A model of opset 13 with these inputs, and output `y`.
pub(crate) fn model(graph: &[Vec<u8>], inputs: &[&str]) -> Vec<u8> {
    let inputs: Vec<u8> = inputs
        .iter()
        .flat_map(|i| field(11, &field(1, i.as_bytes())))
        .collect();
    let graph = [graph.concat(), inputs, field(12, &field(1, b"y"))].concat();
    [field(7, &graph), field(8, &int_field(2, 13))].concat()
}

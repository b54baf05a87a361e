//! Limits on models from outside. In: nothing. Out: numbers that are checked before memory is
//! taken. Knows nothing of formats or operators.

/// What a model may demand; checked before memory is allocated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file. Default 1 GiB; iResNet-100 in float32 has 0.25.
    pub max_model_bytes: usize,
    /// Nodes of the graph, and initialisers. Default 20,000; iResNet-100 has under 400.
    pub max_nodes: usize,
    /// Elements of one tensor, of weights and of results. Default 2^28, a gigabyte of floats.
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

//! Inputs and outputs of a model, as the file declares them. In: names and sizes. Out: the same.
//! Knows nothing of values.

/// One input or output of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Name in the file.
    pub name: String,
    /// Size along each axis; empty if the file states no shape.
    pub shape: Vec<Dim>,
}

/// Size along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dim {
    /// As the file states.
    Fixed(usize),
    /// Any size; the tensor that is passed in decides.
    Any,
}

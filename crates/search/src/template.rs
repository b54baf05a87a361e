//! Templates. In: an embedding with the model that made it. Out: similarities, within one model
//! only.

use std::fmt;

use fusiform_kernels::dot;

use crate::error::Error;

/// Which model made a vector: its name and the head of its weights' hash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelId(pub String);

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Cosine similarity, −1…1; larger is nearer.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Similarity(pub f32);

/// One face as its model sees it.
///
/// # Example
/// ```
/// use fusiform_search::template::{ModelId, Template}; let of = |model: &str| Template { model:
/// ModelId(model.into()), vector: vec![1.0], quality: 1.0 };
/// assert_eq!(of("a").similarity(&of("a"))?.0, 1.0);
/// assert!(of("a").similarity(&of("b")).is_err());
/// # Ok::<(), fusiform_search::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// The model that made the vector.
    pub model: ModelId,
    /// Unit length.
    pub vector: Vec<f32>,
    /// Overall quality of the face, 0…1.
    pub quality: f32,
}

impl Template {
    /// How near two faces are.
    ///
    /// # Errors
    /// [`Error::ModelsDiffer`]: vectors of different models never meet.
    pub fn similarity(&self, other: &Template) -> Result<Similarity, Error> {
        if self.model != other.model || self.vector.len() != other.vector.len() {
            let name = |t: &Template| format!("{} ({} numbers)", t.model, t.vector.len());
            return Err(Error::ModelsDiffer {
                left: name(self),
                right: name(other),
            });
        }
        Ok(similarity(&self.vector, &other.vector))
    }
}

/// Cosine similarity of two unit vectors of one model and length.
///
/// # Panics
/// If the lengths differ.
pub fn similarity(a: &[f32], b: &[f32]) -> Similarity {
    Similarity(dot::f32(a, b))
}

/// A vector as it is stored: little-endian f32.
pub fn to_blob(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// The vector of a blob; numbers that are not finite become 0, so that a damaged row cannot poison
/// a sum.
pub fn from_blob(blob: &[u8]) -> Vec<f32> {
    let word = |w: &[u8; 4]| {
        Some(f32::from_le_bytes(*w))
            .filter(|v| v.is_finite())
            .unwrap_or(0.0)
    };
    blob.as_chunks::<4>().0.iter().map(word).collect()
}

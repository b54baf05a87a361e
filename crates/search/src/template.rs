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

/// Several templates of one face in view as one: their mean, each by the square of its quality.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MeanTemplate {
    sum: Option<Template>,
}

impl MeanTemplate {
    /// Adds one; of another model than those before it is left out.
    pub fn add(&mut self, template: &Template) {
        let sum = self.sum.get_or_insert_with(|| Template {
            vector: vec![0.0; template.vector.len()],
            ..template.clone()
        });
        if sum.model != template.model || sum.vector.len() != template.vector.len() {
            return;
        }
        let weight = template.quality * template.quality;
        sum.quality = sum.quality.max(template.quality);
        let pairs = sum.vector.iter_mut().zip(&template.vector);
        pairs.for_each(|(sum, x)| *sum += x * weight);
    }

    /// The mean, of unit length, with the best quality; `None` of nothing, of no quality at all, or
    /// of opposite directions.
    pub fn mean(&self) -> Option<Template> {
        let mut mean = self.sum.clone()?;
        let length = mean.vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        mean.vector.iter_mut().for_each(|x| *x /= length);
        (length > 0.0).then_some(mean)
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

//! Faces as Immich stores them. In: the faces of a picture. Out: the JSON of its answer.

use fusiform::Face;
use serde_json::{Value, json};

use super::entries::Task;
use crate::analysis::Analysed;
use crate::problem::Problem;
use crate::service::embedding;

/// Values in a row of Immich's table of faces. Zeros behind a shorter vector change no cosine.
pub(super) const EMBEDDING_LENGTH: usize = 512;

/// The answer; its boxes are in pixels of the picture that was sent.
pub(super) fn answer(found: &Analysed, task: Task) -> Result<Value, Problem> {
    // Those by which nobody can be recognised look alike, and would be taken for one person.
    let wanted = |face: &&Face| f64::from(face.score) >= task.min_score && !face.is_unclear();
    let faces: Vec<&Face> = found.faces.iter().filter(wanted).collect();
    let boxes = faces.iter().map(|face| face.bbox.clipped(found.size));
    let faces = if task.embeds {
        let each = boxes.zip(&faces).map(|(b, face)| {
            let [x1, y1, x2, y2] = b.as_array().map(f32::round);
            Ok(json!({
                "boundingBox": {"x1": x1, "y1": y1, "x2": x2, "y2": y2},
                "embedding": padded(embedding(face)?),
                "score": face.score,
            }))
        });
        Value::Array(each.collect::<Result<_, Problem>>()?)
    } else {
        json!({
            "boxes": boxes.map(|b| b.as_array().map(f32::round)).collect::<Vec<_>>(),
            "scores": faces.iter().map(|face| face.score).collect::<Vec<_>>(),
        })
    };
    Ok(json!({
        "facial-recognition": faces,
        "imageHeight": found.size.height_px,
        "imageWidth": found.size.width_px,
    }))
}

/// A vector as PostgreSQL reads it, with zeros to the length of Immich's column.
fn padded(vector: &[f32]) -> String {
    let zeros = EMBEDDING_LENGTH.saturating_sub(vector.len());
    let numbers = vector.iter().map(f32::to_string);
    let all: Vec<String> = numbers.chain((0..zeros).map(|_| "0".into())).collect();
    format!("[{}]", all.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embedding_is_text_of_512_numbers() {
        let text = padded(&[0.25, -1.0e-8]);
        assert!(text.starts_with("[0.25,-0.00000001,0,0,"), "{text}");
        let read: Vec<f32> = serde_json::from_str(&text).unwrap();
        assert_eq!((read.len(), read[1]), (512, -1.0e-8));
        assert!(padded(&[0.5; 512]).ends_with("0.5]"));
    }
}

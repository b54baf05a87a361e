//! Labelled faces of a folder of photos. In: the text of `faces.jsonl`. Out: photos' names and
//! their faces. Never opens a photo.
//!
//! One JSON object a line, one line a photo:
//!
//! ```json
//! {"photo": "party.jpg", "faces": [
//!   {"box": [x, y, width, height], "landmarks": [[x, y], …], "ignore": false}]}
//! ```
//!
//! Pixels of the upright photo, from its upper left corner. `landmarks` (left out, or four or five
//! points) and `ignore` are as in [`LabelledFace`]. A photo without faces has an empty list.

use fusiform::{BoundingBox, Point};
use serde::Deserialize;

use super::LabelledFace;
use crate::error::EvaluateError;

/// The name of the file in its folder.
pub const FILE: &str = "faces.jsonl";

/// The most bytes that a file of labels may have: 64 MiB, some 300,000 faces.
pub const MAX_BYTES: u64 = 64 << 20;

/// One photo and all of its faces.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledPhoto {
    /// Its path below the folder, with `/` between folders.
    pub photo: String,
    /// Its faces.
    pub faces: Vec<LabelledFace>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PhotoLine {
    photo: String,
    faces: Vec<FaceEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaceEntry {
    #[serde(rename = "box")]
    bbox: [f32; 4],
    #[serde(default)]
    landmarks: Vec<[f32; 2]>,
    #[serde(default)]
    ignore: bool,
}

/// Reads the labels of a folder.
///
/// # Errors
/// [`EvaluateError::LabelsLine`] with the line's number: not JSON, a field missing or unknown, a
/// box without area, another number of landmarks than 0, 4 or 5, a number that is not finite, or a
/// name that leads out of the folder.
///
/// # Example
/// ```
/// let text = r#"{"photo": "a.jpg", "faces": [{"box": [10, 10, 40, 50]}]}"#;
/// let photos = fusiform_eval::detection::labels::parse(text)?;
/// assert_eq!((photos[0].photo.as_str(), photos[0].faces[0].bbox.x_max), ("a.jpg", 50.0));
/// # Ok::<(), fusiform_eval::EvaluateError>(())
/// ```
pub fn parse(text: &str) -> Result<Vec<LabelledPhoto>, EvaluateError> {
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(i, line)| photo(i + 1, line)).collect()
}

fn photo(line: usize, text: &str) -> Result<LabelledPhoto, EvaluateError> {
    let wrong = |problem: String| EvaluateError::LabelsLine { line, problem };
    let read: PhotoLine = serde_json::from_str(text).map_err(|e| wrong(e.to_string()))?;
    let outside = |part: &str| matches!(part, "" | "." | "..") || part.contains(['\\', ':']);
    if read.photo.split('/').any(outside) {
        let problem = format!("`{}` is not a path below the folder", read.photo);
        return Err(wrong(problem));
    }
    let faces = read.faces.into_iter().enumerate().map(|(i, entry)| {
        face(entry).map_err(|problem| wrong(format!("face {}: {problem}", i + 1)))
    });
    Ok(LabelledPhoto {
        faces: faces.collect::<Result<_, _>>()?,
        photo: read.photo,
    })
}

fn face(entry: FaceEntry) -> Result<LabelledFace, &'static str> {
    let [x, y, width, height] = entry.bbox;
    let points = entry.landmarks.iter().flatten();
    if !entry.bbox.iter().chain(points).all(|n| n.is_finite()) {
        return Err("a number is too large");
    }
    if width <= 0.0 || height <= 0.0 {
        return Err("`box` is [x, y, width, height], both above 0");
    }
    if !matches!(entry.landmarks.len(), 0 | 4 | 5) {
        return Err("`landmarks` are eye, eye, nose and the mouth's middle or two corners");
    }
    Ok(LabelledFace {
        bbox: BoundingBox {
            x_min: x,
            y_min: y,
            x_max: x + width,
            y_max: y + height,
        },
        landmarks: entry
            .landmarks
            .iter()
            .map(|&[x, y]| Point { x, y })
            .collect(),
        ignore: entry.ignore,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_line_is_a_photo_and_empty_lines_are_none() {
        let text = "{\"photo\":\"p/a.jpg\",\"faces\":[]}\n\n\
            {\"photo\":\"b.jpg\",\"faces\":[{\"box\":[1,2,3,4],\
            \"landmarks\":[[1,1],[2,1],[1,2],[1,3]],\"ignore\":true}]}\r\n";
        let photos = parse(text).unwrap();
        assert_eq!((photos.len(), photos[0].faces.len()), (2, 0));
        let face = &photos[1].faces[0];
        assert!(face.ignore && face.landmarks.len() == 4 && face.bbox.y_max == 6.0);
    }

    #[test]
    fn a_wrong_line_is_named_with_its_face() {
        let line = |faces: &str| format!("\n{{\"photo\":\"a.jpg\",\"faces\":[{faces}]}}");
        assert!(problem("nonsense").starts_with("labels file, line 1:"));
        let flat = problem(&line("{\"box\":[1,2,0,4]}"));
        assert!(flat.contains("line 2: face 1: `box`"), "{flat}");
        assert!(problem(&line("{\"box\":[1,2,3]}")).contains("line 2"));
        let three = "{\"box\":[1,2,3,4],\"landmarks\":[[1,1],[2,2],[3,3]]}";
        assert!(problem(&line(three)).contains("`landmarks`"));
        assert!(problem(&line("{\"box\":[1,2,3,1e39]}")).contains("line 2"));
        assert!(problem(&line("{\"box\":[1,2,3,4],\"colour\":1}")).contains("colour"));
    }

    #[test]
    fn a_name_cannot_leave_the_folder() {
        for name in [
            "../a.jpg",
            "/etc/a.jpg",
            "a//b.jpg",
            "C:/a.jpg",
            "a\\\\b.jpg",
            "",
        ] {
            let line = format!("{{\"photo\":\"{name}\",\"faces\":[]}}");
            assert!(problem(&line).contains("not a path below"), "{name}");
        }
    }
}

//! SCRFD's head. In: nine outputs, or six of a network without landmarks. Out: candidate faces in
//! input pixels.

use super::grid::{cells, landmarks_at, n_cells};
use super::spec::DetectedFace;
use crate::Error;
use crate::geometry::{BoundingBox, Size};
use crate::stage::Outputs;

const STRIDES: [usize; 3] = [8, 16, 32];
const ANCHORS: usize = 2;

/// Two anchors at the top left corner of each cell: a score, the distances to the box's four sides,
/// five points; all distances in strides. Output names differ between exports, their order does
/// not: scores, boxes, points, each by stride. A leading batch axis changes nothing.
///
/// # Source
/// Guo et al. 2022, and the order of outputs in its published export.
pub(super) fn read(
    outputs: &Outputs,
    input: Size,
    min_score: f32,
) -> Result<Vec<DetectedFace>, Error> {
    let with_landmarks = outputs.len() > 2 * STRIDES.len();
    let mut found = Vec::new();
    for (level, stride) in STRIDES.into_iter().enumerate() {
        let n = n_cells(input, stride) * ANCHORS;
        let scores = outputs.nth(level, n)?;
        let boxes = outputs.nth(level + 3, n * 4)?.as_chunks::<4>().0;
        let points = match with_landmarks {
            true => Some(outputs.nth(level + 6, n * 10)?.as_chunks::<10>().0),
            false => None,
        };
        let step = stride as f32;
        for (cell, x, y) in cells(input, stride) {
            for i in cell * ANCHORS..(cell + 1) * ANCHORS {
                let score = scores[i].min(1.0);
                if score < min_score || score.is_nan() {
                    continue;
                }
                let [left, top, right, bottom] = boxes[i].map(|distance| distance * step);
                found.push(DetectedFace {
                    bbox: BoundingBox {
                        x_min: x - left,
                        y_min: y - top,
                        x_max: x + right,
                        y_max: y + bottom,
                    },
                    score,
                    landmarks: points.map(|points| landmarks_at(&points[i], x, y, step)),
                });
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(width_px: u32, height_px: u32) -> Size {
        Size {
            width_px,
            height_px,
        }
    }

    fn outputs(with_landmarks: bool) -> Vec<(String, Vec<f32>)> {
        let widths: &[usize] = if with_landmarks { &[1, 4, 10] } else { &[1, 4] };
        let mut ports = Vec::new();
        for width in widths {
            // 64x32 input.
            for n in [64, 16, 4] {
                ports.push((format!("{}", 440 + ports.len()), vec![0.0; n * width]));
            }
        }
        ports
    }

    #[test]
    fn the_second_anchor_of_a_cell_becomes_one_face() {
        let mut ports = outputs(true);
        // Stride 32, cell 1, anchor 1: index 3, corner (32, 0).
        ports[2].1[3] = 0.7;
        ports[5].1[12..16].copy_from_slice(&[0.5, -0.25, 0.5, 1.0]);
        ports[8].1[30..32].copy_from_slice(&[0.25, 0.5]);
        let faces = read(&Outputs::new(ports), size(64, 32), 0.5).unwrap();
        let bbox = BoundingBox {
            x_min: 16.0,
            y_min: 8.0,
            x_max: 48.0,
            y_max: 32.0,
        };
        assert_eq!((faces.len(), faces[0].bbox, faces[0].score), (1, bbox, 0.7));
        let eye = faces[0].landmarks.unwrap().subject_right_eye;
        assert_eq!((eye.x, eye.y), (40.0, 16.0));
    }

    #[test]
    fn a_network_without_landmarks_gives_boxes() {
        let mut ports = outputs(false);
        ports[0].1[0] = 0.9;
        ports[3].1[..4].copy_from_slice(&[0.0, 0.0, 1.0, 1.0]);
        let faces = read(&Outputs::new(ports), size(64, 32), 0.5).unwrap();
        assert_eq!((faces.len(), faces[0].landmarks), (1, None));
    }

    #[test]
    fn outputs_of_another_network_are_refused() {
        let error = read(&Outputs::new(outputs(true)), size(96, 32), 0.5)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("64") && error.contains("96"), "{error}");
    }
}

//! YuNet's head. In: its twelve outputs. Out: candidate faces in input pixels.

use super::grid::{cells, landmarks_at, n_cells};
use super::spec::DetectedFace;
use crate::Error;
use crate::geometry::{BoundingBox, Size};
use crate::stage::Outputs;

/// One anchor point per cell at its top left corner: class and objectness multiply, the box is a
/// shifted centre and a logarithmic size, landmarks are shifts; all in strides.
///
/// # Source
/// Wu, Peng and Yu 2023, and the published decoder of libfacedetection: score `sqrt(cls * obj)`.
/// That a pixel's centre is at .5 was measured: over 300 LFW photos of 250 px the positions of a
/// landmark and of its twin in the mirrored photo add up to 249.8, where centres at whole numbers
/// would give 249.
pub(super) fn read(
    outputs: &Outputs,
    input: Size,
    min_score: f32,
) -> Result<Vec<DetectedFace>, Error> {
    let mut found = Vec::new();
    for stride in [8, 16, 32] {
        let n = n_cells(input, stride);
        let class = outputs.named(&format!("cls_{stride}"), n)?;
        let object = outputs.named(&format!("obj_{stride}"), n)?;
        let boxes = outputs
            .named(&format!("bbox_{stride}"), n * 4)?
            .as_chunks::<4>()
            .0;
        let points = outputs
            .named(&format!("kps_{stride}"), n * 10)?
            .as_chunks::<10>()
            .0;
        let step = stride as f32;
        for (i, x, y) in cells(input, stride) {
            let score = (class[i].clamp(0.0, 1.0) * object[i].clamp(0.0, 1.0)).sqrt();
            if score < min_score || score.is_nan() {
                continue;
            }
            let [dx, dy, log_width, log_height] = boxes[i];
            let (center_x, center_y) = (x + dx * step, y + dy * step);
            let (half_width, half_height) =
                (log_width.exp() * step / 2.0, log_height.exp() * step / 2.0);
            found.push(DetectedFace {
                bbox: BoundingBox {
                    x_min: center_x - half_width,
                    y_min: center_y - half_height,
                    x_max: center_x + half_width,
                    y_max: center_y + half_height,
                },
                score,
                landmarks: Some(landmarks_at(&points[i], x, y, step)),
            });
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

    fn outputs(n: [usize; 3]) -> Vec<(String, Vec<f32>)> {
        let mut ports = Vec::new();
        for (stride, n) in [8, 16, 32].into_iter().zip(n) {
            for (name, width) in [("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)] {
                ports.push((format!("{name}_{stride}"), vec![0.0; n * width]));
            }
        }
        ports
    }

    #[test]
    fn one_cell_becomes_one_face() {
        // 64x32 input: 8x4 cells of 8, 4x2 of 16, 2x1 of 32.
        let mut ports = outputs([32, 8, 2]);
        // Stride 16, cell 6: column 2, row 1, so its corner is (32, 16).
        ports[4].1[6] = 0.81;
        ports[5].1[6] = 1.2;
        ports[6].1[24..28].copy_from_slice(&[0.5, 0.25, 0.0, 2f32.ln()]);
        ports[7].1[60..70].copy_from_slice(&[0., 0., 1., 0., 0.5, 0.5, 0., 1., 1., 1.]);
        let faces = read(&Outputs::new(ports), size(64, 32), 0.6).unwrap();
        assert_eq!(faces.len(), 1);
        assert!(
            (faces[0].score - 0.9).abs() < 1e-6,
            "objectness above one counts as one"
        );
        let bbox = BoundingBox {
            x_min: 32.0,
            y_min: 4.0,
            x_max: 48.0,
            y_max: 36.0,
        };
        assert_eq!(faces[0].bbox, bbox);
        let landmarks = faces[0].landmarks.unwrap();
        assert_eq!(
            (landmarks.subject_left_eye.x, landmarks.subject_left_eye.y),
            (48.0, 16.0)
        );
        assert_eq!((landmarks.nose_tip.x, landmarks.nose_tip.y), (40.0, 24.0));
    }

    #[test]
    fn a_missing_or_short_output_is_named() {
        let mut ports = outputs([32, 8, 2]);
        ports[6].1.pop();
        let error = read(&Outputs::new(ports), size(64, 32), 0.6)
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("bbox_16") && error.contains("31") && error.contains("32"),
            "{error}"
        );
        let error = read(&Outputs::new(Vec::new()), size(64, 32), 0.6)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("cls_8"), "{error}");
    }
}

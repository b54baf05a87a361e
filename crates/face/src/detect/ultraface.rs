//! UltraFace's head. In: `scores` and `boxes`. Out: candidate faces in input pixels, without
//! landmarks.

use super::spec::DetectedFace;
use crate::Error;
use crate::geometry::{BoundingBox, Size};
use crate::stage::Outputs;

/// The priors at strides 8, 16, 32 and 64 with three, two, two and three boxes a cell are decoded
/// inside the network: per prior the scores of "no face" and "face", and two corners as parts of
/// the input's sides.
///
/// # Source
/// The published export of Ultra-Light-Fast-Generic-Face-Detector-1MB.
pub(super) fn read(
    outputs: &Outputs,
    input: Size,
    min_score: f32,
) -> Result<Vec<DetectedFace>, Error> {
    let (width, height) = (input.width_px, input.height_px);
    let cells = |stride: u32| (width.div_ceil(stride) * height.div_ceil(stride)) as usize;
    let n = 3 * cells(8) + 2 * cells(16) + 2 * cells(32) + 3 * cells(64);
    let scores = outputs.named("scores", n * 2)?.as_chunks::<2>().0;
    let boxes = outputs.named("boxes", n * 4)?.as_chunks::<4>().0;
    let (width, height) = (width as f32, height as f32);
    let faces = scores
        .iter()
        .zip(boxes)
        .filter(|([_, score], _)| *score >= min_score);
    Ok(faces
        .map(|(&[_, score], &[left, top, right, bottom])| DetectedFace {
            bbox: BoundingBox {
                x_min: left * width,
                y_min: top * height,
                x_max: right * width,
                y_max: bottom * height,
            },
            score: score.min(1.0),
            landmarks: None,
        })
        .collect())
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

    #[test]
    fn corners_are_parts_of_the_input() {
        let n = 4420;
        let mut ports = vec![
            ("scores".into(), vec![0.0; n * 2]),
            ("boxes".into(), vec![0.0; n * 4]),
        ];
        ports[0].1[2 * 7..2 * 7 + 2].copy_from_slice(&[0.1, 0.9]);
        ports[1].1[4 * 7..4 * 7 + 4].copy_from_slice(&[0.25, 0.5, 0.5, 0.75]);
        let faces = read(&Outputs::new(ports), size(320, 240), 0.7).unwrap();
        let bbox = BoundingBox {
            x_min: 80.0,
            y_min: 120.0,
            x_max: 160.0,
            y_max: 180.0,
        };
        assert_eq!(
            (faces.len(), faces[0].bbox, faces[0].landmarks),
            (1, bbox, None)
        );
    }

    #[test]
    fn another_input_size_has_other_priors() {
        let ports = vec![
            ("scores".into(), vec![0.0; 8840]),
            ("boxes".into(), vec![0.0; 17680]),
        ];
        assert!(read(&Outputs::new(ports), size(640, 480), 0.7).is_err());
    }
}

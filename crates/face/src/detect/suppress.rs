//! One box per face. In: overlapping candidates. Out: the best of each overlapping group, best
//! first. Knows nothing of how candidates came about.

use super::spec::DetectedFace;

/// Candidates after the best so many are dropped: the pairwise step is quadratic.
const MAX_CANDIDATES: usize = 5000;

/// Greedy non-maximum suppression.
///
/// Equal scores keep the order of the network's cells, so that the result is the same on every run.
pub(super) fn suppress(mut candidates: Vec<DetectedFace>, max_iou: f32) -> Vec<DetectedFace> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    candidates.truncate(MAX_CANDIDATES);
    let mut kept: Vec<DetectedFace> = Vec::new();
    for candidate in candidates {
        if kept
            .iter()
            .all(|better| better.bbox.iou(&candidate.bbox) <= max_iou)
        {
            kept.push(candidate);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::BoundingBox;

    fn face(x: f32, score: f32) -> DetectedFace {
        let bbox = BoundingBox {
            x_min: x,
            y_min: 0.0,
            x_max: x + 10.0,
            y_max: 10.0,
        };
        DetectedFace {
            bbox,
            score,
            landmarks: None,
        }
    }

    #[track_caller]
    fn check(candidates: &[DetectedFace], expected: &[DetectedFace]) {
        assert_eq!(suppress(candidates.to_vec(), 0.3), expected);
    }

    #[test]
    fn the_best_of_each_group_stays() {
        let (a, b, c) = (face(0.0, 0.7), face(2.0, 0.9), face(40.0, 0.8));
        check(&[a, b.clone(), c.clone()], &[b, c]);
    }

    #[test]
    fn a_suppressed_box_suppresses_nothing() {
        // The middle one overlaps both, the outer two hardly touch.
        let (left, middle, right) = (face(0.0, 0.9), face(4.0, 0.8), face(8.0, 0.7));
        check(&[right.clone(), middle, left.clone()], &[left, right]);
    }

    #[test]
    fn equal_scores_keep_their_order() {
        let (first, second) = (face(1.0, 0.5), face(0.0, 0.5));
        check(&[first.clone(), second], &[first]);
        check(&[], &[]);
    }
}

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

/// A box of another level is the same face also if so much of the smaller of the two is shared:
/// scales disagree on how much of a head belongs to it, and a finer one sees a face in a part.
const CONTAINED: f32 = 0.7;

/// As [`suppress`], for candidates of levels that see different sizes.
pub(super) fn between_levels(mut candidates: Vec<DetectedFace>, max_iou: f32) -> Vec<DetectedFace> {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept = Vec::new();
    add(&mut kept, candidates, max_iou);
    kept
}

/// Adds the faces that are not among those kept, which all stay.
pub(super) fn add(kept: &mut Vec<DetectedFace>, more: Vec<DetectedFace>, max_iou: f32) {
    for face in more {
        let same = |other: &DetectedFace| {
            let smaller = face.bbox.area().min(other.bbox.area());
            other.bbox.iou(&face.bbox) > max_iou
                || other.bbox.shared_area(&face.bbox) > CONTAINED * smaller
        };
        if kept.len() < MAX_CANDIDATES && !kept.iter().any(same) {
            kept.push(face);
        }
    }
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
    fn a_part_of_a_kept_face_is_not_added() {
        let mut kept = vec![face(0.0, 0.4), face(40.0, 0.9)];
        let mut eye = face(2.0, 0.8);
        (eye.bbox.x_max, eye.bbox.y_max) = (4.0, 2.0);
        let other = face(80.0, 0.5);
        add(&mut kept, vec![face(1.0, 0.99), eye, other.clone()], 0.3);
        assert_eq!(kept, [face(0.0, 0.4), face(40.0, 0.9), other]);
    }

    #[test]
    fn equal_scores_keep_their_order() {
        let (first, second) = (face(1.0, 0.5), face(0.0, 0.5));
        check(&[first.clone(), second], &[first]);
        check(&[], &[]);
    }
}

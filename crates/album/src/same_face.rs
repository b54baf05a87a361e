//! Whether two boxes of one photo show one face. In: boxes. Out: their overlap, and the best match.
//! Knows nothing of the database.
//!
//! Detectors draw boxes of different extent: some around the whole head, some from eyes to mouth.
//! So two boxes are one face if the smaller lies mostly within the larger, even at a low
//! intersection over union (IoU).

use fusiform_face::geometry::BoundingBox;

/// Least share of the smaller box that must lie within the other.
const MIN_OVERLAP: f64 = 0.6;
/// Least intersection over union.
const MIN_IOU: f64 = 0.2;

/// The intersection over union of two boxes if they show one face.
pub(crate) fn same_face(a: &BoundingBox, b: &BoundingBox) -> Option<f64> {
    let shared = BoundingBox {
        x_min: a.x_min.max(b.x_min),
        y_min: a.y_min.max(b.y_min),
        x_max: a.x_max.min(b.x_max),
        y_max: a.y_max.min(b.y_max),
    };
    // In f64: the squares of pixel counts exceed the 24 bits of an f32.
    let area = |r: &BoundingBox| f64::from(r.width()) * f64::from(r.height());
    let (area_a, area_b, intersection) = (area(a), area(b), area(&shared));
    let iou = intersection / (area_a + area_b - intersection).max(f64::MIN_POSITIVE);
    let overlap = intersection / area_a.min(area_b).max(f64::MIN_POSITIVE);
    (overlap >= MIN_OVERLAP && iou >= MIN_IOU).then_some(iou)
}

/// Of `faces`, the one that `bbox` shows, by the highest IoU; of equals the one of the lowest id.
pub(crate) fn best_match<Id: Ord>(
    bbox: &BoundingBox,
    faces: impl IntoIterator<Item = (Id, BoundingBox)>,
) -> Option<Id> {
    let overlapping = faces
        .into_iter()
        .filter_map(|(id, other)| Some((same_face(bbox, &other)?, id)));
    let best = overlapping.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
    best.map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x_min: f32, y_min: f32, side: f32) -> BoundingBox {
        BoundingBox {
            x_min,
            y_min,
            x_max: x_min + side,
            y_max: y_min + side,
        }
    }

    #[test]
    fn a_face_within_a_head_is_one_face_and_a_neighbour_is_not() {
        let head = square(0.0, 0.0, 100.0);
        assert!(same_face(&head, &square(20.0, 30.0, 60.0)).is_some());
        assert_eq!(same_face(&head, &head), Some(1.0));
        assert_eq!(same_face(&head, &square(20.0, 30.0, 30.0)), None);
        assert_eq!(same_face(&head, &square(90.0, 0.0, 100.0)), None);
        assert_eq!(same_face(&square(0.0, 0.0, 0.0), &head), None);
    }

    #[test]
    fn the_best_match_is_the_nearest_and_of_equals_the_first() {
        let faces = [(7, square(0.0, 0.0, 90.0)), (3, square(0.0, 0.0, 90.0))];
        let far = (1, square(15.0, 15.0, 80.0));
        let all = faces.into_iter().chain([far]);
        assert_eq!(best_match(&square(0.0, 0.0, 90.0), all), Some(3));
        assert_eq!(best_match(&square(500.0, 0.0, 9.0), faces), None);
    }
}

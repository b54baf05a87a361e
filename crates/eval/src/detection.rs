//! How well faces are found. In: labelled faces and found ones, photo by photo. Out: recall,
//! precision, average precision, landmark error. Knows nothing of files and engines.
//!
//! A found face is right when it is matched with a labelled one: best score first, each takes the
//! free labelled box that it overlaps most, from an intersection over union of 0.5 on. Labelled
//! faces to be ignored make neither right what is found there nor wrong.

use fusiform::{BoundingBox, Point};

use crate::proportion::Proportion;

pub mod labels;

/// Overlap from which a box is found.
pub const MATCH_IOU: f32 = 0.5;

/// A face as a person, or a program that is trusted, labelled it.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledFace {
    /// Pixels of the upright photo.
    pub bbox: BoundingBox,
    /// Image-left eye, the other eye, tip of the nose, and the mouth: its middle, or its image-left
    /// and its other corner. Empty where there are none.
    pub landmarks: Vec<Point>,
    /// Too small, too blurred or too doubtful to count either way.
    pub ignore: bool,
}

/// A face as an engine found it.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundFace {
    /// Pixels of the upright photo.
    pub bbox: BoundingBox,
    /// Higher is surer.
    pub score: f32,
    /// In the order of [`LabelledFace::landmarks`], with both corners of the mouth.
    pub landmarks: Option<[Point; 5]>,
}

/// What was found in one photo.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PhotoMatches {
    /// Labelled faces that count.
    pub n_labelled: u64,
    /// Score of each found face that counts, and whether it is right.
    pub scored: Vec<(f32, bool)>,
    /// Of right faces with landmarks on both sides: mean distance of their points, in distances
    /// between the labelled eyes.
    pub landmark_errors: Vec<f32>,
    /// Longer side in pixels of each labelled face that counts, and whether it was found.
    pub by_size: Vec<(f32, bool)>,
}

/// Matches the found faces of one photo with its labelled ones.
pub fn match_faces(labelled: &[LabelledFace], found: &[FoundFace]) -> PhotoMatches {
    let mut order: Vec<&FoundFace> = found.iter().collect();
    order.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut taken = vec![false; labelled.len()];
    let mut matches = PhotoMatches::default();
    for face in order {
        let overlap = |i: usize| labelled[i].bbox.iou(&face.bbox);
        let best = |free: bool| {
            (0..labelled.len())
                .filter(|&i| !(free && taken[i]))
                .max_by(|&a, &b| overlap(a).total_cmp(&overlap(b)))
                .filter(|&i| overlap(i) >= MATCH_IOU)
        };
        match best(true) {
            Some(i) if labelled[i].ignore => taken[i] = true,
            Some(i) => {
                taken[i] = true;
                matches.scored.push((face.score, true));
                matches
                    .landmark_errors
                    .extend(landmark_error(&labelled[i], face));
            }
            // A second box on a face to be ignored is ignored too.
            None if best(false).is_some_and(|i| labelled[i].ignore) => {}
            None => matches.scored.push((face.score, false)),
        }
    }
    for (face, taken) in labelled.iter().zip(taken).filter(|(face, _)| !face.ignore) {
        matches.n_labelled += 1;
        let side = face.bbox.width().max(face.bbox.height());
        matches.by_size.push((side, taken));
    }
    matches
}

fn landmark_error(labelled: &LabelledFace, found: &FoundFace) -> Option<f32> {
    let points = found.landmarks?;
    let mouth = |a: Point, b: Point| Point {
        x: (a.x + b.x) / 2.0,
        y: (a.y + b.y) / 2.0,
    };
    let found = match labelled.landmarks.len() {
        5 => points.to_vec(),
        4 => vec![points[0], points[1], points[2], mouth(points[3], points[4])],
        _ => return None,
    };
    let apart = |a: &Point, b: &Point| (a.x - b.x).hypot(a.y - b.y);
    let eyes = apart(&labelled.landmarks[0], &labelled.landmarks[1]);
    let sum: f32 = found
        .iter()
        .zip(&labelled.landmarks)
        .map(|(a, b)| apart(a, b))
        .sum();
    // A face in profile whose eyes fall together has no unit.
    (eyes > 0.0).then(|| sum / found.len() as f32 / eyes)
}

/// What is measured over many photos.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectionReport {
    /// Photos.
    pub n_photos: u64,
    /// Labelled faces that are found at the engine's own least score.
    pub recall: Proportion,
    /// Found faces that are right, at that score.
    pub precision: Proportion,
    /// Found faces that are wrong, per photo, at that score.
    pub false_per_photo: f64,
    /// Area under precision over recall, precision interpolated, over all scores given.
    pub average_precision: f64,
    /// Mean distance of landmarks in eye distances, at the engine's own least score; `None` without
    /// any.
    pub landmark_error: Option<f64>,
    /// The median of the same distances, which a few faces in profile, whose eyes nearly fall
    /// together, do not move.
    pub landmark_error_median: Option<f64>,
    /// Recall by the longer side of the labelled box: from, below, recall.
    pub by_size: Vec<(f32, f32, Proportion)>,
}

/// Longer sides in pixels at which the rows of recall by size begin.
pub const SIZES_PX: [f32; 7] = [0.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Puts photos together.
///
/// `working` are matches at the score that the engine works with, `all` those at a score so low
/// that the whole precision-recall curve is there.
///
/// # Source
/// Everingham et al., "The PASCAL Visual Object Classes Challenge", IJCV 88 (2010), with precision
/// interpolated at every recall.
///
/// # Example
/// ```
/// use fusiform::BoundingBox;
/// use fusiform_eval::detection::{FoundFace, LabelledFace, detection_report, match_faces};
/// let bbox = BoundingBox { x_min: 0.0, y_min: 0.0, x_max: 8.0, y_max: 8.0 };
/// let labelled = [LabelledFace { bbox, landmarks: vec![], ignore: false }];
/// let found = [FoundFace { bbox, score: 0.9, landmarks: None }];
/// let matches = [match_faces(&labelled, &found)];
/// assert_eq!(detection_report(&matches, &matches).average_precision, 1.0);
/// ```
pub fn detection_report(working: &[PhotoMatches], all: &[PhotoMatches]) -> DetectionReport {
    let n_labelled: u64 = working.iter().map(|photo| photo.n_labelled).sum();
    let scored = || working.iter().flat_map(|photo| &photo.scored);
    let right = scored().filter(|(_, right)| *right).count() as u64;
    let found = scored().count() as u64;
    let photos = working.iter().flat_map(|photo| &photo.landmark_errors);
    let mut errors: Vec<f64> = photos.map(|error| f64::from(*error)).collect();
    errors.sort_by(f64::total_cmp);
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    let ends = SIZES_PX.iter().skip(1).copied().chain([f32::INFINITY]);
    let by_size = SIZES_PX.iter().zip(ends).filter_map(|(&from, below)| {
        let sizes = working.iter().flat_map(|photo| &photo.by_size);
        let here: Vec<bool> = sizes
            .filter(|(side, _)| (from..below).contains(side))
            .map(|(_, found)| *found)
            .collect();
        let found = here.iter().filter(|found| **found).count() as u64;
        let recall = Proportion::of_independent(found, here.len() as u64);
        (!here.is_empty()).then_some((from, below, recall))
    });
    DetectionReport {
        n_photos: working.len() as u64,
        recall: Proportion::of_independent(right, n_labelled),
        precision: Proportion::of_independent(right, found),
        false_per_photo: (found - right) as f64 / working.len().max(1) as f64,
        average_precision: average_precision(all),
        landmark_error: (!errors.is_empty()).then_some(mean),
        landmark_error_median: errors.get(errors.len() / 2).copied(),
        by_size: by_size.collect(),
    }
}

fn average_precision(photos: &[PhotoMatches]) -> f64 {
    let n_labelled: u64 = photos.iter().map(|photo| photo.n_labelled).sum();
    let mut scored: Vec<(f32, bool)> = photos.iter().flat_map(|p| p.scored.clone()).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut right = 0u64;
    let mut precisions = Vec::new();
    for (rank, (_, is_right)) in scored.iter().enumerate() {
        if *is_right {
            right += 1;
            precisions.push(right as f64 / (rank + 1) as f64);
        }
    }
    // Of equal or higher recall the best precision counts.
    let (mut best, mut area) = (0.0f64, 0.0);
    for precision in precisions.iter().rev() {
        best = best.max(*precision);
        area += best;
    }
    area / (n_labelled.max(1)) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bbox(x: f32, side: f32) -> BoundingBox {
        BoundingBox {
            x_min: x,
            y_min: 0.0,
            x_max: x + side,
            y_max: side,
        }
    }

    fn labelled(x: f32, ignore: bool) -> LabelledFace {
        LabelledFace {
            bbox: bbox(x, 10.0),
            landmarks: Vec::new(),
            ignore,
        }
    }

    fn found(x: f32, score: f32) -> FoundFace {
        FoundFace {
            bbox: bbox(x, 10.0),
            score,
            landmarks: None,
        }
    }

    #[test]
    fn a_face_is_found_once_and_a_second_box_on_it_is_wrong() {
        let matches = match_faces(&[labelled(0.0, false)], &[found(1.0, 0.5), found(0.0, 0.9)]);
        assert_eq!(matches.scored, [(0.9, true), (0.5, false)]);
        assert_eq!(matches.by_size, [(10.0, true)]);
    }

    #[test]
    fn faces_to_be_ignored_count_neither_way() {
        let labels = [labelled(0.0, true), labelled(50.0, false)];
        let matches = match_faces(
            &labels,
            &[found(0.0, 0.9), found(1.0, 0.8), found(80.0, 0.7)],
        );
        assert_eq!(
            (matches.n_labelled, matches.scored.as_slice()),
            (1, &[(0.7, false)][..])
        );
    }

    #[test]
    fn average_precision_is_the_area_under_the_interpolated_curve() {
        // Right, wrong, right of three labelled: precisions 1 and 2/3, the third never found.
        let labels = [
            labelled(0.0, false),
            labelled(50.0, false),
            labelled(90.0, false),
        ];
        let found = [found(0.0, 0.9), found(25.0, 0.8), found(50.0, 0.7)];
        let photo = [match_faces(&labels, &found)];
        let report = detection_report(&photo, &photo);
        assert!((report.average_precision - (1.0 + 2.0 / 3.0) / 3.0).abs() < 1e-12);
        assert_eq!((report.recall.count, report.recall.trials), (2, 3));
        assert_eq!((report.precision.count, report.precision.trials), (2, 3));
        assert_eq!(report.false_per_photo, 1.0);
    }

    #[test]
    fn landmarks_are_measured_in_eye_distances_and_a_mouth_may_be_one_point() {
        let points = [(2.0, 2.0), (6.0, 2.0), (4.0, 4.0), (3.0, 6.0), (5.0, 6.0)]
            .map(|(x, y)| Point { x, y });
        let label = |landmarks| LabelledFace {
            landmarks,
            ..labelled(0.0, false)
        };
        let moved = points.map(|p| Point {
            x: p.x + 1.0,
            y: p.y,
        });
        let face = FoundFace {
            landmarks: Some(moved),
            ..found(0.0, 0.9)
        };
        let middle = Point { x: 4.0, y: 6.0 };
        for landmarks in [
            points.to_vec(),
            vec![points[0], points[1], points[2], middle],
        ] {
            let matches = match_faces(&[label(landmarks)], std::slice::from_ref(&face));
            assert_eq!(matches.landmark_errors, [0.25]);
        }
        assert!(
            match_faces(&[label(Vec::new())], &[face])
                .landmark_errors
                .is_empty()
        );
    }

    #[test]
    fn nothing_labelled_and_nothing_found_is_no_error() {
        let report = detection_report(&[], &[]);
        assert_eq!(
            (report.average_precision, report.landmark_error),
            (0.0, None)
        );
        assert!(report.by_size.is_empty() && report.false_per_photo == 0.0);
    }
}

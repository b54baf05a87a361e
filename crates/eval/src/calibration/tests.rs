//! Tests of calibration against cases counted by hand.

use super::*;
use proptest::prelude::*;

/// Points on the unit circle: the similarity of two is the cosine of their angle.
fn circle(people: &[(u32, f32)]) -> Vec<(u32, [f32; 2])> {
    people
        .iter()
        .map(|&(person, deg)| (person, [deg.to_radians().cos(), deg.to_radians().sin()]))
        .collect()
}

fn calibrate(faces: &[(u32, [f32; 2])], fmrs: &[f64]) -> Result<Calibration, EvaluateError> {
    let faces: Vec<_> = faces
        .iter()
        .map(|(person, vector)| LabelledEmbedding {
            person: *person,
            vector,
        })
        .collect();
    impostor_thresholds(&faces, fmrs)
}

#[test]
fn three_people_by_hand() {
    // Impostor angles: 30 (20–50), 50 (0–50), 40 (50–90), 70 (20–90), 90 (0–90). Genuine: 20
    // (0–20).
    let faces = circle(&[(7, 0.0), (7, 20.0), (3, 50.0), (5, 90.0)]);
    let result = calibrate(&faces, &[0.2, 0.5, 0.01]).unwrap();
    assert_eq!((result.n_faces, result.n_people), (4, 3));
    assert_eq!((result.n_genuine, result.n_impostor), (1, 5));
    let found: Vec<_> = result
        .points
        .iter()
        .map(|p| {
            (
                p.threshold.acos().to_degrees().round(),
                p.fmr.count,
                p.fnmr.count,
            )
        })
        .collect();
    // One of five may match: just above the second nearest, 40°. Two: above 50°. None: above 30°.
    assert_eq!(found, [(40.0, 1, 0), (50.0, 2, 0), (30.0, 0, 0)]);
    assert!(!result.points[0].rests_on_30_errors());
}

#[test]
fn genuine_pairs_below_the_threshold_are_missed() {
    let faces = circle(&[(1, 0.0), (1, 10.0), (1, 100.0), (2, 40.0), (2, 170.0)]);
    // Impostor angles from the nearest: 30 40 60 70 160 170. Genuine: 10 90 100 and 130.
    let result = calibrate(&faces, &[0.34]).unwrap();
    let point = result.points[0];
    assert_eq!((point.fmr.count, point.fmr.trials), (2, 6));
    assert_eq!((point.fnmr.count, point.fnmr.trials), (3, 4));
}

#[test]
fn the_jackknife_of_independent_people_is_the_binomial() {
    // One comparison each, so leaving out a person is leaving out a trial: 40 errors of 400.
    let parts: Vec<Part> = (0..400)
        .map(|i| Part {
            errors: u64::from(i < 40),
            trials: 1,
        })
        .collect();
    let share = jackknife(40, 400, &parts);
    let wilson = Proportion::of_independent(40, 400);
    assert!((share.low - wilson.low).abs() < 1e-4 && (share.high - wilson.high).abs() < 1e-4);
    // The same errors in ten people of forty comparisons each: one person made them all.
    let parts: Vec<Part> = (0..10)
        .map(|i| Part {
            errors: if i == 0 { 40 } else { 0 },
            trials: 40,
        })
        .collect();
    let lumped = jackknife(40, 400, &parts);
    assert!(lumped.high > 2.0 * wilson.high, "{lumped:?}");
}

#[test]
fn material_that_cannot_be_measured_is_refused() {
    let two = circle(&[(1, 0.0), (2, 10.0)]);
    assert_eq!(calibrate(&two, &[0.1]), Err(EvaluateError::NO_GENUINE));
    let one = circle(&[(1, 0.0), (1, 10.0)]);
    assert_eq!(calibrate(&one, &[0.1]), Err(EvaluateError::NO_IMPOSTOR));
    assert_eq!(calibrate(&[], &[0.1]), Err(EvaluateError::NO_IMPOSTOR));
    assert_eq!(
        calibrate(&one, &[0.0]),
        Err(EvaluateError::Rate { value: 0.0 })
    );
    assert!(matches!(
        calibrate(&one, &[f64::NAN]),
        Err(EvaluateError::Rate { .. })
    ));
    let long = [(1, [1.0, 0.0]), (2, [1.0, 1.0])];
    assert!(matches!(
        calibrate(&long, &[0.1]),
        Err(EvaluateError::NotUnit { index: 1, .. })
    ));
    let nan = [(1, [f32::NAN, 0.0])];
    assert!(matches!(
        calibrate(&nan, &[0.1]),
        Err(EvaluateError::NotUnit { index: 0, .. })
    ));
    let (a, b) = ([1.0f32], [1.0f32, 0.0]);
    let faces = [
        LabelledEmbedding {
            person: 1,
            vector: &a,
        },
        LabelledEmbedding {
            person: 2,
            vector: &b,
        },
    ];
    let sizes = EvaluateError::EmbeddingSize {
        index: 1,
        found: 2,
        expected: 1,
    };
    assert_eq!(impostor_thresholds(&faces, &[0.1]), Err(sizes));
}

proptest! {
    #[test]
    fn all_pairs_at_once_agree(
        // Whole degrees make ties common; 200 faces span several blocks.
        people in prop::collection::vec((0u32..20, (0u16..360).prop_map(f32::from)), 2..200),
        fmr in 0.001f64..0.9,
    ) {
        let faces = circle(&people);
        let Ok(result) = calibrate(&faces, &[fmr]) else { return Ok(()) };
        let (mut genuine, mut impostor) = (Vec::new(), Vec::new());
        let mut sorted = faces.clone();
        sorted.sort_by_key(|face| face.0);
        for (i, a) in sorted.iter().enumerate() {
            for b in &sorted[i + 1..] {
                let side = if a.0 == b.0 { &mut genuine } else { &mut impostor };
                side.push(dot(&a.1, &b.1));
            }
        }
        impostor.sort_by(|a, b| b.total_cmp(a));
        let allowed = allowed_false_matches(fmr, impostor.len() as u64);
        let expected = impostor[allowed as usize].next_up();

        let point = result.points[0];
        prop_assert_eq!(point.threshold, expected);
        let n_false = impostor.iter().filter(|s| **s >= expected).count();
        prop_assert_eq!(point.fmr.count as usize, n_false);
        let n_lost = genuine.iter().filter(|s| **s < expected).count();
        prop_assert_eq!(point.fnmr.count as usize, n_lost);
        prop_assert_eq!(point.fmr.trials as usize, impostor.len());
        prop_assert_eq!(point.fnmr.trials as usize, genuine.len());
        prop_assert!(point.fmr.value() <= fmr);
    }
}

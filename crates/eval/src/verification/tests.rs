//! Tests of verification against cases counted by hand.

use super::*;
use proptest::prelude::*;

fn scores(list: &[(usize, Option<f32>, bool)]) -> Vec<PairScore> {
    list.iter()
        .map(|&(fold, similarity, same)| PairScore {
            fold,
            similarity,
            same,
        })
        .collect()
}

/// Two folds, by hand: genuine 0.9 0.65 | 0.8 0.3, impostor 0.5 0.1 | 0.4 0.2.
fn eight() -> Vec<PairScore> {
    scores(&[
        (0, Some(0.9), true),
        (0, Some(0.65), true),
        (0, Some(0.5), false),
        (0, Some(0.1), false),
        (1, Some(0.8), true),
        (1, Some(0.3), true),
        (1, Some(0.4), false),
        (1, Some(0.2), false),
    ])
}

#[test]
fn eight_pairs_by_hand() {
    let report = evaluate(&eight()).unwrap();
    // Fold 0 is judged by fold 1: 3 of 4 are right between 0.8 and 0.4 and between 0.3 and 0.2; the
    // strictest is 0.6, where 0.9 and 0.65 match and 0.5 and 0.1 do not.
    assert_eq!(report.folds[0].accuracy, 1.0);
    assert!((report.folds[0].threshold - 0.6).abs() < 1e-6);
    // Fold 1 is judged by fold 0: all right between 0.65 and 0.5; there 0.3 is missed.
    assert_eq!(report.folds[1].accuracy, 0.75);
    assert!((report.folds[1].threshold - 0.575).abs() < 1e-6);
    assert_eq!(report.accuracy, 0.875);
    // Deviations ±0.125: variance 2 · 0.125² / 1, over √2 folds.
    assert!((report.accuracy_standard_error - 0.125).abs() < 1e-12);
    assert!((report.threshold - 0.5875).abs() < 1e-6);
    // Impostors below each genuine: 4 + 4 + 4 + 2 of 16.
    assert!((report.auc - 14.0 / 16.0).abs() < 1e-12);
    // After 0.4 both have erred: FMR 2/4, FNMR 1/4; before it 1/4 and 1/4.
    assert!((report.eer - 0.25).abs() < 1e-12);
    // No impostor may match, so the threshold is just above 0.5: three of four genuine match.
    for at in &report.tar_at_far {
        assert_eq!(at.threshold, 0.5f32.next_up());
        assert_eq!(
            (at.tar.count, at.tar.trials, at.measured_far.count),
            (3, 4, 0)
        );
    }
}

#[test]
fn tar_at_far_is_the_quantile_over_all_pairs() {
    // 1,000 impostors 0.000 … 0.999: at 1e-2 ten may match, at 1e-3 one.
    let mut list: Vec<_> = (0..1000)
        .map(|i| (i % 2, Some(i as f32 / 1000.0), false))
        .collect();
    list.extend([0.9985, 0.9895, 0.9885, 0.9].map(|s| (0, Some(s), true)));
    let report = evaluate(&scores(&list)).unwrap();
    assert_eq!(report.tar_at_far[0].measured_far.count, 10);
    assert_eq!(report.tar_at_far[0].tar.count, 2);
    assert_eq!(report.tar_at_far[1].measured_far.count, 1);
    assert_eq!(report.tar_at_far[1].tar.count, 1);
}

#[test]
fn a_face_not_found_is_a_non_match() {
    let mut list = eight();
    list[4].similarity = None;
    list[7].similarity = None;
    let report = evaluate(&list).unwrap();
    assert_eq!((report.n_genuine_failed, report.n_impostor_failed), (1, 1));
    assert_eq!((report.n_genuine, report.n_impostor), (4, 4));
    // 0.8 is lost: two of four genuine pairs reach what is above every impostor.
    assert_eq!(report.tar_at_far[0].tar.count, 2);
    // Genuine 0.9 0.65 above four impostors, 0.3 above two, the lost one ties with the lost
    // impostor.
    assert!((report.auc - (4.0 + 4.0 + 2.0 + 0.5) / 16.0).abs() < 1e-12);
    let last = report.det.last().unwrap();
    assert_eq!(
        (last.threshold, last.fmr, last.fnmr),
        (f32::NEG_INFINITY, 1.0, 0.0)
    );
}

#[test]
fn all_faces_lost_is_chance() {
    let list: Vec<_> = (0..8).map(|i| (i % 2, None, i < 4)).collect();
    let report = evaluate(&scores(&list)).unwrap();
    assert_eq!((report.accuracy, report.auc, report.eer), (0.5, 0.5, 0.5));
    assert_eq!(report.tar_at_far[0].tar.count, 0);
}

#[test]
fn material_that_cannot_be_measured_is_refused() {
    let error = |list: &[_]| evaluate(&scores(list)).unwrap_err();
    assert_eq!(error(&[]), EvaluateError::NO_GENUINE);
    assert_eq!(error(&[(0, Some(0.1), true)]), EvaluateError::NO_IMPOSTOR);
    assert_eq!(
        error(&[(0, Some(0.1), true), (0, Some(0.1), false)]),
        EvaluateError::OneFold
    );
    let nan = error(&[(0, Some(0.1), true), (1, Some(f32::NAN), false)]);
    assert!(
        nan.to_string()
            .starts_with("comparison 1 has the similarity NaN"),
        "{nan}"
    );
}

#[test]
fn neighbouring_floats_have_a_threshold_between() {
    let below = 0.5f32;
    let above = below.next_up();
    let middle = midpoint(above, below);
    assert!(middle > below && middle <= above);
}

fn material() -> impl Strategy<Value = Vec<PairScore>> {
    // Coarse similarities make ties common.
    let pair = (
        0usize..3,
        prop::option::weighted(0.9, -20i8..=20),
        any::<bool>(),
    );
    prop::collection::vec(pair, 2..60).prop_map(|list| {
        list.into_iter()
            .map(|(fold, step, same)| PairScore {
                fold,
                similarity: step.map(|s| f32::from(s) / 20.0),
                same,
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn the_report_agrees_with_counting(list in material()) {
        let Ok(report) = evaluate(&list) else { return Ok(()) };
        let side = |same: bool| list.iter().filter(move |p| p.same == same).map(ranked);

        for at in &report.tar_at_far {
            let false_matches = side(false).filter(|s| *s >= at.threshold).count() as u64;
            prop_assert_eq!(false_matches, at.measured_far.count);
            prop_assert!(at.measured_far.value() <= at.far);
            prop_assert_eq!(side(true).filter(|s| *s >= at.threshold).count() as u64, at.tar.count);
        }
        for point in &report.det {
            let n_false = side(false).filter(|s| *s >= point.threshold).count();
            let fmr = n_false as f64 / report.n_impostor as f64;
            let n_lost = side(true).filter(|s| *s < point.threshold).count();
            let fnmr = n_lost as f64 / report.n_genuine as f64;
            prop_assert!((fmr - point.fmr).abs() < 1e-12 && (fnmr - point.fnmr).abs() < 1e-12);
        }
        for pair in report.det.windows(2) {
            prop_assert!(pair[0].threshold > pair[1].threshold);
            prop_assert!(pair[0].fmr <= pair[1].fmr && pair[0].fnmr >= pair[1].fnmr);
        }
        let win = |g, i| if g > i { 1.0 } else if g == i { 0.5 } else { 0.0 };
        let wins: f64 = side(true)
            .flat_map(|g| side(false).map(move |i| win(g, i)))
            .sum();
        let n_pairs = (report.n_genuine * report.n_impostor) as f64;
        prop_assert!((report.auc - wins / n_pairs).abs() < 1e-9);
        prop_assert!((0.0..=1.0).contains(&report.eer) && (0.0..=1.0).contains(&report.accuracy));
    }

    #[test]
    fn no_threshold_beats_the_chosen_one(list in material()) {
        let mut descending: Vec<&PairScore> = list.iter().collect();
        descending.sort_by(|a, b| ranked(b).total_cmp(&ranked(a)));
        let is_right = |p: &PairScore, threshold| (ranked(p) >= threshold) == p.same;
        let right = |threshold: f32| list.iter().filter(|p| is_right(p, threshold)).count();
        let chosen = right(best_threshold(descending.iter()));
        for step in -21i8..=21 {
            prop_assert!(right(f32::from(step) / 20.0 - 0.025) <= chosen);
        }
    }

    #[test]
    fn order_does_not_matter(list in material()) {
        let mut turned = list.clone();
        turned.reverse();
        prop_assert_eq!(evaluate(&list).ok(), evaluate(&turned).ok());
    }
}

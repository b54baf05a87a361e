//! The threshold that keeps a false-match rate. In: the highest impostor similarities. Out: a
//! threshold.

/// How many of `n_impostor` comparisons may match at `fmr`.
pub(super) fn allowed_false_matches(fmr: f64, n_impostor: u64) -> u64 {
    // Without the factor 0.01 · 2,900 would be 28.999… in f64, and 28 after rounding down.
    (fmr * n_impostor as f64 * (1.0 + 1e-12)).floor() as u64
}

/// The lowest threshold at which at most `allowed` of the impostors match.
///
/// `descending` are similarities from the highest down, at least `allowed + 1` of them unless there
/// are no more. Impostors that tie at the edge are all refused, so fewer than `allowed` may match.
pub(super) fn threshold(descending: &[f32], allowed: u64) -> f32 {
    let refused = usize::try_from(allowed)
        .ok()
        .and_then(|idx| descending.get(idx));
    match refused {
        Some(highest_refused) => highest_refused.next_up(),
        None => f32::NEG_INFINITY,
    }
}

/// How many of the similarities, sorted from the highest down, reach `threshold`.
pub(super) fn matching(descending: &[f32], threshold: f32) -> u64 {
    descending.partition_point(|&similarity| similarity >= threshold) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_never_exceeded_and_ties_are_refused() {
        let impostors = [0.9, 0.8, 0.8, 0.8, 0.1];
        let matches = |fmr| {
            let allowed = allowed_false_matches(fmr, 5);
            matching(&impostors, threshold(&impostors, allowed))
        };
        assert_eq!(matches(0.1), 0);
        assert_eq!(matches(0.2), 1);
        assert_eq!(
            matches(0.6),
            1,
            "three may match, but 0.8 is held by the second to fourth"
        );
        assert_eq!(matches(0.8), 4);
        assert_eq!(matches(1.0), 5);
    }

    #[test]
    fn whole_shares_stay_whole() {
        for n in 1..=10_000u64 {
            assert_eq!(allowed_false_matches(0.01, n * 100), n);
            assert_eq!(allowed_false_matches(1e-3, n * 1_000), n);
            assert_eq!(allowed_false_matches(1e-5, n * 100_000), n);
        }
    }
}

//! How good a grouping is. In: for each item its true label and the group it was put in. Out:
//! precision, recall, F.

use std::collections::HashMap;

/// Precision, recall, and their harmonic mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Of what was put together, how much belongs together.
    pub precision: f64,
    /// Of what belongs together, how much was put together.
    pub recall: f64,
    /// `2·precision·recall / (precision + recall)`.
    pub f: f64,
}

impl Score {
    fn of(precision: f64, recall: f64) -> Score {
        let sum = precision + recall;
        let f = if sum > 0.0 {
            2.0 * precision * recall / sum
        } else {
            0.0
        };
        Score {
            precision,
            recall,
            f,
        }
    }
}

/// How many items each label, each group, and each pair of both has.
struct Counts {
    labels: HashMap<usize, u64>,
    groups: HashMap<usize, u64>,
    both: HashMap<(usize, usize), u64>,
}

impl Counts {
    fn of(truth: &[usize], assigned: &[usize]) -> Counts {
        assert_eq!(
            truth.len(),
            assigned.len(),
            "a label and a group for every item"
        );
        let mut counts = Counts {
            labels: HashMap::new(),
            groups: HashMap::new(),
            both: HashMap::new(),
        };
        for (label, group) in truth.iter().zip(assigned) {
            *counts.labels.entry(*label).or_default() += 1;
            *counts.groups.entry(*group).or_default() += 1;
            *counts.both.entry((*label, *group)).or_default() += 1;
        }
        counts
    }
}

/// BCubed: precision and recall of each item's neighbourhood, averaged over items.
///
/// Time grows with the number of items. An empty set scores 1.
///
/// # Panics
/// If the slices have different lengths.
///
/// # Source
/// Bagga and Baldwin (1998); Amigó et al., Information Retrieval 12 (2009).
///
/// # Example
/// ```
/// let score = fusiform_search::metrics::bcubed(&[0, 0, 1], &[5, 5, 5]);
/// assert!((score.precision - 5.0 / 9.0).abs() < 1e-12 && score.recall == 1.0);
/// ```
pub fn bcubed(truth: &[usize], assigned: &[usize]) -> Score {
    if truth.is_empty() {
        return Score::of(1.0, 1.0);
    }
    let counts = Counts::of(truth, assigned);
    // Sorted, because the order of additions moves the last digit.
    let mut cells: Vec<_> = counts.both.iter().collect();
    cells.sort_unstable();
    let (mut precision, mut recall) = (0.0, 0.0);
    for ((label, group), n) in cells {
        let square = (n * n) as f64;
        precision += square / counts.groups[group] as f64;
        recall += square / counts.labels[label] as f64;
    }
    let items = truth.len() as f64;
    Score::of(precision / items, recall / items)
}

/// Pairwise: of all pairs put together how many belong together, and the other way round.
///
/// Without any pair the share in question is 1.
///
/// # Panics
/// If the slices have different lengths.
pub fn pairwise(truth: &[usize], assigned: &[usize]) -> Score {
    let counts = Counts::of(truth, assigned);
    let pairs = |n: &u64| n * (n - 1) / 2;
    let right: u64 = counts.both.values().map(pairs).sum();
    let share = |of: u64| {
        if of == 0 {
            1.0
        } else {
            right as f64 / of as f64
        }
    };
    let together: u64 = counts.groups.values().map(pairs).sum();
    let belonging: u64 = counts.labels.values().map(pairs).sum();
    Score::of(share(together), share(belonging))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_agree_with_a_case_counted_by_hand() {
        // Labels a a a b b, groups {a a b} {a b}.
        let (truth, assigned) = ([0, 0, 0, 1, 1], [0, 0, 1, 0, 1]);
        let b = bcubed(&truth, &assigned);
        // Precision: a a in {a a b} 2/3 each, a in {a b} 1/2, b 1/3, b 1/2. Recall: 2/3 2/3 1/3 1/2
        // 1/2.
        assert!(
            (b.precision - (2.0 / 3.0 + 2.0 / 3.0 + 0.5 + 1.0 / 3.0 + 0.5) / 5.0).abs() < 1e-12
        );
        assert!((b.recall - (2.0 / 3.0 + 2.0 / 3.0 + 1.0 / 3.0 + 0.5 + 0.5) / 5.0).abs() < 1e-12);
        let p = pairwise(&truth, &assigned);
        // Four pairs put together, one right; four belong together.
        assert_eq!((p.precision, p.recall), (0.25, 0.25));
    }

    #[test]
    fn the_truth_scores_one_and_one_group_has_full_recall() {
        let truth = [3, 3, 1, 2, 2, 2];
        assert_eq!(bcubed(&truth, &truth).f, 1.0);
        assert_eq!(pairwise(&truth, &truth).f, 1.0);
        assert_eq!(bcubed(&truth, &[0; 6]).recall, 1.0);
        assert_eq!(bcubed(&truth, &[0, 1, 2, 3, 4, 5]).precision, 1.0);
    }
}

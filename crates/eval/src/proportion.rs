//! A measured share and how far it can be trusted. In: counts. Out: the share and its interval.

/// Quantile of the standard normal that leaves 2.5 % on each side.
const Z95: f64 = 1.959_963_984_540_054;

/// `count` of `trials`, with a 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proportion {
    /// How often it happened.
    pub count: u64,
    /// How often it could have happened; above zero.
    pub trials: u64,
    /// Lower end of the 95 % interval, 0…1.
    pub low: f64,
    /// Upper end of the 95 % interval, 0…1.
    pub high: f64,
}

impl Proportion {
    /// Takes the trials as independent.
    ///
    /// # Source
    /// Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22
    /// (1927).
    pub fn of_independent(count: u64, trials: u64) -> Self {
        Self::wilson(count, trials, trials as f64)
    }

    /// Takes the standard error as given, for trials that share people and so count for fewer.
    ///
    /// The interval is Wilson's for the number of independent trials that would have this standard
    /// error, so that it stays inside 0…1 and stays honest when nothing was counted. An error of
    /// zero is no evidence, and `ceiling` independent trials are assumed instead.
    pub(super) fn with_standard_error(count: u64, trials: u64, error: f64, ceiling: u64) -> Self {
        let share = count as f64 / trials as f64;
        let effective = share * (1.0 - share) / (error * error);
        let n = if effective.is_finite() && effective > 0.0 {
            effective.clamp(1.0, trials as f64)
        } else {
            ceiling as f64
        };
        Self::wilson(count, trials, n)
    }

    fn wilson(count: u64, trials: u64, n: f64) -> Self {
        if trials == 0 {
            return Self {
                count,
                trials,
                low: 0.0,
                high: 1.0,
            };
        }
        let share = count as f64 / trials as f64;
        let z2 = Z95 * Z95;
        let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = Z95 / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
        // At the ends the formula gives the end itself, up to rounding.
        let low = if count == 0 {
            0.0
        } else {
            (centre - half).max(0.0)
        };
        let high = if count == trials {
            1.0
        } else {
            (centre + half).min(1.0)
        };
        Self {
            count,
            trials,
            low,
            high,
        }
    }

    /// The share itself, 0…1; NaN when there were no trials.
    pub fn value(&self) -> f64 {
        self.count as f64 / self.trials as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wilson_of_81_in_263_is_the_textbook_interval() {
        // Newcombe (1998), Statistics in Medicine 17, table I: 0.2553 to 0.3662.
        let share = Proportion::of_independent(81, 263);
        assert!((share.low - 0.2553).abs() < 5e-5, "{share:?}");
        assert!((share.high - 0.3662).abs() < 5e-5, "{share:?}");
    }

    #[test]
    fn nothing_counted_is_not_certainty() {
        // Newcombe (1998), table I: 0 of 20 gives 0 to 0.1611.
        let share = Proportion::of_independent(0, 20);
        assert_eq!(share.low, 0.0);
        assert!((share.high - 0.1611).abs() < 5e-5, "{share:?}");
        let all = Proportion::of_independent(20, 20);
        assert_eq!(all.high, 1.0);
        assert!((all.low - 0.8389).abs() < 5e-5, "{all:?}");
    }

    #[test]
    fn a_larger_standard_error_widens() {
        let plain = Proportion::of_independent(100, 10_000);
        let wide = Proportion::with_standard_error(100, 10_000, 0.004, 50);
        assert!(wide.low < plain.low && wide.high > plain.high);
        let silent = Proportion::with_standard_error(0, 10_000, 0.0, 50);
        assert_eq!(silent.high, Proportion::of_independent(0, 50).high);
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_share(
            trials in 1u64..1_000_000,
            part in 0.0f64..=1.0,
            error in 0.0f64..0.5,
        ) {
            let count = (trials as f64 * part) as u64;
            for share in [
                Proportion::of_independent(count, trials),
                Proportion::with_standard_error(count, trials, error, trials),
            ] {
                prop_assert!(0.0 <= share.low && share.low <= share.value() + 1e-12);
                prop_assert!(share.value() - 1e-12 <= share.high && share.high <= 1.0);
            }
        }
    }
}

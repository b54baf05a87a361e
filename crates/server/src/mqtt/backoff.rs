//! How long to wait for somebody who is away. In: failures. Out: pauses that grow, a little
//! different each time, so that many clients do not come back at once.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);

/// Pauses between attempts.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    pub(crate) fn new(longest: Duration) -> Backoff {
        Backoff {
            next: FIRST,
            longest,
        }
    }

    /// Forgets the failures.
    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
    }

    /// The pause after one more failure: between three quarters and five quarters of twice the one
    /// before.
    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        let mut random = [0u8; 2];
        // Without randomness the pause is the middle one.
        let share = match getrandom::fill(&mut random) {
            Ok(()) => f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX),
            Err(_) => 0.5,
        };
        pause.mul_f64(0.75 + share / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_again() {
        let mut backoff = Backoff::new(Duration::from_secs(8));
        for middle_s in [1.0, 2.0, 4.0, 8.0, 8.0] {
            let pause = backoff.pause().as_secs_f64();
            assert!(
                (middle_s * 0.75..=middle_s * 1.25).contains(&pause),
                "{pause}"
            );
        }
        backoff.reset();
        assert!(backoff.pause().as_secs_f64() <= 1.25);
    }
}

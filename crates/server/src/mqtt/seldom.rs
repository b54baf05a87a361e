//! What the log is told now and then. In: something that happens often. Out: how often it happened,
//! every ten minutes at most.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(600);

/// Counts, and says when it is time to log.
#[derive(Debug, Default)]
pub(super) struct Seldom(Mutex<(usize, Option<Instant>)>);

impl Seldom {
    /// Counts `n` more; how many there are since the log was told last, if it is to be told now.
    pub(super) fn add(&self, n: usize, now: Instant) -> Option<usize> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, said) = &mut *state;
        *count += n;
        let is_due = said.is_none_or(|said| now.duration_since(said) >= EVERY);
        (*count > 0 && is_due).then(|| {
            *said = Some(now);
            std::mem::take(count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_said_and_the_others_together_later() {
        let (seldom, now) = (Seldom::default(), Instant::now());
        assert_eq!((seldom.add(0, now), seldom.add(1, now)), (None, Some(1)));
        assert_eq!((seldom.add(2, now), seldom.add(3, now)), (None, None));
        assert_eq!(seldom.add(0, now + EVERY), Some(5));
    }
}

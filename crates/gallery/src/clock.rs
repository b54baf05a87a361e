//! Time. In: the system's clock and a monotonic one. Out: the present, and the time up to which the
//! clock is believed: whose consent has ended by the present is not matched, whose has ended by the
//! believed time is erased. A clock that jumps (a machine without a battery, a wrong setting) thus
//! erases nobody. UTC, integer milliseconds since 1970; knows nothing of time zones.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds in a day.
pub(crate) const DAY_MS: i64 = 86_400_000;
/// How far a clock may be behind without being noticed: steps of NTP are smaller.
const SLACK_MS: i64 = 300_000;

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

/// What is stored of the clock with every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockMark {
    /// The time up to which the clock was believed.
    pub trusted_ms: i64,
    /// What the clock showed when it was first not believed; `None` while it is.
    pub doubt_ms: Option<i64>,
}

/// Why the clock is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockDoubt {
    /// How far it is ahead of what the vault's own times make plausible; negative if it is behind.
    pub ahead_ms: i64,
}

/// The clocks of a running process over what is stored of earlier ones.
#[derive(Debug)]
pub(crate) struct Clock {
    trust: Mutex<Trust>,
    started: Instant,
}

#[derive(Debug)]
struct Trust {
    /// The believed time at `elapsed_ms`.
    trusted_ms: i64,
    elapsed_ms: i64,
    /// What the system's clock showed then.
    wall_ms: i64,
    doubt_ms: Option<i64>,
    grace_ms: i64,
}

impl Trust {
    /// A jump of at most the grace period is believed at once. A longer one is believed when the
    /// clock has gone on evenly from there for the grace period; until then the believed time goes
    /// on with the monotonic clock.
    fn see(&mut self, wall_ms: i64, elapsed_ms: i64) {
        let passed = (elapsed_ms - self.elapsed_ms).max(0);
        let expected = self.trusted_ms.saturating_add(passed);
        let ahead = wall_ms.saturating_sub(expected);
        let even = wall_ms
            .saturating_sub(self.wall_ms.saturating_add(passed))
            .abs()
            <= SLACK_MS;
        (self.elapsed_ms, self.wall_ms) = (elapsed_ms, wall_ms);
        if ahead >= -SLACK_MS && ahead <= self.grace_ms {
            self.trusted_ms = wall_ms.max(expected);
            self.doubt_ms = None;
            return;
        }
        let since = self.doubt_ms.filter(|since| even && *since <= wall_ms);
        let since = since.unwrap_or(wall_ms);
        if wall_ms - since >= self.grace_ms {
            (self.trusted_ms, self.doubt_ms) = (wall_ms, None);
        } else {
            (self.trusted_ms, self.doubt_ms) = (expected, Some(since));
        }
    }
}

impl Clock {
    /// A clock over what was stored; without it the system's clock is believed.
    pub(crate) fn new(stored: Option<ClockMark>, grace: Duration) -> Clock {
        let wall_ms = now_ms();
        let stored = stored.unwrap_or(ClockMark {
            trusted_ms: wall_ms,
            doubt_ms: None,
        });
        Clock {
            trust: Mutex::new(Trust {
                trusted_ms: stored.trusted_ms,
                elapsed_ms: 0,
                wall_ms,
                doubt_ms: stored.doubt_ms,
                grace_ms: millis(grace),
            }),
            started: Instant::now(),
        }
    }

    pub(crate) fn set_grace(&self, grace: Duration) {
        self.trust().grace_ms = millis(grace);
    }

    fn trust(&self) -> MutexGuard<'_, Trust> {
        self.trust.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> MutexGuard<'_, Trust> {
        let mut trust = self.trust();
        trust.see(now_ms(), millis(self.started.elapsed()));
        trust
    }

    /// The present: never before the believed time, so that a clock put back does not bring back a
    /// consent that has ended.
    pub(crate) fn now_ms(&self) -> i64 {
        let trust = self.seen();
        trust.wall_ms.max(trust.trusted_ms)
    }

    /// The time up to which the clock is believed.
    pub(crate) fn trusted_ms(&self) -> i64 {
        self.seen().trusted_ms
    }

    pub(crate) fn doubt(&self) -> Option<ClockDoubt> {
        let trust = self.seen();
        let ahead_ms = trust.wall_ms - trust.trusted_ms;
        trust.doubt_ms.map(|_| ClockDoubt { ahead_ms })
    }

    /// What is to be stored.
    pub(crate) fn mark(&self) -> ClockMark {
        let trust = self.seen();
        ClockMark {
            trusted_ms: trust.trusted_ms,
            doubt_ms: trust.doubt_ms,
        }
    }

    /// Believes the system's clock from now on: somebody said that it is right.
    pub(crate) fn believe(&self) {
        let mut trust = self.seen();
        (trust.trusted_ms, trust.doubt_ms) = (trust.wall_ms, None);
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const T0: i64 = 20_000 * DAY_MS;

    fn trust() -> Trust {
        Trust {
            trusted_ms: T0,
            elapsed_ms: 0,
            wall_ms: T0,
            doubt_ms: None,
            grace_ms: DAY_MS,
        }
    }

    #[test]
    fn a_jump_is_believed_only_after_the_grace_period() {
        let mut t = trust();
        t.see(T0 + 400 * DAY_MS, 1000);
        assert_eq!((t.trusted_ms, t.doubt_ms.is_some()), (T0 + 1000, true));
        t.see(T0 + 400 * DAY_MS + 11_000, 12_000);
        assert_eq!(t.trusted_ms, T0 + 12_000);
        // Back again: nothing happened.
        t.see(T0 + 13_000, 13_000);
        assert_eq!((t.trusted_ms, t.doubt_ms), (T0 + 13_000, None));
        // It stays ahead, hour after hour: after a day it is believed.
        for hour in 0..=24 {
            assert!(t.trusted_ms < T0 + 2 * DAY_MS, "hour {hour}");
            t.see(T0 + 30 * DAY_MS + hour * HOUR, 20_000 + hour * HOUR);
        }
        assert_eq!((t.trusted_ms, t.doubt_ms), (T0 + 31 * DAY_MS, None));
    }

    #[test]
    fn a_jump_within_a_doubt_starts_the_grace_period_anew() {
        let mut t = trust();
        t.see(T0 + 40 * DAY_MS, 0);
        t.see(T0 + 400 * DAY_MS, HOUR);
        assert_eq!(t.doubt_ms, Some(T0 + 400 * DAY_MS));
        assert_eq!(t.trusted_ms, T0 + HOUR);
    }

    #[test]
    fn a_clock_far_back_is_noticed_and_does_not_turn_back_the_believed_time() {
        let mut t = trust();
        t.see(5 * DAY_MS, 1000);
        assert_eq!((t.trusted_ms, t.doubt_ms), (T0 + 1000, Some(5 * DAY_MS)));
        // NTP after half an hour; the machine was off for two.
        t.see(T0 + 2 * HOUR, 1000 + HOUR / 2);
        assert_eq!((t.trusted_ms, t.doubt_ms), (T0 + 2 * HOUR, None));
        // A step back by two seconds is nothing.
        t.see(T0 + 2 * HOUR - 2000, 1000 + HOUR / 2);
        assert_eq!((t.trusted_ms, t.doubt_ms), (T0 + 2 * HOUR, None));
    }

    #[test]
    fn without_a_grace_period_every_clock_is_believed() {
        let mut t = trust();
        t.grace_ms = 0;
        t.see(T0 + 400 * DAY_MS, 1000);
        assert_eq!((t.trusted_ms, t.doubt_ms), (T0 + 400 * DAY_MS, None));
    }
}

//! Who came to which camera. In: recognitions. Out: entries, for a stated time and in memory alone:
//! they end with the server, with the time, and with the person's consent. Knows nothing of
//! pictures.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fusiform::models::Threshold;
use serde::Serialize;

/// Entries that are kept.
const MAX_ENTRIES: usize = 10_000;

/// Somebody was at a camera.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Entry {
    /// Of this run of the server, from 1.
    pub(crate) id: u64,
    pub(crate) camera: String,
    pub(crate) name: String,
    /// Milliseconds since 1970.
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    /// The highest.
    pub(crate) similarity: f32,
    pub(crate) threshold: f32,
    pub(crate) false_match_rate: f64,
}

/// What is remembered.
#[derive(Debug)]
pub(crate) struct Diary {
    keep: Duration,
    /// Who was away for so long comes anew.
    again_after: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Entry>,
    n: u64,
}

impl Diary {
    pub(crate) fn new(keep: Duration, again_after: Duration) -> Diary {
        Diary {
            keep,
            again_after,
            state: Mutex::default(),
        }
    }

    /// Somebody was seen; the entry if they have just come.
    pub(crate) fn seen(
        &self,
        camera: &str,
        name: &str,
        similarity: f32,
        threshold: Threshold,
        now_ms: i64,
    ) -> Option<Entry> {
        let mut state = self.state();
        let again_ms = millis(self.again_after);
        let known = state.entries.iter_mut().rev().find(|entry| {
            entry.camera == camera && entry.name == name && now_ms - entry.last_ms < again_ms
        });
        if let Some(known) = known {
            known.last_ms = now_ms;
            known.similarity = known.similarity.max(similarity);
            return None;
        }
        state.n += 1;
        let entry = Entry {
            id: state.n,
            camera: camera.to_owned(),
            name: name.to_owned(),
            first_ms: now_ms,
            last_ms: now_ms,
            similarity,
            threshold: threshold.similarity,
            false_match_rate: threshold.fmr,
        };
        if state.entries.len() == MAX_ENTRIES {
            state.entries.pop_front();
        }
        state.entries.push_back(entry.clone());
        Some(entry)
    }

    /// Takes out what is older than is kept, and everything about people who are not enrolled any
    /// more.
    pub(crate) fn tidy(&self, is_enrolled: impl Fn(&Entry) -> bool, now_ms: i64) {
        let keep_ms = millis(self.keep);
        let mut state = self.state();
        state
            .entries
            .retain(|entry| now_ms - entry.last_ms < keep_ms && is_enrolled(entry));
    }

    /// Newest first.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.state().entries.iter().rev().cloned().collect()
    }

    /// How long entries are kept.
    pub(crate) fn keeps(&self) -> Duration {
        self.keep
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_is_one_entry_and_ends_with_its_time_and_with_the_consent() {
        let diary = Diary::new(Duration::from_secs(3600), Duration::from_secs(60));
        let threshold = Threshold {
            fmr: 1e-4,
            fnmr: 0.1,
            similarity: 0.4,
        };
        let seen = |camera: &str, name: &str, similarity: f32, s: i64| {
            let come = diary.seen(camera, name, similarity, threshold, s * 1000);
            come.map(|entry| entry.id)
        };
        assert_eq!(seen("door", "Ida", 0.5, 0), Some(1));
        assert_eq!(seen("door", "Ida", 0.6, 30), None);
        assert_eq!(seen("garden", "Ida", 0.5, 31), Some(2), "another camera");
        assert_eq!(seen("door", "Max", 0.5, 32), Some(3));
        assert_eq!(
            seen("door", "Ida", 0.5, 89),
            None,
            "59 s after the last time"
        );
        assert_eq!(seen("door", "Ida", 0.5, 150), Some(4), "a minute away");
        let best: Vec<_> = diary
            .entries()
            .iter()
            .map(|e| (e.id, e.similarity))
            .collect();
        assert_eq!(best, [(4, 0.5), (3, 0.5), (2, 0.5), (1, 0.6)]);
        diary.tidy(|entry| entry.name != "Max", 3_600_000 + 40_000);
        let left: Vec<u64> = diary.entries().iter().map(|e| e.id).collect();
        assert_eq!(left, [4, 1]);
    }
}

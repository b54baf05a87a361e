//! How a stream is, as its parts tell. In: pictures and errors. Out: a state and counts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::error::LiveError;

/// How a stream is.
#[derive(Debug, Clone, PartialEq)]
pub enum LiveState {
    /// A connection is being made.
    Connecting,
    /// Pictures come.
    Receiving {
        /// Since when.
        since: Instant,
        /// `H.264`, `H.265` or `JPEG`.
        codec: &'static str,
    },
    /// There is none; it is tried again.
    Away {
        /// Since when.
        since: Instant,
        /// What went wrong the last time.
        why: String,
    },
}

/// What happened since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LiveCounts {
    /// Connections on which a picture came.
    pub connections: u64,
    /// Coded pictures that came.
    pub received: u64,
    /// Those that were not decoded, as the decoder was late or some before them were lost.
    pub dropped: u64,
    /// Those that were damaged.
    pub damaged: u64,
}

/// What the parts of one stream tell of themselves.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<LiveState>,
    connections: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) damaged: AtomicU64,
}

impl Default for Shared {
    fn default() -> Shared {
        Shared {
            state: Mutex::new(LiveState::Connecting),
            connections: AtomicU64::new(0),
            received: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
        }
    }
}

impl Shared {
    /// How it is now.
    pub(super) fn state(&self) -> MutexGuard<'_, LiveState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A picture came.
    pub(super) fn receives(&self, codec: &'static str) {
        let mut state = self.state();
        let known = matches!(&*state, LiveState::Receiving { codec: known, .. } if *known == codec);
        if !known {
            self.connections.fetch_add(1, Ordering::Relaxed);
            *state = LiveState::Receiving {
                since: Instant::now(),
                codec,
            };
        }
    }

    /// The stream ended; whether pictures had come.
    pub(super) fn is_away(&self, error: &LiveError) -> bool {
        let mut state = self.state();
        let since = match &*state {
            LiveState::Away { since, .. } => *since,
            _ => Instant::now(),
        };
        let received = matches!(&*state, LiveState::Receiving { .. });
        *state = LiveState::Away {
            since,
            why: error.to_string(),
        };
        received
    }

    /// What happened since the start.
    pub(super) fn counts(&self) -> LiveCounts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        LiveCounts {
            connections: of(&self.connections),
            received: of(&self.received),
            dropped: of(&self.dropped),
            damaged: of(&self.damaged),
        }
    }
}

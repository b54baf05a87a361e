//! How many networks run at once in this process, by which they share its threads. In: the
//! beginning and the end of runs. Out: the threads that a run may use. Knows nothing of what runs.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs under way in this process.
static RUNS: AtomicUsize = AtomicUsize::new(0);

/// Counts one run from [`RunGuard::begin`] until it is dropped.
pub(super) struct RunGuard {
    /// Runs under way when this one began, itself included.
    runs: usize,
}

impl RunGuard {
    pub(super) fn begin() -> RunGuard {
        RunGuard {
            runs: RUNS.fetch_add(1, Ordering::Relaxed) + 1,
        }
    }

    /// The current rayon pool's threads divided by the runs under way; 1 outside of a pool.
    pub(super) fn n_threads(&self) -> usize {
        match rayon::current_thread_index() {
            Some(_) => (rayon::current_num_threads() / self.runs).max(1),
            None => 1,
        }
    }
}

impl Drop for RunGuard {
    fn drop(&mut self) {
        RUNS.fetch_sub(1, Ordering::Relaxed);
    }
}

//! What must not be shared with a forked child. In: the number of threads wanted. Out: a pool that
//! lives in this process; handles that know who opened them. Knows nothing of faces.

use std::collections::BTreeMap;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::bad_handle;

/// The pools of this process by their number of threads; those of a parent have no threads here.
static POOLS: Mutex<(u32, BTreeMap<usize, Arc<ThreadPool>>)> = Mutex::new((0, BTreeMap::new()));

/// A pool of so many threads that run in this process; `None` if the system gives none.
fn pool(threads: usize) -> Option<Arc<ThreadPool>> {
    let mut held = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    if held.0 != process::id() {
        // Joining the threads of a parent would wait for ever.
        std::mem::forget(std::mem::take(&mut held.1));
        held.0 = process::id();
    }
    if let Some(pool) = held.1.get(&threads) {
        return Some(pool.clone());
    }
    let pool = Arc::new(ThreadPoolBuilder::new().num_threads(threads).build().ok()?);
    held.1.insert(threads, pool.clone());
    Some(pool)
}

/// Runs on so many threads; one is the thread that calls.
pub(crate) fn on_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    match (threads > 1).then(|| pool(threads)).flatten() {
        Some(pool) => pool.install(work),
        None => work(),
    }
}

/// Runs what divides its work among the threads of a pool, in one of this process.
pub(crate) fn on_all_threads<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    match pool(threads) {
        Some(pool) => pool.install(work),
        None => work(),
    }
}

/// Something behind a lock that only the process that opened it may use or close: its lock too, which
/// a thread of the parent may have held when the child was made.
#[derive(Debug)]
pub(crate) struct Owned<L: Default> {
    process: u32,
    /// The name of its class.
    class: &'static str,
    /// What is in it is `None` once it is closed.
    lock: L,
}

impl<L: Default> Owned<L> {
    pub(crate) fn new(class: &'static str, lock: L) -> Owned<L> {
        Owned {
            process: process::id(),
            class,
            lock,
        }
    }

    /// The lock, in the process that opened it.
    pub(crate) fn get(&self, py: Python<'_>) -> PyResult<&L> {
        if self.process == process::id() {
            return Ok(&self.lock);
        }
        let message = format!(
            "the {} was opened by another process; open it here",
            self.class
        );
        Err(bad_handle(py, &message))
    }

    /// Why there is nothing behind the lock.
    pub(crate) fn closed(&self, py: Python<'_>) -> PyErr {
        bad_handle(py, &format!("the {} is closed", self.class))
    }
}

impl<L: Default> Drop for Owned<L> {
    fn drop(&mut self) {
        if self.process != process::id() {
            // Closing a database in a forked child would take its log away from the parent.
            std::mem::forget(std::mem::take(&mut self.lock));
        }
    }
}

//! What must not be shared with a forked child. In: the number of threads wanted. Out: a pool that
//! lives in this process; handles that know who opened them. Knows nothing of faces.

use std::collections::BTreeMap;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

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

/// Something that only the process that opened it may use or close.
#[derive(Debug)]
pub(crate) struct Owned<T> {
    process: u32,
    /// `None` once it is closed.
    value: Option<T>,
}

impl<T> Owned<T> {
    pub(crate) fn new(value: T) -> Owned<T> {
        Owned {
            process: process::id(),
            value: Some(value),
        }
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.process == process::id()
    }

    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref().filter(|_| self.is_ours())
    }

    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        let is_ours = self.is_ours();
        self.value.as_mut().filter(|_| is_ours)
    }

    /// Closes it; in a forked child it is only let go of, because closing a database there would
    /// take its log away from the parent.
    pub(crate) fn close(&mut self) {
        let value = self.value.take();
        if !self.is_ours() {
            std::mem::forget(value);
        }
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        self.close();
    }
}

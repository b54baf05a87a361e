//! Threads to compute with. In: how many a request that is alone may use. Out: a pool for each
//! piece of work under way. They share none: a thread that waits for a part of its own work takes
//! whatever else waits in its pool, and would carry a stranger's large picture through before it
//! goes on.

use std::sync::{Arc, Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// Pools that are idle; made when they are first needed. The networks under way share the cores
/// among themselves, so that the threads of all pools together are not all busy.
#[derive(Debug)]
pub(super) struct Pools {
    threads: usize,
    idle: Mutex<Vec<ThreadPool>>,
}

/// A pool until it is dropped.
struct Borrowed {
    pools: Arc<Pools>,
    pool: Option<ThreadPool>,
}

impl Pools {
    /// # Errors
    /// If the system has no more threads.
    pub(super) fn new(threads: usize) -> Result<Arc<Pools>, ThreadPoolBuildError> {
        let pools = Pools {
            threads,
            idle: Mutex::default(),
        };
        let first = pools.make()?;
        pools.put(first);
        Ok(Arc::new(pools))
    }

    fn make(&self) -> Result<ThreadPool, ThreadPoolBuildError> {
        ThreadPoolBuilder::new().num_threads(self.threads).build()
    }

    fn put(&self, pool: ThreadPool) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(pool);
    }

    /// Does work in a pool of its own.
    ///
    /// # Errors
    /// If the system has no more threads.
    pub(super) fn install<T: Send>(
        self: &Arc<Self>,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, ThreadPoolBuildError> {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let pool = idle.map_or_else(|| self.make(), Ok)?;
        // Given back also if the work panics.
        let borrowed = Borrowed {
            pools: Arc::clone(self),
            pool: Some(pool),
        };
        Ok(match &borrowed.pool {
            Some(pool) => pool.install(work),
            None => work(),
        })
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            self.pools.put(pool);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_under_way_shares_no_threads_and_pools_are_used_again() {
        let pools = Pools::new(2).unwrap();
        let idle = || pools.idle.lock().unwrap().len();
        let outer = pools.install(|| {
            assert_eq!((rayon::current_num_threads(), idle()), (2, 0));
            pools.install(rayon::current_num_threads).unwrap()
        });
        assert_eq!((outer.unwrap(), idle()), (2, 2));
        let failed = std::panic::catch_unwind(|| pools.install(|| panic!("on purpose")));
        assert!(failed.is_err() && idle() == 2, "a panic loses no pool");
    }
}

//! How much is done at once, and which requests are refused. In: the server's limits. Out: permits,
//! or a [`Problem`]. Every route tree takes its permits here. Knows no contract and no person.
//!
//! | limit | of each key | of all | beyond it |
//! |---|---|---|---|
//! | requests a second | `rate_per_s`, bursts of twice as many | – | 429 |
//! | bytes of request bodies in memory | its share | `body_memory_mib` | 429; 503 |
//! | bytes a second of an upload | `min_upload_bytes_per_s` | – | 408 |
//! | requests that compute or wait to | `queue` | 4 × `queue` | 503 |
//! | requests that compute | all cores; one fewer with others there | one per core | wait |
//! | memory for decoded pixels | all; its share with others there | `pixel_memory_mib` | wait |
//! | memory for one picture | its share | – | 413 |
//! | time of one request | – | `timeout_ms` | 503 |
//!
//! Nothing is taken before it is needed: memory for a body as its bytes arrive (`bodies`), memory
//! for pixels once the decoder has read how many there are (`picture`), a core when it is one's
//! turn (`turns`). The pages count as one key, and so do Immich, Nextcloud, DeepStack's forms
//! while they are read, the events of Frigate's cameras, and strangers with a link. A key's share
//! is `key_share_percent`.
//!
//! The time limit is `tokio::time::timeout` and not `tower_http::timeout`: the latter answers
//! without a body, and a refusal here has to become the contract's JSON.

mod bodies;
mod holder;
mod picture;
mod pools;
mod turns;

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use rayon::ThreadPoolBuildError;

use crate::problem::Problem;
use crate::settings::Settings;
use bodies::{Bodies, GRACE};
pub(crate) use bodies::{BodyLimit, Held};
pub(crate) use holder::Holder;
pub(crate) use picture::{decoding_bytes, pixels, reduced_decoding_bytes};
use pools::Pools;
pub(crate) use turns::Turn;
use turns::{Capacity, Turns};

/// Queues of all keys together, as a multiple of one key's.
const ALL_QUEUES: usize = 4;

/// The limits and what is taken of them.
#[derive(Debug)]
pub(crate) struct Admission {
    /// Requests of each key; `None` is no limit.
    rates: Option<DefaultKeyedRateLimiter<Holder>>,
    bodies: Arc<Bodies>,
    turns: Arc<Turns>,
    /// A request that is alone uses all threads; many use one each.
    pools: Arc<Pools>,
    timeout: Duration,
}

impl Admission {
    pub(crate) fn new(
        settings: &Settings,
        threads: usize,
    ) -> Result<Admission, ThreadPoolBuildError> {
        let limited = |rate: NonZeroU32| {
            let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(1));
            RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst))
        };
        let bytes = |mib: u32| u64::from(mib) << 20;
        let share = |bytes: u64| bytes * u64::from(settings.key_share_percent) / 100;
        let whole = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let (bodies, pixels) = (
            bytes(settings.body_memory_mib),
            bytes(settings.pixel_memory_mib),
        );
        Ok(Admission {
            rates: NonZeroU32::new(settings.rate_per_s).map(limited),
            bodies: Arc::new(Bodies {
                bytes: whole(bodies),
                share_bytes: whole(share(bodies)),
                min_bytes_per_s: settings.min_upload_bytes_per_s,
                grace: GRACE,
                taken: Mutex::default(),
            }),
            turns: Turns::new(Capacity {
                cores: threads.max(1),
                bytes: pixels,
                share_bytes: share(pixels),
                holder_queue: settings.queue,
                queue: settings.queue.saturating_mul(ALL_QUEUES),
            }),
            pools: Pools::new(threads)?,
            timeout: Duration::from_millis(settings.timeout_ms),
        })
    }

    /// Counts one request of a key.
    pub(crate) fn count_request(&self, key: impl Into<Holder>) -> Result<(), Problem> {
        match &self.rates {
            Some(rates) => rates
                .check_key(&key.into())
                .map_err(|_| Problem::rate_limited()),
            None => Ok(()),
        }
    }

    /// Reads a body, and holds its memory until the permit is dropped.
    pub(crate) async fn receive(
        &self,
        holder: impl Into<Holder>,
        body: Body,
        limit: BodyLimit,
    ) -> Result<(Bytes, Held), Problem> {
        self.bodies.receive(holder.into(), body, limit).await
    }

    /// Does all of a request within the time limit.
    pub(crate) async fn in_time<T>(
        &self,
        request: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let done = tokio::time::timeout(self.timeout, request).await;
        done.unwrap_or_else(|_| Err(Problem::timed_out()))
    }

    /// A core and memory for `pixel_bytes`, once it is the holder's turn; refuses if its queue is
    /// full.
    pub(crate) async fn turn(
        &self,
        holder: impl Into<Holder>,
        pixel_bytes: u64,
    ) -> Result<Turn, Problem> {
        self.turns.take(holder.into(), pixel_bytes).await
    }

    /// Computes once it is the holder's turn; refuses if its queue is full.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        holder: impl Into<Holder>,
        pixel_bytes: u64,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.turn(holder, pixel_bytes).await?;
        let pools = Arc::clone(&self.pools);
        blocking(move || {
            let _held = turn;
            let done = pools.install(work);
            done.map_err(|e| Problem::internal(format!("no threads to compute with: {e}")))?
        })
        .await
    }
}

/// Runs work that blocks (disk, computing, parsing) away from the threads that serve connections; a
/// panic in it is a problem.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(ended) => Err(match ended.try_into_panic() {
            Ok(payload) => Problem::panicked(&*payload),
            Err(_) => Problem::internal("stopped"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Code;

    const A: Holder = Holder::of_service(1);

    fn admission(queue: usize, rate_per_s: u32) -> Admission {
        let settings = Settings {
            queue,
            timeout_ms: 100,
            rate_per_s,
            ..Settings::default()
        };
        Admission::new(&settings, 1).unwrap()
    }

    #[test]
    fn a_key_has_twice_its_rate_at_once_and_other_keys_have_their_own() {
        let admission = admission(1, 3);
        let allowed = |number| {
            let key = Holder::of_service(number);
            let counted = (0..20).filter(|_| admission.count_request(key).is_ok());
            counted.count()
        };
        assert_eq!((allowed(1), allowed(2)), (6, 6));
    }

    #[tokio::test]
    async fn a_full_queue_refuses_a_slow_request_ends_and_a_panic_is_a_problem() {
        let admission = Arc::new(admission(1, 0));
        let (begun, wait) = tokio::sync::oneshot::channel();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let other = Arc::clone(&admission);
        let first = tokio::spawn(async move {
            let work = move || {
                begun.send(()).unwrap();
                Ok(released.recv().is_ok())
            };
            other.compute(A, 0, work).await
        });
        wait.await.unwrap();
        let second = admission.compute(A, 0, || Ok(())).await;
        assert_eq!(second, Err(Problem::busy()));
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(true));

        let slow = admission.in_time(std::future::pending::<Result<(), Problem>>());
        assert_eq!(slow.await, Err(Problem::timed_out()));
        let failed = admission.compute::<()>(A, 0, || panic!("on purpose")).await;
        assert_eq!(failed.unwrap_err().code, Code::Internal);
    }
}

//! How much is done at once, and which requests are refused. In: the server's limits. Out: permits,
//! or a [`Problem`]. Every route tree takes its permits here. Knows no contract, image or person.
//!
//! | limit | of each key | of all | beyond it |
//! |---|---|---|---|
//! | requests a second | `rate_per_s`, bursts of twice as many | – | 429 |
//! | bytes of request bodies in memory | – | 256 MiB | 503 |
//! | requests that compute or wait to | – | `queue` | 503 |
//! | requests that compute | – | one per core | wait |
//! | time of one request | – | `timeout_ms` | 503 |
//!
//! The time limit is `tokio::time::timeout` and not `tower_http::timeout`: the latter answers
//! without a body, and a refusal here has to become the contract's JSON.

use std::future::Future;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::{Code, Problem};
use crate::settings::Settings;

/// Memory for the bodies of all requests under way, in KiB.
const BODY_KIB: usize = 256 << 10;

/// The limits and what is taken of them.
#[derive(Debug)]
pub(crate) struct Admission {
    /// Requests of each key, by the number of its service; `None` is no limit.
    rates: Option<DefaultKeyedRateLimiter<i64>>,
    body_kib: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    cores: Arc<Semaphore>,
    /// A request that is alone uses all threads; many use one each.
    threads: Arc<ThreadPool>,
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
        Ok(Admission {
            rates: NonZeroU32::new(settings.rate_per_s).map(limited),
            body_kib: Arc::new(Semaphore::new(BODY_KIB)),
            queue: Arc::new(Semaphore::new(settings.queue)),
            cores: Arc::new(Semaphore::new(threads)),
            threads: Arc::new(ThreadPoolBuilder::new().num_threads(threads).build()?),
            timeout: Duration::from_millis(settings.timeout_ms),
        })
    }

    /// Counts one request of a key.
    pub(crate) fn count_request(&self, key: i64) -> Result<(), Problem> {
        match &self.rates {
            Some(rates) => rates.check_key(&key).map_err(|_| Problem::rate_limited()),
            None => Ok(()),
        }
    }

    /// Memory for a body of at most `max_bytes`, held until the permit is dropped. A chunked body
    /// reserves all of it.
    pub(crate) fn reserve_body(
        &self,
        headers: &HeaderMap,
        max_bytes: usize,
    ) -> Result<OwnedSemaphorePermit, Problem> {
        let length = headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|l| l.to_str().ok()?.parse().ok());
        let is_chunked = headers.contains_key(header::TRANSFER_ENCODING);
        let bytes: usize = length.unwrap_or(if is_chunked { max_bytes } else { 0 });
        let kib = bytes.min(max_bytes).div_ceil(1024);
        Arc::clone(&self.body_kib)
            .try_acquire_many_owned(u32::try_from(kib).unwrap_or(u32::MAX))
            .map_err(|_| Problem::busy())
    }

    /// Does all of a request within the time limit.
    pub(crate) async fn in_time<T>(
        &self,
        request: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let done = tokio::time::timeout(self.timeout, request).await;
        done.unwrap_or_else(|_| Err(Problem::timed_out()))
    }

    /// A core, once one is free.
    pub(crate) async fn core(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let core = Arc::clone(&self.cores).acquire_owned().await;
        core.map_err(|_| Problem::busy())
    }

    /// Computes once a core is free; refuses if the queue is full.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let queued = Arc::clone(&self.queue).try_acquire_owned();
        let queued = queued.map_err(|_| Problem::busy())?;
        let core = self.core().await?;
        let threads = Arc::clone(&self.threads);
        blocking(move || {
            let _held = (queued, core);
            threads.install(work)
        })
        .await
    }
}

/// Runs work that blocks (disk, computing) away from the threads that serve connections; a panic in
/// it is a problem.
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

/// Reads a body of at most `max_bytes`; `refused` is the detail if it is larger or ends early.
pub(crate) async fn read_body(
    body: Body,
    max_bytes: usize,
    refused: &str,
) -> Result<Bytes, Problem> {
    let read = axum::body::to_bytes(body, max_bytes).await;
    read.map_err(|_| Problem::new(Code::TooLarge, refused))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use axum::http::HeaderValue;

    use super::*;

    fn admission(queue: usize, rate_per_s: u32) -> Admission {
        let settings = Settings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            vault: None,
            key_file: None,
            queue,
            timeout_ms: 100,
            rate_per_s,
            tls_cert: None,
            tls_key: None,
            pages: false,
            connections: 1,
            backup_dir: None,
        };
        Admission::new(&settings, 1).unwrap()
    }

    #[test]
    fn a_key_has_twice_its_rate_at_once_and_other_keys_have_their_own() {
        let admission = admission(1, 3);
        let allowed = |key| {
            (0..20)
                .filter(|_| admission.count_request(key).is_ok())
                .count()
        };
        assert_eq!((allowed(1), allowed(2)), (6, 6));
    }

    #[test]
    fn bodies_of_all_requests_share_the_memory() {
        let admission = admission(1, 0);
        let of = |name, value: &'static str| {
            HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
        };
        let chunked = of(header::TRANSFER_ENCODING, "chunked");
        let half = 128 << 20;
        let first = admission.reserve_body(&chunked, half).unwrap();
        let _second = admission.reserve_body(&chunked, half).unwrap();
        let short = of(header::CONTENT_LENGTH, "10");
        let refused = admission.reserve_body(&short, half).unwrap_err();
        assert_eq!(refused, Problem::busy());
        drop(first);
        assert!(admission.reserve_body(&short, half).is_ok());
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
            other.compute(work).await
        });
        wait.await.unwrap();
        assert_eq!(admission.compute(|| Ok(())).await, Err(Problem::busy()));
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(true));

        let slow = admission.in_time(std::future::pending::<Result<(), Problem>>());
        assert_eq!(slow.await, Err(Problem::timed_out()));
        let failed = admission.compute::<()>(|| panic!("on purpose")).await;
        assert_eq!(failed.unwrap_err().code, Code::Internal);
    }
}

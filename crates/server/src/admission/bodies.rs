//! Memory for the bodies of requests. In: bytes as they arrive. Out: the body, and what it holds of
//! the budget until it is dropped. What a client says will come is not counted: a slow upload holds
//! what it has sent and no more, and has to keep a rate.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::StreamExt;
use tokio::time::Instant;

use super::holder::Holder;
use crate::problem::{Code, Problem};

/// An upload has this long before its rate counts.
pub(super) const GRACE: Duration = Duration::from_secs(5);
/// A body that is refused is read and thrown away for so long, since many clients do not look for
/// the answer before they have sent all.
const DRAIN: Duration = Duration::from_secs(5);
/// And up to so many bytes.
const DRAIN_BYTES: usize = 64 << 20;
/// The first memory of a body.
const FIRST_BYTES: usize = 16 << 10;

/// What there is for bodies, and who has how much.
#[derive(Debug)]
pub(super) struct Bodies {
    pub(super) bytes: usize,
    /// What one holder may have of it.
    pub(super) share_bytes: usize,
    /// Bytes a second below which an upload is given up on; 0 is no limit.
    pub(super) min_bytes_per_s: u32,
    /// How long an upload has before its rate counts.
    pub(super) grace: Duration,
    pub(super) taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
pub(super) struct Taken {
    all: usize,
    by_holder: BTreeMap<Holder, usize>,
}

/// Memory for bodies, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    bodies: Arc<Bodies>,
    holder: Holder,
    bytes: usize,
}

/// What a body may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimit {
    pub(crate) max_bytes: usize,
    /// Memory that its parts take beside it once it is parsed, as a multiple of it; 0 for what is
    /// used as it is.
    pub(crate) parsed: usize,
}

impl Bodies {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a body, taking memory as it arrives.
    pub(super) async fn receive(
        self: &Arc<Self>,
        holder: Holder,
        body: Body,
        limit: BodyLimit,
    ) -> Result<(Bytes, Held), Problem> {
        let mut held = Held {
            bodies: Arc::clone(self),
            holder,
            bytes: 0,
        };
        let broke_off = |_| Problem::new(Code::Malformed, "the body of the request broke off");
        let started = Instant::now();
        let mut chunks = body.into_data_stream();
        let mut whole: Vec<u8> = Vec::new();
        loop {
            let next = match self.due(started, whole.len()) {
                Some(due) => tokio::time::timeout_at(due, chunks.next()).await,
                None => Ok(chunks.next().await),
            };
            let Some(chunk) = next.map_err(|_| self.too_slow())? else {
                break;
            };
            let chunk = chunk.map_err(broke_off)?;
            let len = whole.len() + chunk.len();
            if len > limit.max_bytes {
                drop(tokio::time::timeout(DRAIN, drain(chunks)).await);
                let most = limit.max_bytes;
                let detail = format!("the body of the request is larger than {most} bytes");
                return Err(Problem::new(Code::TooLarge, detail));
            }
            if len > whole.capacity() {
                let for_each = 1 + limit.parsed;
                let most = limit.max_bytes.min(self.share_bytes / for_each);
                // Room for what comes next, but not because of that more than is allowed.
                let room = (len + len / 4).max(FIRST_BYTES).min(most).max(len);
                held.grow((room - whole.capacity()) * for_each)?;
                whole.reserve_exact(room - whole.len());
            }
            whole.extend_from_slice(&chunk);
        }
        Ok((Bytes::from(whole), held))
    }

    /// When the next bytes must be here.
    fn due(&self, started: Instant, received: usize) -> Option<Instant> {
        let rate = (self.min_bytes_per_s > 0).then_some(self.min_bytes_per_s)?;
        let for_received = Duration::from_secs_f64(received as f64 / f64::from(rate));
        started.checked_add(self.grace + for_received)
    }

    fn too_slow(&self) -> Problem {
        let rate = self.min_bytes_per_s;
        let detail = format!("the request arrives at less than {rate} bytes a second");
        Problem::new(Code::TooSlow, detail)
    }
}

async fn drain(mut chunks: BodyDataStream) {
    let mut n = 0;
    while let Some(Ok(chunk)) = chunks.next().await {
        n += chunk.len();
        if n > DRAIN_BYTES {
            return;
        }
    }
}

impl Held {
    fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let share_bytes = self.bodies.share_bytes;
        if self.bytes + bytes > share_bytes {
            let detail =
                format!("the request takes more than {share_bytes} bytes of memory, a key's share");
            return Err(Problem::new(Code::TooLarge, detail));
        }
        let mut taken = self.bodies.taken();
        let of_holder = taken.by_holder.get(&self.holder).copied().unwrap_or(0);
        if of_holder + bytes > share_bytes {
            let detail = "Too many bytes of requests with this key are under way, please wait";
            return Err(Problem::new(Code::RateLimited, detail));
        }
        if taken.all + bytes > self.bodies.bytes {
            return Err(Problem::busy());
        }
        taken.all += bytes;
        taken.by_holder.insert(self.holder, of_holder + bytes);
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut taken = self.bodies.taken();
        taken.all -= self.bytes;
        if let Some(of_holder) = taken.by_holder.get_mut(&self.holder) {
            *of_holder -= self.bytes;
            if *of_holder == 0 {
                taken.by_holder.remove(&self.holder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    const A: Holder = Holder::of_service(1);
    const B: Holder = Holder::of_service(2);
    const LIMIT: BodyLimit = BodyLimit {
        max_bytes: 1 << 20,
        parsed: 0,
    };

    fn bodies(bytes: usize, min_bytes_per_s: u32) -> Arc<Bodies> {
        Arc::new(Bodies {
            bytes,
            share_bytes: bytes / 2,
            min_bytes_per_s,
            grace: Duration::from_millis(50),
            taken: Mutex::default(),
        })
    }

    fn of(bytes: usize) -> Body {
        Body::from(vec![7; bytes])
    }

    #[tokio::test]
    async fn a_key_has_its_share_and_all_have_the_whole() {
        let bodies = bodies(400 << 10, 0);
        let big = 150 << 10;
        let (whole, first) = bodies.receive(A, of(big), LIMIT).await.unwrap();
        assert_eq!(whole.len(), big);
        let refused = bodies.receive(A, of(big), LIMIT).await.unwrap_err();
        assert_eq!(refused.code, Code::RateLimited);
        let _second = bodies.receive(B, of(big), LIMIT).await.unwrap();
        let third = bodies.receive(Holder::PAGES, of(big), LIMIT).await;
        assert_eq!(third.unwrap_err(), Problem::busy());
        drop(first);
        assert!(bodies.receive(A, of(big), LIMIT).await.is_ok());
    }

    #[tokio::test]
    async fn only_what_has_arrived_is_taken_and_what_is_too_large_is_refused_at_once() {
        let bodies = bodies(1 << 20, 0);
        let start = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"12345678"))]);
        let slow = Body::from_stream(start.chain(stream::pending()));
        let limit = BodyLimit {
            max_bytes: 64 << 20,
            parsed: 0,
        };
        let receiving = bodies.receive(A, slow, limit);
        let waited = tokio::time::timeout(Duration::from_millis(50), receiving);
        tokio::pin!(waited);
        futures_util::future::join(&mut waited, async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            assert_eq!(bodies.taken().all, FIRST_BYTES);
        })
        .await
        .0
        .unwrap_err();
        assert_eq!(
            bodies.taken().all,
            FIRST_BYTES,
            "held while the future lives"
        );
        let endless =
            stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[0; 999])));
        let endless = bodies.receive(B, Body::from_stream(endless), LIMIT).await;
        assert_eq!(endless.unwrap_err().code, Code::TooLarge);
        assert!(!bodies.taken().by_holder.contains_key(&B));
    }

    #[tokio::test]
    async fn an_upload_that_trickles_is_given_up_on() {
        let bodies = bodies(1 << 20, 1000);
        let start = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(&[0; 20]))]);
        let slow = Body::from_stream(start.chain(stream::pending()));
        let slow = bodies.receive(A, slow, LIMIT).await;
        assert_eq!(slow.unwrap_err().code, Code::TooSlow);
        assert!(bodies.receive(A, of(100_000), LIMIT).await.is_ok());
        let due = |received| bodies.due(Instant::now(), received).unwrap() - Instant::now();
        let hundred = due(100_000);
        assert!(hundred > Duration::from_secs(99) && hundred < Duration::from_secs(101));
    }
}

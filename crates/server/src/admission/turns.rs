//! Whose turn it is to compute. In: what a piece of work takes of the machine. Out: a [`Turn`],
//! once it is free. Knows nothing of requests.
//!
//! A turn is a core and memory for decoded pixels. Holders that wait are served in rotation, one
//! piece of work each, and each holder's own work in the order in which it came, so that many
//! requests of one never delay another's by more than one of them. A holder that is not alone
//! leaves a core, and its share of the memory leaves the rest, to the others.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::holder::Holder;
use crate::problem::{Code, Problem};

/// A holder counts as present for so long after its last request.
const PRESENT: Duration = Duration::from_secs(60);

/// How much there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Capacity {
    pub(super) cores: usize,
    /// For decoded pixels.
    pub(super) bytes: u64,
    /// What one holder may have of `bytes` while others are there; also the most of one picture.
    pub(super) share_bytes: u64,
    /// Pieces of work of one holder, waiting or under way.
    pub(super) holder_queue: usize,
    /// Of all holders.
    pub(super) queue: usize,
}

/// Cores and memory, and who waits for them.
#[derive(Debug)]
pub(super) struct Turns {
    capacity: Capacity,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free_cores: usize,
    free_bytes: u64,
    n_queued: usize,
    next_id: u64,
    last_served: Holder,
    lanes: BTreeMap<Holder, Lane>,
}

/// What one holder has and waits for.
#[derive(Debug)]
struct Lane {
    waiting: VecDeque<Waiter>,
    cores: usize,
    bytes: u64,
    last_seen: Instant,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    bytes: u64,
    ready: oneshot::Sender<Turn>,
}

/// A core and memory for pixels, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Arc<Turns>,
    holder: Holder,
    bytes: u64,
}

/// A place in the queue, given up when the request is.
struct Place<'a> {
    turns: &'a Arc<Turns>,
    holder: Holder,
    id: u64,
}

impl Turns {
    pub(super) fn new(capacity: Capacity) -> Arc<Turns> {
        Arc::new(Turns {
            capacity,
            state: Mutex::new(State {
                free_cores: capacity.cores,
                free_bytes: capacity.bytes,
                n_queued: 0,
                next_id: 0,
                last_served: Holder::PAGES,
                lanes: BTreeMap::new(),
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn with memory for `bytes`, once it comes.
    pub(super) async fn take(
        self: &Arc<Self>,
        holder: Holder,
        bytes: u64,
    ) -> Result<Turn, Problem> {
        if bytes > self.capacity.share_bytes {
            let mib = |bytes: u64| bytes.div_ceil(1 << 20);
            let detail = format!(
                "decoding the picture takes {} MiB of memory, {} are allowed",
                mib(bytes),
                mib(self.capacity.share_bytes)
            );
            return Err(Problem::new(Code::TooLarge, detail));
        }
        let (ready, turn) = oneshot::channel();
        let place = self.queue(holder, bytes, ready)?;
        self.serve();
        let turn = turn.await;
        drop(place);
        turn.map_err(|_| Problem::busy())
    }

    fn queue(
        self: &Arc<Self>,
        holder: Holder,
        bytes: u64,
        ready: oneshot::Sender<Turn>,
    ) -> Result<Place<'_>, Problem> {
        let mut state = self.state();
        let state = &mut *state;
        let now = Instant::now();
        state.lanes.retain(|_, lane| !lane.is_gone(now));
        let lane = state.lanes.entry(holder).or_insert_with(|| Lane {
            waiting: VecDeque::new(),
            cores: 0,
            bytes: 0,
            last_seen: now,
        });
        lane.last_seen = now;
        let of_holder = lane.waiting.len() + lane.cores;
        if of_holder >= self.capacity.holder_queue || state.n_queued >= self.capacity.queue {
            return Err(Problem::busy());
        }
        let id = state.next_id;
        state.next_id += 1;
        state.n_queued += 1;
        lane.waiting.push_back(Waiter { id, bytes, ready });
        Ok(Place {
            turns: self,
            holder,
            id,
        })
    }

    /// Gives turns to those who wait, as many as there are.
    fn serve(self: &Arc<Self>) {
        loop {
            // The lock is free before the turn is sent: dropping one that nobody waits for takes
            // it.
            let next = self.state().next(&self.capacity);
            let Some((holder, waiter)) = next else {
                return;
            };
            let turn = Turn {
                turns: Arc::clone(self),
                holder,
                bytes: waiter.bytes,
            };
            drop(waiter.ready.send(turn));
        }
    }
}

impl State {
    /// The next waiter in rotation, with what it waits for taken.
    fn next(&mut self, all: &Capacity) -> Option<(Holder, Waiter)> {
        if self.free_cores == 0 {
            return None;
        }
        let alone = self.lanes.len() == 1;
        let (most_cores, most_bytes) = match alone {
            true => (all.cores, all.bytes),
            false => ((all.cores - 1).max(1), all.share_bytes),
        };
        let after = self.lanes.range((Excluded(self.last_served), Unbounded));
        let before = self.lanes.range(..=self.last_served);
        let (holder, bytes) = after.chain(before).find_map(|(holder, lane)| {
            let bytes = lane.waiting.front()?.bytes;
            let fits = lane.cores < most_cores && lane.bytes + bytes <= most_bytes;
            fits.then_some((*holder, bytes))
        })?;
        // Nobody overtakes a large picture, or it would wait for ever.
        if bytes > self.free_bytes {
            return None;
        }
        let lane = self.lanes.get_mut(&holder)?;
        let waiter = lane.waiting.pop_front()?;
        lane.cores += 1;
        lane.bytes += bytes;
        self.free_cores -= 1;
        self.free_bytes -= bytes;
        self.n_queued -= 1;
        self.last_served = holder;
        Some((holder, waiter))
    }
}

impl Lane {
    fn is_gone(&self, now: Instant) -> bool {
        let idle = self.waiting.is_empty() && self.cores == 0;
        idle && now.duration_since(self.last_seen) > PRESENT
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        {
            let mut state = self.turns.state();
            state.free_cores += 1;
            state.free_bytes += self.bytes;
            if let Some(lane) = state.lanes.get_mut(&self.holder) {
                lane.cores -= 1;
                lane.bytes -= self.bytes;
            }
        }
        self.turns.serve();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.turns.state();
        let Some(lane) = state.lanes.get_mut(&self.holder) else {
            return;
        };
        let before = lane.waiting.len();
        lane.waiting.retain(|waiter| waiter.id != self.id);
        state.n_queued -= before - state.lanes[&self.holder].waiting.len();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    const A: Holder = Holder::of_service(1);
    const B: Holder = Holder::of_service(2);

    fn turns(cores: usize, bytes: u64) -> Arc<Turns> {
        Turns::new(Capacity {
            cores,
            bytes,
            share_bytes: bytes / 2,
            holder_queue: 100,
            queue: 200,
        })
    }

    /// What is ready without waiting.
    async fn now<T>(work: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout(Duration::from_millis(20), work)
            .await
            .ok()
    }

    #[tokio::test]
    async fn those_who_wait_are_served_in_rotation() {
        let turns = turns(1, 100);
        let first = turns.take(A, 1).await.unwrap();
        let (mut second, mut third) = (pin!(turns.take(A, 1)), pin!(turns.take(A, 1)));
        assert!(now(&mut second).await.is_none() && now(&mut third).await.is_none());
        let mut other = pin!(turns.take(B, 1));
        assert!(now(&mut other).await.is_none());
        drop(first);
        let other = now(other).await.expect("B goes before A's second").unwrap();
        assert!(now(&mut second).await.is_none());
        drop(other);
        drop(now(second).await.unwrap().unwrap());
        assert!(now(third).await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn one_alone_has_every_core_and_two_leave_one_to_each_other() {
        let turns = turns(2, 100);
        let alone = [
            turns.take(A, 1).await.unwrap(),
            turns.take(A, 1).await.unwrap(),
        ];
        let mut late = pin!(turns.take(B, 1));
        assert!(now(&mut late).await.is_none(), "no core is free");
        drop(alone);
        drop(now(late).await.unwrap().unwrap());
        let _one = turns.take(A, 1).await.unwrap();
        assert!(now(turns.take(A, 1)).await.is_none(), "B's core stays free");
        assert!(now(turns.take(B, 1)).await.is_some());
    }

    #[tokio::test]
    async fn memory_for_pixels_is_shared_and_one_picture_cannot_have_it_all() {
        let turns = turns(4, 100);
        assert_eq!(turns.take(A, 51).await.unwrap_err().code, Code::TooLarge);
        let _there = turns.take(B, 1).await.unwrap();
        let held = turns.take(A, 50).await.unwrap();
        assert!(now(turns.take(A, 1)).await.is_none(), "A has its share");
        assert!(now(turns.take(B, 40)).await.is_some());
        drop(held);
        assert!(now(turns.take(A, 50)).await.is_some());
    }

    #[tokio::test]
    async fn a_full_queue_refuses_its_own_holder_and_whoever_gives_up_leaves_it() {
        let capacity = Capacity {
            cores: 1,
            bytes: 10,
            share_bytes: 10,
            holder_queue: 2,
            queue: 3,
        };
        let turns = Turns::new(capacity);
        let under_way = turns.take(A, 1).await.unwrap();
        {
            let mut waits = pin!(turns.take(A, 1));
            assert!(now(&mut waits).await.is_none());
            assert_eq!(
                now(turns.take(A, 1)).await.unwrap().unwrap_err(),
                Problem::busy()
            );
            let mut other = pin!(turns.take(B, 1));
            assert!(
                now(&mut other).await.is_none(),
                "B waits, it is not refused"
            );
        }
        drop(under_way);
        assert!(
            now(turns.take(B, 10)).await.unwrap().is_ok(),
            "nothing is left taken"
        );
        assert_eq!(turns.state().n_queued, 0);
    }
}

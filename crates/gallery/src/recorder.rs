//! Writing. In: changes, and entries of the audit log that change nothing. Out: transactions of the
//! store. Entries of recognitions are committed in groups: the first after a pause at once, the
//! others within [`AUDIT_WINDOW`], or with the next change, whichever is sooner; a kill loses those
//! of one window at most. On a full disk they go into the store's reserve, and are refused when
//! that is full. A thread of its own writes groups, and retries what an erasure left to overwrite.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::clock::Clock;
use crate::error::Error;
use crate::store::{Noted, Store, Transaction};

/// How long entries of recognitions may wait for the disk, unless it is set.
pub(crate) const AUDIT_WINDOW: Duration = Duration::from_secs(10);
/// Entries that wait at most, whatever the window.
const MAX_PENDING: usize = 4096;
/// How often overwriting is tried again.
const SCRUB_EVERY: Duration = Duration::from_millis(250);
/// How often a full disk is tried again.
const TRY_FULL_EVERY: Duration = Duration::from_secs(1);
/// How old what is stored of the clock may be while the process runs.
const KEEP_CLOCK_EVERY: Duration = Duration::from_secs(3600);
/// Tries at once, and the pause between them.
const SCRUB_TRIES: usize = 4;
const SCRUB_PAUSE: Duration = Duration::from_millis(5);

/// Writes to a store.
pub(crate) struct Recorder {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    store: Arc<dyn Store>,
    clock: Arc<Clock>,
    queue: Mutex<Queue>,
    wake: Condvar,
    /// Erased bytes may still stand where the store left them.
    scrub_due: AtomicBool,
    /// Until something was written and the store has room again: what is small may still be
    /// written into pages that are there.
    disk_full: AtomicBool,
    disk_fails: AtomicBool,
    /// First entry of the log that does not fit; 0 if all do.
    broken_at: AtomicI64,
}

struct Queue {
    pending: Vec<Noted>,
    /// How many of them, from the first, are in the store's reserve, and after which entry.
    reserved: Option<(i64, usize)>,
    /// How many were taken out by a transaction that has not ended.
    in_flight: usize,
    flushed: Option<Instant>,
    /// When a full disk was tried last.
    tried: Option<Instant>,
    window: Duration,
    stop: bool,
}

impl Recorder {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<Clock>,
        broken_at: Option<i64>,
    ) -> Recorder {
        let queue = Queue {
            pending: Vec::new(),
            reserved: None,
            in_flight: 0,
            flushed: None,
            tried: None,
            window: AUDIT_WINDOW,
            stop: false,
        };
        Recorder {
            shared: Arc::new(Shared {
                store,
                clock,
                queue: Mutex::new(queue),
                wake: Condvar::new(),
                scrub_due: AtomicBool::new(true),
                disk_full: AtomicBool::new(false),
                disk_fails: AtomicBool::new(false),
                broken_at: AtomicI64::new(broken_at.unwrap_or(0)),
            }),
            thread: Mutex::new(None),
        }
    }

    pub(crate) fn set_window(&self, window: Duration) {
        self.shared.queue().window = window;
    }

    pub(crate) fn disk_full(&self) -> bool {
        self.shared.disk_full.load(Ordering::SeqCst)
    }

    pub(crate) fn disk_fails(&self) -> bool {
        self.shared.disk_fails.load(Ordering::SeqCst)
    }

    pub(crate) fn broken_at(&self) -> Option<i64> {
        Some(self.shared.broken_at.load(Ordering::SeqCst)).filter(|seq| *seq != 0)
    }

    pub(crate) fn scrub_due(&self) -> bool {
        self.shared.scrub_due.load(Ordering::SeqCst)
    }

    pub(crate) fn n_pending(&self) -> usize {
        let queue = self.shared.queue();
        queue.pending.len() + queue.in_flight
    }

    /// A transaction of the store, with the entries that wait before its own.
    pub(crate) fn transact(
        &self,
        work: &mut dyn FnMut(&mut dyn Transaction) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.shared.transact(work)
    }

    /// Takes an entry that changes nothing.
    pub(crate) fn record(&self, entry: Noted) -> Result<(), Error> {
        let shared = &self.shared;
        if let Some(seq) = self.broken_at() {
            return Err(Error::Chain { seq });
        }
        let mut queue = shared.queue();
        queue.pending.push(entry);
        let flushed = queue.flushed;
        let due = flushed.is_none_or(|at| at.elapsed() >= queue.window);
        if due || queue.pending.len() >= MAX_PENDING || shared.is_unwritable() {
            drop(queue);
            return match shared.flush() {
                // The entry waits with the others for the next try.
                Err(why) if why.may_pass() && self.n_pending() < MAX_PENDING => Ok(()),
                Err(why) => {
                    shared.take_back(&entry);
                    Err(why)
                }
                Ok(()) => Ok(()),
            };
        }
        drop(queue);
        self.wake();
        Ok(())
    }

    /// Stores what is known of the clock, if nothing was stored for an hour: what was stored last
    /// is what the clock is compared with at the next start. While the disk is full or fails it is
    /// tried each time, so that the health follows the disk also if nobody asks for anything.
    pub(crate) fn keep_clock(&self) -> Result<(), Error> {
        let flushed = self.shared.queue().flushed;
        let fresh = flushed.is_some_and(|at| at.elapsed() < KEEP_CLOCK_EVERY);
        if fresh && !self.shared.is_unwritable() {
            return Ok(());
        }
        self.shared.transact(&mut |_| Ok(()))
    }

    /// Commits what waits.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        self.shared.flush()
    }

    /// Overwrites what erasures left; if somebody prevents it just now, the thread goes on trying.
    pub(crate) fn scrub(&self) -> Result<(), Error> {
        self.shared.scrub_due.store(true, Ordering::SeqCst);
        for i in 0..SCRUB_TRIES {
            if self.shared.scrub()? {
                return Ok(());
            }
            if i + 1 < SCRUB_TRIES {
                std::thread::sleep(SCRUB_PAUSE);
            }
        }
        self.wake();
        Ok(())
    }

    /// Lets the thread look; it is made when it is needed first.
    fn wake(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let shared = Arc::clone(&self.shared);
            let named = std::thread::Builder::new().name("gallery".into());
            // Without a thread, what waits is written with the next change or at the end.
            *thread = named.spawn(move || shared.run()).ok();
        }
        self.shared.wake.notify_all();
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.shared.queue().stop = true;
        self.shared.wake.notify_all();
        let thread = self
            .thread
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            drop(thread.join());
        }
        // A failure was reported when it was met first; entries in the reserve are logged later.
        drop(self.shared.flush());
    }
}

impl Shared {
    fn is_unwritable(&self) -> bool {
        self.disk_full.load(Ordering::SeqCst) || self.disk_fails.load(Ordering::SeqCst)
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn transact(
        &self,
        work: &mut dyn FnMut(&mut dyn Transaction) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut queue = self.queue();
        let pending = std::mem::take(&mut queue.pending);
        let reserved = queue.reserved.take();
        queue.in_flight += pending.len();
        drop(queue);
        let done = self.store.transact(&mut |t| {
            // What stood in the reserve is in the log already if another process put it there.
            let logged = reserved.filter(|(after, _)| *after != t.newest_seq());
            let logged = logged.map_or(0, |(_, n)| n);
            pending
                .iter()
                .skip(logged)
                .try_for_each(|entry| t.note(entry))?;
            work(t)?;
            t.set_clock(self.clock.mark());
            Ok(())
        });
        let mut queue = self.queue();
        queue.in_flight -= pending.len();
        match &done {
            Ok(()) => {
                queue.flushed = Some(Instant::now());
                if self.is_unwritable() && self.store.has_room() {
                    self.disk_full.store(false, Ordering::SeqCst);
                    self.disk_fails.store(false, Ordering::SeqCst);
                }
                self.broken_at.store(0, Ordering::SeqCst);
            }
            Err(error) => {
                queue.pending.splice(0..0, pending);
                queue.reserved = reserved;
                match error {
                    Error::DiskFull => self.disk_full.store(true, Ordering::SeqCst),
                    Error::DiskFails(_) => self.disk_fails.store(true, Ordering::SeqCst),
                    Error::Chain { seq } => self.broken_at.store(*seq, Ordering::SeqCst),
                    _ => {}
                }
            }
        }
        done
    }

    fn flush(&self) -> Result<(), Error> {
        let mut queue = self.queue();
        if queue.pending.is_empty() {
            return Ok(());
        }
        let tried = queue.tried.is_some_and(|at| at.elapsed() < TRY_FULL_EVERY);
        if self.is_unwritable() && tried {
            drop(queue);
            return self.reserve();
        }
        queue.tried = Some(Instant::now());
        drop(queue);
        match self.transact(&mut |_| Ok(())) {
            Err(Error::DiskFull | Error::DiskFails(_)) => self.reserve(),
            done => done,
        }
    }

    /// Keeps what waits in the store's reserve.
    fn reserve(&self) -> Result<(), Error> {
        let mut queue = self.queue();
        let kept = queue.reserved.map_or(0, |(_, n)| n);
        let new = queue.pending.get(kept..).unwrap_or_default();
        if new.is_empty() {
            return Ok(());
        }
        match self.store.reserve(new) {
            Ok(after) => {
                queue.reserved = Some((after, queue.pending.len()));
                Ok(())
            }
            Err(why) => Err(why),
        }
    }

    /// Forgets an entry that is refused, unless it was written after all.
    fn take_back(&self, entry: &Noted) {
        let mut queue = self.queue();
        let kept = queue.reserved.map_or(0, |(_, n)| n);
        // Equal entries stand for each other.
        let found = queue.pending.iter().rposition(|waiting| waiting == entry);
        if let Some(at) = found.filter(|at| *at >= kept) {
            queue.pending.remove(at);
        }
    }

    fn scrub(&self) -> Result<bool, Error> {
        let done = self.store.scrub()?;
        self.scrub_due.store(!done, Ordering::SeqCst);
        Ok(done)
    }

    /// The thread.
    fn run(&self) {
        loop {
            let mut queue = self.queue();
            if queue.stop {
                return;
            }
            let scrub_due = self.scrub_due.load(Ordering::SeqCst);
            let due_in = match queue.flushed.filter(|_| !queue.pending.is_empty()) {
                Some(at) => Some(queue.window.saturating_sub(at.elapsed())),
                None if queue.pending.is_empty() => None,
                None => Some(Duration::ZERO),
            };
            let wait = match (due_in, scrub_due) {
                (Some(due), true) => Some(due.min(SCRUB_EVERY)),
                (Some(due), false) => Some(due),
                (None, true) => Some(SCRUB_EVERY),
                (None, false) => None,
            };
            queue = match wait {
                None => self
                    .wake
                    .wait(queue)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(wait) => {
                    let waited = self.wake.wait_timeout(queue, wait);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            let due = !queue.pending.is_empty()
                && queue.flushed.is_none_or(|at| at.elapsed() >= queue.window);
            if queue.stop {
                return;
            }
            drop(queue);
            if due && self.flush().is_err() {
                // Whoever records next, or asks for the health, is told. Not again at once.
                self.queue().flushed = Some(Instant::now());
            }
            if scrub_due {
                // Tried again a little later.
                drop(self.scrub());
            }
        }
    }
}

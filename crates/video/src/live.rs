//! Live streams. In: the address of a camera. Out: its newest picture, again and again, whatever
//! happens to the connection. Knows nothing of people or storage.
//!
//! A picture goes one way: `rtsp` or `http` (the connection) → `sink` (coded pictures, dropped up
//! to the next key frame if the decoder is late) → a decoder on a thread of its own → the newest
//! picture, which replaces the one before: whoever is late sees fewer pictures and none that is
//! old.

mod address;
mod client;
mod error;
mod http;
pub mod onvif;
mod parts;
mod picture;
mod rtsp;
mod sink;
mod xml;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::AbortHandle;

pub use address::{Address, MalformedAddress};
pub use error::LiveError;
pub use parts::{MalformedParts, Parts};
pub use picture::LivePicture;
use sink::Sink;

use crate::limits::VideoLimits;

/// How a stream is received.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveOptions {
    /// Time between pictures; those between are decoded where others depend on them, and dropped.
    pub interval: Duration,
    /// Time without a picture after which a connection is made anew.
    pub stall: Duration,
    /// Longest pause before a connection is tried again; the first is a quarter of a second.
    pub longest_pause: Duration,
    /// What a camera may ask for.
    pub limits: VideoLimits,
}

impl Default for LiveOptions {
    /// Five pictures a second, 10 s, 30 s.
    fn default() -> LiveOptions {
        LiveOptions {
            interval: Duration::from_millis(200),
            stall: Duration::from_secs(10),
            longest_pause: Duration::from_secs(30),
            limits: VideoLimits {
                max_sample_bytes: 16 << 20,
                ..VideoLimits::default()
            },
        }
    }
}

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

/// A camera's pictures. Dropping it ends the connection and the decoder.
#[derive(Debug)]
pub struct Live {
    newest: watch::Receiver<Option<Arc<LivePicture>>>,
    shared: Arc<Shared>,
    task: AbortHandle,
}

/// What the parts of one stream tell of themselves.
#[derive(Debug)]
struct Shared {
    state: Mutex<LiveState>,
    connections: AtomicU64,
    received: AtomicU64,
    dropped: AtomicU64,
    damaged: AtomicU64,
}

impl Live {
    /// Connects, and connects again whenever the stream ends. Call it inside a runtime of tokio.
    pub fn start(address: Address, options: LiveOptions) -> Live {
        let (to, newest) = watch::channel(None);
        let shared = Arc::new(Shared {
            state: Mutex::new(LiveState::Connecting),
            connections: AtomicU64::new(0),
            received: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
        });
        let task = tokio::spawn(run(address, options, to, Arc::clone(&shared)));
        Live {
            newest,
            shared,
            task: task.abort_handle(),
        }
    }

    /// The newest picture, once there is another than the last time. Never ends while the stream is
    /// away.
    pub async fn next(&mut self) -> Arc<LivePicture> {
        loop {
            if self.newest.changed().await.is_err() {
                // The task ends by its abort alone.
                std::future::pending::<()>().await;
            }
            if let Some(picture) = self.newest.borrow_and_update().clone() {
                return picture;
            }
        }
    }

    /// How it is now.
    pub fn state(&self) -> LiveState {
        self.shared.state().clone()
    }

    /// What happened since the start.
    pub fn counts(&self) -> LiveCounts {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        LiveCounts {
            connections: of(&self.shared.connections),
            received: of(&self.shared.received),
            dropped: of(&self.shared.dropped),
            damaged: of(&self.shared.damaged),
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, LiveState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A picture came.
    fn receives(&self, codec: &'static str) {
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

    /// Whether pictures had come.
    fn is_away(&self, error: &LiveError) -> bool {
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
}

const FIRST_PAUSE: Duration = Duration::from_millis(250);

async fn run(
    address: Address,
    options: LiveOptions,
    newest: watch::Sender<Option<Arc<LivePicture>>>,
    shared: Arc<Shared>,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let sink = Sink::start(&options, newest.clone(), Arc::clone(&shared));
        let received = async {
            let sink = sink?;
            match address.is_rtsp() {
                true => rtsp::receive(&address, &options, sink).await,
                false => http::receive(&address, &options, sink).await,
            }
        };
        let Err(error) = received.await;
        if shared.is_away(&error) {
            pause = FIRST_PAUSE;
        }
        tokio::time::sleep(pause.min(options.longest_pause)).await;
        pause = (pause * 2).min(options.longest_pause);
    }
}

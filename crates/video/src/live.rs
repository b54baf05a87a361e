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
mod options;
mod parts;
mod picture;
mod rtsp;
mod sink;
mod state;
mod xml;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;

pub use address::{Address, MalformedAddress};
pub use error::LiveError;
pub use options::LiveOptions;
pub use parts::{MalformedParts, Parts};
pub use picture::LivePicture;
use sink::Sink;
use state::Shared;
pub use state::{LiveCounts, LiveState};

/// A camera's pictures. Dropping it ends the connection and the decoder.
#[derive(Debug)]
pub struct Live {
    newest: watch::Receiver<Option<Arc<LivePicture>>>,
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Live {
    /// Connects, and connects again whenever the stream ends. Call it inside a runtime of tokio.
    pub fn start(address: Address, options: LiveOptions) -> Live {
        let (to, newest) = watch::channel(None);
        let shared = Arc::new(Shared::default());
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
        self.shared.counts()
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.task.abort();
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

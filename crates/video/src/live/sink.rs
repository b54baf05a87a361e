//! Where a connection puts what it receives. In: coded pictures. Out: the newest decoded one. The
//! decoder has a thread of its own; a panic in it ends the connection.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fusiform_face::image::contain;
use tokio::sync::watch;

use super::error::LiveError;
use super::options::LiveOptions;
use super::picture::{LivePicture, Pixels};
use super::state::Shared;
use crate::codec::{Codec, Decoder};
use crate::error::VideoError;
use crate::limits::VideoLimits;

/// Coded pictures that wait for the decoder.
const WAITING: usize = 16;

type Newest = watch::Sender<Option<Arc<LivePicture>>>;

/// Takes in what one connection receives.
pub(super) struct Sink {
    to: SyncSender<Coded>,
    failed: Arc<Mutex<Option<VideoError>>>,
    newest: Newest,
    rate: Rate,
    shared: Arc<Shared>,
    /// Pictures depend on one that was lost.
    waits_for_key: bool,
    max_bytes: u64,
}

struct Coded {
    codec: Codec,
    bytes: Vec<u8>,
    received: Instant,
}

/// Lets one picture of each interval through.
#[derive(Debug, Clone)]
struct Rate {
    interval: Duration,
    next: Option<Instant>,
}

impl Rate {
    fn takes(&mut self, received: Instant) -> bool {
        // Pictures of a camera that sends just as many come a little early or late.
        let slack = self.interval / 8;
        if self.next.is_some_and(|next| received + slack < next) {
            return false;
        }
        let even = self.next.unwrap_or(received) + self.interval;
        self.next = Some(match even > received {
            true => even,
            false => received + self.interval,
        });
        true
    }
}

impl Sink {
    pub(super) fn start(
        options: &LiveOptions,
        newest: Newest,
        shared: Arc<Shared>,
    ) -> Result<Sink, LiveError> {
        let (to, from) = sync_channel(WAITING);
        let rate = Rate {
            interval: options.interval,
            next: None,
        };
        let failed: Arc<Mutex<Option<VideoError>>> = Arc::default();
        let mut decoding = Decoding {
            newest: newest.clone(),
            rate: rate.clone(),
            shared: Arc::clone(&shared),
            limits: options.limits.clone(),
            decoder: None,
            n_damaged: 0,
        };
        let why = Arc::clone(&failed);
        let decode = move || {
            let ended = contain(|| decoding.run(&from));
            let ended = ended.unwrap_or_else(|panic| Err(VideoError::Decoder(panic)));
            *why.lock().unwrap_or_else(PoisonError::into_inner) = ended.err();
        };
        std::thread::Builder::new()
            .name("camera".to_owned())
            .spawn(decode)
            .map_err(VideoError::Io)?;
        Ok(Sink {
            to,
            failed,
            newest,
            rate,
            shared,
            waits_for_key: true,
            max_bytes: options.limits.max_sample_bytes,
        })
    }

    /// One picture of H.264 or H.265 with its parameter sets, after start codes.
    ///
    /// # Errors
    /// [`LiveError::Video`]: the decoder has ended, or the picture is too large.
    pub(super) fn coded(
        &mut self,
        codec: Codec,
        bytes: Vec<u8>,
        is_key: bool,
        is_whole: bool,
    ) -> Result<(), LiveError> {
        self.takes_in(codec.name(), &bytes)?;
        self.waits_for_key = !is_key && (self.waits_for_key || !is_whole);
        if self.waits_for_key {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let coded = Coded {
            codec,
            bytes,
            received: Instant::now(),
        };
        match self.to.try_send(coded) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                self.waits_for_key = true;
                self.shared.dropped.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(TrySendError::Disconnected(_)) => Err(self.why_ended().into()),
        }
    }

    /// One JPEG.
    ///
    /// # Errors
    /// [`LiveError::Video`] if it is too large.
    pub(super) fn jpeg(&mut self, bytes: Vec<u8>) -> Result<(), LiveError> {
        self.takes_in("JPEG", &bytes)?;
        let received = Instant::now();
        if self.rate.takes(received) {
            show(&self.newest, received, Pixels::Jpeg(bytes));
        }
        Ok(())
    }

    fn takes_in(&self, codec: &'static str, bytes: &[u8]) -> Result<(), VideoError> {
        let n_bytes = bytes.len() as u64;
        VideoError::above("a picture of so many bytes:", n_bytes, self.max_bytes)?;
        self.shared.receives(codec);
        self.shared.received.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn why_ended(&self) -> VideoError {
        // The thread says why before it drops the receiver, or has just died.
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = || VideoError::Decoder("it has ended".to_owned());
        failed.take().unwrap_or_else(ended)
    }
}

/// Replaces the newest picture.
fn show(newest: &Newest, received: Instant, pixels: Pixels) {
    newest.send_replace(Some(Arc::new(LivePicture { received, pixels })));
}

/// What the decoder's thread works with.
struct Decoding {
    newest: Newest,
    rate: Rate,
    shared: Arc<Shared>,
    limits: VideoLimits,
    decoder: Option<(Codec, Decoder)>,
    n_damaged: u64,
}

impl Decoding {
    /// Until the connection ends.
    fn run(&mut self, from: &Receiver<Coded>) -> Result<(), VideoError> {
        while let Ok(coded) = from.recv() {
            self.decode(&coded)?;
        }
        Ok(())
    }

    fn decode(&mut self, coded: &Coded) -> Result<(), VideoError> {
        let Coded {
            codec,
            bytes,
            received,
        } = coded;
        let known = self.decoder.take().filter(|(known, _)| known == codec);
        let fresh = || (*codec, Decoder::live(*codec, &self.limits));
        let (_, decoder) = self.decoder.insert(known.unwrap_or_else(fresh));
        let pictures = decoder.decode(bytes, 0)?;
        let n_damaged = decoder.damaged();
        let new = n_damaged.saturating_sub(self.n_damaged);
        self.shared.damaged.fetch_add(new, Ordering::Relaxed);
        self.n_damaged = n_damaged;
        if let Some(picture) = pictures.into_iter().last()
            && new == 0
            && self.rate.takes(*received)
        {
            show(&self.newest, *received, Pixels::Planes(picture.planes));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_picture_of_each_interval_is_taken_and_a_late_one_takes_no_other_with_it() {
        let start = Instant::now();
        let mut rate = Rate {
            interval: Duration::from_millis(200),
            next: None,
        };
        let mut takes = |ms| rate.takes(start + Duration::from_millis(ms));
        let taken: Vec<u64> = (0..1000).step_by(40).filter(|&ms| takes(ms)).collect();
        assert_eq!(taken, [0, 200, 400, 600, 800]);
        assert!(takes(5000) && !takes(5040) && takes(5200));
    }
}

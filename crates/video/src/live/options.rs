//! How a stream is received. Plain data.

use std::time::Duration;

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

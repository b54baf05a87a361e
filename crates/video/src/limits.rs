//! What a video may ask for.

use std::time::Duration;

/// Limits on one video file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoLimits {
    /// Pixels of a frame.
    pub max_pixels: u64,
    /// Samples (coded frames) of its video track.
    pub max_samples: u64,
    /// Bytes of one sample, and of the tables at the file's head.
    pub max_sample_bytes: u64,
    /// Time in which another program must have done something.
    pub max_wait: Duration,
}

impl Default for VideoLimits {
    /// 4096×2304 pixels, 2 million samples (18 hours at 30 a second), 64 MiB, two minutes.
    fn default() -> VideoLimits {
        VideoLimits {
            max_pixels: 4096 * 2304,
            max_samples: 2_000_000,
            max_sample_bytes: 64 << 20,
            max_wait: Duration::from_secs(120),
        }
    }
}

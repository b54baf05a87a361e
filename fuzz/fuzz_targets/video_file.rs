//! Any bytes as a video file: an error or pictures within the limits, never a panic. The first byte
//! chooses whether they begin as MP4 or as Matroska.

#![no_main]

use std::fs;

use fusiform_video::{Video, VideoLimits};
use libfuzzer_sys::fuzz_target;

const SIGNATURES: [&[u8]; 2] = [b"\0\0\0\x10ftypisom\0\0\0\0", b"\x1a\x45\xdf\xa3"];

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let signature = SIGNATURES[usize::from(*choice) % SIGNATURES.len()];
    let path = std::env::temp_dir().join(format!("fusiform-fuzz-{}", std::process::id()));
    if fs::write(&path, [signature, rest].concat()).is_err() {
        return;
    }
    let limits = VideoLimits {
        max_pixels: 1 << 20,
        max_samples: 1000,
        max_sample_bytes: 1 << 20,
        ..VideoLimits::default()
    };
    if let Ok(video) = Video::open(&path, &limits) {
        for picture in video.pictures().flatten() {
            let planes = picture.planes;
            assert!(u64::from(planes.width_px) * u64::from(planes.height_px) <= limits.max_pixels);
        }
    }
});

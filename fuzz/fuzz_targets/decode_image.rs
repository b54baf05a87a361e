//! Any bytes through the decoders: an error or an image within the limits, never a panic.

#![no_main]

use fusiform_face::image::{DecodeLimits, decode};
use libfuzzer_sys::fuzz_target;

const LIMITS: DecodeLimits = DecodeLimits {
    max_bytes: 1 << 20,
    max_pixels: 1 << 20,
    max_side_px: 4096,
    ..DecodeLimits::DEFAULT
};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(decoded) = decode(bytes, &LIMITS) {
        let image = decoded.image;
        assert!(u64::from(image.width()) * u64::from(image.height()) <= LIMITS.max_pixels);
        assert_eq!(image.rgb().len(), image.width() as usize * image.height() as usize * 3);
    }
});

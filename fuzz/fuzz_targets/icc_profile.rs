//! Any bytes as the ICC profile of a photo: the photo, with a note where the profile is ignored.

#![no_main]

use std::sync::LazyLock;

use fusiform_face::image::{DecodeLimits, Image, decode, encode_jpeg};
use libfuzzer_sys::fuzz_target;

static JPEG: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let rgb = (0..16 * 16 * 3).map(|i| (i % 256) as u8).collect();
    Image::new(16, 16, rgb)
        .and_then(|image| encode_jpeg(&image, 90))
        .unwrap_or_default()
});

fuzz_target!(|profile: &[u8]| {
    let content = [&b"ICC_PROFILE\0\x01\x01"[..], profile].concat();
    let Ok(length) = u16::try_from(content.len() + 2) else {
        return;
    };
    let segment = [b"\xFF\xE2", &length.to_be_bytes()[..], &content].concat();
    let file = [&JPEG[..2], &segment, &JPEG[2..]].concat();
    let decoded = decode(&file, &DecodeLimits::default());
    assert!(decoded.is_ok(), "{decoded:?}");
});

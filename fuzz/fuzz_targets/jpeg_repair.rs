//! A JPEG with bytes replaced and cut out: an error, or a picture of its size.

#![no_main]

use std::sync::LazyLock;

use fusiform_face::image::{DecodeLimits, Image, decode, encode_jpeg};
use libfuzzer_sys::fuzz_target;

static JPEG: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let rgb = (0..96u32 * 64 * 3).map(|i| (i * i % 251) as u8).collect();
    Image::new(96, 64, rgb)
        .and_then(|image| encode_jpeg(&image, 90))
        .unwrap_or_default()
});

fuzz_target!(|hits: Vec<(u16, u8, bool)>| {
    let mut file = JPEG.clone();
    for (at, value, is_cut) in hits {
        if file.is_empty() {
            return;
        }
        let at = usize::from(at) % file.len();
        match is_cut {
            true => file.truncate(at),
            false => file[at] = value,
        }
    }
    let limits = DecodeLimits { max_pixels: 1 << 20, ..DecodeLimits::default() };
    if let Ok(decoded) = decode(&file, &limits) {
        assert_eq!(decoded.image.size(), decoded.size);
    }
});

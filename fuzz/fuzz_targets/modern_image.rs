//! Any bytes behind the signature of a HEIF, JPEG XL, raw or TIFF file: an error or an image within
//! the limits, never a panic. The first byte chooses the signature.

#![no_main]

use fusiform_face::image::{DecodeLimits, decode};
use libfuzzer_sys::fuzz_target;

const LIMITS: DecodeLimits = DecodeLimits {
    max_bytes: 1 << 20,
    max_pixels: 1 << 20,
    max_side_px: 4096,
    ..DecodeLimits::DEFAULT
};

const SIGNATURES: [&[u8]; 8] = [
    b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    b"\0\0\0\x18ftypavif\0\0\0\0mif1avif",
    b"\xFF\x0A",
    b"\0\0\0\x0CJXL \r\n\x87\n",
    b"FUJIFILMCCD-RAW ",
    b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom",
    b"II*\0",
    b"MM\0*",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let signature = SIGNATURES[usize::from(*choice) % SIGNATURES.len()];
    let file = [signature, rest].concat();
    if let Ok(decoded) = decode(&file, &LIMITS) {
        let image = decoded.image;
        assert!(u64::from(image.width()) * u64::from(image.height()) <= LIMITS.max_pixels);
    }
});

//! Files that lie, end early or were hit: an error or the whole picture, never a panic, never
//! memory without bound.

use fusiform_face::image::{DecodeLimits, ImageError, decode};
use proptest::prelude::*;

const FILES: [&str; 16] = [
    "reference.png",
    "palette.png",
    "alpha.png",
    "baseline_420.jpg",
    "progressive.jpg",
    "grey.jpg",
    "cmyk_adobe.jpg",
    "lossy.webp",
    "lossless.webp",
    "alpha.webp",
    "animated.webp",
    "lzw.tif",
    "deflate.tif",
    "packbits.tif",
    "rgb.bmp",
    "palette.gif",
];

/// Small enough that a lying header cannot make the test slow, large enough for every file here.
const LIMITS: DecodeLimits = DecodeLimits {
    max_bytes: 1 << 20,
    max_pixels: 1 << 20,
    max_side_px: 4096,
    ..DecodeLimits::DEFAULT
};

fn bytes_of(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/testdata/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn a_file_cut_anywhere_is_an_error_or_the_whole_picture() {
    for name in FILES {
        let whole = bytes_of(name);
        let expected = decode(&whole, &LIMITS).unwrap().image;
        for end in 0..whole.len() {
            match decode(&whole[..end], &LIMITS) {
                // A JPEG is used as far as it goes, with a note.
                Ok(decoded) if name.ends_with(".jpg") => assert!(
                    decoded.image == expected || !decoded.notes.is_empty(),
                    "{name} cut at {end} of {} passed as whole",
                    whole.len()
                ),
                Ok(decoded) => assert!(
                    decoded.image == expected,
                    "{name} cut at {end} of {} passed as a picture with wrong pixels",
                    whole.len()
                ),
                Err(error) => {
                    let text = error.to_string();
                    assert!(
                        text.contains(';'),
                        "{name} cut at {end}: no remedy in {text:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_file_cut_in_its_pixels_is_called_truncated() {
    for name in FILES.into_iter().filter(|name| !name.ends_with(".jpg")) {
        let whole = bytes_of(name);
        let end = whole.len() * 7 / 10;
        match decode(&whole[..end], &LIMITS) {
            Err(ImageError::Truncated { .. }) => {}
            other => panic!("{name} cut at {end} of {}: {other:?}", whole.len()),
        }
    }
}

/// A PNG whose header claims this size and whose pixels are missing.
fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    let mut header = Vec::from(b"IHDR");
    header.extend(width.to_be_bytes());
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut crc = 0xFFFF_FFFFu32;
    for &byte in &header {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    let mut file = Vec::from(b"\x89PNG\r\n\x1A\n\0\0\0\x0D");
    file.extend(header);
    file.extend((!crc).to_be_bytes());
    file.extend(b"\0\0\0\x10IDAT0123456789abcdef\0\0\0\0");
    file
}

#[test]
fn a_header_that_claims_ten_gigapixels_is_refused_before_they_are_allocated() {
    let error = decode(&png_claiming(100_000, 100_000), &DecodeLimits::default()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ImageError::TooManyPixels { .. }), "{text}");
    assert!(
        text.contains("100000x100000") && text.contains("smaller copy"),
        "{text}"
    );

    let jpeg = bytes_of("baseline_420.jpg");
    let frame = jpeg.windows(2).position(|w| w == b"\xFF\xC0").unwrap();
    let mut lying = jpeg;
    lying[frame + 5..frame + 9].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0xFF]);
    let error = decode(&lying, &DecodeLimits::default()).unwrap_err();
    assert!(
        matches!(
            error,
            ImageError::TooManyPixels {
                width_px: 65_535,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn limits_hold_at_their_edge() {
    let file = bytes_of("reference.png");
    let exact = DecodeLimits {
        max_bytes: file.len() as u64,
        max_pixels: 48 * 32,
        max_side_px: 48,
        ..DecodeLimits::DEFAULT
    };
    assert!(decode(&file, &exact).is_ok());
    let one_byte = DecodeLimits {
        max_bytes: exact.max_bytes - 1,
        ..exact
    };
    assert!(matches!(
        decode(&file, &one_byte),
        Err(ImageError::TooManyBytes { .. })
    ));
    let one_pixel = DecodeLimits {
        max_pixels: exact.max_pixels - 1,
        ..exact
    };
    assert!(matches!(
        decode(&file, &one_pixel),
        Err(ImageError::TooManyPixels { .. })
    ));
    let one_column = DecodeLimits {
        max_side_px: 47,
        ..LIMITS
    };
    for name in [
        "reference.png",
        "baseline_420.jpg",
        "lossy.webp",
        "lzw.tif",
        "rgb.bmp",
        "palette.gif",
    ] {
        let refused = decode(&bytes_of(name), &one_column);
        assert!(
            matches!(refused, Err(ImageError::TooManyPixels { .. })),
            "{name}: {refused:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn random_damage_never_panics(
        file in 0..FILES.len(),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = bytes_of(FILES[file]);
        for (at, value) in hits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(decoded) = decode(&bytes, &LIMITS) {
            let image = decoded.image;
            prop_assert!(u64::from(image.width()) * u64::from(image.height()) <= LIMITS.max_pixels);
        }
    }

    #[test]
    fn any_bytes_behind_a_signature_never_panic(
        file in 0..FILES.len(),
        tail in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let mut bytes = bytes_of(FILES[file]);
        bytes.truncate(24);
        bytes.extend(tail);
        let _ = decode(&bytes, &LIMITS);
    }
}

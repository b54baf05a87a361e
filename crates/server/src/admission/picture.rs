//! What decoding a picture takes. In: its bytes. Out: bytes of memory, before any is taken for
//! pixels.

use fusiform::image::{DecodeLimits, Format, ImageError, decode, sniff};

/// Memory for the pixels of a picture while it is decoded.
///
/// The decoder itself says how large the picture is, so that what is counted is what it will
/// allocate: with no pixel allowed it reads the header, and refuses.
pub(crate) fn decoding_bytes(bytes: &[u8]) -> u64 {
    let header_only = DecodeLimits {
        max_pixels: 0,
        ..DecodeLimits::DEFAULT
    };
    let pixels = match decode(bytes, &header_only) {
        Err(ImageError::TooManyPixels {
            width_px,
            height_px,
            ..
        }) => u64::from(width_px) * u64::from(height_px),
        // It will fail in the same way when it is its turn, before pixels.
        _ => 0,
    };
    // What is beyond the limits is refused by its header and takes nothing.
    let allowed = pixels <= DecodeLimits::DEFAULT.max_pixels;
    u64::from(allowed) * pixels * bytes_per_pixel(bytes)
}

/// The most that decoding takes for a pixel, its bringing upright included, as measured on 12 Mpx
/// (see `DecodeLimits`).
fn bytes_per_pixel(bytes: &[u8]) -> u64 {
    match sniff(bytes) {
        // A large one is decoded at a fraction of its size.
        Some(Format::Jpeg) => 7,
        // Samples of 16 bits, tiles, several planes.
        _ => 16,
    }
}

#[cfg(test)]
mod tests {
    use fusiform::image::{Image, encode_jpeg, encode_png};

    use super::*;

    #[test]
    fn what_a_picture_takes_is_known_from_its_header() {
        let image = Image::new(40, 30, vec![9; 40 * 30 * 3]).unwrap();
        assert_eq!(decoding_bytes(&encode_jpeg(&image, 80).unwrap()), 1200 * 7);
        assert_eq!(decoding_bytes(&encode_png(&image).unwrap()), 1200 * 16);
        assert_eq!(decoding_bytes(b"no picture"), 0);
    }
}

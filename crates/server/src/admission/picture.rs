//! What decoding a picture takes. In: its bytes and the limit of its pixels. Out: bytes of memory,
//! before any is taken for pixels.

use fusiform::image::{DecodeLimits, Format, ImageError, decode, sniff};

/// Memory for the pixels of a picture while it is decoded.
pub(crate) fn decoding_bytes(bytes: &[u8], max_pixels: u64) -> u64 {
    let (width_px, height_px) = size(bytes, max_pixels);
    u64::from(width_px) * u64::from(height_px) * bytes_per_pixel(bytes)
}

/// As [`decoding_bytes`], if at least `enough_px` on the longest side are wanted (see
/// `decode_reduced`).
pub(crate) fn reduced_decoding_bytes(bytes: &[u8], enough_px: u32, max_pixels: u64) -> u64 {
    let (width_px, height_px) = size(bytes, max_pixels);
    let longest_px = width_px.max(height_px);
    let divides = |d: &u64| u64::from(longest_px) / d >= u64::from(enough_px.max(1));
    let divisor = [8, 4, 2].into_iter().find(divides);
    match divisor {
        Some(divisor) if is_sequential_jpeg(bytes) => {
            let pixels = u64::from(width_px) * u64::from(height_px);
            pixels * REDUCED_BYTES_PER_PIXEL + pixels / (divisor * divisor) * bytes_per_pixel(bytes)
        }
        _ => decoding_bytes(bytes, max_pixels),
    }
}

/// Whether it is a JPEG of one scan after another. A progressive one is held whole, as frequencies,
/// whatever is made of them.
fn is_sequential_jpeg(bytes: &[u8]) -> bool {
    let mut rest = bytes.strip_prefix(b"\xFF\xD8").unwrap_or_default();
    while let [0xFF, marker, high, low, ..] = *rest {
        match marker {
            0xC0 | 0xC1 => return true,
            0xC2..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => return false,
            _ => {}
        }
        let n = usize::from(u16::from_be_bytes([high, low]));
        rest = rest.get(2 + n..).unwrap_or_default();
    }
    // Whatever follows no rule is counted in full.
    false
}

/// Pixels that a picture says it has; 0 for what cannot be read.
pub(crate) fn pixels(bytes: &[u8]) -> u64 {
    let (width_px, height_px) = stated_size(bytes);
    u64::from(width_px) * u64::from(height_px)
}

/// Width and height that will be decoded; zeros for what is refused by its header, which takes
/// nothing.
fn size(bytes: &[u8], max_pixels: u64) -> (u32, u32) {
    let (width_px, height_px) = stated_size(bytes);
    match u64::from(width_px) * u64::from(height_px) <= max_pixels {
        true => (width_px, height_px),
        false => (0, 0),
    }
}

/// Width and height in the header.
///
/// The decoder itself says how large the picture is, so that what is counted is what it will
/// allocate: with no pixel allowed it reads the header, and refuses.
fn stated_size(bytes: &[u8]) -> (u32, u32) {
    let header_only = DecodeLimits {
        max_pixels: 0,
        ..DecodeLimits::DEFAULT
    };
    match decode(bytes, &header_only) {
        Err(ImageError::TooManyPixels {
            width_px,
            height_px,
            ..
        }) => (width_px, height_px),
        // It will fail in the same way when it is its turn, before pixels.
        _ => (0, 0),
    }
}

/// What decoding at a fraction takes for a pixel of the whole: measured 0.3 on 100 Mpx, and 6.3 for
/// a progressive one, which is counted in full.
const REDUCED_BYTES_PER_PIXEL: u64 = 1;

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
        let usual = DecodeLimits::DEFAULT.max_pixels;
        let jpeg = encode_jpeg(&image, 80).unwrap();
        assert_eq!(decoding_bytes(&jpeg, usual), 1200 * 7);
        assert_eq!(decoding_bytes(&jpeg, 1199), 0, "it will be refused");
        assert_eq!(
            decoding_bytes(&encode_png(&image).unwrap(), usual),
            1200 * 16
        );
        assert_eq!(decoding_bytes(b"no picture", usual), 0);
        for (enough_px, bytes) in [(21, 1200 * 7), (20, 1200 + 300 * 7), (1, 1200 + 18 * 7)] {
            assert_eq!(reduced_decoding_bytes(&jpeg, enough_px, usual), bytes);
        }
        assert_eq!(
            reduced_decoding_bytes(&encode_png(&image).unwrap(), 1, usual),
            1200 * 16
        );
    }
}

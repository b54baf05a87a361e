//! Samples of any depth to 8-bit RGB on white. In: a decoder's samples. Out: an [`Image`].
//! Knows nothing of file formats.

use image::ColorType;

use super::{Image, ImageError};

/// Rounds to 8 bits, spreads grey, lays transparency on white; `None` for a layout that is not covered.
///
/// Works in place where a pixel shrinks, so that a photo is never held twice in full.
pub(super) fn flatten(
    width: u32,
    height: u32,
    color: ColorType,
    mut samples: Vec<u8>,
) -> Option<Result<Image, ImageError>> {
    let depth = match color {
        ColorType::L8 | ColorType::La8 | ColorType::Rgb8 | ColorType::Rgba8 => 1,
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16 => 2,
        ColorType::Rgb32F | ColorType::Rgba32F => 4,
        _ => return None,
    };
    if depth > 1 {
        let n = samples.len() / depth;
        for i in 0..n {
            let raw = &samples[i * depth..(i + 1) * depth];
            samples[i] = match *raw {
                [a, b] => round_16(u16::from_ne_bytes([a, b])),
                [a, b, c, d] => {
                    (f32::from_ne_bytes([a, b, c, d]).clamp(0.0, 1.0) * 255.0).round() as u8
                }
                _ => return None,
            };
        }
        samples.truncate(n);
    }
    let rgb = match color.channel_count() {
        1 => samples.iter().flat_map(|&v| [v; 3]).collect(),
        2 => samples
            .as_chunks()
            .0
            .iter()
            .flat_map(|&[v, a]| [on_white(v, a); 3])
            .collect(),
        3 => samples,
        _ => {
            let n = samples.len() / 4;
            for i in 0..n {
                let alpha = samples[i * 4 + 3];
                for channel in 0..3 {
                    samples[i * 3 + channel] = on_white(samples[i * 4 + channel], alpha);
                }
            }
            samples.truncate(n * 3);
            samples
        }
    };
    Some(Image::new(width, height, rgb))
}

fn round_16(value: u16) -> u8 {
    ((u32::from(value) * 255 + 32_767) / 65_535) as u8
}

fn on_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(color: ColorType, samples: &[u8], expected: &[u8]) {
        let image = flatten(2, 1, color, samples.to_vec()).unwrap().unwrap();
        assert_eq!(image.rgb(), expected);
    }

    #[test]
    fn every_layout_becomes_rgb() {
        check(ColorType::L8, &[7, 9], &[7, 7, 7, 9, 9, 9]);
        check(
            ColorType::La8,
            &[100, 255, 100, 0],
            &[100, 100, 100, 255, 255, 255],
        );
        check(ColorType::Rgb8, &[1, 2, 3, 4, 5, 6], &[1, 2, 3, 4, 5, 6]);
        check(
            ColorType::Rgba8,
            &[0, 128, 255, 128, 9, 8, 7, 255],
            &[127, 191, 255, 9, 8, 7],
        );
        let deep: Vec<u8> = [0u16, 257, 65_535, 128, 129, 32_768]
            .iter()
            .flat_map(|v| v.to_ne_bytes())
            .collect();
        check(ColorType::Rgb16, &deep, &[0, 1, 255, 0, 1, 128]);
        let real: Vec<u8> = [0.0f32, 0.5, 1.0, -3.0, 7.0, f32::NAN]
            .iter()
            .flat_map(|v| v.to_ne_bytes())
            .collect();
        check(ColorType::Rgb32F, &real, &[0, 128, 255, 0, 255, 0]);
    }

    #[test]
    fn alpha_255_and_0_are_exact() {
        for v in 0..=255 {
            assert_eq!(on_white(v, 255), v);
            assert_eq!(on_white(v, 0), 255);
        }
    }
}

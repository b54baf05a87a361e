//! Samples of any depth to 8-bit RGB on white. In: a decoder's samples. Out: an [`Image`].
//! Knows nothing of file formats.

use super::error::ImageError;
use super::pixels::Image;
use crate::geometry::Size;

/// The channels of a pixel, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Grey,
    GreyAlpha,
    Rgb,
    RgbAlpha,
}

/// How one sample is stored, in the machine's byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// 0 to 255.
    Eight,
    /// 0 to 65,535.
    Sixteen,
    /// `f32` from 0 to 1.
    #[cfg_attr(not(feature = "tiff"), allow(dead_code))]
    Float,
}

impl Layout {
    pub(super) fn channels(self) -> usize {
        match self {
            Layout::Grey => 1,
            Layout::GreyAlpha => 2,
            Layout::Rgb => 3,
            Layout::RgbAlpha => 4,
        }
    }
}

impl Depth {
    pub(super) fn bytes(self) -> usize {
        match self {
            Depth::Eight => 1,
            Depth::Sixteen => 2,
            Depth::Float => 4,
        }
    }
}

/// Rounds to 8 bits, repeats grey in each channel, lays transparency on white.
///
/// Works in place where a pixel shrinks, so that a photo is never held twice in full.
///
/// # Errors
/// [`ImageError::Shape`] if the samples do not fill the size.
pub(super) fn to_rgb8(
    size: Size,
    layout: Layout,
    depth: Depth,
    mut samples: Vec<u8>,
) -> Result<Image, ImageError> {
    let n = samples.len() / depth.bytes();
    match depth {
        Depth::Eight => {}
        Depth::Sixteen => {
            for i in 0..n {
                let raw = [samples[2 * i], samples[2 * i + 1]];
                samples[i] = round_16(u16::from_ne_bytes(raw));
            }
        }
        Depth::Float => {
            for i in 0..n {
                let raw: [u8; 4] = std::array::from_fn(|k| samples[4 * i + k]);
                let value = f32::from_ne_bytes(raw).clamp(0.0, 1.0);
                samples[i] = (value * 255.0).round() as u8;
            }
        }
    }
    samples.truncate(n);
    let rgb = match layout {
        Layout::Grey => samples.iter().flat_map(|&v| [v; 3]).collect(),
        Layout::GreyAlpha => {
            let pixels = samples.as_chunks().0.iter();
            pixels.flat_map(|&[v, a]| [on_white(v, a); 3]).collect()
        }
        Layout::Rgb => samples,
        Layout::RgbAlpha => {
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
    Image::new(size.width_px, size.height_px, rgb)
}

fn round_16(value: u16) -> u8 {
    ((u32::from(value) * 255 + 32_767) / 65_535) as u8
}

pub(super) fn on_white(value: u8, alpha: u8) -> u8 {
    let (value, alpha) = (u32::from(value), u32::from(alpha));
    ((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(layout: Layout, depth: Depth, samples: &[u8], expected: &[u8]) {
        let size = Size {
            width_px: 2,
            height_px: 1,
        };
        let image = to_rgb8(size, layout, depth, samples.to_vec()).unwrap();
        assert_eq!(image.rgb(), expected);
    }

    #[test]
    fn every_layout_becomes_rgb() {
        use Depth::*;
        check(Layout::Grey, Eight, &[7, 9], &[7, 7, 7, 9, 9, 9]);
        check(
            Layout::GreyAlpha,
            Eight,
            &[100, 255, 100, 0],
            &[100, 100, 100, 255, 255, 255],
        );
        check(Layout::Rgb, Eight, &[1, 2, 3, 4, 5, 6], &[1, 2, 3, 4, 5, 6]);
        check(
            Layout::RgbAlpha,
            Eight,
            &[0, 128, 255, 128, 9, 8, 7, 255],
            &[127, 191, 255, 9, 8, 7],
        );
        let deep: Vec<u8> = [0u16, 257, 65_535, 128, 129, 32_768]
            .iter()
            .flat_map(|v| v.to_ne_bytes())
            .collect();
        check(Layout::Rgb, Sixteen, &deep, &[0, 1, 255, 0, 1, 128]);
        let real: Vec<u8> = [0.0f32, 0.5, 1.0, -3.0, 7.0, f32::NAN]
            .iter()
            .flat_map(|v| v.to_ne_bytes())
            .collect();
        check(Layout::Rgb, Float, &real, &[0, 128, 255, 0, 255, 0]);
    }

    #[test]
    fn alpha_255_and_0_are_exact() {
        for v in 0..=255 {
            assert_eq!(on_white(v, 255), v);
            assert_eq!(on_white(v, 0), 255);
        }
    }
}

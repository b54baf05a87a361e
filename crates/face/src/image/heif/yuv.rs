//! Planes of luma and chroma to RGBA. In: planes of 8 to 16 bits, halved or not. Out: 8-bit pixels,
//! opaque. Knows nothing of decoders.
//!
//! # Source
//! ITU-T H.273, 8.3 (matrix coefficients, ranges). Chroma is interpolated between the four nearest
//! samples, as viewers do, sited in the middle.

use crate::geometry::Size;

/// Luma, or luma and two chromas.
pub(super) struct Planes<'a> {
    pub(super) bits: u32,
    /// Whether chroma has half the width and half the height.
    pub(super) halved: (bool, bool),
    /// Each with the bytes of a row; samples of more than eight bits in two bytes.
    pub(super) planes: Vec<(&'a [u8], usize)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    Full,
    Limited,
}

/// How luma and chroma make colours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Matrix {
    /// The planes are green, blue, red.
    Identity,
    /// Shares of red and blue in luma.
    Shares { red: f32, blue: f32 },
}

impl Matrix {
    /// By the number that H.273 gives it; unknown ones are those of BT.601, as viewers have it.
    pub(super) fn from_h273(number: u16) -> Matrix {
        let (red, blue) = match number {
            0 => return Matrix::Identity,
            1 => (0.2126, 0.0722),
            4 => (0.30, 0.11),
            7 => (0.212, 0.087),
            9 | 10 => (0.2627, 0.0593),
            _ => (0.299, 0.114),
        };
        Matrix::Shares { red, blue }
    }
}

/// One plane's samples as numbers from 0 to 1.
struct Plane<'a> {
    bytes: &'a [u8],
    stride: usize,
    is_deep: bool,
    width: usize,
    height: usize,
}

impl Plane<'_> {
    fn at(&self, x: usize, y: usize) -> f32 {
        let (x, y) = (x.min(self.width - 1), y.min(self.height - 1));
        let row = y * self.stride;
        let value = match self.is_deep {
            true => {
                let at = row + 2 * x;
                let pair = self.bytes.get(at..at + 2).map_or([0; 2], |b| [b[0], b[1]]);
                u16::from_ne_bytes(pair)
            }
            false => self.bytes.get(row + x).copied().map_or(0, u16::from),
        };
        f32::from(value)
    }

    /// The value at a pixel of the whole picture.
    fn at_pixel(&self, x: usize, y: usize, halved: (bool, bool)) -> f32 {
        let (x0, x1, share_x) = neighbours(x, halved.0);
        let (y0, y1, share_y) = neighbours(y, halved.1);
        let top = self.at(x0, y0) * (1.0 - share_x) + self.at(x1, y0) * share_x;
        if y0 == y1 {
            return top;
        }
        let bottom = self.at(x0, y1) * (1.0 - share_x) + self.at(x1, y1) * share_x;
        top * (1.0 - share_y) + bottom * share_y
    }
}

/// The nearest sample, the second nearest, and the share of that one.
fn neighbours(at: usize, is_halved: bool) -> (usize, usize, f32) {
    match (is_halved, at % 2) {
        (false, _) => (at, at, 0.0),
        (true, 0) => (at / 2, (at / 2).saturating_sub(1), 0.25),
        (true, _) => (at / 2, at / 2 + 1, 0.25),
    }
}

pub(super) fn to_rgba(size: Size, planes: &Planes, matrix: Matrix, range: Range) -> Vec<u8> {
    let (width, height) = (size.width_px as usize, size.height_px as usize);
    let most = ((1u32 << planes.bits) - 1) as f32;
    let unit = (1u32 << (planes.bits - 8)) as f32;
    let plane = |position: usize| {
        let (bytes, stride) = planes.planes[position];
        let (halved_x, halved_y) = match position {
            0 => (false, false),
            _ => planes.halved,
        };
        Plane {
            bytes,
            stride,
            is_deep: planes.bits > 8,
            width: if halved_x { width.div_ceil(2) } else { width },
            height: if halved_y { height.div_ceil(2) } else { height },
        }
    };
    let (luma_low, luma_span, chroma_span) = match range {
        Range::Full => (0.0, most, most),
        Range::Limited => (16.0 * unit, 219.0 * unit, 224.0 * unit),
    };
    let middle = 128.0 * unit;
    let luma = plane(0);
    let chroma = (planes.planes.len() == 3).then(|| (plane(1), plane(2)));
    let mut rgba = vec![255; width * height * 4];
    for y in 0..height {
        let row = &mut rgba[y * width * 4..(y + 1) * width * 4];
        for (x, pixel) in row.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let l = (luma.at(x, y) - luma_low) / luma_span;
            let rgb = match (&chroma, matrix) {
                (None, _) => [l; 3],
                (Some((first, second)), Matrix::Identity) => {
                    let of = |p: &Plane| (p.at(x, y) - luma_low) / luma_span;
                    [of(second), l, of(first)]
                }
                (Some((first, second)), Matrix::Shares { red, blue }) => {
                    let of = |p: &Plane| (p.at_pixel(x, y, planes.halved) - middle) / chroma_span;
                    let r = l + 2.0 * (1.0 - red) * of(second);
                    let b = l + 2.0 * (1.0 - blue) * of(first);
                    [r, (l - red * r - blue * b) / (1.0 - red - blue), b]
                }
            };
            let eight = |v: f32| (v * 255.0 + 0.5).clamp(0.0, 255.0) as u8;
            *pixel = [eight(rgb[0]), eight(rgb[1]), eight(rgb[2]), 255];
        }
    }
    rgba
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_black_and_red_come_out() {
        let size = Size {
            width_px: 3,
            height_px: 1,
        };
        // BT.601, limited: white, black, red.
        let planes = Planes {
            bits: 8,
            halved: (false, false),
            planes: vec![
                (&[235, 16, 81], 3),
                (&[128, 128, 90], 3),
                (&[128, 128, 240], 3),
            ],
        };
        let rgba = to_rgba(size, &planes, Matrix::from_h273(6), Range::Limited);
        let expected = [255, 255, 255, 255, 0, 0, 0, 255, 255, 0, 0, 255];
        let pairs = rgba.iter().zip(expected);
        assert!(pairs.clone().all(|(a, b)| a.abs_diff(b) <= 2), "{rgba:?}");
    }

    #[test]
    fn halved_chroma_is_interpolated() {
        assert_eq!(neighbours(0, true), (0, 0, 0.25));
        assert_eq!(neighbours(3, true), (1, 2, 0.25));
        assert_eq!(neighbours(4, true), (2, 1, 0.25));
        assert_eq!(neighbours(4, false), (4, 4, 0.0));
    }
}

//! Samples of a TIFF to RGB on white. In: rows in the machine's byte order. Out: 8-bit pixels.
//! Knows nothing of packing.
//!
//! # Source
//! TIFF 6.0, sections 4 to 6 (grey, palette, RGB), 16 (inks), 21 (YCbCr), 23 (Lab).

use super::layout::{Kind, Layout};

/// What the samples of a pixel stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colours {
    Grey { is_inverted: bool },
    Rgb,
    Palette,
    Cmyk,
    YCbCr,
    Lab { is_signed: bool },
}

impl Colours {
    pub(super) fn of(layout: &Layout) -> Result<Colours, String> {
        let (colours, n) = match layout.photometric {
            0 => (Colours::Grey { is_inverted: true }, 1),
            1 | 4 => (Colours::Grey { is_inverted: false }, 1),
            2 => (Colours::Rgb, 3),
            3 => (Colours::Palette, 1),
            5 => (Colours::Cmyk, 4),
            6 => (Colours::YCbCr, 3),
            8 => (Colours::Lab { is_signed: true }, 3),
            9 => (Colours::Lab { is_signed: false }, 3),
            other => return Err(format!("colours of kind {other}")),
        };
        let is_grey_lab = matches!(colours, Colours::Lab { .. }) && layout.n_samples == 1;
        if is_grey_lab {
            return Ok(Colours::Grey { is_inverted: false });
        }
        if layout.n_samples < n {
            return Err(format!("{} samples for colours of {n}", layout.n_samples));
        }
        if colours == Colours::Palette
            && (layout.bits > 16 || layout.palette.len() < 3 << layout.bits)
        {
            return Err("a palette with too few colours".into());
        }
        if matches!(colours, Colours::Lab { .. }) && ![8, 16].contains(&layout.bits) {
            return Err(format!("Lab samples of {} bits", layout.bits));
        }
        Ok(colours)
    }

    pub(super) fn n_samples(self) -> usize {
        match self {
            Colours::Grey { .. } | Colours::Palette => 1,
            Colours::Cmyk => 4,
            _ => 3,
        }
    }
}

/// A sample as it stands in a row; a float's bits.
pub(super) fn sample(row: &[u8], index: usize, bits: u32) -> u64 {
    let at = |n: usize, k: usize| row.get(index * n + k).copied().unwrap_or(0);
    match bits {
        8 => at(1, 0).into(),
        16 => u16::from_ne_bytes([at(2, 0), at(2, 1)]).into(),
        32 => u32::from_ne_bytes(std::array::from_fn(|k| at(4, k))).into(),
        64 => u64::from_ne_bytes(std::array::from_fn(|k| at(8, k))),
        _ => {
            let first = index * bits as usize;
            (first..first + bits as usize).fold(0, |value, bit| {
                let byte = row.get(bit / 8).copied().unwrap_or(0);
                value << 1 | u64::from(byte >> (7 - bit % 8) & 1)
            })
        }
    }
}

/// One pixel.
pub(super) fn rgb(layout: &Layout, colours: Colours, samples: &[u64]) -> [u8; 3] {
    let eight = |i: usize| to_eight(layout, samples[i]);
    let colour = match colours {
        Colours::Grey { is_inverted } => {
            let value = eight(0);
            [if is_inverted { 255 - value } else { value }; 3]
        }
        Colours::Rgb => [eight(0), eight(1), eight(2)],
        Colours::Palette => {
            let n = 1usize << layout.bits;
            let at = samples[0] as usize;
            std::array::from_fn(|c| (layout.palette[c * n + at] >> 8) as u8)
        }
        Colours::Cmyk => {
            let light = |i: usize| u32::from(255 - eight(i));
            std::array::from_fn(|c| ((light(c) * light(3) + 127) / 255) as u8)
        }
        Colours::YCbCr => {
            let (y, cb, cr) = (eight(0), eight(1), eight(2));
            from_ycbcr(y, cb, cr)
        }
        Colours::Lab { is_signed } => {
            let most = ((1u64 << layout.bits) - 1) as f32;
            let unit = (1u64 << (layout.bits - 8)) as f32;
            let middle = 1u64 << (layout.bits - 1);
            let axis = |value: u64| match is_signed {
                // Two's complement.
                true if value >= middle => (value as f32 - 2.0 * middle as f32) / unit,
                true => value as f32 / unit,
                false => value as f32 / unit - 128.0,
            };
            from_lab(
                samples[0] as f32 * 100.0 / most,
                axis(samples[1]),
                axis(samples[2]),
            )
        }
    };
    let first_extra = colours.n_samples();
    let opacity = layout
        .extra
        .iter()
        .zip(first_extra..layout.n_samples)
        .find(|(kind, _)| matches!(kind, 1 | 2));
    match opacity {
        None => colour,
        Some((kind, at)) => {
            let opacity = u32::from(to_eight(layout, samples[at]));
            colour.map(|v| match kind {
                // Multiplied already.
                1 => (u32::from(v) + 255 - opacity).min(255) as u8,
                _ => ((u32::from(v) * opacity + 255 * (255 - opacity) + 127) / 255) as u8,
            })
        }
    }
}

fn to_eight(layout: &Layout, value: u64) -> u8 {
    match (layout.kind, layout.bits) {
        (Kind::Unsigned, 8) => value as u8,
        (Kind::Unsigned, bits) => {
            let most = (1u64 << bits) - 1;
            ((value * 255 + most / 2) / most) as u8
        }
        (Kind::Float, 64) => from_unit(f64::from_bits(value)),
        (Kind::Float, 32) => from_unit(f32::from_bits(value as u32).into()),
        (Kind::Float, _) => from_unit(half(value as u16)),
    }
}

fn from_unit(value: f64) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
    sign * match exponent {
        0 => fraction * 2f64.powi(-14),
        31 => f64::INFINITY,
        e => (1.0 + fraction) * 2f64.powi(e - 15),
    }
}

/// ITU-R BT.601, full range, which is the default of TIFF and what files have.
pub(super) fn from_ycbcr(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    let rgb = [
        y + 1.402 * cr,
        y - 0.344_136 * cb - 0.714_136 * cr,
        y + 1.772 * cb,
    ];
    rgb.map(|v| v.round().clamp(0.0, 255.0) as u8)
}

/// CIE 1976 L*a*b* under D50 to sRGB, with white adapted by Bradford's matrix.
fn from_lab(l: f32, a: f32, b: f32) -> [u8; 3] {
    let fy = (l + 16.0) / 116.0;
    let cube = |f: f32| match f > 6.0 / 29.0 {
        true => f * f * f,
        false => 3.0 * (6.0f32 / 29.0).powi(2) * (f - 4.0 / 29.0),
    };
    let (x, y, z) = (
        0.9642 * cube(fy + a / 500.0),
        cube(fy),
        0.8249 * cube(fy - b / 200.0),
    );
    let linear = [
        3.133_856 * x - 1.616_867 * y - 0.490_615 * z,
        -0.978_768 * x + 1.916_142 * y + 0.033_454 * z,
        0.071_945 * x - 0.228_991 * y + 1.405_243 * z,
    ];
    linear.map(|v| {
        let v = v.clamp(0.0, 1.0);
        let tone = match v <= 0.003_130_8 {
            true => 12.92 * v,
            false => 1.055 * v.powf(1.0 / 2.4) - 0.055,
        };
        (tone * 255.0).round() as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lab_and_ycbcr_have_their_known_colours() {
        assert_eq!(
            from_lab(100.0, 0.0, 0.0).map(|v| v.abs_diff(255) <= 1),
            [true; 3]
        );
        // sRGB red under D50.
        let red = from_lab(54.29, 80.8, 69.89);
        assert!(red[0] >= 253 && red[1] <= 6 && red[2] <= 6, "{red:?}");
        assert_eq!(from_ycbcr(76, 85, 255), [254, 0, 0]);
        assert_eq!(half(0x3C00), 1.0);
        assert_eq!(half(0x3800), 0.5);
    }

    #[test]
    fn samples_of_few_bits_are_cut_out() {
        assert_eq!(sample(&[0b1011_0001], 2, 2), 0);
        assert_eq!(sample(&[0b1011_0001], 1, 4), 1);
        assert_eq!(sample(&[0xAB, 0xCD, 0xEF], 1, 12), 0xDEF);
    }
}

//! Luma and chroma to red, green and blue. In: samples of a video or camera frame. Out: RGB.
//! Knows nothing of planes or files.

/// Which numbers stand for which colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct YuvColour {
    /// ITU-R BT.709 (high definition) instead of BT.601.
    pub is_bt709: bool,
    /// Samples use 0 to 255 instead of 16 to 235.
    pub is_full_range: bool,
}

impl YuvColour {
    /// What players take where a stream does not say: BT.709 from 720 rows on, limited range.
    pub fn usual(height_px: u32) -> YuvColour {
        YuvColour {
            is_bt709: height_px >= 720,
            is_full_range: false,
        }
    }
}

/// Bits behind the point of the conversion's factors.
const BITS: i32 = 14;

/// What luma and chroma are multiplied by, with 14 bits behind the point.
#[derive(Debug, Clone, Copy)]
pub struct YuvToRgb {
    black: i32,
    y: i32,
    cr_to_r: i32,
    cb_to_g: i32,
    cr_to_g: i32,
    cb_to_b: i32,
}

impl YuvToRgb {
    /// ITU-R BT.601 and BT.709: `kr` and `kb` are the shares of red and blue in luma.
    pub fn of(colour: YuvColour) -> YuvToRgb {
        let (kr, kb) = match colour.is_bt709 {
            true => (0.2126, 0.0722),
            false => (0.299, 0.114),
        };
        let kg = 1.0 - kr - kb;
        let (black, luma, chroma) = match colour.is_full_range {
            true => (0, 1.0, 1.0),
            false => (16, 255.0 / 219.0, 255.0 / 224.0),
        };
        let fixed = |x: f64| (x * f64::from(1 << BITS)).round() as i32;
        YuvToRgb {
            black,
            y: fixed(luma),
            cr_to_r: fixed(2.0 * (1.0 - kr) * chroma),
            cb_to_g: fixed(-2.0 * (1.0 - kb) * kb / kg * chroma),
            cr_to_g: fixed(-2.0 * (1.0 - kr) * kr / kg * chroma),
            cb_to_b: fixed(2.0 * (1.0 - kb) * chroma),
        }
    }

    /// What chroma adds to red, green and blue.
    pub fn tint(&self, cb: u8, cr: u8) -> [i32; 3] {
        let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
        [
            cr * self.cr_to_r,
            cb * self.cb_to_g + cr * self.cr_to_g,
            cb * self.cb_to_b,
        ]
    }

    /// One pixel, red first, from its luma and what its chroma adds.
    pub fn rgb(&self, y: u8, tint: &[i32; 3]) -> [u8; 3] {
        let y = (i32::from(y) - self.black) * self.y + (1 << (BITS - 1));
        tint.map(|tint| ((y + tint) >> BITS).clamp(0, 255) as u8)
    }
}

//! A decoded picture. In: planes of luma and chroma as the codec gives them. Out: an RGB image.

pub use fusiform_face::image::YuvColour as Colour;
use fusiform_face::image::{Image, ImageError, Orientation, YuvToRgb};

/// Luma and chroma of one decoded frame, as stored: not yet turned upright.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// When it is shown, in milliseconds from the first frame.
    pub time_ms: u64,
    /// Its samples.
    pub planes: Planes,
}

/// Samples of 8 bits. Planes are row-major, without padding; samples of more bits are rounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planes {
    /// Columns of `y`.
    pub width_px: u32,
    /// Rows of `y`.
    pub height_px: u32,
    /// Luma, `width_px` × `height_px`.
    pub y: Vec<u8>,
    /// Blue difference.
    pub cb: Vec<u8>,
    /// Red difference, as large as `cb`.
    pub cr: Vec<u8>,
    /// Columns of `cb` and `cr`.
    pub chroma_width_px: u32,
    /// Rows of `cb` and `cr`.
    pub chroma_height_px: u32,
    /// Which numbers stand for which colour.
    pub colour: Colour,
}

/// Pixels of a cell whose luma is averaged, across and down.
const SAMPLES: usize = 4;

impl Planes {
    /// Whether each plane has as many samples as its sides say, and a chroma sample for each pixel.
    pub(crate) fn is_whole(&self) -> bool {
        let area = |w: u32, h: u32| w as usize * h as usize;
        let chroma = area(self.chroma_width_px, self.chroma_height_px);
        self.width_px > 0
            && self.height_px > 0
            && self.chroma_width_px >= self.width_px / 2
            && self.chroma_height_px >= self.height_px / 2
            && self.y.len() == area(self.width_px, self.height_px)
            && self.cb.len() == chroma
            && self.cr.len() == chroma
            && chroma > 0
    }

    /// Mean luma of cells, across and down, by some of the pixels of each; row by row.
    pub(crate) fn mean_luma(&self, (across, down): (usize, usize)) -> Vec<f32> {
        let (width, height) = (self.width_px as usize, self.height_px as usize);
        let at = |n: usize, cells: usize, side: usize| n * side / (cells * SAMPLES);
        let mut cells = vec![0.0; across * down];
        for y in 0..down * SAMPLES {
            let row = &self.y[at(y, down, height) * width..][..width];
            for x in 0..across * SAMPLES {
                let luma = row[at(x, across, width)];
                cells[y / SAMPLES * across + x / SAMPLES] += f32::from(luma);
            }
        }
        let n = (SAMPLES * SAMPLES) as f32;
        cells.iter_mut().for_each(|sum| *sum /= n);
        cells
    }

    /// RGB, brought upright. Chroma is repeated, not interpolated: within one level of ffmpeg's
    /// `scale=flags=neighbor+accurate_rnd+full_chroma_int`.
    ///
    /// # Errors
    /// None for planes of a decoder.
    pub fn to_image(&self, orientation: Orientation) -> Result<Image, ImageError> {
        let (width, height) = (self.width_px as usize, self.height_px as usize);
        let chroma_width = self.chroma_width_px as usize;
        let factors = YuvToRgb::of(self.colour);
        let across = usize::from(self.chroma_width_px < self.width_px);
        let down = usize::from(self.chroma_height_px < self.height_px);
        let mut rgb = vec![0; width * height * 3];
        let mut tints = vec![[0; 3]; width];
        for (row, out) in rgb.chunks_exact_mut(width * 3).enumerate() {
            if row % (1 + down) == 0 {
                let chroma_row = (row >> down).min(self.chroma_height_px as usize - 1);
                let cb = &self.cb[chroma_row * chroma_width..][..chroma_width];
                let cr = &self.cr[chroma_row * chroma_width..][..chroma_width];
                for (tints, (&cb, &cr)) in tints.chunks_mut(1 + across).zip(cb.iter().zip(cr)) {
                    tints.fill(factors.tint(cb, cr));
                }
                // An odd column at the end may have no chroma of its own.
                let reached = (chroma_width * (1 + across)).min(width);
                let last = tints[reached - 1];
                tints[reached..].fill(last);
            }
            let luma = &self.y[row * width..][..width];
            let pixels = out.as_chunks_mut::<3>().0.iter_mut();
            for ((pixel, &y), tint) in pixels.zip(luma).zip(&tints) {
                *pixel = factors.rgb(y, tint);
            }
        }
        let stored = Image::new(self.width_px, self.height_px, rgb)?;
        Ok(orientation.upright(stored))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planes(y: u8, cb: u8, cr: u8, colour: Colour) -> Planes {
        Planes {
            width_px: 3,
            height_px: 3,
            y: vec![y; 9],
            cb: vec![cb; 1],
            cr: vec![cr; 1],
            chroma_width_px: 1,
            chroma_height_px: 1,
            colour,
        }
    }

    #[test]
    fn the_numbers_of_the_standards_give_their_colours() {
        let sd = Colour::usual(480);
        let hd = Colour::usual(720);
        let full = Colour {
            is_bt709: false,
            is_full_range: true,
        };
        // Black, white, and pure red as ITU-R BT.601 and BT.709 code them.
        for (y, cb, cr, colour, wanted) in [
            (16, 128, 128, sd, [0, 0, 0]),
            (235, 128, 128, sd, [255, 255, 255]),
            (235, 128, 128, hd, [255, 255, 255]),
            (255, 128, 128, full, [255, 255, 255]),
            (81, 90, 240, sd, [254, 0, 0]),
            (63, 102, 240, hd, [255, 1, 0]),
        ] {
            let image = planes(y, cb, cr, colour)
                .to_image(Orientation::Upright)
                .expect("an image");
            let found = image.pixel(2, 2);
            let off = found
                .iter()
                .zip(wanted)
                .map(|(&a, b): (&u8, i32)| (i32::from(a) - b).abs());
            assert!(
                off.max() <= Some(1),
                "{y} {cb} {cr}: {found:?} and not {wanted:?}"
            );
        }
    }
}

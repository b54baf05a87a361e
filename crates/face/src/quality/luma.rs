//! Light and dark of a crop. In: aligned RGB. Out: detail, contrast, clipping of the face itself.
//! Knows nothing of what is good.

/// Lightness (ITU-R BT.601) of the part of a crop that is face in every pose: from the brows to the
/// chin, cheek to cheek.
pub(super) struct Luma {
    values: Vec<f32>,
    width: usize,
}

/// Variance that rounding each channel to 8 bits gives the Laplacian: 1/12 per channel, times the
/// squared weights of the channels (0.447) and of the Laplacian (20). Without this a dim, blurred
/// crop would pass as sharp.
const ROUNDING: f32 = 0.447 * 20.0 / 12.0;

impl Luma {
    /// Takes columns 22 to 90 and rows 28 to 108 of a 112x112 crop, scaled to the crop's side.
    pub(super) fn of_face(rgb: &[u8], side: usize) -> Luma {
        let part = |px: usize| px * side / 112;
        let columns = part(22)..part(90);
        let width = columns.len();
        let rows = rgb.chunks_exact(side * 3).take(part(108)).skip(part(28));
        let values = rows
            .flat_map(|row| &row.as_chunks::<3>().0[columns.clone()])
            .map(|&[r, g, b]| 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b))
            .collect();
        Luma { values, width }
    }

    /// Standard deviation in 8-bit steps.
    pub(super) fn contrast(&self) -> f32 {
        deviation(self.values.iter().copied())
    }

    /// Standard deviation of the four-neighbour Laplacian over the contrast: energy left in the
    /// finest octave.
    ///
    /// # Source
    /// The focus measure of Pech-Pacheco et al. (ICPR 2000), divided by contrast so that light does
    /// not change it.
    pub(super) fn detail(&self) -> f32 {
        let at = |i: usize| self.values[i];
        let w = self.width;
        let inner =
            (w..self.values.len().saturating_sub(w)).filter(|i| (1..w - 1).contains(&(i % w)));
        let laplacian = inner.map(|i| 4.0 * at(i) - at(i - 1) - at(i + 1) - at(i - w) - at(i + w));
        let rounding_removed = (deviation(laplacian).powi(2) - ROUNDING).max(0.0).sqrt();
        // Below one step of contrast there is nothing to be sharp.
        rounding_removed / self.contrast().max(1.0)
    }

    /// Share of pixels that are nearly black or white.
    pub(super) fn clipped(&self) -> f32 {
        let lost = self
            .values
            .iter()
            .filter(|v| !(4.0..=251.0).contains(*v))
            .count();
        lost as f32 / self.values.len() as f32
    }
}

fn deviation(values: impl Iterator<Item = f32>) -> f32 {
    let (mut n, mut sum, mut squares) = (0.0f64, 0.0f64, 0.0f64);
    for value in values {
        n += 1.0;
        sum += f64::from(value);
        squares += f64::from(value).powi(2);
    }
    let mean = sum / n;
    (squares / n - mean * mean).max(0.0).sqrt() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crop(draw: impl Fn(usize, usize) -> u8) -> Luma {
        let rgb: Vec<u8> = (0..112 * 112)
            .flat_map(|i| [draw(i % 112, i / 112); 3])
            .collect();
        Luma::of_face(&rgb, 112)
    }

    #[test]
    fn flat_grey_has_nothing_and_a_checkerboard_everything() {
        let flat = crop(|_, _| 128);
        assert_eq!((flat.values.len(), flat.width), (68 * 80, 68));
        assert!(flat.contrast() < 0.01 && flat.detail() < 0.01 && flat.clipped() == 0.0);
        let fine = crop(|x, y| if (x + y) % 2 == 0 { 108 } else { 148 });
        assert!((fine.contrast() - 20.0).abs() < 0.01);
        // Each Laplacian is four steps of the full swing.
        assert!((fine.detail() - 8.0).abs() < 0.01, "{}", fine.detail());
    }

    #[test]
    fn only_the_face_counts() {
        let framed = crop(|x, y| {
            if (22..90).contains(&x) && (28..108).contains(&y) {
                128
            } else {
                0
            }
        });
        assert_eq!(framed.clipped(), 0.0);
        let half = crop(|x, _| if x < 56 { 255 } else { 128 });
        assert_eq!(half.clipped(), 0.5);
    }
}

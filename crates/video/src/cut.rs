//! Cuts. In: pictures one after the other, none left out. Out: whether one shows another scene than
//! the one before, in which nobody stands where they stood. Knows nothing of faces.

use crate::picture::Planes;

/// Cells of the thumbnails that are compared, across and down.
const CELLS: (usize, usize) = (32, 18);

/// Pictures whose thumbnails correlate less (Pearson's coefficient) are of two scenes. In the clip
/// of the cases cuts have 0.01, 0.14 and 0.26, all else 0.68 and more.
const MIN_CORRELATION: f32 = 0.5;

/// The picture before.
#[derive(Debug, Clone, Default)]
pub(crate) struct CutDetector {
    before: Option<Vec<f32>>,
}

impl CutDetector {
    /// Whether the picture is of another scene than the one given before.
    pub(crate) fn is_cut(&mut self, picture: &Planes) -> bool {
        let now = picture.mean_luma(CELLS);
        let is_cut = |before: &Vec<f32>| correlation(before, &now) < MIN_CORRELATION;
        let cut = self.before.as_ref().is_some_and(is_cut);
        self.before = Some(now);
        cut
    }
}

/// Pearson's coefficient; 1 for frames of one colour, between which nothing is cut.
fn correlation(a: &[f32], b: &[f32]) -> f32 {
    let mean = |v: &[f32]| v.iter().sum::<f32>() / v.len() as f32;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        both += a * b;
        of_a += a * a;
        of_b += b * b;
    }
    match of_a * of_b {
        0.0 if of_a == of_b => 1.0,
        0.0 => 0.0,
        product => both / product.sqrt(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Colour;

    fn picture(luma: impl Fn(u32, u32) -> u32) -> Planes {
        let (width_px, height_px) = (320, 180);
        let places = (0..height_px).flat_map(|y| (0..width_px).map(move |x| (x, y)));
        Planes {
            width_px,
            height_px,
            y: places.map(|(x, y)| luma(x, y) as u8).collect(),
            cb: Vec::new(),
            cr: Vec::new(),
            chroma_width_px: 0,
            chroma_height_px: 0,
            colour: Colour::usual(height_px),
        }
    }

    /// Broad stripes that stand so many pixels to the right.
    fn stripes(shift: u32, slope: u32) -> impl Fn(u32, u32) -> u32 {
        move |x, y| (x + shift + slope * y) / 40 % 2 * 120 + x / 4
    }

    #[test]
    fn a_turning_camera_is_no_cut_and_another_scene_is() {
        let mut cuts = CutDetector::default();
        assert!(!cuts.is_cut(&picture(stripes(0, 0))), "the first frame");
        for step in 1..10 {
            assert!(!cuts.is_cut(&picture(stripes(4 * step, 0))), "step {step}");
        }
        assert!(cuts.is_cut(&picture(stripes(0, 1))));
        assert!(!cuts.is_cut(&picture(stripes(3, 1))));
    }

    #[test]
    fn light_that_goes_on_is_no_cut() {
        let mut cuts = CutDetector::default();
        cuts.is_cut(&picture(stripes(0, 0)));
        let unlit = stripes(0, 0);
        assert!(!cuts.is_cut(&picture(|x, y| unlit(x, y) / 2 + 60)));
        assert!(cuts.is_cut(&picture(|_, _| 0)));
        assert!(!cuts.is_cut(&picture(|_, _| 0)));
    }
}

//! Motion. In: pictures of a camera that stands still, one after the other. Out: whether something
//! moves. Costs some ten thousand pixels a picture, so that a camera before which nothing happens
//! costs little more than its decoding. Knows nothing of faces.

use crate::picture::Planes;

/// Cells that are watched, across and down.
const CELLS: (usize, usize) = (64, 36);

/// Share of a new picture in the background.
const LEARNT: f32 = 0.05;

/// Levels by which a cell has to differ from its background, and as a multiple of how much it
/// usually differs: leaves in the wind and noise of a dark picture count for less with time.
const MIN_LEVELS: f32 = 5.0;
const MIN_DEVIATIONS: f32 = 4.0;

/// Cells that have to differ: less than a head that is large enough to be recognised.
const MIN_CELLS: usize = 4;

/// Tells pictures in which something moves.
///
/// Each cell's luma is compared with a mean of the pictures before, after what all cells share was
/// taken off, so that a lamp or a cloud is no motion (background subtraction by a running mean with
/// a mean deviation; Piccardi, "Background subtraction techniques: a review", 2004).
#[derive(Debug, Clone, Default)]
pub struct MotionGate {
    cells: Vec<Cell>,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    mean: f32,
    /// Mean of how far it was from its mean.
    deviation: f32,
}

impl MotionGate {
    /// Whether something moves in a picture; true for the first.
    pub fn moves(&mut self, picture: &Planes) -> bool {
        let now = picture.mean_luma(CELLS);
        if self.cells.is_empty() {
            let first = |mean| Cell {
                mean,
                deviation: 0.0,
            };
            self.cells = now.into_iter().map(first).collect();
            return true;
        }
        let mut off: Vec<f32> = now
            .iter()
            .zip(&self.cells)
            .map(|(n, c)| n - c.mean)
            .collect();
        let shared = median(&off);
        off.iter_mut().for_each(|off| *off -= shared);
        let differs = |(off, cell): (&f32, &Cell)| {
            off.abs() > MIN_LEVELS.max(MIN_DEVIATIONS * cell.deviation)
        };
        let n = off.iter().zip(&self.cells).filter(|pair| differs(*pair));
        let moves = n.count() >= MIN_CELLS;
        for ((cell, now), off) in self.cells.iter_mut().zip(now).zip(off) {
            cell.mean += LEARNT * (now - cell.mean);
            cell.deviation += LEARNT * (off.abs() - cell.deviation);
        }
        moves
    }
}

fn median(values: &[f32]) -> f32 {
    let mut values = values.to_vec();
    let middle = values.len() / 2;
    let (_, median, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
    *median
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Colour;

    /// A room with a box of 40 × 40 at `x`, its light and the noise of its sensor.
    fn picture(x: Option<u32>, light: i32, noise: i32, seed: u32) -> Planes {
        let (width_px, height_px) = (640, 360);
        let mut random = seed;
        let mut y = Vec::new();
        for row in 0..height_px {
            for column in 0..width_px {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let grain = (random >> 16) as i32 % (2 * noise + 1) - noise;
                let in_box = x.is_some_and(|x| (x..x + 40).contains(&column));
                let level = match in_box && (100..140).contains(&row) {
                    true => 180,
                    false => 60 + (column / 16 % 8) as i32 * 8,
                };
                y.push((level + light + grain).clamp(0, 255) as u8);
            }
        }
        Planes {
            width_px,
            height_px,
            y,
            cb: Vec::new(),
            cr: Vec::new(),
            chroma_width_px: 0,
            chroma_height_px: 0,
            colour: Colour::usual(height_px),
        }
    }

    #[test]
    fn a_head_that_goes_by_moves_and_noise_and_light_do_not() {
        let mut gate = MotionGate::default();
        assert!(gate.moves(&picture(None, 0, 6, 0)), "the first picture");
        for seed in 1..40 {
            assert!(!gate.moves(&picture(None, 0, 6, seed)), "noise {seed}");
        }
        assert!(!gate.moves(&picture(None, 30, 6, 41)), "a lamp");
        for step in 0..10 {
            assert!(
                gate.moves(&picture(Some(20 * step), 0, 6, step)),
                "step {step}"
            );
        }
    }

    #[test]
    fn what_stays_becomes_background() {
        let mut gate = MotionGate::default();
        gate.moves(&picture(None, 0, 2, 0));
        let stays = (1..200).filter(|&seed| gate.moves(&picture(Some(300), 0, 2, seed)));
        let n = stays.count();
        assert!((5..150).contains(&n), "{n} pictures");
    }
}

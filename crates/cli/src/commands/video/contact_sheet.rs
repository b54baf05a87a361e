//! The contact sheet. In: appearances of named people. Out: a picture with the best face of each,
//! its name and when it came.

use anyhow::Result;
use fusiform::{ALIGNED_SIDE_PX, Image};

use super::seen::Seen;
use crate::commands::clock::clock;
use crate::drawing::{MarkedFace, RgbCanvas, draw_faces};

/// A crop is shown so many times as large.
const ENLARGED: usize = 2;
const CROP_PX: usize = ALIGNED_SIDE_PX as usize * ENLARGED;
/// Between crops, with room for a label above.
const GAP_PX: usize = 40;
const COLUMNS: usize = 5;
/// More would be no sheet to look at.
const MAX_CROPS: usize = 500;
const PAPER: u8 = 244;

/// `None` if there is nobody to show.
pub(super) fn drawn<'a>(appearances: impl Iterator<Item = &'a Seen>) -> Result<Option<Image>> {
    let seen: Vec<&Seen> = appearances.take(MAX_CROPS).collect();
    if seen.is_empty() {
        return Ok(None);
    }
    let columns = seen.len().min(COLUMNS);
    let (step, rows) = (CROP_PX + GAP_PX, seen.len().div_ceil(columns));
    let (width, height) = (columns * step + GAP_PX, rows * step + GAP_PX);
    let mut canvas = RgbCanvas {
        width,
        height,
        rgb: vec![PAPER; width * height * 3],
    };
    let mut marks = Vec::new();
    for (n, seen) in seen.iter().enumerate() {
        let (left, top) = (GAP_PX + n % columns * step, GAP_PX + n / columns * step);
        for row in 0..CROP_PX {
            let from = &seen.aligned[row / ENLARGED * ALIGNED_SIDE_PX as usize * 3..];
            let to = &mut canvas.rgb[((top + row) * width + left) * 3..][..CROP_PX * 3];
            for (column, pixel) in to.as_chunks_mut::<3>().0.iter_mut().enumerate() {
                pixel.copy_from_slice(&from[column / ENLARGED * 3..][..3]);
            }
        }
        let [left, top, side] = [left, top, CROP_PX].map(|x| x as f32);
        marks.push(MarkedFace {
            bbox: [left, top, left + side, top + side],
            landmarks: None,
            label: format!("{} {}", seen.name, clock(seen.start_ms)),
        });
    }
    draw_faces(&mut canvas, &marks)?;
    let size = |px: usize| u32::try_from(px);
    Ok(Some(Image::new(size(width)?, size(height)?, canvas.rgb)?))
}

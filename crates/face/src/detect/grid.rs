//! The grid of cells that a detector's outputs are laid out on. In: sizes. Out: positions in input
//! pixels. Knows nothing of scores.

use crate::geometry::{Landmarks, Point, Size};

/// The cells of one stride: index, and `x`, `y` of the top left corner in input pixels.
pub(super) fn cells(input: Size, stride: usize) -> impl Iterator<Item = (usize, f32, f32)> {
    let columns = input.width_px as usize / stride;
    (0..n_cells(input, stride)).map(move |i| {
        (
            i,
            ((i % columns) * stride) as f32,
            ((i / columns) * stride) as f32,
        )
    })
}

/// Whole cells of one stride in the input.
pub(super) fn n_cells(input: Size, stride: usize) -> usize {
    (input.width_px as usize / stride) * (input.height_px as usize / stride)
}

/// Five points from ten numbers, each a distance from `(x, y)` in strides.
pub(super) fn landmarks_at(values: &[f32; 10], x: f32, y: f32, stride: f32) -> Landmarks {
    Landmarks::from_array(std::array::from_fn(|i| Point {
        x: x + values[2 * i] * stride,
        y: y + values[2 * i + 1] * stride,
    }))
}

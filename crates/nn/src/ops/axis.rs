//! Axes as ONNX writes them. In: an axis, perhaps negative. Out: its index.

use crate::error::Error;

/// The index of an axis; negative ones count from the end.
pub(crate) fn axis_of(axis: i64, rank: usize) -> Result<usize, Error> {
    let rank_i = rank as i64;
    let axis_i = if axis < 0 { axis + rank_i } else { axis };
    if (0..rank_i).contains(&axis_i) {
        return Ok(axis_i as usize);
    }
    Err(Error::shape(format!(
        "axis {axis} is outside a tensor of {rank} axes"
    )))
}

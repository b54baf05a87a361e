//! Matrix products. In: two matrices or stacks of them. Out: one. Weights are read as the file has
//! them.

use fusiform_kernels::dot;

use super::arithmetic::{broadcast_shape, strides_in};
use super::context::OpContext;
use crate::error::Error;
use crate::tensor::Tensor;

/// `alpha · a · b + beta · c`, as ONNX Gemm.
pub(super) fn gemm(
    context: &OpContext,
    alpha: f32,
    beta: f32,
    a_transposed: bool,
    b_transposed: bool,
) -> Result<Tensor, Error> {
    let (a, b) = (context.float(0)?, context.float(1)?);
    let (rows, depth, a_rows) = matrix(a, a_transposed)?;
    // A column of b must be contiguous: that is a row of its transpose.
    let (columns, b_depth, b_columns) = matrix(b, !b_transposed)?;
    if depth != b_depth {
        let (a, b) = (a.shape(), b.shape());
        return Err(Error::shape(format!("{a:?} and {b:?} do not multiply")));
    }
    let mut out = context.result(vec![rows, columns])?;
    let addend = context.optional(2).map(|c| c.float()).transpose()?;
    let strides = match addend {
        None => vec![0, 0],
        Some(c) => {
            if broadcast_shape(c.shape(), &[rows, columns])? != [rows, columns] {
                return Err(Error::shape(format!(
                    "{:?} does not fit {rows}×{columns}",
                    c.shape()
                )));
            }
            strides_in(c.shape(), &[rows, columns])
        }
    };
    for r in 0..rows {
        for c in 0..columns {
            let product = dot::f32(
                &a_rows[r * depth..][..depth],
                &b_columns[c * depth..][..depth],
            );
            let added = addend.map_or(0.0, |t| t.data()[r * strides[0] + c * strides[1]]);
            out.data_mut()[r * columns + c] = alpha * product + beta * added;
        }
    }
    Ok(out)
}

/// Rows, columns and row-major content of a matrix, transposed if wanted.
fn matrix(
    t: &Tensor,
    transposed: bool,
) -> Result<(usize, usize, std::borrow::Cow<'_, [f32]>), Error> {
    let [rows, columns] = <[usize; 2]>::try_from(t.shape())
        .map_err(|_| Error::shape(format!("{:?} where a matrix belongs", t.shape())))?;
    if !transposed {
        return Ok((rows, columns, t.data().into()));
    }
    let mut swapped = vec![0.0; t.data().len()];
    for r in 0..rows {
        for c in 0..columns {
            swapped[c * rows + r] = t.data()[r * columns + c];
        }
    }
    Ok((columns, rows, swapped.into()))
}

/// Product over the last two axes; leading axes must be equal, or missing on the right.
pub(super) fn matmul(context: &OpContext) -> Result<Tensor, Error> {
    let (a, b) = (context.float(0)?, context.float(1)?);
    let (sa, sb) = (a.shape(), b.shape());
    let wrong = || Error::shape(format!("{sa:?} and {sb:?} do not multiply"));
    if sa.len() < 2 || sb.len() < 2 {
        return Err(wrong());
    }
    let (lead_a, lead_b) = (&sa[..sa.len() - 2], &sb[..sb.len() - 2]);
    if !lead_b.is_empty() && lead_a != lead_b {
        return Err(wrong());
    }
    let (rows, depth, columns) = (sa[sa.len() - 2], sa[sa.len() - 1], sb[sb.len() - 1]);
    if sb[sb.len() - 2] != depth {
        return Err(wrong());
    }
    let mut shape = sa.to_vec();
    shape[sa.len() - 1] = columns;
    let mut out = context.result(shape)?;
    out.data_mut().fill(0.0);
    if out.data().is_empty() {
        return Ok(out);
    }
    for (i, to) in out.data_mut().chunks_exact_mut(rows * columns).enumerate() {
        let a = &a.data()[i * rows * depth..][..rows * depth];
        let b_at = if lead_b.is_empty() {
            0
        } else {
            i * depth * columns
        };
        let b = &b.data()[b_at..][..depth * columns];
        for (r, to) in to.chunks_exact_mut(columns).enumerate() {
            for (d, b) in b.chunks_exact(columns).enumerate() {
                let factor = a[r * depth + d];
                to.iter_mut().zip(b).for_each(|(to, b)| *to += factor * b);
            }
        }
    }
    Ok(out)
}

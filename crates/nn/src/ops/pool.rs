//! Pooling and means. In: an image. Out: a smaller one. Knows nothing of fused partitions.

use super::attributes::Attributes;
use super::axis::axis_of;
use super::context::OpContext;
use super::geometry::{Geometry, numbers};
use crate::error::Error;
use crate::tensor::Tensor;

/// Maximum or mean of windows.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    max: bool,
    kernel: [usize; 2],
    geometry: Geometry,
    ceil: bool,
    count_padding: bool,
}

/// A maximum whose windows lie inside the image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnpaddedMax {
    pub(crate) kernel: [usize; 2],
    pub(crate) strides: [usize; 2],
    pub(crate) dilations: [usize; 2],
    pub(crate) out: [usize; 2],
}

impl Window {
    pub(super) fn read(op: &str, a: &mut Attributes) -> Result<Window, Error> {
        let kernel = a
            .ints("kernel_shape")?
            .ok_or_else(|| Error::malformed("no kernel_shape"))?;
        a.must_be("storage_order", 0)?;
        Ok(Window {
            max: op == "MaxPool",
            kernel: numbers(&kernel, "kernel_shape", 1)?,
            geometry: Geometry::read(a)?,
            ceil: a.int("ceil_mode", 0)? != 0,
            count_padding: a.int("count_include_pad", 0)? != 0,
        })
    }

    /// Whether this is a maximum without padding in the file; whether every window lies inside
    /// the image, [`Window::unpadded_max`] decides for each size.
    pub(crate) fn is_unpadded_max(&self) -> bool {
        self.max && self.geometry.is_unpadded()
    }

    /// The geometry of a maximum whose windows all lie inside an image of this size.
    pub(crate) fn unpadded_max(&self, size: [usize; 2]) -> Option<UnpaddedMax> {
        let plane = self.geometry.plane(size, self.kernel, self.ceil).ok()?;
        let (strides, dilations) = (self.geometry.strides, self.geometry.dilations);
        let inside = (0..2).all(|a| {
            (plane.out[a] - 1) * strides[a] + (self.kernel[a] - 1) * dilations[a] < size[a]
        });
        (self.max && inside && plane.top == 0 && plane.left == 0).then_some(UnpaddedMax {
            kernel: self.kernel,
            strides,
            dilations,
            out: plane.out,
        })
    }

    pub(super) fn run(&self, context: &OpContext) -> Result<Tensor, Error> {
        let input = context.float(0)?;
        let [batch, channels, height, width] = input.nchw()?;
        let plane = self
            .geometry
            .plane([height, width], self.kernel, self.ceil)?;
        let [out_height, out_width] = plane.out;
        let mut out = context.result(vec![batch, channels, out_height, out_width])?;
        let images = input.data().chunks_exact(height * width);
        let [kh, kw] = self.kernel;
        let ([sy, sx], [dy, dx]) = (self.geometry.strides, self.geometry.dilations);
        let pads = self.geometry.pads();
        for (image, to) in images.zip(out.data_mut().chunks_exact_mut(out_height * out_width)) {
            for (index, to) in to.iter_mut().enumerate() {
                let (y, x) = (index / out_width * sy, index % out_width * sx);
                let (mut most, mut sum, mut n) = (f32::NEG_INFINITY, 0.0, 0usize);
                for ky in 0..kh {
                    let iy = (y + ky * dy).wrapping_sub(plane.top);
                    if iy >= height {
                        continue;
                    }
                    for kx in 0..kw {
                        let ix = (x + kx * dx).wrapping_sub(plane.left);
                        if ix < width {
                            let value = image[iy * width + ix];
                            most = most.max(value);
                            sum += value;
                            n += 1;
                        }
                    }
                }
                // Borders count where they are written in the model, not where a last window hangs
                // over them.
                let counted = |start: usize, k: usize, d: usize, size: usize| {
                    (0..k).filter(|i| start + i * d < size).count()
                };
                if self.count_padding {
                    n = counted(y, kh, dy, height + pads[0] + pads[2])
                        * counted(x, kw, dx, width + pads[1] + pads[3]);
                }
                *to = if self.max { most } else { sum / n as f32 };
            }
        }
        Ok(out)
    }
}

/// The mean of each channel.
pub(super) fn global_average(context: &OpContext) -> Result<Tensor, Error> {
    let input = context.float(0)?;
    let shape = input.shape();
    if shape.len() < 3 {
        return Err(Error::shape(format!("{shape:?} has no image to average")));
    }
    let area: usize = shape[2..].iter().product();
    let mut out_shape = shape.to_vec();
    out_shape[2..].fill(1);
    let mut out = context.result(out_shape)?;
    for (to, from) in out
        .data_mut()
        .iter_mut()
        .zip(input.data().chunks_exact(area.max(1)))
    {
        *to = from.iter().sum::<f32>() / area as f32;
    }
    Ok(out)
}

/// The mean over some axes; over all if none are named.
pub(super) fn reduce_mean(
    context: &OpContext,
    axes: Option<&[i64]>,
    keep: bool,
) -> Result<Tensor, Error> {
    let input = context.float(0)?;
    let shape = input.shape();
    let given = match context.optional(1) {
        Some(axes) => Some(axes.ints()?.data.as_slice()),
        None => axes,
    };
    let reduced: Vec<usize> = match given {
        Some(axes) => axes
            .iter()
            .map(|a| axis_of(*a, shape.len()))
            .collect::<Result<_, _>>()?,
        None => (0..shape.len()).collect(),
    };
    let kept: Vec<usize> = shape
        .iter()
        .enumerate()
        .map(|(i, n)| if reduced.contains(&i) { 1 } else { *n })
        .collect();
    let mut out = context.result(kept.clone())?;
    out.data_mut().fill(0.0);
    let strides = super::arithmetic::strides_in(&kept, shape);
    let mut index = vec![0; shape.len()];
    for value in input.data() {
        let at: usize = index.iter().zip(&strides).map(|(i, s)| i * s).sum();
        out.data_mut()[at] += value;
        super::arithmetic::advance(&mut index, shape);
    }
    let n = input.data().len() / out.data().len().max(1);
    out.data_mut().iter_mut().for_each(|x| *x /= n as f32);
    if keep {
        return Ok(out);
    }
    let left = shape
        .iter()
        .enumerate()
        .filter(|(i, _)| !reduced.contains(i))
        .map(|(_, n)| *n);
    out.reshaped(left.collect())
}

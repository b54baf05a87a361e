//! Convolution on planes (NCHW). In: image, weights, bias, and perhaps a residual. Out: the image
//! with its epilogue applied. Knows nothing of fused partitions, which take most convolutions.
//!
//! Dense: for each run of output pixels the input patch is packed once (im2col of one panel;
//! Chellapilla et al., 2006) and multiplied by every panel of packed weights. Depthwise: one padded
//! channel at a time, row by row.

use fusiform_kernels::epilogue::Activation;
use fusiform_kernels::gemm::{Gemm, MAX_TILE};
use fusiform_kernels::planar;

use super::attributes::Attributes;
use super::context::OpContext;
use super::geometry::{Geometry, Plane, numbers};
use crate::error::Error;
use crate::tensor::{Tensor, Value};

/// The activation that a convolution applies before it stores.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ConvEpilogue {
    /// The same activation for every channel.
    Same(Activation),
    /// `x` where positive, the channel's slope times `x` elsewhere.
    PerChannel(Vec<f32>),
}

impl Default for ConvEpilogue {
    fn default() -> ConvEpilogue {
        ConvEpilogue::Same(Activation::None)
    }
}

/// A convolution and what is fused into it.
#[derive(Debug, Clone)]
pub(crate) struct Conv {
    pub(crate) groups: usize,
    kernel: Option<[usize; 2]>,
    pub(crate) geometry: Geometry,
    pub(crate) epilogue: ConvEpilogue,
    /// Constant weights, packed once. Input 1 is not read then.
    packed: Option<PackedWeights>,
}

/// Weights in the layout that the inner loops read.
#[derive(Debug, Clone)]
struct PackedWeights {
    /// `[out, in / groups, kh, kw]`.
    sizes: [usize; 4],
    layout: Layout,
}

#[derive(Debug, Clone)]
enum Layout {
    /// One packed matrix per group.
    Panels(Gemm, Vec<Vec<f32>>),
    /// One kernel per channel, as in the file.
    Depthwise(Vec<f32>),
}

impl Conv {
    pub(super) fn read(a: &mut Attributes) -> Result<Conv, Error> {
        let geometry = Geometry::read(a)?;
        let kernel = a
            .ints("kernel_shape")?
            .map(|k| numbers(&k, "kernel_shape", 1))
            .transpose()?;
        let groups = usize::try_from(a.int("group", 1)?).ok().filter(|g| *g > 0);
        let groups = groups.ok_or_else(|| Error::malformed("group must be positive"))?;
        Ok(Conv {
            groups,
            kernel,
            geometry,
            epilogue: ConvEpilogue::default(),
            packed: None,
        })
    }

    /// Whether the node states another kernel size than that of the weights.
    pub(crate) fn kernel_differs(&self, of_weights: [usize; 2]) -> bool {
        self.kernel.is_some_and(|k| k != of_weights)
    }

    /// Packs constant weights, which are not needed afterwards.
    ///
    /// # Errors
    /// [`Error`] if the weights do not fit the attributes.
    pub(crate) fn set_weights(&mut self, weights: &Tensor) -> Result<(), Error> {
        self.packed = Some(self.pack(weights)?);
        Ok(())
    }

    fn pack(&self, weight: &Tensor) -> Result<PackedWeights, Error> {
        let sizes = weight.nchw()?;
        let [n_out, per_group, kh, kw] = sizes;
        if n_out == 0 || per_group == 0 || kh == 0 || kw == 0 || n_out % self.groups != 0 {
            let (shape, groups) = (weight.shape(), self.groups);
            return Err(Error::shape(format!(
                "weights {shape:?} do not fit {groups} groups"
            )));
        }
        if self.kernel_differs([kh, kw]) {
            let (shape, kernel) = (weight.shape(), self.kernel);
            return Err(Error::shape(format!(
                "weights {shape:?} contradict kernel_shape {kernel:?}"
            )));
        }
        let layout = if per_group == 1 && n_out == self.groups && self.groups > 1 {
            Layout::Depthwise(weight.data().to_vec())
        } else {
            let gemm = Gemm::chosen();
            let (rows, depth) = (n_out / self.groups, per_group * kh * kw);
            let groups = weight.data().chunks_exact(rows * depth);
            Layout::Panels(gemm, groups.map(|g| gemm.pack_a(g, rows, depth)).collect())
        };
        Ok(PackedWeights { sizes, layout })
    }

    pub(super) fn run(&self, context: &OpContext) -> Result<Tensor, Error> {
        self.run_with(context, &self.epilogue)
    }

    fn run_with(&self, context: &OpContext, epilogue: &ConvEpilogue) -> Result<Tensor, Error> {
        let input = context.float(0)?;
        let fresh;
        let packed = match &self.packed {
            Some(packed) => packed,
            None => {
                fresh = self.pack(context.float(1)?)?;
                &fresh
            }
        };
        let [batch, channels, height, width] = input.nchw()?;
        let [n_out, per_group, kh, kw] = packed.sizes;
        if channels != per_group * self.groups {
            let (i, w, g) = (input.shape(), packed.sizes, self.groups);
            return Err(Error::shape(format!(
                "input {i:?}, weights {w:?}, {g} groups do not fit"
            )));
        }
        let bias = context
            .optional(2)
            .map(|b| b.float())
            .transpose()?
            .map(Tensor::data);
        if bias.is_some_and(|b| b.len() != n_out) {
            return Err(Error::shape(format!(
                "a bias for other than {n_out} channels"
            )));
        }
        if let ConvEpilogue::PerChannel(slopes) = epilogue
            && slopes.len() != n_out
            && slopes.len() != 1
        {
            return Err(Error::shape(format!(
                "{} slopes for {n_out} channels",
                slopes.len()
            )));
        }
        let plane = self.geometry.plane([height, width], [kh, kw], false)?;
        let shape = vec![batch, n_out, plane.out[0], plane.out[1]];
        let residual = context.optional(3).map(|r| r.float()).transpose()?;
        if let Some(other) = residual.filter(|r| r.shape() != shape) {
            return self.broadcast_residual(context, other);
        }
        let mut out = context.result(shape)?;
        let area = plane.out[0] * plane.out[1];
        let job = Job {
            conv: self,
            epilogue,
            bias,
            kernel: [kh, kw],
            size: [height, width],
            plane,
        };
        let residual = residual.map(Tensor::data);
        for image in 0..batch {
            let input =
                &input.data()[image * channels * height * width..][..channels * height * width];
            let here = image * n_out * area..(image + 1) * n_out * area;
            let residual = residual.map(|r| &r[here.clone()]);
            let out = &mut out.data_mut()[here];
            match &packed.layout {
                Layout::Depthwise(weights) => {
                    job.depthwise(context, input, weights, residual, out);
                }
                Layout::Panels(gemm, groups) => {
                    job.dense(context, input, (*gemm, groups), per_group, residual, out);
                }
            }
        }
        Ok(out)
    }

    /// A residual of another shape is rare; it is broadcast and added in a second pass.
    fn broadcast_residual(&self, context: &OpContext, other: &Tensor) -> Result<Tensor, Error> {
        let without_residual = OpContext {
            inputs: &context.inputs[..3],
            ..*context
        };
        let sums = self.run_with(&without_residual, &ConvEpilogue::default())?;
        let (sums, other) = (Value::Float(sums), Value::Float(other.clone()));
        let inputs = [Some(&sums), Some(&other)];
        let added = super::arithmetic::Binary::Add.run(&OpContext {
            inputs: &inputs,
            ..*context
        })?;
        let Value::Float(mut added) = added else {
            return Err(Error::shape("floats expected"));
        };
        let (n_out, area) = (
            added.shape()[1],
            added.shape()[2..].iter().product::<usize>(),
        );
        for (row, out) in added.data_mut().chunks_exact_mut(area.max(1)).enumerate() {
            let act = self.epilogue.activation(row % n_out);
            out.iter_mut().for_each(|x| *x = act.apply(*x));
        }
        Ok(added)
    }
}

impl ConvEpilogue {
    /// The activation of one channel.
    fn activation(&self, channel: usize) -> Activation {
        match self {
            ConvEpilogue::Same(activation) => *activation,
            ConvEpilogue::PerChannel(slopes) => Activation::Slope(if slopes.len() == 1 {
                slopes[0]
            } else {
                slopes[channel]
            }),
        }
    }
}

/// One image of one convolution.
struct Job<'a> {
    conv: &'a Conv,
    epilogue: &'a ConvEpilogue,
    bias: Option<&'a [f32]>,
    kernel: [usize; 2],
    size: [usize; 2],
    plane: Plane,
}

impl Job<'_> {
    fn bias(&self, channel: usize) -> f32 {
        self.bias.map_or(0.0, |b| b[channel])
    }

    fn dense(
        &self,
        context: &OpContext,
        input: &[f32],
        (gemm, groups): (Gemm, &[Vec<f32>]),
        per_group: usize,
        residual: Option<&[f32]>,
        out: &mut [f32],
    ) {
        let Gemm { mr, nr, .. } = gemm;
        let [height, width] = self.size;
        let area = self.plane.out[0] * self.plane.out[1];
        let depth = per_group * self.kernel[0] * self.kernel[1];
        let rows = out.len() / area / self.conv.groups;
        let mut panel = context.buffers.take(depth * nr);
        let mut tile = [0.0; MAX_TILE];
        for (group, weights) in groups.iter().enumerate() {
            let input = &input[group * per_group * height * width..][..per_group * height * width];
            for first in (0..area).step_by(nr) {
                let n = nr.min(area - first);
                self.pack_panel(input, first, n, nr, &mut panel);
                for top in (0..rows).step_by(mr) {
                    let weights = &weights[top * depth..][..mr * depth];
                    gemm.tile(depth, weights, &panel, &mut tile);
                    for row in 0..mr.min(rows - top) {
                        let channel = group * rows + top + row;
                        let at = channel * area + first;
                        planar::epilogue_row(
                            &tile[row * nr..][..n],
                            self.bias(channel),
                            residual.map(|r| &r[at..at + n]),
                            self.epilogue.activation(channel),
                            &mut out[at..at + n],
                        );
                    }
                }
            }
        }
        context.buffers.give(panel);
    }

    /// Gathers what `n` output pixels from `first` on read: for each channel and tap a row of `nr`
    /// numbers.
    fn pack_panel(&self, input: &[f32], first: usize, n: usize, nr: usize, panel: &mut [f32]) {
        let ([kh, kw], [height, width]) = (self.kernel, self.size);
        let [sy, sx] = self.conv.geometry.strides;
        let [dy, dx] = self.conv.geometry.dilations;
        let out_width = self.plane.out[1];
        let plain = kh == 1 && kw == 1 && sy == 1 && sx == 1 && self.plane.out == self.size;
        let taps = (0..input.len() / (height * width))
            .flat_map(|c| (0..kh).flat_map(move |ky| (0..kw).map(move |kx| (c, ky, kx))));
        for ((c, ky, kx), row) in taps.zip(panel.chunks_exact_mut(nr)) {
            let image = &input[c * height * width..][..height * width];
            row[n..].fill(0.0);
            if plain {
                row[..n].copy_from_slice(&image[first..first + n]);
                continue;
            }
            let mut done = 0;
            while done < n {
                let (y, x) = ((first + done) / out_width, (first + done) % out_width);
                let run = (out_width - x).min(n - done);
                let part = &mut row[done..done + run];
                done += run;
                let iy = (y * sy + ky * dy).wrapping_sub(self.plane.top);
                if iy >= height {
                    part.fill(0.0);
                    continue;
                }
                let line = &image[iy * width..][..width];
                // Column of the input for output column x + i is (x + i)·sx + offset.
                let offset = (kx * dx) as isize - self.plane.left as isize;
                let low = (-offset).max(0) as usize;
                let begin = low.div_ceil(sx).clamp(x, x + run) - x;
                let end = match usize::try_from(width as isize - 1 - offset) {
                    Ok(last) => (last / sx + 1).clamp(x + begin, x + run) - x,
                    Err(_) => begin,
                };
                part[..begin].fill(0.0);
                part[end..].fill(0.0);
                if begin == end {
                    continue;
                }
                let from = (((x + begin) * sx) as isize + offset) as usize;
                if sx == 1 {
                    part[begin..end].copy_from_slice(&line[from..from + end - begin]);
                } else {
                    for (to, value) in part[begin..end]
                        .iter_mut()
                        .zip(line[from..].iter().step_by(sx))
                    {
                        *to = *value;
                    }
                }
            }
        }
    }

    fn depthwise(
        &self,
        context: &OpContext,
        input: &[f32],
        weight: &[f32],
        residual: Option<&[f32]>,
        out: &mut [f32],
    ) {
        let ([kh, kw], [height, width]) = (self.kernel, self.size);
        let [sy, sx] = self.conv.geometry.strides;
        let [dy, dx] = self.conv.geometry.dilations;
        let [out_height, out_width] = self.plane.out;
        // The padding is written once; each channel overwrites the middle.
        let (ph, pw) = (
            (out_height - 1) * sy + (kh - 1) * dy + 1,
            (out_width - 1) * sx + (kw - 1) * dx + 1,
        );
        let mut padded = context.buffers.take(ph * pw);
        padded.fill(0.0);
        let mut sums = context.buffers.take(out_width);
        let mut taps: Vec<(f32, &[f32])> = Vec::with_capacity(kh * kw);
        let area = out_height * out_width;
        for (channel, image) in input.chunks_exact(height * width).enumerate() {
            let columns = width.min(pw.saturating_sub(self.plane.left));
            for y in 0..height.min(ph.saturating_sub(self.plane.top)) {
                let at = (y + self.plane.top) * pw + self.plane.left;
                padded[at..at + columns].copy_from_slice(&image[y * width..][..columns]);
            }
            let weight = &weight[channel * kh * kw..][..kh * kw];
            for y in 0..out_height {
                taps.clear();
                for ky in 0..kh {
                    for kx in 0..kw {
                        let from = (y * sy + ky * dy) * pw + kx * dx;
                        let end = (y * sy + ky * dy + 1) * pw;
                        taps.push((weight[ky * kw + kx], &padded[from..end]));
                    }
                }
                sums.fill(0.0);
                planar::depthwise_row(&taps, sx, &mut sums);
                let at = channel * area + y * out_width;
                planar::epilogue_row(
                    &sums,
                    self.bias(channel),
                    residual.map(|r| &r[at..at + out_width]),
                    self.epilogue.activation(channel),
                    &mut out[at..at + out_width],
                );
            }
            taps = recycle(taps);
        }
        context.buffers.give(padded);
        context.buffers.give(sums);
    }
}

/// The same allocation, free of the borrows it held.
fn recycle<'b>(mut taps: Vec<(f32, &[f32])>) -> Vec<(f32, &'b [f32])> {
    taps.clear();
    taps.into_iter().map(|_| (0.0, &[][..])).collect()
}

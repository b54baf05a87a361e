//! Convolution. In: image, weights, bias, and perhaps a residual. Out: the finished image.
//!
//! Dense: for each run of output pixels the input patch is packed once (im2col of one panel; Chellapilla et al., 2006)
//! and multiplied by every panel of packed weights. Depthwise: one padded channel at a time, row by row.

use std::collections::HashMap;

use fusiform_kernels::depthwise;
use fusiform_kernels::finish::{self, Activation};
use fusiform_kernels::gemm::{Gemm, MAX_TILE};

use super::attributes::Attributes;
use super::geometry::{Geometry, Plane, numbers};
use super::{Finish, Work};
use crate::error::Error;
use crate::tensor::{Tensor, Value};

#[derive(Debug, Clone)]
pub(crate) struct Conv {
    pub(crate) groups: usize,
    kernel: Option<[usize; 2]>,
    pub(crate) geometry: Geometry,
    pub(crate) finish: Finish,
    packed: Option<Packed>,
}

/// Weights in the form the inner loops want.
#[derive(Debug, Clone)]
struct Packed {
    form: Gemm,
    /// One packed matrix per group.
    groups: Vec<Vec<f32>>,
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
            finish: Finish::default(),
            packed: None,
        })
    }

    /// Whether the kernel stated in the node is another than that of the weights.
    pub(crate) fn kernel_differs(&self, of_weights: [usize; 2]) -> bool {
        self.kernel.is_some_and(|k| k != of_weights)
    }

    /// Packs constant weights, once.
    pub(crate) fn pack(
        &mut self,
        inputs: &[Option<usize>],
        constants: &HashMap<usize, Value>,
    ) -> Result<(), Error> {
        let weight = inputs
            .get(1)
            .copied()
            .flatten()
            .and_then(|v| constants.get(&v));
        let Some(weight) = weight else { return Ok(()) };
        self.packed = Some(self.packed_form(weight.float()?)?);
        Ok(())
    }

    fn packed_form(&self, weight: &Tensor) -> Result<Packed, Error> {
        let [n_out, per_group, kh, kw] = dims(weight)?;
        if n_out == 0 || per_group == 0 || kh == 0 || kw == 0 || n_out % self.groups != 0 {
            let (shape, groups) = (weight.shape(), self.groups);
            return Err(Error::shape(format!(
                "weights {shape:?} do not fit {groups} groups"
            )));
        }
        if self.kernel.is_some_and(|k| k != [kh, kw]) {
            let (shape, kernel) = (weight.shape(), self.kernel);
            return Err(Error::shape(format!(
                "weights {shape:?} contradict kernel_shape {kernel:?}"
            )));
        }
        let form = Gemm::chosen();
        let (rows, depth) = (n_out / self.groups, per_group * kh * kw);
        let groups = weight.data().chunks_exact(rows * depth);
        Ok(Packed {
            form,
            groups: groups.map(|g| form.pack_a(g, rows, depth)).collect(),
        })
    }

    pub(super) fn run(&self, work: &Work) -> Result<Tensor, Error> {
        let (input, weight) = (work.float(0)?, work.float(1)?);
        let [batch, channels, height, width] = dims(input)?;
        let [n_out, per_group, kh, kw] = dims(weight)?;
        if channels != per_group * self.groups || n_out % self.groups != 0 {
            let (i, w, g) = (input.shape(), weight.shape(), self.groups);
            return Err(Error::shape(format!(
                "input {i:?}, weights {w:?}, {g} groups do not fit"
            )));
        }
        let fresh;
        let packed = match &self.packed {
            Some(packed) => packed,
            None => {
                fresh = self.packed_form(weight)?;
                &fresh
            }
        };
        let bias = work
            .optional(2)
            .map(|b| b.float())
            .transpose()?
            .map(Tensor::data);
        if bias.is_some_and(|b| b.len() != n_out) {
            return Err(Error::shape(format!(
                "a bias for other than {n_out} channels"
            )));
        }
        if let Finish::PerChannel(slopes) = &self.finish
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
        let residual = work.optional(3).map(|r| r.float()).transpose()?;
        if let Some(other) = residual.filter(|r| r.shape() != shape) {
            return self.broadcast_residual(work, other);
        }
        let mut out = work.result(shape)?;
        let area = plane.out[0] * plane.out[1];
        let job = Job {
            conv: self,
            packed,
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
            if per_group == 1 && n_out == channels && self.groups > 1 {
                job.depthwise(work, input, weight.data(), residual, out);
            } else {
                job.dense(work, input, per_group, residual, out);
            }
        }
        Ok(out)
    }

    /// A residual of another shape is rare; it is added as a step of its own.
    fn broadcast_residual(&self, work: &Work, other: &Tensor) -> Result<Tensor, Error> {
        let plain = Conv {
            finish: Finish::default(),
            ..self.clone()
        };
        let sums = plain.run(&Work {
            inputs: &work.inputs[..3],
            ..*work
        })?;
        let (sums, other) = (Value::Float(sums), Value::Float(other.clone()));
        let inputs = [Some(&sums), Some(&other)];
        let added = super::arithmetic::Binary::Add.run(&Work {
            inputs: &inputs,
            ..*work
        })?;
        let Value::Float(mut added) = added else {
            return Err(Error::shape("floats expected"));
        };
        let (n_out, area) = (
            added.shape()[1],
            added.shape()[2..].iter().product::<usize>(),
        );
        for (row, out) in added.data_mut().chunks_exact_mut(area.max(1)).enumerate() {
            let act = self.activation(row % n_out);
            out.iter_mut().for_each(|x| *x = act.apply(*x));
        }
        Ok(added)
    }

    fn activation(&self, channel: usize) -> Activation {
        match &self.finish {
            Finish::Same(activation) => *activation,
            Finish::PerChannel(slopes) => Activation::Slope(if slopes.len() == 1 {
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
    packed: &'a Packed,
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
        work: &Work,
        input: &[f32],
        per_group: usize,
        residual: Option<&[f32]>,
        out: &mut [f32],
    ) {
        let Gemm { mr, nr, .. } = self.packed.form;
        let [height, width] = self.size;
        let area = self.plane.out[0] * self.plane.out[1];
        let depth = per_group * self.kernel[0] * self.kernel[1];
        let rows = out.len() / area / self.conv.groups;
        let mut panel = work.pool.take(depth * nr);
        let mut tile = [0.0; MAX_TILE];
        for (group, weights) in self.packed.groups.iter().enumerate() {
            let input = &input[group * per_group * height * width..][..per_group * height * width];
            for first in (0..area).step_by(nr) {
                let n = nr.min(area - first);
                self.pack_panel(input, first, n, nr, &mut panel);
                for top in (0..rows).step_by(mr) {
                    let weights = &weights[top * depth..][..mr * depth];
                    self.packed.form.tile(depth, weights, &panel, &mut tile);
                    for row in 0..mr.min(rows - top) {
                        let channel = group * rows + top + row;
                        let place = channel * area + first;
                        finish::row(
                            &tile[row * nr..][..n],
                            self.bias(channel),
                            residual.map(|r| &r[place..place + n]),
                            self.conv.activation(channel),
                            &mut out[place..place + n],
                        );
                    }
                }
            }
        }
        work.pool.give(panel);
    }

    /// Gathers what `n` output pixels from `first` on read: for each channel and tap a row of `nr` numbers.
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
        work: &Work,
        input: &[f32],
        weight: &[f32],
        residual: Option<&[f32]>,
        out: &mut [f32],
    ) {
        let ([kh, kw], [height, width]) = (self.kernel, self.size);
        let [sy, sx] = self.conv.geometry.strides;
        let [dy, dx] = self.conv.geometry.dilations;
        let [out_height, out_width] = self.plane.out;
        // Borders are written once; each channel overwrites the middle.
        let (ph, pw) = (
            (out_height - 1) * sy + (kh - 1) * dy + 1,
            (out_width - 1) * sx + (kw - 1) * dx + 1,
        );
        let mut padded = work.pool.take(ph * pw);
        padded.fill(0.0);
        let mut sums = work.pool.take(out_width);
        let mut taps: Vec<(f32, &[f32])> = Vec::with_capacity(kh * kw);
        let area = out_height * out_width;
        for (channel, image) in input.chunks_exact(height * width).enumerate() {
            let columns = width.min(pw.saturating_sub(self.plane.left));
            for y in 0..height.min(ph.saturating_sub(self.plane.top)) {
                let place = (y + self.plane.top) * pw + self.plane.left;
                padded[place..place + columns].copy_from_slice(&image[y * width..][..columns]);
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
                depthwise::row(&taps, sx, &mut sums);
                let place = channel * area + y * out_width;
                finish::row(
                    &sums,
                    self.bias(channel),
                    residual.map(|r| &r[place..place + out_width]),
                    self.conv.activation(channel),
                    &mut out[place..place + out_width],
                );
            }
            taps = recycle(taps);
        }
        work.pool.give(padded);
        work.pool.give(sums);
    }
}

/// The same allocation, free of the borrows it held.
fn recycle<'b>(mut taps: Vec<(f32, &[f32])>) -> Vec<(f32, &'b [f32])> {
    taps.clear();
    taps.into_iter().map(|_| (0.0, &[][..])).collect()
}

/// The four sizes of an image or of weights.
pub(super) fn dims(tensor: &Tensor) -> Result<[usize; 4], Error> {
    <[usize; 4]>::try_from(tensor.shape()).map_err(|_| {
        Error::shape(format!(
            "{:?} where [batch, channels, height, width] belongs",
            tensor.shape()
        ))
    })
}

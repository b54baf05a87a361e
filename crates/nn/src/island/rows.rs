//! An island at work. In: tensors. Out: tensors. A row is computed when a later layer asks for it, so that what one
//! layer writes is still near when the next one reads it.

use std::ops::Range;
use std::time::Instant;

use fusiform_kernels::buffer::Buffer;
use fusiform_kernels::pixels::{
    Conv, Depthwise, EightConv, Finish, Max, Photo, Scale, Scratch, Sum,
};

use super::plan::{Look, Plan, Slot};
use super::{Export, Island, Kind, Packed, Weights};
use crate::tensor::Tensor;

/// Receives nanoseconds and operations of a layer by the place of its step.
type Told<'t> = Option<&'t mut dyn FnMut(usize, u64, u64)>;

struct Run<'a> {
    island: &'a Island,
    plan: &'a Plan,
    inputs: &'a [&'a Tensor],
    image: usize,
    buffers: Vec<Buffer>,
    /// For each slot how many of its rows were computed.
    done: Vec<usize>,
    starts: Vec<usize>,
    scratch: Scratch,
    nanos: Option<Vec<u64>>,
}

/// The exported values, by their numbers in the model.
pub(super) fn run(
    island: &Island,
    plan: &Plan,
    inputs: &[&Tensor],
    told: Told,
) -> Vec<(usize, Tensor)> {
    let mut run = Run {
        island,
        plan,
        inputs,
        image: 0,
        buffers: plan.take(),
        done: vec![0; plan.slots.len()],
        starts: Vec::new(),
        scratch: Scratch::default(),
        nanos: told.is_some().then(|| vec![0; island.layers.len()]),
    };
    let mut results: Vec<(usize, Vec<usize>, Vec<f32>)> = Vec::new();
    for (export, slot) in island.exports.iter().zip(&plan.exports) {
        let Slot {
            height: h,
            width: w,
            ..
        } = plan.slots[*slot];
        let (n, c) = (plan.batch, export.channels_in(&plan.slots[*slot]).len());
        let shape = if export.channels_last {
            vec![n, h, w, c]
        } else {
            vec![n, c, h, w]
        };
        results.push((export.value, shape, vec![0.0; n * c * h * w]));
    }
    for image in 0..plan.batch {
        run.image = image;
        run.done.fill(0);
        for slot in &plan.targets {
            run.need(*slot, plan.slots[*slot].height);
        }
        for ((export, slot), (_, _, data)) in
            island.exports.iter().zip(&plan.exports).zip(&mut results)
        {
            let len = data.len() / plan.batch;
            run.export(*slot, export, &mut data[image * len..(image + 1) * len]);
        }
    }
    if let (Some(told), Some(nanos)) = (told, &run.nanos) {
        let slots = &plan.slots[island.imports.len()..];
        for ((layer, nanos), slot) in island.layers.iter().zip(nanos).zip(slots) {
            let pixels = plan.batch * slot.height * slot.width;
            let flop = match &layer.kind {
                Kind::Dense(w) => 2 * pixels * w.n_out * w.n_in * w.kernel[0] * w.kernel[1],
                Kind::Depthwise(w) => 2 * pixels * w.n_out * w.kernel[0] * w.kernel[1],
                _ => 0,
            };
            told(layer.step, *nanos, flop as u64);
        }
    }
    plan.give(run.buffers);
    let tensor =
        |shape, data| Tensor::new(shape, data).unwrap_or_else(|_| unreachable!("sized together"));
    results
        .into_iter()
        .map(|(value, shape, data)| (value, tensor(shape, data)))
        .collect()
}

impl Run<'_> {
    /// Computes a slot up to a row.
    fn need(&mut self, slot: usize, rows: usize) {
        let plan = self.plan;
        let geometry = &plan.slots[slot];
        while self.done[slot] < rows.min(geometry.height) {
            let y = self.done[slot];
            match geometry.layer {
                None => self.import(slot, y),
                Some(layer) => {
                    for (i, read) in plan.reads[layer].iter().enumerate() {
                        let until = match &plan.looks[layer] {
                            Look::Window {
                                top,
                                kernel,
                                strides,
                                dilations,
                                ..
                            } if i == 0 => (y * strides[0] + (kernel[0] - 1) * dilations[0] + 1)
                                .saturating_sub(*top),
                            Look::Picked([rows, _]) => rows[y] + 1,
                            _ => y + 1,
                        };
                        self.need(*read, until);
                    }
                    let begin = self.nanos.is_some().then(Instant::now);
                    self.row(layer, slot, y);
                    if let (Some(nanos), Some(begin)) = (&mut self.nanos, begin) {
                        nanos[layer] += begin.elapsed().as_nanos() as u64;
                    }
                }
            }
            self.done[slot] = y + 1;
        }
    }

    /// Takes one row of planes in.
    fn import(&mut self, slot: usize, y: usize) {
        let Slot {
            channels,
            pixel,
            height,
            width,
            left,
            ..
        } = self.plan.slots[slot];
        let start = self.plan.slots[slot].start(y) + left * pixel;
        let row = &mut self.buffers[slot][start..][..width * pixel];
        let planes = &self.inputs[slot].data()[self.image * channels * height * width..];
        if channels == 3 && pixel == 3 {
            let planes = [0, 1, 2].map(|c| &planes[(c * height + y) * width..][..width]);
            self.island.form.photo(&mut Photo { planes, out: row });
            return;
        }
        for channel in 0..channels {
            let line = &planes[(channel * height + y) * width..][..width];
            for (to, from) in row[channel..].iter_mut().step_by(pixel).zip(line) {
                *to = *from;
            }
        }
    }

    fn row(&mut self, layer: usize, slot: usize, y: usize) {
        let plan = self.plan;
        let (reads, out) = (&plan.reads[layer], &plan.slots[slot]);
        let input = &plan.slots[reads[0]];
        let begin = out.start(y) + out.left * out.pixel;
        let length = out.width * out.pixel;
        // Out of the list while it is written; it is never one of those read.
        let mut buffer = std::mem::take(&mut self.buffers[slot]);
        let row = &mut buffer[begin..begin + length];
        let same = |i: usize| -> &[f32] {
            let other = &plan.slots[reads[i]];
            &self.buffers[reads[i]][other.start(y) + other.left * other.pixel..][..length]
        };
        if let Look::Window {
            top,
            left,
            kernel: [kh, kw],
            strides: [sy, _],
            dilations: [dy, dx],
        } = plan.looks[layer]
        {
            let together = matches!(&self.island.layers[layer].kind, Kind::Dense(_)) && dx == 1;
            self.starts.clear();
            for ky in 0..kh {
                let line = (y * sy + ky * dy).wrapping_sub(top);
                let first = input.start(line) + (input.left - left) * input.pixel;
                let columns = if together { 1 } else { kw };
                self.starts
                    .extend((0..columns).map(|kx| first + kx * dx * input.pixel));
            }
        }
        let step = match plan.looks[layer] {
            Look::Window { strides, .. } => strides[1] * input.pixel,
            _ => input.pixel,
        };
        let form = self.island.form;
        match &self.island.layers[layer].kind {
            Kind::Dense(w) | Kind::Depthwise(w) => {
                let input = &self.buffers[reads[0]];
                let residual = (reads.len() > 1).then(|| same(1));
                let (finish, starts, n) = (w.finish(), &self.starts[..], out.width);
                match (&self.island.layers[layer].kind, &w.packed) {
                    (_, Packed::EightBits(weights)) => form.eight(&mut EightConv {
                        input,
                        starts,
                        step,
                        weights,
                        finish,
                        residual,
                        out: row,
                        n,
                        scratch: &mut self.scratch,
                    }),
                    (Kind::Dense(_), Packed::Floats(weights)) => {
                        let together = w.geometry.dilations[1] == 1;
                        form.conv(&mut Conv {
                            input,
                            starts,
                            run: w.pixel * if together { w.kernel[1] } else { 1 },
                            step,
                            weights,
                            channels: out.pixel,
                            finish,
                            residual,
                            out: row,
                            n,
                            pixel: out.pixel,
                        });
                    }
                    (_, Packed::Floats(weights)) => form.depthwise(&mut Depthwise {
                        input,
                        starts,
                        step,
                        weights,
                        pixel: out.pixel,
                        finish,
                        residual,
                        out: row,
                        n,
                    }),
                }
            }
            Kind::Max(_) => form.max(&mut Max {
                input: &self.buffers[reads[0]],
                starts: &self.starts,
                step,
                pixel: out.pixel,
                out: row,
                n: out.width,
            }),
            Kind::Add => form.sum(&mut Sum {
                a: same(0),
                b: same(1),
                out: row,
            }),
            Kind::Affine { factor, addend } => form.scale(&mut Scale {
                input: same(0),
                factor: *factor,
                addend: *addend,
                out: row,
            }),
            Kind::Resize(..) => {
                if let Look::Picked([rows, columns]) = &plan.looks[layer] {
                    let start = input.start(rows[y]) + input.left * input.pixel;
                    let line = &self.buffers[reads[0]][start..][..input.width * input.pixel];
                    for (to, x) in row.chunks_exact_mut(out.pixel).zip(columns) {
                        to.copy_from_slice(&line[x * input.pixel..][..input.pixel]);
                    }
                }
            }
        }
        self.buffers[slot] = buffer;
    }

    /// Gives a whole image out.
    fn export(&self, slot: usize, export: &Export, to: &mut [f32]) {
        let geometry = &self.plan.slots[slot];
        let range = export.channels_in(geometry);
        let channels = range.len();
        let Slot {
            pixel,
            height,
            width,
            left,
            ..
        } = *geometry;
        for y in 0..height {
            let line = &self.buffers[slot][geometry.start(y) + left * pixel..][..width * pixel];
            if channels == 0 {
                return;
            }
            if export.channels_last {
                let to = &mut to[y * width * channels..][..width * channels];
                for (to, from) in to.chunks_exact_mut(channels).zip(line.chunks_exact(pixel)) {
                    to.copy_from_slice(&from[range.clone()]);
                }
                continue;
            }
            for channel in 0..channels {
                let to = &mut to[(channel * height + y) * width..][..width];
                for (to, from) in to
                    .iter_mut()
                    .zip(line[range.start + channel..].iter().step_by(pixel))
                {
                    *to = *from;
                }
            }
        }
    }
}

impl Export {
    fn channels_in(&self, slot: &Slot) -> Range<usize> {
        self.channels.start.min(slot.channels)..self.channels.end.min(slot.channels)
    }
}

impl Weights {
    fn finish(&self) -> Finish<'_> {
        Finish {
            bias: &self.bias,
            activation: self.activation,
            slopes: self.slopes.as_deref(),
        }
    }
}

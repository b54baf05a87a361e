//! An island at work. In: tensors. Out: tensors. A row is computed when a later layer asks for it, so that what one
//! layer writes is still near when the next one reads it.

use std::ops::Range;
use std::time::Instant;

use fusiform_kernels::buffer::Buffer;
use fusiform_kernels::pixels::{Conv, Depthwise, EightConv, Finish, Max, Photo, Scale, Sum};
use rayon::prelude::*;

use super::plan::{Look, Own, Plan, Room, Slot};
use super::{Export, Island, Kind, Packed, Weights};
use crate::photo::Source;
use crate::tensor::Tensor;

/// Receives nanoseconds and operations of a layer by the place of its step.
type Told<'t> = Option<&'t mut dyn FnMut(usize, u64, u64)>;

/// Operations below which sharing a slot's rows out costs more than it gains: some 40 µs of a core.
const MIN_SHARED_FLOP: usize = 4_000_000;

/// Fewer rows are no share: a band computes again what it needs of the rows before it.
const MIN_BAND_ROWS: usize = 4;

/// Some rows of one slot, computed by one thread.
struct Band<'a> {
    island: &'a Island,
    plan: &'a Plan,
    inputs: &'a [Source<'a>],
    image: usize,
    /// Complete slots.
    whole: &'a [Buffer],
    own: &'a mut Own,
    target: usize,
    /// The target's rows from `first` on.
    out: &'a mut [f32],
    first: usize,
    nanos: Option<&'a mut [u64]>,
}

/// The exported values, by their numbers in the model. Up to `n_bands` threads of the current pool share the work; what
/// they compute does not depend on how many they are.
pub(super) fn run(
    island: &Island,
    plan: &Plan,
    inputs: &[Source],
    n_bands: usize,
    told: Told,
) -> Vec<(usize, Tensor)> {
    let mut room = plan.take(n_bands);
    let mut nanos = told.is_some().then(|| vec![0; island.layers.len()]);
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
        for target in &plan.targets {
            let slot = &plan.slots[*target];
            let shares = match slot.flop >= MIN_SHARED_FLOP {
                true => n_bands.min(slot.height / MIN_BAND_ROWS).max(1),
                false => 1,
            };
            let rows = slot.height.div_ceil(shares);
            // Out of the list while it is written; it is never one of those read.
            let mut buffer = std::mem::take(&mut room.whole[*target]);
            let Room { whole, own } = &mut room;
            let whole = &whole[..];
            let complete = |(i, (out, own)), nanos| {
                let first = i * rows;
                let mut band = Band {
                    island,
                    plan,
                    inputs,
                    image,
                    whole,
                    own,
                    target: *target,
                    out,
                    first,
                    nanos,
                };
                band.begin(*target, first);
                band.need(*target, first + rows);
            };
            let bands = &mut buffer[..slot.height * slot.row()];
            if shares == 1 {
                complete((0, (bands, &mut own[0])), nanos.as_deref_mut());
            } else {
                bands
                    .par_chunks_mut(rows * slot.row())
                    .zip(own.par_iter_mut())
                    .enumerate()
                    .for_each(|band| complete(band, None));
            }
            room.whole[*target] = buffer;
        }
        for ((export, slot), (_, _, data)) in
            island.exports.iter().zip(&plan.exports).zip(&mut results)
        {
            let len = data.len() / plan.batch;
            let to = &mut data[image * len..(image + 1) * len];
            export.write(&plan.slots[*slot], &room.whole[*slot], to);
        }
    }
    if let (Some(told), Some(nanos)) = (told, nanos) {
        let slots = &plan.slots[island.imports.len()..];
        for ((layer, nanos), slot) in island.layers.iter().zip(nanos).zip(slots) {
            told(layer.step, nanos, (plan.batch * layer.flop(slot)) as u64);
        }
    }
    plan.give(room);
    let tensor =
        |shape, data| Tensor::new(shape, data).unwrap_or_else(|_| unreachable!("sized together"));
    results
        .into_iter()
        .map(|(value, shape, data)| (value, tensor(shape, data)))
        .collect()
}

impl Band<'_> {
    /// Sets out from a row: what leads to it begins where its windows do.
    fn begin(&mut self, slot: usize, y: usize) {
        self.own.done[slot] = y;
        let plan = self.plan;
        let Some(layer) = plan.slots[slot].layer else {
            return;
        };
        for (i, read) in plan.reads[layer].iter().enumerate() {
            if plan.slots[*read].is_whole {
                continue;
            }
            let first = match &plan.looks[layer] {
                Look::Window { top, strides, .. } if i == 0 => {
                    (y * strides[0]).saturating_sub(*top)
                }
                Look::Picked([rows, _]) => rows[y],
                _ => y,
            };
            self.begin(*read, first);
        }
    }

    /// Computes a slot up to a row.
    fn need(&mut self, slot: usize, rows: usize) {
        let plan = self.plan;
        let geometry = &plan.slots[slot];
        while self.own.done[slot] < rows.min(geometry.height) {
            let y = self.own.done[slot];
            match geometry.layer {
                None => self.import(slot, y),
                Some(layer) => {
                    for (i, read) in plan.reads[layer].iter().enumerate() {
                        if plan.slots[*read].is_whole {
                            continue;
                        }
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
            self.own.done[slot] = y + 1;
        }
    }

    /// Takes one row in.
    fn import(&mut self, slot: usize, y: usize) {
        let geometry = &self.plan.slots[slot];
        let own = &mut self.own.buffers[slot];
        let row = match slot == self.target {
            true => geometry.part(self.out, y - self.first),
            false => geometry.part(own, y % geometry.kept),
        };
        let Slot {
            channels,
            pixel,
            height,
            width,
            ..
        } = *geometry;
        let tensor = match &self.inputs[slot] {
            Source::Photos(photos) => return photos[self.image].row(y, pixel, row),
            Source::Tensor(tensor) => tensor,
        };
        let planes = &tensor.data()[self.image * channels * height * width..];
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
        let (plan, island, whole) = (self.plan, self.island, self.whole);
        let (reads, out) = (&plan.reads[layer], &plan.slots[slot]);
        let input = &plan.slots[reads[0]];
        let length = out.width * out.pixel;
        let Own {
            buffers,
            starts,
            scratch,
            ..
        } = &mut *self.own;
        // Out of the list while it is written; it is never one of those read.
        let mut buffer = std::mem::take(&mut buffers[slot]);
        let row = match slot == self.target {
            true => out.part(self.out, y - self.first),
            false => out.part(&mut buffer, y % out.kept),
        };
        let held = |slot: usize| -> &[f32] {
            match plan.slots[slot].is_whole {
                true => &whole[slot],
                false => &buffers[slot],
            }
        };
        let same = |i: usize| -> &[f32] {
            let other = &plan.slots[reads[i]];
            &held(reads[i])[other.start(y) + other.left * other.pixel..][..length]
        };
        if let Look::Window {
            top,
            left,
            kernel: [kh, kw],
            strides: [sy, _],
            dilations: [dy, dx],
        } = plan.looks[layer]
        {
            let together = matches!(&island.layers[layer].kind, Kind::Dense(_)) && dx == 1;
            starts.clear();
            for ky in 0..kh {
                let line = (y * sy + ky * dy).wrapping_sub(top);
                let first = input.start(line) + (input.left - left) * input.pixel;
                let columns = if together { 1 } else { kw };
                starts.extend((0..columns).map(|kx| first + kx * dx * input.pixel));
            }
        }
        let step = match plan.looks[layer] {
            Look::Window { strides, .. } => strides[1] * input.pixel,
            _ => input.pixel,
        };
        let form = island.form;
        match &island.layers[layer].kind {
            Kind::Dense(w) | Kind::Depthwise(w) => {
                let input = held(reads[0]);
                let residual = (reads.len() > 1).then(|| same(1));
                let (finish, starts, n) = (w.finish(), &starts[..], out.width);
                match (&island.layers[layer].kind, &w.packed) {
                    (_, Packed::EightBits(weights)) => form.eight(&mut EightConv {
                        input,
                        starts,
                        step,
                        weights,
                        finish,
                        residual,
                        out: row,
                        n,
                        scratch,
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
                input: held(reads[0]),
                starts,
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
                    let line = &held(reads[0])[start..][..input.width * input.pixel];
                    for (to, x) in row.chunks_exact_mut(out.pixel).zip(columns) {
                        to.copy_from_slice(&line[x * input.pixel..][..input.pixel]);
                    }
                }
            }
        }
        self.own.buffers[slot] = buffer;
    }
}

impl Export {
    /// Gives a whole image out.
    fn write(&self, geometry: &Slot, buffer: &[f32], to: &mut [f32]) {
        let range = self.channels_in(geometry);
        let channels = range.len();
        let Slot {
            pixel,
            height,
            width,
            left,
            ..
        } = *geometry;
        for y in 0..height {
            let line = &buffer[geometry.start(y) + left * pixel..][..width * pixel];
            if channels == 0 {
                return;
            }
            if self.channels_last {
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

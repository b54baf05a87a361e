//! Execution of a fused partition. In: tensors or images. Out: tensors. A row is computed when a
//! later layer needs it, so that what one layer writes is still in the cache when the next one
//! reads it. Knows nothing of how shapes are found: `plan` holds them.

use std::ops::Range;
use std::time::Instant;

use fusiform_kernels::buffer::Buffer;
use fusiform_kernels::nhwc::{
    AddRow, AffineRow, ConvRow, DepthwiseRow, Int8ConvRow, InterleaveRow, MaxPoolRow,
};
use rayon::prelude::*;

use super::layer::{LayerKind, PackedWeights};
use super::partition::{Export, Partition};
use super::plan::{AccessPattern, Plan, Slot, ThreadWorkspace, Workspace};
use crate::rgb_input::InputData;
use crate::tensor::Tensor;

/// Receives the index of a step, its nanoseconds, and its multiplications and additions.
pub(crate) type StepObserver<'o> = &'o mut dyn FnMut(usize, u64, u64);

/// Multiplications and additions below which sharing a slot's rows among threads costs more than it
/// gains: some 40 µs of a core.
const MIN_SHARED_FLOP: usize = 4_000_000;

/// Fewest rows of a band: at its beginning, a band computes again the rows of chained slots that
/// the band before it computed too.
const MIN_BAND_ROWS: usize = 4;

/// Some rows of one slot, computed by one thread.
struct Band<'a> {
    partition: &'a Partition,
    plan: &'a Plan,
    inputs: &'a [InputData<'a>],
    image: usize,
    /// Complete slots.
    whole: &'a [Buffer],
    workspace: &'a mut ThreadWorkspace,
    target: usize,
    /// The target's rows from `first` on.
    out: &'a mut [f32],
    first: usize,
    nanos: Option<&'a mut [u64]>,
}

/// Computes the exported values, by their numbers in the model. Up to `n_threads` threads of the
/// current rayon pool share the rows; the numbers do not depend on how many there are.
pub(super) fn execute(
    partition: &Partition,
    plan: &Plan,
    inputs: &[InputData],
    n_threads: usize,
    observer: Option<StepObserver>,
) -> Vec<(usize, Tensor)> {
    let mut workspace = plan.take(n_threads);
    let mut nanos = observer.is_some().then(|| vec![0; partition.layers.len()]);
    let mut results: Vec<(usize, Vec<usize>, Vec<f32>)> = Vec::new();
    for (export, slot) in partition.exports.iter().zip(&plan.exports) {
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
            let n_bands = match slot.flop >= MIN_SHARED_FLOP {
                true => n_threads.min(slot.height / MIN_BAND_ROWS).max(1),
                false => 1,
            };
            let rows = slot.height.div_ceil(n_bands);
            // Taken out of the list while it is written; it is not among those that are read.
            let mut buffer = std::mem::take(&mut workspace.whole[*target]);
            let Workspace { whole, threads } = &mut workspace;
            let whole = &whole[..];
            let complete = |(i, (out, workspace)), nanos| {
                let first = i * rows;
                let mut band = Band {
                    partition,
                    plan,
                    inputs,
                    image,
                    whole,
                    workspace,
                    target: *target,
                    out,
                    first,
                    nanos,
                };
                band.begin_at(*target, first);
                band.compute_until(*target, first + rows);
            };
            let all_rows = &mut buffer[..slot.height * slot.row()];
            if n_bands == 1 {
                complete((0, (all_rows, &mut threads[0])), nanos.as_deref_mut());
            } else {
                all_rows
                    .par_chunks_mut(rows * slot.row())
                    .zip(threads.par_iter_mut())
                    .enumerate()
                    .for_each(|band| complete(band, None));
            }
            workspace.whole[*target] = buffer;
        }
        for ((export, slot), (_, _, data)) in partition
            .exports
            .iter()
            .zip(&plan.exports)
            .zip(&mut results)
        {
            let len = data.len() / plan.batch;
            let to = &mut data[image * len..(image + 1) * len];
            export.write(&plan.slots[*slot], &workspace.whole[*slot], to);
        }
    }
    if let (Some(observe), Some(nanos)) = (observer, nanos) {
        let slots = &plan.slots[partition.imports.len()..];
        for ((layer, nanos), slot) in partition.layers.iter().zip(nanos).zip(slots) {
            let flop = plan.batch * layer.flop([slot.height, slot.width]);
            observe(layer.step, nanos, flop as u64);
        }
    }
    plan.give(workspace);
    let tensor =
        |shape, data| Tensor::new(shape, data).unwrap_or_else(|_| unreachable!("sized together"));
    results
        .into_iter()
        .map(|(value, shape, data)| (value, tensor(shape, data)))
        .collect()
}

impl Band<'_> {
    /// Makes row `y` of a slot the next; chained slots before it begin with the first row that it
    /// reads.
    fn begin_at(&mut self, slot: usize, y: usize) {
        self.workspace.next_row[slot] = y;
        let plan = self.plan;
        let Some(layer) = plan.slots[slot].layer else {
            return;
        };
        for (i, read) in plan.reads[layer].iter().enumerate() {
            if plan.slots[*read].is_whole {
                continue;
            }
            let first = match &plan.access[layer] {
                AccessPattern::Window { top, strides, .. } if i == 0 => {
                    (y * strides[0]).saturating_sub(*top)
                }
                AccessPattern::Nearest([rows, _]) => rows[y],
                _ => y,
            };
            self.begin_at(*read, first);
        }
    }

    /// Computes the rows of a slot before row `rows`, and first the rows that they read.
    fn compute_until(&mut self, slot: usize, rows: usize) {
        let plan = self.plan;
        let geometry = &plan.slots[slot];
        while self.workspace.next_row[slot] < rows.min(geometry.height) {
            let y = self.workspace.next_row[slot];
            match geometry.layer {
                None => self.import(slot, y),
                Some(layer) => {
                    for (i, read) in plan.reads[layer].iter().enumerate() {
                        if plan.slots[*read].is_whole {
                            continue;
                        }
                        let until = match &plan.access[layer] {
                            AccessPattern::Window {
                                top,
                                kernel,
                                strides,
                                dilations,
                                ..
                            } if i == 0 => (y * strides[0] + (kernel[0] - 1) * dilations[0] + 1)
                                .saturating_sub(*top),
                            AccessPattern::Nearest([rows, _]) => rows[y] + 1,
                            _ => y + 1,
                        };
                        self.compute_until(*read, until);
                    }
                    let begin = self.nanos.is_some().then(Instant::now);
                    self.layer_row(layer, slot, y);
                    if let (Some(nanos), Some(begin)) = (&mut self.nanos, begin) {
                        nanos[layer] += begin.elapsed().as_nanos() as u64;
                    }
                }
            }
            self.workspace.next_row[slot] = y + 1;
        }
    }

    /// Copies one row of an import, as NHWC.
    fn import(&mut self, slot: usize, y: usize) {
        let geometry = &self.plan.slots[slot];
        let rows = &mut self.workspace.buffers[slot];
        let row = match slot == self.target {
            true => geometry.pixels_of_row(self.out, y - self.first),
            false => geometry.pixels_of_row(rows, y % geometry.kept),
        };
        let Slot {
            channels,
            pixel,
            height,
            width,
            ..
        } = *geometry;
        let tensor = match &self.inputs[slot] {
            InputData::Images(images) => return images[self.image].row(y, pixel, row),
            InputData::Tensor(tensor) => tensor,
        };
        let planes = &tensor.data()[self.image * channels * height * width..];
        if channels == 3 && pixel == 3 {
            let planes = [0, 1, 2].map(|c| &planes[(c * height + y) * width..][..width]);
            self.partition
                .kernels
                .interleave(&mut InterleaveRow { planes, out: row });
            return;
        }
        for channel in 0..channels {
            let line = &planes[(channel * height + y) * width..][..width];
            for (to, from) in row[channel..].iter_mut().step_by(pixel).zip(line) {
                *to = *from;
            }
        }
    }

    /// Computes one row of a layer.
    fn layer_row(&mut self, layer: usize, slot: usize, y: usize) {
        let (plan, partition, whole) = (self.plan, self.partition, self.whole);
        let (reads, out) = (&plan.reads[layer], &plan.slots[slot]);
        let input = &plan.slots[reads[0]];
        let length = out.width * out.pixel;
        let ThreadWorkspace {
            buffers,
            starts,
            scratch,
            ..
        } = &mut *self.workspace;
        // Taken out of the list while it is written; it is not among those that are read.
        let mut buffer = std::mem::take(&mut buffers[slot]);
        let row = match slot == self.target {
            true => out.pixels_of_row(self.out, y - self.first),
            false => out.pixels_of_row(&mut buffer, y % out.kept),
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
        if let AccessPattern::Window {
            top,
            left,
            kernel: [kh, kw],
            strides: [sy, _],
            dilations: [dy, dx],
        } = plan.access[layer]
        {
            // The taps of a kernel row are one contiguous run if they are neighbours.
            let joined = matches!(&partition.layers[layer].kind, LayerKind::Dense(_)) && dx == 1;
            starts.clear();
            for ky in 0..kh {
                let line = (y * sy + ky * dy).wrapping_sub(top);
                let first = input.start(line) + (input.left - left) * input.pixel;
                let columns = if joined { 1 } else { kw };
                starts.extend((0..columns).map(|kx| first + kx * dx * input.pixel));
            }
        }
        let step = match plan.access[layer] {
            AccessPattern::Window { strides, .. } => strides[1] * input.pixel,
            _ => input.pixel,
        };
        let kernels = partition.kernels;
        match &partition.layers[layer].kind {
            LayerKind::Dense(conv) | LayerKind::Depthwise(conv) => {
                let input = held(reads[0]);
                let residual = (reads.len() > 1).then(|| same(1));
                let (epilogue, starts, n) = (conv.epilogue(), &starts[..], out.width);
                match (&partition.layers[layer].kind, &conv.weights) {
                    (_, PackedWeights::Int8(weights)) => kernels.int8_conv(&mut Int8ConvRow {
                        input,
                        starts,
                        step,
                        weights,
                        epilogue,
                        residual,
                        out: row,
                        n,
                        scratch,
                    }),
                    (LayerKind::Dense(_), PackedWeights::Float32(weights)) => {
                        let joined = conv.geometry.dilations[1] == 1;
                        kernels.conv(&mut ConvRow {
                            input,
                            starts,
                            run: conv.pixel * if joined { conv.kernel()[1] } else { 1 },
                            step,
                            weights,
                            channels: out.pixel,
                            epilogue,
                            residual,
                            out: row,
                            n,
                            pixel: out.pixel,
                        });
                    }
                    (_, PackedWeights::Float32(weights)) => kernels.depthwise(&mut DepthwiseRow {
                        input,
                        starts,
                        step,
                        weights,
                        pixel: out.pixel,
                        epilogue,
                        residual,
                        out: row,
                        n,
                    }),
                }
            }
            LayerKind::MaxPool(_) => kernels.max_pool(&mut MaxPoolRow {
                input: held(reads[0]),
                starts,
                step,
                pixel: out.pixel,
                out: row,
                n: out.width,
            }),
            LayerKind::Add => kernels.add(&mut AddRow {
                a: same(0),
                b: same(1),
                out: row,
            }),
            LayerKind::Affine { factor, addend } => kernels.affine(&mut AffineRow {
                input: same(0),
                factor: *factor,
                addend: *addend,
                out: row,
            }),
            LayerKind::Resize(..) => {
                if let AccessPattern::Nearest([rows, columns]) = &plan.access[layer] {
                    let start = input.start(rows[y]) + input.left * input.pixel;
                    let line = &held(reads[0])[start..][..input.width * input.pixel];
                    for (to, x) in row.chunks_exact_mut(out.pixel).zip(columns) {
                        to.copy_from_slice(&line[x * input.pixel..][..input.pixel]);
                    }
                }
            }
        }
        self.workspace.buffers[slot] = buffer;
    }
}

impl Export {
    /// Copies a whole image to a tensor.
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

//! The memory plan of a fused partition for one set of input shapes. In: a partition and shapes.
//! Out: for each image its size, its padding and how many of its rows are kept; which rows each
//! layer reads. Knows nothing of numbers.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use fusiform_kernels::buffer::Buffer;
use fusiform_kernels::nhwc::Int8Scratch;

use super::layer::{Layer, LayerKind};
use super::partition::Partition;
use crate::exec::buffer_pool::BufferPool;
use crate::limits::Limits;
use crate::ops::context::OpContext;
use crate::ops::pool::UnpaddedMax;

/// Bytes of weights that a chain of layers may read for each row: most of a second-level cache.
const MAX_CHAIN_BYTES: usize = 320 << 10;

/// One image of the partition: an import, or what a layer writes.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) channels: usize,
    /// Floats in a pixel.
    pub(super) pixel: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    /// Zero pixels before and after each row.
    pub(super) left: usize,
    pub(super) right: usize,
    /// Rows kept: all, or as many as its only reader needs at once. One more row is always zero,
    /// for windows that reach over the border.
    pub(super) kept: usize,
    /// The layer that writes it; `None` for an import.
    pub(super) layer: Option<usize>,
    /// Whether all rows are kept, and computed before any slot after it is begun.
    pub(super) is_whole: bool,
    /// Multiplications and additions of its layer and of those chained to it, for one image.
    pub(super) flop: usize,
}

/// The memory of one thread.
#[derive(Debug)]
pub(super) struct ThreadWorkspace {
    /// The kept rows of slots that are not whole.
    pub(super) buffers: Vec<Buffer>,
    /// For each slot the row that is computed next.
    pub(super) next_row: Vec<usize>,
    /// Where the runs of input of the current row begin.
    pub(super) starts: Vec<usize>,
    pub(super) scratch: Int8Scratch,
}

/// The memory of one run.
#[derive(Debug)]
pub(super) struct Workspace {
    /// The slots that are whole.
    pub(super) whole: Vec<Buffer>,
    pub(super) threads: Vec<ThreadWorkspace>,
}

impl Slot {
    /// Floats in a row.
    pub(super) fn row(&self) -> usize {
        (self.left + self.width + self.right) * self.pixel
    }

    /// The pixels of row `row` of those in `rows`, without their padding.
    pub(super) fn pixels_of_row<'r>(&self, rows: &'r mut [f32], row: usize) -> &'r mut [f32] {
        &mut rows[row * self.row() + self.left * self.pixel..][..self.width * self.pixel]
    }

    /// Where row `y` begins, its padding included; rows outside the image are the zero row.
    pub(super) fn start(&self, y: usize) -> usize {
        self.row()
            * if y < self.height {
                y % self.kept
            } else {
                self.kept
            }
    }
}

/// Which part of its inputs a layer reads for one output row.
#[derive(Debug, Clone)]
pub(super) enum AccessPattern {
    /// Windows of the first input.
    Window {
        top: usize,
        left: usize,
        kernel: [usize; 2],
        strides: [usize; 2],
        dilations: [usize; 2],
    },
    /// The same row of each input.
    SameRow,
    /// For each output row an input row, and for each output column an input column.
    Nearest([Vec<usize>; 2]),
}

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) batch: usize,
    /// Imports first, then one for each layer.
    pub(super) slots: Vec<Slot>,
    /// For each layer the slots it reads; it writes slot `imports + layer`.
    pub(super) reads: Vec<Vec<usize>>,
    pub(super) access: Vec<AccessPattern>,
    /// The whole slots, in the order in which they are computed.
    pub(super) targets: Vec<usize>,
    /// For each export its slot.
    pub(super) exports: Vec<usize>,
    free: Mutex<Vec<Workspace>>,
}

impl Plan {
    /// `None` if a layer cannot run fused with these shapes.
    pub(super) fn new(
        partition: &Partition,
        shapes: &[Vec<usize>],
        max_elements: usize,
    ) -> Option<Plan> {
        let mut slots = Vec::new();
        let mut slot_of: HashMap<usize, usize> = HashMap::new();
        let batch = *shapes.first()?.first()?;
        for ((value, narrow), shape) in partition.imports.iter().zip(shapes) {
            let &[n, channels, height, width] = &shape[..] else {
                return None;
            };
            if n != batch || n * channels * height * width == 0 {
                return None;
            }
            let pixel = if *narrow {
                channels
            } else {
                partition.kernels.padded(channels)
            };
            slot_of.insert(*value, slots.len());
            slots.push(Slot {
                channels,
                pixel,
                height,
                width,
                left: 0,
                right: 0,
                kept: height,
                layer: None,
                is_whole: true,
                flop: 0,
            });
        }
        let (mut reads, mut access) = (Vec::new(), Vec::new());
        for (i, layer) in partition.layers.iter().enumerate() {
            let read: Option<Vec<usize>> = layer
                .inputs
                .iter()
                .map(|v| slot_of.get(v).copied())
                .collect();
            let read = read?;
            let (mut slot, pattern) = shape_of(partition, layer, &read, &slots)?;
            slot.layer = Some(i);
            slot.flop = layer.flop([slot.height, slot.width]);
            let elements = slot.row().checked_mul(slot.height)?.checked_mul(batch)?;
            if elements > max_elements {
                return None;
            }
            if let AccessPattern::Window {
                left,
                kernel,
                strides,
                dilations,
                ..
            } = &pattern
            {
                let input = &mut slots[read[0]];
                let reach = (slot.width - 1) * strides[1] + (kernel[1] - 1) * dilations[1] + 1;
                input.left = input.left.max(*left);
                input.right = input.right.max(reach.saturating_sub(left + input.width));
            }
            slot_of.insert(layer.output, slots.len());
            slots.push(slot);
            reads.push(read);
            access.push(pattern);
        }
        let exports: Option<Vec<usize>> = partition
            .exports
            .iter()
            .map(|e| slot_of.get(&e.from).copied())
            .collect();
        let mut plan = Plan {
            batch,
            slots,
            reads,
            access,
            targets: Vec::new(),
            exports: exports?,
            free: Mutex::default(),
        };
        plan.chain(partition);
        Some(plan)
    }

    /// Decides which images are kept whole. The others are chained: a row is computed when the only
    /// reader needs it, and overwritten when no longer. A chain reads its weights once for each
    /// row, so they must stay in the cache.
    fn chain(&mut self, partition: &Partition) {
        let n_imports = partition.imports.len();
        let mut chained = vec![0; self.slots.len()];
        for slot in 0..self.slots.len() {
            let readers: Vec<usize> = (0..self.reads.len())
                .filter(|l| self.reads[*l].contains(&slot))
                .collect();
            let writer = self.slots[slot].layer;
            let of_writer = writer.map_or(0, |l| partition.layers[l].weight_bytes());
            let before = match self.slots[slot].layer {
                Some(l) => self.reads[l].iter().map(|s| chained[*s]).sum(),
                None => 0,
            };
            let so_far: usize = before + of_writer;
            let mut rows = None;
            if let [only] = readers[..]
                && !self.exports.contains(&slot)
                && self.reads[only].iter().filter(|s| **s == slot).count() == 1
            {
                let next = partition.layers[only].weight_bytes();
                let is_first = self.reads[only][0] == slot;
                rows = match &self.access[only] {
                    AccessPattern::Window {
                        kernel, dilations, ..
                    } if is_first => Some((kernel[0] - 1) * dilations[0] + 1),
                    _ => Some(1),
                };
                rows = rows.filter(|_| so_far + next <= MAX_CHAIN_BYTES || slot < n_imports);
            }
            match rows {
                Some(rows) => {
                    self.slots[slot].is_whole = false;
                    let (flop, Some(reader)) = (self.slots[slot].flop, readers.first()) else {
                        continue;
                    };
                    self.slots[n_imports + reader].flop += flop;
                    self.slots[slot].kept = rows.min(self.slots[slot].height);
                    chained[slot] = so_far;
                }
                None => {
                    self.slots[slot].kept = self.slots[slot].height;
                    self.targets.push(slot);
                }
            }
        }
    }

    /// The workspace of an earlier run, or a new one, for so many threads. Padding is zero and is
    /// never written.
    pub(super) fn take(&self, n_threads: usize) -> Workspace {
        let free = self
            .free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let zeroed = |whole: bool| -> Vec<Buffer> {
            let len = |slot: &Slot| match slot.is_whole == whole {
                true => slot.row() * (slot.kept + 1),
                false => 0,
            };
            self.slots
                .iter()
                .map(|slot| Buffer::zeroed(len(slot)))
                .collect()
        };
        let mut workspace = free.unwrap_or_else(|| Workspace {
            whole: zeroed(true),
            threads: Vec::new(),
        });
        while workspace.threads.len() < n_threads {
            workspace.threads.push(ThreadWorkspace {
                buffers: zeroed(false),
                next_row: vec![0; self.slots.len()],
                starts: Vec::new(),
                scratch: Int8Scratch::default(),
            });
        }
        workspace
    }

    pub(super) fn give(&self, workspace: Workspace) {
        self.free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(workspace);
    }
}

/// The slot that a layer writes, and what it reads for each row; `None` if the shapes do not fit.
fn shape_of(
    partition: &Partition,
    layer: &Layer,
    read: &[usize],
    slots: &[Slot],
) -> Option<(Slot, AccessPattern)> {
    let input = &slots[*read.first()?];
    let slot = |channels: usize, [height, width]: [usize; 2], pixel: usize| Slot {
        channels,
        pixel,
        height,
        width,
        left: 0,
        right: 0,
        kept: height,
        layer: None,
        is_whole: true,
        flop: 0,
    };
    let padded = |channels: usize| partition.kernels.padded(channels);
    Some(match &layer.kind {
        LayerKind::Dense(conv) | LayerKind::Depthwise(conv) => {
            if input.channels != conv.n_in() || input.pixel != conv.pixel {
                return None;
            }
            let (geometry, kernel) = (&conv.geometry, conv.kernel());
            let plane = geometry
                .plane([input.height, input.width], kernel, false)
                .ok()?;
            let out = slot(conv.n_out(), plane.out, padded(conv.n_out()));
            if let Some(residual) = read.get(1) {
                let other = &slots[*residual];
                let same = [other.channels, other.height, other.width]
                    == [out.channels, out.height, out.width];
                if !same || other.pixel != out.pixel {
                    return None;
                }
            }
            let pattern = AccessPattern::Window {
                top: plane.top,
                left: plane.left,
                kernel,
                strides: geometry.strides,
                dilations: geometry.dilations,
            };
            (out, pattern)
        }
        LayerKind::MaxPool(window) => {
            let UnpaddedMax {
                kernel,
                strides,
                dilations,
                out,
            } = window.unpadded_max([input.height, input.width])?;
            let pattern = AccessPattern::Window {
                top: 0,
                left: 0,
                kernel,
                strides,
                dilations,
            };
            (slot(input.channels, out, input.pixel), pattern)
        }
        LayerKind::Add => {
            let other = &slots[*read.get(1)?];
            let same = [other.channels, other.height, other.width]
                == [input.channels, input.height, input.width];
            if !same || other.pixel != input.pixel {
                return None;
            }
            (
                slot(input.channels, [input.height, input.width], input.pixel),
                AccessPattern::SameRow,
            )
        }
        LayerKind::Affine { .. } => (
            slot(input.channels, [input.height, input.width], input.pixel),
            AccessPattern::SameRow,
        ),
        LayerKind::Resize(resize, rest) => {
            let inputs: Vec<_> = std::iter::once(None)
                .chain(rest.iter().map(Option::as_ref))
                .collect();
            let (buffers, limits) = (BufferPool::default(), Limits::default());
            let context = OpContext {
                inputs: &inputs,
                buffers: &buffers,
                limits: &limits,
            };
            let lines = resize
                .nearest(&context, [input.height, input.width])
                .ok()??;
            let out = [lines[0].len(), lines[1].len()];
            (
                slot(input.channels, out, input.pixel),
                AccessPattern::Nearest(lines),
            )
        }
    })
}

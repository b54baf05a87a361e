//! Where everything lies for one set of input shapes. In: an island and shapes. Out: sizes, borders, row counts.
//! Knows nothing of numbers.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use fusiform_kernels::buffer::Buffer;
use fusiform_kernels::pixels::Scratch;

use super::{Island, Kind, Layer, Weights};
use crate::graph::Limits;
use crate::ops::Work;
use crate::ops::pool::Inner;
use crate::session::Pool;

/// Bytes of weights that a chain of layers may go through for each row: most of what stays in a second-level cache.
const CHAIN_BYTES: usize = 320 << 10;

/// An image inside.
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
    /// Rows kept: all, or as many as its only reader looks at together. One more row is always zero.
    pub(super) kept: usize,
    /// The layer that writes it, if it is not imported.
    pub(super) layer: Option<usize>,
    /// Whether all rows are kept and complete before the next slot begins.
    pub(super) is_whole: bool,
    /// Operations of its layer and of those chained to it, for one image.
    pub(super) flop: usize,
}

/// Where one thread keeps what nobody else reads.
#[derive(Debug)]
pub(super) struct Own {
    /// The rows of slots that are not whole.
    pub(super) buffers: Vec<Buffer>,
    /// For each slot the row that is computed next.
    pub(super) done: Vec<usize>,
    pub(super) starts: Vec<usize>,
    pub(super) scratch: Scratch,
}

/// Where a run keeps its numbers.
#[derive(Debug)]
pub(super) struct Room {
    /// The slots that are whole.
    pub(super) whole: Vec<Buffer>,
    /// For each thread.
    pub(super) own: Vec<Own>,
}

impl Slot {
    /// Floats in a row.
    pub(super) fn row(&self) -> usize {
        (self.left + self.width + self.right) * self.pixel
    }

    /// The pixels of the `row`th row of those in `rows`, without the border.
    pub(super) fn part<'r>(&self, rows: &'r mut [f32], row: usize) -> &'r mut [f32] {
        &mut rows[row * self.row() + self.left * self.pixel..][..self.width * self.pixel]
    }

    /// Where row `y` begins, its border included; rows outside the image are zero.
    pub(super) fn start(&self, y: usize) -> usize {
        self.row()
            * if y < self.height {
                y % self.kept
            } else {
                self.kept
            }
    }
}

/// What a layer looks at.
#[derive(Debug, Clone)]
pub(super) enum Look {
    /// Windows of the first input.
    Window {
        top: usize,
        left: usize,
        kernel: [usize; 2],
        strides: [usize; 2],
        dilations: [usize; 2],
    },
    /// The same row of each input.
    Same,
    /// One row and its columns.
    Picked([Vec<usize>; 2]),
}

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) batch: usize,
    /// Imports first, then one for each layer.
    pub(super) slots: Vec<Slot>,
    /// For each layer the slots it reads; it writes the slot `imports + layer`.
    pub(super) reads: Vec<Vec<usize>>,
    pub(super) looks: Vec<Look>,
    /// Slots to be completed in this order.
    pub(super) targets: Vec<usize>,
    /// For each export its slot.
    pub(super) exports: Vec<usize>,
    free: Mutex<Vec<Room>>,
}

impl Plan {
    /// `None` if a layer cannot go the fast way with these shapes.
    pub(super) fn new(island: &Island, shapes: &[Vec<usize>], max_elements: usize) -> Option<Plan> {
        let mut slots = Vec::new();
        let mut slot_of: HashMap<usize, usize> = HashMap::new();
        let batch = *shapes.first()?.first()?;
        for ((value, narrow), shape) in island.imports.iter().zip(shapes) {
            let &[n, channels, height, width] = &shape[..] else {
                return None;
            };
            if n != batch || n * channels * height * width == 0 {
                return None;
            }
            let pixel = if *narrow {
                channels
            } else {
                island.form.padded(channels)
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
        let (mut reads, mut looks) = (Vec::new(), Vec::new());
        for (i, layer) in island.layers.iter().enumerate() {
            let read: Option<Vec<usize>> = layer
                .inputs
                .iter()
                .map(|v| slot_of.get(v).copied())
                .collect();
            let read = read?;
            let (mut slot, look) = shape_of(island, layer, &read, &slots)?;
            slot.layer = Some(i);
            slot.flop = layer.flop(&slot);
            let elements = slot.row().checked_mul(slot.height)?.checked_mul(batch)?;
            if elements > max_elements {
                return None;
            }
            if let Look::Window {
                left,
                kernel,
                strides,
                dilations,
                ..
            } = &look
            {
                let input = &mut slots[read[0]];
                let reach = (slot.width - 1) * strides[1] + (kernel[1] - 1) * dilations[1] + 1;
                input.left = input.left.max(*left);
                input.right = input.right.max(reach.saturating_sub(left + input.width));
            }
            slot_of.insert(layer.output, slots.len());
            slots.push(slot);
            reads.push(read);
            looks.push(look);
        }
        let exports: Option<Vec<usize>> = island
            .exports
            .iter()
            .map(|e| slot_of.get(&e.from).copied())
            .collect();
        let mut plan = Plan {
            batch,
            slots,
            reads,
            looks,
            targets: Vec::new(),
            exports: exports?,
            free: Mutex::default(),
        };
        plan.chain(island);
        Some(plan)
    }

    /// Decides which images are kept whole; the others live only as long as their reader needs a row.
    fn chain(&mut self, island: &Island) {
        let n_imports = island.imports.len();
        let mut chained = vec![0; self.slots.len()];
        for slot in 0..self.slots.len() {
            let readers: Vec<usize> = (0..self.reads.len())
                .filter(|l| self.reads[*l].contains(&slot))
                .collect();
            let own = match self.slots[slot].layer.map(|l| &island.layers[l].kind) {
                Some(Kind::Dense(w) | Kind::Depthwise(w)) => w.packed.bytes(),
                _ => 0,
            };
            let before = match self.slots[slot].layer {
                Some(l) => self.reads[l].iter().map(|s| chained[*s]).sum(),
                None => 0,
            };
            let so_far: usize = before + own;
            let mut rows = None;
            if let [only] = readers[..]
                && !self.exports.contains(&slot)
                && self.reads[only].iter().filter(|s| **s == slot).count() == 1
            {
                let next = match &island.layers[only].kind {
                    Kind::Dense(w) | Kind::Depthwise(w) => w.packed.bytes(),
                    _ => 0,
                };
                let is_first = self.reads[only][0] == slot;
                rows = match &self.looks[only] {
                    Look::Window {
                        kernel, dilations, ..
                    } if is_first => Some((kernel[0] - 1) * dilations[0] + 1),
                    _ => Some(1),
                };
                rows = rows.filter(|_| so_far + next <= CHAIN_BYTES || slot < n_imports);
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

    /// The room of a run that ended, or a new one, for so many threads; borders are zero and stay so.
    pub(super) fn take(&self, n_threads: usize) -> Room {
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
        let mut room = free.unwrap_or_else(|| Room {
            whole: zeroed(true),
            own: Vec::new(),
        });
        while room.own.len() < n_threads {
            room.own.push(Own {
                buffers: zeroed(false),
                done: vec![0; self.slots.len()],
                starts: Vec::new(),
                scratch: Scratch::default(),
            });
        }
        room
    }

    pub(super) fn give(&self, room: Room) {
        self.free
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(room);
    }
}

impl Layer {
    /// Operations for one image of this shape.
    pub(super) fn flop(&self, out: &Slot) -> usize {
        let pixels = out.height * out.width;
        match &self.kind {
            Kind::Dense(w) => 2 * pixels * w.n_out * w.n_in * w.kernel[0] * w.kernel[1],
            Kind::Depthwise(w) => 2 * pixels * w.n_out * w.kernel[0] * w.kernel[1],
            _ => 0,
        }
    }
}

fn shape_of(
    island: &Island,
    layer: &Layer,
    read: &[usize],
    slots: &[Slot],
) -> Option<(Slot, Look)> {
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
    let padded = |channels: usize| island.form.padded(channels);
    Some(match &layer.kind {
        Kind::Dense(w) | Kind::Depthwise(w) => {
            let Weights {
                geometry,
                kernel,
                n_in,
                n_out,
                pixel,
                ..
            } = w;
            if input.channels != *n_in || input.pixel != *pixel {
                return None;
            }
            let plane = geometry
                .plane([input.height, input.width], *kernel, false)
                .ok()?;
            let out = slot(*n_out, plane.out, padded(*n_out));
            if let Some(residual) = read.get(1) {
                let other = &slots[*residual];
                let same = [other.channels, other.height, other.width]
                    == [out.channels, out.height, out.width];
                if !same || other.pixel != out.pixel {
                    return None;
                }
            }
            let look = Look::Window {
                top: plane.top,
                left: plane.left,
                kernel: *kernel,
                strides: geometry.strides,
                dilations: geometry.dilations,
            };
            (out, look)
        }
        Kind::Max(window) => {
            let Inner {
                kernel,
                strides,
                dilations,
                out,
            } = window.inner_max([input.height, input.width])?;
            let look = Look::Window {
                top: 0,
                left: 0,
                kernel,
                strides,
                dilations,
            };
            (slot(input.channels, out, input.pixel), look)
        }
        Kind::Add => {
            let other = &slots[*read.get(1)?];
            let same = [other.channels, other.height, other.width]
                == [input.channels, input.height, input.width];
            if !same || other.pixel != input.pixel {
                return None;
            }
            (
                slot(input.channels, [input.height, input.width], input.pixel),
                Look::Same,
            )
        }
        Kind::Affine { .. } => (
            slot(input.channels, [input.height, input.width], input.pixel),
            Look::Same,
        ),
        Kind::Resize(resize, rest) => {
            let inputs: Vec<_> = std::iter::once(None)
                .chain(rest.iter().map(Option::as_ref))
                .collect();
            let (pool, limits) = (Pool::default(), Limits::default());
            let work = Work {
                inputs: &inputs,
                pool: &pool,
                limits: &limits,
            };
            let picked = resize.nearest(&work, [input.height, input.width]).ok()??;
            let out = [picked[0].len(), picked[1].len()];
            (slot(input.channels, out, input.pixel), Look::Picked(picked))
        }
    })
}

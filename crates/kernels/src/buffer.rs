//! Floats that begin on a cache line. In: a length. Out: a slice; no load of a vector straddles two lines.

use std::ops::{Deref, DerefMut};

/// One cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// A growable array of floats whose first one lies on a cache line; new ones are zero.
///
/// # Example
/// ```
/// let mut buffer = fusiform_kernels::buffer::Buffer::zeroed(5);
/// buffer[4] = 1.0;
/// assert_eq!(*buffer, [0.0, 0.0, 0.0, 0.0, 1.0]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Buffer {
    lines: Vec<Line>,
    len: usize,
}

impl Buffer {
    /// `len` zeros.
    pub fn zeroed(len: usize) -> Buffer {
        let mut buffer = Buffer::default();
        buffer.resize(len);
        buffer
    }

    /// The same numbers on a cache line.
    pub fn copied(from: &[f32]) -> Buffer {
        let mut buffer = Buffer::zeroed(from.len());
        buffer.copy_from_slice(from);
        buffer
    }

    /// Changes the length; what is kept keeps its numbers.
    pub fn resize(&mut self, len: usize) {
        self.lines.resize(len.div_ceil(16), Line([0.0; 16]));
        self.len = len;
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: the lines are floats side by side without gaps, and hold at least `len`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and borrowed for writing.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

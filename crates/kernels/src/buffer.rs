//! Arrays aligned to cache lines. In: a length. Out: a slice whose aligned vectors never cross a
//! line. Knows nothing of what the numbers mean.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// Bytes of a cache line.
const LINE: usize = 64;

/// One cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

/// A number type for [`Buffer`]: every bit pattern is valid, and zero bits are zero.
pub trait Number: Copy + sealed::Sealed {}

impl Number for f32 {}
impl Number for i8 {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for i8 {}
}

/// A growable array whose first element is aligned to a cache line; new elements are zero.
///
/// # Example
/// ```
/// let mut buffer = fusiform_kernels::buffer::Buffer::zeroed(5);
/// buffer[4] = 1.0;
/// assert_eq!(*buffer, [0.0, 0.0, 0.0, 0.0, 1.0]);
/// ```
#[derive(Debug, Clone)]
pub struct Buffer<T = f32> {
    lines: Vec<Line>,
    len: usize,
    of: PhantomData<T>,
}

impl<T: Number> Default for Buffer<T> {
    fn default() -> Buffer<T> {
        Buffer {
            lines: Vec::new(),
            len: 0,
            of: PhantomData,
        }
    }
}

impl<T: Number> Buffer<T> {
    /// `len` zeros.
    pub fn zeroed(len: usize) -> Buffer<T> {
        let mut buffer = Buffer::default();
        buffer.resize(len);
        buffer
    }

    /// A copy of a slice.
    pub fn copied(from: &[T]) -> Buffer<T> {
        let mut buffer = Buffer::zeroed(from.len());
        buffer.copy_from_slice(from);
        buffer
    }

    /// Changes the length; elements within both lengths keep their values.
    pub fn resize(&mut self, len: usize) {
        let lines = len.div_ceil(LINE / size_of::<T>());
        self.lines.resize(lines, Line([0; LINE]));
        self.len = len;
    }
}

impl<T: Number> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the lines are bytes side by side without gaps, any of which are numbers, and hold
        // at least `len`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl<T: Number> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and borrowed for writing.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

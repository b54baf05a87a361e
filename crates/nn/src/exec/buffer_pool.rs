//! Buffers of earlier results, reused. In: a length, or a buffer that is no longer read. Out: a
//! buffer. Knows nothing of shapes.

use std::sync::{Mutex, PoisonError};

/// Buffers kept for the next run; a network in flight needs about this many at once.
const MAX_KEPT: usize = 64;

/// Buffers that any thread may take and give back.
#[derive(Debug, Default)]
pub(crate) struct BufferPool {
    free: Mutex<Vec<Vec<f32>>>,
}

impl BufferPool {
    /// A buffer of `len` floats whose content is unspecified but initialised.
    pub(crate) fn take(&self, len: usize) -> Vec<f32> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let smallest = free
            .iter()
            .enumerate()
            .filter(|(_, buffer)| buffer.capacity() >= len)
            .min_by_key(|(_, buffer)| buffer.capacity())
            .map(|(index, _)| index);
        let mut buffer = match smallest {
            Some(index) => free.swap_remove(index),
            None => Vec::new(),
        };
        drop(free);
        buffer.resize(len, 0.0);
        buffer
    }

    pub(crate) fn give(&self, buffer: Vec<f32>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < MAX_KEPT {
            free.push(buffer);
        }
    }
}

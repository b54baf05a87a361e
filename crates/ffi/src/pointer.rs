//! Pointers of C, checked as far as a program can. In: raw pointers. Out: references that end with
//! the call, or a failure that names the argument. The only file that reads or writes through them.

use std::ffi::{CStr, c_char};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice;

use crate::error::{Failure, shortened};

/// Where an answer is to be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out<'a, T> {
    to: NonNull<T>,
    memory: PhantomData<&'a mut T>,
}

impl<T> Out<'_, T> {
    /// # Safety
    /// `to` is NULL, or valid for writing a `T` until the call returns, and nobody else uses it.
    pub(crate) unsafe fn at(to: *mut T, name: &str) -> Result<Self, Failure> {
        Ok(Out {
            to: checked(to, name)?,
            memory: PhantomData,
        })
    }

    pub(crate) fn put(self, value: T) {
        // SAFETY: `at` was promised that a `T` may be written here, and checked NULL and alignment;
        // what was there before is plain data of C, which needs no drop.
        unsafe { self.to.write(value) }
    }
}

/// A value of the caller's.
///
/// # Safety
/// `from` is NULL, or valid for reading a `T` until the call returns.
pub(crate) unsafe fn value<T: Copy>(from: *const T, name: &str) -> Result<T, Failure> {
    let from = checked(from.cast_mut(), name)?;
    // SAFETY: promised by the caller; NULL and alignment were checked.
    Ok(unsafe { from.read() })
}

/// An array of the caller's; NULL is one of length 0.
///
/// # Safety
/// `from` is NULL, or valid for reading `length` values until the call returns, and nobody writes
/// to them meanwhile.
pub(crate) unsafe fn array<'a, T>(
    from: *const T,
    length: usize,
    name: &str,
) -> Result<&'a [T], Failure> {
    if length == 0 {
        return Ok(&[]);
    }
    let from = checked(from.cast_mut(), name)?;
    fits::<T>(length, name)?;
    // SAFETY: promised by the caller; NULL, alignment and the total size were checked.
    Ok(unsafe { slice::from_raw_parts(from.as_ptr(), length) })
}

/// Memory for an array, of the caller's.
#[derive(Debug)]
pub(crate) struct OutArray<'a, T> {
    to: NonNull<T>,
    capacity: usize,
    memory: PhantomData<&'a mut [T]>,
}

impl<T: Copy> OutArray<'_, T> {
    /// # Safety
    /// `to` is NULL, or valid for writing `capacity` values until the call returns, and nobody else
    /// uses it.
    pub(crate) unsafe fn at(to: *mut T, capacity: usize, name: &str) -> Result<Self, Failure> {
        let to = match capacity {
            0 => NonNull::dangling(),
            _ => checked(to, name)?,
        };
        fits::<T>(capacity, name)?;
        Ok(OutArray {
            to,
            capacity,
            memory: PhantomData,
        })
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Writes as many values as there is room for.
    pub(crate) fn put(&self, values: &[T]) {
        let n = values.len().min(self.capacity);
        // SAFETY: `at` was promised room for `capacity` values, at least `n`; a slice of Rust
        // cannot overlap memory that only the caller's pointer reaches.
        unsafe {
            self.to
                .as_ptr()
                .copy_from_nonoverlapping(values.as_ptr(), n)
        }
    }
}

impl OutArray<'_, c_char> {
    /// Writes a text as `snprintf` does: what fits of it, whole characters, and a zero.
    pub(crate) fn put_text(&self, text: &str) {
        let Some(room) = self.capacity.checked_sub(1) else {
            return;
        };
        let text = shortened(text, room).bytes().chain([0]);
        self.put(&text.map(|byte| byte as c_char).collect::<Vec<_>>());
    }
}

/// A text of the caller's.
///
/// # Safety
/// `from` is NULL, or a text that ends with a zero, and nobody writes to it until the call returns.
pub(crate) unsafe fn text<'a>(from: *const c_char, name: &str) -> Result<&'a str, Failure> {
    let from = checked(from.cast_mut(), name)?;
    // SAFETY: promised by the caller; NULL was checked.
    let text = unsafe { CStr::from_ptr(from.as_ptr()) };
    text.to_str()
        .map_err(|_| Failure::option(format!("{name} is not UTF-8")))
}

/// What `read` makes of a pointer, where NULL stands for none.
pub(crate) fn optional<T, R>(
    from: *const T,
    read: impl FnOnce(*const T) -> Result<R, Failure>,
) -> Result<Option<R>, Failure> {
    (!from.is_null()).then(|| read(from)).transpose()
}

fn checked<T>(pointer: *mut T, name: &str) -> Result<NonNull<T>, Failure> {
    let found = NonNull::new(pointer);
    let found = found.ok_or_else(|| Failure::option(format!("{name} is NULL")))?;
    match found.is_aligned() {
        true => Ok(found),
        false => Err(Failure::option(format!(
            "{name} is not aligned to {} bytes",
            align_of::<T>()
        ))),
    }
}

/// Whether an array can be so large at all.
fn fits<T>(length: usize, name: &str) -> Result<(), Failure> {
    let bytes = length.checked_mul(size_of::<T>());
    match bytes.is_some_and(|bytes| bytes <= isize::MAX as usize) {
        true => Ok(()),
        false => Err(Failure::option(format!(
            "{name} is said to hold {length} values, more than any memory"
        ))),
    }
}

//! Arrays for NumPy. In: numbers and their shape. Out: a `.npy` file, version 1.0, little-endian.
//! Knows nothing of what the numbers mean.
//!
//! Written by hand: the header is one line of text, and npyz would bring 14 crates for it.
//!
//! # Source
//! NumPy Enhancement Proposal 1, "A Simple File Format for NumPy Arrays".

use std::io;
use std::path::Path;

/// Writes `f32` numbers as an array of this shape.
///
/// # Errors
/// [`io::Error`] if the file cannot be written, or `shape` does not hold as many numbers.
///
/// # Example
/// ```
/// # let dir = tempfile::tempdir()?;
/// let path = dir.path().join("embeddings.npy");
/// fusiform_eval::npy::write_f32(&path, &[2, 3], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])?;
/// assert_eq!(std::fs::read(path)?.len(), 64 + 64 + 6 * 4);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn write_f32(
    path: &Path,
    shape: &[usize],
    values: impl IntoIterator<Item = f32>,
) -> io::Result<()> {
    let bytes = values.into_iter().flat_map(f32::to_le_bytes).collect();
    write(path, "f4", 4, shape, bytes)
}

/// As [`write_f32`], for `i64`.
///
/// # Errors
/// As [`write_f32`].
pub fn write_i64(
    path: &Path,
    shape: &[usize],
    values: impl IntoIterator<Item = i64>,
) -> io::Result<()> {
    let bytes = values.into_iter().flat_map(i64::to_le_bytes).collect();
    write(path, "i8", 8, shape, bytes)
}

fn write(
    path: &Path,
    kind: &str,
    value_bytes: usize,
    shape: &[usize],
    data: Vec<u8>,
) -> io::Result<()> {
    if shape.iter().product::<usize>() * value_bytes != data.len() {
        let what = format!("{} bytes do not fill the shape {shape:?}", data.len());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    // A Python tuple: `(2, 3, )`, and `(2, )` of one number.
    let tuple: String = shape.iter().map(|side| format!("{side}, ")).collect();
    let mut header =
        format!("{{'descr': '<{kind}', 'fortran_order': False, 'shape': ({tuple}), }}");
    // Magic, version and length take 10 bytes; the whole head is a multiple of 64 with its line
    // end.
    while !(header.len() + 11).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    let length = u16::try_from(header.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "too many dimensions"))?;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(length.to_le_bytes());
    bytes.extend(header.into_bytes());
    bytes.extend(data);
    std::fs::write(path, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_is_what_numpy_reads() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("labels.npy");
        write_i64(&path, &[3], [1, -1, 7]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let (head, data) = bytes.split_at(bytes.len() - 24);
        assert_eq!(
            (&head[..8], head.len() % 64),
            (&b"\x93NUMPY\x01\x00"[..], 0)
        );
        assert_eq!(
            usize::from(u16::from_le_bytes([head[8], head[9]])),
            head.len() - 10
        );
        let text = std::str::from_utf8(&head[10..]).unwrap();
        assert!(text.starts_with("{'descr': '<i8', 'fortran_order': False, 'shape': (3, ), }"));
        assert!(text.ends_with('\n'));
        assert_eq!(data[8..16], (-1i64).to_le_bytes());
        assert!(write_f32(&path, &[2, 2], [1.0]).is_err());
    }
}

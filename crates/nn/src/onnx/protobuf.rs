//! Protocol Buffers, wire format. In: a byte stream. Out: numbered fields. (Encoding as published
//! for Protocol Buffers, proto2 and proto3.) Knows nothing of ONNX.
//!
//! The stream is read once, front to back, and large fields are decoded in pieces: the bytes of a
//! file and the numbers decoded from them are never in memory together.

use std::io::{self, BufRead};

use crate::error::{Error, ErrorKind};

/// Bytes decoded at a time.
const PIECE_BYTES: usize = 64 << 10;

/// Longest name or text.
const MAX_TEXT_BYTES: u64 = 4096;

/// One message, read field by field.
pub(crate) struct Message<'s> {
    source: &'s mut dyn BufRead,
    /// Bytes of the message after the current field.
    left: u64,
    /// Bytes of the current field that were not read.
    unread: u64,
}

/// The content of one field.
pub(crate) enum Field<'m> {
    Varint(u64),
    Fixed64,
    Fixed32(u32),
    Bytes(Bytes<'m>),
}

/// The content of a length-delimited field: text, a message, or packed numbers.
pub(crate) struct Bytes<'m> {
    source: &'m mut dyn BufRead,
    unread: &'m mut u64,
}

impl<'s> Message<'s> {
    /// A message of `n_bytes` that begins where the source stands.
    pub(crate) fn new(source: &'s mut dyn BufRead, n_bytes: u64) -> Message<'s> {
        Message {
            source,
            left: n_bytes,
            unread: 0,
        }
    }

    /// The next field with its number; `None` at the end. Skips what was not read of the last one.
    ///
    /// A nested message must be read to its end before the next call.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Field<'_>)>, Error> {
        skip(self.source, &mut self.unread)?;
        if self.left == 0 {
            return Ok(None);
        }
        let key = varint(self.source, &mut self.left)?;
        let field = match key & 7 {
            0 => Field::Varint(varint(self.source, &mut self.left)?),
            1 => {
                array::<8>(self.source, &mut self.left)?;
                Field::Fixed64
            }
            2 => {
                let length = varint(self.source, &mut self.left)?;
                self.left = self
                    .left
                    .checked_sub(length)
                    .ok_or_else(|| ends_early(length, self.left))?;
                self.unread = length;
                Field::Bytes(Bytes {
                    source: self.source,
                    unread: &mut self.unread,
                })
            }
            5 => Field::Fixed32(u32::from_le_bytes(array(self.source, &mut self.left)?)),
            other => {
                return Err(Error::malformed(format!(
                    "wire type {other} is not used by ONNX"
                )));
            }
        };
        Ok(Some((key >> 3, field)))
    }
}

impl<'m> Field<'m> {
    pub(crate) fn int(self) -> Result<i64, Error> {
        match self {
            // Two's complement, as the format defines int64.
            Field::Varint(v) => Ok(v as i64),
            _ => Err(Error::malformed("an integer is stored as something else")),
        }
    }

    pub(crate) fn bytes(self) -> Result<Bytes<'m>, Error> {
        match self {
            Field::Bytes(bytes) => Ok(bytes),
            _ => Err(Error::malformed("a message is stored as a number")),
        }
    }

    pub(crate) fn message(self) -> Result<Message<'m>, Error> {
        let bytes = self.bytes()?;
        let left = std::mem::take(bytes.unread);
        Ok(Message::new(bytes.source, left))
    }

    /// A name: UTF-8 of a limited length.
    pub(crate) fn text(self) -> Result<String, Error> {
        let bytes = self.bytes()?;
        if *bytes.unread > MAX_TEXT_BYTES {
            let n = bytes.unread;
            return Err(Error::too_large(format!("a name of {n} bytes")));
        }
        String::from_utf8(bytes.into_vec()?).map_err(|_| Error::malformed("a name is not UTF-8"))
    }

    /// A repeated integer: packed, or one of several fields.
    pub(crate) fn ints_into(self, into: &mut Vec<i64>) -> Result<(), Error> {
        match self {
            Field::Varint(v) => into.push(v as i64),
            Field::Bytes(bytes) => {
                while *bytes.unread > 0 {
                    into.push(varint(bytes.source, bytes.unread)? as i64);
                }
            }
            _ => return Err(Error::malformed("integers are stored as something else")),
        }
        Ok(())
    }

    /// A repeated float: packed, or one of several fields.
    pub(crate) fn floats_into(self, into: &mut Vec<f32>) -> Result<(), Error> {
        match self {
            Field::Fixed32(bits) => into.push(f32::from_bits(bits)),
            Field::Bytes(bytes) => {
                let mut floats = bytes.words(f32::from_le_bytes)?;
                match into.is_empty() {
                    true => *into = floats,
                    false => into.append(&mut floats),
                }
            }
            _ => return Err(Error::malformed("floats are stored as something else")),
        }
        Ok(())
    }
}

impl<'m> Bytes<'m> {
    /// The next `unread` bytes of a source.
    pub(crate) fn new(source: &'m mut dyn BufRead, unread: &'m mut u64) -> Bytes<'m> {
        Bytes { source, unread }
    }

    /// Bytes that are left to read.
    pub(crate) fn len(&self) -> u64 {
        *self.unread
    }

    pub(crate) fn into_vec(self) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; usize::try_from(*self.unread).unwrap_or(usize::MAX)];
        self.source.read_exact(&mut bytes).map_err(failed)?;
        *self.unread = 0;
        Ok(bytes)
    }

    /// Numbers of `N` bytes each, decoded in pieces.
    pub(crate) fn words<const N: usize, T>(
        self,
        decode: impl Fn([u8; N]) -> T,
    ) -> Result<Vec<T>, Error> {
        if !self.unread.is_multiple_of(N as u64) {
            return Err(Error::malformed(format!(
                "{} bytes of numbers that take {N} each",
                self.unread
            )));
        }
        let n = usize::try_from(*self.unread / N as u64).unwrap_or(usize::MAX);
        let mut words = Vec::with_capacity(n);
        let mut piece = vec![0; PIECE_BYTES.min(n.saturating_mul(N))];
        while *self.unread > 0 {
            let size = piece
                .len()
                .min(usize::try_from(*self.unread).unwrap_or(usize::MAX));
            let piece = &mut piece[..size];
            self.source.read_exact(piece).map_err(failed)?;
            *self.unread -= size as u64;
            words.extend(piece.as_chunks::<N>().0.iter().map(|word| decode(*word)));
        }
        Ok(words)
    }
}

fn ends_early(wanted: u64, left: u64) -> Error {
    Error::malformed(format!(
        "the file ends early: a field claims {wanted} bytes and {left} are left; it is truncated, \
         fetch it again"
    ))
}

fn failed(e: io::Error) -> Error {
    match e.kind() {
        io::ErrorKind::UnexpectedEof => {
            Error::malformed("the file ends early: it is truncated, fetch it again")
        }
        _ => Error::new(ErrorKind::Read, format!("the file cannot be read: {e}")),
    }
}

fn array<const N: usize>(source: &mut dyn BufRead, left: &mut u64) -> Result<[u8; N], Error> {
    *left = left
        .checked_sub(N as u64)
        .ok_or_else(|| ends_early(N as u64, *left))?;
    let mut bytes = [0; N];
    source.read_exact(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn varint(source: &mut dyn BufRead, left: &mut u64) -> Result<u64, Error> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let [byte] = array(source, left)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Error::malformed("an integer of more than 64 bits"))
}

fn skip(source: &mut dyn BufRead, unread: &mut u64) -> Result<(), Error> {
    while *unread > 0 {
        let here = source.fill_buf().map_err(failed)?.len();
        if here == 0 {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        let n = here.min(usize::try_from(*unread).unwrap_or(usize::MAX));
        source.consume(n);
        *unread -= n as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Result<Vec<u64>, Error> {
        let mut source = bytes;
        let mut message = Message::new(&mut source, bytes.len() as u64);
        let mut numbers = Vec::new();
        while let Some((number, _)) = message.next()? {
            numbers.push(number);
        }
        Ok(numbers)
    }

    #[test]
    fn fields_that_are_not_read_are_skipped() {
        // A varint, four bytes, a text of two, a nested message of three.
        let bytes = [8, 1, 21, 0, 0, 0, 0, 26, 2, 65, 66, 34, 3, 8, 0x80, 1];
        assert_eq!(fields(&bytes).unwrap(), [1, 2, 3, 4]);
    }

    #[test]
    fn a_field_longer_than_its_message_is_refused_with_both_lengths() {
        let text = fields(&[26, 9, 65]).unwrap_err().to_string();
        assert!(text.contains("9 bytes and 1 are left"), "{text}");
    }

    #[test]
    fn numbers_longer_than_a_piece_are_decoded_whole() {
        let n = PIECE_BYTES / 2 + 3;
        let floats: Vec<u8> = (0..n).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let mut source = &floats[..];
        let mut unread = floats.len() as u64;
        let bytes = Bytes::new(&mut source, &mut unread);
        let decoded = bytes.words(f32::from_le_bytes).unwrap();
        assert!(decoded.iter().enumerate().all(|(i, v)| *v == i as f32));
        assert_eq!((decoded.len(), unread), (n, 0));
    }
}

//! Protocol Buffers on the wire. In: bytes. Out: fields. (Encoding as published for Protocol Buffers, proto2/proto3.)

use crate::error::Error;

/// The bytes of one message, read from the front.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

/// One field's content.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Field<'a> {
    Varint(u64),
    Fixed64,
    Bytes(&'a [u8]),
    Fixed32(u32),
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes }
    }

    /// The next field with its number; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, Error> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => {
                self.take(8)?;
                Field::Fixed64
            }
            2 => {
                let length = self.varint()?;
                Field::Bytes(self.take(length)?)
            }
            5 => Field::Fixed32(u32::from_le_bytes(self.array()?)),
            other => {
                return Err(Error::malformed(format!(
                    "wire type {other} is none of ONNX"
                )));
            }
        };
        Ok(Some((key >> 3, field)))
    }

    pub(crate) fn varint(&mut self) -> Result<u64, Error> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Error::malformed("a number of more than 64 bits"))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Error> {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let (head, rest) = self.bytes.split_at_checked(length).ok_or_else(|| {
            let here = self.bytes.len();
            Error::malformed(format!(
                "the file ends early: a field claims {length} bytes and {here} are left; \
                 it is truncated, fetch it again"
            ))
        })?;
        self.bytes = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let bytes = self.take(N as u64)?;
        bytes
            .try_into()
            .map_err(|_| Error::malformed("the file ends early"))
    }
}

impl<'a> Field<'a> {
    pub(crate) fn int(self) -> Result<i64, Error> {
        match self {
            // Two's complement, as the format defines int64.
            Field::Varint(v) => Ok(v as i64),
            _ => Err(Error::malformed("a number is stored as something else")),
        }
    }

    pub(crate) fn bytes(self) -> Result<&'a [u8], Error> {
        match self {
            Field::Bytes(bytes) => Ok(bytes),
            _ => Err(Error::malformed("a message is stored as a number")),
        }
    }

    pub(crate) fn text(self) -> Result<String, Error> {
        let bytes = self.bytes()?;
        if bytes.len() > 4096 {
            return Err(Error::too_large(format!("a name of {} bytes", bytes.len())));
        }
        let text = str::from_utf8(bytes).map_err(|_| Error::malformed("a name is not UTF-8"))?;
        Ok(text.into())
    }

    /// A repeated number: packed, or one of many fields.
    pub(crate) fn ints_into(self, into: &mut Vec<i64>) -> Result<(), Error> {
        match self {
            Field::Varint(v) => into.push(v as i64),
            Field::Bytes(bytes) => {
                let mut reader = Reader::new(bytes);
                while !reader.is_empty() {
                    into.push(reader.varint()? as i64);
                }
            }
            _ => {
                return Err(Error::malformed(
                    "whole numbers are stored as something else",
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn floats_into(self, into: &mut Vec<f32>) -> Result<(), Error> {
        match self {
            Field::Fixed32(bits) => into.push(f32::from_bits(bits)),
            Field::Bytes(bytes) => {
                let (words, rest) = bytes.as_chunks::<4>();
                if !rest.is_empty() {
                    return Err(Error::malformed("floats of a broken length"));
                }
                into.extend(words.iter().map(|w| f32::from_le_bytes(*w)));
            }
            _ => return Err(Error::malformed("floats are stored as something else")),
        }
        Ok(())
    }
}

//! Packed bytes of a TIFF. In: the bytes of one strip or tile. Out: as many bytes as its rows have,
//! in the machine's byte order, with differences added up. Knows nothing of colours.
//!
//! # Source
//! TIFF 6.0, sections 9 (PackBits), 13 (LZW), 14 (differencing); TIFF Technical Note 3 (floating
//! point differencing).

use std::borrow::Cow;
use std::io::Read;

use super::layout::{Kind, Layout};

const NONE: u32 = 1;
const LZW: u32 = 5;
const DEFLATE: [u32; 2] = [8, 32_946];
const PACK_BITS: u32 = 32_773;
const ZSTD: u32 = 50_000;

/// Why there are no bytes.
pub(super) enum Unpacked {
    /// The packing has no decoder here.
    Unsupported(String),
    Damaged,
    /// There are fewer than the rows need.
    TooShort,
}

/// The bytes of `n_rows` rows of `row_bytes`.
pub(super) fn unpack<'a>(
    layout: &Layout,
    packed: &'a [u8],
    row_bytes: usize,
    n_rows: usize,
    is_big_endian: bool,
) -> Result<Cow<'a, [u8]>, Unpacked> {
    let n_bytes = row_bytes * n_rows;
    let reversed: Vec<u8>;
    let packed = match layout.is_low_bit_first {
        true => {
            reversed = packed.iter().map(|b| b.reverse_bits()).collect();
            Cow::Owned(reversed)
        }
        false => Cow::Borrowed(packed),
    };
    let mut bytes = match layout.compression {
        NONE => packed,
        LZW => Cow::Owned(lzw(&packed, n_bytes)?),
        kind if DEFLATE.contains(&kind) => Cow::Owned(deflate(&packed, n_bytes)?),
        PACK_BITS => Cow::Owned(pack_bits(&packed, n_bytes)),
        ZSTD => Cow::Owned(zstd(&packed, n_bytes)?),
        other => return Err(Unpacked::Unsupported(name_of(other))),
    };
    if bytes.len() < n_bytes {
        return Err(Unpacked::TooShort);
    }
    if layout.predictor == 3 {
        for row in bytes.to_mut()[..n_bytes].chunks_exact_mut(row_bytes) {
            add_float_differences(row, layout);
        }
        return Ok(bytes);
    }
    let wide = (layout.bits / 8) as usize;
    if layout.bits > 8
        && layout.bits.is_multiple_of(8)
        && is_big_endian != cfg!(target_endian = "big")
    {
        for sample in bytes.to_mut().chunks_exact_mut(wide) {
            sample.reverse();
        }
    }
    if layout.predictor == 2 {
        if layout.kind == Kind::Float || ![8, 16, 32].contains(&layout.bits) {
            return Err(Unpacked::Unsupported(format!(
                "differences of {} bits",
                layout.bits
            )));
        }
        for row in bytes.to_mut()[..n_bytes].chunks_exact_mut(row_bytes) {
            add_differences(row, wide, layout.n_together());
        }
    }
    Ok(bytes)
}

fn name_of(compression: u32) -> String {
    match compression {
        2..=4 => "fax coding in an unusual layout".into(),
        6 => "JPEG in the style of TIFF 6.0".into(),
        34_712 => "JPEG 2000 coding".into(),
        34_925 => "LZMA coding".into(),
        34_887 => "LERC coding".into(),
        50_001 => "WebP coding".into(),
        other => format!("coding {other}"),
    }
}

/// Reads up to `n_bytes`, whatever follows.
fn read_up_to(mut from: impl Read, n_bytes: usize) -> Result<Vec<u8>, Unpacked> {
    let mut bytes = Vec::new();
    let read = from.by_ref().take(n_bytes as u64).read_to_end(&mut bytes);
    // What was read before damage is too short, and said to be.
    match read {
        Err(_) if bytes.is_empty() && n_bytes > 0 => Err(Unpacked::Damaged),
        _ => Ok(bytes),
    }
}

fn zstd(packed: &[u8], n_bytes: usize) -> Result<Vec<u8>, Unpacked> {
    let decoder = ruzstd::decoding::StreamingDecoder::new(packed);
    read_up_to(decoder.map_err(|_| Unpacked::Damaged)?, n_bytes)
}

fn deflate(packed: &[u8], n_bytes: usize) -> Result<Vec<u8>, Unpacked> {
    match fdeflate::decompress_to_vec_bounded(packed, n_bytes) {
        Ok(bytes) => Ok(bytes),
        Err(fdeflate::BoundedDecompressionError::OutputTooLarge { partial_output }) => {
            Ok(partial_output)
        }
        Err(_) => Err(Unpacked::Damaged),
    }
}

fn lzw(packed: &[u8], n_bytes: usize) -> Result<Vec<u8>, Unpacked> {
    let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
    let mut bytes = vec![0; n_bytes];
    let (mut read, mut written) = (0, 0);
    loop {
        let step = decoder.decode_bytes(&packed[read..], &mut bytes[written..]);
        read += step.consumed_in;
        written += step.consumed_out;
        match step.status {
            Ok(weezl::LzwStatus::Ok) if written < n_bytes && step.consumed_in > 0 => {}
            Ok(_) => break,
            Err(_) if written == 0 => return Err(Unpacked::Damaged),
            Err(_) => break,
        }
    }
    bytes.truncate(written);
    Ok(bytes)
}

fn pack_bits(packed: &[u8], n_bytes: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = packed;
    while bytes.len() < n_bytes
        && let Some((&n, after)) = rest.split_first()
    {
        rest = after;
        match n as i8 {
            n @ 0.. => {
                let taken = (n as usize + 1).min(rest.len());
                bytes.extend(&rest[..taken]);
                rest = &rest[taken..];
            }
            -128 => {}
            n => {
                let Some((&value, after)) = rest.split_first() else {
                    break;
                };
                bytes.resize(bytes.len() + 1 + usize::from(n.unsigned_abs()), value);
                rest = after;
            }
        }
    }
    bytes
}

fn add_differences(row: &mut [u8], wide: usize, n_together: usize) {
    let step = wide * n_together;
    for at in (step..row.len().saturating_sub(wide - 1)).step_by(wide) {
        match wide {
            1 => row[at] = row[at].wrapping_add(row[at - step]),
            2 => {
                let value = |at: usize| u16::from_ne_bytes([row[at], row[at + 1]]);
                let sum = value(at).wrapping_add(value(at - step));
                row[at..at + 2].copy_from_slice(&sum.to_ne_bytes());
            }
            _ => {
                let value = |at: usize| u32::from_ne_bytes(std::array::from_fn(|i| row[at + i]));
                let sum = value(at).wrapping_add(value(at - step));
                row[at..at + 4].copy_from_slice(&sum.to_ne_bytes());
            }
        }
    }
}

/// Bytes are differences, and those of one significance lie together, the highest first.
fn add_float_differences(row: &mut [u8], layout: &Layout) {
    let n_together = layout.n_together();
    for at in n_together..row.len() {
        row[at] = row[at].wrapping_add(row[at - n_together]);
    }
    let wide = (layout.bits / 8) as usize;
    let n = row.len() / wide;
    let apart = row.to_vec();
    for i in 0..n {
        for k in 0..wide {
            let significance = match cfg!(target_endian = "big") {
                true => k,
                false => wide - 1 - k,
            };
            row[i * wide + k] = apart[significance * n + i];
        }
    }
}

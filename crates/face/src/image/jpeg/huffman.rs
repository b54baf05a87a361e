//! Huffman codes of a JPEG: read bit by bit, and written. In: tables and coded bytes of unknown
//! honesty. Out: symbols, or that there are none. Knows nothing of blocks or pixels.
//!
//! # Source
//! ITU-T T.81, annexes C, F.2.2 (codes) and K.3.3 (the tables of Motion JPEG).

/// Bits that one look-up decodes; longer codes are rare.
const LOOKUP_BITS: u32 = 10;

/// One table: codes for symbols of eight bits.
pub(super) struct Codes {
    /// For each beginning: length of the code and its symbol; length 0 is a longer code or none.
    lookup: Vec<(u8, u8)>,
    /// For each length: the first code, the code behind the last one, position of the first symbol.
    ranges: [(u32, u32, usize); 17],
    symbols: Vec<u8>,
}

impl Codes {
    /// From how many codes of each length there are, and their symbols. `None` if that is no code.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Codes> {
        let n_symbols: usize = counts.iter().map(|&n| usize::from(n)).sum();
        let symbols = symbols.get(..n_symbols)?.to_vec();
        let mut lookup = vec![(0, 0); 1 << LOOKUP_BITS];
        let mut ranges = [(0, 0, 0); 17];
        let (mut code, mut position) = (0u32, 0);
        for length in 1..=16u32 {
            let count = u32::from(counts[length as usize - 1]);
            if code + count > 1 << length {
                return None;
            }
            ranges[length as usize] = (code, code + count, position);
            for _ in 0..count {
                if length <= LOOKUP_BITS {
                    let start = (code << (LOOKUP_BITS - length)) as usize;
                    let n = 1 << (LOOKUP_BITS - length);
                    lookup[start..start + n].fill((length as u8, symbols[position]));
                }
                code += 1;
                position += 1;
            }
            code <<= 1;
        }
        Some(Codes {
            lookup,
            ranges,
            symbols,
        })
    }

    /// Length and symbol of the code that 16 bits begin with.
    #[inline]
    fn find(&self, bits: u32) -> Option<(u32, u8)> {
        let (length, symbol) = self.lookup[(bits >> (16 - LOOKUP_BITS)) as usize];
        if length > 0 {
            return Some((length.into(), symbol));
        }
        (LOOKUP_BITS + 1..=16).find_map(|length| {
            let code = bits >> (16 - length);
            let (first, end, position) = self.ranges[length as usize];
            let is_code = (first..end).contains(&code);
            is_code.then(|| (length, self.symbols[position + (code - first) as usize]))
        })
    }

    /// The code of a symbol and its length.
    pub(super) fn code_of(&self, symbol: u8) -> Option<(u32, u32)> {
        let position = self.symbols.iter().position(|&s| s == symbol)?;
        (1..=16).find_map(|length| {
            let (first, end, start) = self.ranges[length as usize];
            let code = first + u32::try_from(position.checked_sub(start)?).ok()?;
            (code < end).then_some((code, length))
        })
    }
}

/// The tables that a file has defined: four for DC, four for AC.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) dc: [Option<Codes>; 4],
    pub(super) ac: [Option<Codes>; 4],
}

impl Tables {
    /// Takes the tables of a DHT segment, as far as it makes sense.
    pub(super) fn define(&mut self, mut content: &[u8]) {
        while let Some((&kind, rest)) = content.split_first() {
            let Some((counts, rest)) = rest.split_first_chunk::<16>() else {
                return;
            };
            let Some(codes) = Codes::new(counts, rest) else {
                return;
            };
            content = &rest[codes.symbols.len()..];
            let place = usize::from(kind & 15);
            let tables = match kind >> 4 {
                0 => &mut self.dc,
                _ => &mut self.ac,
            };
            if let Some(table) = tables.get_mut(place) {
                *table = Some(codes);
            }
        }
    }
}

/// A DHT segment's content with the four tables that frames of Motion JPEG leave out.
pub(super) fn standard_tables() -> Vec<u8> {
    const DC_COUNTS: [[u8; 16]; 2] = [
        [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
        [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
    ];
    const AC_COUNTS: [[u8; 16]; 2] = [
        [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D],
        [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77],
    ];
    let mut content = Vec::new();
    for place in 0..2u8 {
        content.push(place);
        content.extend(DC_COUNTS[usize::from(place)]);
        content.extend(0..12u8);
    }
    for (place, symbols) in [(0u8, AC_LUMA), (1, AC_CHROMA)] {
        content.push(0x10 | place);
        content.extend(AC_COUNTS[usize::from(place)]);
        content.extend(symbols);
    }
    content
}

#[rustfmt::skip]
const AC_LUMA: [u8; 162] = [
    0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
    0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xA1, 0x08, 0x23, 0x42, 0xB1, 0xC1, 0x15, 0x52, 0xD1, 0xF0,
    0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0A, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x25, 0x26, 0x27, 0x28,
    0x29, 0x2A, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
    0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
    0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
    0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7,
    0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3, 0xC4, 0xC5,
    0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA, 0xE1, 0xE2,
    0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8,
    0xF9, 0xFA,
];

#[rustfmt::skip]
const AC_CHROMA: [u8; 162] = [
    0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
    0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xA1, 0xB1, 0xC1, 0x09, 0x23, 0x33, 0x52, 0xF0,
    0x15, 0x62, 0x72, 0xD1, 0x0A, 0x16, 0x24, 0x34, 0xE1, 0x25, 0xF1, 0x17, 0x18, 0x19, 0x1A, 0x26,
    0x27, 0x28, 0x29, 0x2A, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
    0x49, 0x4A, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5A, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
    0x69, 0x6A, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7A, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
    0x88, 0x89, 0x8A, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9A, 0xA2, 0xA3, 0xA4, 0xA5,
    0xA6, 0xA7, 0xA8, 0xA9, 0xAA, 0xB2, 0xB3, 0xB4, 0xB5, 0xB6, 0xB7, 0xB8, 0xB9, 0xBA, 0xC2, 0xC3,
    0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xCA, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8, 0xD9, 0xDA,
    0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0xEA, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8,
    0xF9, 0xFA,
];

/// Coded bytes of one interval, read by bits; a zero that follows 0xFF is no data.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, the first one highest.
    buffer: u64,
    n_buffered: u32,
    n_consumed: u64,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> BitReader<'a> {
        BitReader {
            bytes,
            at: 0,
            buffer: 0,
            n_buffered: 0,
            n_consumed: 0,
        }
    }

    /// Bits read by now, without those that are no data.
    pub(super) fn position(&self) -> u64 {
        self.n_consumed
    }

    #[inline]
    fn refill(&mut self) {
        if let Some(next) = self.bytes[self.at..].first_chunk::<8>() {
            let word = u64::from_be_bytes(*next);
            let inverted = !word;
            // Whether some byte is 0xFF.
            let has_full = inverted.wrapping_sub(0x0101_0101_0101_0101) & word;
            if has_full & 0x8080_8080_8080_8080 == 0 {
                self.buffer |= word >> self.n_buffered;
                let n_bytes = (63 - self.n_buffered) / 8;
                self.at += n_bytes as usize;
                self.n_buffered += n_bytes * 8;
                // Bits beyond the counted ones are read again.
                self.buffer &= !(u64::MAX.checked_shr(self.n_buffered).unwrap_or(0));
                return;
            }
        }
        while self.n_buffered <= 48 {
            let Some(&byte) = self.bytes.get(self.at) else {
                return;
            };
            self.at += 1;
            if byte == 0xFF && self.bytes.get(self.at) == Some(&0) {
                self.at += 1;
            }
            self.buffer |= u64::from(byte) << (56 - self.n_buffered);
            self.n_buffered += 8;
        }
    }

    /// The next symbol and so many more bits as it says; `None` at the end and at what is no code.
    #[inline]
    pub(super) fn symbol(
        &mut self,
        codes: &Codes,
        n_more: impl FnOnce(u8) -> u32,
    ) -> Option<(u8, u32)> {
        if self.n_buffered < 32 {
            self.refill();
        }
        let (length, symbol) = codes.find((self.buffer >> 48) as u32)?;
        let n_more = n_more(symbol);
        let n = length + n_more;
        if n > self.n_buffered {
            return None;
        }
        let after = self.buffer << length;
        // A shift by 64 has no result; no bits are the value 0.
        let more = after.checked_shr(64 - n_more).unwrap_or(0) as u32;
        self.buffer = after << n_more;
        self.n_buffered -= n;
        self.n_consumed += u64::from(n);
        Some((symbol, more))
    }
}

/// Coded bytes, written by bits.
pub(super) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    /// Bits of a byte that is not yet full, the last one lowest.
    pending: u32,
    n_pending: u32,
}

impl<'a> BitWriter<'a> {
    /// Begins with the first `n_bits` of coded bytes.
    pub(super) fn after(out: &'a mut Vec<u8>, coded: &[u8], n_bits: u64) -> BitWriter<'a> {
        let mut at = 0;
        for _ in 0..n_bits / 8 {
            at += match coded.get(at..) {
                Some([0xFF, 0, ..]) => 2,
                _ => 1,
            };
        }
        let at = at.min(coded.len());
        out.extend(&coded[..at]);
        // The file may end in a byte 0xFF, whose zero is then missing.
        if coded[..at].last() == Some(&0xFF) {
            out.push(0);
        }
        let n_pending = (n_bits % 8) as u32;
        let partial = coded.get(at).copied().unwrap_or(0);
        BitWriter {
            out,
            pending: u32::from(partial) >> (8 - n_pending),
            n_pending,
        }
    }

    pub(super) fn put(&mut self, bits: u32, length: u32) {
        for i in (0..length).rev() {
            self.pending = self.pending << 1 | (bits >> i & 1);
            self.n_pending += 1;
            if self.n_pending == 8 {
                self.out.push(self.pending as u8);
                if self.pending == 0xFF {
                    self.out.push(0);
                }
                (self.pending, self.n_pending) = (0, 0);
            }
        }
    }

    /// Fills the last byte with ones.
    pub(super) fn finish(mut self) {
        if self.n_pending > 0 {
            self.put(0xFF, 8 - self.n_pending);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standard() -> Tables {
        let mut tables = Tables::default();
        tables.define(&standard_tables());
        tables
    }

    #[test]
    fn what_is_written_is_read() {
        let tables = standard();
        let codes = tables.ac[0].as_ref().unwrap();
        let mut out = Vec::new();
        let mut writer = BitWriter::after(&mut out, &[], 0);
        for symbol in AC_LUMA {
            let (code, length) = codes.code_of(symbol).unwrap();
            writer.put(code, length);
            writer.put(0x5555, u32::from(symbol & 15));
        }
        writer.finish();
        let mut reader = BitReader::new(&out);
        for symbol in AC_LUMA {
            let n = u32::from(symbol & 15);
            let expected = (symbol, 0x5555 & ((1 << n) - 1));
            assert_eq!(reader.symbol(codes, |_| n), Some(expected));
        }
        assert!(out.windows(2).any(|w| w == [0xFF, 0]), "stuffing was tried");
        // The first half, and again what followed it.
        for n_bits in [0, 1, 8, 1001, 1002, 1003, 1004] {
            let mut copy = Vec::new();
            BitWriter::after(&mut copy, &out, n_bits).finish();
            let (a, b) = (n_bits as usize / 8, copy.len().saturating_sub(3));
            assert_eq!(copy[..a.min(b)], out[..a.min(b)]);
        }
    }

    #[test]
    fn tables_that_are_no_code_are_left_out() {
        let mut tables = Tables::default();
        tables.define(&[0; 3]);
        let mut too_many = vec![0x00, 3];
        too_many.resize(17 + 3, 0);
        tables.define(&too_many);
        assert!(tables.dc.iter().all(Option::is_none));
    }
}

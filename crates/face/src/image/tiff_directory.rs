//! Entries of a TIFF directory. In: bytes of unknown honesty. Out: single entries, asked for by
//! tag. Knows nothing of what tags mean. Allocates nothing and follows no chain: no loop can hold
//! it.

/// Bytes that begin as a TIFF does; BigTIFF is not read.
pub(super) struct Tiff<'a> {
    bytes: &'a [u8],
    is_big_endian: bool,
}

/// One directory entry: its type, its count and the offset of its four value bytes, which hold the
/// value or the value's offset.
pub(super) struct Entry {
    kind: u16,
    count: u32,
    value_offset: usize,
}

const BYTE: u16 = 1;
const ASCII: u16 = 2;
const SHORT: u16 = 3;
const LONG: u16 = 4;
#[cfg(any(feature = "raw", feature = "tiff"))]
const IFD: u16 = 13;
/// BYTE, ASCII, UNDEFINED.
const ONE_BYTE_KINDS: [u16; 3] = [BYTE, ASCII, 7];

impl<'a> Tiff<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Option<Tiff<'a>> {
        let is_big_endian = match bytes.get(..4)? {
            b"II*\0" => false,
            b"MM\0*" => true,
            // Raw files of Olympus and Panasonic.
            b"IIRO" | b"IIRS" | b"IIU\0" => false,
            b"MMOR" => true,
            _ => return None,
        };
        Some(Tiff {
            bytes,
            is_big_endian,
        })
    }

    #[cfg(feature = "tiff")]
    pub(super) fn is_big_endian(&self) -> bool {
        self.is_big_endian
    }

    /// Offset of the first directory.
    pub(super) fn first_directory(&self) -> Option<u32> {
        self.u32_at(4)
    }

    /// The first entry with this tag; at most 65,535 are compared.
    pub(super) fn find(&self, directory: u32, tag: u16) -> Option<Entry> {
        let start = directory as usize;
        let n_entries = usize::from(self.u16_at(start)?);
        (0..n_entries)
            .map(|i| start + 2 + i * 12)
            .take_while(|&offset| offset + 12 <= self.bytes.len())
            .find(|&offset| self.u16_at(offset) == Some(tag))
            .and_then(|offset| {
                Some(Entry {
                    kind: self.u16_at(offset + 2)?,
                    count: self.u32_at(offset + 4)?,
                    value_offset: offset + 8,
                })
            })
    }

    /// A single SHORT or LONG; some writers use the other one than the standard says.
    pub(super) fn number(&self, entry: &Entry) -> Option<u32> {
        match (entry.kind, entry.count) {
            (SHORT, 1) => self.u16_at(entry.value_offset).map(u32::from),
            (LONG, 1) => self.u32_at(entry.value_offset),
            _ => None,
        }
    }

    /// Up to `most` BYTEs, SHORTs or LONGs.
    #[cfg(any(feature = "raw", feature = "tiff"))]
    pub(super) fn numbers(&self, entry: &Entry, most: usize) -> Vec<u32> {
        let bytes_each = match entry.kind {
            BYTE => 1,
            SHORT => 2,
            LONG | IFD => 4,
            _ => return Vec::new(),
        };
        let n = (entry.count as usize).min(most);
        let is_inline = (entry.count as usize).saturating_mul(bytes_each) <= 4;
        let start = match is_inline {
            true => Some(entry.value_offset),
            false => self.u32_at(entry.value_offset).map(|at| at as usize),
        };
        let Some(start) = start else {
            return Vec::new();
        };
        let at = |i: usize| start.checked_add(i * bytes_each);
        let value = |i: usize| match bytes_each {
            1 => self.bytes.get(at(i)?).copied().map(u32::from),
            2 => self.u16_at(at(i)?).map(u32::from),
            _ => self.u32_at(at(i)?),
        };
        (0..n).map_while(value).collect()
    }

    /// The bytes of an ASCII entry.
    pub(super) fn text(&self, entry: &Entry) -> Option<&'a [u8]> {
        (entry.kind == ASCII).then(|| self.bytes(entry)).flatten()
    }

    /// The bytes of an entry whose elements are bytes.
    pub(super) fn bytes(&self, entry: &Entry) -> Option<&'a [u8]> {
        let length = entry.count as usize;
        let start = if length <= 4 {
            entry.value_offset
        } else {
            self.u32_at(entry.value_offset)? as usize
        };
        ONE_BYTE_KINDS
            .contains(&entry.kind)
            .then(|| self.bytes.get(start..start.checked_add(length)?))
            .flatten()
    }

    fn u16_at(&self, offset: usize) -> Option<u16> {
        let raw = self.bytes.get(offset..offset.checked_add(2)?)?;
        let raw = raw.try_into().ok()?;
        Some(if self.is_big_endian {
            u16::from_be_bytes(raw)
        } else {
            u16::from_le_bytes(raw)
        })
    }

    fn u32_at(&self, offset: usize) -> Option<u32> {
        let raw = self.bytes.get(offset..offset.checked_add(4)?)?;
        let raw = raw.try_into().ok()?;
        Some(if self.is_big_endian {
            u32::from_be_bytes(raw)
        } else {
            u32::from_le_bytes(raw)
        })
    }
}

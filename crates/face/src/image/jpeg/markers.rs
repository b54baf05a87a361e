//! Markers of a JPEG. In: bytes of unknown honesty. Out: its segments, one after the other, and
//! what they state of the picture. Knows nothing of codes or pixels; allocates by the components
//! only.
//!
//! # Source
//! ITU-T T.81, annex B (markers, frame and scan headers).

use crate::geometry::Size;

pub(super) const SOI: u8 = 0xD8;
pub(super) const EOI: u8 = 0xD9;
pub(super) const SOS: u8 = 0xDA;
pub(super) const DQT: u8 = 0xDB;
pub(super) const DRI: u8 = 0xDD;
pub(super) const DHT: u8 = 0xC4;
pub(super) const APP0: u8 = 0xE0;
pub(super) const APP1: u8 = 0xE1;
pub(super) const APP2: u8 = 0xE2;
pub(super) const APP14: u8 = 0xEE;
const FIRST_RESTART: u8 = 0xD0;
const LAST_RESTART: u8 = 0xD7;

/// One marker with what belongs to it.
pub(super) struct Segment<'a> {
    pub(super) marker: u8,
    /// Behind the length; shorter than stated if the file ends in it.
    pub(super) content: &'a [u8],
    /// Coded samples behind a scan's header.
    pub(super) entropy: &'a [u8],
    /// Whether bytes that belong to nothing stand before it.
    pub(super) follows_junk: bool,
    pub(super) is_whole: bool,
}

/// The segments up to and including the first EOI, as decoders of viewers find them: bytes between
/// segments that begin no marker are passed over.
pub(super) struct Markers<'a> {
    bytes: &'a [u8],
    at: usize,
    has_ended: bool,
}

impl<'a> Markers<'a> {
    /// `bytes` begin with SOI.
    pub(super) fn new(bytes: &'a [u8]) -> Markers<'a> {
        Markers {
            bytes,
            at: 2,
            has_ended: false,
        }
    }

    /// Where the last segment ended.
    pub(super) fn offset(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Markers<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        if self.has_ended {
            return None;
        }
        let mut follows_junk = false;
        let marker = loop {
            let rest = self.bytes.get(self.at..)?;
            let fill = rest.iter().position(|&b| b == 0xFF)?;
            follows_junk |= fill > 0;
            let code = rest[fill..].iter().position(|&b| b != 0xFF)?;
            self.at += fill + code + 1;
            match rest[fill + code] {
                0x00 | 0x01 | FIRST_RESTART..=LAST_RESTART | SOI => follows_junk = true,
                marker => break marker,
            }
        };
        if marker == EOI {
            self.has_ended = true;
            return Some(Segment {
                marker,
                content: &[],
                entropy: &[],
                follows_junk,
                is_whole: true,
            });
        }
        let rest = &self.bytes[self.at..];
        let stated = match rest {
            [high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])).max(2),
            _ => usize::MAX,
        };
        let is_whole = stated <= rest.len();
        let end = stated.min(rest.len());
        let content = rest.get(2..end).unwrap_or_default();
        self.at += end;
        let entropy = match marker {
            SOS => coded(&self.bytes[self.at..]),
            _ => &[],
        };
        self.at += entropy.len();
        Some(Segment {
            marker,
            content,
            entropy,
            follows_junk,
            is_whole,
        })
    }
}

/// The coded samples at the start: up to a marker that is no restart, or to the end.
fn coded(bytes: &[u8]) -> &[u8] {
    let mut from = 0;
    while let Some(found) = bytes[from..].iter().position(|&b| b == 0xFF) {
        let at = from + found;
        match bytes.get(at + 1) {
            Some(0 | FIRST_RESTART..=LAST_RESTART) => from = at + 2,
            Some(_) => return &bytes[..at],
            None => return bytes,
        }
    }
    bytes
}

/// Parts of coded samples between restarts, each with the number of the restart before it.
pub(super) fn intervals(entropy: &[u8]) -> impl Iterator<Item = (Option<u8>, &[u8])> {
    let mut rest = Some((None, entropy));
    std::iter::from_fn(move || {
        let (number, bytes) = rest?;
        let mut from = 0;
        while let Some(found) = bytes[from..].iter().position(|&b| b == 0xFF) {
            let at = from + found;
            match bytes.get(at + 1) {
                Some(code @ FIRST_RESTART..=LAST_RESTART) => {
                    rest = Some((Some(code - FIRST_RESTART), &bytes[at + 2..]));
                    return Some((number, &bytes[..at]));
                }
                _ => from = (at + 2).min(bytes.len()),
            }
        }
        rest = None;
        Some((number, bytes))
    })
}

/// One component of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Blocks of one MCU, across and down: 1 to 4.
    pub(super) across: u32,
    pub(super) down: u32,
}

/// A frame header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// The low four bits of the marker: 0 baseline, 1 extended, 2 progressive.
    pub(super) process: u8,
    pub(super) bits: u8,
    pub(super) size: Size,
    /// At most four.
    pub(super) components: Vec<Component>,
}

impl Frame {
    /// Whether a marker begins a frame.
    pub(super) fn begins_at(marker: u8) -> bool {
        (0xC0..=0xCF).contains(&marker) && !matches!(marker, 0xC4 | 0xC8 | 0xCC)
    }

    /// `None` if the header contradicts itself.
    pub(super) fn read(marker: u8, content: &[u8]) -> Option<Frame> {
        let [bits, h1, h0, w1, w0, n, rest @ ..] = content else {
            return None;
        };
        let components: Vec<Component> = rest
            .as_chunks::<3>()
            .0
            .iter()
            .take(usize::from(*n).min(4))
            .map(|&[id, sampling, _]| Component {
                id,
                across: u32::from(sampling >> 4),
                down: u32::from(sampling & 15),
            })
            .collect();
        let is_sampled = |c: &Component| (1..=4).contains(&c.across) && (1..=4).contains(&c.down);
        if components.len() != usize::from(*n) || !components.iter().all(is_sampled) {
            return None;
        }
        Some(Frame {
            process: marker & 15,
            bits: *bits,
            size: Size {
                width_px: u16::from_be_bytes([*w1, *w0]).into(),
                height_px: u16::from_be_bytes([*h1, *h0]).into(),
            },
            components,
        })
    }

    pub(super) fn is_progressive(&self) -> bool {
        self.process == 2
    }

    /// The largest sampling of any component, across and down.
    pub(super) fn most_sampling(&self) -> (u32, u32) {
        let of = |side: fn(&Component) -> u32| self.components.iter().map(side).max().unwrap_or(1);
        (of(|c| c.across), of(|c| c.down))
    }
}

/// A scan header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scan {
    /// Position in the frame's components, DC table, AC table.
    pub(super) components: Vec<(usize, usize, usize)>,
    /// First and last coefficient.
    pub(super) first: u8,
    pub(super) last: u8,
    /// Bit of the pass before; 0 in the first pass over these coefficients.
    pub(super) bit_before: u8,
    /// Bit of this pass; 0 in the last one.
    pub(super) bit: u8,
}

impl Scan {
    /// `None` if the header contradicts itself or the frame.
    pub(super) fn read(content: &[u8], frame: &Frame) -> Option<Scan> {
        let (n, rest) = content.split_first()?;
        let n = usize::from(*n);
        let (selectors, passes) = rest.split_at_checked(n * 2)?;
        let components: Option<Vec<_>> = selectors
            .as_chunks::<2>()
            .0
            .iter()
            .map(|&[id, tables]| {
                let position = frame.components.iter().position(|c| c.id == id)?;
                let (dc, ac) = (usize::from(tables >> 4), usize::from(tables & 15));
                (dc < 4 && ac < 4).then_some((position, dc, ac))
            })
            .collect();
        let components = components.filter(|c| (1..=4).contains(&c.len()))?;
        let &[first, last, bits, ..] = passes else {
            return None;
        };
        Some(Scan {
            components,
            first,
            last,
            bit_before: bits >> 4,
            bit: bits & 15,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markers(file: &[u8]) -> Vec<(u8, bool)> {
        let all = Markers::new(file);
        all.map(|s| (s.marker, s.follows_junk)).collect()
    }

    #[test]
    fn an_end_inside_a_preview_is_not_the_end() {
        let preview = b"\xFF\xD8\xFF\xD9";
        let mut file = Vec::from(b"\xFF\xD8\xFF\xE1\x00\x06");
        file.extend(preview);
        file.extend(b"\xFF\xDA\x00\x02\x12\xFF\x00\xFF\xD0\x34");
        assert_eq!(markers(&file), [(APP1, false), (SOS, false)]);
        file.extend(b"\xFF\xD9");
        let whole = [(APP1, false), (SOS, false), (EOI, false)];
        assert_eq!(markers(&file), whole);
        file.extend(b"a second picture or a film may follow\xFF\xDA");
        assert_eq!(markers(&file), whole);
    }

    #[test]
    fn bytes_between_segments_are_passed_over() {
        let file = b"\xFF\xD8junk\xFF\xFF\xFF\xDD\0\x04\0\x07\0\xFF\0\xFF\xD9";
        assert_eq!(markers(file), [(DRI, true), (EOI, true)]);
        let cut = Markers::new(b"\xFF\xD8\xFF\xDD\0\x04\0").next().unwrap();
        assert!(!cut.is_whole && cut.content == [0]);
    }

    #[test]
    fn coded_samples_are_split_at_restarts() {
        let parts: Vec<_> = intervals(b"a\xFF\0b\xFF\xD0c\xFF\xD1").collect();
        let expected: [(Option<u8>, &[u8]); 3] =
            [(None, b"a\xFF\0b"), (Some(0), b"c"), (Some(1), b"")];
        assert_eq!(parts, expected);
    }
}

//! How a TIFF's samples lie. In: its first directory. Out: a [`Layout`] whose numbers fit each
//! other, or words for what does not. Knows nothing of packing and colours.
//!
//! # Source
//! TIFF 6.0, sections 8 (baseline fields), 15 (tiles), 21 (YCbCr), 23 (Lab).

use super::super::tiff_directory::Tiff;
use crate::geometry::Size;

/// Most samples of one pixel; photos have up to five.
const MAX_SAMPLES: usize = 16;
/// Most strips or tiles, in all planes.
const MAX_PARTS: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Unsigned,
    Float,
}

/// What is read of the directory.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) size: Size,
    /// Of every sample.
    pub(super) bits: u32,
    pub(super) kind: Kind,
    pub(super) n_samples: usize,
    pub(super) compression: u32,
    pub(super) photometric: u32,
    /// Whether each channel lies apart.
    pub(super) is_planar: bool,
    pub(super) predictor: u32,
    pub(super) is_low_bit_first: bool,
    /// Size of a strip or tile.
    pub(super) part: Size,
    pub(super) is_tiled: bool,
    /// Offset and length of each, plane after plane.
    pub(super) parts: Vec<(usize, usize)>,
    /// Reds, then greens, then blues, 16 bits each.
    pub(super) palette: Vec<u32>,
    /// Meaning of the samples beyond the colour: 1 and 2 are opacity.
    pub(super) extra: Vec<u32>,
    /// Luma samples for one chroma sample, across and down.
    pub(super) chroma: (u32, u32),
}

impl Layout {
    pub(super) fn read(tiff: &Tiff) -> Result<Layout, String> {
        let first = tiff.first_directory().ok_or("it has no directory")?;
        let list = |tag: u16, most: usize| {
            let entry = tiff.find(first, tag);
            entry.map(|e| tiff.numbers(&e, most)).unwrap_or_default()
        };
        let number = |tag: u16| list(tag, 1).first().copied();
        let or = |tag: u16, default: u32| number(tag).unwrap_or(default);
        let size = Size {
            width_px: number(256).ok_or("it states no width")?,
            height_px: number(257).ok_or("it states no height")?,
        };
        let n_samples = or(277, 1) as usize;
        if n_samples == 0 || n_samples > MAX_SAMPLES {
            return Err(format!("{n_samples} samples for each pixel"));
        }
        let bits = list(258, n_samples);
        let bits = match bits[..] {
            [] => 1,
            [first, ..] if bits.iter().all(|&b| b == first) => first,
            _ => return Err(format!("samples of {bits:?} bits")),
        };
        let kind = match (or(339, 1), bits) {
            (1 | 4, 1..=16 | 32) => Kind::Unsigned,
            (3, 16 | 32 | 64) => Kind::Float,
            (kind, bits) => return Err(format!("samples of kind {kind} with {bits} bits")),
        };
        let is_tiled = number(322).is_some();
        let part = match is_tiled {
            true => Size {
                width_px: or(322, 0),
                height_px: or(323, 0),
            },
            false => Size {
                width_px: size.width_px,
                height_px: or(278, u32::MAX).min(size.height_px),
            },
        };
        if part.width_px == 0 || part.height_px == 0 {
            return Err("its strips or tiles have no size".into());
        }
        let is_planar = or(284, 1) == 2 && n_samples > 1;
        let across = size.width_px.div_ceil(part.width_px) as usize;
        let down = size.height_px.div_ceil(part.height_px) as usize;
        let n_planes = if is_planar { n_samples } else { 1 };
        let n_parts = across
            .checked_mul(down)
            .and_then(|n| n.checked_mul(n_planes))
            .filter(|&n| n <= MAX_PARTS)
            .ok_or("it has too many strips or tiles")?;
        let (offsets, lengths) = match is_tiled {
            true => (list(324, n_parts), list(325, n_parts)),
            false => (list(273, n_parts), list(279, n_parts)),
        };
        if offsets.len() < n_parts || lengths.len() < n_parts {
            return Err("its list of strips or tiles is too short".into());
        }
        let parts = offsets.iter().zip(lengths);
        let chroma = list(530, 2);
        Ok(Layout {
            size,
            bits,
            kind,
            n_samples,
            compression: or(259, 1),
            photometric: or(262, 1),
            is_planar,
            predictor: or(317, 1),
            is_low_bit_first: or(266, 1) == 2,
            part,
            is_tiled,
            parts: parts
                .map(|(&at, length)| (at as usize, length as usize))
                .collect(),
            palette: list(320, 3 << 16),
            extra: list(338, n_samples),
            chroma: match chroma[..] {
                [across @ (1 | 2 | 4), down @ (1 | 2 | 4)] => (across, down),
                _ => (2, 2),
            },
        })
    }

    /// Samples of a pixel that lie together.
    pub(super) fn n_together(&self) -> usize {
        if self.is_planar { 1 } else { self.n_samples }
    }

    pub(super) fn parts_across(&self) -> usize {
        self.size.width_px.div_ceil(self.part.width_px) as usize
    }

    pub(super) fn parts_of_a_plane(&self) -> usize {
        self.parts_across() * self.size.height_px.div_ceil(self.part.height_px) as usize
    }

    /// Rows of a part that its data has: the last strip is shorter, tiles are full.
    pub(super) fn rows_of(&self, top_px: u32) -> u32 {
        match self.is_tiled {
            true => self.part.height_px,
            false => self.part.height_px.min(self.size.height_px - top_px),
        }
    }
}

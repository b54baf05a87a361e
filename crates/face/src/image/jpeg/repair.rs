//! A JPEG written again as far as it is there. In: a file that is cut, hit, or out of order. Out: a
//! whole file, and how many rows of it are missing. Knows nothing of pixels: codes are counted and
//! copied, not decoded.
//!
//! Viewers show a damaged photo as far as it goes. A decoder that reports nothing cannot tell how
//! far that is, and one that reports errors stops there; so the codes are walked, what is missing
//! is filled with blocks of medium grey, and the result decodes as an ordinary file does.

use super::huffman::{BitReader, BitWriter, Codes, Tables, standard_tables};
use super::markers::{APP0, APP14, DHT, DQT, DRI, EOI, Frame, Markers, SOI, SOS, Scan, intervals};

/// A file that decoders take.
pub(super) struct Repaired {
    pub(super) file: Vec<u8>,
    /// Rows of pixels with blocks that are not in the file.
    pub(super) n_missing_rows: u32,
}

/// Most rows of MCUs that are counted apart.
const MAX_ROWS: usize = 65_536 / 8;

/// Blocks of one scan: for each component of an MCU, how many blocks, and its tables.
struct Blocks<'a> {
    parts: Vec<(u32, &'a Codes, Option<&'a Codes>)>,
    n_mcus: u64,
    n_per_row: u64,
    /// Height of a row of MCUs in pixels of the picture.
    row_px: u32,
}

/// How the MCUs of a scan cover the picture.
struct Grid {
    n_per_row: u32,
    n_rows: u32,
    row_px: u32,
}

impl Grid {
    fn n_mcus(&self) -> u64 {
        u64::from(self.n_per_row) * u64::from(self.n_rows)
    }
}

fn grid(frame: &Frame, scan: &Scan) -> Grid {
    let (across, down) = frame.most_sampling();
    let size = frame.size;
    let (n_per_row, n_rows, row_px) = match scan.components[..] {
        [(position, ..)] => {
            let component = frame.components[position];
            let width_px = (size.width_px * component.across).div_ceil(across);
            let height_px = (size.height_px * component.down).div_ceil(down);
            let row_px = (8 * down).div_ceil(component.down);
            (width_px.div_ceil(8), height_px.div_ceil(8), row_px)
        }
        _ => (
            size.width_px.div_ceil(8 * across),
            size.height_px.div_ceil(8 * down),
            8 * down,
        ),
    };
    Grid {
        n_per_row,
        n_rows,
        row_px,
    }
}

impl<'a> Blocks<'a> {
    /// `None` if a table is missing. In the first pass of a progressive file a block is its DC.
    fn new(frame: &Frame, scan: &Scan, tables: &'a Tables) -> Option<Blocks<'a>> {
        let table = |set: &'a [Option<Codes>; 4], at: usize| set[at].as_ref();
        let is_alone = scan.components.len() == 1;
        let mut parts = Vec::new();
        for &(position, dc, ac) in &scan.components {
            let component = frame.components[position];
            let n_blocks = match is_alone {
                true => 1,
                false => component.across * component.down,
            };
            let ac = match frame.is_progressive() {
                true => None,
                false => Some(table(&tables.ac, ac)?),
            };
            parts.push((n_blocks, table(&tables.dc, dc)?, ac));
        }
        let grid = grid(frame, scan);
        Some(Blocks {
            parts,
            n_mcus: grid.n_mcus(),
            n_per_row: grid.n_per_row.into(),
            row_px: grid.row_px,
        })
    }

    /// Walks `n_mcus`; how many are whole, where those end, and the DC values there.
    fn walk(&self, coded: &[u8], n_mcus: u64) -> Walked {
        let mut reader = BitReader::new(coded);
        let mut walked = Walked::default();
        for _ in 0..n_mcus {
            let mut dc_values = walked.dc_values;
            for (&(n_blocks, dc, ac), value) in self.parts.iter().zip(&mut dc_values) {
                for _ in 0..n_blocks {
                    match block(&mut reader, dc, ac) {
                        Some(difference) => *value = value.wrapping_add(difference),
                        None => return walked,
                    }
                }
            }
            walked = Walked {
                n_mcus: walked.n_mcus + 1,
                n_bits: reader.position(),
                dc_values,
            };
        }
        walked
    }

    /// Writes `n_mcus` of medium grey. `None` if the tables have no codes for that.
    fn write_grey(&self, writer: &mut BitWriter, n_mcus: u64, dc_values: [i32; 4]) -> Option<()> {
        let mut dc_values = dc_values;
        for _ in 0..n_mcus {
            for (&(n_blocks, dc, ac), value) in self.parts.iter().zip(&mut dc_values) {
                for _ in 0..n_blocks {
                    // Back to zero if there is a code for so large a step, else on as it is.
                    let step = value.wrapping_neg();
                    let n_bits = step.unsigned_abs().checked_ilog2().map_or(0, |n| n + 1);
                    match dc.code_of(n_bits as u8) {
                        Some((code, length)) if n_bits < 16 => {
                            writer.put(code, length);
                            let negative = if step < 0 { (1 << n_bits) - 1 } else { 0 };
                            writer.put((step + negative) as u32, n_bits);
                            *value = 0;
                        }
                        _ => *value += put_smallest_step(writer, dc, *value)?,
                    }
                    if let Some(ac) = ac {
                        let (code, length) = ac.code_of(0)?;
                        writer.put(code, length);
                    }
                }
            }
        }
        Some(())
    }
}

/// Writes the smallest step that a table has a code for, towards zero, and returns it.
fn put_smallest_step(writer: &mut BitWriter, dc: &Codes, value: i32) -> Option<i32> {
    let (n_bits, (code, length)) =
        (0..12u8).find_map(|n_bits| Some((n_bits, dc.code_of(n_bits)?)))?;
    writer.put(code, length);
    if n_bits == 0 {
        return Some(0);
    }
    let least = 1u32 << (n_bits - 1);
    // A negative step is written as its distance from the lowest one.
    let bits = if value > 0 { least - 1 } else { least };
    writer.put(bits, n_bits.into());
    Some(if value > 0 {
        -(least as i32)
    } else {
        least as i32
    })
}

#[derive(Default)]
struct Walked {
    n_mcus: u64,
    n_bits: u64,
    dc_values: [i32; 4],
}

/// Whether coded samples hold the coefficients of so many blocks.
fn has_detail(coded: &[u8], codes: &Codes, scan: &Scan, n_blocks: u64) -> bool {
    let mut reader = BitReader::new(coded);
    let mut n_empty = 0;
    for _ in 0..n_blocks {
        if n_empty > 0 {
            n_empty -= 1;
            continue;
        }
        let mut k = u32::from(scan.first);
        while k <= scan.last.into() {
            let n_more = |s: u8| match (s >> 4, s & 15) {
                (15, n) | (_, n @ 1..) => n.into(),
                (run, _) => run.into(),
            };
            let Some((symbol, value)) = reader.symbol(codes, n_more) else {
                return false;
            };
            match (symbol >> 4, symbol & 15) {
                (15, 0) => k += 16,
                (run, 0) => {
                    // This block and so many more have nothing further.
                    n_empty = (1u64 << run) + u64::from(value) - 1;
                    break;
                }
                (run, _) => k += u32::from(run) + 1,
            }
        }
    }
    true
}

/// Passes over one block; the difference of its DC.
#[inline]
fn block(reader: &mut BitReader, dc: &Codes, ac: Option<&Codes>) -> Option<i32> {
    let (n_bits, value) = reader.symbol(dc, u32::from)?;
    let difference = match n_bits {
        0 => 0,
        1..=15 if value >> (n_bits - 1) == 0 => value as i32 - (1 << n_bits) + 1,
        1..=15 => value as i32,
        _ => return None,
    };
    let Some(ac) = ac else {
        return Some(difference);
    };
    let mut k = 1;
    while k < 64 {
        let (symbol, _) = reader.symbol(ac, |s| u32::from(s & 15))?;
        let (run, n_bits) = (symbol >> 4, symbol & 15);
        match (run, n_bits) {
            (0, 0) => break,
            (15, 0) => k += 16,
            (_, 0) => return None,
            _ => k += u32::from(run) + 1,
        }
    }
    (k <= 64).then_some(difference)
}

/// Parts of a scan with the MCUs that belong to each, restarts that are lost filled in as `None`.
fn expected_parts(
    entropy: &[u8],
    restart_interval: u64,
    n_mcus: u64,
) -> impl Iterator<Item = (Option<&[u8]>, u64)> {
    let per_part = match restart_interval {
        0 => n_mcus,
        n => n,
    };
    let mut parts = intervals(entropy).peekable();
    let mut n_done = 0;
    let mut index = 0u64;
    std::iter::from_fn(move || {
        if n_done >= n_mcus {
            return None;
        }
        let n = per_part.min(n_mcus - n_done);
        n_done += n;
        // A number that is one or two ahead: so many parts are lost. Any other is a stray marker.
        while let Some(&(Some(number), _)) = parts.peek() {
            let expected = (index + 7) % 8;
            match (u64::from(number) + 8 - expected) % 8 {
                0 => break,
                1 | 2 if restart_interval > 0 => {
                    index += 1;
                    return Some((None, n));
                }
                _ => parts.next(),
            };
        }
        index += 1;
        Some((parts.next().map(|(_, bytes)| bytes), n))
    })
}

/// Whether every MCU of every pass that gives the picture its blocks is there, in order.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    let mut state = State::default();
    let mut covered = [false; 4];
    for segment in Markers::new(bytes) {
        if segment.follows_junk || !segment.is_whole {
            return false;
        }
        state.read(segment.marker, segment.content);
        let Some(frame) = &state.frame else { continue };
        match segment.marker {
            EOI => return covered.iter().take(frame.components.len()).all(|&c| c),
            SOS => {}
            _ => continue,
        }
        let Some(scan) = Scan::read(segment.content, frame) else {
            return false;
        };
        if !state.gives_blocks(&scan) {
            continue;
        }
        let Some(blocks) = Blocks::new(frame, &scan, &state.tables) else {
            return false;
        };
        for (part, n) in expected_parts(segment.entropy, state.restart_interval, blocks.n_mcus) {
            if part.is_none_or(|part| blocks.walk(part, n).n_mcus < n) {
                return false;
            }
        }
        for (position, ..) in scan.components {
            covered[position] = true;
        }
    }
    false
}

/// What the segments before a scan have defined.
#[derive(Default)]
struct State {
    frame: Option<Frame>,
    tables: Tables,
    restart_interval: u64,
}

impl State {
    fn read(&mut self, marker: u8, content: &[u8]) {
        match marker {
            DHT => self.tables.define(content),
            DRI => {
                if let Some(&n) = content.first_chunk::<2>() {
                    self.restart_interval = u16::from_be_bytes(n).into();
                }
            }
            _ if Frame::begins_at(marker) && self.frame.is_none() => {
                self.frame = Frame::read(marker, content);
            }
            _ => {}
        }
    }

    /// Whether the first pass over some coefficients of one component ends too early. Of later
    /// passes, which give each coefficient one more bit, that is not known.
    fn is_cut(&self, scan: &Scan, entropy: &[u8]) -> bool {
        let (Some(frame), [(_, _, ac)]) = (&self.frame, &scan.components[..]) else {
            return false;
        };
        let Some(codes) = self.tables.ac[*ac].as_ref() else {
            return true;
        };
        let n_blocks = grid(frame, scan).n_mcus();
        scan.bit_before == 0
            && expected_parts(entropy, self.restart_interval, n_blocks)
                .any(|(part, n)| !part.is_some_and(|part| has_detail(part, codes, scan, n)))
    }

    fn gives_blocks(&self, scan: &Scan) -> bool {
        let is_progressive = self.frame.as_ref().is_some_and(Frame::is_progressive);
        !is_progressive || (scan.first == 0 && scan.bit_before == 0)
    }
}

/// Writes the file again. `None` if no block of it can be used.
pub(super) fn repair(bytes: &[u8]) -> Option<Repaired> {
    let mut state = State::default();
    let mut file = vec![0xFF, SOI];
    let mut is_missing = [false; MAX_ROWS];
    let mut covered = [false; 4];
    for segment in Markers::new(bytes) {
        let marker = segment.marker;
        if !segment.is_whole && marker != SOS {
            break;
        }
        state.read(marker, segment.content);
        let is_frame = Frame::begins_at(marker);
        match marker {
            EOI => break,
            APP0 | APP14 | DQT | DHT | DRI => put_segment(&mut file, marker, segment.content),
            _ if is_frame => put_segment(&mut file, marker, segment.content),
            SOS => {
                let frame = state.frame.as_ref()?;
                let Some(scan) = Scan::read(segment.content, frame) else {
                    break;
                };
                if !state.gives_blocks(&scan) {
                    // A pass that adds detail. Where it ends early, decoders make noise of it.
                    if state.is_cut(&scan, segment.entropy) {
                        break;
                    }
                    put_segment(&mut file, marker, segment.content);
                    file.extend(segment.entropy);
                    continue;
                }
                if Blocks::new(frame, &scan, &state.tables).is_none() {
                    let content = standard_tables();
                    let mut tables = Tables::default();
                    tables.define(&content);
                    put_segment(&mut file, DHT, &content);
                    state.tables = tables;
                }
                let blocks = Blocks::new(frame, &scan, &state.tables)?;
                put_segment(&mut file, marker, segment.content);
                let interval = state.restart_interval;
                put_scan(
                    &mut file,
                    &blocks,
                    segment.entropy,
                    interval,
                    &mut is_missing,
                )?;
                for &(position, ..) in &scan.components {
                    covered[position] = true;
                }
            }
            _ => {}
        }
    }
    let frame = state.frame?;
    if !covered.iter().take(frame.components.len()).all(|&c| c) {
        return None;
    }
    file.extend([0xFF, EOI]);
    let n_rows = frame.size.height_px.div_ceil(8) as usize;
    let missing = is_missing.iter().take(n_rows).filter(|&&m| m).count() as u32;
    Some(Repaired {
        file,
        n_missing_rows: (missing * 8).min(frame.size.height_px),
    })
}

fn put_segment(file: &mut Vec<u8>, marker: u8, content: &[u8]) {
    file.extend([0xFF, marker]);
    file.extend((content.len() as u16 + 2).to_be_bytes());
    file.extend(content);
}

/// Writes the coded samples of a scan with grey for what is missing, and marks its rows of blocks.
fn put_scan(
    file: &mut Vec<u8>,
    blocks: &Blocks,
    entropy: &[u8],
    restart_interval: u64,
    is_missing: &mut [bool; MAX_ROWS],
) -> Option<()> {
    let mut n_done = 0;
    for (index, (part, n)) in
        (0u8..=255)
            .cycle()
            .zip(expected_parts(entropy, restart_interval, blocks.n_mcus))
    {
        if n_done > 0 {
            file.extend([0xFF, 0xD0 + (index.wrapping_sub(1) & 7)]);
        }
        let part = part.unwrap_or_default();
        let walked = blocks.walk(part, n);
        let mut writer = BitWriter::after(file, part, walked.n_bits);
        if walked.n_mcus < n {
            blocks.write_grey(&mut writer, n - walked.n_mcus, walked.dc_values)?;
            let first_row = (n_done + walked.n_mcus) / blocks.n_per_row;
            let last_row = (n_done + n - 1) / blocks.n_per_row;
            let start = first_row as usize * blocks.row_px as usize / 8;
            let end = (last_row as usize + 1) * blocks.row_px as usize / 8;
            if let Some(rows) = is_missing.get_mut(start..end.min(MAX_ROWS)) {
                rows.fill(true);
            }
        }
        writer.finish();
        n_done += n;
    }
    Some(())
}

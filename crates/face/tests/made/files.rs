//! Files that the tests make themselves. In: pixels, chunks, tags. Out: bytes of a PNG, TIFF or
//! JPEG.
#![allow(dead_code)]

use fusiform_face::image::Image;

/// A PNG chunk: length, kind, content, checksum.
pub(crate) fn png_chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut chunk = (content.len() as u32).to_be_bytes().to_vec();
    chunk.extend(kind);
    chunk.extend(content);
    let mut crc = 0xFFFF_FFFFu32;
    for &byte in &chunk[4..] {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    chunk.extend((!crc).to_be_bytes());
    chunk
}

/// The file with one more chunk right behind its header.
pub(crate) fn with_png_chunk(png: &[u8], kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    const HEADER_END: usize = 8 + 25;
    let chunk = png_chunk(kind, content);
    [&png[..HEADER_END], &chunk, &png[HEADER_END..]].concat()
}

/// The file with one more segment right behind its first marker.
pub(crate) fn with_jpeg_segment(jpeg: &[u8], marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xFF, marker], &length, content, &jpeg[2..]].concat()
}

/// One TIFF entry: tag, type (1 BYTE, 3 SHORT, 4 LONG, 7 UNDEFINED) and the value's bytes.
pub(crate) struct Tag {
    pub(crate) tag: u16,
    pub(crate) kind: u16,
    pub(crate) count: u32,
    pub(crate) bytes: Vec<u8>,
}

pub(crate) fn shorts(tag: u16, values: &[u16]) -> Tag {
    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let count = values.len() as u32;
    Tag {
        tag,
        kind: 3,
        count,
        bytes,
    }
}

pub(crate) fn longs(tag: u16, values: &[u32]) -> Tag {
    let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    let count = values.len() as u32;
    Tag {
        tag,
        kind: 4,
        count,
        bytes,
    }
}

/// A little-endian TIFF or BigTIFF: header, pixel data, values, one directory. Offsets of strips
/// and tiles count from [`data_start`].
pub(crate) fn tiff(is_big: bool, data: &[u8], mut tags: Vec<Tag>) -> Vec<u8> {
    tags.sort_by_key(|t| t.tag);
    let header: &[u8] = match is_big {
        true => b"II+\0\x08\0\0\0",
        false => b"II*\0",
    };
    let mut file = header.to_vec();
    file.resize(data_start(is_big), 0);
    file.extend(data);
    let offset = |n: usize| match is_big {
        true => (n as u64).to_le_bytes().to_vec(),
        false => (n as u32).to_le_bytes().to_vec(),
    };
    let inline = if is_big { 8 } else { 4 };
    let mut entries = Vec::new();
    for tag in &tags {
        entries.extend(tag.tag.to_le_bytes());
        entries.extend(tag.kind.to_le_bytes());
        entries.extend(offset(tag.count as usize));
        let mut value = tag.bytes.clone();
        if value.len() > inline {
            file.resize(file.len().next_multiple_of(8), 0);
            value = offset(file.len());
            file.extend(&tag.bytes);
        }
        value.resize(inline, 0);
        entries.extend(value);
    }
    file.resize(file.len().next_multiple_of(8), 0);
    let directory = offset(file.len());
    match is_big {
        true => file[8..16].copy_from_slice(&directory),
        false => file[4..8].copy_from_slice(&directory),
    }
    match is_big {
        true => file.extend((tags.len() as u64).to_le_bytes()),
        false => file.extend((tags.len() as u16).to_le_bytes()),
    }
    file.extend(entries);
    file.extend(offset(0));
    file
}

/// Where the pixel data of [`tiff`] begins.
pub(crate) fn data_start(is_big: bool) -> usize {
    if is_big { 16 } else { 8 }
}

/// An uncompressed RGB TIFF of one strip, with more tags.
pub(crate) fn rgb_tiff(image: &Image, more: Vec<Tag>) -> Vec<u8> {
    let (width, height) = (image.width() as u16, image.height() as u16);
    let mut tags = vec![
        shorts(256, &[width]),
        shorts(257, &[height]),
        shorts(258, &[8, 8, 8]),
        shorts(259, &[1]),
        shorts(262, &[2]),
        longs(273, &[data_start(false) as u32]),
        shorts(277, &[3]),
        shorts(278, &[height]),
        longs(279, &[image.rgb().len() as u32]),
    ];
    tags.extend(more);
    tiff(false, image.rgb(), tags)
}

/// An uncompressed RGB TIFF whose planes lie apart, each in tiles of 16x16.
pub(crate) fn tiled_planar_tiff(is_big: bool, side: u16) -> Vec<u8> {
    const TILE: u16 = 16;
    let n_tiles = 3 * u32::from(side.div_ceil(TILE)).pow(2);
    let tile_bytes = u32::from(TILE).pow(2);
    let data: Vec<u8> = (0..n_tiles * tile_bytes).map(|i| (i % 251) as u8).collect();
    let start = data_start(is_big) as u32;
    let offsets: Vec<u32> = (0..n_tiles).map(|i| start + i * tile_bytes).collect();
    let tags = vec![
        shorts(256, &[side]),
        shorts(257, &[side]),
        shorts(258, &[8, 8, 8]),
        shorts(259, &[1]),
        shorts(262, &[2]),
        shorts(277, &[3]),
        shorts(284, &[2]),
        shorts(322, &[TILE]),
        shorts(323, &[TILE]),
        longs(324, &offsets),
        longs(325, &vec![tile_bytes; n_tiles as usize]),
    ];
    tiff(is_big, &data, tags)
}

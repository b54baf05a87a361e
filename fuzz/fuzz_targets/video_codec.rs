//! Any bytes as coded frames of H.264 or H.265 in a well-formed container, so that they reach the
//! decoders: an error or pictures within the limits, never a panic. The first byte chooses the
//! codec; then come the codec's record and the samples, each with its length before it.

#![no_main]

use std::fs;

use fusiform_video::{Video, VideoLimits};
use libfuzzer_sys::fuzz_target;

const CODECS: [&[u8]; 2] = [b"V_MPEG4/ISO/AVC", b"V_MPEGH/ISO/HEVC"];

/// An element of Matroska (RFC 9559).
fn element(id: u32, content: &[u8]) -> Vec<u8> {
    let id = id.to_be_bytes().into_iter().skip_while(|byte| *byte == 0);
    let size = (1 << 56 | content.len() as u64).to_be_bytes();
    id.chain(size).chain(content.iter().copied()).collect()
}

fn file(codec: &[u8], record: &[u8], samples: &[&[u8]]) -> Vec<u8> {
    let video = [element(0xb0, &[64]), element(0xba, &[64])].concat();
    let track = [
        element(0xd7, &[1]),
        element(0x73c5, &[1]),
        element(0x83, &[1]),
        element(0x86, codec),
        element(0x63a2, record),
        element(0xe0, &video),
    ];
    let block = |(n, sample): (usize, &&[u8])| {
        let head = [0x81, 0, (n * 40 % 128) as u8, 0x80];
        element(0xa3, &[&head, *sample].concat())
    };
    let blocks: Vec<u8> = samples.iter().enumerate().flat_map(block).collect();
    let segment = [
        element(0x1549_a966, &element(0x2a_d7b1, &1_000_000u32.to_be_bytes())),
        element(0x1654_ae6b, &element(0xae, &track.concat())),
        element(0x1f43_b675, &[element(0xe7, &[0]), blocks].concat()),
    ];
    let head = [element(0x4282, b"matroska"), element(0x4287, &[4]), element(0x4285, &[2])];
    [element(0x1a45_dfa3, &head.concat()), element(0x1853_8067, &segment.concat())].concat()
}

/// The bytes that the two before them count.
fn counted<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
    let (found, after) = after.split_at(length);
    *rest = after;
    Some(found)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, mut rest)) = bytes.split_first() else { return };
    let Some(record) = counted(&mut rest) else { return };
    let samples: Vec<&[u8]> = std::iter::from_fn(|| counted(&mut rest)).take(64).collect();
    let codec = CODECS[usize::from(*choice) % CODECS.len()];
    let path = std::env::temp_dir().join(format!("fusiform-fuzz-codec-{}", std::process::id()));
    if fs::write(&path, file(codec, record, &samples)).is_err() {
        return;
    }
    let limits = VideoLimits {
        max_pixels: 1 << 18,
        max_samples: 64,
        max_sample_bytes: 1 << 20,
        ..VideoLimits::default()
    };
    if let Ok(video) = Video::open(&path, &limits) {
        for picture in video.pictures().flatten() {
            let planes = picture.planes;
            assert!(u64::from(planes.width_px) * u64::from(planes.height_px) <= limits.max_pixels);
        }
    }
});

//! Files that are small and ask for much: refused from the header, or decoded in bounded memory and
//! time.

#[path = "made/files.rs"]
mod made;

use std::time::{Duration, Instant};

use fusiform_face::image::{
    DecodeLimits, Image, ImageError, Note, decode, decode_reduced, encode_jpeg, encode_png,
};
use made::{with_jpeg_segment, with_png_chunk};

fn bytes_of(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/testdata/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn refused(file: &[u8]) -> ImageError {
    decode(file, &DecodeLimits::default()).expect_err("a file to refuse")
}

/// A lossless WebP of 38 bytes whose header claims 200 million pixels.
fn webp_claiming_much() -> Vec<u8> {
    let (width, height) = (16_383u32, 12_207u32);
    let mut file = Vec::from(b"RIFF\x1E\0\0\0WEBPVP8L\x12\0\0\0\x2F");
    file.extend(((width - 1) | (height - 1) << 14).to_le_bytes());
    file.resize(38, 0);
    file
}

/// A bitmap of 1 KB whose header claims 206 million bytes of rows.
fn bmp_claiming_much(bits: u16, compression: u32) -> Vec<u8> {
    let mut file = Vec::from(b"BM\0\x04\0\0\0\0\0\0\x36\0\0\0");
    file.extend(40u32.to_le_bytes());
    file.extend(14_000u32.to_le_bytes());
    file.extend(14_000u32.to_le_bytes());
    file.extend(1u16.to_le_bytes());
    file.extend(bits.to_le_bytes());
    file.extend(compression.to_le_bytes());
    // Behind the palette of 256 colours nothing is left.
    file.resize(1100, 0);
    file
}

/// A small PNG whose profile inflates to 64 MB.
fn png_with_icc_bomb() -> Vec<u8> {
    let zeros = fdeflate::compress_to_vec(&vec![0; 64 << 20]);
    let content = [b"bomb\0\0", &zeros[..]].concat();
    with_png_chunk(&encode_png(&grey(64, 64)).unwrap(), b"iCCP", &content)
}

/// A small PNG whose compressed text inflates to 64 MB.
fn png_with_text_bomb() -> Vec<u8> {
    let zeros = fdeflate::compress_to_vec(&vec![b' '; 64 << 20]);
    let content = [b"Comment\0\0", &zeros[..]].concat();
    with_png_chunk(&encode_png(&grey(64, 64)).unwrap(), b"zTXt", &content)
}

/// A small progressive JPEG whose last scan is repeated.
fn jpeg_with_scans(more: usize) -> Vec<u8> {
    let file = bytes_of("progressive.jpg");
    let last = file.windows(2).rposition(|w| w == b"\xFF\xDA").unwrap();
    let end = file.len() - 2;
    let scans = file[last..end].repeat(more);
    [&file[..end], &scans, &file[end..]].concat()
}

fn grey(width: u32, height: u32) -> Image {
    Image::new(width, height, vec![128; (width * height * 3) as usize]).unwrap()
}

#[test]
fn a_header_that_a_photo_of_so_few_bytes_cannot_have_is_refused() {
    let error = refused(&webp_claiming_much());
    assert!(
        matches!(error, ImageError::TooFewBytes { bytes: 38, .. }),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        text.contains("16383x12207 px") && text.contains(';'),
        "{text}"
    );
    // Without compression every row must be there; run lengths may skip rows.
    let error = refused(&bmp_claiming_much(24, 0));
    assert!(matches!(error, ImageError::Truncated { .. }), "{error}");
    let error = refused(&bmp_claiming_much(8, 1));
    assert!(matches!(error, ImageError::TooFewBytes { .. }), "{error}");
}

#[test]
fn what_inflates_beyond_its_limit_is_left_alone() {
    let decoded = decode(&png_with_icc_bomb(), &DecodeLimits::default()).unwrap();
    assert!(decoded.image == grey(64, 64));
    let note = decoded.notes[0].to_string();
    assert!(note.contains("inflates to more than"), "{note}");
    let decoded = decode(&png_with_text_bomb(), &DecodeLimits::default()).unwrap();
    assert_eq!(decoded.notes, []);
    assert!(decoded.image == grey(64, 64));
}

#[test]
fn metadata_over_its_limit_is_ignored_with_a_note() {
    let limits = DecodeLimits {
        max_metadata_bytes: 20,
        max_icc_bytes: 20,
        ..DecodeLimits::default()
    };
    let file = encode_jpeg(&grey(16, 16), 90).unwrap();
    let exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let file = with_jpeg_segment(&file, 0xE1, exif);
    assert_eq!(decode(&file, &DecodeLimits::default()).unwrap().notes, []);
    let profile = [&b"ICC_PROFILE\0\x01\x01"[..], &[0; 100]].concat();
    let file = with_jpeg_segment(&file, 0xE2, &profile);
    let notes = decode(&file, &limits).unwrap().notes;
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes.contains(&Note::MetadataIgnored { limit: 20 }));
}

#[test]
fn a_jpeg_of_many_scans_is_refused_before_it_is_decoded() {
    let limits = DecodeLimits::default();
    assert!(decode(&jpeg_with_scans(3), &limits).is_ok());
    let bomb = jpeg_with_scans(2000);
    for error in [
        decode(&bomb, &limits).unwrap_err(),
        decode_reduced(&bomb, &limits, 8).unwrap_err(),
    ] {
        assert!(
            matches!(error, ImageError::TooManyScans { limit: 100, .. }),
            "{error}"
        );
    }
}

#[test]
fn time_over_is_an_error_of_every_format() {
    let none = DecodeLimits {
        max_time: Duration::ZERO,
        ..DecodeLimits::default()
    };
    for name in ["reference.png", "baseline_420.jpg", "lossy.webp", "lzw.tif"] {
        let error = decode(&bytes_of(name), &none).unwrap_err();
        assert!(
            matches!(error, ImageError::TooSlow { .. }),
            "{name}: {error}"
        );
    }
    // The clock is read between rows too: this picture takes far longer than a millisecond.
    let short = DecodeLimits {
        max_time: Duration::from_millis(1),
        ..DecodeLimits::default()
    };
    let started = Instant::now();
    let large = encode_png(&grey(4000, 3000)).unwrap();
    let encoding = started.elapsed();
    let started = Instant::now();
    let error = decode(&large, &short).unwrap_err();
    assert!(matches!(error, ImageError::TooSlow { .. }), "{error}");
    assert!(started.elapsed() < encoding + Duration::from_secs(1));
}

/// Peak memory of this process in MB, if the system tells.
fn peak_mb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? / 1024)
}

#[test]
fn the_small_files_above_cost_little_memory() {
    let files = [
        webp_claiming_much(),
        bmp_claiming_much(24, 0),
        bmp_claiming_much(8, 1),
    ];
    let bombs = [png_with_icc_bomb(), png_with_text_bomb()];
    let before = peak_mb();
    for file in files.iter().chain(&bombs) {
        for _ in 0..3 {
            let _ = decode(file, &DecodeLimits::default());
        }
    }
    // Making the bombs took 64 MB each; other tests of this file run beside this one.
    if let (Some(before), Some(after)) = (before, peak_mb()) {
        assert!(after < before + 200, "{before} MB, then {after} MB");
    }
}

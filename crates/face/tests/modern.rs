//! HEIC, AVIF, JPEG XL and raw files: whole, turned, transparent, cut, hit, and asking for much.
//! The pictures come from `testdata/make_modern.py`, which uses libheif, libavif and libjxl.

use fusiform_face::image::{
    DecodeLimits, Decoded, Format, Image, ImageError, Note, Orientation, decode, encode_jpeg,
};
use proptest::prelude::*;

const FILES: [&str; 12] = [
    "plain.heic",
    "turned.heic",
    "alpha.heic",
    "plain.avif",
    "full.avif",
    "turned.avif",
    "alpha.avif",
    "grey.avif",
    "lossless.jxl",
    "lossy.jxl",
    "alpha.jxl",
    "grey.jxl",
];

fn bytes_of(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/testdata/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn open(name: &str) -> Decoded {
    decode(&bytes_of(name), &DecodeLimits::default()).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn mean_difference(a: &Image, b: &Image) -> f64 {
    assert_eq!(a.size(), b.size());
    let pairs = a.rgb().iter().zip(b.rgb());
    let sum: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.rgb().len() as f64
}

#[test]
fn every_file_gives_the_drawing_upright() {
    let (reference, on_white) = (
        open("reference.png").image,
        open("alpha_reference.png").image,
    );
    for name in FILES {
        let decoded = open(name);
        let format = match name.split('.').next_back() {
            Some("heic") => Format::Heic,
            Some("avif") => Format::Avif,
            _ => Format::JpegXl,
        };
        assert_eq!(decoded.format, format, "{name}");
        // The decoder has turned the picture; the EXIF block, which says the same, must not again.
        assert_eq!(decoded.orientation, Orientation::Upright, "{name}");
        if name.starts_with("grey") {
            let pixels = decoded.image.rgb().as_chunks::<3>().0;
            assert!(
                pixels.iter().all(|p| p[0] == p[1] && p[1] == p[2]),
                "{name}"
            );
            let luma: Vec<u8> = reference
                .rgb()
                .as_chunks::<3>()
                .0
                .iter()
                .flat_map(grey)
                .collect();
            let luma = Image::new(48, 32, luma).unwrap();
            assert!(mean_difference(&decoded.image, &luma) < 2.0, "{name}");
            continue;
        }
        let expected = if name.starts_with("alpha") {
            &on_white
        } else {
            &reference
        };
        let away = mean_difference(&decoded.image, expected);
        assert!(away <= 2.0, "{name}: {away:.2} steps away on average");
    }
}

fn grey(p: &[u8; 3]) -> [u8; 3] {
    let luma = 0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]);
    [luma.round() as u8; 3]
}

#[test]
fn dates_of_their_exif_blocks_are_read() {
    for name in [
        "plain.heic",
        "plain.avif",
        "lossy.jxl",
        "turned.heic",
        "turned.avif",
    ] {
        let date = open(name).taken_at;
        assert_eq!(date.as_deref(), Some("1998-12-31T23:59:58"), "{name}");
    }
}

/// Small enough that a lying header cannot make a test slow.
const LIMITS: DecodeLimits = DecodeLimits {
    max_bytes: 1 << 20,
    max_pixels: 1 << 18,
    max_side_px: 4096,
    max_pixels_per_byte: 16,
    ..DecodeLimits::DEFAULT
};

#[test]
fn a_file_that_is_cut_is_an_error_or_the_whole_picture() {
    for name in FILES {
        let whole = bytes_of(name);
        let expected = decode(&whole, &LIMITS).unwrap().image;
        for end in 0..whole.len() {
            match decode(&whole[..end], &LIMITS) {
                Ok(decoded) => assert!(decoded.image == expected, "{name} cut at {end}"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(
                        text.contains(';'),
                        "{name} cut at {end}: no remedy in {text:?}"
                    );
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn bytes_that_were_hit_give_an_error_or_a_picture_within_the_limits(
        file in 0..FILES.len(),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = bytes_of(FILES[file]);
        for (at, value) in hits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(decoded) = decode(&bytes, &LIMITS) {
            let pixels = u64::from(decoded.image.width()) * u64::from(decoded.image.height());
            prop_assert!(pixels <= LIMITS.max_pixels);
        }
    }
}

/// The file with the sides in its property `ispe` replaced.
fn heif_claiming(name: &str, width: u32, height: u32) -> Vec<u8> {
    let mut file = bytes_of(name);
    let at = file.windows(4).position(|w| w == b"ispe").unwrap() + 8;
    file[at..at + 4].copy_from_slice(&width.to_be_bytes());
    file[at + 4..at + 8].copy_from_slice(&height.to_be_bytes());
    file
}

#[test]
fn sizes_that_so_few_bytes_cannot_hold_are_refused_before_anything_is_decoded() {
    for name in ["plain.heic", "plain.avif", "plain.avif"] {
        let error = decode(
            &heif_claiming(name, 16_000, 6_000),
            &DecodeLimits::default(),
        );
        assert!(
            matches!(error, Err(ImageError::TooFewBytes { .. })),
            "{name}: {error:?}"
        );
        let error = decode(
            &heif_claiming(name, 16_000, 12_000),
            &DecodeLimits::default(),
        );
        assert!(
            matches!(error, Err(ImageError::TooManyPixels { .. })),
            "{name}: {error:?}"
        );
    }
    // 262144 x 262144: the sides of a bare codestream in 18 bits each.
    let mut bomb = vec![0xFF, 0x0A, 0xFC, 0xFF, 0x1F, 0xFE, 0xFF, 0x3F];
    bomb.resize(32, 0);
    let error = decode(&bomb, &DecodeLimits::default()).unwrap_err();
    let is_refused = matches!(
        error,
        ImageError::TooManyPixels { .. } | ImageError::TooFewBytes { .. }
    );
    assert!(is_refused, "{error}");
}

#[test]
fn what_a_container_holds_otherwise_is_named() {
    let mut file = bytes_of("plain.heic");
    let at = file.windows(4).position(|w| w == b"hvc1").unwrap();
    file[at..at + 4].copy_from_slice(b"vvc1");
    let error = decode(&file, &DecodeLimits::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("coded as vvc1") && error.contains("HEIC"),
        "{error}"
    );
}

/// A JPEG of one colour.
fn preview(width: u32, height: u32) -> Vec<u8> {
    let rgb = [180, 120, 60].repeat((width * height) as usize);
    encode_jpeg(&Image::new(width, height, rgb).unwrap(), 90).unwrap()
}

/// A TIFF-style raw file: a directory with maker, orientation, date and a directory of sensor
/// samples, then two previews.
fn tiff_style_raw(orientation: u8) -> Vec<u8> {
    let mut file = b"II*\0\x08\0\0\0\x04\0".to_vec();
    file.extend(b"\x0F\x01\x02\0\x04\0\0\0CAM\0");
    file.extend([0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0]);
    file.extend(b"\x4A\x01\x04\0\x01\0\0\0\x58\0\0\0");
    file.extend(b"\x69\x87\x04\0\x01\0\0\0\x70\0\0\0\0\0\0\0");
    file.resize(0x58, 0);
    // Samples behind a colour filter.
    file.extend(b"\x01\0\x06\x01\x03\0\x01\0\0\0\x23\x80\0\0\0\0\0\0");
    file.resize(0x70, 0);
    file.extend(b"\x01\0\x03\x90\x02\0\x14\0\0\0\x90\0\0\0\0\0\0\0");
    file.resize(0x90, 0);
    file.extend(b"2020:02:29 12:00:00\0");
    file.extend(preview(16, 12));
    file.extend([0; 100]);
    file.extend(preview(64, 48));
    file
}

#[test]
fn raw_files_give_their_largest_preview_turned_as_they_state() {
    let raw = decode(&tiff_style_raw(6), &DecodeLimits::default()).unwrap();
    assert_eq!(raw.format, Format::Raw);
    assert_eq!((raw.image.width(), raw.image.height()), (48, 64));
    assert_eq!(raw.taken_at.as_deref(), Some("2020-02-29T12:00:00"));
    assert!(
        matches!(raw.notes[..], [Note::PreviewRead { .. }]),
        "{:?}",
        raw.notes
    );

    // The kinds of Fujifilm and Canon.
    let raf = [b"FUJIFILMCCD-RAW 0201", &[0; 80][..], &preview(32, 24)].concat();
    let raf = decode(&raf, &DecodeLimits::default()).unwrap();
    assert_eq!((raf.format, raf.image.width()), (Format::Raw, 32));
    let boxes = b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom\0\0\0\x2ECMT1II*\0\x08\0\0\0\x01\0\
                  \x12\x01\x03\0\x01\0\0\0\x08\0\0\0\0\0\0\0";
    let cr3 = [&boxes[..], &preview(32, 24)].concat();
    let cr3 = decode(&cr3, &DecodeLimits::default()).unwrap();
    assert_eq!((cr3.format, cr3.image.width()), (Format::Raw, 24));
    assert_eq!(cr3.orientation, Orientation::RotatedRight);
}

#[test]
fn a_raw_file_without_a_preview_is_named_as_such() {
    let whole = tiff_style_raw(1);
    let error = decode(&whole[..0xA4], &DecodeLimits::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("raw file") && error.contains("preview"),
        "{error}"
    );
}

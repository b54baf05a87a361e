//! TIFFs in the layouts that programs other than cameras write. The pictures come from
//! `testdata/make_tiff.py`, which uses libtiff's codecs.

#[path = "made/files.rs"]
mod made;

use fusiform_face::image::{DecodeLimits, Image, ImageError, decode};
use made::{longs, shorts, tiff, tiled_planar_tiff};
use proptest::prelude::*;

const FILES: [&str; 13] = [
    "tiled_planar",
    "planar_lzw_16",
    "big_endian_16",
    "zstd",
    "float",
    "half_float",
    "ycbcr_jpeg",
    "rgb_jpeg",
    "palette_8",
    "palette_4",
    "grey_2",
    "grey_4",
    "ycbcr_2x2",
];

fn bytes_of(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/testdata/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn open(name: &str) -> Image {
    let decoded = decode(&bytes_of(name), &DecodeLimits::default());
    decoded.unwrap_or_else(|e| panic!("{name}: {e}")).image
}

fn mean_difference(a: &Image, b: &Image) -> f64 {
    assert_eq!(a.size(), b.size());
    let pairs = a.rgb().iter().zip(b.rgb());
    let sum: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.rgb().len() as f64
}

#[test]
fn every_layout_gives_the_drawing() {
    let reference = open("reference.png");
    let palette = open("palette_reference.png");
    let grey = |p: &[u8; 3], bits: u32| {
        let luma =
            (19_595 * u32::from(p[0]) + 38_470 * u32::from(p[1]) + 7471 * u32::from(p[2]) + 0x8000)
                >> 16;
        let value = luma >> (8 - bits);
        [(value * 255 / ((1 << bits) - 1)) as u8; 3]
    };
    let greys = |bits: u32| {
        let pixels = reference.rgb().as_chunks::<3>().0.iter();
        Image::new(48, 32, pixels.flat_map(|p| grey(p, bits)).collect()).unwrap()
    };
    for name in FILES {
        let image = open(&format!("tiff/{name}.tif"));
        let (expected, most) = match name {
            "palette_8" | "palette_4" => (palette.clone(), 0.0),
            "grey_2" => (greys(2), 0.1),
            "grey_4" => (greys(4), 0.1),
            "ycbcr_jpeg" | "rgb_jpeg" | "ycbcr_2x2" => (reference.clone(), 2.0),
            "half_float" => (reference.clone(), 0.1),
            _ => (reference.clone(), 0.0),
        };
        let away = mean_difference(&image, &expected);
        assert!(away <= most, "{name}: {away:.2} steps away on average");
    }
    let away = mean_difference(&open("tiff/lab.tif"), &reference);
    assert!(away <= 2.0, "lab: {away:.2}");
}

#[test]
fn a_file_that_is_cut_is_an_error_or_the_whole_picture() {
    for name in FILES {
        let whole = bytes_of(&format!("tiff/{name}.tif"));
        let expected = decode(&whole, &DecodeLimits::default()).unwrap().image;
        for end in (0..whole.len()).step_by(3) {
            match decode(&whole[..end], &DecodeLimits::default()) {
                Ok(decoded) => assert!(
                    decoded.image == expected || !decoded.notes.is_empty(),
                    "{name} cut at {end}"
                ),
                Err(error) => assert!(error.to_string().contains(';'), "{error}"),
            }
        }
    }
}

const LIMITS: DecodeLimits = DecodeLimits {
    max_bytes: 1 << 20,
    max_pixels: 1 << 18,
    max_side_px: 4096,
    max_pixels_per_byte: 16,
    ..DecodeLimits::DEFAULT
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn bytes_that_were_hit_give_an_error_or_a_picture_within_the_limits(
        file in 0..FILES.len(),
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = bytes_of(&format!("tiff/{}.tif", FILES[file]));
        for (at, value) in hits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(decoded) = decode(&bytes, &LIMITS) {
            prop_assert!(decoded.image.rgb().len() as u64 <= LIMITS.max_pixels * 3);
        }
    }
}

#[test]
fn planes_of_tiles_are_read_and_no_panic() {
    for side in [16, 17, 40, 100] {
        let image = decode(&tiled_planar_tiff(false, side), &DecodeLimits::default());
        let image = image.unwrap().image;
        assert_eq!(image.width(), u32::from(side));
        // The planes hold 0, 1, 2, … modulo 251, tile by tile.
        let tiles = usize::from(side.div_ceil(16)).pow(2);
        let expected = [0, tiles * 256 % 251, tiles * 512 % 251].map(|v| v as u8);
        assert_eq!(image.pixel(0, 0), expected);
    }
    // The panic of the large variant's decoder is contained.
    let error = decode(&tiled_planar_tiff(true, 40), &DecodeLimits::default());
    assert!(matches!(
        error,
        Err(ImageError::DecoderFailed { .. } | ImageError::Unsupported { .. })
    ));
}

#[test]
fn a_tile_that_is_larger_than_its_bytes_can_hold_is_refused() {
    let tags = vec![
        shorts(256, &[1]),
        shorts(257, &[1]),
        shorts(258, &[8]),
        shorts(259, &[8]),
        shorts(262, &[3]),
        longs(322, &[60_000]),
        longs(323, &[60_000]),
        longs(324, &[8]),
        longs(325, &[8]),
        shorts(320, &[0; 768]),
    ];
    let file = tiff(false, &[0; 8], tags);
    let error = decode(&file, &DecodeLimits::default()).unwrap_err();
    let is_refused = matches!(
        error,
        ImageError::TooManyPixels { .. } | ImageError::TooFewBytes { .. }
    );
    assert!(is_refused, "{error}");
}

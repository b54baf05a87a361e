//! Whatever the picture, making it worse in one way never makes that part of the quality better.

use fusiform_face::align::{REFERENCE, align};
use fusiform_face::detect::DetectedFace;
use fusiform_face::geometry::{BoundingBox, Landmarks, Point};
use fusiform_face::image::Image;
use fusiform_face::quality::{Quality, assess};
use proptest::prelude::*;

const SIDE: u32 = 224;

/// Waves of several lengths, as hair, skin and background are; no two seeds alike.
fn textured(seed: [f32; 4]) -> Image {
    let value = |x: f32, y: f32, phase: f32| {
        let waves = [
            (0.02, 30.0),
            (0.05, 25.0),
            (0.13, 15.0),
            (0.41, 12.0),
            (0.9, 9.0),
        ];
        let sum: f32 = waves
            .iter()
            .zip(seed.iter().cycle())
            .map(|((f, height), s)| {
                (f * (x * s.cos() - y * s.sin()) * 6.3 + phase + s).sin() * height
            })
            .sum();
        (128.0 + sum).clamp(0.0, 255.0) as u8
    };
    let pixel = |i: u32| {
        let (x, y) = ((i % SIDE) as f32, (i / SIDE) as f32);
        [value(x, y, 0.0), value(x, y, 0.3), value(x, y, 0.6)]
    };
    Image::new(SIDE, SIDE, (0..SIDE * SIDE).flat_map(pixel).collect()).unwrap()
}

/// Judges the picture as a face whose landmarks lie where the reference has them, `scale` times as
/// far apart.
fn judge(image: &Image, scale: f32) -> Quality {
    let landmarks = Landmarks::from_array(REFERENCE.map(|p| Point {
        x: p.x * scale,
        y: p.y * scale,
    }));
    let bbox = BoundingBox {
        x_min: 0.0,
        y_min: 0.0,
        x_max: 112.0 * scale,
        y_max: 112.0 * scale,
    };
    let face = DetectedFace {
        bbox,
        score: 0.9,
        landmarks: Some(landmarks),
    };
    assess(&face, &align(image, &landmarks).unwrap())
}

/// Nearly a Gaussian of `1.4 * radius` px: means of the neighbours, three times over.
fn blurred(image: &Image, radius: i64) -> Image {
    let (width, height) = (i64::from(image.width()), i64::from(image.height()));
    let mut rgb = image.rgb().to_vec();
    for (dx, dy) in [(1, 0), (0, 1)].repeat(3) {
        let from = rgb.clone();
        for (i, value) in rgb.iter_mut().enumerate() {
            let (pixel, channel) = (i as i64 / 3, i % 3);
            let (x, y) = (pixel % width, pixel / width);
            let near = (-radius..=radius).map(|k| {
                let (x, y) = (
                    (x + k * dx).clamp(0, width - 1),
                    (y + k * dy).clamp(0, height - 1),
                );
                u32::from(from[((y * width + x) * 3) as usize + channel])
            });
            *value = (near.sum::<u32>() / (2 * radius as u32 + 1)) as u8;
        }
    }
    Image::new(image.width(), image.height(), rgb).unwrap()
}

fn lit(image: &Image, gain: f32, offset: f32) -> Image {
    let rgb = image
        .rgb()
        .iter()
        .map(|&v| (f32::from(v) * gain + offset).round() as u8)
        .collect();
    Image::new(image.width(), image.height(), rgb).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn worse_pictures_read_worse(seed in prop::array::uniform4(-3.1f32..3.1)) {
        let image = textured(seed);
        let good = judge(&image, 2.0);
        for part in [good.overall, good.size, good.sharpness, good.exposure, good.frontal] {
            prop_assert!((0.0..=1.0).contains(&part), "{good:?}");
        }

        let mut before = good;
        for radius in [1, 2, 4, 8] {
            let soft = judge(&blurred(&image, radius), 2.0);
            prop_assert!(soft.sharpness <= before.sharpness + 0.01 && soft.size == before.size);
            before = soft;
        }
        prop_assert!(before.overall < 0.75 * good.overall, "{good:?} {before:?}");

        let mut before = good;
        for gain in [0.6, 0.3, 0.15, 0.07, 0.03] {
            let dark = judge(&lit(&image, gain, 0.0), 2.0);
            prop_assert!(dark.exposure <= before.exposure + 1e-3);
            before = dark;
        }
        prop_assert!(before.exposure < 0.3 * good.exposure);

        let mut before = good.exposure;
        for offset in [60.0, 110.0, 160.0, 220.0] {
            let burnt = judge(&lit(&image, 1.0, offset), 2.0).exposure;
            prop_assert!(burnt <= before + 1e-3);
            before = burnt;
        }
        prop_assert!(before < 0.5 * good.exposure);

        let mut before = good;
        for longest in [160, 90, 50, 30, 16] {
            let small = judge(&image.shrunk_to(longest), 2.0 * longest as f32 / SIDE as f32);
            prop_assert!(small.size <= before.size && small.overall <= before.overall + 0.02);
            before = small;
        }
        prop_assert!(before.size < 0.3 && before.overall < 0.3 * good.overall);
    }
}

#[test]
fn nothing_at_all_is_worth_nothing() {
    let flat = Image::new(SIDE, SIDE, vec![128; (SIDE * SIDE * 3) as usize]).unwrap();
    let quality = judge(&flat, 2.0);
    assert!(quality.overall < 0.01, "{quality:?}");
    assert!(quality.size > 0.99 && quality.detector_score == 0.9);
}

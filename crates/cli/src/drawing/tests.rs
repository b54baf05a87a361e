//! Tests of drawing: what is marked, and what is left alone.

use super::*;
use proptest::prelude::*;

fn face(bbox: [f32; 4]) -> MarkedFace {
    let at = |x: f32, y: f32| {
        (
            bbox[0] + x * (bbox[2] - bbox[0]),
            bbox[1] + y * (bbox[3] - bbox[1]),
        )
    };
    let landmarks = [
        at(0.3, 0.4),
        at(0.7, 0.4),
        at(0.5, 0.6),
        at(0.35, 0.8),
        at(0.65, 0.8),
    ];
    MarkedFace {
        bbox,
        landmarks: Some(landmarks),
        label: "Ada 0.93".into(),
    }
}

fn drawn(width: usize, height: usize, faces: &[MarkedFace]) -> Vec<u8> {
    let mut canvas = RgbCanvas {
        width,
        height,
        rgb: vec![90; width * height * 3],
    };
    draw_faces(&mut canvas, faces).unwrap();
    canvas.rgb
}

fn pixel(rgb: &[u8], width: usize, x: usize, y: usize) -> [u8; 3] {
    let at = (y * width + x) * 3;
    [rgb[at], rgb[at + 1], rgb[at + 2]]
}

#[test]
fn box_dots_and_label_are_where_they_belong() {
    let rgb = drawn(400, 300, &[face([100.0, 100.0, 200.0, 220.0])]);
    let tone = [93, 189, 255];
    for (x, y) in [(100, 160), (199, 160), (150, 100), (150, 219)] {
        let near = |a: [u8; 3]| a.iter().zip(tone).all(|(a, b)| a.abs_diff(b) < 60);
        let found = pixel(&rgb, 400, x, y);
        assert!(near(found), "the box's edge at {x},{y} is {found:?}");
    }
    assert_eq!(
        pixel(&rgb, 400, 130, 148),
        [255; 3],
        "the subject's right eye"
    );
    assert_eq!(
        pixel(&rgb, 400, 150, 130),
        [90; 3],
        "inside, the photo is untouched"
    );
    assert_eq!(
        pixel(&rgb, 400, 20, 20),
        [90; 3],
        "far off, the photo is untouched"
    );
    let above = (70..100).flat_map(|y| (100..160).map(move |x| (x, y)));
    let plate: Vec<_> = above.map(|(x, y)| pixel(&rgb, 400, x, y)).collect();
    assert!(plate.contains(&tone) && plate.iter().any(|p| p.iter().all(|c| *c < 40)));
}

#[test]
fn bands_leave_no_seam() {
    // The same face across the seam of two bands and away from it must look the same.
    let across = drawn(400, 600, &[face([100.0, 206.0, 200.0, 306.0])]);
    let away = drawn(400, 600, &[face([100.0, 306.0, 200.0, 406.0])]);
    assert_eq!(across[150 * 1200..350 * 1200], away[250 * 1200..450 * 1200]);
}

#[test]
fn pixels_that_do_not_fit_are_refused() {
    let mut canvas = RgbCanvas {
        width: 2,
        height: 2,
        rgb: vec![0; 10],
    };
    let error = draw_faces(&mut canvas, &[]).unwrap_err();
    assert!(
        error.to_string().contains("2×2 pixels has 10 bytes"),
        "{error}"
    );
}

#[test]
fn boxes_that_are_none_change_nothing() {
    let nan = f32::NAN;
    for bbox in [
        [nan, 0.0, 10.0, 10.0],
        [30.0, 30.0, 20.0, 40.0],
        [-50.0, -50.0, -10.0, -10.0],
    ] {
        assert!(
            drawn(64, 64, &[face(bbox)]).iter().all(|c| *c == 90),
            "{bbox:?}"
        );
    }
    assert!(drawn(0, 64, &[face([0.0, 0.0, 10.0, 10.0])]).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_numbers_are_drawn_or_left_out(
        size in (1usize..80, 1usize..600),
        bbox in prop::array::uniform4(prop::num::f32::ANY),
        near in prop::array::uniform4(-100.0f32..700.0),
        eye in (prop::num::f32::ANY, prop::num::f32::ANY),
        label in ".{0,40}",
    ) {
        for bbox in [bbox, near] {
            let (landmarks, label) = (Some([eye; 5]), label.clone());
            let marked = MarkedFace { landmarks, label, ..face(bbox) };
            drawn(size.0, size.1, &[marked]);
        }
    }
}

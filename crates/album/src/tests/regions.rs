//! Boxes of other programs: the eight orientations, and in which frame a program has drawn.

use fusiform_face::image::{Image, Orientation};

use super::*;
use crate::regions::{Frame, Regions, RelativeBox};

#[test]
fn a_box_turns_with_its_pixels_in_all_eight_orientations() {
    // A picture of 4 by 3 pixels with one of ink.
    let (width, height) = (4u32, 3u32);
    for orientation in Orientation::ALL {
        for at in 0..width * height {
            let mut rgb = vec![0; (width * height * 3) as usize];
            rgb[at as usize * 3] = 255;
            let stored = Image::new(width, height, rgb).unwrap();
            let upright = orientation.upright(stored);
            let ink = upright.rgb().chunks(3).position(|p| p[0] == 255).unwrap() as u32;
            let pixel = |at: u32, width: u32, height: u32| {
                let bbox = BoundingBox {
                    x_min: (at % width) as f32,
                    y_min: (at / width) as f32,
                    x_max: (at % width) as f32 + 1.0,
                    y_max: (at / width) as f32 + 1.0,
                };
                RelativeBox::from_pixels(&bbox, width, height)
            };
            let here = pixel(at, width, height);
            let there = pixel(ink, upright.width(), upright.height());
            let near = |a: RelativeBox, b: RelativeBox| {
                let sides = |r: RelativeBox| [r.x_min, r.y_min, r.x_max, r.y_max];
                sides(a)
                    .iter()
                    .zip(sides(b))
                    .all(|(a, b)| (a - b).abs() < 1e-6)
            };
            assert!(
                near(here.upright(orientation), there),
                "{orientation:?} {at}"
            );
            assert!(
                near(there.stored(orientation), here),
                "{orientation:?} {at}"
            );
        }
    }
}

#[test]
fn the_size_tells_whether_a_program_drew_upright() {
    let drawn = |size, is_upright| Regions {
        drawn_on: size,
        is_upright,
        ..Regions::default()
    };
    let upright_px = (3024, 4032);
    for orientation in Orientation::ALL {
        let is_on_side = orientation as u32 >= 5;
        let (stored, other) = match is_on_side {
            true => ((4032, 3024), (3024, 4032)),
            false => ((3024, 4032), (4032, 3024)),
        };
        // The standard, at full and at half size.
        for size in [Some(stored), Some((stored.0 / 2, stored.1 / 2)), None] {
            let frame = drawn(size, false).frame(upright_px, orientation);
            assert_eq!(frame, Some(Frame::Stored), "{orientation:?} {size:?}");
        }
        let frame = drawn(Some(other), false).frame(upright_px, orientation);
        let wanted = is_on_side.then_some(Frame::Upright);
        assert_eq!(frame, wanted, "{orientation:?}: drawn on {other:?}");
        // Cropped since: the boxes would lie elsewhere.
        assert_eq!(
            drawn(Some((3000, 3000)), false).frame(upright_px, orientation),
            None
        );
        assert_eq!(
            drawn(None, true).frame(upright_px, orientation),
            Some(Frame::Upright)
        );
    }
}

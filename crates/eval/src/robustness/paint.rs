//! Changed copies of a photo. In: an [`Image`], landmarks. Out: an [`Image`].
//! Knows nothing of engines.

use fusiform::Point;
use fusiform::image::Image;

/// The colour of a surgical mask, and of glass that lets nothing through.
const MASK: [u8; 3] = [160, 190, 205];
const BAR: [u8; 3] = [18, 18, 20];

/// Each way of a pixel is looked at so many times, so that edges are soft.
const SAMPLES: u32 = 4;

/// Every value of every channel.
pub(super) fn by_value(image: &Image, value: impl Fn(u8) -> u8) -> Image {
    let mut changed = image.clone();
    for byte in changed.rgb_mut() {
        *byte = value(*byte);
    }
    changed
}

pub(super) fn grey(image: &Image) -> Image {
    let mut changed = image.clone();
    for pixel in changed.rgb_mut().chunks_exact_mut(3) {
        let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
        pixel.fill((0.299 * r + 0.587 * g + 0.114 * b).round() as u8);
    }
    changed
}

/// Turned clockwise about its middle, on a square that all of it fits into; the edge is repeated.
pub(super) fn turned(image: &Image, deg: f32) -> Image {
    let (w, h) = (image.width() as f32, image.height() as f32);
    let side = w.hypot(h).ceil().max(1.0);
    let (sin, cos) = deg.to_radians().sin_cos();
    let n = side as u32;
    let mut rgb = Vec::with_capacity(n as usize * n as usize * 3);
    for row in 0..n {
        for column in 0..n {
            let (x, y) = (
                column as f32 + 0.5 - side / 2.0,
                row as f32 + 0.5 - side / 2.0,
            );
            // Back by the turn: what a clockwise turn brought here.
            let from = (
                cos * x + sin * y + w / 2.0 - 0.5,
                cos * y - sin * x + h / 2.0 - 0.5,
            );
            rgb.extend(between(image, from.0, from.1));
        }
    }
    filled(n, n, rgb)
}

/// The pixel at a place between pixels' middles, bilinear; beyond the edge the edge.
fn between(image: &Image, x: f32, y: f32) -> [u8; 3] {
    let (right, low) = (image.width() - 1, image.height() - 1);
    let (x, y) = (x.clamp(0.0, right as f32), y.clamp(0.0, low as f32));
    let (x0, y0) = (x as u32, y as u32);
    let (x1, y1) = ((x0 + 1).min(right), (y0 + 1).min(low));
    let (fx, fy) = (x - x0 as f32, y - y0 as f32);
    let (a, b) = (image.pixel(x0, y0), image.pixel(x1, y0));
    let (c, d) = (image.pixel(x0, y1), image.pixel(x1, y1));
    std::array::from_fn(|i| {
        let [a, b, c, d] = [a[i], b[i], c[i], d[i]].map(f32::from);
        let (upper, lower) = (a + (b - a) * fx, c + (d - c) * fx);
        (upper + (lower - upper) * fy).round() as u8
    })
}

/// A mask over nose, mouth and chin of the five landmarks: image-left eye, the other, nose, mouth.
pub(super) fn masked(image: &Image, points: &[Point; 5]) -> Image {
    let (eyes, mouth) = (middle(points[0], points[1]), middle(points[3], points[4]));
    let (across, down) = (way(points[0], points[1]), way(eyes, mouth));
    let top = moved(points[2], down, -0.2);
    let side = |way: f32| moved(moved(top, across, way), down, 0.12);
    let cheek = |way: f32| moved(mouth, across, way);
    let chin = |way: f32| moved(moved(mouth, down, 0.75), across, way);
    let shape = [
        cheek(-0.85),
        side(-1.0),
        top,
        side(1.0),
        cheek(0.85),
        chin(0.35),
        chin(-0.35),
    ];
    painted(image, &shape, MASK)
}

/// A bar over both eyes.
pub(super) fn barred(image: &Image, points: &[Point; 5]) -> Image {
    let eyes = middle(points[0], points[1]);
    let across = way(points[0], points[1]);
    let down = Point {
        x: -across.y,
        y: across.x,
    };
    let corner = |along: f32, below: f32| moved(moved(eyes, across, along), down, below);
    let shape = [
        corner(-0.9, -0.28),
        corner(0.9, -0.28),
        corner(0.9, 0.28),
        corner(-0.9, 0.28),
    ];
    painted(image, &shape, BAR)
}

fn middle(a: Point, b: Point) -> Point {
    moved(a, way(a, b), 0.5)
}

fn way(from: Point, to: Point) -> Point {
    Point {
        x: to.x - from.x,
        y: to.y - from.y,
    }
}

fn moved(from: Point, way: Point, times: f32) -> Point {
    Point {
        x: from.x + way.x * times,
        y: from.y + way.y * times,
    }
}

/// A polygon of one colour; a pixel takes the colour by the share of it that lies inside.
fn painted(image: &Image, shape: &[Point], colour: [u8; 3]) -> Image {
    let mut changed = image.clone();
    let (width, height) = (image.width(), image.height());
    let edge = |at: f32, most: u32| at.clamp(0.0, most as f32) as u32;
    let low = |of: fn(&Point) -> f32| shape.iter().map(of).fold(f32::MAX, f32::min).floor();
    let high = |of: fn(&Point) -> f32| shape.iter().map(of).fold(f32::MIN, f32::max).ceil();
    let columns = edge(low(|p| p.x), width)..edge(high(|p| p.x), width);
    for row in edge(low(|p| p.y), height)..edge(high(|p| p.y), height) {
        for column in columns.clone() {
            let share = covered(shape, column, row);
            let start = (row as usize * width as usize + column as usize) * 3;
            for (byte, paint) in changed.rgb_mut()[start..start + 3].iter_mut().zip(colour) {
                let (old, new) = (f32::from(*byte), f32::from(paint));
                *byte = (old + (new - old) * share).round() as u8;
            }
        }
    }
    changed
}

fn covered(shape: &[Point], column: u32, row: u32) -> f32 {
    let at = |i: u32| (i as f32 + 0.5) / SAMPLES as f32;
    let samples = (0..SAMPLES).flat_map(|i| (0..SAMPLES).map(move |j| (at(i), at(j))));
    let inside = samples.filter(|(x, y)| holds(shape, column as f32 + x, row as f32 + y));
    inside.count() as f32 / (SAMPLES * SAMPLES) as f32
}

/// Whether a point lies inside: a ray from it crosses the outline an odd number of times.
fn holds(shape: &[Point], x: f32, y: f32) -> bool {
    let ends = shape.iter().zip(shape.iter().cycle().skip(1));
    let crossed = ends
        .filter(|(a, b)| (a.y > y) != (b.y > y) && x < a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x));
    crossed.count() % 2 == 1
}

fn filled(width: u32, height: u32, rgb: Vec<u8>) -> Image {
    Image::new(width, height, rgb).unwrap_or_else(|_| unreachable!("every pixel was written"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upright() -> [Point; 5] {
        [
            (35.0, 40.0),
            (65.0, 40.0),
            (50.0, 58.0),
            (38.0, 72.0),
            (62.0, 72.0),
        ]
        .map(|(x, y)| Point { x, y })
    }

    fn white() -> Image {
        Image::new(100, 120, vec![255; 100 * 120 * 3]).unwrap()
    }

    #[test]
    fn a_quarter_turn_moves_the_upper_left_to_the_upper_right() {
        let rgb = [[9, 0, 0], [1, 1, 1], [2, 2, 2], [3, 3, 3]].concat();
        let image = Image::new(2, 2, rgb).unwrap();
        let turned = turned(&image, 90.0);
        // A square of 3 around a square of 2: corners stand for the photo's corners.
        assert_eq!(turned.size().longest_px(), 3);
        assert_eq!(turned.pixel(2, 0), [9, 0, 0]);
        assert_eq!(turned.pixel(0, 0), [2, 2, 2]);
        assert_eq!(super::turned(&image, 180.0).pixel(2, 2), [9, 0, 0]);
    }

    #[test]
    fn a_mask_hides_mouth_and_chin_and_leaves_the_eyes() {
        let image = masked(&white(), &upright());
        assert_eq!(image.pixel(50, 75), MASK);
        assert_eq!(image.pixel(50, 90), MASK);
        assert_eq!(image.pixel(35, 40), [255; 3]);
        assert_eq!(image.pixel(50, 110), [255; 3]);
    }

    #[test]
    fn a_bar_hides_the_eyes_alone_however_the_face_is_turned() {
        let image = barred(&white(), &upright());
        assert_eq!((image.pixel(35, 40), image.pixel(65, 42)), (BAR, BAR));
        assert_eq!(
            (image.pixel(50, 58), image.pixel(50, 25)),
            ([255; 3], [255; 3])
        );
        let onside = upright().map(|p| Point {
            x: 100.0 - p.y,
            y: p.x,
        });
        let image = barred(&white(), &onside);
        assert_eq!((image.pixel(60, 35), image.pixel(60, 64)), (BAR, BAR));
        assert_eq!(image.pixel(42, 50), [255; 3]);
    }

    #[test]
    fn what_lies_outside_of_the_photo_is_not_painted() {
        let beyond = upright().map(|p| Point {
            x: p.x + 60.0,
            y: p.y - 55.0,
        });
        let image = masked(&white(), &beyond);
        assert_eq!(image.size(), white().size());
        assert_eq!(image.pixel(0, 119), [255; 3]);
    }

    #[test]
    fn grey_keeps_the_luma() {
        let image = Image::new(1, 1, vec![255, 0, 0]).unwrap();
        assert_eq!(grey(&image).pixel(0, 0), [76; 3]);
        assert_eq!(by_value(&image, |v| v / 5).pixel(0, 0), [51, 0, 0]);
    }
}

//! Where labels go. In: the size of a label, the faces, the labels laid out already. Out: its
//! position.
//! Knows nothing of words and colours.

use tiny_skia::Rect;

/// The position next to `bbox` that hides least of other faces and labels, inside the picture.
///
/// Positions are tried in the order above, below, beside and inside the box; the first of the best
/// is taken. None when the picture is smaller than the label.
pub(super) fn position(
    (width, height): (f32, f32),
    bbox: Rect,
    picture: (f32, f32),
    faces: &[Rect],
    labels: &[Rect],
) -> Option<Rect> {
    let gap = height * 0.3;
    let left = bbox.left();
    let centred = (bbox.left() + bbox.right() - width) / 2.0;
    let (above, below) = (bbox.top() - height - gap, bbox.bottom() + gap);
    let candidates = [
        (left, above),
        (centred, above),
        (bbox.right() - width, above),
        (left, below),
        (centred, below),
        (bbox.right() - width, below),
        (bbox.right() + gap, bbox.top()),
        (bbox.left() - width - gap, bbox.top()),
        (left + gap, bbox.bottom() - height - gap),
        (left + gap, bbox.top() + gap),
    ];
    // A label that reaches out of the picture by less than the margin is moved inside; one further
    // out costs more for every pixel it is moved.
    let margin = gap.min(2.0);
    let (x_most, y_most) = (picture.0 - width - margin, picture.1 - height - margin);
    if x_most < 0.0 || y_most < 0.0 {
        return None;
    }
    let mut best: Option<(f32, Rect)> = None;
    for (x, y) in candidates {
        let (x_in, y_in) = (
            x.clamp(margin.min(x_most), x_most),
            y.clamp(margin.min(y_most), y_most),
        );
        let Some(label) = Rect::from_xywh(x_in, y_in, width, height) else {
            continue;
        };
        let moved = ((x - x_in).abs() + (y - y_in).abs()) * height * 0.25;
        let hidden: f32 = faces.iter().map(|face| shared_area(&label, face)).sum();
        let covered: f32 = labels.iter().map(|other| shared_area(&label, other)).sum();
        let cost = hidden + 4.0 * covered + moved;
        if best.is_none_or(|(least, _)| cost < least) {
            best = Some((cost, label));
        }
    }
    best.map(|(_, label)| label)
}

fn shared_area(a: &Rect, b: &Rect) -> f32 {
    a.intersect(b)
        .map_or(0.0, |both| both.width() * both.height())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: (f32, f32) = (400.0, 300.0);
    const LABEL: (f32, f32) = (60.0, 20.0);

    fn rect(x: f32, y: f32, width: f32, height: f32) -> Rect {
        Rect::from_xywh(x, y, width, height).unwrap()
    }

    #[test]
    fn above_when_there_is_room() {
        let face = rect(100.0, 100.0, 50.0, 60.0);
        let label = position(LABEL, face, PICTURE, &[face], &[]).unwrap();
        assert_eq!((label.left(), label.bottom()), (100.0, 94.0));
    }

    #[test]
    fn below_at_the_upper_edge() {
        let face = rect(100.0, 2.0, 50.0, 60.0);
        let label = position(LABEL, face, PICTURE, &[face], &[]).unwrap();
        assert!(label.top() > face.bottom());
    }

    #[test]
    fn neither_other_faces_nor_labels_are_hidden() {
        let face = rect(100.0, 100.0, 50.0, 60.0);
        let other = rect(90.0, 40.0, 50.0, 58.0);
        let lower = rect(95.0, 162.0, 80.0, 20.0);
        let label = position(LABEL, face, PICTURE, &[face, other], &[lower]).unwrap();
        for taken in [&face, &other, &lower] {
            assert_eq!(shared_area(&label, taken), 0.0, "{label:?}");
        }
    }

    #[test]
    fn always_inside_the_picture() {
        for x in (-100..500).step_by(37) {
            for y in (-100..400).step_by(31) {
                let face = rect(x as f32, y as f32, 80.0, 90.0);
                let label = position(LABEL, face, PICTURE, &[face], &[]).unwrap();
                assert!(label.left() >= 0.0 && label.right() <= PICTURE.0);
                assert!(label.top() >= 0.0 && label.bottom() <= PICTURE.1);
            }
        }
        assert!(position(LABEL, rect(1.0, 1.0, 5.0, 5.0), (50.0, 300.0), &[], &[]).is_none());
    }
}

//! Faces marked in a picture. In: RGB pixels, boxes, landmarks and labels. Out: the same pixels
//! with boxes, dots and labels. Knows nothing of files, codecs or the catalogue.

mod label_layout;
mod text;

use anyhow::{Context as _, Result, ensure};
use tiny_skia::{
    Color, FillRule, LineJoin, Paint, Path, PathBuilder, Pixmap, PixmapMut, Rect, Stroke, Transform,
};

use text::Font;

/// Pixels to draw into: `width × height` times red, green, blue, row by row from the top.
pub(crate) struct RgbCanvas {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) rgb: Vec<u8>,
}

/// Colour of the marks: light enough for dark words, strong enough against skin and sky.
fn mark_colour() -> Color {
    Color::from_rgba8(93, 189, 255, 255)
}

/// One face to mark.
#[derive(Debug, Clone)]
pub(crate) struct MarkedFace {
    /// `x_min, y_min, x_max, y_max` in pixels; may reach out of the picture.
    pub(crate) bbox: [f32; 4],
    /// Eyes, nose tip and mouth corners in pixels.
    pub(crate) landmarks: Option<[(f32, f32); 5]>,
    /// Short; empty for none. Latin, Greek, Cyrillic and a few more scripts, not Chinese or
    /// Japanese.
    pub(crate) label: String,
}

/// Rows that are turned into RGBA at a time, so that a large picture is not held twice.
const BAND_ROWS: usize = 256;

/// Draws every face into the picture: a rounded box, a dot per landmark, a small
/// label.
///
/// Line widths and letters follow the picture's size and the face's. Faces whose box is not finite
/// or is empty are left out.
///
/// # Errors
/// When `rgb` is not `width × height × 3` bytes.
pub(crate) fn draw_faces(canvas: &mut RgbCanvas, faces: &[MarkedFace]) -> Result<()> {
    let (width, height) = (canvas.width, canvas.height);
    let n_bytes = width.checked_mul(height).and_then(|n| n.checked_mul(3));
    ensure!(
        n_bytes == Some(canvas.rgb.len()),
        "a picture of {width}×{height} pixels has {} bytes; give three per pixel",
        canvas.rgb.len()
    );
    let shapes = shapes(width as f32, height as f32, faces);
    if canvas.rgb.is_empty() || shapes.is_empty() {
        return Ok(());
    }
    for (idx, band) in canvas.rgb.chunks_mut(BAND_ROWS * width * 3).enumerate() {
        let top = (idx * BAND_ROWS) as f32;
        let rows = band.len() / (width * 3);
        let touched = |shape: &&Shape| shape.bottom > top && shape.top < top + rows as f32;
        if shapes.iter().any(|shape| touched(&shape)) {
            draw_band(band, (width, rows), top, shapes.iter().filter(touched))?;
        }
    }
    Ok(())
}

fn draw_band<'a>(
    band: &mut [u8],
    (width, rows): (usize, usize),
    top: f32,
    shapes: impl Iterator<Item = &'a Shape>,
) -> Result<()> {
    let pixels = u32::try_from(width)
        .ok()
        .and_then(|width| Pixmap::new(width, rows as u32));
    let mut pixels = pixels
        .with_context(|| format!("a picture {width} pixels wide is too wide; make it smaller"))?;
    for (rgba, rgb) in pixels
        .data_mut()
        .chunks_exact_mut(4)
        .zip(band.chunks_exact(3))
    {
        rgba[..3].copy_from_slice(rgb);
        rgba[3] = 255;
    }
    let moved = Transform::from_translate(0.0, -top);
    for shape in shapes {
        shape.draw(&mut pixels.as_mut(), moved);
    }
    for (rgba, rgb) in pixels.data().chunks_exact(4).zip(band.chunks_exact_mut(3)) {
        rgb.copy_from_slice(&rgba[..3]);
    }
    Ok(())
}

/// One filled or stroked outline, and the rows it may touch.
struct Shape {
    path: Path,
    colour: Color,
    /// `None`: filled.
    stroke_px: Option<f32>,
    top: f32,
    bottom: f32,
}

impl Shape {
    fn new(path: Option<Path>, colour: Color, stroke_px: Option<f32>) -> Option<Self> {
        let path = path?;
        // One more pixel on each side for the soft edge.
        let margin = stroke_px.unwrap_or(0.0) / 2.0 + 1.0;
        let (top, bottom) = (
            path.bounds().top() - margin,
            path.bounds().bottom() + margin,
        );
        Some(Self {
            path,
            colour,
            stroke_px,
            top,
            bottom,
        })
    }

    fn draw(&self, pixels: &mut PixmapMut<'_>, transform: Transform) {
        let mut paint = Paint {
            anti_alias: true,
            ..Paint::default()
        };
        paint.set_color(self.colour);
        match self.stroke_px {
            None => pixels.fill_path(&self.path, &paint, FillRule::Winding, transform, None),
            Some(width) => {
                let stroke = Stroke {
                    width,
                    line_join: LineJoin::Round,
                    ..Stroke::default()
                };
                pixels.stroke_path(&self.path, &paint, &stroke, transform, None);
            }
        }
    }
}

/// Black that a coloured line keeps its shape on, whatever lies below.
fn shade(alpha: f32) -> Color {
    Color::from_rgba(0.0, 0.0, 0.0, alpha).unwrap_or(Color::BLACK)
}

/// All outlines in the order they are drawn: boxes and dots first, so that no line crosses a label.
fn shapes(width: f32, height: f32, faces: &[MarkedFace]) -> Vec<Shape> {
    let picture = width.max(height);
    let placed: Vec<(&MarkedFace, Rect)> = faces
        .iter()
        .filter_map(|face| Some((face, visible_box(face.bbox, width, height)?)))
        .collect();
    let mut shapes = Vec::new();
    for (face, bbox) in &placed {
        let side = bbox.width().min(bbox.height());
        let line = (picture / 300.0).min(side / 14.0).max(1.5);
        let outline = rounded(*bbox, side * 0.16);
        shapes.extend(Shape::new(outline.clone(), shade(0.38), Some(line * 1.9)));
        shapes.extend(Shape::new(outline, mark_colour(), Some(line)));
        let radius = (side / 42.0).clamp(0.9, line * 1.5);
        for &(x, y) in face.landmarks.iter().flatten() {
            let inside = (0.0..=width).contains(&x) && (0.0..=height).contains(&y);
            // On the smallest faces the dots would hide what they mark.
            if inside && side >= 20.0 {
                let rim = PathBuilder::from_circle(x, y, radius + line * 0.45);
                shapes.extend(Shape::new(rim, shade(0.5), None));
                let dot = PathBuilder::from_circle(x, y, radius);
                shapes.extend(Shape::new(dot, Color::WHITE, None));
            }
        }
    }
    let Some(font) = Font::embedded() else {
        return shapes;
    };
    let boxes: Vec<Rect> = placed.iter().map(|(_, bbox)| *bbox).collect();
    let mut taken = Vec::new();
    for (face, bbox) in &placed {
        let size = (picture / 54.0).min(bbox.width() * 0.24).max(11.0);
        let pad = size * 0.42;
        let longest = (width - 4.0 * pad).max(size);
        let Some(line) = font.line(&face.label, size, longest) else {
            continue;
        };
        let label_box = (line.width + 2.0 * pad, size + pad * 0.9);
        let Some(label_box) =
            label_layout::position(label_box, *bbox, (width, height), &boxes, &taken)
        else {
            continue;
        };
        taken.push(label_box);
        let edge = rounded(label_box, label_box.height() * 0.32);
        shapes.extend(Shape::new(edge.clone(), shade(0.38), Some(size * 0.14)));
        shapes.extend(Shape::new(edge, mark_colour(), None));
        // Capitals are 0.73 of the size high; half of what remains is below them.
        let baseline = label_box.bottom() - (label_box.height() - 0.73 * size) / 2.0;
        let moved = Transform::from_translate(label_box.left() + pad, baseline);
        let ink = Color::from_rgba8(16, 22, 30, 255);
        shapes.extend(Shape::new(line.path.transform(moved), ink, None));
    }
    shapes
}

/// The box, cut so far outside the picture that the cut is not seen.
fn visible_box(bbox: [f32; 4], width: f32, height: f32) -> Option<Rect> {
    let [x_min, y_min, x_max, y_max] = bbox;
    if bbox.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let bbox = Rect::from_ltrb(
        x_min.max(-width),
        y_min.max(-height),
        x_max.min(2.0 * width),
        y_max.min(2.0 * height),
    )?;
    bbox.intersect(&Rect::from_xywh(0.0, 0.0, width, height)?)
        .map(|_| bbox)
}

fn rounded(rect: Rect, radius: f32) -> Option<Path> {
    // Handle length that makes a cubic nearest to a quarter circle.
    let handle = radius * (1.0 - 0.552_284_8);
    let (l, t, r, b) = (rect.left(), rect.top(), rect.right(), rect.bottom());
    let mut path = PathBuilder::new();
    path.move_to(l + radius, t);
    path.line_to(r - radius, t);
    path.cubic_to(r - handle, t, r, t + handle, r, t + radius);
    path.line_to(r, b - radius);
    path.cubic_to(r, b - handle, r - handle, b, r - radius, b);
    path.line_to(l + radius, b);
    path.cubic_to(l + handle, b, l, b - handle, l, b - radius);
    path.line_to(l, t + radius);
    path.cubic_to(l, t + handle, l + handle, t, l + radius, t);
    path.close();
    path.finish()
}

#[cfg(test)]
mod tests;

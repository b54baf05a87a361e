//! Words as outlines. In: one line of text. Out: a path whose baseline starts at the origin.
//! Draws characters one after another: right for scripts that do not join or reorder letters.

use tiny_skia::{Path, PathBuilder, Transform};
use ttf_parser::{Face, GlyphId, OutlineBuilder};

/// The font that is part of the binary.
pub(super) struct Font {
    font: Face<'static>,
}

/// A line of text.
pub(super) struct Line {
    pub(super) path: Path,
    pub(super) width: f32,
}

impl Font {
    /// DejaVu Sans Condensed Bold; none if the build's font is broken, which a test excludes.
    pub(super) fn embedded() -> Option<Self> {
        Face::parse(dejavu::sans_condensed::bold(), 0)
            .ok()
            .map(|font| Self { font })
    }

    /// The text at `size` pixels per em, cut with `…` where it is wider than `longest_px`.
    ///
    /// None when nothing of it can be seen.
    pub(super) fn line(&self, text: &str, size: f32, longest_px: f32) -> Option<Line> {
        let scale = size / f32::from(self.font.units_per_em());
        let ellipsis = self.glyph('…');
        let room = longest_px / scale - self.advance(ellipsis);
        let mut builder = GlyphPath(PathBuilder::new(), 0.0);
        for c in text.trim().chars() {
            let glyph = self.glyph(if c.is_control() || c.is_whitespace() {
                ' '
            } else {
                c
            });
            if builder.1 + self.advance(glyph) > room {
                self.append(&mut builder, ellipsis);
                break;
            }
            self.append(&mut builder, glyph);
        }
        let width = builder.1 * scale;
        let path = builder
            .0
            .finish()?
            .transform(Transform::from_scale(scale, -scale))?;
        Some(Line { path, width })
    }

    /// Glyph 0 is the empty box that stands for a character the font does not have.
    fn glyph(&self, c: char) -> GlyphId {
        self.font.glyph_index(c).unwrap_or(GlyphId(0))
    }

    fn advance(&self, glyph: GlyphId) -> f32 {
        f32::from(self.font.glyph_hor_advance(glyph).unwrap_or(0))
    }

    fn append(&self, builder: &mut GlyphPath, glyph: GlyphId) {
        self.font.outline_glyph(glyph, builder);
        builder.1 += self.advance(glyph);
    }
}

/// A path in font units (up is positive), and how far along the line it is.
struct GlyphPath(PathBuilder, f32);

impl OutlineBuilder for GlyphPath {
    fn move_to(&mut self, x: f32, y: f32) {
        self.0.move_to(self.1 + x, y);
    }
    fn line_to(&mut self, x: f32, y: f32) {
        self.0.line_to(self.1 + x, y);
    }
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.0.quad_to(self.1 + x1, y1, self.1 + x, y);
    }
    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.0
            .cubic_to(self.1 + x1, y1, self.1 + x2, y2, self.1 + x, y);
    }
    fn close(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_many_scripts_have_outlines() {
        let font = Font::embedded().unwrap();
        for name in ["Zoë Ångström", "Łukasz Żółć", "Ελένη", "Наталья", "0.93 %"]
        {
            assert!(
                name.chars().all(|c| font.font.glyph_index(c).is_some()),
                "{name}"
            );
            assert!(font.line(name, 16.0, 500.0).is_some());
        }
        assert!(
            font.line("山田", 16.0, 500.0).is_some(),
            "drawn as empty boxes"
        );
    }

    #[test]
    fn capitals_rest_on_the_baseline() {
        let line = Font::embedded().unwrap().line("H", 100.0, 500.0).unwrap();
        let bounds = line.path.bounds();
        assert!(
            bounds.bottom().abs() < 1.0 && (bounds.top() + 73.0).abs() < 1.0,
            "{bounds:?}"
        );
    }

    #[test]
    fn long_text_is_cut_and_blank_text_is_none() {
        let font = Font::embedded().unwrap();
        let name = "Wolfeschlegelsteinhausenbergerdorff".repeat(1000);
        let line = font.line(&name, 12.0, 200.0).unwrap();
        assert!(line.width <= 200.0 && line.width > 180.0, "{}", line.width);
        for blank in ["", " \n\t "] {
            assert!(font.line(blank, 12.0, 200.0).is_none());
        }
    }
}

//! The error versus discard characteristic as a picture. In: curves of quality measures. Out: one
//! self-contained SVG.

use std::fmt::Write as _;

use super::{Frame, LEGEND_ROW, LEGEND_TOP, N_STYLES, PLOT, head, percent, shortened, text};
use crate::discard::DiscardCurve;

/// Draws what remains of the false-non-match rate when the worst photos are set apart, one curve
/// per measure, with the rates below.
///
/// The picture follows the reader's light or dark mode, asks for no font or file, and escapes the
/// names. The dotted line is where photos set apart at random would stay.
pub fn discard_curves(curves: &[DiscardCurve], title: &str) -> String {
    let height = LEGEND_TOP + LEGEND_ROW * curves.len() as f64 + 22.0;
    let described: Vec<String> = curves.iter().map(described).collect();
    let mut svg = head(height, "Error versus discard", &described.join("; "));
    text(&mut svg, "title", 32.0, 40.0, "Error versus discard");
    text(&mut svg, "quiet", 32.0, 62.0, title);
    let rates = curves
        .iter()
        .flat_map(|curve| curve.points.iter().map(|p| p.fnmr.value()));
    let highest = rates.filter(|rate| rate.is_finite()).fold(0.0, f64::max);
    let shares = curves
        .iter()
        .flat_map(|curve| curve.points.iter().map(|p| p.discarded));
    let axes = Axes {
        share: shares.fold(0.0, f64::max).max(0.01),
        rate: step(highest) * (highest / step(highest)).ceil().max(1.0),
    };
    grid(&mut svg, &axes, step(highest));
    if let Some(curve) = curves.first().filter(|curve| curve.random.is_finite()) {
        let y = axes.y(curve.random);
        let _ = writeln!(
            svg,
            "<path class=\"equal\" d=\"M{} {y:.1}H{}\"/>",
            PLOT.left, PLOT.right
        );
    }
    for (idx, curve) in curves.iter().enumerate() {
        draw(&mut svg, &axes, idx, curve);
    }
    legend(&mut svg, curves);
    svg.push_str("</svg>\n");
    svg
}

/// Both axes are linear and begin at 0.
struct Axes {
    share: f64,
    rate: f64,
}

impl Axes {
    fn x(&self, share: f64) -> f64 {
        PLOT.left + (PLOT.right - PLOT.left) * (share / self.share).clamp(0.0, 1.0)
    }

    fn y(&self, rate: f64) -> f64 {
        PLOT.bottom - (PLOT.bottom - PLOT.top) * (rate / self.rate).clamp(0.0, 1.0)
    }
}

/// A round distance between lines: 1, 2 or 5 of a power of ten, some five of them up to `highest`.
fn step(highest: f64) -> f64 {
    let rough = highest.clamp(1e-3, 1.0) / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|times| times * power)
        .into_iter()
        .find(|step| *step >= rough)
        .unwrap_or(power)
}

fn described(curve: &DiscardCurve) -> String {
    let rates = curve.points.iter().map(|point| {
        let (share, rate) = (percent(point.discarded), percent(point.fnmr.value()));
        format!("{rate} without the worst {share}")
    });
    format!(
        "{}: {}",
        curve.measure,
        rates.collect::<Vec<_>>().join(", ")
    )
}

fn grid(svg: &mut String, axes: &Axes, step: f64) {
    let Frame {
        left,
        top,
        right,
        bottom,
    } = PLOT;
    let lines = (axes.rate / step).round() as u32;
    for rate in (0..=lines).map(|n| f64::from(n) * step) {
        let y = axes.y(rate);
        let _ = writeln!(svg, "<path class=\"major\" d=\"M{left} {y:.1}H{right}\"/>");
        text(svg, "quiet num end", left - 10.0, y + 5.0, &percent(rate));
    }
    for share in (0..=4).map(|n| f64::from(n) * axes.share / 4.0) {
        let x = axes.x(share);
        let _ = writeln!(svg, "<path class=\"major\" d=\"M{x:.1} {top}V{bottom}\"/>");
        text(svg, "quiet num middle", x, bottom + 22.0, &percent(share));
    }
    let (width, height) = (right - left, bottom - top);
    let _ = writeln!(
        svg,
        "<rect class=\"frame\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"/>"
    );
    let words = "Photos set apart, worst first";
    text(svg, "middle", (left + right) / 2.0, bottom + 48.0, words);
    let middle = (top + bottom) / 2.0;
    let _ = writeln!(
        svg,
        "<text class=\"middle\" transform=\"translate(24 {middle}) rotate(-90)\">\
         False-non-match rate (FNMR)</text>"
    );
}

fn draw(svg: &mut String, axes: &Axes, idx: usize, curve: &DiscardCurve) {
    let style = idx % N_STYLES;
    let shown = curve.points.iter().filter(|point| point.fnmr.trials > 0);
    let at: Vec<(f64, f64)> = shown
        .map(|point| (axes.x(point.discarded), axes.y(point.fnmr.value())))
        .collect();
    let mut path = String::new();
    for (n, (x, y)) in at.iter().enumerate() {
        let _ = write!(path, "{}{x:.1} {y:.1}", if n == 0 { 'M' } else { 'L' });
    }
    let _ = writeln!(svg, "<path class=\"curve s{style}\" d=\"{path}\"/>");
    for (x, y) in at {
        let _ = writeln!(
            svg,
            "<circle class=\"dot f{style}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"
        );
    }
}

fn legend(svg: &mut String, curves: &[DiscardCurve]) {
    let n_points = curves.first().map_or(0, |curve| curve.points.len()).max(1);
    let wide = (PLOT.right - 260.0) / n_points as f64;
    let column = |n: usize| 260.0 + wide * (n + 1) as f64;
    if let Some(curve) = curves.first() {
        for (n, point) in curve.points.iter().enumerate() {
            let words = format!("without {}", percent(point.discarded));
            text(svg, "quiet small end", column(n), LEGEND_TOP - 14.0, &words);
        }
    }
    for (idx, curve) in curves.iter().enumerate() {
        let style = idx % N_STYLES;
        let y = LEGEND_TOP + LEGEND_ROW * idx as f64 + 8.0;
        let line = y - 5.0;
        let _ = writeln!(
            svg,
            "<path class=\"curve s{style}\" d=\"M32 {line:.1}h34\"/>"
        );
        text(svg, "", 76.0, y, &shortened(&curve.measure));
        for (n, point) in curve.points.iter().enumerate() {
            let rate = match point.fnmr.trials {
                0 => "–".to_owned(),
                _ => format!("{:.2} %", 100.0 * point.fnmr.value()),
            };
            text(svg, "num end", column(n), y, &rate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discard::DiscardPoint;
    use crate::proportion::Proportion;

    fn curve(measure: &str, missed: &[u64]) -> DiscardCurve {
        let points = missed.iter().enumerate().map(|(n, &missed)| DiscardPoint {
            discarded: n as f64 * 0.05,
            n_discarded: n,
            least: 0.0,
            fnmr: Proportion::of_independent(missed, 1000),
        });
        DiscardCurve {
            measure: measure.to_owned(),
            points: points.collect(),
            random: missed.first().map_or(0.0, |&n| n as f64 / 1000.0),
        }
    }

    #[test]
    fn curves_stay_inside_and_names_stay_text() {
        for missed in [vec![40, 30, 12, 3], vec![0, 0], vec![1000, 999], vec![]] {
            let svg = discard_curves(&[curve("<b>size</b>\u{1}", &missed)], "base");
            assert!(
                !svg.contains("NaN") && !svg.contains("inf") && !svg.contains("<b>"),
                "{svg}"
            );
            let path = svg.split("class=\"curve s0\" d=\"").nth(1).unwrap();
            let path = path.split('"').next().unwrap();
            for point in path.split(['M', 'L']).filter(|p| !p.is_empty()) {
                let (x, y) = point.split_once(' ').unwrap();
                let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
                assert!((PLOT.left..=PLOT.right).contains(&x), "{point}");
                assert!((PLOT.top..=PLOT.bottom).contains(&y), "{point}");
            }
        }
    }

    #[test]
    fn lines_are_at_round_rates() {
        assert_eq!(
            [0.04, 0.09, 0.3].map(|h| percent(step(h))),
            ["1 %", "2 %", "10 %"]
        );
    }

    #[test]
    fn nothing_is_asked_from_outside() {
        let svg = discard_curves(&[curve("size", &[40, 30])], "base");
        let svg = svg.replace("http://www.w3.org/2000/svg", "");
        for word in ["http", "url(", "@import", "href", "<image"] {
            assert!(!svg.contains(word), "{word}");
        }
    }
}

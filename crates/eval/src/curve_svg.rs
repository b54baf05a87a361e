//! Error curves as pictures: here the detection error trade-off. In: reports. Out: one
//! self-contained SVG. Knows nothing of files; names are escaped, so any text may be one.
//!
//! Written by hand, not by plotters: its SVG backend writes colours into every element and has no
//! `class`, `style`, `title`, `stroke-dasharray` or `font-variant-numeric`, so the picture could
//! not follow the reader's light or dark mode, be read aloud, tell its curves apart without colour,
//! or set its numbers in columns.

use std::fmt::Write as _;
use std::ops::Range;

use crate::proportion::Proportion;
use crate::verification::{DetPoint, VerificationReport};

mod discard;

pub use discard::discard_curves;

const WIDTH: f64 = 760.0;
const PLOT: Frame = Frame {
    left: 92.0,
    top: 84.0,
    right: 728.0,
    bottom: 524.0,
};
const LEGEND_TOP: f64 = PLOT.bottom + 92.0;
const LEGEND_ROW: f64 = 26.0;
/// Right edges of the legend's columns: EER and the rates of `REPORTED_FARS`.
const LEGEND_COLUMNS: [f64; 3] = [352.0, 540.0, 728.0];

const STYLE: &str = "
text{font:14px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:#1f2328}
.page{fill:#ffffff}.title{font-size:20px;font-weight:600}
.quiet{fill:#59636e}.small{font-size:12.5px}
.end{text-anchor:end}.middle{text-anchor:middle}.num{font-variant-numeric:tabular-nums}
.minor{stroke:#eceff2}.major{stroke:#d5dae0}.frame{fill:none;stroke:#8c959f}
.equal{stroke:#8c959f;stroke-dasharray:2 5;stroke-linecap:round}
.curve{fill:none;stroke-width:2.5;stroke-linejoin:round}.dot{stroke:#ffffff;stroke-width:1.5}
.s0{stroke:#0b62d6}.s1{stroke:#c2410c}.s2{stroke:#0f7b4f}
.s3{stroke:#a21caf}.s4{stroke:#8a6100}.s5{stroke:#0e7490}
.f0{fill:#0b62d6}.f1{fill:#c2410c}.f2{fill:#0f7b4f}.f3{fill:#a21caf}
.f4{fill:#8a6100}.f5{fill:#0e7490}
.s1,.s4{stroke-dasharray:9 4}.s2,.s5{stroke-dasharray:3 3}.s3{stroke-dasharray:12 3 3 3}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}.page{fill:#0d1117}.quiet{fill:#9aa5b1}
.minor{stroke:#1b222b}.major{stroke:#303944}.frame,.equal{stroke:#6e7781}.dot{stroke:#0d1117}
.s0{stroke:#6cb0ff}.s1{stroke:#ff9d66}.s2{stroke:#5fd39b}
.s3{stroke:#e48bf0}.s4{stroke:#e3bd55}.s5{stroke:#5fd0e6}
.f0{fill:#6cb0ff}.f1{fill:#ff9d66}.f2{fill:#5fd39b}.f3{fill:#e48bf0}
.f4{fill:#e3bd55}.f5{fill:#5fd0e6}
}";
const N_STYLES: usize = 6;

struct Frame {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

/// The plot's axes: both logarithmic, and how many powers of ten they span up to 1.
struct Axes {
    fmr_decades: f64,
    fnmr_decades: f64,
}

impl Axes {
    /// Each axis reaches a little below one error of the report with the most comparisons.
    fn of(reports: &[(&str, &VerificationReport)]) -> Self {
        let decades = |n: fn(&VerificationReport) -> u64| {
            let most = reports
                .iter()
                .map(|(_, report)| n(report))
                .max()
                .unwrap_or(0)
                .max(1);
            ((most as f64).log10() + 0.3).clamp(2.3, 7.3)
        };
        Self {
            fmr_decades: decades(|r| r.n_impostor),
            fnmr_decades: decades(|r| r.n_genuine),
        }
    }

    fn x(&self, fmr: f64) -> f64 {
        PLOT.right + (PLOT.right - PLOT.left) * decades_up(fmr, self.fmr_decades)
    }

    fn y(&self, fnmr: f64) -> f64 {
        PLOT.top - (PLOT.bottom - PLOT.top) * decades_up(fnmr, self.fnmr_decades)
    }
}

/// −1 at the foot of an axis and below it, 0 at its head, where the rate is 1.
fn decades_up(rate: f64, n_decades: f64) -> f64 {
    (rate.log10() / n_decades).max(-1.0)
}

/// Draws one DET curve per report on logarithmic axes, with the equal error rates and TAR at FAR
/// below.
///
/// The picture follows the reader's light or dark mode, asks for no font or file, and escapes the
/// names. Dots are the operating points of [`TarAtFar`](crate::verification::TarAtFar).
///
/// # Source
/// ISO/IEC 19795-1 for the curve (FMR across, FNMR up), with logarithmic scales.
pub fn det_curve(reports: &[(&str, &VerificationReport)]) -> String {
    let axes = Axes::of(reports);
    let height = LEGEND_TOP + LEGEND_ROW * reports.len() as f64 + 22.0;
    let mut svg = head(height, "Detection error trade-off", &description(reports));
    text(&mut svg, "title", 32.0, 40.0, "Detection error trade-off");
    text(
        &mut svg,
        "quiet",
        32.0,
        62.0,
        "Nearer to the lower left is better",
    );
    grid(&mut svg, &axes);
    for (idx, (_, report)) in reports.iter().enumerate() {
        curve(&mut svg, &axes, idx, report);
    }
    legend(&mut svg, reports);
    svg.push_str("</svg>\n");
    svg
}

/// The beginning of a picture: its size, name and description for readers aloud, its style.
fn head(height: f64, title: &str, description: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" role=\"img\" \
         aria-labelledby=\"curve-title curve-desc\">\n\
         <title id=\"curve-title\">{}</title>\n<desc id=\"curve-desc\">{}</desc>\n\
         <style>{STYLE}</style>\n<rect class=\"page\" width=\"100%\" height=\"100%\"/>\n",
        escape(title),
        escape(description),
    )
}

fn description(reports: &[(&str, &VerificationReport)]) -> String {
    let one = |(name, report): &(&str, &VerificationReport)| {
        format!("{name}: equal error rate {}", percent(report.eer))
    };
    reports.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn grid(svg: &mut String, axes: &Axes) {
    let Frame {
        left,
        top,
        right,
        bottom,
    } = PLOT;
    for (class, steps) in [("minor", 2..10), ("major", 1..2)] {
        for x in lines(axes.fmr_decades, steps.clone()).map(|rate| axes.x(rate)) {
            let _ = writeln!(
                svg,
                "<path class=\"{class}\" d=\"M{x:.1} {top}V{bottom}\"/>"
            );
        }
        for y in lines(axes.fnmr_decades, steps).map(|rate| axes.y(rate)) {
            let _ = writeln!(
                svg,
                "<path class=\"{class}\" d=\"M{left} {y:.1}H{right}\"/>"
            );
        }
    }
    let lowest = 10f64.powf(-axes.fmr_decades.min(axes.fnmr_decades));
    let (x, y) = (axes.x(lowest), axes.y(lowest));
    let _ = writeln!(
        svg,
        "<path class=\"equal\" d=\"M{x:.1} {y:.1}L{right} {top}\"/>"
    );
    let (width, height) = (right - left, bottom - top);
    let _ = writeln!(
        svg,
        "<rect class=\"frame\" x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"/>"
    );
    for rate in lines(axes.fmr_decades, 1..2).chain([1.0]) {
        text(
            svg,
            "quiet num middle",
            axes.x(rate),
            bottom + 22.0,
            &percent(rate),
        );
    }
    for rate in lines(axes.fnmr_decades, 1..2).chain([1.0]) {
        text(
            svg,
            "quiet num end",
            left - 10.0,
            axes.y(rate) + 5.0,
            &percent(rate),
        );
    }
    text(
        svg,
        "middle",
        (left + right) / 2.0,
        bottom + 48.0,
        "False-match rate (FMR)",
    );
    let middle = (top + bottom) / 2.0;
    let _ = writeln!(
        svg,
        "<text class=\"middle\" transform=\"translate(24 {middle}) rotate(-90)\">\
         False-non-match rate (FNMR)</text>"
    );
}

/// Rates below 1 where an axis has lines: `steps` of each power of ten.
fn lines(n_decades: f64, steps: Range<i32>) -> impl Iterator<Item = f64> {
    let rates = (1..=8).flat_map(move |d| steps.clone().map(move |s| f64::from(s) / 10f64.powi(d)));
    rates.filter(move |rate| rate.log10() > -n_decades)
}

fn curve(svg: &mut String, axes: &Axes, idx: usize, report: &VerificationReport) {
    let style = idx % N_STYLES;
    let at = |point: &DetPoint| (axes.x(point.fmr), axes.y(point.fnmr));
    // A logarithmic axis has no zero: the curve enters at the left edge and leaves at the foot.
    let first = report
        .det
        .partition_point(|p| axes.x(p.fmr) <= PLOT.left)
        .saturating_sub(1);
    let last = report.det.partition_point(|p| axes.y(p.fnmr) < PLOT.bottom);
    let shown = report
        .det
        .get(first..(last + 1).min(report.det.len()))
        .unwrap_or(&[]);

    let mut path = String::new();
    let mut drawn: Option<(f64, f64)> = None;
    for (n, point) in shown.iter().enumerate() {
        let (x, y) = at(point);
        let near = drawn.is_some_and(|(px, py)| (x - px).abs().max((y - py).abs()) < 0.5);
        if near && n + 1 < shown.len() {
            continue;
        }
        let letter = if drawn.is_none() { 'M' } else { 'L' };
        let _ = write!(path, "{letter}{x:.1} {y:.1}");
        drawn = Some((x, y));
    }
    let _ = writeln!(svg, "<path class=\"curve s{style}\" d=\"{path}\"/>");
    for at in &report.tar_at_far {
        let (fmr, fnmr) = (at.measured_far.value(), 1.0 - at.tar.value());
        if fmr > 0.0 && fnmr > 0.0 {
            let (x, y) = (axes.x(fmr), axes.y(fnmr));
            let _ = writeln!(
                svg,
                "<circle class=\"dot f{style}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\"/>"
            );
        }
    }
}

fn legend(svg: &mut String, reports: &[(&str, &VerificationReport)]) {
    let head = LEGEND_TOP - 14.0;
    text(svg, "quiet small end", LEGEND_COLUMNS[0], head, "EER");
    if let Some((_, report)) = reports.first() {
        for (at, column) in report.tar_at_far.iter().zip(&LEGEND_COLUMNS[1..]) {
            let title = format!("TAR at FAR {} (95 % CI)", percent(at.far));
            text(svg, "quiet small end", *column, head, &title);
        }
    }
    for (idx, (name, report)) in reports.iter().enumerate() {
        let style = idx % N_STYLES;
        let y = LEGEND_TOP + LEGEND_ROW * idx as f64 + 8.0;
        let _ = writeln!(
            svg,
            "<path class=\"curve s{style}\" d=\"M32 {:.1}h34\"/>",
            y - 5.0
        );
        text(svg, "", 76.0, y, &shortened(name));
        text(
            svg,
            "num end",
            LEGEND_COLUMNS[0],
            y,
            &format!("{:.2} %", 100.0 * report.eer),
        );
        for (at, column) in report.tar_at_far.iter().zip(&LEGEND_COLUMNS[1..]) {
            text(svg, "num end", *column, y, &with_interval(&at.tar));
        }
    }
}

/// Names share their row with the numbers, so long ones are cut.
fn shortened(name: &str) -> String {
    const LONGEST: usize = 26;
    if name.chars().count() <= LONGEST {
        return name.to_owned();
    }
    name.chars().take(LONGEST - 1).chain(['…']).collect()
}

fn with_interval(share: &Proportion) -> String {
    format!(
        "{:.2} % ({:.1}–{:.1})",
        100.0 * share.value(),
        100.0 * share.low,
        100.0 * share.high
    )
}

/// A rate in percent with at most three significant digits: `100 %`, `0.92 %`, `0.001 %`.
fn percent(rate: f64) -> String {
    let value = 100.0 * rate;
    if value == 0.0 {
        return "0 %".to_owned();
    }
    let digits = (2 - value.log10().floor() as i32).clamp(0, 8) as usize;
    let number = format!("{value:.digits$}");
    let number = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => &number,
    };
    format!("{number} %")
}

fn text(svg: &mut String, class: &str, x: f64, y: f64, words: &str) {
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
        escape(words)
    );
}

/// Text for XML: markup escaped, and characters that XML forbids replaced.
fn escape(words: &str) -> String {
    let forbidden = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
    let replaced = words.replace(forbidden, "\u{fffd}");
    quick_xml::escape::escape(replaced).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verification::{PairScore, evaluate};

    fn report(n: u32, overlap: f32) -> VerificationReport {
        let scores: Vec<_> = (0..2 * n)
            .map(|i| {
                let same = i % 2 == 0;
                let at = i as f32 / (2 * n) as f32;
                let similarity = Some(if same { at } else { at - 1.0 + overlap });
                PairScore {
                    fold: (i as usize / 2) % 5,
                    similarity,
                    same,
                }
            })
            .collect();
        evaluate(&scores).unwrap()
    }

    #[test]
    fn any_name_stays_text() {
        let report = report(100, 0.2);
        let svg = det_curve(&[("</text><script>alert(1)</script>&\u{1}", &report)]);
        assert!(!svg.contains("<script") && !svg.contains('\u{1}'));
        assert!(svg.contains("&lt;/text&gt;&lt;script&gt;"));
    }

    #[test]
    fn nothing_is_asked_from_outside() {
        let report = report(100, 0.2);
        let svg = det_curve(&[("a", &report)]).replace("http://www.w3.org/2000/svg", "");
        for word in ["http", "url(", "@import", "href", "<image"] {
            assert!(!svg.contains(word), "{word}");
        }
    }

    #[test]
    fn the_curve_stays_inside_its_frame() {
        for (n, overlap) in [(5, 0.9), (100, 0.0), (100, 0.3), (3000, 0.05), (300, 1.0)] {
            let report = report(n, overlap);
            let svg = det_curve(&[("a", &report)]);
            assert!(!svg.contains("NaN") && !svg.contains("inf"));
            let path = svg
                .split("class=\"curve s0\" d=\"")
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap();
            for point in path.split(['M', 'L']).filter(|p| !p.is_empty()) {
                let (x, y) = point.split_once(' ').unwrap();
                let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
                assert!((PLOT.left..=PLOT.right).contains(&x), "{point}");
                assert!((PLOT.top..=PLOT.bottom).contains(&y), "{point}");
            }
        }
    }

    #[test]
    fn rates_are_written_short() {
        let written = [1.0, 0.1, 1e-2, 1e-3, 1e-5, 0.00924, 0.5, 0.0].map(percent);
        assert_eq!(
            written,
            [
                "100 %", "10 %", "1 %", "0.1 %", "0.001 %", "0.924 %", "50 %", "0 %"
            ]
        );
    }

    #[test]
    fn no_reports_is_an_empty_plot() {
        assert!(det_curve(&[]).ends_with("</svg>\n"));
    }
}

//! WebVTT (W3C). In: appearances of people. Out: a text with a cue for each, which players show as
//! subtitles or chapters.

use std::fmt::Write;

use super::seen::Seen;

/// What is added to an appearance, which ends with the last frame that was looked at: a cue without
/// length is never shown.
const LEAST_MS: u64 = 200;

pub(super) fn cues(appearances: &[Seen]) -> String {
    let mut text = "WEBVTT\n".to_owned();
    for seen in appearances {
        let end_ms = seen.end_ms.max(seen.start_ms + LEAST_MS);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n{} --> {}\n{}\n",
            time(seen.start_ms),
            time(end_ms),
            escaped(&seen.name)
        );
    }
    text
}

fn time(ms: u64) -> String {
    let (hours, minutes) = (ms / 3_600_000, ms / 60_000 % 60);
    format!(
        "{hours:02}:{minutes:02}:{:02}.{:03}",
        ms / 1000 % 60,
        ms % 1000
    )
}

/// A name in a cue: no mark-up, no arrow, no line of its own.
fn escaped(name: &str) -> String {
    let line: String = name
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    line.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::known_people::Who;

    #[test]
    fn names_are_text_and_times_have_hours() {
        let seen = Seen {
            start_ms: 3_723_004,
            end_ms: 3_723_004,
            who: Who::Catalogue(1),
            name: "Ida --> <b>\nX".to_owned(),
            similarity: 0.7,
            best_ms: 0,
            best_bbox: [0.0; 4],
            aligned: Vec::new(),
        };
        let wanted = "WEBVTT\n\n01:02:03.004 --> 01:02:03.204\nIda --&gt; &lt;b&gt; X\n";
        assert_eq!(cues(&[seen]), wanted);
    }
}

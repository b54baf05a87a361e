//! The one owner of stdout and stderr. In: rows, records, hints. Out: text or JSON for people and
//! programs. Knows nothing of what it prints.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// Data goes to stdout, everything else to stderr.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer {
    json: bool,
    quiet: bool,
}

impl Printer {
    pub(crate) fn new(json: bool, quiet: bool) -> Printer {
        Printer { json, quiet }
    }

    /// One row of data; nothing in JSON mode, where [`Printer::record`] speaks.
    pub(crate) fn row(self, row: impl Display) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        writeln!(io::stdout().lock(), "{}", plain(&row.to_string()))
    }

    /// Text made for a program, such as a shell's script: as it is, with `--json` too.
    pub(crate) fn script(script: &[u8]) -> io::Result<()> {
        io::stdout().lock().write_all(script)
    }

    /// One JSON document; nothing in text mode.
    pub(crate) fn record(self, record: &impl Serialize) -> io::Result<()> {
        if !self.json {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        serde_json::to_writer_pretty(&mut out, record)?;
        writeln!(out)
    }

    /// One JSON document on a line of its own, written at once; nothing in text mode.
    pub(crate) fn record_line(self, record: &impl Serialize) -> io::Result<()> {
        if !self.json {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        serde_json::to_writer(&mut out, record)?;
        writeln!(out)?;
        out.flush()
    }

    /// One page of a list as JSON, and how long the whole list is; nothing in text mode.
    pub(crate) fn record_page(self, total: usize, items: &[impl Serialize]) -> io::Result<()> {
        #[derive(Serialize)]
        struct Listing<'a, T> {
            total: usize,
            items: &'a [T],
        }
        self.record(&Listing { total, items })
    }

    /// A hint or a problem, for people.
    pub(crate) fn note(self, note: impl Display) {
        if !self.quiet {
            self.problem(note);
        }
    }

    /// A problem that must be seen even when quiet.
    pub(crate) fn problem(self, problem: impl Display) {
        // Nothing can be said about a stderr that is gone.
        let _ = writeln!(io::stderr().lock(), "{}", plain(&problem.to_string()));
    }

    /// A question to a human, without an end of line; asked also when quiet.
    pub(crate) fn question(question: &str) {
        let mut out = io::stderr().lock();
        // Nothing can be said about a stderr that is gone.
        let _ = write!(out, "{}", plain(question)).and_then(|()| out.flush());
    }

    /// A progress bar on stderr; hidden when quiet or not a terminal.
    pub(crate) fn bar(self, length: u64, what: &'static str) -> ProgressBar {
        let hidden = self.quiet || !io::stderr().is_terminal();
        let target = if hidden {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(8)
        };
        let bar = ProgressBar::with_draw_target(Some(length), target);
        let form = "{msg} {wide_bar:.cyan/blue} {human_pos}/{human_len}  {per_sec}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(form) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(250));
        bar
    }
}

/// Escapes control characters: names come from strangers, and a terminal obeys escape sequences.
fn plain(text: &str) -> Cow<'_, str> {
    let control = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(control) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| {
        if control(c) {
            c.escape_default().to_string()
        } else {
            c.to_string()
        }
    };
    Cow::Owned(text.chars().map(escape).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_made_visible() {
        assert_eq!(plain("a\u{1b}[31mb\tc"), "a\\u{1b}[31mb\tc");
        assert_eq!(plain("Zoë"), "Zoë");
    }
}

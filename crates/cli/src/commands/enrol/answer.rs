//! What was enrolled, what was there, what could not be. In: counts and names. Out: lines for
//! people, JSON for programs.

use std::fmt;
use std::path::Path;

use anyhow::Result;
use fusiform_gallery::Consent;
use serde::Serialize;

use crate::args::date_of;
use crate::context::Context;

/// Problems shown in full; `--json` lists all of them.
const SHOWN_PROBLEMS: usize = 50;

#[derive(Serialize, Default)]
pub(super) struct Answer {
    /// Number of the collection; none for a dry run.
    pub(super) collection: Option<i64>,
    pub(super) people: Vec<Row>,
    /// Pictures that were enrolled now; in a dry run, that could be.
    pub(super) enrolled: usize,
    /// Pictures that were enrolled already.
    pub(super) there: usize,
    /// Milliseconds since 1970; none is until erased.
    pub(super) expires_at_ms: Option<i64>,
    pub(super) problems: Vec<Problem>,
    pub(super) notes: Vec<String>,
    pub(super) left_out: Vec<Left>,
    pub(super) dry_run: bool,
    pub(super) interrupted: bool,
}

#[derive(Serialize, Default)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) enrolled: usize,
    pub(super) there: usize,
    /// Those that were enrolled now.
    pub(super) pictures: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Problem {
    pub(super) person: String,
    pub(super) picture: Option<String>,
    pub(super) problem: String,
}

#[derive(Serialize)]
pub(super) struct Left {
    pub(super) path: String,
    pub(super) reason: String,
}

impl Answer {
    pub(super) fn left_out(&mut self, path: &Path, reason: impl Into<String>) {
        self.left_out.push(Left {
            path: path.display().to_string(),
            reason: reason.into(),
        });
    }

    pub(super) fn add(&mut self, row: Row) {
        self.enrolled += row.enrolled;
        self.there += row.there;
        self.people.push(row);
    }

    pub(super) fn tell(&self, context: &Context, consent: &Consent) -> Result<()> {
        let printer = context.printer;
        for row in &self.people {
            let Row {
                name,
                enrolled,
                there,
                ..
            } = row;
            printer.row(format_args!(
                "{name}\tenrolled now: {enrolled}, there already: {there}"
            ))?;
            if self.dry_run {
                for picture in &row.pictures {
                    printer.row(format_args!("\t{picture}"))?;
                }
            }
        }
        let (n, faces) = (self.people.len(), self.enrolled);
        printer.row(match self.dry_run {
            true => format!("{n} people, {faces} faces; nobody was enrolled"),
            false => format!(
                "people: {n}, faces enrolled now: {faces}, there already: {}; {}",
                self.there,
                Shown(consent)
            ),
        })?;
        for note in &self.notes {
            printer.note(note);
        }
        if !self.left_out.is_empty() {
            printer.note("left out:");
            for left in self.left_out.iter().take(SHOWN_PROBLEMS) {
                printer.note(format_args!("  {}: {}", left.path, left.reason));
            }
            tell_more(context, self.left_out.len());
        }
        if !self.problems.is_empty() {
            printer.problem(format_args!("{} not enrolled:", self.problems.len()));
            for problem in self.problems.iter().take(SHOWN_PROBLEMS) {
                let picture = problem.picture.as_ref();
                let of = picture.map_or(String::new(), |picture| format!(", {picture}"));
                printer.problem(format_args!(
                    "  {}{of}: {}",
                    problem.person, problem.problem
                ));
            }
            tell_more(context, self.problems.len());
        }
        if self.interrupted {
            printer.note("stopped; run the same command again to go on from here");
        }
        Ok(())
    }
}

/// That a list was not shown in full.
fn tell_more(context: &Context, n_lines: usize) {
    if let Some(more) = n_lines.checked_sub(SHOWN_PROBLEMS).filter(|n| *n > 0) {
        let printer = context.printer;
        printer.problem(format_args!("  and {more} more; --json lists all"));
    }
}

/// A consent in words.
pub(super) struct Shown<'a>(pub(super) &'a Consent);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Consent {
            basis,
            purpose,
            expires_at_ms,
        } = self.0;
        write!(f, "{basis} ({purpose}) ")?;
        match expires_at_ms {
            None => f.write_str("until erased"),
            Some(end) => {
                // The end of a day is the first instant of the next.
                match date_of(end.saturating_sub(1)) {
                    Some(day) => write!(f, "to {day}"),
                    None => f.write_str("to a day beyond the year 9999"),
                }
            }
        }
    }
}

//! `fusiform review`. In: nothing, or the answer to one question. Out: the open questions about who
//! is who.

use anyhow::Result;
use fusiform::album::{QuestionId, Reply, Subject};
use serde::Serialize;

use super::edit::confirm;
use crate::args::{PageArgs, ReviewAnswer};
use crate::context::Context;
use crate::exit::Exit;

#[derive(Serialize)]
struct QuestionRow {
    /// What the question is called.
    id: String,
    group: Option<i64>,
    /// The face to show.
    face: i64,
    /// None for a name that nobody has yet.
    candidate: Option<i64>,
    candidate_name: Option<String>,
    /// None where only a file names the candidate.
    similarity: Option<f32>,
    next: Option<i64>,
    next_similarity: Option<f32>,
    reason: String,
    /// Faces that a "yes" settles.
    settles: usize,
    /// What names the candidate in the photo, without a place.
    stated_by: Option<String>,
    /// How likely the answer is "yes", 0 to 1; none where only a file says so.
    probability: Option<f32>,
    /// Faces that the answer is expected to settle.
    expected_gain: f32,
}

pub(crate) fn answer(
    context: &Context,
    question: QuestionId,
    answer: ReviewAnswer,
) -> Result<Exit> {
    let mut catalogue = context.existing_catalogue()?;
    let reply = match answer {
        ReviewAnswer::Yes => Reply::Yes,
        ReviewAnswer::No => Reply::No,
        ReviewAnswer::Unsure => Reply::NotSure,
    };
    catalogue.reply(question, reply)?;
    confirm(context, &catalogue, "answered", None)
}

pub(crate) fn list(context: &Context, page: PageArgs) -> Result<Exit> {
    let mut catalogue = context.readable_catalogue()?;
    // Grouping anew drops questions that answers and corrections since the last one have settled.
    if !catalogue.is_read_only() {
        context.engine()?.group(&mut catalogue)?;
    }
    let open = catalogue.questions(page.page())?;
    let mut items = Vec::new();
    for q in open.items {
        let (what, group) = match q.subject {
            Subject::Group(person) => (format!("group {person}"), Some(person.0)),
            Subject::Face(face) => (format!("face {face}"), None),
        };
        let reason = q.reason();
        let likely = q.probability.map_or(String::new(), |probability| {
            format!("{:.0} % likely, ", probability * 100.0)
        });
        context.printer.row(format_args!(
            "{:>9}  is {what} {}?\t{likely}settles {}\t{reason}",
            q.id.to_string(),
            q.candidate_called(),
            q.settles
        ))?;
        items.push(QuestionRow {
            id: q.id.to_string(),
            group,
            face: q.face.0,
            candidate: q.candidate.map(|p| p.0),
            candidate_name: q.candidate_name,
            similarity: q.similarity,
            next: q.next.map(|n| n.0.0),
            next_similarity: q.next.map(|n| n.1),
            stated_by: q.stated_by,
            reason,
            settles: q.settles,
            probability: q.probability,
            expected_gain: q.expected_gain,
        });
    }
    context.printer.note(match items.is_empty() {
        true => "nothing to ask",
        false => "`fusiform review QUESTION yes|no|unsure` answers one",
    });
    context.printer.record_page(open.total, &items)?;
    Ok(Exit::Done)
}

//! `fusiform review`. In: nothing, or the answer to one question. Out: the open questions about who
//! is who.

use anyhow::Result;
use fusiform::album::{Reply, Subject};
use serde::Serialize;

use super::edit::confirm;
use crate::args::{PageArgs, ReviewAnswer};
use crate::context::Context;
use crate::exit::Exit;

#[derive(Serialize)]
struct QuestionRow {
    id: i64,
    group: Option<i64>,
    /// The face to show.
    face: i64,
    candidate: i64,
    candidate_name: Option<String>,
    similarity: f32,
    next: Option<i64>,
    next_similarity: Option<f32>,
    reason: String,
    /// Faces that a "yes" settles.
    settles: usize,
    /// How likely the answer is "yes", 0 to 1.
    probability: f32,
    /// Faces that the answer is expected to settle.
    expected_gain: f32,
}

pub(crate) fn answer(context: &Context, question: i64, answer: ReviewAnswer) -> Result<Exit> {
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
        let who = q.candidate_name.clone();
        let who = who.unwrap_or_else(|| format!("person {}", q.candidate));
        let reason = q.reason();
        context.printer.row(format_args!(
            "{:>6}  is {what} {who}?\t{:.0} % likely, settles {}\t{reason}",
            q.id,
            q.probability * 100.0,
            q.settles
        ))?;
        items.push(QuestionRow {
            id: q.id,
            group,
            face: q.face.0,
            candidate: q.candidate.0,
            candidate_name: q.candidate_name,
            similarity: q.similarity,
            next: q.next.map(|n| n.0.0),
            next_similarity: q.next.map(|n| n.1),
            reason,
            settles: q.settles,
            probability: q.probability,
            expected_gain: q.expected_gain,
        });
    }
    context.printer.note(match items.is_empty() {
        true => "nothing to ask",
        false => "`fusiform review NUMBER yes|no|unsure` answers one",
    });
    context.printer.record_page(open.total, &items)?;
    Ok(Exit::Done)
}

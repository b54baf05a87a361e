//! Who decided what and when. In: the catalogue's decisions. Out: a list, and taking back.

use axum::Extension;
use axum::extract::{Query, State};
use axum::response::Response;
use fusiform::album::{Album, Decision, PersonId};
use maud::{Markup, html};
use serde::Deserialize;

use super::failure::Failure;
use super::fields::Fields;
use super::frame::{Place, counted};
use super::groups::{pager, part};
use super::guard::Session;
use super::{Web, see_other};

const PER_PAGE: usize = 50;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    page: Option<usize>,
    undone: Option<i64>,
}

pub(super) async fn list(
    State(web): State<Web>,
    Extension(session): Extension<Session>,
    Query(asked): Query<Asked>,
) -> Result<Markup, Failure> {
    let frame = web.frame(session, None).await?;
    let part = part(asked.page, PER_PAGE);
    let read = move |catalogue: &mut Album| {
        let mut history = catalogue.history(part)?;
        let mut times = Vec::with_capacity(history.items.len());
        for decision in &mut history.items {
            decision.what = in_words(catalogue, &decision.what);
            times.push(catalogue.local_time(decision.at_ms)?);
        }
        Ok((history, times))
    };
    let (history, times) = web.catalogue(read).await?;
    let row = |d: &Decision, at: &str| {
        html! {
            li.undone[d.undone] {
                div.words {
                    span.what { (d.what) }
                    @if d.n_faces > 0 { " " span.soft { "(" (counted(d.n_faces, "face", "faces")) ")" } }
                    br;
                    small.soft { (at) " by " (d.actor) @if d.undone { ", taken back" } }
                }
                @if !d.undone && can_be_undone(d) {
                    form method="post" action="/undo" {
                        (frame.token())
                        input type="hidden" name="decision" value=(d.id);
                        input type="hidden" name="from" value="history";
                        button aria-label={ "Undo: " (d.what) } { "Undo" }
                    }
                }
            }
        }
    };
    let content = html! {
        div.head { div.words {
            h1 { "History" }
            p.soft { "Everything you and others decided, latest first. A later scan or sorting never overrules it." }
        } }
        @if asked.undone.is_some() { div.notice role="status" { p { "Taken back." } } }
        @if history.items.is_empty() { p { "Nothing was decided yet." } }
        ul.history { @for (d, at) in history.items.iter().zip(&times) { (row(d, at)) } }
        (pager("/history?", part, history.total))
    };
    Ok(frame.page("History", Place::History, content))
}

pub(super) async fn undo(
    State(web): State<Web>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Failure> {
    let id = fields.numbers("decision").next();
    let id = id.ok_or_else(|| Failure::bad("which decision is to be taken back is not said"))?;
    web.catalogue(move |catalogue| Ok(catalogue.undo_decision(id)?))
        .await?;
    web.0.decided.notify_one();
    Ok(see_other(&format!("/history?undone={id}")))
}

/// An erasure is for good.
pub(super) fn can_be_undone(decision: &Decision) -> bool {
    !decision.what.ends_with(" erased")
}

/// The catalogue's words with names for numbers, as far as people have names now.
pub(super) fn in_words(catalogue: &Album, what: &str) -> String {
    let mut words: Vec<String> = what.split(' ').map(str::to_owned).collect();
    let two = what.starts_with("persons ");
    for at in 1..words.len() {
        let of_person =
            matches!(&*words[at - 1], "person" | "persons") || (two && words[at - 1] == "and");
        let number = words[at].parse().ok().filter(|_| of_person);
        let name = number
            .and_then(|id| catalogue.person(PersonId(id)).ok())
            .and_then(|person| person.name);
        if let Some(name) = name {
            words[at] = name;
            words[at - 1] = match &*words[at - 1] {
                "and" => "and".into(),
                _ => String::new(),
            };
        } else if number.is_some() && words[at - 1] == "and" {
            words[at] = format!("person {}", words[at]);
        }
    }
    let text = words
        .into_iter()
        .filter(|w| !w.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().collect::<String>());
    first.unwrap_or_default() + letters.as_str()
}

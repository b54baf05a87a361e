//! Who decided what and when. In: the album's decisions. Out: a list, and undoing.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use fusiform::album::{Album, Decision};
use maud::{Markup, html};
use serde::Deserialize;

use super::decisions::in_words;
use super::fields::Fields;
use super::frame::{MenuItem, counted};
use super::groups::{pager, part};
use super::guard::Login;
use super::state::Pages;
use crate::params::Query;
use crate::problem::Problem;

const PER_PAGE: usize = 50;

#[derive(Debug, Deserialize)]
pub(super) struct Params {
    page: Option<usize>,
    undone: Option<i64>,
}

pub(super) async fn list(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Query(params): Query<Params>,
) -> Result<Markup, Problem> {
    let frame = pages.frame(login, None).await?;
    let part = part(params.page, PER_PAGE);
    let read = move |album: &mut Album| {
        let mut history = album.history(part)?;
        let mut times = Vec::with_capacity(history.items.len());
        for decision in &mut history.items {
            decision.what = in_words(album, &decision.what);
            times.push(album.local_time(decision.at_ms)?);
        }
        Ok((history, times))
    };
    let (history, times) = pages.album(read).await?;
    let row = |d: &Decision, at: &str| {
        html! {
            li.undone[d.undone] {
                div.words {
                    span.what { (d.what) }
                    @if d.n_faces > 0 {
                        " " span.soft { "(" (counted(d.n_faces, "face", "faces")) ")" }
                    }
                    @if d.n_in_batch > 1 {
                        " " span.soft {
                            "· one of " (d.n_in_batch) " decided and undone in one step"
                        }
                    }
                    br;
                    small.soft { (at) " by " (d.actor) @if d.undone { ", taken back" } }
                }
                @if d.undoable {
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
            p.soft { "Everything you and others decided, latest first. A later scan or sorting \
                never overrules it." }
        } }
        @if params.undone.is_some() { div.notice role="status" { p { "Taken back." } } }
        @if history.items.is_empty() { p { "Nothing was decided yet." } }
        ul.history { @for (d, at) in history.items.iter().zip(&times) { (row(d, at)) } }
        (pager("/history?", part, history.total))
    };
    Ok(frame.page("History", MenuItem::History, content))
}

pub(super) async fn undo(
    State(pages): State<Pages>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Problem> {
    let id = fields.numbers("decision").next();
    let id = id.ok_or_else(|| Problem::invalid("the form names no decision to undo"))?;
    pages
        .album(move |album| Ok(album.undo_decision(id)?))
        .await?;
    pages.decided();
    Ok(Redirect::to(&format!("/history?undone={id}")).into_response())
}

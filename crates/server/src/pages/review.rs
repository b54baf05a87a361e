//! Questions for a person. In: what the grouping was not sure of. Out: one question at a time, and
//! answers.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use fusiform::album::{Album, FaceId, Page, PhotoId, Question, QuestionId, Reply, Subject};
use maud::{Markup, html};
use serde::Deserialize;

use super::fields::Fields;
use super::frame::{MenuItem, counted};
use super::groups::sort_button;
use super::guard::Login;
use super::state::Pages;
use crate::params::Query;
use crate::problem::Problem;

/// Faces shown of each side.
const N_SHOWN: usize = 4;

#[derive(Debug, Deserialize)]
pub(super) struct Params {
    did: Option<i64>,
    #[serde(default)]
    settled: bool,
    #[serde(default)]
    sorted: bool,
}

pub(super) async fn ask(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Query(params): Query<Params>,
) -> Result<Markup, Problem> {
    let frame = pages.frame(login, params.did).await?;
    let read = |album: &mut Album| {
        let mut questions = album.questions(Page {
            offset: 0,
            limit: 1,
        })?;
        let Some(question) = questions.items.pop() else {
            return Ok((None, 0));
        };
        let subject = match question.subject {
            Subject::Group(group) => faces(album, group, Some(question.face))?,
            Subject::Face(face) => vec![face],
        };
        let candidate = match question.candidate {
            Some(person) => faces(album, person, question.candidate_cover)?,
            None => Vec::new(),
        };
        // Nobody to show: the photo that a file names them in.
        let photo = match candidate.is_empty() {
            true => Some(album.face(question.face)?.photo),
            false => None,
        };
        Ok((Some((question, subject, candidate, photo)), questions.total))
    };
    let (question, total) = pages.album(read).await?;
    let content = html! {
        div.head {
            div.words {
                h1 { "Review" }
                p.soft { @if total > 0 {
                    (counted(total, "question", "questions"))
                    ", the one whose answer is expected to settle most first."
                } }
            }
        }
        @if params.settled {
            div.notice role="status" { p { "That question was settled meanwhile." } }
        }
        @if params.sorted { div.notice role="status" { p { "Faces were sorted again." } } }
        @match &question {
            None => {
                div.empty {
                    p { "No open questions." }
                    p.soft { "New ones come with new photos, and when faces are sorted again after \
                        your decisions." }
                    (sort_button(&frame))
                }
            }
            Some((question, subject, candidate, photo)) => {
                @let name = question.candidate_called();
                @let group = match question.settles {
                    n if n > 1 => counted(n, "face", "faces"),
                    _ => "This face".into(),
                };
                div.question {
                    h2 #ask { "Is this " (name) "?" }
                    div.sides {
                        (side(group, subject))
                        @match photo {
                            Some(photo) => (in_photo(question, *photo)),
                            None => (side(name, candidate)),
                        }
                    }
                    p.soft {
                        @match question.probability {
                            Some(probability) => {
                                (format!("{:.0}", probability * 100.0))
                                " % likely: similarity "
                                (question.reason()) "."
                            }
                            None => { "Asked because " (question.reason()) "." }
                        }
                    }
                    form.answers method="post" action="/review" aria-labelledby="ask" {
                        (frame.token())
                        input type="hidden" name="question" value=(question.id);
                        input type="hidden" name="face" value=(question.face);
                        button.main name="answer" value="yes" data-key="y" {
                            "Yes" kbd aria-hidden="true" { "Y" }
                        }
                        button name="answer" value="no" data-key="n" {
                            "No" kbd aria-hidden="true" { "N" }
                        }
                        button name="answer" value="unsure" data-key="s" {
                            "Not sure" kbd aria-hidden="true" { "S" }
                        }
                    }
                }
            }
        }
    };
    Ok(frame.page("Review", MenuItem::Review, content))
}

/// Some faces of a person, the one that stands for them first.
fn faces(
    album: &Album,
    person: fusiform::album::PersonId,
    first: Option<FaceId>,
) -> Result<Vec<FaceId>, Problem> {
    let page = Page {
        offset: 0,
        limit: N_SHOWN,
    };
    let some = album.faces_of(person, page)?.items;
    let others = some.iter().map(|f| f.face).filter(|f| Some(*f) != first);
    Ok(first.into_iter().chain(others).take(N_SHOWN).collect())
}

/// The photo of which a file names somebody of whom there is no face yet.
fn in_photo(question: &Question, photo: PhotoId) -> Markup {
    let name = question.candidate_called();
    html! {
        section.side {
            h2 { (name) }
            p.soft {
                @match question.candidate {
                    Some(_) => { "There is no face of " (name) " yet." }
                    None => { "Nobody is called " (name) " yet." }
                }
            }
            a href={ "/photos/" (photo) } aria-label={ "The photo of which " (name) " is stated" } {
                img src={ "/photos/" (photo) "/small.jpg" } alt="The photo" width="224";
            }
        }
    }
}

fn side(title: String, faces: &[FaceId]) -> Markup {
    html! {
        section.side {
            h2 { (title) }
            ul {
                @for face in faces {
                    li { a href={ "/faces/" (face) } aria-label={ "Photo of face " (face) } {
                        img src={ "/faces/" (face) "/crop.jpg" } alt={ "Face " (face) } width="224"
                            height="224";
                    } }
                }
            }
        }
    }
}

pub(super) async fn answer(
    State(pages): State<Pages>,
    Extension(fields): Extension<Fields>,
) -> Result<Response, Problem> {
    let reply = match fields.first("answer") {
        Some("yes") => Reply::Yes,
        Some("no") => Reply::No,
        Some("unsure") => Reply::NotSure,
        _ => return Err(Problem::invalid("answer yes, no or not sure")),
    };
    let id = fields.first("question").unwrap_or_default();
    let id = id.parse::<QuestionId>()?;
    let shown = FaceId(fields.numbers("face").next().unwrap_or(0));
    // Grouping may change who is in a group: an answer counts only for the face that was shown.
    let _held = pages.hold_grouping().await;
    let is_open = move |album: &mut Album| {
        let question = album.question(id)?;
        Ok(question.is_some_and(|question| question.face == shown))
    };
    if !pages.album(is_open).await? {
        return Ok(Redirect::to("/review?settled=true").into_response());
    }
    pages
        .decide(move |album| {
            album.reply(id, reply)?;
            Ok("/review".into())
        })
        .await
}

pub(super) async fn sort(State(pages): State<Pages>) -> Result<Response, Problem> {
    pages.group().await?;
    Ok(Redirect::to("/review?sorted=true").into_response())
}

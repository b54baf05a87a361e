//! Problems as pages. In: a [`Problem`]. Out: its status and a short HTML page.

use axum::response::{IntoResponse, Response};
use maud::html;

use super::frame;
use crate::problem::Problem;

pub(super) fn response(problem: &Problem) -> Response {
    let title = problem.title();
    let page = frame::bare(
        title,
        html! {
            h1 { (title) }
            p role="alert" { (problem.detail) "." }
            p { a href="/people" { "To the people" } }
        },
    );
    (problem.status(), page).into_response()
}

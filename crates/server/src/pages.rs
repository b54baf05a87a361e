//! The album's pages. In: HTTP requests. Out: HTML, pictures, and decisions in the album. Knows
//! nothing of sockets, TLS or API keys. Every page works without scripts; `web/page.js` only adds
//! comfort.

#[cfg(feature = "cameras")]
mod cameras;
mod decisions;
mod draw;
mod error_page;
mod faces;
mod fields;
mod frame;
mod groups;
mod guard;
mod history;
mod login;
mod merge_question;
mod people;
mod person_edit;
mod photos;
mod pictures;
mod review;
mod scan;
mod scan_progress;
mod search;
mod shared;
mod state;
mod videos;
mod view;
mod visitor_limits;
mod visitors;
mod watched;

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};

use crate::problem::{Problem, render_problems};
use crate::security_headers::with_security_headers;
pub(crate) use guard::Guard;
pub(crate) use state::{Pages, Scanning};

/// The routes; call it inside a runtime.
pub(crate) fn router(pages: &Pages) -> Router {
    tokio::spawn(pages.clone().group_when_idle());
    let guard_state = guard::GuardState {
        guard: Arc::clone(pages.guard()),
        admission: Arc::clone(pages.admission()),
    };
    let routes = Router::new()
        .route("/", get(async || Redirect::to("/people")))
        .route("/assets/style.css", get(asset::<0>))
        .route("/assets/page.js", get(asset::<1>))
        .route("/assets/icon.svg", get(asset::<2>))
        .route("/login", get(login::ask).post(login::sign_in))
        .route("/logout", post(login::sign_out))
        .route("/people", get(people::list))
        .route("/people/{id}", get(people::show))
        .route("/people/{id}/name", post(person_edit::name))
        .route("/people/{id}/same/{other}", get(person_edit::same))
        .route("/people/{id}/merge", post(person_edit::merge))
        .route("/people/{id}/hide", post(person_edit::hide))
        .route(
            "/people/{id}/erase",
            get(person_edit::ask_erase).post(person_edit::erase),
        )
        .route("/people/{id}/faces", post(faces::of_person))
        .route("/people/{id}/not-in-video", post(videos::not_in_video))
        .route("/videos/{id}", get(videos::file))
        .route("/groups", get(groups::list).post(groups::decide))
        .route("/faces", get(groups::leftovers).post(faces::of_nobody))
        .route("/unclear", get(groups::unclear))
        .route("/aside", get(groups::aside))
        .route("/faces/{id}", get(faces::go_to))
        .route("/faces/{id}/crop.jpg", get(faces::crop))
        .route("/faces/{id}/is", post(faces::is))
        .route("/photos", get(search::list))
        .route("/photos/{id}", get(photos::show))
        .route("/photos/{id}/draw", get(draw::show).post(draw::draw))
        .route("/photos/{id}/view.jpg", get(photos::large))
        .route("/photos/{id}/small.jpg", get(photos::small))
        .route("/photos/{id}/huge.jpg", get(photos::huge))
        .route("/review", get(review::ask).post(review::answer))
        .route("/sort", post(review::sort))
        .route("/scan", get(scan::show).post(scan::start))
        .route("/scan/stop", post(scan::stop))
        .route("/scan/events", get(scan::events))
        .route("/shared", get(shared::list).post(shared::make))
        .route("/shared/new", get(shared::ask))
        .route("/shared/{id}/revoke", post(shared::revoke))
        .route("/history", get(history::list))
        .route("/undo", post(history::undo));
    #[cfg(feature = "cameras")]
    let routes = routes
        .route("/cameras", get(cameras::list))
        .route("/cameras/{name}", get(cameras::show))
        .route("/cameras/{name}/still.jpg", get(cameras::still))
        .route("/cameras/{name}/live", get(cameras::live));
    let routes = routes
        .fallback(async || Problem::not_found("this page"))
        .layer(from_fn_with_state(guard_state, guard::guard))
        .with_state(pages.clone());
    with_security_headers(render_problems(routes, error_page::response))
        .merge(visitors::router(pages))
}

/// The files that pages are made of, compiled in.
async fn asset<const N: usize>() -> Response {
    let (media_type, text) = [
        ("text/css; charset=utf-8", include_str!("../web/style.css")),
        (
            "text/javascript; charset=utf-8",
            include_str!("../web/page.js"),
        ),
        ("image/svg+xml", include_str!("../web/icon.svg")),
    ][N];
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}

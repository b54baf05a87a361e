//! The password. In: what somebody typed. Out: a session, or the same form with the reason.

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::fields::Fields;
use super::frame::bare;
use super::guard::Session;
use super::{Web, see_other};

pub(super) async fn ask(Extension(session): Extension<Session>) -> Response {
    if session.signed_in {
        return see_other("/people");
    }
    page(&session, None).into_response()
}

pub(super) async fn sign_in(
    State(web): State<Web>,
    Extension(session): Extension<Session>,
    Extension(fields): Extension<Fields>,
) -> Response {
    match web
        .guard()
        .sign_in(fields.first("password").unwrap_or_default())
    {
        Ok(cookie) => {
            let mut response = see_other("/people");
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            response
        }
        Err(why) => {
            let page = page(&session, Some(&why.to_string()));
            (StatusCode::UNAUTHORIZED, page).into_response()
        }
    }
}

pub(super) async fn sign_out(
    State(web): State<Web>,
    Extension(session): Extension<Session>,
) -> Response {
    web.guard().sign_out(&session);
    let headers = [(
        header::HeaderName::from_static("clear-site-data"),
        "\"cache\", \"cookies\"",
    )];
    (headers, see_other("/login")).into_response()
}

fn page(session: &Session, why: Option<&str>) -> Markup {
    bare(
        "Sign in",
        html! {
            h1 { "Fusiform" }
            form.panel method="post" action="/login" {
                input type="hidden" name="token" value=(session.token);
                div.field {
                    label for="password" { "Password" }
                    input #password type="password" name="password" required autofocus autocomplete="current-password"
                        aria-describedby=[why.map(|_| "why")];
                }
                @if let Some(why) = why {
                    p #why role="alert" { "Sorry: " (why) "." }
                }
                button.main { "Sign in" }
            }
        },
    )
}

//! The password. In: what was typed. Out: a login, or the same form with the reason.

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::fields::Fields;
use super::frame::bare;
use super::guard::Login;
use super::state::Pages;

pub(super) async fn ask(Extension(login): Extension<Login>) -> Response {
    if login.signed_in {
        return Redirect::to("/people").into_response();
    }
    page(&login, None).into_response()
}

pub(super) async fn sign_in(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    Extension(fields): Extension<Fields>,
) -> Response {
    match pages
        .guard()
        .sign_in(login.client, fields.first("password").unwrap_or_default())
    {
        Ok(cookie) => {
            let mut response = Redirect::to("/people").into_response();
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            response
        }
        Err(why) => {
            let page = page(&login, Some(&why.to_string()));
            (StatusCode::UNAUTHORIZED, page).into_response()
        }
    }
}

pub(super) async fn sign_out(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
) -> Response {
    pages.guard().sign_out(&login);
    let headers = [(
        header::HeaderName::from_static("clear-site-data"),
        "\"cache\", \"cookies\"",
    )];
    (headers, Redirect::to("/login").into_response()).into_response()
}

fn page(login: &Login, why: Option<&str>) -> Markup {
    bare(
        "Sign in",
        html! {
            h1 { "Fusiform" }
            form.panel method="post" action="/login" {
                input type="hidden" name="token" value=(login.token);
                div.field {
                    label for="password" { "Password" }
                    input #password type="password" name="password" required autofocus
                        autocomplete="current-password"
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

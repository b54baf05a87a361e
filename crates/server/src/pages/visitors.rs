//! What strangers see who have a link. In: a link's token. Out: its photos with every face covered
//! but those of its people. Reaches nothing else: no page, no original, no metadata, no scripts.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use fusiform::album::{Album, MonthCount, PhotoId, SharedLink};
use maud::{Markup, html};
use serde::Deserialize;
use tower_http::set_header::SetResponseHeaderLayer;

use super::faces::source;
use super::frame::{counted, day, month, public};
use super::groups::{pager, part};
use super::guard::Guard;
use super::pictures::{Covered, Size};
use super::state::Pages;
use super::view::joined;
use crate::front::Client;
use crate::params::{Path, Query};
use crate::problem::{Code, Problem, render_problems};
use crate::security_headers::with_security_headers;

/// Photos of one page: each is looked at for faces before it is sent.
const PER_PAGE: usize = 24;

/// What is stored of a token.
pub(super) fn token_hash(token: &str) -> [u8; 32] {
    *blake3::hash(token.as_bytes()).as_bytes()
}

/// The routes, which no password guards.
pub(super) fn router(pages: &Pages) -> Router {
    let routes = Router::new()
        .route("/s/{token}", get(list))
        .route("/s/{token}/{photo}", get(show))
        .route("/s/{token}/{photo}/small.jpg", get(small))
        .route("/s/{token}/{photo}/view.jpg", get(large))
        .layer(from_fn_with_state(pages.clone(), admit))
        .with_state(pages.clone());
    let routes = with_security_headers(render_problems(routes, problem_page));
    // The address holds the token: it goes to nobody.
    let fixed = [
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("x-robots-tag"),
            "noindex, nofollow, noarchive",
        ),
    ];
    fixed.into_iter().fold(routes, |routes, (name, value)| {
        let value = HeaderValue::from_static(value);
        routes.layer(SetResponseHeaderLayer::overriding(name, value))
    })
}

fn problem_page(problem: &Problem) -> Response {
    // What the owner's pages say may name files.
    let detail = match problem.code {
        Code::NotFound | Code::RateLimited => &*problem.detail,
        Code::Busy | Code::TimedOut => "Too much is asked at once; try again in a moment",
        _ => "This cannot be shown",
    };
    let title = problem.title();
    let page = public(
        title,
        html! { h1 { (title) } p role="alert" { (detail) "." } },
    );
    (problem.status(), page).into_response()
}

/// The link that a request came with.
#[derive(Debug, Clone)]
struct Opened {
    token: String,
    link: Arc<SharedLink>,
}

/// Lets requests through with [`Opened`] as an extension, if their link is open now.
async fn admit(
    State(pages): State<Pages>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Problem::new(Code::UnknownRoute, "a link is only looked at"));
    }
    if let Some(problem) = Guard::refuse(pages.guard(), request.method(), request.headers()) {
        return Err(problem);
    }
    let address = Client::of(&request)?.address;
    pages.visitors().count(address)?;
    let path = request.uri().path();
    let token = path.split('/').nth(2).unwrap_or_default().to_owned();
    let hash = token_hash(&token);
    let found = pages
        .album(move |album| Ok(album.open_link(&hash)?))
        .await?;
    let link = Arc::new(found.ok_or_else(|| pages.visitors().unknown(address))?);
    request.extensions_mut().insert(Opened { token, link });
    Ok(next.run(request).await)
}

#[derive(Debug, Deserialize)]
struct Params {
    page: Option<usize>,
}

/// The names that a link shows.
fn names(album: &Album, link: &SharedLink) -> Result<Vec<String>, Problem> {
    let mut names = Vec::new();
    for person in link.photos.people.iter().filter(|_| link.with_names) {
        names.extend(album.person_stats(*person).ok().and_then(|card| card.name));
    }
    Ok(names)
}

async fn list(
    State(pages): State<Pages>,
    axum::Extension(opened): axum::Extension<Opened>,
    Query(params): Query<Params>,
) -> Result<Markup, Problem> {
    let part = part(params.page, PER_PAGE);
    let link = Arc::clone(&opened.link);
    let read = move |album: &mut Album| {
        let photos = album.photos(&link.photos, part)?;
        let months = album.months(&link.photos)?;
        let end = album.local_time(link.expires_at_ms)?;
        Ok((photos, months, names(album, &link)?, end))
    };
    let (photos, months, names, end) = pages.album(read).await?;
    let title = match &*names {
        [] => "Shared photos".into(),
        names => joined(names, opened.link.photos.any_person),
    };
    let base = format!("/s/{}", opened.token);
    let content = html! {
        div.head { div.words {
            h1 { (title) }
            p.soft {
                (counted(photos.total, "photo", "photos")) (span_of(&months))
                " · shared with you until " (end) " · faces of others are covered"
            }
        } }
        ul.grid.photos {
            @for photo in &photos.items {
                li { a href={ (base) "/" (photo.photo) } {
                    img src={ (base) "/" (photo.photo) "/small.jpg" } width="240" height="180"
                        loading="lazy" alt={ "Photo " (photo.photo) };
                    small { (photo.taken_at.as_deref().map(day).unwrap_or_default()) }
                } }
            }
        }
        (pager(&format!("{base}?"), part, photos.total))
    };
    Ok(public(&title, content))
}

/// ` · July 2020 to May 2021`.
fn span_of(months: &[MonthCount]) -> String {
    let mut dated = months.iter().filter_map(|count| count.month.as_deref());
    match (dated.next(), dated.next_back()) {
        (Some(first), Some(last)) => format!(" · {} to {}", month(first), month(last)),
        (Some(only), None) => format!(" · {}", month(only)),
        _ => String::new(),
    }
}

async fn show(
    State(pages): State<Pages>,
    axum::Extension(opened): axum::Extension<Opened>,
    Path((_, photo)): Path<(String, i64)>,
) -> Result<Markup, Problem> {
    let photo = PhotoId(photo);
    let link = Arc::clone(&opened.link);
    let read = move |album: &mut Album| {
        let place = album.place(photo, &link.photos)?;
        let place = place.ok_or_else(|| Problem::not_found("this photo"))?;
        let view = album.photo(photo)?;
        let shown = |name: &&String| link.with_names && !name.is_empty();
        let of_link = view.faces.iter().filter(|face| {
            let person = face.person.filter(|_| face.excluded.is_none());
            person.is_some_and(|person| link.photos.people.contains(&person))
        });
        let mut names: Vec<String> = Vec::new();
        for name in of_link.filter_map(|face| face.name.as_ref()).filter(shown) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        Ok((place, view.taken_at, (view.width_px, view.height_px), names))
    };
    let (place, taken_at, size_px, names) = pages.album(read).await?;
    let title = taken_at.as_deref().map_or("Photo".into(), day);
    let base = format!("/s/{}", opened.token);
    let step = |to: Option<PhotoId>, words: &str| {
        html! {
            @match to {
                Some(to) => { a.button href={ (base) "/" (to) } { (words) } }
                None => { span.button.off aria-disabled="true" { (words) } }
            }
        }
    };
    let content = html! {
        nav.turn aria-label="Photos" {
            (step(place.previous, "← Previous"))
            a href=(base) { (place.number) " of " (place.total) }
            (step(place.next, "Next →"))
        }
        div.photo {
            img src={ (base) "/" (photo) "/view.jpg" } alt="The photo, faces of others covered"
                width=(size_px.0) height=(size_px.1);
        }
        h1 { (title) }
        @if !names.is_empty() { p { (names.join(", ")) } }
    };
    Ok(public(&title, content))
}

async fn small(
    pages: State<Pages>,
    opened: axum::Extension<Opened>,
    path: Path<(String, i64)>,
) -> Result<Response, Problem> {
    picture(pages, opened, path, Size::Small).await
}

async fn large(
    pages: State<Pages>,
    opened: axum::Extension<Opened>,
    path: Path<(String, i64)>,
) -> Result<Response, Problem> {
    picture(pages, opened, path, Size::Large).await
}

async fn picture(
    State(pages): State<Pages>,
    axum::Extension(opened): axum::Extension<Opened>,
    Path((_, photo)): Path<(String, i64)>,
    size: Size,
) -> Result<Response, Problem> {
    let link = Arc::clone(&opened.link);
    let find = move |album: &mut Album| {
        let photo = PhotoId(photo);
        if !album.is_in(photo, &link.photos)? {
            return Err(Problem::not_found("this photo"));
        }
        let faces = album.all_faces_in(photo)?;
        let (kept, covered) = faces.into_iter().partition::<Vec<_>, _>(|face| {
            face.person
                .is_some_and(|person| link.photos.people.contains(&person))
        });
        let mut source = source(album, photo)?;
        source.paths = album.unchanged_files(photo)?;
        Ok((
            source,
            Covered {
                kept: kept.into_iter().map(|face| face.bbox).collect(),
                covered: covered.into_iter().map(|face| face.bbox).collect(),
            },
        ))
    };
    let (source, faces) = pages.album(find).await?;
    let engine = Arc::clone(pages.engine());
    let pictures = pages.pictures();
    let made = pictures.covered(engine, source, faces, size).await;
    // Why a file cannot be read is the owner's to know.
    let bytes = made.map_err(|problem| match problem.code {
        Code::NotFound => Problem::not_found("this photo"),
        _ => problem,
    })?;
    Ok(([(header::CONTENT_TYPE, "image/jpeg")], bytes).into_response())
}

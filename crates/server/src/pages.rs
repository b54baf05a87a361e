//! The pages of `fusiform serve`. In: HTTP requests. Out: HTML, pictures, and decisions in the catalogue.
//! Knows nothing of sockets, TLS or keys of the API. Every page works without scripts; `web/page.js` only adds comfort.

mod faces;
mod failure;
mod fields;
mod frame;
mod groups;
mod guard;
mod history;
mod login;
mod people;
mod photos;
mod pictures;
mod review;
mod scan;
mod search;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use fusiform::album::{Album, OpenOptions, Page};
use fusiform::engine::Engine;
use tokio::sync::{Notify, RwLock};

use failure::Failure;
use frame::{Frame, Notice};
pub use guard::Guard;
use guard::Session;
use pictures::Pictures;
use scan::Scans;

/// Who the history says decided.
const WHO: &str = "web page";
/// Faces are sorted anew after this long without a decision.
const IDLE: Duration = Duration::from_secs(20);
/// Connections kept open.
const MAX_IDLE_CONNECTIONS: usize = 8;

/// All that the pages work with.
#[derive(Clone)]
pub struct Web(Arc<Inner>);

struct Inner {
    guard: Arc<Guard>,
    engine: Arc<Engine>,
    catalogue: PathBuf,
    idle: Mutex<Vec<Album>>,
    pictures: Arc<Pictures>,
    scans: Scans,
    threads: usize,
    /// Held for reading while a question is answered, for writing while faces are sorted and questions made anew.
    sorting: RwLock<()>,
    decided: Notify,
}

impl Web {
    /// Pages over one catalogue, which must exist.
    pub fn new(engine: Arc<Engine>, catalogue: PathBuf, threads: usize, guard: Guard) -> Web {
        Web(Arc::new(Inner {
            guard: Arc::new(guard),
            engine,
            catalogue,
            idle: Mutex::default(),
            pictures: Arc::new(Pictures::new(threads)),
            scans: Scans::default(),
            threads,
            sorting: RwLock::default(),
            decided: Notify::new(),
        }))
    }

    /// The pages; call it inside a runtime.
    pub fn router(self) -> Router {
        tokio::spawn(sort_when_idle(self.clone()));
        Router::new()
            .route("/", get(async || see_other("/people")))
            .route("/assets/style.css", get(asset::<0>))
            .route("/assets/page.js", get(asset::<1>))
            .route("/assets/icon.svg", get(asset::<2>))
            .route("/login", get(login::ask).post(login::sign_in))
            .route("/logout", post(login::sign_out))
            .route("/people", get(people::list))
            .route("/people/{id}", get(people::show))
            .route("/people/{id}/name", post(people::name))
            .route("/people/{id}/same/{other}", get(people::same))
            .route("/people/{id}/merge", post(people::merge))
            .route("/people/{id}/hide", post(people::hide))
            .route(
                "/people/{id}/erase",
                get(people::ask_erase).post(people::erase),
            )
            .route("/people/{id}/faces", post(faces::of_person))
            .route("/groups", get(groups::list))
            .route("/faces", get(groups::leftovers).post(faces::of_nobody))
            .route("/aside", get(groups::aside))
            .route("/faces/{id}", get(faces::go_to))
            .route("/faces/{id}/crop.jpg", get(faces::crop))
            .route("/faces/{id}/is", post(faces::is))
            .route("/photos", get(search::list))
            .route("/photos/{id}", get(photos::show))
            .route("/photos/{id}/view.jpg", get(photos::large))
            .route("/photos/{id}/small.jpg", get(photos::small))
            .route("/review", get(review::ask).post(review::answer))
            .route("/sort", post(review::sort))
            .route("/scan", get(scan::show).post(scan::start))
            .route("/scan/stop", post(scan::stop))
            .route("/scan/events", get(scan::events))
            .route("/history", get(history::list))
            .route("/undo", post(history::undo))
            .fallback(async || Failure::missing("this page"))
            .layer(from_fn_with_state(self.clone(), guard::guard))
            .with_state(self)
    }

    /// Asks a running scan to stop, so that the server can.
    pub fn stop(&self) {
        self.0.scans.stop();
    }

    fn guard(&self) -> &Arc<Guard> {
        &self.0.guard
    }

    /// Works with the catalogue on a thread that may block.
    async fn catalogue<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Album) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let web = self.clone();
        let work = move || {
            let mut catalogue = web.connection()?;
            let done = work(&mut catalogue);
            let mut idle = web.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < MAX_IDLE_CONNECTIONS {
                idle.push(catalogue);
            }
            done
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(anyhow::Error::from)?
    }

    /// As [`Web::catalogue`], for a decision: the answer's address then shows it and offers to take it back.
    async fn decide(
        &self,
        work: impl FnOnce(&mut Album) -> Result<String, Failure> + Send + 'static,
    ) -> Result<Response, Failure> {
        let work = move |catalogue: &mut Album| {
            let to = work(catalogue)?;
            let latest = catalogue
                .history(Page {
                    offset: 0,
                    limit: 1,
                })?
                .items
                .pop();
            let sign = if to.contains('?') { '&' } else { '?' };
            Ok(match latest {
                Some(latest) => format!("{to}{sign}did={}", latest.id),
                None => to,
            })
        };
        let to = self.catalogue(work).await?;
        self.0.decided.notify_one();
        Ok(see_other(&to))
    }

    fn connection(&self) -> Result<Album, Failure> {
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(catalogue) = idle.pop() {
            return Ok(catalogue);
        }
        drop(idle);
        let options = OpenOptions {
            create: true,
            ..OpenOptions::default()
        };
        let mut catalogue = Album::open(&self.0.catalogue, options)?;
        catalogue.set_actor(WHO);
        Ok(catalogue)
    }

    /// What a page shows around its content; `did` is the decision it is the answer to.
    async fn frame(&self, session: Session, did: Option<i64>) -> Result<Frame, Failure> {
        let read = move |catalogue: &mut Album| {
            let one = Page {
                offset: 0,
                limit: 1,
            };
            let n_questions = catalogue.questions(one)?.total;
            let notice = match did {
                None => None,
                Some(id) => {
                    let recent = Page {
                        offset: 0,
                        limit: 50,
                    };
                    let decisions = catalogue.history(recent)?.items;
                    let found = decisions.into_iter().find(|d| d.id == id && !d.undone);
                    found.map(|d| Notice {
                        text: history::in_words(catalogue, &d.what),
                        undo: history::can_be_undone(&d).then_some(id),
                    })
                }
            };
            Ok((notice, n_questions))
        };
        let (notice, n_questions) = self.catalogue(read).await?;
        Ok(Frame {
            session,
            notice,
            n_questions,
        })
    }

    /// Sorts all faces anew and makes the questions for the review.
    async fn sort(&self) -> Result<(), Failure> {
        let web = self.clone();
        let _alone = self.0.sorting.write().await;
        self.catalogue(move |catalogue| {
            let sorted = web.0.engine.group(catalogue).map_err(anyhow::Error::from)?;
            tracing::info!(
                "{} people, {} faces of nobody",
                sorted.n_people,
                sorted.n_unassigned
            );
            Ok(())
        })
        .await
    }
}

/// After decisions, when nobody decides for a while, lets the grouping follow them.
async fn sort_when_idle(web: Web) {
    loop {
        web.0.decided.notified().await;
        while tokio::time::timeout(IDLE, web.0.decided.notified())
            .await
            .is_ok()
        {}
        if !web.0.scans.is_running()
            && let Err(failure) = web.sort().await
        {
            tracing::warn!("faces could not be sorted: {failure:?}");
        }
    }
}

/// The files that pages are made of, compiled in.
async fn asset<const N: usize>() -> Response {
    let (kind, text) = [
        ("text/css; charset=utf-8", include_str!("../web/style.css")),
        (
            "text/javascript; charset=utf-8",
            include_str!("../web/page.js"),
        ),
        ("image/svg+xml", include_str!("../web/icon.svg")),
    ][N];
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}

/// Sends the browser to a page with GET.
fn see_other(to: &str) -> Response {
    // Our own addresses hold nothing that a header cannot.
    let to = HeaderValue::try_from(to).unwrap_or(HeaderValue::from_static("/people"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response()
}

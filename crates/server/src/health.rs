//! Probes for supervisors. In: what gallery and album say of themselves. Out: 200 while the server
//! is alive, and while it takes work; 503 with the reason if it cannot.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

#[cfg(feature = "cameras")]
use crate::cameras::Cameras;
use crate::mqtt::Status;
use crate::pages::Pages;
use crate::service::Recognition;

/// What the probes answer.
pub(crate) struct Health {
    pack: String,
    ready: AtomicBool,
    recognition: Option<Arc<Recognition>>,
    pages: Option<Pages>,
    mqtt: Option<Arc<Status>>,
    #[cfg(feature = "cameras")]
    cameras: Option<Arc<Cameras>>,
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Health")
    }
}

impl Health {
    pub(crate) fn new(
        pack: &str,
        recognition: Option<Arc<Recognition>>,
        pages: Option<Pages>,
        mqtt: Option<Arc<Status>>,
        #[cfg(feature = "cameras")] cameras: Option<Arc<Cameras>>,
    ) -> Health {
        Health {
            pack: pack.to_owned(),
            ready: AtomicBool::new(true),
            recognition,
            pages,
            mqtt,
            #[cfg(feature = "cameras")]
            cameras,
        }
    }

    /// Why requests cannot be answered as they should be.
    fn fault(&self) -> Option<String> {
        let gallery = self.recognition.as_ref();
        gallery
            .and_then(|recognition| recognition.gallery().health().fault())
            .or_else(|| self.pages.as_ref()?.fault())
    }

    /// What else there is to know. A broker or a camera that is away keeps nobody else from being
    /// answered.
    fn more(&self) -> String {
        let mut more = self.erased_bytes().to_owned();
        if let Some(mqtt) = &self.mqtt {
            more += &mqtt.lines();
        }
        #[cfg(feature = "cameras")]
        if let Some(cameras) = &self.cameras {
            more += &cameras.lines();
        }
        more
    }

    fn erased_bytes(&self) -> &'static str {
        match &self.recognition {
            Some(recognition) if recognition.gallery().health().bytes_pending => {
                "bytes of what was erased: pending, a reader of the vault holds them back\n"
            }
            Some(_) => "bytes of what was erased: gone\n",
            None => "",
        }
    }

    /// From now on the server takes no new work.
    pub(crate) fn stopping(&self) {
        self.ready.store(false, Ordering::SeqCst);
    }
}

pub(crate) fn router(health: &Arc<Health>) -> Router {
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .with_state(Arc::clone(health))
}

async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    let more = health.more();
    match health.fault() {
        _ if !health.ready.load(Ordering::SeqCst) => {
            (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".into())
        }
        Some(why) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("not ready: {why}\n{more}"),
        ),
        None => {
            let pack = &health.pack;
            (StatusCode::OK, format!("ready, pack {pack}\n{more}"))
        }
    }
}

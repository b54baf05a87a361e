//! Programs that expect another server. In: settings, the engine, keys. Out: a listener for each,
//! with the routes of its contract and nothing else. All are off unless the settings name them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::middleware::from_fn_with_state;
use fusiform_gallery::{Kind, Uuid};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::analysis::Analyser;
use crate::connections::Connections;
use crate::front::Front;
use crate::metrics::{self, Metrics};
use crate::open_connections::OpenConnections;
use crate::service::Recognition;
use crate::settings::{KeyedListener, Settings};
use crate::start_error::StartError;
use crate::{deepstack, immich, nextcloud};

/// A program that is answered, for messages.
#[derive(Debug, Clone, PartialEq)]
pub struct OtherProgram {
    /// `immich`, `nextcloud` or `deepstack`.
    pub name: &'static str,
    /// What to type into its settings: `http://127.0.0.1:3003`.
    pub url: String,
    /// For Immich: what to type as "maximum recognition distance", and the false-match rate of one
    /// comparison that it stands for.
    pub distance: Option<(f64, f64)>,
}

/// Keys that other programs use.
#[derive(Clone, Default)]
pub(crate) struct Keys {
    pub(crate) nextcloud: Option<String>,
    pub(crate) deepstack: Option<Uuid>,
}

/// The listeners of all that are on.
pub(crate) struct OtherPrograms(Vec<Bound>);

struct Bound {
    about: OtherProgram,
    connections: Connections,
    router: Router,
}

impl OtherPrograms {
    /// Listens for each program that the settings name.
    ///
    /// # Errors
    /// [`StartError`]; whatever the pack, a key or an address lacks for one of them.
    pub(crate) fn bind(
        settings: &Settings,
        keys: &Keys,
        analyser: &Analyser,
        recognition: Option<&Arc<Recognition>>,
        runtime: &Runtime,
    ) -> Result<OtherPrograms> {
        let mut all = Vec::new();
        let mut add = |name, listen, router, distance| {
            let bound = runtime.block_on(TcpListener::bind(listen));
            let listener = bound.map_err(|source| StartError::Listen {
                address: listen,
                source,
            })?;
            let about = OtherProgram {
                name,
                url: format!("http://{}", shown(listener.local_addr()?)),
                distance,
            };
            all.push(Bound {
                about,
                connections: connections(settings, listener),
                router,
            });
            anyhow::Ok(())
        };
        if let Some(given) = &settings.immich {
            let router = immich::router(analyser, given).context("immich")?;
            let distance = immich::immich_distance(analyser.engine());
            add("immich", given.listen, router, distance)?;
        }
        if let Some(given) = &settings.nextcloud {
            let key = keys.nextcloud.as_deref().unwrap_or_default();
            let router = nextcloud::router(analyser, key).context("nextcloud")?;
            add("nextcloud", given.listen, router, None)?;
        }
        if let Some(given) = &settings.deepstack {
            let recognition = recognition.ok_or(StartError::NobodyToRecognise("deepstack"))?;
            check_key(recognition, "deepstack", keys.deepstack.as_ref(), given)?;
            let router = deepstack::router(recognition, keys.deepstack).context("deepstack")?;
            add("deepstack", given.listen, router, None)?;
        }
        Ok(OtherPrograms(all))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn about(&self) -> Vec<OtherProgram> {
        self.0.iter().map(|bound| bound.about.clone()).collect()
    }

    /// Answers until `stop` is true and requests under way have ended.
    pub(crate) async fn serve(self, metrics: &Arc<Metrics>, stop: &watch::Receiver<bool>) {
        let serving = self.0.into_iter().map(|bound| {
            let measure = from_fn_with_state(Arc::clone(metrics), metrics::measure);
            let router = bound.router.layer(measure);
            bound.connections.serve(router, stop.clone())
        });
        futures_util::future::join_all(serving).await;
    }
}

/// Fails for a key whose people nobody could be: each request would be refused later.
fn check_key(
    recognition: &Recognition,
    program: &'static str,
    key: Option<&Uuid>,
    given: &KeyedListener,
) -> Result<(), StartError> {
    if key.is_none_or(|key| recognition.opened_by(&[Kind::Recognition], key).is_some()) {
        return Ok(());
    }
    let file = given.key_file.as_deref().unwrap_or(Path::new(""));
    let file = file.display().to_string();
    Err(StartError::UnknownKey { program, file })
}

/// The limits of the server, but for a path and a certificate: these programs speak plain HTTP.
fn connections(settings: &Settings, listener: TcpListener) -> Connections {
    Connections {
        listener,
        open: OpenConnections::new(settings.connections, settings.connections_per_address),
        front: Arc::new(Front {
            proxies: settings.trusted_proxies.clone(),
            base_path: String::new(),
            tls: false,
        }),
        tls: None,
        timeout: Duration::from_millis(settings.timeout_ms),
    }
}

/// An address that a program on this machine can type.
fn shown(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

//! One server from start to stop. In: settings, an engine, a key for the vault. Out: a bound
//! [`Server`] that runs until Ctrl-C or SIGTERM and then lets requests under way end. Prints
//! nothing: the program says where it listens.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use axum::Router;
use axum::middleware::from_fn_with_state;
use fusiform::engine::Engine;
use fusiform::scan::Exclude;
use fusiform_gallery::{Gallery, Lock, SearchIn, Secret, Uuid};
use futures_util::future::OptionFuture;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;

use crate::admission::Admission;
use crate::analysis::Analyser;
#[cfg(feature = "cameras")]
use crate::cameras::{CameraKeys, Cameras};
use crate::connections::{Connections, tls};
use crate::front::Front;
use crate::health::{self, Health};
use crate::metrics::{self, Metrics};
use crate::mqtt::{Mqtt, MqttKeys};
use crate::open_connections::OpenConnections;
use crate::other_programs::{Keys, OtherProgram, OtherPrograms};
use crate::pages::{self, Guard, Pages, Scanning};
use crate::service::Recognition;
use crate::settings::Settings;
use crate::start_error::StartError;
use crate::{compreface, v1};

/// What a server works with beside its settings.
pub struct Parts {
    /// Detector and embedder.
    pub engine: Engine,
    /// The key of the vault; `None` if there is no vault yet, and so no API key.
    pub secret: Option<Secret>,
    /// The album's file, which must exist, for the pages.
    pub album: PathBuf,
    /// The pages' password; needed if other machines can reach them.
    pub password: Option<String>,
    /// Threads that computing may use.
    pub threads: usize,
    /// Folders of photos that are scanned at the start and watched.
    pub folders: Vec<PathBuf>,
    /// What scans leave out.
    pub exclude: Exclude,
    /// Whether scans look for people in videos, where that is compiled in.
    pub videos: bool,
    /// What Nextcloud sends; needed if it is answered.
    pub nextcloud_key: Option<String>,
    /// The recognition key of DeepStack's clients that send none; without it they are refused.
    pub deepstack_key: Option<Uuid>,
    /// For the broker of MQTT; needed if the settings name one.
    pub mqtt_keys: Option<MqttKeys>,
    /// For cameras; needed if the settings name some.
    #[cfg(feature = "cameras")]
    pub camera_keys: CameraKeys,
    /// The owner's home, for which `~` stands in the pages; `None` where there is none.
    pub home: Option<PathBuf>,
}

/// A server that listens but does not answer yet.
///
/// ```no_run
/// # fn example(settings: &fusiform_server::Settings) -> anyhow::Result<()> {
/// use fusiform_server::{Parts, Server};
///
/// let server = Server::bind(
///     settings,
///     Parts {
///         engine: fusiform::Engine::builtin()?,
///         secret: None,
///         album: "catalogue.db".into(),
///         password: None,
///         threads: 2,
///         folders: Vec::new(),
///         exclude: Default::default(),
///         videos: true,
///         nextcloud_key: None,
///         deepstack_key: None,
///         mqtt_keys: None,
///         # #[cfg(feature = "cameras")]
///         camera_keys: Default::default(),
///         home: None,
///     },
/// )?;
/// println!("{}", server.url());
/// server.run()
/// # }
/// ```
pub struct Server {
    runtime: Runtime,
    connections: Connections,
    address: SocketAddr,
    routes: Routes,
    others: OtherPrograms,
    mqtt: Option<Mqtt>,
    #[cfg(feature = "cameras")]
    cameras: Option<Arc<Cameras>>,
    hangups: Option<Hangups>,
    /// Keeps other processes from serving the same vault.
    _lock: Option<Lock>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Server").field(&self.url()).finish()
    }
}

/// What the route trees work with.
struct Routes {
    health: Arc<Health>,
    pages: Option<Pages>,
    recognition: Option<Arc<Recognition>>,
    settings: Settings,
}

impl Server {
    /// Opens everything and listens.
    ///
    /// # Errors
    /// [`StartError`]; whatever is wrong with the certificate, the vault, the pack or the password,
    /// naming the file.
    pub fn bind(settings: &Settings, parts: Parts) -> Result<Server> {
        let tls = match (&settings.tls_cert, &settings.tls_key) {
            (Some(certificate), Some(key)) => Some(tls(certificate, key)?),
            (None, None) => None,
            _ => return Err(StartError::HalfTls.into()),
        };
        let engine = Arc::new(parts.engine);
        let admission = Arc::new(Admission::new(settings, parts.threads)?);
        let analyser = Analyser::new(Arc::clone(&engine), Arc::clone(&admission));
        let pages = if settings.pages {
            let ip = settings.listen.ip();
            let guard = Guard::new(ip, parts.password.as_deref(), &settings.allowed_hosts)?;
            // A pack that cannot group is refused now and not after the first scan.
            engine.cluster_options()?;
            let (engine, admission) = (Arc::clone(&engine), Arc::clone(&admission));
            let pages = Pages::new(
                engine,
                parts.album,
                Scanning {
                    threads: parts.threads,
                    exclude: parts.exclude,
                    #[cfg(feature = "video")]
                    with_videos: parts.videos,
                },
                guard,
                admission,
                parts.home,
            );
            pages.watch(parts.folders);
            Some(pages)
        } else {
            None
        };
        let (lock, recognition) = match (&settings.vault, &parts.secret) {
            (Some(place), Some(secret)) => {
                let lock = place.lock()?;
                let model = engine.embedder_id()?.to_string();
                let gallery = Gallery::open_at(place, secret, Some(&model), settings.search_in)?;
                if let Some(fault) = gallery.health().fault() {
                    tracing::error!("{place}: {fault}; nothing is recorded until that is decided");
                }
                let gallery = Arc::new(gallery);
                gallery.follow(|failure| match failure {
                    Some(why) => tracing::error!("nobody is recognised: {why}"),
                    None => tracing::warn!("the database answers again"),
                });
                gallery.set_audit_window(Duration::from_millis(settings.audit_window_ms));
                let grace = u64::from(settings.clock_grace_h) * 3600;
                gallery.set_clock_grace(Duration::from_secs(grace));
                let recognition =
                    Recognition::new(analyser.clone(), gallery, settings.enrol_largest);
                (lock, Some(Arc::new(recognition)))
            }
            _ => (None, None),
        };
        let mqtt = match &settings.mqtt {
            Some(given) => {
                let keys = parts.mqtt_keys.ok_or(StartError::NoMqttKey)?;
                let nobody = StartError::NobodyToRecognise("mqtt");
                let recognition = recognition.as_ref().ok_or(nobody)?;
                Some(Mqtt::new(given, &keys, recognition).context("mqtt")?)
            }
            None => None,
        };
        #[cfg(feature = "cameras")]
        let cameras = match &settings.cameras {
            Some(given) => {
                let nobody = StartError::NobodyToRecognise("cameras");
                let recognition = recognition.as_ref().ok_or(nobody)?;
                let announcer = mqtt.as_ref().map(Mqtt::cameras);
                let cameras = Cameras::new(given, &parts.camera_keys, recognition, announcer)?;
                let cameras = Arc::new(cameras);
                if let Some(pages) = &pages {
                    pages.show_cameras(Arc::clone(&cameras));
                }
                Some(cameras)
            }
            None => None,
        };
        let routes = Routes {
            health: Arc::new(Health::new(
                engine.pack(),
                recognition.clone(),
                pages.clone(),
                mqtt.as_ref().map(Mqtt::status),
                #[cfg(feature = "cameras")]
                cameras.clone(),
            )),
            pages,
            recognition,
            settings: settings.clone(),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("the server's threads")?;
        let keys = Keys {
            nextcloud: parts.nextcloud_key,
            deepstack: parts.deepstack_key,
        };
        let recognition = routes.recognition.as_ref();
        let others = OtherPrograms::bind(settings, &keys, &analyser, recognition, &runtime)?;
        if routes.pages.is_none() && recognition.is_none() && others.is_empty() {
            return Err(StartError::NothingToServe.into());
        }
        let bound = runtime.block_on(TcpListener::bind(settings.listen));
        let listener = bound.map_err(|source| StartError::Listen {
            address: settings.listen,
            source,
        })?;
        Ok(Server {
            address: listener.local_addr()?,
            connections: Connections {
                listener,
                open: OpenConnections::new(settings.connections, settings.connections_per_address),
                front: Arc::new(Front {
                    proxies: settings.trusted_proxies.clone(),
                    base_path: settings.base_path.clone(),
                    tls: tls.is_some(),
                }),
                tls: tls.map(|tls| Arc::new(ArcSwap::new(tls))),
                timeout: Duration::from_millis(settings.timeout_ms),
            },
            routes,
            others,
            mqtt,
            #[cfg(feature = "cameras")]
            cameras,
            // Before anybody is told that it runs: a signal without a handler ends the process.
            hangups: runtime.block_on(async {
                outlive_file_limit();
                hangups()
            }),
            runtime,
            _lock: lock,
        })
    }

    /// Where it listens: `http://127.0.0.1:8000`, without a slash at the end.
    pub fn url(&self) -> String {
        let scheme = match self.connections.tls {
            Some(_) => "https",
            None => "http",
        };
        format!("{scheme}://{}", self.address)
    }

    /// Where people are searched, and how often the nearest is found, if there is a vault.
    pub fn searches(&self) -> Option<(SearchIn, f64)> {
        let gallery = self.routes.recognition.as_ref()?.gallery();
        let index = gallery.index().ok().flatten();
        Some(match gallery.search_in() {
            SearchIn::Memory => (SearchIn::Memory, 1.0),
            SearchIn::Database => (SearchIn::Database, index.map_or(0.0, |index| index.recall)),
        })
    }

    /// Whether programs can use it: there is a vault, and so an API key.
    pub fn serves_programs(&self) -> bool {
        self.routes.recognition.is_some()
    }

    /// The programs that are answered in place of another server.
    pub fn other_programs(&self) -> Vec<OtherProgram> {
        self.others.about()
    }

    /// The broker whose events are looked at.
    pub fn broker(&self) -> Option<&str> {
        self.mqtt.as_ref().map(Mqtt::shown)
    }

    /// Names of the cameras that are looked at.
    #[cfg(feature = "cameras")]
    pub fn cameras(&self) -> Vec<String> {
        let cameras = self.cameras.iter().flat_map(|cameras| cameras.states());
        cameras.map(|(name, _)| name.to_owned()).collect()
    }

    /// Answers requests until Ctrl-C or SIGTERM.
    ///
    /// # Errors
    /// If the pack states no thresholds.
    pub fn run(mut self) -> Result<()> {
        let has_metrics = self.serves_programs() || !self.others.is_empty();
        self.runtime.block_on(async {
            let mut metrics = Metrics::new();
            if let Some(mqtt) = &self.mqtt {
                mqtt.counts().register(metrics.registry());
            }
            #[cfg(feature = "cameras")]
            if let Some(cameras) = &self.cameras {
                cameras.register(metrics.registry());
            }
            let metrics = Arc::new(metrics);
            let mut router = self.routes.router(&metrics)?;
            if has_metrics {
                router = router.merge(metrics::router(&metrics));
            }
            if let Some(recognition) = &self.routes.recognition {
                tokio::spawn(Arc::clone(recognition).erase_expired());
                tokio::spawn(Arc::clone(recognition).follow_keys());
            }
            let (stopping, stop) = watch::channel(false);
            let (health, pages) = (Arc::clone(&self.routes.health), self.routes.pages.clone());
            tokio::spawn(async move {
                stop_signal().await;
                health.stopping();
                if let Some(pages) = pages {
                    pages.stop();
                }
                // The receiver is gone only if the server has ended by itself.
                let _ = stopping.send(true);
            });
            if let Some(hangups) = self.hangups.take() {
                let tls = self.connections.tls.clone();
                tokio::spawn(self.routes.reload_on_hangup(hangups, tls));
            }
            let others = self.others.serve(&metrics, &stop);
            let mqtt = self.mqtt.map(|mqtt| mqtt.serve(stop.clone()));
            let mqtt = OptionFuture::from(mqtt);
            #[cfg(feature = "cameras")]
            let cameras = self.cameras.map(|cameras| cameras.serve(stop.clone()));
            #[cfg(not(feature = "cameras"))]
            let cameras = None::<std::future::Ready<()>>;
            let cameras = OptionFuture::from(cameras);
            let connections = self.connections.serve(router, stop.clone());
            tokio::join!(connections, others, mqtt, cameras);
            if let Some(recognition) = &self.routes.recognition {
                // Entries of recognitions that wait for the disk; a failure is in the log.
                drop(recognition.stored(Gallery::flush).await);
            }
            anyhow::Ok(())
        })?;
        // An analysis may still run; its client is gone.
        self.runtime.shutdown_background();
        Ok(())
    }
}

impl Routes {
    /// Reads certificate and keys again on SIGHUP; what is wrong with them is logged and the old
    /// ones stay.
    fn reload_on_hangup(
        &self,
        mut hangups: Hangups,
        tls_now: Option<Arc<ArcSwap<ServerConfig>>>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let recognition = self.recognition.clone();
        let files = self
            .settings
            .tls_cert
            .clone()
            .zip(self.settings.tls_key.clone());
        async move {
            while hangups.recv().await.is_some() {
                if let (Some((certificate, key)), Some(tls_now)) = (&files, &tls_now) {
                    match tls(certificate, key) {
                        Ok(new) => {
                            tls_now.store(new);
                            tracing::warn!("{} is in use from now on", certificate.display());
                        }
                        Err(why) => tracing::error!("the old certificate stays in use: {why:#}"),
                    }
                }
                if let Some(recognition) = &recognition
                    && recognition.stored(Gallery::learn_services).await.is_ok()
                {
                    tracing::warn!("API keys were read again");
                }
            }
        }
    }

    /// All routes; each tree is independent of the others.
    fn router(&self, metrics: &Arc<Metrics>) -> Result<Router> {
        let mut router = Router::new().merge(health::router(&self.health));
        if let Some(pages) = &self.pages {
            router = router.merge(pages::router(pages));
        }
        if let Some(recognition) = &self.recognition {
            let measured = compreface::router(recognition, &self.settings)?
                .merge(v1::router(recognition, &self.settings))
                .layer(from_fn_with_state(Arc::clone(metrics), metrics::measure));
            router = router.merge(measured);
        }
        Ok(router)
    }
}

#[cfg(unix)]
type Hangups = tokio::signal::unix::Signal;
#[cfg(not(unix))]
type Hangups = tokio::sync::mpsc::Receiver<()>;

/// SIGHUPs from now on, so that one does not end the server.
#[cfg(unix)]
fn hangups() -> Option<Hangups> {
    use tokio::signal::unix::{SignalKind, signal};
    signal(SignalKind::hangup()).ok()
}

/// A file that grows beyond what the system allows is an error of writing, and not the end of the
/// process.
#[cfg(unix)]
fn outlive_file_limit() {
    use tokio::signal::unix::{SignalKind, signal};
    let number = rustix::process::Signal::XFSZ.as_raw();
    // Whoever listens once has taken the signal's usual effect away for good.
    drop(signal(SignalKind::from_raw(number)));
}

/// There is no such signal here.
#[cfg(not(unix))]
fn outlive_file_limit() {}

/// There is no such signal here.
#[cfg(not(unix))]
fn hangups() -> Option<Hangups> {
    None
}

/// Resolves on Ctrl-C, and on SIGTERM where there is one.
async fn stop_signal() {
    let interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
}

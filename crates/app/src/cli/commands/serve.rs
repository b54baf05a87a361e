//! `fusiform serve`. In: an address. Out: the pages of the catalogue and the recognition service, until Ctrl-C.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use fusiform::engine::Engine;
use tokio::net::TcpListener;
use tokio::signal;

use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::service::{self, Served};
use crate::web::{Guard, Web};

/// Longest password file, in bytes.
const MAX_PASSWORD: u64 = 1024;

pub(crate) fn run(
    session: &Session,
    listen: Option<SocketAddr>,
    password: Option<&Path>,
) -> Result<Exit> {
    let listen = listen.unwrap_or(session.config.serve.listen);
    let password = password.map(read_password).transpose()?;
    let guard = Guard::new(listen.ip(), password.as_deref(), false)?;
    let engine = Arc::new(session.engine()?);
    // A pack that cannot group is better refused before the first scan than after it.
    engine.link_similarity()?;
    drop(session.catalogue()?);
    let service = service(session, &engine)?;
    let web = Web::new(
        engine,
        session.config.catalogue.clone(),
        session.threads(),
        guard,
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("{listen}: choose another address with --listen"))?;
        let address = listener.local_addr()?;
        session.printer.row(format_args!("http://{address}/"))?;
        session.printer.note("open it in a browser; Ctrl-C ends it");
        let (stopping, mut stop) = tokio::sync::watch::channel(false);
        let (ending, stopped_taking) = (web.clone(), service.clone());
        tokio::spawn(async move {
            asked_to_end().await;
            ending.stop();
            if let Some(service) = stopped_taking {
                service.stop();
            }
            // Nobody waits any more: the receiver is gone with the server.
            let _ = stopping.send(true);
        });
        let mut stopped = stop.clone();
        let mut router = web.router();
        if let Some(service) = &service {
            router = router.merge(service::router(service));
            session.printer.note("programs may use their API keys");
        }
        let serve = axum::serve(listener, router)
            .with_graceful_shutdown(async move { drop(stopped.wait_for(|on| *on).await) });
        tokio::select! {
            served = serve => served?,
            // A page that listens to a scan would hold the server up for ever.
            () = async {
                drop(stop.wait_for(|on| *on).await);
                tokio::time::sleep(std::time::Duration::from_secs(3)).await;
            } => {}
        }
        Ok(Exit::Done)
    })
}

/// The recognition service, once `fusiform key` made a vault.
fn service(session: &Session, engine: &Arc<Engine>) -> Result<Option<Arc<Served>>> {
    let settings = &session.config.serve;
    if !settings.vault.as_deref().is_some_and(Path::exists) {
        return Ok(None);
    }
    let vault = super::key::open_vault(session, &engine.embedder_id()?.to_string())?;
    let served = Served::new(Arc::clone(engine), vault, settings, session.threads())?;
    Ok(Some(Arc::new(served)))
}

/// Ctrl-C, or what a service manager sends.
async fn asked_to_end() {
    #[cfg(unix)]
    if let Ok(mut terminate) = signal::unix::signal(signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        return;
    }
    drop(signal::ctrl_c().await);
}

fn read_password(file: &Path) -> Result<String> {
    let of_file = || file.display().to_string();
    let size = std::fs::metadata(file).with_context(of_file)?.len();
    anyhow::ensure!(
        size <= MAX_PASSWORD,
        "{}: {size} bytes are no password; put it on the first line of a small file",
        file.display()
    );
    let text = std::fs::read_to_string(file).with_context(of_file)?;
    let password = text.lines().next().unwrap_or_default().trim();
    anyhow::ensure!(
        password.chars().count() >= 8,
        "{}: a password of at least 8 characters is wanted on its first line",
        file.display()
    );
    Ok(password.to_owned())
}

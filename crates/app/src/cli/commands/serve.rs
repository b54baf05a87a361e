//! `fusiform serve`. In: settings. Out: a server that runs until Ctrl-C or SIGTERM, then finishes what it began.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use fusiform::engine::Engine;

use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::http::{self, Escaping, Recognition, Served};
use crate::web::{Guard, Web};

/// Longest password file, in bytes.
const MAX_PASSWORD: u64 = 1024;
/// Connections may take this long to end; a page that watches a scan would never.
const GRACE: Duration = Duration::from_secs(3);

pub(crate) fn run(
    session: &Session,
    listen: Option<SocketAddr>,
    password: Option<&Path>,
) -> Result<Exit> {
    let settings = &session.config.serve;
    let listen = listen.unwrap_or(settings.listen);
    let password = password.map(read_password).transpose()?;
    let guard = Guard::new(listen.ip(), password.as_deref(), false)?;
    let engine = Arc::new(session.engine()?);
    // A pack that cannot group is better refused before the first scan than after it.
    engine.cluster_options()?;
    drop(session.catalogue()?);
    let recognition = recognition(session, &engine)?;
    let catalogue = session.config.catalogue.clone();
    let served = Arc::new(Served {
        recognition: recognition.map(Arc::new),
        engine: Arc::clone(&engine),
        album: Web::new(engine, catalogue, session.threads(), guard),
        ready: true.into(),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the server's threads")?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(listen)
            .await
            .with_context(|| format!("{listen}: cannot listen there; choose with --listen"))?;
        let address = listener.local_addr()?;
        session.printer.row(format_args!("http://{address}/"))?;
        session
            .printer
            .note(format_args!("serving on http://{address} (Ctrl-C stops)"));
        if let Some(recognition) = &served.recognition {
            tokio::spawn(Arc::clone(recognition).erase_ended());
            session
                .printer
                .note("programs may use their API keys under /api/v1");
        }
        let (stopping, mut stop) = tokio::sync::watch::channel(false);
        let ending = Arc::clone(&served);
        tokio::spawn(async move {
            http::stop_signal(ending).await;
            // Nobody waits any more if the server has ended by itself.
            let _ = stopping.send(true);
        });
        let mut stopped = stop.clone();
        let serve = axum::serve(Escaping(listener), http::router(&served))
            .with_graceful_shutdown(async move { drop(stopped.wait_for(|on| *on).await) });
        let late = async {
            drop(stop.wait_for(|on| *on).await);
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            ended = serve => ended?,
            () = late => {}
        }
        anyhow::Ok(())
    })?;
    Ok(Exit::Done)
}

/// The recognition service, once `fusiform key` made a vault.
fn recognition(session: &Session, engine: &Arc<Engine>) -> Result<Option<Recognition>> {
    let settings = &session.config.serve;
    if !settings.vault.as_deref().is_some_and(Path::exists) {
        return Ok(None);
    }
    let vault = super::vault::open(session, &engine.embedder_id()?.to_string())?;
    Recognition::new(Arc::clone(engine), vault, settings, session.threads()).map(Some)
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

//! `fusiform serve`. In: settings. Out: a server that runs until Ctrl-C or SIGTERM, then finishes
//! what it began.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fusiform::engine::Engine;
use fusiform_gallery::Lock;

use crate::args::ServeArgs;
use crate::context::Context;
use crate::exit::Exit;
use fusiform_server::pages::{Guard, Web};
use fusiform_server::{self as http, Connections, Recognition, Served};

/// Longest password file, in bytes.
const MAX_PASSWORD: u64 = 1024;

pub(crate) fn run(context: &Context, args: &ServeArgs) -> Result<Exit> {
    let settings = &context.config.serve;
    let listen = args.listen.unwrap_or(settings.listen);
    let certificate = args.tls_cert.as_ref().or(settings.tls_cert.as_ref());
    let tls = match (
        certificate,
        args.tls_key.as_ref().or(settings.tls_key.as_ref()),
    ) {
        (Some(certificate), Some(key)) => Some(http::tls(certificate, key)?),
        (None, None) => None,
        _ => anyhow::bail!("TLS needs both a certificate and its key; one of the two is not set"),
    };
    let engine = Arc::new(context.engine()?);
    let password = args.password.as_deref().map(read_password).transpose()?;
    let pages = settings.pages && !args.no_pages;
    let album = if pages {
        let guard = Guard::new(listen.ip(), password.as_deref(), tls.is_some())?;
        // A pack that cannot group is better refused before the first scan than after it.
        engine.cluster_options()?;
        drop(context.catalogue()?);
        let catalogue = context.config.catalogue.clone();
        let web = Web::new(Arc::clone(&engine), catalogue, context.threads(), guard);
        Some(web)
    } else {
        None
    };
    let claimed = recognition(context, &engine)?;
    let (recognition, _claim) = claimed.map_or((None, None), |(r, c)| (Some(Arc::new(r)), Some(c)));
    anyhow::ensure!(
        pages || recognition.is_some(),
        "without pages and without an API key there is nothing to serve; `fusiform key \
         recognition` makes a key"
    );
    let served = Arc::new(Served {
        recognition,
        engine,
        album,
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
        let scheme = if tls.is_some() { "https" } else { "http" };
        if tls.is_none() && !listen.ip().is_loopback() {
            let why = "keys and photos can be read on the way: no TLS (--tls-cert, --tls-key)";
            context.printer.note(format_args!("{why}"));
        }
        context.printer.row(format_args!("{scheme}://{address}/"))?;
        context.printer.note(format_args!(
            "serving on {scheme}://{address} (Ctrl-C stops)"
        ));
        if let Some(recognition) = &served.recognition {
            tokio::spawn(Arc::clone(recognition).erase_ended());
            context
                .printer
                .note("programs may use their API keys under /api/v1 and /api/fusiform/v1");
        } else {
            context
                .printer
                .note("no API key yet: `fusiform key recognition` and a restart let programs in");
        }
        let (stopping, stop) = tokio::sync::watch::channel(false);
        let ending = Arc::clone(&served);
        tokio::spawn(async move {
            http::stop_signal(ending).await;
            // Nobody waits any more if the server has ended by itself.
            let _ = stopping.send(true);
        });
        let connections = Connections {
            listener,
            tls,
            most: settings.connections,
            patience: Duration::from_millis(settings.timeout_ms),
        };
        connections.serve(http::router(&served), stop).await;
        anyhow::Ok(())
    })?;
    // Work on an image may still run; nobody waits for it.
    runtime.shutdown_background();
    Ok(Exit::Done)
}

/// The recognition service, once `fusiform key` made a vault; and the claim on the vault.
fn recognition(context: &Context, engine: &Arc<Engine>) -> Result<Option<(Recognition, Lock)>> {
    let settings = &context.config.serve;
    let Some(path) = settings.vault.as_deref().filter(|p| p.exists()) else {
        return Ok(None);
    };
    let claim = Lock::take(path)?;
    let vault = super::vault::open(context, &engine.embedder_id()?.to_string())?;
    let recognition = Recognition::new(Arc::clone(engine), vault, settings, context.threads())?;
    Ok(Some((recognition, claim)))
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

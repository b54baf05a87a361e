//! `fusiform serve` and `fusiform key`. In: settings. Out: a server that runs until Ctrl-C or SIGTERM, then finishes what it began.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use fusiform_vault::{Kind, Secret, Uuid, Vault};
use tokio::sync::Semaphore;

use crate::cli::args::KeyKind;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::http::{self, Scale, Served};

pub(crate) fn run(session: &Session, listen: Option<SocketAddr>) -> Result<Exit> {
    let settings = &session.config.serve;
    let listen = listen.unwrap_or(settings.listen);
    let pack = session.library().load(session.config.pack.as_deref())?;
    let engine = fusiform::engine::Engine::open(&pack)?;
    let vault = open_vault(session, &engine.embedder_id()?.to_string())?;
    let served = Arc::new(Served {
        vault: Arc::new(vault),
        scale: Scale::fit(engine.thresholds()?)?,
        dimensions: pack.manifest.embedder.as_ref().map_or(0, |e| e.dimensions),
        looking: Arc::new(Semaphore::new(session.threads())),
        waiting: Arc::new(Semaphore::new(settings.queue)),
        engine: Arc::new(engine),
        catalogue: session.config.catalogue.clone(),
        ready: true.into(),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the server's threads")?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(listen)
            .await
            .with_context(|| format!("{listen}: cannot listen there"))?;
        let address = listener.local_addr()?;
        session
            .printer
            .note(format_args!("serving on http://{address} (Ctrl-C stops)"));
        axum::serve(listener, http::router(&served))
            .with_graceful_shutdown(http::stop_signal(served.clone()))
            .await?;
        anyhow::Ok(())
    })?;
    Ok(Exit::Done)
}

/// Makes a service and prints its key, which is shown this once: only its hash is kept.
pub(crate) fn add_key(session: &Session, kind: KeyKind, key: Option<Uuid>) -> Result<Exit> {
    let engine = session.engine()?;
    let vault = open_vault(session, &engine.embedder_id()?.to_string())?;
    let key = key.unwrap_or_else(Uuid::new_v4);
    let kind = match kind {
        KeyKind::Recognition => Kind::Recognition,
        KeyKind::Detection => Kind::Detection,
        KeyKind::Verification => Kind::Verification,
    };
    vault.add_service(kind, &key)?;
    session.printer.row(key)?;
    session
        .printer
        .record(&serde_json::json!({"key": key.to_string()}))?;
    Ok(Exit::Done)
}

fn open_vault(session: &Session, model: &str) -> Result<Vault> {
    let settings = &session.config.serve;
    let path = settings
        .vault
        .as_deref()
        .context("no home folder is known; set FUSIFORM_VAULT")?;
    if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    let secret = match fusiform::config::vault_secrets() {
        (Some(key), _) => Secret::Hex(key.into()),
        (None, Some(passphrase)) => Secret::Passphrase(passphrase.into()),
        (None, None) => {
            let file = settings
                .key_file
                .as_deref()
                .context("no key file is known; set FUSIFORM_VAULT_KEY_FILE")?;
            Secret::Hex(key_of(file, path.exists())?.into())
        }
    };
    Ok(Vault::open(path, &secret, model)?)
}

/// The key in a file; made, readable by its owner alone, if there is neither key nor vault.
fn key_of(file: &Path, vault_exists: bool) -> Result<String> {
    use std::io::Write;
    if file.exists() || vault_exists {
        return std::fs::read_to_string(file)
            .with_context(|| format!("{}: the vault's key file", file.display()));
    }
    let key = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options
        .open(file)
        .with_context(|| format!("{}: the vault's key file", file.display()))?;
    out.write_all(key.as_bytes())?;
    out.sync_all()?;
    Ok(key)
}

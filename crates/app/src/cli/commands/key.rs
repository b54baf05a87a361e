//! `fusiform key`, and opening the vault. In: settings and secrets. Out: an API key, or an open vault.

use std::path::Path;

use anyhow::{Context, Result};
use fusiform_vault::{Kind, Secret, Uuid, Vault};

use crate::cli::args::KeyKind;
use crate::cli::exit::Exit;
use crate::cli::session::Session;

/// Makes a service and prints its key, which is shown this once: only its hash is kept.
pub(crate) fn add(session: &Session, kind: KeyKind, key: Option<Uuid>) -> Result<Exit> {
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

/// The vault, made with its folder and key file if it is not there yet.
pub(super) fn open_vault(session: &Session, model: &str) -> Result<Vault> {
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
    let key = fusiform_vault::new_key()?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options
        .open(file)
        .with_context(|| format!("{}: the vault's key file", file.display()))?;
    out.write_all(key.as_bytes())?;
    out.sync_all()?;
    Ok(key.to_string())
}

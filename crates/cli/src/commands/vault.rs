//! `fusiform key`, `audit` and `vault`. In: settings and secrets. Out: API keys, entries, copies;
//! an open vault for others.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, Result};
use fusiform_gallery::{Gallery, Kind, Lock, Secret, Terms, Uuid, is_guessable, private_file};
use serde_json::json;

use crate::args::{AuditCommand, KeyKind, KeyTerms, VaultCommand};
use crate::context::Context;
use crate::exit::Exit;
use crate::secret_file;

/// Makes a service and prints its key, which is shown this once: only its hash is kept.
pub(crate) fn key(
    context: &Context,
    kind: KeyKind,
    key_file: Option<&Path>,
    terms: &KeyTerms,
) -> Result<Exit> {
    let given = key_file.map(secret_file::api_key).transpose()?;
    let vault = open(context, &model(context)?)?;
    let key = given.unwrap_or_else(Uuid::new_v4);
    check_guessable(&key)?;
    let kind = match kind {
        KeyKind::Recognition => Kind::Recognition,
        KeyKind::Detection => Kind::Detection,
        KeyKind::Verification => Kind::Verification,
        KeyKind::Admin => Kind::Admin,
    };
    vault.add_service(kind, &key, Terms::from(terms))?;
    context.printer.row(key)?;
    context.printer.record(&json!({"key": key.to_string()}))?;
    Ok(Exit::Done)
}

/// Fails for a key that others know: the demonstration of CompreFace publishes its own.
pub(super) fn check_guessable(key: &Uuid) -> Result<()> {
    anyhow::ensure!(
        !is_guessable(key),
        "{key}: this key is published or can be guessed; `fusiform key` without it makes one that \
         cannot"
    );
    Ok(())
}

impl From<&KeyTerms> for Terms {
    fn from(terms: &KeyTerms) -> Terms {
        Terms {
            basis: terms.basis.clone(),
            purpose: terms.purpose.clone(),
            keep_days: terms.keep_days,
        }
    }
}

pub(crate) fn audit(context: &Context, verb: &AuditCommand) -> Result<Exit> {
    let vault = existing(context)?;
    let mut entries = Vec::new();
    let verified = vault.verify_audit(|e| entries.push(e))?;
    if matches!(verb, AuditCommand::List) {
        for e in &entries {
            let (what, of) = (e.action.name(), e.subject);
            context.printer.row(format_args!(
                "{}\t{}\t{what}\tservice {}\tperson {of}\tcount {}",
                e.seq, e.at_ms, e.service, e.count
            ))?;
            context
                .printer
                .record(&json!({"seq": e.seq, "at_ms": e.at_ms, "action": what,
                "service": e.service, "person": of, "count": e.count}))?;
        }
        return Ok(Exit::Done);
    }
    let (n, newest) = (verified.n_entries, verified.newest);
    let check = vault.verify_erased()?;
    let printer = context.printer;
    printer.row(format_args!(
        "{n} entries, none altered or missing; the newest is {newest}"
    ))?;
    printer.row(format_args!(
        "{} people and {} faces are in the vault, nobody who was erased",
        check.people, check.faces
    ))?;
    if check.wal_bytes > 0 {
        printer.note(
            "another process works with the vault: its write-ahead log empties within seconds",
        );
    }
    if !check.copies_ms.is_empty() {
        printer.row(format_args!(
            "{} copies were made before the latest erasures and still hold who was \
             erased since; delete them",
            check.copies_ms.len()
        ))?;
    }
    printer.record(&json!({
        "entries": n,
        "intact": true,
        "newest": newest,
        "people": check.people,
        "faces": check.faces,
        "wal_bytes": check.wal_bytes,
        "outdated_copies_at_ms": check.copies_ms,
    }))?;
    Ok(Exit::Done)
}

pub(crate) fn run(context: &Context, verb: &VaultCommand) -> Result<Exit> {
    match verb {
        VaultCommand::Backup { file } => {
            existing(context)?.backup(file)?;
            context.printer.row(file.display())?;
        }
        VaultCommand::Restore { file } => restore(context, file)?,
        VaultCommand::Rekey { file } => {
            let vault = existing(context)?;
            let _claim = Lock::take(path(context)?)?;
            let key = key_of(file, false)?;
            vault.rekey(&Secret::Hex(key.into()))?;
            context.printer.row(file.display())?;
        }
    }
    Ok(Exit::Done)
}

fn restore(context: &Context, file: &Path) -> Result<()> {
    let path = path(context)?;
    anyhow::ensure!(
        !path.exists(),
        "{}: a vault is there; stop the server and move it away first",
        path.display()
    );
    let coming = path.with_extension("restoring");
    let of_file = || {
        format!(
            "{}: cannot be copied to {}",
            file.display(),
            coming.display()
        )
    };
    fs::copy(file, &coming).with_context(of_file)?;
    let checked = Gallery::open(&coming, &secret(context, true)?, &model(context)?)
        .and_then(|vault| vault.verify_audit(|_| ()));
    if let Err(why) = checked {
        drop(fs::remove_file(&coming));
        return Err(why).with_context(|| file.display().to_string());
    }
    fs::rename(&coming, path)?;
    Ok(context.printer.row(path.display())?)
}

pub(super) fn model(context: &Context) -> Result<String> {
    Ok(context.engine()?.embedder_id()?.to_string())
}

pub(super) fn path(context: &Context) -> Result<&Path> {
    let path = context.config.serve.vault.as_deref();
    path.context("no home folder is known; set FUSIFORM_VAULT")
}

fn existing(context: &Context) -> Result<Gallery> {
    let path = path(context)?;
    anyhow::ensure!(
        path.exists(),
        "{}: no vault yet; `fusiform key recognition` makes one",
        path.display()
    );
    open(context, &model(context)?)
}

/// The vault, made with its folder and key file if it is not there yet.
pub(super) fn open(context: &Context, model: &str) -> Result<Gallery> {
    let path = path(context)?;
    if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    Ok(Gallery::open(
        path,
        &secret(context, path.exists())?,
        model,
    )?)
}

pub(super) fn secret(context: &Context, vault_exists: bool) -> Result<Secret> {
    Ok(match crate::config::vault_secrets() {
        (Some(key), _) => Secret::Hex(key.into()),
        (None, Some(passphrase)) => Secret::Passphrase(passphrase.into()),
        (None, None) => {
            let file = context.config.serve.key_file.as_deref();
            let file = file.context("no key file is known; set FUSIFORM_VAULT_KEY_FILE")?;
            Secret::Hex(key_of(file, vault_exists)?.into())
        }
    })
}

/// The key in a file; made, readable by its owner alone, if there is neither key nor vault.
fn key_of(file: &Path, vault_exists: bool) -> Result<String> {
    let of_file = || format!("{}: the vault's key file", file.display());
    if file.exists() || vault_exists {
        return fs::read_to_string(file).with_context(of_file);
    }
    let key = fusiform_gallery::new_key()?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    let mut out = private_file(file, &mut options).with_context(of_file)?;
    out.write_all(key.as_bytes())?;
    out.sync_all()?;
    Ok(key.to_string())
}

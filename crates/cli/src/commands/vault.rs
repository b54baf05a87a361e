//! `fusiform vault`. In: settings and secrets. Out: copies; an open vault for other commands.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, Result};
use fusiform_gallery::{Gallery, Lock, Secret, SqliteStore, private_file};
use serde_json::json;

use crate::args::VaultCommand;
use crate::context::Context;
use crate::exit::Exit;

pub(crate) fn run(context: &Context, verb: &VaultCommand) -> Result<Exit> {
    match verb {
        VaultCommand::Backup { file } => {
            existing(context)?.backup(file)?;
            context.printer.row(file.display())?;
        }
        VaultCommand::Restore { file } => restore(context, file)?,
        VaultCommand::Reembed => return reembed(context),
        VaultCommand::TrustClock => {
            let _lock = Lock::take(present(context)?)?;
            existing(context)?.trust_clock()?;
        }
        VaultCommand::Rekey { file } => {
            let _lock = Lock::take(present(context)?)?;
            let vault = existing(context)?;
            let key = key_of(context, file, false)?;
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
    let secret = secret(context, true)?;
    SqliteStore::restore(file, path, &secret).with_context(|| file.display().to_string())?;
    Ok(context.printer.row(path.display())?)
}

fn reembed(context: &Context) -> Result<Exit> {
    let path = present(context)?;
    let secret = secret(context, true)?;
    let engine = context.engine()?;
    let (printer, bar) = (context.printer, context.printer.bar(0, "embedding"));
    let done = context.on_all_threads(|| {
        fusiform::Gallery::reembed(path, &secret, &engine, |n, of| {
            bar.set_length(of as u64);
            bar.set_position(n as u64);
        })
    })?;
    bar.finish_and_clear();
    let done = done?;
    printer.row(format_args!(
        "{} faces embedded anew, {} were of this model, {} set aside",
        done.n_embedded,
        done.n_already,
        done.aside.len()
    ))?;
    for kept in &done.aside {
        let (name, id, why) = (&kept.subject, kept.id, &kept.why);
        printer.problem(format_args!(
            "{name}, face {id} is kept, not matched: {why}"
        ));
    }
    let aside = done.aside.iter().map(|kept| {
        let id = kept.id.to_string();
        json!({"person": kept.subject, "face": id, "problem": kept.why})
    });
    printer.record(&json!({
        "embedded": done.n_embedded,
        "already": done.n_already,
        "aside": aside.collect::<Vec<_>>(),
    }))?;
    Ok(match done.aside.is_empty() {
        true => Exit::Done,
        false => Exit::SomeProblems,
    })
}

pub(super) fn path(context: &Context) -> Result<&Path> {
    let path = context.config.serve.vault.as_deref();
    path.context("no home folder is known; set FUSIFORM_VAULT")
}

/// The path of a vault that must be there.
pub(super) fn present(context: &Context) -> Result<&Path> {
    let path = path(context)?;
    anyhow::ensure!(
        path.exists(),
        "{}: no vault yet; `fusiform key recognition` makes one",
        path.display()
    );
    Ok(path)
}

/// A vault that must be there, whatever model it is of.
pub(super) fn existing(context: &Context) -> Result<Gallery> {
    present(context)?;
    open(context, None)
}

/// The vault, made with its folder and key file if it is not there yet; without a model it neither
/// enrols nor matches.
pub(super) fn open(context: &Context, model: Option<&str>) -> Result<Gallery> {
    let path = path(context)?;
    if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    let secret = secret(context, path.exists())?;
    let vault = match model {
        Some(model) => Gallery::open(path, &secret, model)?,
        None => Gallery::open_unmatched(path, &secret)?,
    };
    if let Some(fault) = vault.health().fault() {
        context
            .printer
            .problem(format_args!("{}: {fault}", path.display()));
    }
    Ok(vault)
}

pub(super) fn secret(context: &Context, vault_exists: bool) -> Result<Secret> {
    Ok(match crate::config::vault_secrets() {
        (Some(key), _) => Secret::Hex(key.into()),
        (None, Some(passphrase)) => Secret::Passphrase(passphrase.into()),
        (None, None) => {
            let file = context.config.serve.key_file.as_deref();
            let file = file.context("no key file is known; set FUSIFORM_VAULT_KEY_FILE")?;
            Secret::Hex(key_of(context, file, vault_exists)?.into())
        }
    })
}

/// The key in a file; made, readable by its owner alone, if there is neither key nor vault.
fn key_of(context: &Context, file: &Path, vault_exists: bool) -> Result<String> {
    let of_file = || format!("{}: the vault's key file", file.display());
    if file.exists() || vault_exists {
        warn_if_open(context, file);
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

/// Says so if others on this machine may read a secret.
#[cfg(unix)]
fn warn_if_open(context: &Context, file: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(file).map_or(0, |m| m.permissions().mode());
    if mode & 0o077 != 0 {
        context.printer.problem(format_args!(
            "{}: others on this machine may read this key (mode {:o}); `chmod 600` keeps them out",
            file.display(),
            mode & 0o777
        ));
    }
}

#[cfg(not(unix))]
fn warn_if_open(_: &Context, _: &Path) {}

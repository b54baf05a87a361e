//! `fusiform vault`. In: settings and secrets. Out: copies; an open vault for other commands.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, Result};
use fusiform_gallery::{Gallery, Place, SearchIn, Secret, SqliteStore, private_file};
use serde_json::json;

use crate::args::{IndexArgs, VaultCommand};
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
        VaultCommand::Move { from, to } => move_vault(context, from, to)?,
        VaultCommand::Servers => servers(context)?,
        VaultCommand::TrustClock => {
            let _lock = present(context)?.lock()?;
            existing(context)?.trust_clock()?;
        }
        VaultCommand::Rekey { file } => {
            let _lock = present(context)?.lock()?;
            let vault = existing(context)?;
            let key = key_of(context, file, false)?;
            vault.rekey(&Secret::Hex(key.into()))?;
            context.printer.row(file.display())?;
        }
    }
    Ok(Exit::Done)
}

fn restore(context: &Context, file: &Path) -> Result<()> {
    let place = place(context)?;
    anyhow::ensure!(
        !place.exists()?,
        "{place}: a vault is there; stop the server and move it away first"
    );
    let secret = secret(context, true)?;
    let restored = match place {
        Place::File(path) => SqliteStore::restore(file, path, &secret),
        Place::Postgres(url) => fill_database(file, url, &secret).map(drop),
    };
    restored.with_context(|| file.display().to_string())?;
    Ok(context.printer.row(place)?)
}

/// Copies a vault from a file into a database, or back.
fn move_vault(context: &Context, from: &str, to: &str) -> Result<()> {
    let secret = secret(context, true)?;
    let (from, to) = (Place::from(from), Place::from(to));
    anyhow::ensure!(
        from.exists()?,
        "{from}: no vault is there; nothing was copied"
    );
    let lock = from.lock().context("nothing was copied")?;
    let copied = match (&from, &to) {
        (Place::File(file), Place::Postgres(url)) => fill_database(file, url, &secret)?,
        (Place::Postgres(url), Place::File(file)) => empty_database(url, file, &secret)?,
        _ => anyhow::bail!("{from}, {to}: one of them is a file, the other postgres://..."),
    };
    drop(lock);
    context.printer.row(format_args!(
        "{} people with {} faces are in {to}, proved; set FUSIFORM_VAULT to it. {from} holds them \
         still: delete it when all servers use the other",
        copied.n_people, copied.n_examples
    ))?;
    Ok(context.printer.record(&json!({
        "to": to.to_string(),
        "people": copied.n_people,
        "faces": copied.n_examples,
    }))?)
}

#[cfg(feature = "postgres")]
use fusiform_gallery::PostgresStore;
use fusiform_gallery::store::{IndexShape, Inventory};

#[cfg(feature = "postgres")]
fn fill_database(
    file: &Path,
    url: &str,
    secret: &Secret,
) -> Result<Inventory, fusiform_gallery::Error> {
    PostgresStore::copy_from_file(file, url, secret)
}

#[cfg(feature = "postgres")]
fn empty_database(
    url: &str,
    file: &Path,
    secret: &Secret,
) -> Result<Inventory, fusiform_gallery::Error> {
    PostgresStore::copy_to_file(url, file, secret)
}

#[cfg(not(feature = "postgres"))]
fn fill_database(_: &Path, _: &str, _: &Secret) -> Result<Inventory, fusiform_gallery::Error> {
    Err(fusiform_gallery::Error::Unsupported(
        "this was built without the feature `postgres`",
    ))
}

#[cfg(not(feature = "postgres"))]
fn empty_database(_: &str, _: &Path, _: &Secret) -> Result<Inventory, fusiform_gallery::Error> {
    Err(fusiform_gallery::Error::Unsupported(
        "this was built without the feature `postgres`",
    ))
}

/// Makes the index of a vault in a database, and measures it.
pub(crate) fn index(context: &Context, args: &IndexArgs) -> Result<Exit> {
    let (recall, n_probes) = (args.recall, args.probes as usize);
    anyhow::ensure!(
        recall > 0.0 && recall < 1.0,
        "a recall of {recall} cannot be asked for; it is between 0 and 1, as 0.999"
    );
    anyhow::ensure!(
        args.candidates >= 2 * args.links,
        "--candidates {} are too few for --links {}: give twice as many at least",
        args.candidates,
        args.links
    );
    let shape = IndexShape {
        links: args.links,
        build_candidates: args.candidates,
    };
    let vault = existing(context)?;
    let bar = context.printer.bar(0, "indexing");
    let tried = vault.make_index(shape, recall, n_probes, &mut |what, n, of| {
        bar.set_message(what.to_owned());
        bar.set_length(of as u64);
        bar.set_position(n as u64);
    });
    bar.finish_and_clear();
    let tried = tried?;
    for stated in &tried {
        context.printer.row(format_args!(
            "ef_search {}: recall {:.4} with {} probes among {} templates",
            stated.ef_search, stated.recall, stated.n_probes, stated.n_templates
        ))?;
    }
    let rows = tried.iter().map(|stated| {
        json!({
            "ef_search": stated.ef_search,
            "recall": stated.recall,
            "probes": stated.n_probes,
            "templates": stated.n_templates,
        })
    });
    context
        .printer
        .record(&json!({"tried": rows.collect::<Vec<_>>()}))?;
    let is_enough = tried.iter().any(|stated| stated.recall >= recall);
    if !is_enough {
        context.printer.problem(format_args!(
            "no breadth reaches a recall of {recall}; the best is used, and answers say so. More \
             --links and --candidates make a better index; a search in memory misses nobody"
        ));
    }
    Ok(if is_enough {
        Exit::Done
    } else {
        Exit::SomeProblems
    })
}

/// Who uses a shared vault, and what each has taken in.
fn servers(context: &Context) -> Result<()> {
    let servers = existing(context)?.servers()?;
    for server in &servers {
        let (name, behind) = (&server.name, server.n_behind);
        let ago_s = server.seen_ms_ago as f64 / 1000.0;
        context.printer.row(format_args!(
            "{name}: {behind} changes behind, {ago_s:.1} s ago"
        ))?;
        context.printer.record(&json!({
            "server": name,
            "changes_behind": behind,
            "seen_ms_ago": server.seen_ms_ago,
        }))?;
    }
    if servers.is_empty() {
        context
            .printer
            .row("no server uses this vault together with others")?;
    }
    Ok(())
}

fn reembed(context: &Context) -> Result<Exit> {
    let place = present(context)?;
    let secret = secret(context, true)?;
    let engine = context.engine()?;
    let (printer, bar) = (context.printer, context.printer.bar(0, "embedding"));
    let done = context.on_all_threads(|| {
        fusiform::Gallery::reembed_at(place, &secret, &engine, |n, of| {
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

pub(super) fn place(context: &Context) -> Result<&Place> {
    let place = context.config.serve.vault.as_ref();
    place.context("no home folder is known; set FUSIFORM_VAULT")
}

/// The place of a vault that must be there.
pub(super) fn present(context: &Context) -> Result<&Place> {
    let place = place(context)?;
    anyhow::ensure!(
        place.exists()?,
        "{place}: no vault yet; `fusiform key recognition` makes one"
    );
    Ok(place)
}

/// A vault that must be there, whatever model it is of.
pub(super) fn existing(context: &Context) -> Result<Gallery> {
    present(context)?;
    open(context, None)
}

/// The vault, made with its folder and key file if it is not there yet; without a model it neither
/// enrols nor matches.
pub(super) fn open(context: &Context, model: Option<&str>) -> Result<Gallery> {
    let place = place(context)?;
    let key_file = context.config.serve.key_file.as_deref();
    let folders = place.file().into_iter().chain(key_file);
    for dir in folders.filter_map(Path::parent) {
        if !dir.as_os_str().is_empty() {
            fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        }
    }
    let secret = secret(context, place.exists()?)?;
    let vault = Gallery::open_at(place, &secret, model, Some(SearchIn::Memory))?;
    if let Some(fault) = vault.health().fault() {
        context.printer.problem(format_args!("{place}: {fault}"));
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

//! `fusiform serve`. In: settings and flags. Out: a server until Ctrl-C or SIGTERM, and where it
//! listens.

use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, Result};
use fusiform_gallery::{Kind, Terms, Uuid, private_file};
use fusiform_server::{Parts, Server, Settings};

use crate::args::ServeArgs;
use crate::context::Context;
use crate::exit::Exit;
use crate::secret_file;

/// Characters of a password that is made here, hexadecimal digits.
const MADE_PASSWORD_CHARS: usize = 32;

pub(crate) fn run(context: &Context, args: &ServeArgs) -> Result<Exit> {
    let settings = settings(context, args);
    let engine = context.engine()?;
    let mut shown = first_keys(context, &settings)?;
    let password = password(context, args, &settings, &mut shown)?;
    if settings.pages {
        // Made, with its folder, if it is not there yet.
        drop(context.catalogue()?);
    }
    let vault_exists = settings.vault.as_deref().is_some_and(Path::exists);
    let parts = Parts {
        engine,
        secret: match vault_exists {
            true => Some(super::vault::secret(context, true)?),
            false => None,
        },
        album: context.config.catalogue.clone(),
        password,
        threads: context.threads(),
        home: etcetera::home_dir().ok(),
    };
    let server = Server::bind(&settings, parts)?;
    let (printer, url) = (context.printer, server.url());
    if settings.tls_cert.is_none() && !settings.listen.ip().is_loopback() {
        printer.note("keys and photos can be read on the way: no TLS (--tls-cert, --tls-key)");
    }
    printer.row(format_args!("{url}/"))?;
    for (what, secret) in &shown {
        printer.row(format_args!("{what}: {secret}"))?;
    }
    printer.note(format_args!("serving on {url} (Ctrl-C stops)"));
    printer.note(if server.serves_programs() {
        "programs may use their API keys under /api/v1 and /api/fusiform/v1"
    } else {
        "no API key yet: `fusiform key recognition` and a restart let programs in"
    });
    server.run()?;
    Ok(Exit::Done)
}

/// The settings, with flags before file and environment.
fn settings(context: &Context, args: &ServeArgs) -> Settings {
    let settings = context.config.serve.clone();
    Settings {
        listen: args.listen.unwrap_or(settings.listen),
        tls_cert: args.tls_cert.clone().or(settings.tls_cert),
        tls_key: args.tls_key.clone().or(settings.tls_key),
        pages: settings.pages && !args.no_pages,
        ..settings
    }
}

/// Secrets made now, each with what it is: they are printed this once.
type Shown = Vec<(String, String)>;

/// The first keys, where this server is for programs or for other machines and has no vault yet: in
/// a container nobody can call `fusiform key`.
fn first_keys(context: &Context, settings: &Settings) -> Result<Shown> {
    let is_local = settings.pages && settings.listen.ip().is_loopback();
    let there = settings.vault.as_deref().is_none_or(Path::exists);
    if is_local || there {
        return Ok(Vec::new());
    }
    let vault = super::vault::open(context, None)?;
    let mut shown = Vec::new();
    for (kind, what) in [(Kind::Recognition, "recognition"), (Kind::Admin, "admin")] {
        let key = Uuid::new_v4();
        let terms = Terms {
            basis: "household".into(),
            purpose: "recognition".into(),
            keep_days: None,
        };
        vault.add_service(kind, &key, terms)?;
        let text = format!("the first {what} key, which is not shown again");
        shown.push((text, key.to_string()));
    }
    Ok(shown)
}

/// The pages' password: from the file that was named, else from the one in Fusiform's home, which
/// is made if other machines can reach the pages.
fn password(
    context: &Context,
    args: &ServeArgs,
    settings: &Settings,
    shown: &mut Shown,
) -> Result<Option<String>> {
    let made = context.config.catalogue.with_file_name("pages.password");
    let named = args
        .password
        .as_ref()
        .or(context.config.password_file.as_ref());
    let file = match named {
        Some(named) => named.clone(),
        None if !settings.pages || settings.listen.ip().is_loopback() => return Ok(None),
        None => made,
    };
    if named.is_none() && !file.exists() {
        let random = fusiform_gallery::new_key()?;
        let password: String = random.chars().take(MADE_PASSWORD_CHARS).collect();
        if let Some(dir) = file.parent() {
            std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        }
        let of_file = || format!("{}: the pages' password", file.display());
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        let mut out = private_file(&file, &mut options).with_context(of_file)?;
        writeln!(out, "{password}").with_context(of_file)?;
        out.sync_all().with_context(of_file)?;
        let text = format!("the pages' password, kept in {}", file.display());
        shown.push((text, password));
    }
    let password = secret_file::first_line(&file)?;
    anyhow::ensure!(
        password.chars().count() >= 8,
        "{}: a password of at least 8 characters is wanted on its first line",
        file.display()
    );
    Ok(Some(password))
}

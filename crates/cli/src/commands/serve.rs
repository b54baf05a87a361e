//! `fusiform serve`. In: settings and flags. Out: a server until Ctrl-C or SIGTERM, and where it
//! listens.

use std::path::Path;

use anyhow::{Context as _, Result};
use fusiform_server::{Parts, Server, Settings};

use crate::args::ServeArgs;
use crate::context::Context;
use crate::exit::Exit;

/// Longest password file, in bytes.
const MAX_PASSWORD: u64 = 1024;

pub(crate) fn run(context: &Context, args: &ServeArgs) -> Result<Exit> {
    let settings = settings(context, args);
    let engine = context.engine()?;
    let password = args.password.as_deref().map(read_password).transpose()?;
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
    };
    let server = Server::bind(&settings, parts)?;
    let (printer, url) = (context.printer, server.url());
    if settings.tls_cert.is_none() && !settings.listen.ip().is_loopback() {
        printer.note("keys and photos can be read on the way: no TLS (--tls-cert, --tls-key)");
    }
    printer.row(format_args!("{url}/"))?;
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

//! `fusiform key` and `fusiform keys`. In: kinds, numbers, secrets from files. Out: API keys, each
//! shown once, and what is known of all of them.

use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use fusiform_gallery::{ApiKey, KeyLabel, Kind, Service, Terms, Uuid, is_guessable};
use serde_json::{Value, json};

use super::vault;
use crate::args::{KeyArgs, KeyKind, KeyTerms, KeysCommand};
use crate::context::Context;
use crate::exit::Exit;
use crate::secret_file;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Makes a service and prints its key, which is shown this once: only its hash is kept.
pub(crate) fn make(context: &Context, args: &KeyArgs) -> Result<Exit> {
    let key = new_key(args.key_file.as_deref())?;
    let vault = vault::open(context, None)?;
    let kind = match args.kind {
        KeyKind::Recognition => Kind::Recognition,
        KeyKind::Detection => Kind::Detection,
        KeyKind::Verification => Kind::Verification,
        KeyKind::Admin => Kind::Admin,
    };
    let days = args.expires_days.map(i64::from);
    let label = KeyLabel {
        name: args.name.clone(),
        expires_at_ms: days
            .map(|days| Ok::<_, anyhow::Error>(now_ms()? + days * DAY_MS))
            .transpose()?,
    };
    vault.add_service_labelled(kind, &key, Terms::from(&args.terms), &label)?;
    show_once(context, &key)
}

pub(crate) fn run(context: &Context, verb: &KeysCommand) -> Result<Exit> {
    match verb {
        KeysCommand::List => list(context),
        KeysCommand::Rotate {
            number,
            overlap_hours,
            key_file,
        } => {
            let key = new_key(key_file.as_deref())?;
            let overlap_ms = i64::from(*overlap_hours) * HOUR_MS;
            let rotated = vault::existing(context)?.rotate_key(*number, &key, overlap_ms)?;
            rotated.with_context(|| unknown(*number))?;
            show_once(context, &key)
        }
        KeysCommand::Revoke { number } => {
            let revoked = vault::existing(context)?.revoke_key(*number)?;
            let key = revoked.with_context(|| unknown(*number))?;
            let n = key.number;
            context
                .printer
                .row(format_args!("key {n} opens nothing any more"))?;
            context
                .printer
                .record(&json!({"number": n, "revoked": true}))?;
            Ok(Exit::Done)
        }
    }
}

fn unknown(number: i64) -> String {
    format!("there is no key {number}; `fusiform keys list` shows all")
}

/// The key in a file, or a random one.
fn new_key(file: Option<&Path>) -> Result<Uuid> {
    let key = file.map(secret_file::api_key).transpose()?;
    let key = key.unwrap_or_else(Uuid::new_v4);
    check_guessable(&key)?;
    Ok(key)
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

fn show_once(context: &Context, key: &Uuid) -> Result<Exit> {
    context.printer.row(key)?;
    context.printer.record(&json!({"key": key.to_string()}))?;
    Ok(Exit::Done)
}

fn list(context: &Context) -> Result<Exit> {
    let (keys, now_ms) = (vault::existing(context)?.keys(), now_ms()?);
    let printer = context.printer;
    for (key, service) in &keys {
        let kind = word(service.kind);
        let name = if key.name.is_empty() { "-" } else { &key.name };
        let made = key
            .made_at_ms
            .map_or("-".into(), |at| span(now_ms - at) + " ago");
        let used = key
            .used_at_ms
            .map_or("never".into(), |at| span(now_ms - at) + " ago");
        let state = match key.expires_at_ms {
            _ if key.revoked => "taken back".into(),
            Some(end) if end <= now_ms => format!("ended {} ago", span(now_ms - end)),
            Some(end) => format!("ends in {}", span(end - now_ms)),
            None => "good".into(),
        };
        printer.row(format_args!(
            "{}\t{kind}\tservice {}\t{name}\tmade {made}\tused {used}\t{state}",
            key.number, key.service
        ))?;
    }
    let records: Vec<Value> = keys.iter().map(record).collect();
    printer.record(&records)?;
    Ok(Exit::Done)
}

fn record((key, service): &(ApiKey, Service)) -> Value {
    json!({"number": key.number, "kind": word(service.kind), "service": key.service,
        "name": key.name, "made_at_ms": key.made_at_ms, "used_at_ms": key.used_at_ms,
        "expires_at_ms": key.expires_at_ms, "revoked": key.revoked})
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Recognition => "recognition",
        Kind::Detection => "detection",
        Kind::Verification => "verification",
        Kind::Admin => "admin",
    }
}

/// `3 hours`.
fn span(ms: i64) -> String {
    let (n, unit) = match ms {
        DAY_MS.. => (ms / DAY_MS, "day"),
        HOUR_MS.. => (ms / HOUR_MS, "hour"),
        _ => (ms.max(0) / 60_000, "minute"),
    };
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {unit}{s}")
}

fn now_ms() -> Result<i64> {
    Ok(i64::try_from(
        SystemTime::UNIX_EPOCH.elapsed()?.as_millis(),
    )?)
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

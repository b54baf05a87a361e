//! `fusiform audit`. In: the vault. Out: its log, and what the log proves; the decision to go on
//! where it proves nothing.

use std::time::SystemTime;

use anyhow::{Context as _, Result};
use fusiform_gallery::{Entry, Gallery, Lock, SqliteStore};
use serde_json::{Value, json};

use super::vault;
use crate::args::AuditCommand;
use crate::context::Context;
use crate::exit::Exit;

/// Entries that are read together.
const PAGE: usize = 10_000;
const DAY_MS: i64 = 86_400_000;

pub(crate) fn run(context: &Context, verb: &AuditCommand) -> Result<Exit> {
    match verb {
        AuditCommand::Verify { since } => verify(context, since.as_deref()),
        AuditCommand::Head => {
            let newest = vault::existing(context)?.verify_audit(|_| ())?.newest;
            context.printer.row(&newest)?;
            context.printer.record(&json!({"newest": newest}))?;
            Ok(Exit::Done)
        }
        AuditCommand::List { after, limit } => list(context, *after, *limit),
        AuditCommand::Prune { days } => {
            let since = SystemTime::UNIX_EPOCH.elapsed()?.as_millis();
            let before_ms = i64::try_from(since)? - i64::from(*days) * DAY_MS;
            let n = vault::existing(context)?.prune_audit(before_ms)?;
            context.printer.row(format_args!("{n} entries removed"))?;
            context.printer.record(&json!({"removed": n}))?;
            Ok(Exit::Done)
        }
        AuditCommand::Accept { yes } => accept(context, *yes),
    }
}

fn list(context: &Context, mut after: i64, limit: Option<usize>) -> Result<Exit> {
    let vault = vault::existing(context)?;
    let mut left = limit.unwrap_or(usize::MAX);
    while left > 0 {
        let page = vault.audit_page(after, left.min(PAGE), None)?;
        let Some(last) = page.last() else {
            break;
        };
        (after, left) = (last.seq, left - page.len());
        for entry in &page {
            row(context, entry)?;
        }
    }
    Ok(Exit::Done)
}

fn row(context: &Context, e: &Entry) -> Result<()> {
    let (what, of, hash) = (e.action.name(), e.subject, hex(&e.hash));
    context.printer.row(format_args!(
        "{}\t{}\t{what}\tservice {}\tperson {of}\tcount {}\t{hash}",
        e.seq, e.at_ms, e.service, e.count
    ))?;
    context
        .printer
        .record(&json!({"seq": e.seq, "at_ms": e.at_ms, "action": what,
        "service": e.service, "person": of, "count": e.count, "hash": hash}))?;
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn verify(context: &Context, since: Option<&str>) -> Result<Exit> {
    let vault = vault::existing(context)?;
    let anchor = since.map(|hash| vault.verify_audit_since(hash));
    let anchor = anchor.transpose()?.map(|(seq, _)| seq);
    let verified = vault.verify_audit(|_| ())?;
    let (n, newest) = (verified.n_entries, verified.newest);
    let last = verified.first + n - 1;
    let check = vault.verify_erased()?;
    let printer = context.printer;
    printer.row(format_args!(
        "{n} entries, none altered or missing; the newest is {newest}"
    ))?;
    if verified.first > 1 {
        let first = verified.first;
        printer.row(format_args!(
            "the proof begins at entry {first}: those before were removed as too old, or given up"
        ))?;
    }
    if let Some(seq) = anchor {
        let after = last - seq;
        printer.row(format_args!(
            "the hash is that of entry {seq}, which {after} entries follow"
        ))?;
    }
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
    say_health(context, &vault);
    printer.record(&json!({
        "entries": n,
        "first": verified.first,
        "intact": true,
        "newest": newest,
        "since": anchor.map_or(Value::Null, |seq| json!({"seq": seq, "entries_after": last - seq})),
        "people": check.people,
        "faces": check.faces,
        "wal_bytes": check.wal_bytes,
        "outdated_copies_at_ms": check.copies_ms,
    }))?;
    Ok(Exit::Done)
}

/// What is worth knowing beside the proof.
fn say_health(context: &Context, vault: &Gallery) {
    let health = vault.health();
    if let Some(doubt) = health.clock {
        let hours = doubt.ahead_ms / 3_600_000;
        context.printer.problem(format_args!(
            "the clock is {hours} hours off what the vault knows: nobody is erased by it; set it, \
             or `fusiform vault trust-clock` if it is right"
        ));
    }
    if health.n_aside > 0 {
        context.printer.problem(format_args!(
            "{} faces are kept but not matched: another model made them",
            health.n_aside
        ));
    }
}

fn accept(context: &Context, yes: bool) -> Result<Exit> {
    let place = vault::present(context)?;
    let path = place.file().with_context(|| {
        format!("{place}: only a file is gone on with; `fusiform vault move` makes one of it")
    })?;
    anyhow::ensure!(
        yes,
        "{}: what cannot be proved would be removed; copy the file first, then give --yes",
        path.display()
    );
    let _lock = Lock::take(path)?;
    let accepted = SqliteStore::accept(path, &vault::secret(context, true)?)?;
    let printer = context.printer;
    if !accepted.was_altered {
        printer.row("all is proved; nothing was changed")?;
    }
    if let Some(seq) = accepted.broken_at {
        printer.row(format_args!(
            "the log is proved anew; it was broken at entry {seq}"
        ))?;
    }
    for what in &accepted.removed {
        printer.row(format_args!("removed: {what}"))?;
    }
    printer.record(&json!({
        "altered": accepted.was_altered,
        "broken_at": accepted.broken_at,
        "removed": accepted.removed,
    }))?;
    Ok(Exit::Done)
}

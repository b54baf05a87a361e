//! `fusiform enrol`. In: folders of photos or people of the album, a ground, an end. Out: people in
//! the vault, each picture once. What cannot be enrolled is named, and the rest goes on.
//!
//! An example's id is made of its picture, so a second run finds what the first has stored, and one
//! that was stopped goes on.

mod album;
mod answer;
mod enrolment;
mod folder;

use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};
use fusiform::Engine;
use fusiform_gallery::Consent;

use super::{collection, vault};
use crate::args::EnrolArgs;
use crate::context::Context;
use crate::exit::Exit;
use answer::Answer;
use enrolment::{Enrolment, OpenVault};

pub(crate) fn run(context: &Context, args: &EnrolArgs) -> Result<Exit> {
    let consent = consent(args)?;
    let engine = context.engine()?;
    // Everything that can be refused is refused before the first photo is read.
    engine.embedder_id()?;
    let vault = match args.dry_run {
        true => None,
        false => Some(open(context, args, &engine)?),
    };
    let enrolment = Enrolment {
        context,
        engine: &engine,
        consent,
        renew: args.renew,
        vault,
    };
    let mut answer = Answer {
        collection: enrolment.vault.as_ref().map(|vault| vault.service.id),
        expires_at_ms: enrolment.consent.expires_at_ms,
        dry_run: args.dry_run,
        ..Answer::default()
    };
    match &args.dir {
        Some(dir) => {
            let dir = context.expanded(dir)?;
            folder::enrol(&enrolment, &dir, args, &mut answer)?;
        }
        None => album::enrol(&enrolment, args, &mut answer)?,
    }
    answer.tell(context, &enrolment.consent)?;
    context.printer.record(&answer)?;
    Ok(match answer.interrupted {
        true => Exit::Interrupted,
        false => Exit::of(&answer.problems),
    })
}

/// The consent that the flags state; a dry run needs none.
fn consent(args: &EnrolArgs) -> Result<Consent> {
    let basis = args.basis.clone().unwrap_or_default();
    let good = |text: &str, most| {
        let n = text.trim().chars().count();
        (1..=most).contains(&n) && !text.contains(char::is_control)
    };
    ensure!(
        good(&basis, 100) || args.dry_run,
        "--basis {basis:?}: a legal ground of 1 to 100 characters is wanted, such as consent"
    );
    ensure!(
        good(&args.purpose, 500),
        "--purpose {:?}: 1 to 500 characters are wanted, such as \"front door\"",
        args.purpose
    );
    let now_ms = i64::try_from(SystemTime::UNIX_EPOCH.elapsed()?.as_millis())?;
    let expires_at_ms = args.expires.map(|day| day.end_ms(now_ms));
    ensure!(
        expires_at_ms.is_none_or(|end| end > now_ms),
        "--expires: that day has passed; nobody would be recognised"
    );
    Ok(Consent {
        basis,
        purpose: args.purpose.clone(),
        expires_at_ms,
    })
}

fn open(context: &Context, args: &EnrolArgs, engine: &Engine) -> Result<OpenVault> {
    let lock = vault::present(context)?.lock();
    let lock = lock.context("nobody was enrolled")?;
    let gallery = vault::open(context, Some(&engine.embedder_id()?.to_string()))?;
    let key_file = args.key_file.as_deref();
    let service = collection::named(context, &gallery, key_file, args.collection)?;
    Ok(OpenVault {
        gallery,
        service,
        _lock: lock,
    })
}

//! `fusiform models …`. In: the library of packs. Out: what they are, on what terms, and whether
//! they are sound.

use std::path::Path;

use anyhow::Result;
use fusiform::models::{Listing, Manifest, Origin};
use serde::Serialize;

use crate::context::{Context, shown};
use crate::exit::Exit;

#[derive(Serialize)]
struct Row {
    name: Option<String>,
    origin: String,
    detector: Option<String>,
    landmarks: Option<String>,
    embedder: Option<String>,
    liveness: Option<String>,
    licence: Option<String>,
    summary: Option<String>,
    problem: Option<String>,
}

fn origin(listing: &Listing) -> String {
    match &listing.origin {
        Origin::CompiledIn => "compiled in".into(),
        Origin::Folder(dir) => shown(dir),
    }
}

/// The terms of all networks, once if they are the same.
fn licence(manifest: &Manifest) -> String {
    let networks = manifest.networks();
    let mut terms: Vec<String> = networks
        .map(|n| format!("{}; trained on {}", n.licence, n.training_data))
        .collect();
    terms.dedup();
    terms.join(" | ")
}

fn row(listing: &Listing) -> Row {
    let origin = origin(listing);
    match &listing.manifest {
        Ok(m) => Row {
            name: Some(m.name.clone()),
            origin,
            detector: m.detector.as_ref().map(|d| d.name.clone()),
            landmarks: m.landmarks.as_ref().map(|l| l.name.clone()),
            embedder: m.embedder.as_ref().map(|e| e.name.clone()),
            liveness: m.liveness.as_ref().map(|l| l.name.clone()),
            licence: Some(licence(m)),
            summary: Some(m.summary.clone()),
            problem: None,
        },
        Err(e) => Row {
            name: None,
            origin,
            detector: None,
            landmarks: None,
            embedder: None,
            liveness: None,
            licence: None,
            summary: None,
            problem: Some(e.to_string()),
        },
    }
}

pub(crate) fn list(context: &Context) -> Result<Exit> {
    let printer = context.printer;
    let rows: Vec<Row> = context.library().list()?.iter().map(row).collect();
    printer.record(&rows)?;
    if rows.is_empty() {
        printer.note("no model pack yet; `fusiform models add DIR` adds one");
    }
    for row in &rows {
        let name = row.name.as_deref().unwrap_or("(broken)");
        printer.row(format_args!("{name}\t{}", row.origin))?;
        if let Some(problem) = &row.problem {
            printer.row(format_args!("    problem   {problem}"))?;
            continue;
        }
        let network = |n: &Option<String>| n.clone().unwrap_or_else(|| "none".into());
        printer.row(format_args!(
            "    about     {}",
            row.summary.as_deref().unwrap_or("")
        ))?;
        printer.row(format_args!("    detector  {}", network(&row.detector)))?;
        printer.row(format_args!("    embedder  {}", network(&row.embedder)))?;
        for (role, name) in [("landmarks", &row.landmarks), ("liveness", &row.liveness)] {
            if let Some(name) = name {
                printer.row(format_args!(
                    "    {role:<9} {name} (not run by this version)"
                ))?;
            }
        }
        printer.row(format_args!(
            "    licence   {}",
            row.licence.as_deref().unwrap_or("")
        ))?;
    }
    let broken = rows.iter().any(|r| r.problem.is_some());
    Ok(if broken {
        Exit::SomeProblems
    } else {
        Exit::Done
    })
}

pub(crate) fn show(context: &Context, name: Option<&str>) -> Result<Exit> {
    let pack = name.or(context.config.pack.as_deref());
    let manifest = context.library().load(pack)?.manifest;
    context.printer.record(&manifest)?;
    context.printer.row(manifest.to_toml()?.trim_end())?;
    Ok(Exit::Done)
}

pub(crate) fn add(context: &Context, dir: &Path) -> Result<Exit> {
    let manifest = context.library().add(dir)?;
    context.printer.record(&manifest)?;
    context.printer.row(format_args!(
        "added {}; use it with --pack {0}\n    licence   {}",
        manifest.name,
        licence(&manifest)
    ))?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Check {
    name: String,
    origin: String,
    sound: bool,
    problem: Option<String>,
}

pub(crate) fn verify(context: &Context) -> Result<Exit> {
    let library = context.library();
    let mut checks = Vec::new();
    for listing in library.list()? {
        let problem = library.verify(&listing).err().map(|e| e.to_string());
        let name = listing
            .manifest
            .as_ref()
            .map_or_else(|_| "(broken)".into(), |m| m.name.clone());
        checks.push(Check {
            name,
            origin: origin(&listing),
            sound: problem.is_none(),
            problem,
        });
    }
    context.printer.record(&checks)?;
    for check in &checks {
        let verdict = check.problem.as_deref().unwrap_or("sound");
        context
            .printer
            .row(format_args!("{}\t{}\t{verdict}", check.name, check.origin))?;
    }
    Ok(if checks.iter().all(|c| c.sound) {
        Exit::Done
    } else {
        Exit::Failed
    })
}

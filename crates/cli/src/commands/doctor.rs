//! `fusiform doctor`. In: this machine. Out: what its CPU offers, and whether packs and catalogue
//! are sound.

use anyhow::Result;
use fusiform::album::{Album, OpenOptions, counted};
use fusiform::cpu;
use serde::Serialize;

use crate::context::{Context, shown};
use crate::exit::Exit;
use crate::remedy::explain;

#[derive(Serialize)]
struct Answer {
    version: &'static str,
    architecture: &'static str,
    cores: usize,
    cpu_features: Vec<&'static str>,
    instruction_set: String,
    pack: Finding,
    catalogue_file: String,
    catalogue: Finding,
    vault_file: Option<String>,
    vault_there: bool,
}

#[derive(Serialize)]
struct Finding {
    sound: bool,
    says: String,
}

impl Finding {
    fn of(result: Result<String>) -> Finding {
        match result {
            Ok(says) => Finding { sound: true, says },
            Err(e) => Finding {
                sound: false,
                says: explain(&e),
            },
        }
    }
}

pub(crate) fn run(context: &Context) -> Result<Exit> {
    let vault = context.config.serve.vault.as_ref();
    let answer = Answer {
        version: env!("CARGO_PKG_VERSION"),
        architecture: std::env::consts::ARCH,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        cpu_features: cpu::features(),
        instruction_set: cpu::chosen().to_string(),
        pack: Finding::of(pack(context)),
        catalogue_file: shown(&context.config.catalogue),
        catalogue: Finding::of(catalogue(context)),
        vault_file: vault.map(ToString::to_string),
        vault_there: vault.is_some_and(|place| place.exists().unwrap_or(false)),
    };
    let printer = context.printer;
    printer.row(format_args!(
        "fusiform      {} on {}",
        answer.version, answer.architecture
    ))?;
    printer.row(format_args!(
        "CPU           {} cores, {}",
        answer.cores,
        answer.cpu_features.join(" ")
    ))?;
    printer.row(format_args!("kernels       {}", answer.instruction_set))?;
    let mark = |f: &Finding| if f.sound { "" } else { "PROBLEM: " };
    printer.row(format_args!(
        "models        {}{}",
        mark(&answer.pack),
        answer.pack.says
    ))?;
    printer.row(format_args!("catalogue     {}", answer.catalogue_file))?;
    printer.row(format_args!(
        "              {}{}",
        mark(&answer.catalogue),
        answer.catalogue.says
    ))?;
    if let Some(file) = &answer.vault_file {
        printer.row(format_args!("vault         {file}"))?;
        let says = match answer.vault_there {
            true => "`fusiform audit verify` checks it",
            false => "not there yet; `fusiform key recognition` makes it",
        };
        printer.row(format_args!("              {says}"))?;
    }
    printer.record(&answer)?;
    let sound = answer.pack.sound && answer.catalogue.sound;
    Ok(if sound { Exit::Done } else { Exit::Failed })
}

fn pack(context: &Context) -> Result<String> {
    let engine = context.engine()?;
    let [detecting, embedding] = engine.precisions();
    let embedder = engine.embedder_id().map_or_else(
        |_| "no embedder".into(),
        |id| format!("{id} in {embedding}"),
    );
    Ok(format!(
        "{}: {} in {detecting}, {embedder}; networks open, hashes match",
        engine.pack(),
        engine.detector_id()
    ))
}

fn catalogue(context: &Context) -> Result<String> {
    let path = &context.config.catalogue;
    if !path.exists() {
        return Ok("none yet; `fusiform scan DIR` makes one".into());
    }
    let catalogue = Album::open(
        path,
        OpenOptions {
            read_only: true,
            create: false,
        },
    )?;
    let health = catalogue.health()?;
    anyhow::ensure!(
        health.problems.is_empty(),
        "{}; restore a copy of the file, or delete it and scan again (names are lost)",
        health.problems.join("; ")
    );
    Ok(format!(
        "{}, {}, {} ({} named); version {}, {:.1} MB",
        counted(health.n_photos, "photo", "photos"),
        counted(health.n_faces, "face", "faces"),
        counted(health.n_people, "person", "people"),
        health.n_named,
        health.version,
        health.size_bytes as f64 / 1e6
    ))
}

//! `fusiform bench`. In: the pack, perhaps a model file, perhaps photos. Out: how fast this machine is with them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fusiform::detect::DetectOptions;
use fusiform::engine::Engine;
use fusiform::models::{Pack, Precision};
use fusiform_eval::bench as speed;
use rayon::prelude::*;
use serde::Serialize;

use crate::exit::Exit;
use crate::session::{Session, shown};

/// What is measured, and how long.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Bench {
    /// Photos to decode and to take through the whole pipeline
    #[arg(value_name = "PHOTO")]
    photos: Vec<PathBuf>,
    /// An ONNX file to measure instead of the pack's networks
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Side of inputs whose size the model leaves open
    #[arg(long, default_value_t = 640, value_name = "PX", value_parser = clap::value_parser!(u16).range(32..=4096))]
    side: u16,
    /// What dense layers multiply, float32 or int8, instead of what the pack's manifest says
    #[arg(long, value_name = "PRECISION")]
    precision: Option<Precision>,
    /// Show every layer
    #[arg(long)]
    layers: bool,
    /// Runs of which the median counts
    #[arg(long, default_value_t = 15, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    rounds: u16,
}

#[derive(Serialize)]
struct Answer {
    instruction_set: String,
    peak_gflops: f64,
    networks: Vec<Network>,
    photos: Option<Photos>,
}

#[derive(Serialize)]
struct Network {
    name: String,
    precision: String,
    input: Vec<usize>,
    median_ms: f64,
    mflop: f64,
    gflops: f64,
    percent_of_peak: f64,
    layers: Vec<Layer>,
}

#[derive(Serialize)]
struct Layer {
    name: String,
    operator: &'static str,
    precision: String,
    weights: Vec<usize>,
    least_us: f64,
    gflops: f64,
    percent_of_peak: f64,
}

#[derive(Serialize)]
struct Photos {
    count: usize,
    faces: usize,
    megapixels_per_s_decoded: f64,
    decode_median_ms: f64,
    describe_median_ms: f64,
    file_median_ms: f64,
    photos_per_s: f64,
    /// With all threads: on each photo in turn, and on many photos at once.
    threads: usize,
    file_median_ms_all_threads: f64,
    photos_per_s_all_threads: f64,
}

pub(crate) fn run(session: &Session, bench: &Bench) -> Result<Exit> {
    let peak = speed::peak_flops();
    let printer = session.printer;
    let isa = fusiform::cpu::chosen().to_string();
    printer.row(format_args!(
        "one core, {isa}: at most {:.1} GFLOP/s",
        peak / 1e9
    ))?;
    let mut networks = Vec::new();
    for (name, model, precision) in models(session, bench)? {
        let side = usize::from(bench.side);
        let network = measured(name, &model, side, bench.rounds.into(), precision, peak)?;
        printer.row(format_args!(
            "{:<16} {:<8} {:<14} {:8.2} ms  {:6.0} MFLOP  {:6.1} GFLOP/s  {:3.0} % of peak",
            network.name,
            network.precision,
            sizes(&network.input),
            network.median_ms,
            network.mflop,
            network.gflops,
            network.percent_of_peak
        ))?;
        for layer in network.layers.iter().filter(|_| bench.layers) {
            printer.row(format_args!(
                "  {:9.1} us  {:6.1} GFLOP/s  {:3.0} %  {:<10} {:<8} {:<14} {}",
                layer.least_us,
                layer.gflops,
                layer.percent_of_peak,
                layer.operator,
                layer.precision,
                sizes(&layer.weights),
                layer.name
            ))?;
        }
        networks.push(network);
    }
    let photos = match bench.photos[..] {
        [] => None,
        _ => Some(photos(session, bench)?),
    };
    if let Some(p) = &photos {
        printer.row(format_args!(
            "{} photos, {} faces: decode {:.2} ms ({:.0} Mpx/s), detect to embed {:.2} ms; file to faces {:.2} ms, {:.1} photos/s on one thread",
            p.count,
            p.faces,
            p.decode_median_ms,
            p.megapixels_per_s_decoded,
            p.describe_median_ms,
            p.file_median_ms,
            p.photos_per_s
        ))?;
        printer.row(format_args!(
            "{} threads: file to faces {:.2} ms one photo after another, {:.1} photos/s many at once",
            p.threads, p.file_median_ms_all_threads, p.photos_per_s_all_threads
        ))?;
    }
    printer.record(&Answer {
        instruction_set: isa,
        peak_gflops: peak / 1e9,
        networks,
        photos,
    })?;
    Ok(Exit::Done)
}

fn pack(session: &Session, bench: &Bench) -> Result<Pack> {
    let pack = session.library().load(session.config.pack.as_deref())?;
    Ok(match bench.precision {
        Some(precision) => pack.in_precision(precision),
        None => pack,
    })
}

fn models(session: &Session, bench: &Bench) -> Result<Vec<(String, Vec<u8>, Precision)>> {
    if let Some(path) = &bench.model {
        let bytes = std::fs::read(path).with_context(|| shown(path))?;
        return Ok(vec![(
            path.file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            bytes,
            bench.precision.unwrap_or_default(),
        )]);
    }
    let pack = pack(session, bench)?;
    let (detector, embedder) = (pack.manifest.detector, pack.manifest.embedder);
    let named = |role: &str, bytes: Option<_>, precision: Option<_>| {
        Some((role.to_owned(), bytes?, precision?))
    };
    Ok([
        named("detector", pack.detector, detector.map(|d| d.precision)),
        named("embedder", pack.embedder, embedder.map(|e| e.precision)),
    ]
    .into_iter()
    .flatten()
    .collect())
}

fn measured(
    name: String,
    model: &[u8],
    side: usize,
    rounds: usize,
    precision: Precision,
    peak: f64,
) -> Result<Network> {
    let found = speed::network(&name, model, side, rounds, precision)?;
    let seconds = found.median.as_secs_f64().max(1e-9);
    let flops = found.flop as f64 / seconds;
    let layer = |step: speed::StepTime| {
        let flops = step.flop as f64 * 1e9 / step.nanos.max(1) as f64;
        Layer {
            name: step.name,
            operator: step.operator,
            precision: step.precision.to_string(),
            weights: step.weights,
            least_us: step.nanos as f64 / 1e3,
            gflops: flops / 1e9,
            percent_of_peak: flops / peak * 100.0,
        }
    };
    Ok(Network {
        name,
        precision: precision.to_string(),
        input: found.shape,
        median_ms: seconds * 1e3,
        mflop: found.flop as f64 / 1e6,
        gflops: flops / 1e9,
        percent_of_peak: flops / peak * 100.0,
        layers: found.steps.into_iter().map(layer).collect(),
    })
}

fn photos(session: &Session, bench: &Bench) -> Result<Photos> {
    let (engine, paths) = (Engine::open(&pack(session, bench)?)?, &bench.photos);
    let options = DetectOptions::default();
    let (mut decode, mut describe, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    let (mut pixels, mut faces) = (0u64, 0);
    let progress = session.printer.bar(paths.len() as u64, "photos");
    for path in paths {
        let bytes = std::fs::read(path).with_context(|| shown(path))?;
        let start = Instant::now();
        let photo = engine.decode(&bytes).with_context(|| shown(path))?;
        decode.push(start.elapsed());
        let start = Instant::now();
        engine.describe(&photo.image, &options)?;
        describe.push(start.elapsed());
        let start = Instant::now();
        let described = engine.describe_file(&bytes, &options);
        whole.push(start.elapsed());
        faces += described.with_context(|| shown(path))?.faces.len();
        pixels += u64::from(photo.image.width()) * u64::from(photo.image.height());
        progress.inc(1);
    }
    progress.finish_and_clear();
    let files: Vec<Vec<u8>> = paths.iter().map(std::fs::read).collect::<Result<_, _>>()?;
    let describe_file = |bytes: &Vec<u8>| engine.describe_file(bytes, &options).map(|_| ());
    let latencies = session.on_all_threads(|| {
        let timed = |bytes| {
            let start = Instant::now();
            describe_file(bytes).map(|()| start.elapsed())
        };
        files.iter().map(timed).collect::<Result<Vec<_>, _>>()
    })??;
    let start = Instant::now();
    session.on_all_threads(|| files.par_iter().try_for_each(describe_file))??;
    let together = start.elapsed().as_secs_f64().max(1e-9);
    let seconds = |times: &[Duration]| times.iter().sum::<Duration>().as_secs_f64().max(1e-9);
    Ok(Photos {
        count: paths.len(),
        faces,
        megapixels_per_s_decoded: pixels as f64 / 1e6 / seconds(&decode),
        photos_per_s: paths.len() as f64 / seconds(&whole),
        decode_median_ms: speed::median(decode).as_secs_f64() * 1e3,
        describe_median_ms: speed::median(describe).as_secs_f64() * 1e3,
        file_median_ms: speed::median(whole).as_secs_f64() * 1e3,
        threads: session.threads(),
        file_median_ms_all_threads: speed::median(latencies).as_secs_f64() * 1e3,
        photos_per_s_all_threads: paths.len() as f64 / together,
    })
}

fn sizes(shape: &[usize]) -> String {
    let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
    sides.join("×")
}

//! `fusiform bench`. In: the pack, perhaps a model file, perhaps photos. Out: how fast this machine
//! is with them.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use fusiform::Engine;
use fusiform::models::{Pack, Precision};
use fusiform_eval::bench;
use rayon::prelude::*;
use serde::Serialize;

use crate::args::BenchArgs;
use crate::context::{Context, shown};
use crate::exit::Exit;

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

pub(crate) fn run(context: &Context, args: &BenchArgs) -> Result<Exit> {
    let peak = bench::peak_flops();
    let printer = context.printer;
    let isa = fusiform::cpu::chosen().to_string();
    printer.row(format_args!(
        "one core, {isa}: at most {:.1} GFLOP/s",
        peak / 1e9
    ))?;
    let mut networks = Vec::new();
    for (name, model, precision) in models(context, args)? {
        let side = usize::from(args.side);
        let network = measured(name, &model, side, args.rounds.into(), precision, peak)?;
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
        for layer in network.layers.iter().filter(|_| args.layers) {
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
    let photos = match args.photos[..] {
        [] => None,
        _ => Some(photos(context, args)?),
    };
    if let Some(p) = &photos {
        printer.row(format_args!(
            "{} photos, {} faces: decode {:.2} ms ({:.0} Mpx/s), detect to embed {:.2} ms; \
             file to faces {:.2} ms, {:.1} photos/s on one thread",
            p.count,
            p.faces,
            p.decode_median_ms,
            p.megapixels_per_s_decoded,
            p.describe_median_ms,
            p.file_median_ms,
            p.photos_per_s
        ))?;
        printer.row(format_args!(
            "{} threads: file to faces {:.2} ms one photo after another, {:.1} photos/s many \
             at once",
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

fn pack(context: &Context, args: &BenchArgs) -> Result<Pack> {
    let pack = context.library().load(context.config.pack.as_deref())?;
    Ok(match args.precision {
        Some(precision) => pack.in_precision(precision),
        None => pack,
    })
}

fn models(context: &Context, args: &BenchArgs) -> Result<Vec<(String, Vec<u8>, Precision)>> {
    if let Some(path) = &args.model {
        let bytes = std::fs::read(path).with_context(|| shown(path))?;
        return Ok(vec![(
            path.file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            bytes,
            args.precision.unwrap_or_default(),
        )]);
    }
    let pack = pack(context, args)?;
    let networks = pack.manifest.networks().map(|network| {
        let weights = pack.weights(network.role)?.unwrap_or_default();
        let role = network.role.to_string();
        Ok((role, weights.into_owned(), network.precision))
    });
    networks.collect()
}

fn measured(
    name: String,
    model: &[u8],
    side: usize,
    rounds: usize,
    precision: Precision,
    peak: f64,
) -> Result<Network> {
    let found = bench::network(&name, model, side, rounds, precision)?;
    let seconds = found.median.as_secs_f64().max(1e-9);
    let flops = found.flop as f64 / seconds;
    let layer = |step: bench::StepTime| {
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

fn photos(context: &Context, args: &BenchArgs) -> Result<Photos> {
    let (engine, paths) = (Engine::open(pack(context, args)?)?, &args.photos);
    let options = engine.usual_options();
    let (mut decode, mut describe, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    let (mut pixels, mut faces) = (0u64, 0);
    let progress = context.printer.bar(paths.len() as u64, "photos");
    for path in paths {
        let bytes = std::fs::read(path).with_context(|| shown(path))?;
        let start = Instant::now();
        let photo = engine.decode(&bytes).with_context(|| shown(path))?;
        decode.push(start.elapsed());
        let start = Instant::now();
        engine.analyse_image(&photo.image, &options)?;
        describe.push(start.elapsed());
        let start = Instant::now();
        let analysed = engine.analyse(&bytes, &options);
        whole.push(start.elapsed());
        faces += analysed.with_context(|| shown(path))?.faces.len();
        pixels += u64::from(photo.image.width()) * u64::from(photo.image.height());
        progress.inc(1);
    }
    progress.finish_and_clear();
    let files: Vec<Vec<u8>> = paths.iter().map(std::fs::read).collect::<Result<_, _>>()?;
    let analyse = |bytes: &Vec<u8>| engine.analyse(bytes, &options).map(|_| ());
    let latencies = context.on_all_threads(|| {
        let timed = |bytes| {
            let start = Instant::now();
            analyse(bytes).map(|()| start.elapsed())
        };
        files.iter().map(timed).collect::<Result<Vec<_>, _>>()
    })??;
    let start = Instant::now();
    context.on_all_threads(|| files.par_iter().try_for_each(analyse))??;
    let together = start.elapsed().as_secs_f64().max(1e-9);
    let seconds = |times: &[Duration]| times.iter().sum::<Duration>().as_secs_f64().max(1e-9);
    Ok(Photos {
        count: paths.len(),
        faces,
        megapixels_per_s_decoded: pixels as f64 / 1e6 / seconds(&decode),
        photos_per_s: paths.len() as f64 / seconds(&whole),
        decode_median_ms: bench::median(decode).as_secs_f64() * 1e3,
        describe_median_ms: bench::median(describe).as_secs_f64() * 1e3,
        file_median_ms: bench::median(whole).as_secs_f64() * 1e3,
        threads: context.threads(),
        file_median_ms_all_threads: bench::median(latencies).as_secs_f64() * 1e3,
        photos_per_s_all_threads: paths.len() as f64 / together,
    })
}

fn sizes(shape: &[usize]) -> String {
    let sides: Vec<String> = shape.iter().map(usize::to_string).collect();
    sides.join("×")
}

//! Verification on LFW, unrestricted protocol: `cargo run --example lfw -- DIR [mirror]
//! [min-face=PX] [ultraface]`.
//!
//! DIR holds `images/` and `pairs.txt` (five or ten folds). YuNet and MobileFaceNet come from the
//! folder `models` in the folder that FUSIFORM_SHARED names (else `../shared` beside the
//! repository). The threshold of each fold is the best one of the other folds. Of several faces the
//! one nearest the middle counts.

use std::collections::BTreeMap;
use std::path::Path;

use fusiform_face::backend::{Backend, Network, NnBackend, Precision};
use fusiform_face::detect::{DetectOptions, Detector, DetectorSpec, Head, InputSize};
use fusiform_face::embed::{Embedder, EmbedderSpec, Embedding, Normalisation};
use fusiform_face::geometry::Size;
use fusiform_face::pipeline::{AnalyseOptions, Face, Pipeline};
use rayon::prelude::*;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn network(file: &str) -> Outcome<Box<dyn Network>> {
    let shared = std::env::var("FUSIFORM_SHARED")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").into());
    let onnx = std::fs::read(format!("{shared}/models/{file}"))?;
    Ok(NnBackend.load(onnx.into(), Precision::default())?)
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let dir = Path::new(
        arguments
            .first()
            .ok_or("give the folder with images/ and pairs.txt")?,
    );
    let asked = |flag: &str| arguments.iter().any(|a| a == flag);
    let min_face = arguments.iter().find_map(|a| a.strip_prefix("min-face="));
    let min_face_px = min_face.map(str::parse).transpose()?;
    let detector = if asked("ultraface") {
        let normalisation = Normalisation {
            mean: [127.0; 3],
            scale: [1.0 / 128.0; 3],
            ..Normalisation::default()
        };
        let input_size = InputSize::Fixed(Size {
            width_px: 320,
            height_px: 240,
        });
        let spec = DetectorSpec {
            head: Head::UltraFace,
            normalisation,
            input_size,
            ..DetectorSpec::default()
        };
        Detector::new(network("ultraface_rfb_320.onnx")?, spec)?
    } else {
        Detector::new(network("yunet_n_dynamic.onnx")?, DetectorSpec::default())?
    };
    let normalisation = Normalisation::default();
    let spec = EmbedderSpec {
        normalisation,
        dimensions: 128,
        mirror: asked("mirror"),
    };
    let pipeline = Pipeline::new(
        detector,
        None,
        Some(Embedder::new(network("mobilefacenet.onnx")?, spec)?),
    );
    let options = AnalyseOptions {
        detect: DetectOptions {
            min_face_px,
            ..DetectOptions::default()
        },
        ..AnalyseOptions::default()
    };

    let text = std::fs::read_to_string(dir.join("pairs.txt"))?;
    let mut lines = text.lines();
    let n_folds: usize = lines
        .next()
        .and_then(|l| l.split('\t').next())
        .ok_or("no folds")?
        .parse()?;
    let pairs: Vec<(String, String, bool)> = lines
        .map(|line| match line.split('\t').collect::<Vec<_>>()[..] {
            [a, i, j] => Ok((photo(a, i), photo(a, j), true)),
            [a, i, b, j] => Ok((photo(a, i), photo(b, j), false)),
            _ => Err(format!("not a pair: {line}")),
        })
        .collect::<Result<_, _>>()?;

    let mut names: Vec<&String> = pairs.iter().flat_map(|(a, b, _)| [a, b]).collect();
    names.sort();
    names.dedup();
    let started = std::time::Instant::now();
    let described: BTreeMap<&String, Option<Face>> = names
        .par_iter()
        .map(|name| {
            Ok((
                *name,
                main_face(&dir.join("images").join(name), &pipeline, &options)?,
            ))
        })
        .collect::<Outcome<_>>()?;
    let missing = described.values().filter(|d| d.is_none()).count();
    println!(
        "{} photos in {:.1} s, {missing} without a face",
        described.len(),
        started.elapsed().as_secs_f64()
    );
    let embedding = |name| described[name].as_ref().and_then(|d| d.embedding.as_ref());
    let scores: Vec<(f32, bool)> = pairs
        .iter()
        .map(|(a, b, same)| {
            let pair = embedding(a).zip(embedding(b));
            (
                pair.and_then(|(a, b): (&Embedding, _)| a.similarity(b))
                    .unwrap_or(-1.0),
                *same,
            )
        })
        .collect();
    report(&scores, n_folds);

    let mut rows: Vec<(f32, f32)> = pairs
        .iter()
        .zip(&scores)
        .filter(|((_, _, same), _)| *same)
        .filter_map(|((a, b, _), (score, _))| {
            let worse = described[a]
                .as_ref()?
                .quality
                .overall
                .min(described[b].as_ref()?.quality.overall);
            Some((worse, *score))
        })
        .collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    for part in rows.chunks(rows.len().div_ceil(5)) {
        let mean = part.iter().map(|r| r.1).sum::<f32>() / part.len() as f32;
        println!(
            "quality {:.2} to {:.2}: genuine similarity {mean:.3}",
            part[0].0,
            part[part.len() - 1].0
        );
    }
    Ok(())
}

fn photo(name: &str, number: &str) -> String {
    format!("{name}/{name}_{number:0>4}.jpg")
}

fn main_face(path: &Path, pipeline: &Pipeline, options: &AnalyseOptions) -> Outcome<Option<Face>> {
    let photo = pipeline.analyse(&std::fs::read(path)?, options)?;
    let (width, height) = (photo.size.width_px as f32, photo.size.height_px as f32);
    let off_center = |face: &Face| {
        let center = face.detected.bbox.center();
        (center.x - width / 2.0).hypot(center.y - height / 2.0)
    };
    Ok(photo
        .faces
        .into_iter()
        .min_by(|a, b| off_center(a).total_cmp(&off_center(b))))
}

fn report(scores: &[(f32, bool)], n_folds: usize) {
    let right = |part: &[&(f32, bool)], threshold: f32| {
        part.iter()
            .filter(|(s, same)| (*s >= threshold) == *same)
            .count() as f64
            / part.len() as f64
    };
    let fold = scores.len() / n_folds;
    let mut accuracies = Vec::new();
    for held_out in 0..n_folds {
        let (test, rest): (Vec<_>, Vec<_>) = scores
            .iter()
            .enumerate()
            .partition(|(i, _)| i / fold == held_out);
        let test: Vec<_> = test.into_iter().map(|(_, s)| s).collect();
        let rest: Vec<_> = rest.into_iter().map(|(_, s)| s).collect();
        let steps = (-100..100).map(|i| i as f32 / 200.0 + 0.25);
        let best = steps.max_by(|a, b| right(&rest, *a).total_cmp(&right(&rest, *b)));
        accuracies.push(right(&test, best.unwrap_or(0.3)));
    }
    println!(
        "accuracy {:.4} {accuracies:.4?}",
        accuracies.iter().sum::<f64>() / n_folds as f64
    );
    let mut impostors: Vec<f32> = scores.iter().filter(|s| !s.1).map(|s| s.0).collect();
    impostors.sort_by(|a, b| b.total_cmp(a));
    let genuine: Vec<f32> = scores.iter().filter(|s| s.1).map(|s| s.0).collect();
    for far in [1e-2, 1e-3] {
        let threshold = impostors[(far * impostors.len() as f64) as usize];
        let accepted = genuine.iter().filter(|&&s| s > threshold).count();
        println!(
            "TAR {:.4} at FAR {far} (similarity over {threshold:.3})",
            accepted as f64 / genuine.len() as f64
        );
    }
}

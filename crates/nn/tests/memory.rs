//! Weights are in memory once. In: generated models of 100 MB. Out: the peak memory of a process
//! that loads one from a file and makes a session, as the operating system counts it.
//!
//! The test starts itself as a child process for each model, because a peak never falls again.

#![cfg(target_os = "linux")]

#[path = "onnx_encoder/encoder.rs"]
mod encoder;

use std::process::Command;
use std::time::Instant;

use encoder::{int, ints, model, node, tensor};
use fusiform_nn::{Limits, Model, Precision, Session};

/// Names the model file to the child process.
const FILE: &str = "NN_MEMORY_TEST_FILE";

/// Peak memory of the child, without what a process takes that loads nothing, divided by the file's
/// size.
const MAX_RATIO: f64 = 1.3;

/// Peak resident memory of this process.
fn peak_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024.0
}

fn floats(n: u64, seed: u64) -> impl Iterator<Item = f32> {
    let mut state = seed | 1;
    (0..n).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    })
}

/// Convolutions with batch normalisation and ReLU, as networks are trained, which all run fused.
fn convolutions() -> Vec<u8> {
    let (channels, n) = (512, 11);
    let mut graph = Vec::new();
    let mut last = String::from("x");
    for i in 0..n {
        let names = ["w", "g", "b", "m", "v"].map(|part| format!("{part}{i}"));
        let [w, g, b, m, v] = &names;
        let shape = [channels, channels, 3, 3];
        graph.push(tensor(w, &shape, floats(channels * channels * 9, i + 1)));
        for part in [g, b, m, v] {
            graph.push(tensor(part, &[channels], floats(channels, 9).map(f32::abs)));
        }
        let (conv, norm) = (format!("conv{i}"), format!("norm{i}"));
        let pads = ints("pads", &[1, 1, 1, 1]);
        graph.push(node("Conv", &[&last, w], &conv, &[pads]));
        graph.push(node("BatchNormalization", &[&conv, g, b, m, v], &norm, &[]));
        last = if i + 1 == n {
            "y".into()
        } else {
            format!("relu{i}")
        };
        graph.push(node("Relu", &[&norm], &last, &[]));
    }
    model(&graph, &["x"])
}

/// Grouped convolutions, which do not run fused, then matrix products.
fn groups_and_products() -> Vec<u8> {
    let mut graph = Vec::new();
    let mut last = String::from("x");
    for i in 0..6 {
        let w = format!("w{i}");
        graph.push(tensor(
            &w,
            &[1024, 512, 2, 2],
            floats(1024 * 512 * 4, i + 1),
        ));
        let conv = format!("conv{i}");
        graph.push(node("Conv", &[&last, &w], &conv, &[int("group", 2)]));
        last = conv;
    }
    for i in 0..12 {
        let w = format!("p{i}");
        graph.push(tensor(&w, &[1024, 1024], floats(1024 * 1024, i + 1)));
        let product = if i == 11 {
            "y".into()
        } else {
            format!("product{i}")
        };
        graph.push(node("MatMul", &[&last, &w], &product, &[]));
        last = product;
    }
    model(&graph, &["x"])
}

/// The child process: loads the file, and prints its peak before and after.
#[test]
fn child_loads_the_model_of_its_environment() {
    let Ok(file) = std::env::var(FILE) else {
        return;
    };
    let (file, precision) = file.split_once('|').unwrap();
    let before = peak_bytes();
    let begin = Instant::now();
    let model = Model::open(file.as_ref(), &Limits::default()).unwrap();
    let session = Session::with_precision(model, precision.parse().unwrap()).unwrap();
    let peak = peak_bytes() - before;
    println!("PEAK {peak} in {:?}", begin.elapsed());
    assert_eq!(session.outputs().len(), 1);
}

#[track_caller]
fn check(name: &str, bytes: Vec<u8>, precision: Precision) {
    let size = bytes.len();
    let file = std::env::temp_dir().join(format!("nn-memory-test-{}.onnx", std::process::id()));
    std::fs::write(&file, &bytes).unwrap();
    drop(bytes);
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "child_loads_the_model_of_its_environment",
            "--exact",
            "--nocapture",
        ])
        .env(FILE, format!("{}|{precision}", file.display()))
        .output()
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    let peak = text
        .split_once("PEAK ")
        .map(|(_, rest)| rest.split_whitespace().next().unwrap());
    let error = String::from_utf8_lossy(&child.stderr);
    let peak: f64 = peak
        .unwrap_or_else(|| panic!("{text}{error}"))
        .parse()
        .unwrap();
    let ratio = peak / size as f64;
    println!(
        "{name}, {precision}: {:.0} MB, peak {ratio:.2} of it",
        size as f64 / 1e6
    );
    assert!(
        ratio < MAX_RATIO,
        "{name}, {precision}: the peak is {ratio:.2} of the file"
    );
    assert!(size > 95_000_000, "{size} bytes");
}

#[test]
fn loading_a_model_of_100_mb_peaks_below_1_3_of_its_size() {
    check("convolutions", convolutions(), Precision::Float32);
    check(
        "groups and products",
        groups_and_products(),
        Precision::Float32,
    );
    check("convolutions", convolutions(), Precision::Int8);
}

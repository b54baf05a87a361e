//! Compares every operator on odd shapes with ONNX Runtime, with every instruction set of this CPU.
//! In: `golden/cases.bin`, made by `golden/make_golden.py`. Out: the names of the cases that
//! differ.
//!
//! One thread and no test harness, so that it also runs where threads do not work: under qemu-user
//! for aarch64.

#[path = "golden_cases/cases.rs"]
mod cases;

use cases::{Case, read_cases};
use fusiform_kernels::cpu;
use fusiform_nn::{Limits, Model, Precision, Session, Tensor};

/// Relative to the largest number of an output; ONNX Runtime adds in another order.
const TOLERANCE: f32 = 1e-4;

/// The same in eight bits, where inputs are rounded to 1/127 of their range.
const TOLERANCE_INT8: f32 = 0.06;

fn difference(case: &Case, precision: Precision) -> Result<f32, String> {
    let text = |e: fusiform_nn::Error| e.to_string();
    let model = Model::from_bytes(&case.model, &Limits::default()).map_err(text)?;
    let session = Session::with_precision(model, precision).map_err(text)?;
    let inputs: Vec<(&str, &Tensor)> = case.inputs.iter().map(|(n, t)| (&**n, t)).collect();
    // Twice, because the second run reuses the buffers of the first.
    session.run(&inputs).map_err(text)?;
    let outputs = session.run(&inputs).map_err(text)?;
    let mut worst = 0.0f32;
    for ((name, got), wanted) in outputs.iter().zip(&case.outputs) {
        if got.shape() != wanted.shape() {
            return Err(format!(
                "{name} is {:?}, not {:?}",
                got.shape(),
                wanted.shape()
            ));
        }
        let largest = wanted.data().iter().fold(1e-6f32, |m, v| m.max(v.abs()));
        for (g, w) in got.data().iter().zip(wanted.data()) {
            let off = (g - w).abs() / largest;
            worst = worst.max(if off.is_nan() { f32::INFINITY } else { off });
        }
    }
    Ok(worst)
}

fn main() {
    let cases = read_cases();
    assert!(cases.len() >= 126, "{} cases", cases.len());
    let precisions = [
        (Precision::Float32, TOLERANCE),
        (Precision::Int8, TOLERANCE_INT8),
    ];
    let all = cpu::available().flat_map(|isa| precisions.map(|(p, most)| (isa, p, most)));
    for (isa, precision, most) in all {
        cpu::force(&isa.to_string()).expect("it is available");
        let mut wrong = Vec::new();
        for case in &cases {
            match difference(case, precision) {
                Ok(off) if off <= most => {}
                Ok(off) => wrong.push(format!("{}: off by {off:e}", case.name)),
                Err(e) => wrong.push(format!("{}: {e}", case.name)),
            }
        }
        assert!(
            wrong.is_empty(),
            "{isa}, {precision}: {} of {} cases:\n{}",
            wrong.len(),
            cases.len(),
            wrong.join("\n")
        );
        println!(
            "{isa}, {precision}: {} cases agree with ONNX Runtime",
            cases.len()
        );
    }
}

//! Every operator on odd shapes beside ONNX Runtime, with every instruction set of this CPU. In: `golden/cases.bin`, made
//! by `golden/make_golden.py`. Out: the names of the cases that differ.
//!
//! One thread and no test harness, so that it also runs where threads do not: under qemu-user for aarch64.

#[path = "golden_cases/cases.rs"]
mod cases;

use cases::{Case, read_cases};
use fusiform_kernels::cpu;
use fusiform_nn::{Limits, Model, Session, Tensor};

/// Relative to the largest number of an output; sums run in another order than ONNX Runtime's.
const TOLERANCE: f32 = 1e-4;

fn difference(case: &Case) -> Result<f32, String> {
    let say = |e: fusiform_nn::Error| e.to_string();
    let model = Model::from_bytes(&case.model, &Limits::default()).map_err(say)?;
    let session = Session::new(model).map_err(say)?;
    let inputs: Vec<(&str, &Tensor)> = case.inputs.iter().map(|(n, t)| (&**n, t)).collect();
    // Twice, because the second run works in buffers the first one left.
    session.run(&inputs).map_err(say)?;
    let outputs = session.run(&inputs).map_err(say)?;
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
    for isa in cpu::available() {
        cpu::force(&isa.to_string()).expect("it is available");
        let mut wrong = Vec::new();
        for case in &cases {
            match difference(case) {
                Ok(off) if off <= TOLERANCE => {}
                Ok(off) => wrong.push(format!("{}: off by {off:e}", case.name)),
                Err(e) => wrong.push(format!("{}: {e}", case.name)),
            }
        }
        assert!(
            wrong.is_empty(),
            "{isa}: {} of {} cases:\n{}",
            wrong.len(),
            cases.len(),
            wrong.join("\n")
        );
        println!("{isa}: {} cases agree with ONNX Runtime", cases.len());
    }
}

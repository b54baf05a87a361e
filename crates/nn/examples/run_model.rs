//! Runs a model on numbers from a file, to compare with other engines.
//!
//! `run_model MODEL 1x3x112x112 IN.f32 OUT_DIR [ROUNDS]` writes one `.f32` file for each output and
//! prints the median CPU and wall-clock time of the rounds. Three environment variables: `PROFILE`
//! adds the least time of each step, `ISA` names an instruction set, `PRECISION` is float32 or
//! int8.

use std::error::Error;
use std::fs;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

use fusiform_nn::{Limits, Model, Precision, Session, Tensor};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [model, shape, input, out, rest @ ..] = &args[..] else {
        return Err("usage: run_model MODEL 1x3x112x112 IN.f32 OUT_DIR [ROUNDS]".into());
    };
    if let Ok(name) = std::env::var("ISA") {
        fusiform_kernels::cpu::force(&name)?;
    }
    let shape: Vec<usize> = shape.split('x').map(str::parse).collect::<Result<_, _>>()?;
    let bytes = fs::read(input)?;
    let data = bytes
        .as_chunks::<4>()
        .0
        .iter()
        .map(|w| f32::from_le_bytes(*w))
        .collect();
    let tensor = Tensor::new(shape, data)?;
    let precision: Precision = match std::env::var("PRECISION") {
        Ok(name) => name.parse()?,
        Err(_) => Precision::default(),
    };
    let model = Model::open(model.as_ref(), &Limits::default())?;
    let session = Session::with_precision(model, precision)?;
    let name = session.inputs()[0].name.clone();
    let rounds: usize = rest.first().map_or(Ok(1), |r| r.parse())?;
    let (mut times, mut walls) = (Vec::new(), Vec::new());
    let mut outputs = Vec::new();
    for _ in 0..rounds {
        let (start, begin) = (cpu_ms(), Instant::now());
        outputs = session.run(&[(&name, &tensor)])?;
        walls.push(begin.elapsed().as_secs_f64() * 1e3);
        times.push(cpu_ms() - start);
    }
    if std::env::var_os("PROFILE").is_some() {
        let mut steps = session.profile(&[(&name, &tensor)])?;
        for _ in 1..rounds {
            for (least, step) in steps.iter_mut().zip(session.profile(&[(&name, &tensor)])?) {
                least.nanos = least.nanos.min(step.nanos);
            }
        }
        for step in steps {
            let (us, gflops) = (step.nanos / 1000, step.flop as f64 / step.nanos as f64);
            println!(
                "{us:6} us {gflops:6.1} GFLOP/s {} {} {:?} {}",
                step.operator, step.precision, step.weights, step.name
            );
        }
    }
    times.sort_by(f64::total_cmp);
    walls.sort_by(f64::total_cmp);
    for (name, tensor) in &outputs {
        let bytes: Vec<u8> = tensor.data().iter().flat_map(|v| v.to_le_bytes()).collect();
        fs::write(format!("{out}/{name}.f32"), bytes)?;
        println!("{name} {:?}", tensor.shape());
    }
    let (cpu, wall) = (times[rounds / 2], walls[rounds / 2]);
    println!("medians of {rounds}, in ms: cpu {cpu:.2} wall {wall:.2}");
    Ok(())
}

/// CPU time of this thread in milliseconds.
fn cpu_ms() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}

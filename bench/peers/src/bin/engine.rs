//! A model in another Rust engine. In: `tract|rten MODEL 1x3x112x112 IN.f32 ROUNDS THREADS`. Out: median CPU time of the
//! process and wall-clock time of a run, in milliseconds. tract works on one thread, whatever is asked.

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use rten::{RunOptions, ThreadPool};
use rten_tensor::NdTensor;
use rustix::time::{ClockId, clock_gettime};
use tract_onnx::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [engine, model, shape, input, rounds, threads] = &args[..] else {
        return Err("usage: engine tract|rten MODEL 1x3x112x112 IN.f32 ROUNDS THREADS".into());
    };
    let shape: Vec<usize> = shape.split('x').map(str::parse).collect::<Result<_, _>>()?;
    let shape: [usize; 4] = shape.try_into().map_err(|_| "four sizes are wanted")?;
    let bytes = std::fs::read(input)?;
    let numbers = bytes.as_chunks::<4>().0;
    let data: Vec<f32> = numbers.iter().map(|w| f32::from_le_bytes(*w)).collect();
    let mut run: Box<dyn FnMut() -> Result<(), Box<dyn Error>>> = match &**engine {
        "tract" => {
            let runnable = tract_onnx::onnx()
                .model_for_path(model)?
                .with_input_fact(0, f32::fact(shape).into())?
                .into_optimized()?
                .into_runnable()?;
            let tensor = Tensor::from_shape(&shape, &data)?;
            Box::new(move || {
                std::hint::black_box(runnable.run(tvec!(tensor.clone().into()))?);
                Ok(())
            })
        }
        "rten" => {
            let loaded = rten::Model::load_file(model)?;
            let pool = Arc::new(ThreadPool::with_num_threads(threads.parse()?));
            let tensor = NdTensor::from_data(shape, data);
            Box::new(move || {
                let options = RunOptions::default().with_thread_pool(Some(pool.clone()));
                let input = vec![(loaded.input_ids()[0], tensor.view().into())];
                let outputs = loaded.output_ids().to_vec();
                std::hint::black_box(loaded.run(input, &outputs, Some(options))?);
                Ok(())
            })
        }
        other => return Err(format!("no engine {other:?}").into()),
    };
    run()?;
    let (mut cpu, mut wall) = (Vec::new(), Vec::new());
    for _ in 0..rounds.parse()? {
        let (start, begin) = (cpu_ms(), Instant::now());
        run()?;
        wall.push(begin.elapsed().as_secs_f64() * 1e3);
        cpu.push(cpu_ms() - start);
    }
    println!("cpu {:.2} wall {:.2}", median(cpu), median(wall));
    Ok(())
}

fn cpu_ms() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

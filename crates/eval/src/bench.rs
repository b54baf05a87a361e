//! How fast this machine is. In: networks, photos. Out: medians, and the share of what the core can
//! do at most. Measures on one thread; knows nothing of printing.

use std::time::{Duration, Instant};

use fusiform_kernels::peak;
pub use fusiform_nn::StepTime;
use fusiform_nn::{Dim, Limits, Model, Precision, Session, Tensor};

use crate::error::Error;

/// One network on numbers of its input's size.
#[derive(Debug, Clone)]
pub struct NetworkSpeed {
    /// Shape of the input.
    pub shape: Vec<usize>,
    /// Median time of a run.
    pub median: Duration,
    /// Operations of convolutions and matrix products, two for each multiply-add.
    pub flop: u64,
    /// Each step with its least time.
    pub steps: Vec<StepTime>,
}

/// Floating-point operations a second that one core reaches without touching memory: the best of
/// several tries, since what else the machine does can only make a try slower.
pub fn peak_flops() -> f64 {
    let one = || {
        let start = Instant::now();
        let flop = peak::multiply_adds(200_000);
        flop / start.elapsed().as_secs_f64()
    };
    (0..25).map(|_| one()).fold(0.0, f64::max)
}

/// Runs a network `rounds` times, and again as often to see what each step takes.
///
/// Sizes that the model leaves open are `side_px`, and one for the batch.
///
/// # Errors
/// [`Error::Network`] if the model is not one the runtime covers, or has more than one input.
pub fn network(
    name: &str,
    model: &[u8],
    side_px: usize,
    rounds: usize,
    precision: Precision,
) -> Result<NetworkSpeed, Error> {
    let failed = |source: fusiform_nn::Error| Error::Network {
        name: name.into(),
        source: Box::new(source),
    };
    let model = Model::from_bytes(model, &Limits::default()).map_err(failed)?;
    let session = Session::with_precision(model, precision).map_err(failed)?;
    let mut inputs = Vec::new();
    for port in session.inputs() {
        let side = |(axis, dim): (usize, &Dim)| match dim {
            Dim::Fixed(size) => *size,
            Dim::Any if axis == 0 => 1,
            Dim::Any => side_px,
        };
        let shape: Vec<usize> = port.shape.iter().enumerate().map(side).collect();
        // Values of a photo, no two neighbours alike.
        let data = (0..shape.iter().product::<usize>()).map(|i| ((i * 73) % 256) as f32);
        let tensor = Tensor::new(shape, data.collect()).map_err(failed)?;
        inputs.push((port.name.clone(), tensor));
    }
    let inputs: Vec<(&str, &Tensor)> = inputs.iter().map(|(n, t)| (&**n, t)).collect();
    session.run(&inputs).map_err(failed)?;
    let mut times = Vec::new();
    for _ in 0..rounds.max(1) {
        let start = Instant::now();
        session.run(&inputs).map_err(failed)?;
        times.push(start.elapsed());
    }
    let mut steps = session.profile(&inputs).map_err(failed)?;
    for _ in 1..rounds.max(1) {
        for (best, step) in steps
            .iter_mut()
            .zip(session.profile(&inputs).map_err(failed)?)
        {
            best.nanos = best.nanos.min(step.nanos);
        }
    }
    Ok(NetworkSpeed {
        shape: inputs
            .first()
            .map(|(_, t)| t.shape().to_vec())
            .unwrap_or_default(),
        median: median(times),
        flop: steps.iter().map(|s| s.flop).sum(),
        steps,
    })
}

/// The middle one; zero of none.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_pack_is_counted_step_by_step() {
        let pack = fusiform::Pack::base().unwrap();
        let embedder = pack
            .weights(fusiform::models::Role::Embedder)
            .unwrap()
            .unwrap();
        let eight = network("embedder", &embedder, 112, 1, Precision::Int8).unwrap();
        let in_eight_bits = |s: &&StepTime| s.precision == Precision::Int8;
        assert!(eight.steps.iter().filter(in_eight_bits).count() > 5);
        let speed = network("embedder", &embedder, 112, 1, Precision::Float32).unwrap();
        assert_eq!(speed.steps.iter().filter(in_eight_bits).count(), 0);
        assert_eq!(speed.flop, eight.flop);
        assert_eq!(speed.shape, [1, 3, 112, 112]);
        assert!(
            (10_000_000..2_000_000_000).contains(&speed.flop),
            "{}",
            speed.flop
        );
        let convolutions = speed.steps.iter().filter(|s| s.operator == "Conv");
        assert!(
            convolutions.clone().count() > 5
                && convolutions.clone().all(|s| s.flop > 0 && s.nanos > 0)
        );
    }
}

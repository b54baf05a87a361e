//! The arithmetic limit of one core. In: a number of rounds. Out: operations done, for the caller
//! to time. Knows nothing of clocks.

use crate::multiply_adds::{MultiplyAdds, N_CHAINS};
use crate::nhwc::KernelSet;

/// Runs `rounds` rounds of vector multiply-adds that touch no memory, on the calling thread.
///
/// # Units
/// The result is the number of floating-point operations: two for each multiply-add of each lane.
///
/// # Example
/// ```
/// let start = std::time::Instant::now();
/// let flop = fusiform_kernels::peak::multiply_adds(10_000);
/// println!("{:.0} GFLOP/s", flop / start.elapsed().as_secs_f64() / 1e9);
/// ```
pub fn multiply_adds(rounds: usize) -> f64 {
    let kernels = KernelSet::chosen();
    let mut job = MultiplyAdds { rounds, total: 0.0 };
    kernels.multiply_adds(&mut job);
    std::hint::black_box(job.total);
    (rounds * N_CHAINS * kernels.lanes() * 2) as f64
}

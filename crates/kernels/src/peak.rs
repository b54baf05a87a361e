//! What this core can do at most. In: a number of rounds. Out: operations done, for the caller to time.
//! Knows nothing of clocks.

use crate::cpu::Isa;
use crate::pixels::{Form, dispatch};
use crate::vector::Vector;

/// Sums that depend on nothing but themselves: enough to hide the latency of any core.
const CHAINS: usize = 12;

/// Runs `rounds` rounds of multiply-adds that touch no memory; gives the number of floating-point operations.
///
/// # Example
/// ```
/// let start = std::time::Instant::now();
/// let flop = fusiform_kernels::peak::burn(10_000);
/// println!("{:.0} GFLOP/s", flop / start.elapsed().as_secs_f64() / 1e9);
/// ```
pub fn burn(rounds: usize) -> f64 {
    let form = Form::chosen();
    let mut n = rounds;
    let sum: f32 = dispatch!(form, busy, &mut n);
    std::hint::black_box(sum);
    (rounds * CHAINS * form.lanes() * 2) as f64
}

/// # Safety
/// The CPU has the instructions of `V`.
#[inline(always)]
pub(crate) unsafe fn run<V: Vector>(rounds: usize) -> f32 {
    // SAFETY: as promised; the only memory is an array of our own.
    unsafe {
        let mut sums = [V::splat(1.0); CHAINS];
        // Unknown to the compiler, so that nothing is computed ahead.
        let (factor, addend) = (
            std::hint::black_box(0.999f32),
            std::hint::black_box(1e-3f32),
        );
        let (factor, addend) = (V::splat(factor), V::splat(addend));
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = sum.mul_add(factor, addend);
            }
        }
        let mut out = [0.0f32; 16];
        let all = sums
            .into_iter()
            .reduce(|a, b| a.add(b))
            .unwrap_or(V::splat(0.0));
        all.store(out.as_mut_ptr());
        out.iter().sum()
    }
}

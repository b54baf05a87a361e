//! Multiply-adds in registers, without memory. In: a number of rounds. Out: operations done.
//! Knows nothing of clocks.

use crate::vector::Vector;

/// Independent sums: enough to hide the latency of a multiply-add on any core.
pub(crate) const N_CHAINS: usize = 12;

/// Some rounds of one multiply-add on each of [`N_CHAINS`] vectors.
pub(crate) struct MultiplyAdds {
    pub(crate) rounds: usize,
    /// The sum of all results, so that no operation can be left out.
    pub(crate) total: f32,
}

impl MultiplyAdds {
    /// # Safety
    /// The CPU has the instructions of `V`.
    #[inline(always)]
    pub(crate) unsafe fn run<V: Vector>(&mut self) {
        // SAFETY: as promised; the only memory is a local array.
        unsafe {
            let mut sums = [V::splat(1.0); N_CHAINS];
            // Hidden from the compiler, so that nothing is computed in advance.
            let (factor, addend) = (
                std::hint::black_box(0.999f32),
                std::hint::black_box(1e-3f32),
            );
            let (factor, addend) = (V::splat(factor), V::splat(addend));
            for _ in 0..self.rounds {
                for sum in &mut sums {
                    *sum = sum.mul_add(factor, addend);
                }
            }
            let mut lanes = [0.0f32; 16];
            let all = sums
                .into_iter()
                .reduce(|a, b| a.add(b))
                .unwrap_or(V::splat(0.0));
            all.store(lanes.as_mut_ptr());
            self.total = lanes.iter().sum();
        }
    }
}

//! Dot products. In: two vectors. Out: one number.

use crate::cpu;
#[cfg(target_arch = "x86_64")]
use crate::cpu::Isa;

/// Sum of products of two vectors of one length.
///
/// The order of additions depends on the instruction set alone, so equal input gives equal output on one machine.
///
/// # Panics
/// If the lengths differ.
///
/// # Example
/// ```
/// assert_eq!(fusiform_kernels::dot::f32(&[1.0, 2.0], &[3.0, 4.0]), 11.0);
/// ```
pub fn f32(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "vectors of different lengths");
    match cpu::chosen() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `cpu` names an instruction set only if this CPU has it.
        Isa::Avx512 => unsafe { crate::x86_64::dot_avx512(a, b) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx2 => unsafe { crate::x86_64::dot_avx2(a, b) },
        _ => lanes::<8>(a, b),
    }
}

/// The sum kept in `N` partial sums, which the compiler turns into vector registers.
#[inline(always)]
pub(crate) fn lanes<const N: usize>(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; N];
    let (a_chunks, a_rest) = a.as_chunks::<N>();
    let (b_chunks, b_rest) = b.as_chunks::<N>();
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..N {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_agrees_with_a_sum_in_double_precision() {
        for n in 0..200 {
            let a: Vec<f32> = (0..n).map(|i| ((i * 7) % 11) as f32 - 5.0).collect();
            let b: Vec<f32> = (0..n).map(|i| ((i * 3) % 13) as f32 * 0.25).collect();
            let exact: f64 = a
                .iter()
                .zip(&b)
                .map(|(x, y)| f64::from(*x) * f64::from(*y))
                .sum();
            assert!((f64::from(f32(&a, &b)) - exact).abs() < 1e-3, "{n}");
        }
    }
}

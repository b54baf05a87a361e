//! The bodies of the planar routines. In: rows of floats. Out: a row of floats.
//! Knows nothing of instruction sets: each caller compiles these for its target features.

use crate::epilogue::Activation;

/// Compiled once for each instruction set; the compiler vectorises the loops.
#[inline(always)]
pub(crate) fn depthwise_row(taps: &[(f32, &[f32])], stride: usize, out: &mut [f32]) {
    if stride == 1 {
        // Nine taps at a time keep the row in registers instead of going to memory for each.
        let mut groups = taps.chunks_exact(9);
        for group in &mut groups {
            let n = out.len();
            let rows: [&[f32]; 9] = std::array::from_fn(|t| &group[t].1[..n]);
            let weights: [f32; 9] = std::array::from_fn(|t| group[t].0);
            for x in 0..n {
                let mut sum = out[x];
                for t in 0..9 {
                    sum += weights[t] * rows[t][x];
                }
                out[x] = sum;
            }
        }
        for (weight, input) in groups.remainder() {
            for (sum, value) in out.iter_mut().zip(*input) {
                *sum += weight * value;
            }
        }
    } else {
        for (weight, input) in taps {
            for (sum, value) in out.iter_mut().zip(input.iter().step_by(stride)) {
                *sum += weight * value;
            }
        }
    }
}

/// Compiled once for each instruction set; the compiler vectorises the loops.
#[inline(always)]
pub(crate) fn epilogue_row(
    sums: &[f32],
    bias: f32,
    residual: Option<&[f32]>,
    activation: Activation,
    out: &mut [f32],
) {
    // The match is outside the loops, so that the compiler can vectorise each of them.
    #[inline(always)]
    fn for_each(sums: &[f32], residual: Option<&[f32]>, out: &mut [f32], f: impl Fn(f32) -> f32) {
        match residual {
            Some(residual) => {
                for ((out, sum), other) in out.iter_mut().zip(sums).zip(residual) {
                    *out = f(sum + other);
                }
            }
            None => {
                for (out, sum) in out.iter_mut().zip(sums) {
                    *out = f(*sum);
                }
            }
        }
    }
    match activation {
        Activation::None => for_each(sums, residual, out, |x| x + bias),
        Activation::Relu => for_each(sums, residual, out, |x| (x + bias).max(0.0)),
        Activation::Slope(slope) => {
            for_each(sums, residual, out, |x| {
                Activation::Slope(slope).apply(x + bias)
            });
        }
        Activation::Clip(low, high) => {
            for_each(sums, residual, out, |x| (x + bias).max(low).min(high));
        }
    }
}

//! The end of a convolution. In: one row of sums. Out: the same with bias, residual and activation, stored.

use crate::cpu;
#[cfg(target_arch = "x86_64")]
use crate::cpu::Isa;

/// What is done to a sum before it is stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// Nothing.
    None,
    /// `max(x, 0)`.
    Relu,
    /// `x` where positive, `slope · x` elsewhere; PReLU has a slope for each channel, leaky ReLU one for all.
    Slope(f32),
    /// `min(max(x, low), high)`.
    Clip(f32, f32),
}

impl Activation {
    /// The value for one sum.
    #[inline(always)]
    pub fn apply(self, x: f32) -> f32 {
        match self {
            Activation::None => x,
            Activation::Relu => x.max(0.0),
            Activation::Slope(slope) => {
                if x > 0.0 {
                    x
                } else {
                    slope * x
                }
            }
            Activation::Clip(low, high) => x.max(low).min(high),
        }
    }
}

/// `out = activation(sums + bias + residual)`, element by element; without a residual it counts as zero.
///
/// # Panics
/// If the lengths differ.
pub fn row(
    sums: &[f32],
    bias: f32,
    residual: Option<&[f32]>,
    activation: Activation,
    out: &mut [f32],
) {
    assert_eq!(sums.len(), out.len());
    assert!(residual.is_none_or(|r| r.len() == out.len()));
    match cpu::chosen() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `cpu` names an instruction set only if this CPU has it.
        Isa::Avx512 => unsafe {
            crate::x86_64::finish_row_avx512(sums, bias, residual, activation, out);
        },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx2 => unsafe {
            crate::x86_64::finish_row_avx2(sums, bias, residual, activation, out);
        },
        _ => row_plain(sums, bias, residual, activation, out),
    }
}

/// The definition; compiled once more for each instruction set.
#[inline(always)]
pub(crate) fn row_plain(
    sums: &[f32],
    bias: f32,
    residual: Option<&[f32]>,
    activation: Activation,
    out: &mut [f32],
) {
    // The choice stands outside the loops, so that each loop is one the compiler can widen.
    #[inline(always)]
    fn each(sums: &[f32], residual: Option<&[f32]>, out: &mut [f32], f: impl Fn(f32) -> f32) {
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
        Activation::None => each(sums, residual, out, |x| x + bias),
        Activation::Relu => each(sums, residual, out, |x| (x + bias).max(0.0)),
        Activation::Slope(slope) => {
            each(sums, residual, out, |x| {
                Activation::Slope(slope).apply(x + bias)
            });
        }
        Activation::Clip(low, high) => {
            each(sums, residual, out, |x| (x + bias).max(low).min(high));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_activation_agrees_with_its_formula_at_every_length() {
        let all = [
            Activation::None,
            Activation::Relu,
            Activation::Slope(0.25),
            Activation::Clip(0.0, 6.0),
        ];
        for n in 0..70 {
            let sums: Vec<f32> = (0..n).map(|i| (i as f32) - 30.0).collect();
            let other: Vec<f32> = (0..n).map(|i| (i % 5) as f32).collect();
            for activation in all {
                for residual in [None, Some(&other[..])] {
                    let mut out = vec![f32::NAN; n];
                    row(&sums, 0.5, residual, activation, &mut out);
                    for i in 0..n {
                        let x = sums[i] + residual.map_or(0.0, |r| r[i]) + 0.5;
                        assert_eq!(out[i], activation.apply(x), "{activation:?} {n} {i}");
                    }
                }
            }
        }
    }
}

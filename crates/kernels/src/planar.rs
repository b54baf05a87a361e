//! Routines on planes, one row of one channel at a time. In: rows of floats. Out: a row of floats.
//! Knows nothing of padding: the caller passes only the taps that fall inside the image.

use crate::cpu;
#[cfg(target_arch = "x86_64")]
use crate::cpu::Isa;
use crate::epilogue::Activation;

pub(crate) mod rows;

/// `out[x] += Σ_taps weight · input[x · stride]`.
///
/// Each tap is a weight and the input row from the first column it meets.
///
/// # Panics
/// If a tap's row is shorter than `(out.len() − 1) · stride + 1`, or `stride` is 0.
pub fn depthwise_row(taps: &[(f32, &[f32])], stride: usize, out: &mut [f32]) {
    assert!(stride > 0);
    if out.is_empty() {
        return;
    }
    let needed = (out.len() - 1) * stride + 1;
    assert!(
        taps.iter().all(|(_, input)| input.len() >= needed),
        "a tap's row is too short"
    );
    match cpu::chosen() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `cpu` names an instruction set only if this CPU has it.
        Isa::Avx512 => unsafe { crate::x86_64::depthwise_row_avx512(taps, stride, out) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx2 => unsafe { crate::x86_64::depthwise_row_avx2(taps, stride, out) },
        _ => rows::depthwise_row(taps, stride, out),
    }
}

/// `out = activation(sums + bias + residual)`, element by element; without a residual it counts as
/// zero.
///
/// # Panics
/// If the lengths differ.
pub fn epilogue_row(
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
            crate::x86_64::epilogue_row_avx512(sums, bias, residual, activation, out);
        },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Isa::Avx2 => unsafe {
            crate::x86_64::epilogue_row_avx2(sums, bias, residual, activation, out);
        },
        _ => rows::epilogue_row(sums, bias, residual, activation, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_every_length_and_stride_agree_with_the_sum_written_out() {
        for stride in 1..4 {
            for n in 0..70 {
                for n_taps in [0, 1, 3, 9, 10, 25] {
                    let inputs: Vec<Vec<f32>> = (0..n_taps)
                        .map(|t| (0..n * stride).map(|i| ((i * 5 + t) % 17) as f32).collect())
                        .collect();
                    let taps: Vec<(f32, &[f32])> = inputs
                        .iter()
                        .enumerate()
                        .map(|(t, row)| (t as f32 * 0.5 - 1.0, row.as_slice()))
                        .collect();
                    let mut out: Vec<f32> = (0..n).map(|x| x as f32).collect();
                    depthwise_row(&taps, stride, &mut out);
                    for (x, got) in out.iter().enumerate() {
                        let taps = taps.iter().map(|(w, input)| w * input[x * stride]);
                        let wanted = x as f32 + taps.sum::<f32>();
                        assert!((got - wanted).abs() < 1e-3, "{stride} {n} {n_taps} {x}");
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "too short")]
    fn a_short_row_never_reaches_the_routine() {
        depthwise_row(&[(1.0, &[0.0; 3])], 2, &mut [0.0; 3]);
    }

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
                    epilogue_row(&sums, 0.5, residual, activation, &mut out);
                    for i in 0..n {
                        let x = sums[i] + residual.map_or(0.0, |r| r[i]) + 0.5;
                        assert_eq!(out[i], activation.apply(x), "{activation:?} {n} {i}");
                    }
                }
            }
        }
    }
}

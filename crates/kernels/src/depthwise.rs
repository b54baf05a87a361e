//! One output row of a depthwise convolution. In: weighted input rows. Out: their sum, added to the row.
//! Knows nothing of padding: who calls passes only the taps that fall inside.

use crate::cpu;
#[cfg(target_arch = "x86_64")]
use crate::cpu::Isa;

/// `out[x] += Σ_taps weight · input[x · stride]`.
///
/// Each tap is a weight and the input row from the first column it meets.
///
/// # Panics
/// If a tap's row is shorter than `(out.len() − 1) · stride + 1`, or `stride` is 0.
pub fn row(taps: &[(f32, &[f32])], stride: usize, out: &mut [f32]) {
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
        _ => row_plain(taps, stride, out),
    }
}

/// The definition; compiled once more for each instruction set.
#[inline(always)]
pub(crate) fn row_plain(taps: &[(f32, &[f32])], stride: usize, out: &mut [f32]) {
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
                    row(&taps, stride, &mut out);
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
        row(&[(1.0, &[0.0; 3])], 2, &mut [0.0; 3]);
    }
}

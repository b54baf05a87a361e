//! Every instruction set against the definition written out, on odd shapes.

use proptest::prelude::*;

use super::*;
use crate::epilogue::Activation;

fn numbers(seed: u64, len: usize, odd: bool) -> Vec<f32> {
    let mut state = seed | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let number = |bits: u64| match bits % 97 {
        0 if odd => f32::NAN,
        1 if odd => f32::INFINITY,
        2 if odd => f32::NEG_INFINITY,
        _ => (bits >> 40) as f32 / (1 << 23) as f32 - 1.0,
    };
    (0..len).map(|_| number(next())).collect()
}

fn activation(kind: usize) -> Activation {
    [
        Activation::None,
        Activation::Relu,
        Activation::Slope(0.25),
        Activation::Clip(-0.5, 0.75),
    ][kind % 4]
}

fn finished(epilogue: &Epilogue, sum: f32, channel: usize) -> f32 {
    match epilogue.slopes {
        Some(slopes) => Activation::Slope(slopes[channel]).apply(sum),
        None => epilogue.activation.apply(sum),
    }
}

fn agrees(got: f32, wanted: f32, size: f32) -> bool {
    let both = (got.is_nan() && wanted.is_nan()) || got == wanted;
    both || (got - wanted).abs() <= 1e-5 * size.max(1.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn dense_rows_agree(
        n in 0usize..30, runs in 1usize..4, run in 1usize..40, step in 0usize..20,
        vectors in 1usize..7, gap in 0usize..2, kind in 0usize..4, sloped: bool, residual: bool,
        odd: bool, seed: u64,
    ) {
        for isa in cpu::available() {
            let kernels = KernelSet::of(isa);
            let channels = vectors * kernels.grain();
            let pixel = channels + gap * kernels.grain();
            let starts: Vec<usize> = (0..runs).map(|r| r * 17 + seed as usize % 5).collect();
            let input = numbers(seed, starts[runs - 1] + n.max(1) * step + run, odd);
            let plain = numbers(seed ^ 5, channels * runs * run, false);
            let weights = kernels.pack_dense(&plain, [channels, run, runs, 1], run);
            let (bias, slopes) = (
                numbers(seed ^ 7, channels, false),
                numbers(seed ^ 9, channels, false),
            );
            let other = numbers(seed ^ 11, n * pixel, false);
            let epilogue = Epilogue {
                bias: &bias,
                activation: activation(kind),
                slopes: sloped.then_some(&slopes[..]),
            };
            let mut out = vec![7.0; n * pixel];
            kernels.conv(&mut ConvRow {
                input: &input,
                starts: &starts,
                run,
                step,
                weights: &weights,
                channels,
                epilogue,
                residual: residual.then_some(&other[..]),
                out: &mut out,
                n,
                pixel,
            });
            for x in 0..n {
                for c in 0..pixel {
                    let index = x * pixel + c;
                    if c >= channels {
                        prop_assert_eq!(out[index], 7.0, "written past the channels");
                        continue;
                    }
                    let mut sum = bias[c];
                    for (r, start) in starts.iter().enumerate() {
                        for k in 0..run {
                            sum += plain[(c * run + k) * runs + r] * input[start + x * step + k];
                        }
                    }
                    sum += if residual { other[index] } else { 0.0 };
                    let wanted = finished(&epilogue, sum, c);
                    let size = (runs * run) as f32;
                    prop_assert!(
                        agrees(out[index], wanted, size),
                        "{isa} {x} {c}: {} {wanted}",
                        out[index]
                    );
                }
            }
        }
    }

    #[test]
    fn depthwise_rows_and_maxima_agree(
        n in 0usize..30, kernel in 1usize..6, stride in 1usize..4, dilation in 1usize..3,
        vectors in 1usize..4, kind in 0usize..4, sloped: bool, residual: bool, odd: bool,
        seed: u64,
    ) {
        for isa in cpu::available() {
            let kernels = KernelSet::of(isa);
            let pixel = vectors * kernels.grain();
            let row = (n.max(1) * stride + kernel * dilation) * pixel;
            let taps = kernel * kernel;
            let starts: Vec<usize> = (0..taps)
                .map(|t| t / kernel * row + t % kernel * dilation * pixel)
                .collect();
            let input = numbers(seed, kernel * row, odd);
            let plain = numbers(seed ^ 5, pixel * taps, false);
            let weights = kernels.pack_depthwise(&plain, pixel, taps);
            let (bias, slopes) = (
                numbers(seed ^ 7, pixel, false),
                numbers(seed ^ 9, pixel, false),
            );
            let other = numbers(seed ^ 11, n * pixel, false);
            let epilogue = Epilogue {
                bias: &bias,
                activation: activation(kind),
                slopes: sloped.then_some(&slopes[..]),
            };
            let (mut out, mut most) = (vec![7.0; n * pixel], vec![7.0; n * pixel]);
            kernels.depthwise(&mut DepthwiseRow {
                input: &input,
                starts: &starts,
                step: stride * pixel,
                weights: &weights,
                pixel,
                epilogue,
                residual: residual.then_some(&other[..]),
                out: &mut out,
                n,
            });
            kernels.max_pool(&mut MaxPoolRow {
                input: &input,
                starts: &starts,
                step: stride * pixel,
                pixel,
                out: &mut most,
                n,
            });
            for x in 0..n {
                for c in 0..pixel {
                    let index = x * pixel + c;
                    let at = |t: usize| input[starts[t] + x * stride * pixel + c];
                    let mut sum =
                        (0..taps).fold(bias[c], |sum, t| sum + plain[c * taps + t] * at(t));
                    sum += if residual { other[index] } else { 0.0 };
                    let wanted = finished(&epilogue, sum, c);
                    prop_assert!(
                        agrees(out[index], wanted, taps as f32),
                        "{isa} {x} {c}: {} {wanted}",
                        out[index]
                    );
                    let wanted =
                        (1..taps).fold(at(0), |most, t| if at(t) > most { at(t) } else { most });
                    prop_assert!(
                        agrees(most[index], wanted, 1.0),
                        "{isa} {x} {c}: {} {wanted}",
                        most[index]
                    );
                }
            }
        }
    }
}

/// The definition of rounded inputs, written out: scale, offset, and the rounded inputs.
fn rounded(numbers: &[f32]) -> (f32, f32, Vec<f32>) {
    let high = numbers.iter().fold(0.0f32, |m, x| m.max(*x));
    let low = numbers.iter().fold(0.0f32, |m, x| m.min(*x));
    let inverse = if high - low > 1e-30 {
        127.0 / (high - low)
    } else {
        0.0
    };
    let steps = numbers
        .iter()
        .map(|x| ((x - low) * inverse).round_ties_even());
    let scale = if numbers.iter().all(|x| x.is_finite()) {
        (high - low) / 127.0
    } else {
        f32::NAN
    };
    (scale, low, steps.collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn rows_in_eight_bits_agree(
        n in 0usize..30, k in 1usize..4, stride in 1usize..3, n_in in 1usize..70,
        n_out in 1usize..70, kind in 0usize..4, sloped: bool, residual: bool, odd: bool,
        large in -20i32..20, seed: u64,
    ) {
        let plain = numbers(seed ^ 5, n_out * n_in * k * k, false);
        for isa in cpu::available() {
            let kernels = KernelSet::of(isa);
            let (pixel, channels) = (kernels.padded(n_in), kernels.padded(n_out));
            let width = n.max(1) * stride + k;
            let mut input = vec![0.0; k * width * pixel];
            for (index, value) in numbers(seed, k * width * n_in, odd && seed % 5 == 0)
                .into_iter()
                .enumerate()
            {
                input[index / n_in * pixel + index % n_in] = value * f32::powi(10.0, large);
            }
            let starts: Vec<usize> = (0..k).map(|r| r * width * pixel).collect();
            let (bias, slopes) = (
                kernels.pad(&numbers(seed ^ 7, n_out, false)),
                kernels.pad(&numbers(seed ^ 9, n_out, false)),
            );
            let other = numbers(seed ^ 11, n * channels, false);
            let epilogue = Epilogue {
                bias: &bias,
                activation: activation(kind),
                slopes: sloped.then_some(&slopes[..]),
            };
            let mut out = vec![7.0; n * channels];
            kernels.int8_conv(&mut Int8ConvRow {
                input: &input,
                starts: &starts,
                step: stride * pixel,
                weights: &kernels.pack_int8(&plain, [n_out, n_in, k, k], pixel),
                epilogue,
                residual: residual.then_some(&other[..]),
                out: &mut out,
                n,
                scratch: &mut Int8Scratch::default(),
            });
            let span = (n.max(1) - 1) * stride * pixel + k * pixel;
            let row: Vec<f32> = starts
                .iter()
                .flat_map(|s| &input[*s..s + span])
                .copied()
                .collect();
            let of_row = rounded(&row);
            for x in 0..n {
                let (scale, low, steps) = &of_row;
                let first = x * stride * pixel;
                for c in 0..n_out {
                    let weights = &plain[c * n_in * k * k..][..n_in * k * k];
                    let factor = weights.iter().fold(0.0f32, |m, w| m.max(w.abs())) / 127.0;
                    let (mut sum, mut all) = (0.0f64, 0.0f64);
                    for (index, weight) in weights.iter().enumerate() {
                        let (i, ky, kx) = (index / (k * k), index / k % k, index % k);
                        let whole = f64::from((weight / factor).round());
                        sum += whole * f64::from(steps[ky * span + first + kx * pixel + i]);
                        all += whole;
                    }
                    let factor = f64::from(factor);
                    let sum = factor * (f64::from(*scale) * sum + f64::from(*low) * all);
                    let index = x * channels + c;
                    let sum = sum as f32 + bias[c] + if residual { other[index] } else { 0.0 };
                    let wanted = finished(&epilogue, sum, c);
                    let size = (k * k * n_in) as f32 * (1.0 + scale.abs() * 127.0);
                    prop_assert!(
                        agrees(out[index], wanted, size),
                        "{isa} {x} {c}: {} {wanted}",
                        out[index]
                    );
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn elementwise_rows_are_equal_to_the_bit(
        n in 0usize..70, odd: bool, factor: f32, addend: f32, seed: u64,
    ) {
        let (a, b, c) = (
            numbers(seed, n, odd),
            numbers(seed ^ 3, n, odd),
            numbers(seed ^ 5, n, false),
        );
        let bits = |x: &[f32]| {
            x.iter()
                .map(|x| if x.is_nan() { u32::MAX } else { x.to_bits() })
                .collect::<Vec<_>>()
        };
        for isa in cpu::available() {
            let kernels = KernelSet::of(isa);
            let mut interleaved = vec![7.0; 3 * n];
            let (mut sum, mut scaled) = (vec![7.0; n], vec![7.0; n]);
            kernels.interleave(&mut InterleaveRow {
                planes: [&a, &b, &c],
                out: &mut interleaved,
            });
            kernels.add(&mut AddRow {
                a: &a,
                b: &b,
                out: &mut sum,
            });
            kernels.affine(&mut AffineRow {
                input: &a,
                factor,
                addend,
                out: &mut scaled,
            });
            let wanted: Vec<f32> = (0..3 * n).map(|i| [&a, &b, &c][i % 3][i / 3]).collect();
            prop_assert_eq!(bits(&interleaved), bits(&wanted), "{}", isa);
            let rgb: Vec<u8> = interleaved.iter().map(|v| (v * 99.0) as u8).collect();
            for blue_first in [false, true] {
                let (mean, scale) = ([127.5, addend, 3.0], [1.0 / 128.0, factor, -2.0]);
                kernels.normalize(&mut NormalizeRow {
                    rgb: &rgb,
                    mean,
                    scale,
                    blue_first,
                    out: &mut interleaved,
                });
                let value =
                    |i: usize| f32::from(rgb[if blue_first { i / 3 * 3 + 2 - i % 3 } else { i }]);
                let wanted: Vec<f32> = (0..3 * n)
                    .map(|i| (value(i) - mean[i % 3]) * scale[i % 3])
                    .collect();
                prop_assert_eq!(bits(&interleaved), bits(&wanted), "{}", isa);
            }
            let wanted: Vec<f32> = (0..n).map(|i| a[i] + b[i]).collect();
            prop_assert_eq!(bits(&sum), bits(&wanted), "{}", isa);
            let wanted: Vec<f32> = (0..n).map(|i| a[i] * factor + addend).collect();
            prop_assert_eq!(bits(&scaled), bits(&wanted), "{}", isa);
        }
    }
}

#[test]
#[should_panic(expected = "different lengths")]
fn a_short_row_never_reaches_the_routine() {
    let mut out = [0.0; 3];
    KernelSet::chosen().add(&mut AddRow {
        a: &[0.0; 3],
        b: &[0.0; 2],
        out: &mut out,
    });
}

#[test]
#[should_panic(expected = "reads past its input")]
fn a_short_input_never_reaches_the_routine() {
    let kernels = KernelSet::chosen();
    let (zeros, mut out) = (vec![0.0; 4096], vec![0.0; 2 * kernels.grain()]);
    kernels.conv(&mut ConvRow {
        input: &zeros[..7],
        starts: &[0],
        run: 4,
        step: 4,
        weights: &zeros,
        channels: kernels.grain(),
        epilogue: Epilogue {
            bias: &zeros,
            activation: Activation::None,
            slopes: None,
        },
        residual: None,
        out: &mut out,
        n: 2,
        pixel: kernels.grain(),
    });
}

proptest! {
    #[test]
    fn packed_weights_unpack_to_themselves(
        n_out in 1usize..40, n_in in 1usize..40, k in 1usize..4, seed: u64,
    ) {
        let sizes = [n_out, n_in, k, k];
        let plain = numbers(seed, n_out * n_in * k * k, false);
        for isa in cpu::available() {
            let kernels = KernelSet::of(isa);
            for pixel in [n_in, kernels.padded(n_in)] {
                let packed = kernels.pack_dense(&plain, sizes, pixel);
                prop_assert_eq!(
                    &kernels.unpack_dense(&packed, sizes, pixel),
                    &plain,
                    "{}",
                    isa
                );
            }
            let one_per_channel = &plain[..n_out * k];
            let packed = kernels.pack_depthwise(one_per_channel, n_out, k);
            prop_assert_eq!(
                &kernels.unpack_depthwise(&packed, n_out, k),
                one_per_channel
            );
            let pixel = kernels.padded(n_in);
            let rounded = kernels.pack_int8(&plain, sizes, pixel).unpack(sizes, pixel);
            for (got, wanted) in rounded.iter().zip(&plain) {
                // Weights lie in -1..1, so half a step is at most 1/254.
                prop_assert!(
                    (got - wanted).abs() <= 1.0 / 253.0,
                    "{isa}: {got}, not {wanted}"
                );
            }
        }
    }
}

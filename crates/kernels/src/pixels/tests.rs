//! Every instruction set against the definition written out, on odd shapes.

use proptest::prelude::*;

use super::*;

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

fn finished(finish: &Finish, sum: f32, channel: usize) -> f32 {
    match finish.slopes {
        Some(slopes) => Activation::Slope(slopes[channel]).apply(sum),
        None => finish.activation.apply(sum),
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
        n in 0usize..30, runs in 1usize..4, run in 1usize..40, step in 0usize..20, vectors in 1usize..7,
        gap in 0usize..2, kind in 0usize..4, sloped: bool, residual: bool, odd: bool, seed: u64,
    ) {
        for isa in cpu::available() {
            let form = Form::of(isa);
            let channels = vectors * form.grain();
            let pixel = channels + gap * form.grain();
            let starts: Vec<usize> = (0..runs).map(|r| r * 17 + seed as usize % 5).collect();
            let input = numbers(seed, starts[runs - 1] + n.max(1) * step + run, odd);
            let plain = numbers(seed ^ 5, channels * runs * run, false);
            let weights = form.pack_dense(&plain, [channels, run, runs, 1], run);
            let (bias, slopes) = (numbers(seed ^ 7, channels, false), numbers(seed ^ 9, channels, false));
            let other = numbers(seed ^ 11, n * pixel, false);
            let finish = Finish { bias: &bias, activation: activation(kind), slopes: sloped.then_some(&slopes[..]) };
            let mut out = vec![7.0; n * pixel];
            form.conv(&mut Conv {
                input: &input, starts: &starts, run, step, weights: &weights, channels, finish,
                residual: residual.then_some(&other[..]), out: &mut out, n, pixel,
            });
            for x in 0..n {
                for c in 0..pixel {
                    let place = x * pixel + c;
                    if c >= channels {
                        prop_assert_eq!(out[place], 7.0, "written past the channels");
                        continue;
                    }
                    let mut sum = bias[c];
                    for (r, start) in starts.iter().enumerate() {
                        for k in 0..run {
                            sum += plain[(c * run + k) * runs + r] * input[start + x * step + k];
                        }
                    }
                    sum += if residual { other[place] } else { 0.0 };
                    let wanted = finished(&finish, sum, c);
                    let size = (runs * run) as f32;
                    prop_assert!(agrees(out[place], wanted, size), "{isa} {x} {c}: {} {wanted}", out[place]);
                }
            }
        }
    }

    #[test]
    fn depthwise_rows_and_maxima_agree(
        n in 0usize..30, kernel in 1usize..6, stride in 1usize..4, dilation in 1usize..3, vectors in 1usize..4,
        kind in 0usize..4, sloped: bool, residual: bool, odd: bool, seed: u64,
    ) {
        for isa in cpu::available() {
            let form = Form::of(isa);
            let pixel = vectors * form.grain();
            let row = (n.max(1) * stride + kernel * dilation) * pixel;
            let taps = kernel * kernel;
            let starts: Vec<usize> =
                (0..taps).map(|t| t / kernel * row + t % kernel * dilation * pixel).collect();
            let input = numbers(seed, kernel * row, odd);
            let plain = numbers(seed ^ 5, pixel * taps, false);
            let weights = form.pack_depthwise(&plain, pixel, taps);
            let (bias, slopes) = (numbers(seed ^ 7, pixel, false), numbers(seed ^ 9, pixel, false));
            let other = numbers(seed ^ 11, n * pixel, false);
            let finish = Finish { bias: &bias, activation: activation(kind), slopes: sloped.then_some(&slopes[..]) };
            let (mut out, mut most) = (vec![7.0; n * pixel], vec![7.0; n * pixel]);
            form.depthwise(&mut Depthwise {
                input: &input, starts: &starts, step: stride * pixel, weights: &weights, pixel, finish,
                residual: residual.then_some(&other[..]), out: &mut out, n,
            });
            form.max(&mut Max { input: &input, starts: &starts, step: stride * pixel, pixel, out: &mut most, n });
            for x in 0..n {
                for c in 0..pixel {
                    let place = x * pixel + c;
                    let at = |t: usize| input[starts[t] + x * stride * pixel + c];
                    let mut sum = (0..taps).fold(bias[c], |sum, t| sum + plain[c * taps + t] * at(t));
                    sum += if residual { other[place] } else { 0.0 };
                    let wanted = finished(&finish, sum, c);
                    prop_assert!(agrees(out[place], wanted, taps as f32), "{isa} {x} {c}: {} {wanted}", out[place]);
                    let wanted = (1..taps).fold(at(0), |most, t| if at(t) > most { at(t) } else { most });
                    prop_assert!(agrees(most[place], wanted, 1.0), "{isa} {x} {c}: {} {wanted}", most[place]);
                }
            }
        }
    }
}

/// The definition of eight bits, written out: numbers and their scale, then a weight's multiple of its factor.
fn coarse(numbers: &[f32]) -> (f32, f32, Vec<f32>) {
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
        n in 0usize..30, k in 1usize..4, stride in 1usize..3, n_in in 1usize..70, n_out in 1usize..70,
        kind in 0usize..4, sloped: bool, residual: bool, odd: bool, large in -20i32..20, seed: u64,
    ) {
        let plain = numbers(seed ^ 5, n_out * n_in * k * k, false);
        for isa in cpu::available() {
            let form = Form::of(isa);
            let (pixel, channels) = (form.padded(n_in), form.padded(n_out));
            let width = n.max(1) * stride + k;
            let mut input = vec![0.0; k * width * pixel];
            for (place, value) in numbers(seed, k * width * n_in, odd && seed % 5 == 0).into_iter().enumerate() {
                input[place / n_in * pixel + place % n_in] = value * f32::powi(10.0, large);
            }
            let starts: Vec<usize> = (0..k).map(|r| r * width * pixel).collect();
            let (bias, slopes) = (form.pad(&numbers(seed ^ 7, n_out, false)), form.pad(&numbers(seed ^ 9, n_out, false)));
            let other = numbers(seed ^ 11, n * channels, false);
            let finish = Finish { bias: &bias, activation: activation(kind), slopes: sloped.then_some(&slopes[..]) };
            let mut out = vec![7.0; n * channels];
            form.eight(&mut EightConv {
                input: &input, starts: &starts, step: stride * pixel,
                weights: &form.pack_eight(&plain, [n_out, n_in, k, k], pixel), finish,
                residual: residual.then_some(&other[..]), out: &mut out, n, scratch: &mut Scratch::default(),
            });
            let span = (n.max(1) - 1) * stride * pixel + k * pixel;
            let row: Vec<f32> = starts.iter().flat_map(|s| &input[*s..s + span]).copied().collect();
            let of_row = coarse(&row);
            for x in 0..n {
                let (scale, low, steps) = &of_row;
                let first = x * stride * pixel;
                for c in 0..n_out {
                    let weights = &plain[c * n_in * k * k..][..n_in * k * k];
                    let factor = weights.iter().fold(0.0f32, |m, w| m.max(w.abs())) / 127.0;
                    let (mut sum, mut all) = (0.0f64, 0.0f64);
                    for (place, weight) in weights.iter().enumerate() {
                        let (i, ky, kx) = (place / (k * k), place / k % k, place % k);
                        let whole = f64::from((weight / factor).round());
                        sum += whole * f64::from(steps[ky * span + first + kx * pixel + i]);
                        all += whole;
                    }
                    let factor = f64::from(factor);
                    let sum = factor * (f64::from(*scale) * sum + f64::from(*low) * all);
                    let place = x * channels + c;
                    let sum = sum as f32 + bias[c] + if residual { other[place] } else { 0.0 };
                    let wanted = finished(&finish, sum, c);
                    let size = (k * k * n_in) as f32 * (1.0 + scale.abs() * 127.0);
                    prop_assert!(agrees(out[place], wanted, size), "{isa} {x} {c}: {} {wanted}", out[place]);
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn rows_as_they_come_are_equal_to_the_bit(n in 0usize..70, odd: bool, factor: f32, addend: f32, seed: u64) {
        let (a, b, c) = (numbers(seed, n, odd), numbers(seed ^ 3, n, odd), numbers(seed ^ 5, n, false));
        let bits = |x: &[f32]| x.iter().map(|x| if x.is_nan() { u32::MAX } else { x.to_bits() }).collect::<Vec<_>>();
        for isa in cpu::available() {
            let form = Form::of(isa);
            let (mut woven, mut sum, mut scaled) = (vec![7.0; 3 * n], vec![7.0; n], vec![7.0; n]);
            form.photo(&mut Photo { planes: [&a, &b, &c], out: &mut woven });
            form.sum(&mut Sum { a: &a, b: &b, out: &mut sum });
            form.scale(&mut Scale { input: &a, factor, addend, out: &mut scaled });
            let wanted: Vec<f32> = (0..3 * n).map(|i| [&a, &b, &c][i % 3][i / 3]).collect();
            prop_assert_eq!(bits(&woven), bits(&wanted), "{}", isa);
            let rgb: Vec<u8> = woven.iter().map(|v| (v * 99.0) as u8).collect();
            for blue_first in [false, true] {
                let (mean, scale) = ([127.5, addend, 3.0], [1.0 / 128.0, factor, -2.0]);
                form.bytes(&mut Bytes { rgb: &rgb, mean, scale, blue_first, out: &mut woven });
                let value = |i: usize| f32::from(rgb[if blue_first { i / 3 * 3 + 2 - i % 3 } else { i }]);
                let wanted: Vec<f32> = (0..3 * n).map(|i| (value(i) - mean[i % 3]) * scale[i % 3]).collect();
                prop_assert_eq!(bits(&woven), bits(&wanted), "{}", isa);
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
    Form::chosen().sum(&mut Sum {
        a: &[0.0; 3],
        b: &[0.0; 2],
        out: &mut out,
    });
}

#[test]
#[should_panic(expected = "reads past its input")]
fn a_short_input_never_reaches_the_routine() {
    let form = Form::chosen();
    let (zeros, mut out) = (vec![0.0; 4096], vec![0.0; 2 * form.grain()]);
    form.conv(&mut Conv {
        input: &zeros[..7],
        starts: &[0],
        run: 4,
        step: 4,
        weights: &zeros,
        channels: form.grain(),
        finish: Finish {
            bias: &zeros,
            activation: Activation::None,
            slopes: None,
        },
        residual: None,
        out: &mut out,
        n: 2,
        pixel: form.grain(),
    });
}

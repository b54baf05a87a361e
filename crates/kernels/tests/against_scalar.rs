//! Every instruction set of this CPU beside plain Rust, on odd shapes. In: nothing. Out: a line for each set, or a panic.
//!
//! One thread and no test harness, so that it also runs where threads do not: under qemu-user for aarch64
//! (`.ci/aarch64`), under valgrind and AddressSanitizer (`bench/memory_checks.sh`). The property tests inside the crate
//! hold the same routines to their formulas.

use fusiform_kernels::cpu::{self, Isa};
use fusiform_kernels::finish::{self, Activation};
use fusiform_kernels::gemm::{Gemm, MAX_TILE};
use fusiform_kernels::pixels::{
    Bytes, Conv, Depthwise, EightConv, Finish, Form, Max, Photo, Scale, Scratch, Sum,
};
use fusiform_kernels::{depthwise, dot};

/// Shapes of each routine, unless an argument says otherwise.
const SHAPES: u64 = 300;

/// Numbers that are the same on every machine.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 20) as usize % end
    }

    fn floats(&mut self, n: usize) -> Vec<f32> {
        let number = |bits: u64| (bits >> 40) as f32 / (1 << 23) as f32 - 1.0;
        (0..n).map(|_| number(self.next())).collect()
    }

    fn activation(&mut self) -> Activation {
        [
            Activation::None,
            Activation::Relu,
            Activation::Slope(0.25),
            Activation::Clip(-0.5, 0.75),
        ][self.below(4)]
    }
}

/// Channels as they come to pixels with padding.
fn padded(form: Form, plain: &[f32], channels: usize) -> Vec<f32> {
    plain.chunks(channels).flat_map(|p| form.pad(p)).collect()
}

/// The first `channels` of each pixel; those past the end must be zero.
fn cut(row: &[f32], pixel: usize, channels: usize) -> Vec<f32> {
    let mut rest = row.chunks(pixel).flat_map(|p| &p[channels..]);
    assert!(rest.all(|x| *x == 0.0), "padding is not zero");
    row.chunks(pixel)
        .flat_map(|p| &p[..channels])
        .copied()
        .collect()
}

fn dense(form: Form, seed: u64) -> Vec<f32> {
    convolved(form, seed, false)
}

fn eight_bits(form: Form, seed: u64) -> Vec<f32> {
    convolved(form, seed, true)
}

fn convolved(form: Form, seed: u64, in_eight_bits: bool) -> Vec<f32> {
    let mut r = Numbers(seed);
    let (most_in, kernels) = match in_eight_bits {
        true => (77, [1, 1, 2, 3]),
        false => (37, [1, 2, 3, 5]),
    };
    let (n, n_in, n_out) = (1 + r.below(27), 1 + r.below(most_in), 1 + r.below(67));
    let (k, stride) = (kernels[r.below(4)], 1 + r.below(3));
    let width = (n - 1) * stride + k;
    let pixel = form.padded(n_in);
    let input = padded(form, &r.floats(k * width * n_in), n_in);
    let weights = r.floats(n_out * n_in * k * k);
    let (bias, slopes) = (form.pad(&r.floats(n_out)), form.pad(&r.floats(n_out)));
    let residual = padded(form, &r.floats(n * n_out), n_out);
    let starts: Vec<usize> = (0..k).map(|row| row * width * pixel).collect();
    let (sizes, step) = ([n_out, n_in, k, k], stride * pixel);
    let finish = finish(&mut r, &bias, &slopes);
    let residual = (r.below(2) == 0).then_some(&residual[..]);
    let mut out = vec![7.0; n * form.padded(n_out)];
    if in_eight_bits {
        form.eight(&mut EightConv {
            input: &input,
            starts: &starts,
            step,
            weights: &form.pack_eight(&weights, sizes, pixel),
            finish,
            residual,
            out: &mut out,
            n,
            scratch: &mut Scratch::default(),
        });
    } else {
        form.conv(&mut Conv {
            input: &input,
            starts: &starts,
            run: k * pixel,
            step,
            weights: &form.pack_dense(&weights, sizes, pixel),
            channels: form.padded(n_out),
            finish,
            residual,
            out: &mut out,
            n,
            pixel: form.padded(n_out),
        });
    }
    cut(&out, form.padded(n_out), n_out)
}

fn finish<'a>(r: &mut Numbers, bias: &'a [f32], slopes: &'a [f32]) -> Finish<'a> {
    Finish {
        bias,
        activation: r.activation(),
        slopes: (r.below(2) == 0).then_some(slopes),
    }
}

fn each_channel(form: Form, seed: u64) -> Vec<f32> {
    let mut r = Numbers(seed);
    let (n, channels) = (1 + r.below(27), 1 + r.below(67));
    let (k, stride, gap) = (1 + r.below(5), 1 + r.below(3), 1 + r.below(2));
    let width = (n - 1) * stride + (k - 1) * gap + 1;
    let pixel = form.padded(channels);
    let rows = ((k - 1) * gap + 1).max(k);
    let input = padded(form, &r.floats(rows * width * channels), channels);
    let weights = r.floats(channels * k * k);
    let (bias, slopes) = (form.pad(&r.floats(channels)), form.pad(&r.floats(channels)));
    let residual = padded(form, &r.floats(n * channels), channels);
    let tap = |t: usize| (t / k * gap * width + t % k * gap) * pixel;
    let starts: Vec<usize> = (0..k * k).map(tap).collect();
    let mut out = vec![7.0; n * pixel];
    form.depthwise(&mut Depthwise {
        input: &input,
        starts: &starts,
        step: stride * pixel,
        weights: &form.pack_depthwise(&weights, channels, k * k),
        pixel,
        finish: finish(&mut r, &bias, &slopes),
        residual: (r.below(2) == 0).then_some(&residual),
        out: &mut out,
        n,
    });
    let mut all = cut(&out, pixel, channels);
    form.max(&mut Max {
        input: &input,
        starts: &starts,
        step: stride * pixel,
        pixel,
        out: &mut out,
        n,
    });
    all.extend(cut(&out, pixel, channels));
    all
}

fn rows(form: Form, seed: u64) -> Vec<f32> {
    let mut r = Numbers(seed);
    let n = r.below(70);
    let (a, b, c) = (r.floats(n), r.floats(n), r.floats(n));
    let (mut woven, mut sum, mut scaled) = (vec![7.0; 3 * n], vec![7.0; n], vec![7.0; n]);
    form.photo(&mut Photo {
        planes: [&a, &b, &c],
        out: &mut woven,
    });
    form.sum(&mut Sum {
        a: &a,
        b: &b,
        out: &mut sum,
    });
    form.scale(&mut Scale {
        input: &c,
        factor: 0.37,
        addend: -1.5,
        out: &mut scaled,
    });
    let rgb: Vec<u8> = (0..3 * n).map(|_| r.below(256) as u8).collect();
    let mut bytes = vec![7.0; 3 * n];
    form.bytes(&mut Bytes {
        rgb: &rgb,
        mean: [127.5, 100.0, 3.0],
        scale: [1.0 / 128.0, 0.7, -2.0],
        blue_first: r.below(2) == 0,
        out: &mut bytes,
    });
    [woven, sum, scaled, bytes].concat()
}

/// Dot products, exact ones among them.
fn products(seed: u64) -> Vec<f32> {
    let mut r = Numbers(seed);
    let n = r.below(150);
    let mut all = vec![dot::f32(&r.floats(n), &r.floats(n))];
    let (length, n_queries, n_templates) = (1 + r.below(70), r.below(10), r.below(10));
    let queries = r.floats(length * n_queries);
    let templates = r.floats(length * n_templates);
    let mut out = vec![7.0; n_queries * n_templates];
    dot::f32_block(&queries, &templates, length, &mut out);
    all.extend(&out);
    let length = (1 + r.below(4)) * dot::U4_BLOCK;
    let whole = r.floats(length * n_queries);
    let whole: Vec<i16> = whole.iter().map(|x| (x * 32_000.0) as i16).collect();
    let small: Vec<u8> = (0..length * n_templates)
        .map(|_| r.below(16) as u8)
        .collect();
    let mut packed = Vec::new();
    dot::pack_u4(&small, &mut packed);
    let mut exact = vec![7; n_queries * n_templates];
    dot::u4_block(&whole, &packed, length, &mut exact);
    // Halves of a whole number fit a float, so that equal floats mean equal numbers.
    let halves = |x: &i32| [(x >> 16) as f32, (x & 0xffff) as f32];
    all.extend(exact.iter().flat_map(halves));
    all
}

/// The routines on planes, which take what the fast path does not.
fn planes(seed: u64) -> Vec<f32> {
    let mut r = Numbers(seed);
    let n = r.below(150);
    let (sums, residual) = (r.floats(n), r.floats(n));
    let mut all = vec![7.0; n];
    let residual = (r.below(2) == 0).then_some(&residual[..]);
    finish::row(&sums, 0.5, residual, r.activation(), &mut all);
    let stride = 1 + r.below(3);
    let lines: Vec<Vec<f32>> = (0..[1, 9, 25][r.below(3)])
        .map(|_| r.floats(n * stride + 1))
        .collect();
    let taps: Vec<(f32, &[f32])> = lines.iter().map(|t| (t[0], &t[1..])).collect();
    depthwise::row(&taps, stride, &mut all);
    // A matrix product, cut from tiles whose size depends on the set.
    let form = Gemm::chosen();
    let (rows, columns, depth) = (1 + r.below(8), 1 + r.below(8), r.below(40));
    let (left, right) = (r.floats(rows * depth), r.floats(depth * columns));
    let mut panel = vec![0.0; depth * form.nr];
    for d in 0..depth {
        panel[d * form.nr..][..columns].copy_from_slice(&right[d * columns..][..columns]);
    }
    let packed = form.pack_a(&left, rows, depth);
    for first in (0..rows).step_by(form.mr) {
        let mut tile = [7.0; MAX_TILE];
        form.tile(depth, &packed[first * depth..], &panel, &mut tile);
        for row in 0..form.mr.min(rows - first) {
            all.extend(&tile[row * form.nr..][..columns]);
        }
    }
    all
}

/// A routine's numbers for a seed; it works with the form, or with the set in force.
type Routine = (&'static str, fn(Form, u64) -> Vec<f32>, f32);

/// With how far apart the numbers may be: sums of up to a thousand products below 1, in another order.
const ROUTINES: [Routine; 6] = [
    ("dense", dense, 1e-4),
    ("eight bits", eight_bits, 1e-4),
    ("each channel", each_channel, 1e-5),
    ("rows", rows, 0.0),
    ("products", |_, seed| products(seed), 1e-4),
    ("planes", |_, seed| planes(seed), 1e-4),
];

fn main() {
    let asked = std::env::args().nth(1).and_then(|n| n.parse().ok());
    let shapes: u64 = asked.unwrap_or(SHAPES);
    for (name, routine, apart) in ROUTINES {
        for seed in 1..=shapes {
            let by = |isa: Isa| {
                cpu::force(&isa.to_string()).expect("it is available");
                routine(Form::of(isa), seed)
            };
            let wanted = by(Isa::Scalar);
            for isa in cpu::available() {
                let got = by(isa);
                assert_eq!(got.len(), wanted.len(), "{name}, {isa}, shape {seed}");
                for (place, (g, w)) in got.iter().zip(&wanted).enumerate() {
                    let near = (g - w).abs() <= apart;
                    assert!(near, "{name}, {isa}, shape {seed}, {place}: {g}, not {w}");
                }
            }
        }
    }
    let sets: Vec<String> = cpu::available().map(|isa| isa.to_string()).collect();
    let sets = sets.join(", ");
    println!("{sets}: {shapes} shapes of each routine agree with plain Rust");
}

//! Compares every instruction set of this CPU with plain Rust, on odd shapes. In: the number of
//! shapes. Out: one line, or a panic that names the routine, the set and the shape.
//!
//! One thread and no test harness, so that it also runs where threads do not: under qemu-user for
//! aarch64 (`.ci/aarch64`), under valgrind and AddressSanitizer (`bench/memory_checks.sh`). The
//! property tests inside the crate hold the same routines to their formulas.

use fusiform_kernels::cpu::{self, Isa};
use fusiform_kernels::epilogue::Activation;
use fusiform_kernels::gemm::{Gemm, MAX_TILE};
use fusiform_kernels::nhwc::{
    AddRow, AffineRow, ConvRow, DepthwiseRow, Epilogue, Int8ConvRow, Int8Scratch, InterleaveRow,
    KernelSet, MaxPoolRow, NormalizeRow,
};
use fusiform_kernels::{dot, planar};

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
fn padded(kernels: KernelSet, plain: &[f32], channels: usize) -> Vec<f32> {
    plain
        .chunks(channels)
        .flat_map(|p| kernels.pad(p))
        .collect()
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

fn dense(kernels: KernelSet, seed: u64) -> Vec<f32> {
    convolved(kernels, seed, false)
}

fn eight_bits(kernels: KernelSet, seed: u64) -> Vec<f32> {
    convolved(kernels, seed, true)
}

fn convolved(kernels: KernelSet, seed: u64, in_eight_bits: bool) -> Vec<f32> {
    let mut r = Numbers(seed);
    let (most_in, kernel_sides) = match in_eight_bits {
        true => (77, [1, 1, 2, 3]),
        false => (37, [1, 2, 3, 5]),
    };
    let (n, n_in, n_out) = (1 + r.below(27), 1 + r.below(most_in), 1 + r.below(67));
    let (k, stride) = (kernel_sides[r.below(4)], 1 + r.below(3));
    let width = (n - 1) * stride + k;
    let pixel = kernels.padded(n_in);
    let input = padded(kernels, &r.floats(k * width * n_in), n_in);
    let weights = r.floats(n_out * n_in * k * k);
    let (bias, slopes) = (kernels.pad(&r.floats(n_out)), kernels.pad(&r.floats(n_out)));
    let residual = padded(kernels, &r.floats(n * n_out), n_out);
    let starts: Vec<usize> = (0..k).map(|row| row * width * pixel).collect();
    let (sizes, step) = ([n_out, n_in, k, k], stride * pixel);
    let epilogue = epilogue(&mut r, &bias, &slopes);
    let residual = (r.below(2) == 0).then_some(&residual[..]);
    let mut out = vec![7.0; n * kernels.padded(n_out)];
    if in_eight_bits {
        kernels.int8_conv(&mut Int8ConvRow {
            input: &input,
            starts: &starts,
            step,
            weights: &kernels.pack_int8(&weights, sizes, pixel),
            epilogue,
            residual,
            out: &mut out,
            n,
            scratch: &mut Int8Scratch::default(),
        });
    } else {
        kernels.conv(&mut ConvRow {
            input: &input,
            starts: &starts,
            run: k * pixel,
            step,
            weights: &kernels.pack_dense(&weights, sizes, pixel),
            channels: kernels.padded(n_out),
            epilogue,
            residual,
            out: &mut out,
            n,
            pixel: kernels.padded(n_out),
        });
    }
    cut(&out, kernels.padded(n_out), n_out)
}

fn epilogue<'a>(r: &mut Numbers, bias: &'a [f32], slopes: &'a [f32]) -> Epilogue<'a> {
    Epilogue {
        bias,
        activation: r.activation(),
        slopes: (r.below(2) == 0).then_some(slopes),
    }
}

fn depthwise_and_max_pool(kernels: KernelSet, seed: u64) -> Vec<f32> {
    let mut r = Numbers(seed);
    let (n, channels) = (1 + r.below(27), 1 + r.below(67));
    let (k, stride, gap) = (1 + r.below(5), 1 + r.below(3), 1 + r.below(2));
    let width = (n - 1) * stride + (k - 1) * gap + 1;
    let pixel = kernels.padded(channels);
    let rows = ((k - 1) * gap + 1).max(k);
    let input = padded(kernels, &r.floats(rows * width * channels), channels);
    let weights = r.floats(channels * k * k);
    let (bias, slopes) = (
        kernels.pad(&r.floats(channels)),
        kernels.pad(&r.floats(channels)),
    );
    let residual = padded(kernels, &r.floats(n * channels), channels);
    let tap = |t: usize| (t / k * gap * width + t % k * gap) * pixel;
    let starts: Vec<usize> = (0..k * k).map(tap).collect();
    let mut out = vec![7.0; n * pixel];
    kernels.depthwise(&mut DepthwiseRow {
        input: &input,
        starts: &starts,
        step: stride * pixel,
        weights: &kernels.pack_depthwise(&weights, channels, k * k),
        pixel,
        epilogue: epilogue(&mut r, &bias, &slopes),
        residual: (r.below(2) == 0).then_some(&residual),
        out: &mut out,
        n,
    });
    let mut all = cut(&out, pixel, channels);
    kernels.max_pool(&mut MaxPoolRow {
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

fn rows(kernels: KernelSet, seed: u64) -> Vec<f32> {
    let mut r = Numbers(seed);
    let n = r.below(70);
    let (a, b, c) = (r.floats(n), r.floats(n), r.floats(n));
    let (mut interleaved, mut sum, mut scaled) = (vec![7.0; 3 * n], vec![7.0; n], vec![7.0; n]);
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
        input: &c,
        factor: 0.37,
        addend: -1.5,
        out: &mut scaled,
    });
    let rgb: Vec<u8> = (0..3 * n).map(|_| r.below(256) as u8).collect();
    let mut bytes = vec![7.0; 3 * n];
    kernels.normalize(&mut NormalizeRow {
        rgb: &rgb,
        mean: [127.5, 100.0, 3.0],
        scale: [1.0 / 128.0, 0.7, -2.0],
        blue_first: r.below(2) == 0,
        out: &mut bytes,
    });
    [interleaved, sum, scaled, bytes].concat()
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
    planar::epilogue_row(&sums, 0.5, residual, r.activation(), &mut all);
    let stride = 1 + r.below(3);
    let lines: Vec<Vec<f32>> = (0..[1, 9, 25][r.below(3)])
        .map(|_| r.floats(n * stride + 1))
        .collect();
    let taps: Vec<(f32, &[f32])> = lines.iter().map(|t| (t[0], &t[1..])).collect();
    planar::depthwise_row(&taps, stride, &mut all);
    // A matrix product, cut from tiles whose size depends on the set.
    let kernels = Gemm::chosen();
    let (rows, columns, depth) = (1 + r.below(8), 1 + r.below(8), r.below(40));
    let (left, right) = (r.floats(rows * depth), r.floats(depth * columns));
    let mut panel = vec![0.0; depth * kernels.nr];
    for d in 0..depth {
        panel[d * kernels.nr..][..columns].copy_from_slice(&right[d * columns..][..columns]);
    }
    let packed = kernels.pack_a(&left, rows, depth);
    for first in (0..rows).step_by(kernels.mr) {
        let mut tile = [7.0; MAX_TILE];
        kernels.tile(depth, &packed[first * depth..], &panel, &mut tile);
        for row in 0..kernels.mr.min(rows - first) {
            all.extend(&tile[row * kernels.nr..][..columns]);
        }
    }
    all
}

/// A routine's numbers for a seed; it works with the kernels, or with the set in force.
type Routine = (&'static str, fn(KernelSet, u64) -> Vec<f32>, f32);

/// With how far apart the numbers may be: sums of up to a thousand products below 1, in another
/// order.
const ROUTINES: [Routine; 6] = [
    ("dense", dense, 1e-4),
    ("eight bits", eight_bits, 1e-4),
    ("depthwise and max pool", depthwise_and_max_pool, 1e-5),
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
                routine(KernelSet::of(isa), seed)
            };
            let wanted = by(Isa::Scalar);
            for isa in cpu::available() {
                let got = by(isa);
                assert_eq!(got.len(), wanted.len(), "{name}, {isa}, shape {seed}");
                for (index, (g, w)) in got.iter().zip(&wanted).enumerate() {
                    let near = (g - w).abs() <= apart;
                    assert!(near, "{name}, {isa}, shape {seed}, {index}: {g}, not {w}");
                }
            }
        }
    }
    let sets: Vec<String> = cpu::available().map(|isa| isa.to_string()).collect();
    let sets = sets.join(", ");
    println!("{sets}: {shapes} shapes of each routine agree with plain Rust");
}

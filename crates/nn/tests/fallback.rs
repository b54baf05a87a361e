//! Partitions whose shapes cannot run fused. In: a generated model with a broadcast sum. Out: the
//! numbers of the formula, from weights that are held in packed form only.

#[path = "onnx_encoder/encoder.rs"]
mod encoder;

use encoder::{int, ints, model, node, tensor};
use fusiform_nn::{Limits, Model, Precision, Session, Tensor};

const CHANNELS: usize = 24;

fn weight(out: usize, input: usize) -> f32 {
    ((out * 7 + input * 3) % 11) as f32 / 8.0 - 0.6
}

/// `y = relu(conv1x1(x)) + z`, where `z` is broadcast if it has one pixel.
fn session(precision: Precision) -> Session {
    let n = CHANNELS as u64;
    let weights = (0..CHANNELS * CHANNELS).map(|i| weight(i / CHANNELS, i % CHANNELS));
    let graph = [
        tensor("w", &[n, n, 1, 1], weights),
        node(
            "Conv",
            &["x", "w"],
            "c",
            &[ints("strides", &[1, 1]), int("group", 1)],
        ),
        node("Relu", &["c"], "r", &[]),
        node("Add", &["r", "z"], "y", &[]),
    ];
    let bytes = model(&graph, &["x", "z"]);
    let model = Model::from_bytes(&bytes, &Limits::default()).unwrap();
    Session::with_precision(model, precision).unwrap()
}

#[test]
fn broadcast_sums_run_unfused_with_the_same_weights() {
    let (height, width) = (3, 5);
    let area = height * width;
    let x: Vec<f32> = (0..CHANNELS * area)
        .map(|i| (i % 13) as f32 / 13.0)
        .collect();
    let z: Vec<f32> = (0..CHANNELS).map(|c| c as f32).collect();
    let wanted: Vec<f32> = (0..CHANNELS * area)
        .map(|i| {
            let (c, at) = (i / area, i % area);
            let products = (0..CHANNELS).map(|k| weight(c, k) * x[k * area + at]);
            products.sum::<f32>().max(0.0) + z[c]
        })
        .collect();
    let input = Tensor::new(vec![1, CHANNELS, height, width], x).unwrap();
    let broadcast = Tensor::new(vec![1, CHANNELS, 1, 1], z.clone()).unwrap();
    let full = z.iter().flat_map(|z| vec![*z; area]).collect();
    let full = Tensor::new(vec![1, CHANNELS, height, width], full).unwrap();
    for (precision, tolerance) in [(Precision::Float32, 1e-4), (Precision::Int8, 0.1)] {
        let session = session(precision);
        // Fused, unfused twice, and fused again.
        for z in [&full, &broadcast, &broadcast, &full] {
            let outputs = session.run(&[("x", &input), ("z", z)]).unwrap();
            assert_eq!(outputs[0].1.shape(), input.shape());
            for (got, wanted) in outputs[0].1.data().iter().zip(&wanted) {
                assert!(
                    (got - wanted).abs() < tolerance,
                    "{precision}: {got}, not {wanted}"
                );
            }
        }
    }
}

//! The pipeline over a backend that is not our runtime: one road, the same answers by every way.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};

use fusiform_face::Error;
use fusiform_face::backend::{
    Backend, BackendError, Network, Output, Port, Precision, TensorInput,
};
use fusiform_face::detect::{Detector, DetectorSpec};
use fusiform_face::embed::{Embedder, EmbedderSpec, Normalisation};
use fusiform_face::image::{Image, encode_jpeg};
use fusiform_face::pipeline::{AnalyseOptions, Face, Pipeline};
use rayon::prelude::*;

/// Loads networks that its model "file" names: `detector` or `embedder`.
struct FakeBackend;

impl Backend for FakeBackend {
    fn load(&self, onnx: Cow<[u8]>, _: Precision) -> Result<Box<dyn Network>, BackendError> {
        let port = |name: &str| Port {
            name: name.into(),
            shape: vec![None, Some(3), None, None],
        };
        let is_detector = match &*onnx {
            b"detector" => true,
            b"embedder" => false,
            _ => return Err(BackendError::new("no such network")),
        };
        Ok(Box::new(FakeNetwork {
            ports: [port("input")],
            is_detector,
            runs: AtomicUsize::new(0),
        }))
    }
}

struct FakeNetwork {
    ports: [Port; 1],
    is_detector: bool,
    runs: AtomicUsize,
}

impl Network for FakeNetwork {
    fn inputs(&self) -> &[Port] {
        &self.ports
    }

    fn outputs(&self) -> &[Port] {
        &[]
    }

    fn run(&self, inputs: &[TensorInput]) -> Result<Vec<Output>, BackendError> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        let [input] = inputs else {
            return Err(BackendError::new("one input, please"));
        };
        let [batch, 3, height, width] = *input.shape else {
            return Err(BackendError::new("planes of images, please"));
        };
        assert_eq!(input.values.len(), batch * 3 * height * width);
        Ok(match self.is_detector {
            true => yunet_with_faces(width, height),
            false => {
                let crops = input.values.chunks(3 * height * width);
                vec![Output {
                    name: "embedding".into(),
                    shape: vec![batch, 64],
                    values: crops.flat_map(sums).collect(),
                }]
            }
        })
    }
}

/// YuNet's outputs with two faces: one in the middle, a small one at the top left.
fn yunet_with_faces(width: usize, height: usize) -> Vec<Output> {
    let mut outputs = Vec::new();
    for stride in [8usize, 16, 32] {
        let (columns, rows) = (width / stride, height / stride);
        let mut named = |name: &str, width: usize, cells: &[(usize, Vec<f32>)]| {
            let mut values = vec![0.0; columns * rows * width];
            for (cell, row) in cells {
                values[cell * width..(cell + 1) * width].copy_from_slice(row);
            }
            outputs.push(Output {
                name: format!("{name}_{stride}"),
                shape: vec![1, columns * rows, width],
                values,
            });
        };
        let cell = match stride {
            8 => Some((2 * columns + 2, 1.0)),
            32 => Some((rows / 2 * columns + columns / 2, 4.0f32)),
            _ => None,
        };
        let Some((cell, size)) = cell else {
            for (name, width) in [("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)] {
                named(name, width, &[]);
            }
            continue;
        };
        named("cls", 1, &[(cell, vec![0.9])]);
        named("obj", 1, &[(cell, vec![0.9])]);
        named("bbox", 4, &[(cell, vec![0.0, 0.0, size.ln(), size.ln()])]);
        let half = size / 4.0;
        let points = [
            [-1.0, -1.0],
            [1.0, -1.0],
            [0.0, 0.0],
            [-0.8, 1.0],
            [0.8, 1.0],
        ];
        let points = points.iter().flatten().map(|v| v * half).collect();
        named("kps", 10, &[(cell, points)]);
    }
    outputs
}

/// Sixty-four sums over a crop; every pixel counts.
fn sums(values: &[f32]) -> Vec<f32> {
    let part = values.len() / 64;
    values
        .chunks(part)
        .take(64)
        .map(|c| c.iter().sum())
        .collect()
}

fn pipeline() -> Pipeline {
    let load = |name: &'static [u8]| FakeBackend.load(name.into(), Precision::default()).unwrap();
    let spec = EmbedderSpec {
        normalisation: Normalisation::default(),
        dimensions: 64,
        mirror: false,
    };
    Pipeline::new(
        Detector::new(load(b"detector"), DetectorSpec::default()).unwrap(),
        None,
        Some(Embedder::new(load(b"embedder"), spec).unwrap()),
    )
}

/// A photo large enough to be decoded at a reduced size.
fn large_jpeg() -> Vec<u8> {
    let (width, height) = (2700u32, 2000u32);
    let pixel = |i: u32| {
        let (x, y) = (i % width, i / width);
        [(x / 11) as u8, (y / 8) as u8, (x * y / 9000) as u8]
    };
    let rgb = (0..width * height).flat_map(pixel).collect();
    encode_jpeg(&Image::new(width, height, rgb).unwrap(), 90).unwrap()
}

fn bits(faces: &[Face]) -> Vec<Vec<u32>> {
    let embedding = |face: &Face| face.embedding.clone().unwrap().vector;
    let bits = |vector: Vec<f32>| vector.iter().map(|v| v.to_bits()).collect();
    faces.iter().map(embedding).map(bits).collect()
}

#[test]
fn the_same_bytes_give_the_same_bits_by_every_way() {
    let (pipeline, file) = (pipeline(), large_jpeg());
    let options = AnalyseOptions::default();
    let photo = pipeline.analyse(&file, &options).unwrap();
    assert_eq!((photo.size.width_px, photo.size.height_px), (2700, 2000));
    // The fake detector sees its small face at the same place of every copy: in the photo these
    // are two places.
    assert_eq!(photo.faces.len(), 3);
    // In pixels of the photo, though a quarter of them was decoded.
    let middle = photo.faces.iter().map(|f| f.detected.bbox.center());
    assert!(
        middle.clone().any(|c| (c.x - 1350.0).abs() < 90.0),
        "{photo:?}"
    );

    let again = pipeline.analyse(&file, &options).unwrap();
    assert!(again == photo);
    assert_eq!(bits(&again.faces), bits(&photo.faces));
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().unwrap();
        let pooled = pool.install(|| {
            let copies: Vec<_> = (0..4).into_par_iter().collect();
            let analyse = |_: &i32| pipeline.analyse(&file, &options).unwrap();
            copies.par_iter().map(analyse).collect::<Vec<_>>()
        });
        for other in pooled {
            assert_eq!(bits(&other.faces), bits(&photo.faces), "{threads} threads");
            assert!(other == photo);
        }
    }
    // A picture that needs no reduction gives what its pixels give.
    let small = Image::new(320, 240, vec![90; 320 * 240 * 3]).unwrap();
    let file = fusiform_face::image::encode_png(&small).unwrap();
    let of_bytes = pipeline.analyse(&file, &options).unwrap().faces;
    let of_pixels = pipeline
        .analyse_image(&small, &options.detect)
        .unwrap()
        .faces;
    assert_eq!(bits(&of_bytes), bits(&of_pixels));
}

#[test]
fn a_failing_network_is_named_by_its_stage() {
    struct Broken([Port; 1]);
    impl Network for Broken {
        fn inputs(&self) -> &[Port] {
            &self.0
        }
        fn outputs(&self) -> &[Port] {
            &[]
        }
        fn run(&self, _: &[TensorInput]) -> Result<Vec<Output>, BackendError> {
            Err(BackendError::new("the device is gone"))
        }
    }
    let port = Port {
        name: "input".into(),
        shape: Vec::new(),
    };
    let network: Box<dyn Network> = Box::new(Broken([port]));
    let detector = Detector::new(network, DetectorSpec::default()).unwrap();
    let image = Image::new(64, 64, vec![0; 64 * 64 * 3]).unwrap();
    let error = Pipeline::new(detector, None, None)
        .analyse_image(&image, &Default::default())
        .unwrap_err();
    assert!(matches!(
        error,
        Error::Network {
            stage: "detector",
            ..
        }
    ));
    assert_eq!(error.to_string(), "detector: the device is gone");
    assert!(FakeBackend.load(b"?".into(), Precision::default()).is_err());
}

//! Networks of the base pack on several threads, and images as bytes. In: the pack. Out: the
//! numbers of a run on one thread, to the bit.

use fusiform_nn::{Limits, Model, Precision, RgbInput, Session, Tensor};

fn session(file: &str, precision: Precision) -> Session {
    let packs = concat!(env!("CARGO_MANIFEST_DIR"), "/packs/base/");
    let bytes = std::fs::read(format!("{packs}{file}")).unwrap();
    let model = Model::from_bytes(&bytes, &Limits::default()).unwrap();
    Session::with_precision(model, precision).unwrap()
}

fn outputs(run: Vec<(String, Tensor)>) -> Vec<(Vec<usize>, Vec<u32>)> {
    let bits = |t: &Tensor| t.data().iter().map(|v| v.to_bits()).collect();
    let each = run.iter();
    each.map(|(_, t)| (t.shape().to_vec(), bits(t))).collect()
}

#[test]
fn numbers_depend_neither_on_threads_nor_on_whether_a_photo_came_as_planes() {
    let pool = |n| {
        rayon::ThreadPoolBuilder::new()
            .num_threads(n)
            .build()
            .unwrap()
    };
    for precision in [Precision::Float32, Precision::Int8] {
        for (file, sizes) in [
            ("detector.onnx", [[320, 256], [640, 448], [32, 64]]),
            ("embedder.onnx", [[112, 112]; 3]),
        ] {
            let session = session(file, precision);
            let name = session.inputs()[0].name.clone();
            for canvas in sizes {
                let [height, width] = match file {
                    // A photo that does not fill its canvas.
                    "detector.onnx" => [canvas[0] - 7, canvas[1] - 3],
                    _ => canvas,
                };
                let rgb: Vec<u8> = (0..height * width * 3)
                    .map(|i| (i * i / 7 % 256) as u8)
                    .collect();
                let photo = |blue_first| RgbInput {
                    rgb: &rgb,
                    size: [height, width],
                    canvas,
                    mean: [127.5, 120.0, 3.0],
                    scale: [1.0, 0.5, 2.0],
                    blue_first,
                };
                let photos = [photo(false), photo(true)];
                let planes = RgbInput::planes(&photos).unwrap();
                let alone = outputs(session.run(&[(&name, &planes)]).unwrap());
                for n in [1, 2, 3, 7] {
                    let shared = pool(n).install(|| session.run_images(&name, &photos).unwrap());
                    assert!(outputs(shared) == alone, "{file} {canvas:?} on {n} threads");
                }
            }
        }
    }
}

#[test]
fn a_photo_that_lacks_bytes_is_refused_with_its_numbers() {
    let session = session("embedder.onnx", Precision::Float32);
    let photo = RgbInput {
        rgb: &[0; 100],
        size: [112, 112],
        canvas: [112, 112],
        mean: [0.0; 3],
        scale: [1.0; 3],
        blue_first: false,
    };
    let name = session.inputs()[0].name.clone();
    let text = session.run_images(&name, &[photo]).unwrap_err().to_string();
    assert!(
        text.contains("100 bytes") && text.contains("[112, 112]"),
        "{text}"
    );
    let none = session.run_images(&name, &[]).unwrap_err().to_string();
    assert!(none.contains("[0, 3, 0, 0]"), "{none}");
}

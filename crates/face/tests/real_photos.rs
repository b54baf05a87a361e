//! Real networks on real photos, both from the folder of development data; what OpenCV finds there
//! is in `golden/detections.json`.

use std::path::PathBuf;

use fusiform_face::backend::{Backend, Network, NnBackend, Precision};
use fusiform_face::detect::{
    ChannelOrder, DetectOptions, DetectedFace, Detector, DetectorSpec, Head, InputSize,
    Normalisation,
};
use fusiform_face::embed::{Embedder, EmbedderSpec};
use fusiform_face::geometry::{BoundingBox, Size};
use fusiform_face::image::{DecodeLimits, Image, Orientation, decode};
use fusiform_face::pipeline::{AnalyseOptions, Face, Pipeline};
use rayon::prelude::*;

/// The folder of development data; `None`, with the test in the list of skipped ones, without it.
#[track_caller]
fn shared() -> Option<PathBuf> {
    fusiform_skips::shared(&["models/mobilefacenet.onnx", "data/groups"])
}

fn read(path: &str) -> Vec<u8> {
    std::fs::read(shared().unwrap().join(path)).unwrap()
}

fn network(file: &str) -> Box<dyn Network> {
    let onnx = read(&format!("models/{file}"));
    NnBackend.load(onnx.into(), Precision::default()).unwrap()
}

fn yunet() -> Detector {
    Detector::new(network("yunet_n_dynamic.onnx"), DetectorSpec::default()).unwrap()
}

fn ultraface() -> Detector {
    let spec = DetectorSpec {
        head: Head::UltraFace,
        normalisation: Normalisation {
            mean: [127.0; 3],
            scale: [1.0 / 128.0; 3],
            channel_order: ChannelOrder::Rgb,
        },
        input_size: InputSize::Fixed(Size {
            width_px: 320,
            height_px: 240,
        }),
        min_score: 0.7,
        ..DetectorSpec::default()
    };
    Detector::new(network("ultraface_rfb_320.onnx"), spec).unwrap()
}

fn pipeline(mirror: bool) -> Pipeline {
    let spec = EmbedderSpec {
        normalisation: Normalisation::default(),
        dimensions: 128,
        mirror,
    };
    Pipeline::new(
        yunet(),
        None,
        Some(Embedder::new(network("mobilefacenet.onnx"), spec).unwrap()),
    )
}

fn group(name: &str) -> Image {
    decode(&group_bytes(name), &DecodeLimits::default())
        .unwrap()
        .image
}

fn group_bytes(name: &str) -> Vec<u8> {
    read(&format!("data/groups/{name}"))
}

#[derive(serde::Deserialize)]
struct Golden {
    score: f32,
    bbox: [f32; 4],
    landmarks: [f32; 10],
}

fn goldens() -> std::collections::BTreeMap<String, Vec<Golden>> {
    serde_json::from_str(include_str!("../golden/detections.json")).unwrap()
}

#[test]
fn yunet_finds_what_opencv_finds() {
    if shared().is_none() {
        return;
    }
    let detector = yunet();
    for (name, expected) in goldens() {
        let found = detector
            .detect(&group(&name), &DetectOptions::default())
            .unwrap();
        // A face whose score is at the threshold may fall on either side: JPEG decoders differ by a
        // step.
        let sure = |score: f32| score > 0.62;
        let n_sure = found.iter().filter(|f| sure(f.score)).count();
        assert!(
            n_sure <= expected.len(),
            "{name}: {n_sure} for {}",
            expected.len()
        );
        for golden in expected.iter().filter(|g| sure(g.score)) {
            let bbox = BoundingBox::from_array(golden.bbox);
            let twin = found
                .iter()
                .max_by(|a, b| a.bbox.iou(&bbox).total_cmp(&b.bbox.iou(&bbox)));
            let twin: &DetectedFace = twin.unwrap_or_else(|| panic!("{name}: nothing found"));
            assert!(twin.bbox.iou(&bbox) > 0.93, "{name}: {twin:?} for {bbox:?}");
            assert!(
                (twin.score - golden.score).abs() < 0.02,
                "{name}: {} for {}",
                twin.score,
                golden.score
            );
            let points = twin.landmarks.unwrap().as_array();
            for (point, xy) in points.iter().zip(golden.landmarks.chunks(2)) {
                let miss = (point.x - xy[0]).hypot(point.y - xy[1]);
                assert!(
                    miss < 0.03 * bbox.width().max(20.0),
                    "{name}: {miss} px in {bbox:?}"
                );
            }
        }
    }
}

#[test]
fn ultraface_finds_most_of_the_large_faces() {
    if shared().is_none() {
        return;
    }
    let detector = ultraface();
    let (mut n_large, mut n_found) = (0, 0);
    for (name, expected) in goldens() {
        let image = group(&name);
        let found = detector.detect(&image, &DetectOptions::default()).unwrap();
        // Its 320x240 input makes a face smaller than a fifteenth of the photo's side a handful of
        // pixels.
        let large = image.width().max(image.height()) as f32 / 12.0;
        for golden in expected.iter().filter(|g| g.score > 0.85) {
            let bbox = BoundingBox::from_array(golden.bbox);
            if bbox.width() > large {
                n_large += 1;
                n_found += usize::from(found.iter().any(|f| f.bbox.iou(&bbox) > 0.5));
            }
        }
    }
    assert!(
        n_large >= 10 && n_found * 10 >= n_large * 8,
        "{n_found} of {n_large}"
    );
}

#[test]
fn many_threads_give_the_answers_of_one() {
    if shared().is_none() {
        return;
    }
    let pipeline = pipeline(false);
    let photos: Vec<Vec<u8>> = [
        "2007_007763.jpg",
        "2008_001009.jpg",
        "dogs.jpg",
        "2008_002506.jpg",
    ]
    .map(group_bytes)
    .into();
    let analyse = |bytes: &Vec<u8>| {
        let photo = pipeline.analyse(bytes, &AnalyseOptions::default());
        photo.unwrap().faces
    };
    let one: Vec<_> = photos.iter().map(analyse).collect();
    let many: Vec<_> = photos.par_iter().map(analyse).collect();
    assert!(one == many);
    for face in one.iter().flatten() {
        let embedding = face.embedding.as_ref().unwrap();
        let length = embedding.vector.iter().map(|v| v * v).sum::<f32>().sqrt();
        assert!((length - 1.0).abs() < 1e-5 && embedding.vector.len() == 128);
    }
    assert!(
        one[0]
            .windows(2)
            .all(|w| w[0].detected.score >= w[1].detected.score)
    );
}

#[test]
fn a_face_is_like_itself_when_shrunk_and_unlike_others() {
    if shared().is_none() {
        return;
    }
    let photo = group("2008_002506.jpg");
    let pipeline = pipeline(false);
    let faces = pipeline
        .analyse_image(&photo, &DetectOptions::default())
        .unwrap()
        .faces;
    let small = photo.shrunk_to(photo.width().max(photo.height()) * 2 / 3);
    let again = pipeline
        .analyse_image(&small, &DetectOptions::default())
        .unwrap()
        .faces;
    assert_eq!((faces.len(), again.len()), (3, 3));
    for face in &faces {
        let like = |other: &Face| {
            other
                .embedding
                .as_ref()
                .unwrap()
                .similarity(face.embedding.as_ref().unwrap())
                .unwrap()
        };
        let mut similarities: Vec<f32> = again.iter().map(like).collect();
        similarities.sort_by(|a, b| b.total_cmp(a));
        assert!(
            similarities[0] > 0.85 && similarities[1] < 0.4,
            "{similarities:?}"
        );
    }
}

#[test]
fn mirrored_averaging_makes_a_crop_and_its_mirror_image_one() {
    if shared().is_none() {
        return;
    }
    let plain = pipeline(false);
    let faces = plain
        .analyse_image(&group("2008_001009.jpg"), &DetectOptions::default())
        .unwrap()
        .faces;
    let crop = faces[0].aligned.clone();
    let mut flipped = crop.clone();
    flipped.rgb = Orientation::Mirrored.upright(crop.to_image()).into_rgb();
    let pair = [crop, flipped];
    for (pipeline, range) in [(plain, 0.5..0.999), (pipeline(true), 0.9999..1.0001)] {
        let embeddings = pipeline.embedder().unwrap().embed(&pair).unwrap();
        let similarity = embeddings[0].similarity(&embeddings[1]).unwrap();
        assert!(range.contains(&similarity), "{similarity} not in {range:?}");
    }
}

#[test]
fn a_wrong_head_is_refused_by_name() {
    if shared().is_none() {
        return;
    }
    let spec = DetectorSpec {
        head: Head::UltraFace,
        ..DetectorSpec::default()
    };
    let detector = Detector::new(network("yunet_n_dynamic.onnx"), spec).unwrap();
    let error = detector
        .detect(&group("dogs.jpg"), &DetectOptions::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("\"scores\" is missing") && error.contains("manifest.toml"),
        "{error}"
    );
}

//! Packs in eight bits beside the same in floats, on the album of the samples. In: the base pack, and with `../shared` YuNet and
//! MobileFaceNet. Out: the same faces, and embeddings that a comparison takes for the same.

use std::fs;
use std::path::{Path, PathBuf};

use fusiform::detect::DetectOptions;
use fusiform::engine::Engine;
use fusiform::models::{Library, Manifest, Pack, Precision};
use fusiform::pipeline::DescribedFace;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn faces_of_the_album(pack: &Pack, precision: Precision) -> Vec<Vec<DescribedFace>> {
    let engine = Engine::open(&pack.clone().in_precision(precision)).unwrap();
    assert_eq!(engine.precisions(), [precision; 2]);
    let mut photos: Vec<PathBuf> = fs::read_dir(root().join("samples/album"))
        .unwrap()
        .map(|p| p.unwrap().path())
        .collect();
    photos.sort();
    let describe = |photo: PathBuf| {
        let photo = engine.read(&photo).unwrap();
        engine
            .describe(&photo.image, &DetectOptions::default())
            .unwrap()
    };
    photos.into_iter().map(describe).collect()
}

fn similarity(a: &DescribedFace, b: &DescribedFace) -> f32 {
    let [a, b] = [a, b].map(|f| f.embedding.clone().unwrap().0);
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
}

/// Landmarks move by parts of a pixel, and crops with them: 0.936 is the least similarity measured. Strangers lie below 0.5.
fn agrees(pack: &Pack) {
    let floats = faces_of_the_album(pack, Precision::Float32);
    let eight = faces_of_the_album(pack, Precision::Int8);
    let (mut n, mut worst) = (0, 1.0f32);
    for (floats, eight) in floats.iter().zip(&eight) {
        assert_eq!(floats.len(), eight.len(), "another number of faces");
        for face in floats {
            let overlap = |f: &&DescribedFace| f.face.bbox.iou(&face.face.bbox);
            let same = eight
                .iter()
                .max_by(|a, b| overlap(a).total_cmp(&overlap(b)))
                .unwrap();
            assert!(overlap(&same) > 0.9, "another place: {:?}", face.face.bbox);
            worst = worst.min(similarity(face, same));
            n += 1;
        }
    }
    println!(
        "{}: {n} faces, least similarity {worst}",
        pack.manifest.name
    );
    assert!(n > 20 && worst > 0.9, "{n} faces, least similarity {worst}");
}

#[test]
fn the_base_pack_sees_the_same_faces_in_eight_bits() {
    agrees(&Library::at("/nowhere").load(None).unwrap());
}

#[test]
fn yunet_and_mobilefacenet_see_the_same_faces_in_eight_bits() {
    let models = root().join("../shared/models");
    if !models.exists() {
        println!("skipped: no ../shared/models");
        return;
    }
    let manifest = root().join("crates/cli/tests/packs/yunet-mobilefacenet/manifest.toml");
    let manifest = Manifest::parse(&fs::read_to_string(manifest).unwrap()).unwrap();
    let read = |file: &str| Ok(fs::read(models.join(file)).unwrap());
    agrees(&Pack::assemble(manifest, read).unwrap());
}

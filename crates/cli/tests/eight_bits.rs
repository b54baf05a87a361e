//! Packs in eight bits beside the same in floats, on the album of the samples. In: the base pack,
//! and with `../shared` YuNet and MobileFaceNet. Out: the same faces, and embeddings that a
//! comparison takes for the same.

use std::fs;
use std::path::{Path, PathBuf};

use fusiform::models::{Manifest, Precision};
use fusiform::{Engine, Face, Pack};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn faces_of_the_album(pack: &Pack, precision: Precision) -> Vec<Vec<Face>> {
    let engine = Engine::open(pack.clone().in_precision(precision)).unwrap();
    assert_eq!(engine.precisions(), [precision; 2]);
    let mut photos: Vec<PathBuf> = fs::read_dir(root().join("samples/album"))
        .unwrap()
        .map(|p| p.unwrap().path())
        .collect();
    photos.sort();
    let faces = |photo: PathBuf| engine.analyse_file(photo).unwrap().faces;
    photos.into_iter().map(faces).collect()
}

/// Landmarks move by parts of a pixel, and crops with them: 0.936 is the least similarity measured.
/// Strangers lie below 0.5.
fn agrees(pack: &Pack) {
    let floats = faces_of_the_album(pack, Precision::Float32);
    let eight = faces_of_the_album(pack, Precision::Int8);
    let (mut n, mut worst) = (0, 1.0f32);
    for (floats, eight) in floats.iter().zip(&eight) {
        assert_eq!(floats.len(), eight.len(), "another number of faces");
        for face in floats {
            let overlap = |f: &&Face| f.bbox.iou(&face.bbox);
            let same = eight
                .iter()
                .max_by(|a, b| overlap(a).total_cmp(&overlap(b)))
                .unwrap();
            assert!(overlap(&same) > 0.9, "another place: {:?}", face.bbox);
            worst = worst.min(face.similarity(same).unwrap().0);
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
    agrees(&Pack::base().unwrap());
}

#[test]
fn yunet_and_mobilefacenet_see_the_same_faces_in_eight_bits() {
    let needed = ["models/yunet_n_dynamic.onnx", "models/mobilefacenet.onnx"];
    let Some(shared) = fusiform_skips::shared(&needed) else {
        return;
    };
    let models = shared.join("models");
    let manifest = root().join("crates/cli/tests/packs/yunet-mobilefacenet/manifest.toml");
    let manifest = Manifest::parse(&fs::read_to_string(manifest).unwrap()).unwrap();
    let files: Vec<(String, Vec<u8>)> = manifest
        .networks()
        .map(|n| (n.file.to_owned(), fs::read(models.join(n.file)).unwrap()))
        .collect();
    agrees(&Pack::from_parts(manifest, files).unwrap());
}

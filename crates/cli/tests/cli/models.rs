//! Packs: added, listed with their terms, refused when changed.

use std::fs;
use std::path::Path;

use crate::stage::{MODELS, Stage, assemble_pack, sample_album};

const SHA256_OF_NOT_A_MODEL: &str =
    "708811ccb1510c6d6c6e6379ef09be39bdbb0e7edcf44fefcca21c6228ee6d89";

#[test]
fn a_pack_is_added_listed_with_its_licence_and_verified() {
    let Some(shared) = fusiform_skips::shared(&MODELS) else {
        return;
    };
    let stage = Stage::bare();
    assemble_pack(&shared, "yunet-mobilefacenet", &stage.path("download"));
    stage.run(&["models", "add", "download"]).ended_with(0);
    let list = stage.run(&["models", "list"]).ended_with(0).stdout();
    assert!(
        list.contains("yunet-mobilefacenet") && list.contains("non-commercial"),
        "{list}"
    );
    stage.run(&["models", "verify"]).ended_with(0);
    let shown = stage.json(&["models", "show", "yunet-mobilefacenet"]);
    assert_eq!(shown["embedder"]["dimensions"], 128);
}

#[test]
fn a_model_with_a_wrong_hash_is_refused_by_every_command() {
    let Some(stage) = Stage::with_models(&[]) else {
        return;
    };
    let weights = stage.path("home/models/yunet-mobilefacenet/mobilefacenet.onnx");
    let mut bytes = fs::read(&weights).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&weights, bytes).unwrap();
    let photos = stage.photos(&["22-group.jpg"]);
    let remedy = ["mobilefacenet.onnx", "sha256", "fetch it again"];
    stage.run(&["models", "verify"]).ended_with(4);
    stage
        .run(&["scan".as_ref(), photos.as_os_str()])
        .ended_with(4)
        .says(&remedy);
    stage
        .run(&["detect".as_ref(), photos.join("22-group.jpg").as_os_str()])
        .ended_with(4)
        .says(&remedy);
    assert!(
        !stage.path("home/catalogue.db").exists(),
        "nothing is begun with a bad model"
    );
}

/// A folder with the base pack under another name, as a pack from elsewhere is one.
fn renamed_base_pack(dir: &Path) {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fusiform/packs/base");
    fs::create_dir_all(dir).unwrap();
    for entry in fs::read_dir(base).unwrap() {
        let file = entry.unwrap().path();
        fs::copy(&file, dir.join(file.file_name().unwrap())).unwrap();
    }
    let manifest = dir.join("manifest.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let renamed = text.replacen("name = \"base\"", "name = \"renamed\"", 1);
    assert_ne!(text, renamed);
    fs::write(manifest, renamed).unwrap();
}

#[test]
fn the_base_pack_as_a_folder_is_added_used_and_refused_once_changed() {
    let stage = Stage::bare();
    renamed_base_pack(&stage.path("download"));
    stage.run(&["models", "add", "download"]).ended_with(0);
    let list = stage.run(&["models", "list"]).ended_with(0).stdout();
    assert!(list.contains("renamed"), "{list}");
    let photos = stage.photos(&["22-group.jpg"]);
    let photo = photos.join("22-group.jpg");
    let detect = [
        "detect".as_ref(),
        photo.as_os_str(),
        "--pack".as_ref(),
        "renamed".as_ref(),
    ];
    let found = stage.json(&detect);
    assert_eq!(found["photos"][0]["faces"].as_array().unwrap().len(), 2);
    let weights = stage.path("home/models/renamed/embedder.onnx");
    let mut bytes = fs::read(&weights).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&weights, bytes).unwrap();
    stage.run(&["models", "verify"]).ended_with(4);
    let remedy = ["embedder.onnx", "sha256", "fetch it again"];
    stage.run(&detect).ended_with(4).says(&remedy);
}

#[test]
fn an_unknown_pack_names_those_that_exist() {
    let Some(stage) = Stage::with_models(&[]) else {
        return;
    };
    let ran = stage.run(&["doctor", "--pack", "nothing"]).ended_with(4);
    assert!(
        ran.stdout().contains("yunet-mobilefacenet"),
        "{}",
        ran.stdout()
    );
}

#[test]
fn a_pack_for_a_network_we_do_not_cover_is_an_error_that_names_the_file() {
    let Some(stage) = Stage::with_models(&[]) else {
        return;
    };
    let dir = stage.path("home/models/yunet-mobilefacenet");
    fs::write(dir.join("yunet_n_dynamic.onnx"), b"not a model").unwrap();
    let text = fs::read_to_string(dir.join("manifest.toml")).unwrap();
    let hash = "sha256 = \"";
    let at = text.find(hash).unwrap() + hash.len();
    // Its hash is right, so that only the reader is left to refuse it.
    let changed = format!("{}{SHA256_OF_NOT_A_MODEL}{}", &text[..at], &text[at + 64..]);
    fs::write(dir.join("manifest.toml"), changed).unwrap();
    let photos = stage.photos(&["22-group.jpg"]);
    stage
        .run(&["scan".as_ref(), photos.as_os_str()])
        .ended_with(4)
        .says(&["yunet-n"]);
}

#[test]
fn bench_counts_networks_layers_and_photos() {
    let stage = Stage::bare();
    let photo = sample_album().join("01-portrait.jpg");
    let args = [
        "bench",
        "--json",
        "--rounds",
        "1",
        "--side",
        "64",
        photo.to_str().unwrap(),
    ];
    let said: serde_json::Value =
        serde_json::from_str(&stage.run(&args).ended_with(0).stdout()).unwrap();
    assert!(said["peak_gflops"].as_f64().unwrap() > 0.0);
    for network in said["networks"].as_array().unwrap() {
        let layers = network["layers"].as_array().unwrap();
        assert!(
            layers
                .iter()
                .any(|l| l["operator"] == "Conv" && l["gflops"].as_f64().unwrap() > 0.0)
        );
    }
    assert_eq!(said["photos"]["count"], 1);
    stage
        .run(&["bench", "--model", "/nowhere.onnx"])
        .ended_with(4)
        .says(&["/nowhere.onnx"]);
}

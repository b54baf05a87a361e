//! One road from bytes to faces: whoever reads a photo, its template is the same to the bit.
//! The photo is large enough that decoding it reduced gives other pixels than decoding it in full.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use fusiform::{AnalyseOptions, Engine};
use fusiform_gallery::{Gallery, Kind, Secret, Uuid};
use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use rusqlite::Connection;

use crate::server_fixture::{Home, portrait};

/// A portrait of the sample album, enlarged to a JPEG with sides of `side_px`.
fn enlarged(number: usize, side_px: u32) -> Vec<u8> {
    let small = image::load_from_memory(&portrait(number)).unwrap();
    let large = small.resize_exact(side_px, side_px, FilterType::CatmullRom);
    let mut jpeg = Cursor::new(Vec::new());
    let encoder = JpegEncoder::new_with_quality(&mut jpeg, 90);
    large.to_rgb8().write_with_encoder(encoder).unwrap();
    jpeg.into_inner()
}

fn bits(vector: &[f32]) -> Vec<u32> {
    vector.iter().map(|v| v.to_bits()).collect()
}

/// The only template of an album.
fn in_catalogue(file: &Path) -> Vec<f32> {
    let catalogue = Connection::open(file).unwrap();
    let blob: Vec<u8> = catalogue
        .query_row("SELECT vector FROM templates", [], |row| row.get(0))
        .unwrap();
    let floats = blob.chunks_exact(4);
    let floats = floats.map(|b| f32::from_le_bytes(b.try_into().unwrap()));
    floats.collect()
}

/// The template of one example of a vault.
fn in_vault(home: &Home, key: &str, example: &Uuid, model: &str) -> Vec<f32> {
    let secret = fs::read_to_string(home.path("vault.key")).unwrap();
    let secret = Secret::Hex(secret.into());
    let vault = Gallery::open(&home.path("vault.db"), &secret, model).unwrap();
    let key = Uuid::parse_str(key).unwrap();
    let service = vault.service(Kind::Recognition, &key).unwrap();
    vault.example(service, example).unwrap().unwrap().1
}

#[test]
fn the_same_bytes_give_the_same_template_to_the_bit_on_every_way_in() {
    let (photo, other) = (enlarged(1, 3200), enlarged(8, 3200));
    let engine = Engine::builtin().unwrap();
    let options = AnalyseOptions::default();
    let analysed = engine.analyse(&photo, &options).unwrap();
    assert_eq!((analysed.width_px, analysed.faces.len()), (3200, 1));
    let face = analysed.largest().unwrap();
    let template = face.template.as_ref().unwrap();
    let expected = bits(&template.vector);

    // If the whole picture gave the same template, this test could not tell two roads apart.
    let whole = engine.decode(&photo).unwrap().image;
    let whole = engine.analyse_image(&whole, &options).unwrap();
    let whole = whole.largest().unwrap().template().unwrap();
    assert_ne!(bits(&whole.vector), expected);

    let home = Home::empty();
    let (a, b) = (home.path("a.jpg"), home.path("b.jpg"));
    fs::write(&a, &photo).unwrap();
    fs::write(&b, &other).unwrap();
    let [a, b] = [&a, &b].map(|path| path.to_str().unwrap());

    // A scan.
    home.printed(&["scan", a]);
    assert_eq!(bits(&in_catalogue(&home.path("catalogue.db"))), expected);

    // A file analysed from its path.
    let from_file = engine.analyse_file(a).unwrap();
    assert_eq!(from_file, analysed);

    // The service: an example enrolled over HTTP.
    let key = home.make_key("recognition");
    let server = home.serve();
    let enrolled = server.send("faces?subject=Ida", &key, &photo);
    assert_eq!(enrolled.status, 201, "{enrolled:?}");
    let id = Uuid::parse_str(enrolled.json()["image_id"].as_str().unwrap()).unwrap();

    // An import from that service.
    let moved = Home::empty();
    let key_file = moved.path("key");
    std::fs::write(&key_file, &key).unwrap();
    let key_file = key_file.to_str().unwrap();
    moved.printed(&[
        "import",
        "compreface",
        &server.address,
        "--key-file",
        key_file,
    ]);
    assert_eq!(server.stop().0, Some(0));
    let model = engine.embedder_id().unwrap().to_string();
    assert_eq!(bits(&in_vault(&home, &key, &id, &model)), expected);
    assert_eq!(bits(&in_vault(&moved, &key, &id, &model)), expected);

    // `verify` and `find` show no vector, but a similarity that is a function of two.
    let said = |words: &[&str]| -> serde_json::Value {
        let output = home.run(words);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{output:?}: {e}"))
    };
    let similarity = |answer: &serde_json::Value| (answer.as_f64().unwrap() as f32).to_bits();
    let of_other = engine.analyse(&other, &options).unwrap();
    let of_other = of_other.largest().unwrap().template.clone().unwrap();
    let between = template.similarity(&of_other).unwrap().0.to_bits();
    let verified = said(&["verify", a, b, "--json"]);
    assert_eq!(similarity(&verified["similarity"]), between);
    home.printed(&["is", "Ida", "1"]);
    let found = said(&["find", b, "--json"]);
    let candidate = &found["faces"][0]["candidates"][0]["similarity"];
    assert_eq!(similarity(candidate), between);

    // `detect` shows the box and the landmarks that the template was cut by.
    let detected = said(&["detect", a, "--json"]);
    let row = &detected["photos"][0]["faces"][0];
    let box_sides = [
        face.bbox.x_min,
        face.bbox.y_min,
        face.bbox.x_max,
        face.bbox.y_max,
    ];
    for (at, side) in box_sides.iter().enumerate() {
        assert_eq!(similarity(&row["bbox"][at]), side.to_bits());
    }
    let points = face.landmarks.unwrap();
    for (at, point) in points.as_array().iter().enumerate() {
        let [x, y] = [0, 1].map(|axis| similarity(&row["landmarks"][at][axis]));
        assert_eq!([x, y], [point.x.to_bits(), point.y.to_bits()]);
    }
}

//! An album that was made with another pack, read by the compiled one. In: the sample album.
//! Out: the same names on the same faces.

use std::collections::BTreeMap;

use crate::stage::{Stage, sample_album};

/// Faces by photo and place from the left: their person's name, and why they are set aside.
type Shown = BTreeMap<(String, usize), (Option<String>, Option<String>)>;

fn shown(stage: &Stage) -> Shown {
    let mut faces = BTreeMap::new();
    let mut photos: Vec<_> = std::fs::read_dir(sample_album())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "jpg"))
        .collect();
    photos.sort();
    for photo in photos {
        let view = stage.json(&["photo".as_ref(), photo.as_os_str()]);
        let mut items = view["items"].as_array().unwrap().clone();
        items.sort_by(|a, b| {
            let left = |face: &serde_json::Value| face["bbox"][0].as_f64().unwrap();
            left(a).total_cmp(&left(b))
        });
        let name = photo.file_name().unwrap().to_string_lossy().into_owned();
        for (place, face) in items.iter().enumerate() {
            let word = |key: &str| face[key].as_str().map(str::to_owned);
            faces.insert((name.clone(), place), (word("name"), word("aside")));
        }
    }
    faces
}

#[test]
fn an_album_of_another_pack_is_read_again_and_keeps_every_name_and_decision() {
    let Some(stage) = Stage::with_models(&[]) else {
        return;
    };
    let album = sample_album();
    let scan = |pack: &str| {
        let args = ["scan".as_ref(), album.as_os_str(), "--pack".as_ref()];
        stage
            .run(&[&args[..], &[pack.as_ref()]].concat())
            .ended_with(0)
    };
    scan("yunet-mobilefacenet");
    let people = stage.json(&["people"]);
    let ids: Vec<String> = people
        .as_array()
        .unwrap()
        .iter()
        .map(|person| person["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 8);
    for id in &ids {
        let name = format!("Person called {id}");
        stage.run(&["name", id, &name]).ended_with(0);
    }
    let face = |person: &str, nth: usize| {
        let person = stage.json(&["person", person]);
        person["photos"][nth]["face"].to_string()
    };
    let (somebody, nobody) = (face(&ids[0], 0), face(&ids[1], 0));
    stage.run(&["is", "Somebody", &somebody]).ended_with(0);
    stage.run(&["not", &ids[1], &nobody]).ended_with(0);
    stage.run(&["ignore", &face(&ids[2], 0)]).ended_with(0);
    let before = shown(&stage);
    assert!(before.values().any(|(_, aside)| aside.is_some()));

    scan("base");
    let after = shown(&stage);
    let kept = |faces: &Shown| -> Shown {
        let said = faces.clone().into_iter();
        said.filter(|(_, (name, aside))| name.is_some() || aside.is_some())
            .collect()
    };
    assert_eq!(kept(&after), kept(&before));
    let described = stage.json(&["people"]);
    assert_eq!(described.as_array().unwrap().len(), 9);
}

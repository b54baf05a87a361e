//! From another server to this one, by the command that fetches from CompreFace's API.

use serde_json::json;

use crate::server_fixture::{Home, portrait};

#[test]
fn subjects_images_and_numbers_move_and_a_second_run_takes_nothing_twice() {
    let old = Home::new();
    let server = old.serve();
    for (name, number) in [("Ann", 1), ("Ann", 2), ("Bo", 3)] {
        let answer = server.send(
            &format!("faces?subject={name}"),
            &old.key,
            &portrait(number),
        );
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    let subjects = "/api/v1/recognition/subjects";
    let made = server.json(
        "POST",
        subjects,
        &old.key,
        &json!({"subject": "No face yet"}),
    );
    assert_eq!(made.status, 201);
    let faces = |body: serde_json::Value| {
        let mut faces = body["faces"].as_array().unwrap().clone();
        faces.sort_by_key(|f| f["image_id"].as_str().unwrap().to_owned());
        faces
    };
    let before = faces(server.get("/api/v1/recognition/faces", &old.key).json());

    let new = Home::empty();
    let words = ["import", "compreface", &server.address, "--key", &old.key];
    let printed = new.printed(&words);
    assert!(
        printed.starts_with("3 subjects, 3 images imported"),
        "{printed}"
    );
    let again = new.printed(&words);
    assert!(
        again.contains("0 images imported, 3 were there already"),
        "{again}"
    );
    drop(server);

    let server = new.serve();
    let after = faces(server.get("/api/v1/recognition/faces", &old.key).json());
    assert_eq!(before, after);
    let names = server.get(subjects, &old.key).json();
    assert_eq!(names["subjects"].as_array().unwrap().len(), 3);
    let best = server.send("recognize", &old.key, &portrait(3)).json();
    assert_eq!(best["result"][0]["subjects"][0]["subject"], "Bo");
}

#[test]
fn a_wrong_key_or_address_is_told_in_words() {
    let old = Home::new();
    let server = old.serve();
    let new = Home::empty();
    let wrong = "11111111-2222-4333-8444-555555555555";
    for address in [&*server.address, "http://127.0.0.1:1", "server:8000"] {
        let output = new.run(&["import", "compreface", address, "--key", wrong]);
        assert_eq!(output.status.code(), Some(4));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(address), "{said}");
    }
    assert!(!new.path("vault.db").exists());
}

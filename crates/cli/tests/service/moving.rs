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
    let key_file = new.secret("old.key", &old.key);
    let words = [
        "import",
        "compreface",
        &server.address,
        "--key-file",
        &key_file,
    ];
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
    let wrong = "7a2b9c4d-13e5-4f60-8a9b-0c1d2e3f4a5b";
    for address in [&*server.address, "http://127.0.0.1:1", "server:8000"] {
        let key_file = new.secret("wrong.key", wrong);
        let output = new.run(&["import", "compreface", address, "--key-file", &key_file]);
        assert_eq!(output.status.code(), Some(4));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(address), "{said}");
    }
    assert!(!new.path("vault.db").exists());
}

/// Answers every request of an import with what `answer` makes of its path, until the test ends.
fn impostor(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for line in listener.incoming().flatten() {
            let mut head = BufReader::new(line.try_clone().unwrap()).lines();
            let first = head.next().unwrap().unwrap();
            for header in head {
                if header.unwrap().is_empty() {
                    break;
                }
            }
            let body = answer(first.split(' ').nth(1).unwrap());
            let n = body.len();
            let sent = write!(
                &line,
                "HTTP/1.1 200 OK\r\nContent-Length: {n}\r\nConnection: close\r\n\r\n{body}"
            );
            drop(sent);
        }
    });
    address
}

#[test]
fn pages_without_an_end_end_and_what_is_no_name_is_refused() {
    let id = "6b135f5b-a365-4522-b1f1-4c9ac2dd0728";
    let address = impostor(move |path| {
        if path.ends_with("/subjects") {
            return json!({"subjects": ["", ".", "Ann"]}).to_string();
        }
        json!({"faces": [{"image_id": id, "subject": ""}], "total_pages": 1_000_000_000u64})
            .to_string()
    });
    let new = Home::empty();
    let key_file = new.secret("old.key", "7a2b9c4d-13e5-4f60-8a9b-0c1d2e3f4a5b");
    let output = new.run(&["import", "compreface", &address, "--key-file", &key_file]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("which is no name"), "{said}");
    let server = new.serve();
    let key = "7a2b9c4d-13e5-4f60-8a9b-0c1d2e3f4a5b";
    let names = server.get("/api/v1/recognition/subjects", key).json();
    assert_eq!(names, json!({"subjects": ["Ann"]}));
}

#[test]
fn a_published_key_opens_nothing() {
    let home = Home::new();
    let demo = "00000000-0000-0000-0000-000000000002";
    let file = home.secret("demo.key", demo);
    for words in [
        &["key", "recognition", "--key-file", &file][..],
        &[
            "import",
            "compreface",
            "http://127.0.0.1:1",
            "--key-file",
            &file,
        ],
    ] {
        let output = home.run(words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("published or can be guessed"), "{said}");
        assert_eq!(output.status.code(), Some(4));
    }
    let server = home.serve();
    assert_eq!(server.get("/api/v1/recognition/subjects", demo).status, 404);
}

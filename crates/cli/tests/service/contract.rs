//! CompreFace's contract where it is safer than the original: deleting everybody, names, caches,
//! several faces, how uploads are written.

use serde_json::json;

use crate::server_fixture::{BOUNDARY, Home, Server, portrait};

const SUBJECTS: &str = "/api/v1/recognition/subjects";
const FACES: &str = "/api/v1/recognition/faces";

fn names(server: &Server, key: &str) -> usize {
    let all = server.get(SUBJECTS, key).json();
    all["subjects"].as_array().unwrap().len()
}

/// A status line and headers, in lower case, and the body of a request as it stands in the text.
fn raw(server: &Server, request: &str) -> String {
    use std::io::{Read, Write};
    let mut line = std::net::TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    line.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    line.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).to_lowercase()
}

#[test]
fn only_the_exact_call_erases_everybody() {
    let home = Home::new();
    let server = home.serve();
    for name in ["Ann", "Bo"] {
        let body = json!({"subject": name});
        assert_eq!(server.json("POST", SUBJECTS, &home.key, &body).status, 201);
    }
    for path in [
        "subjects/",
        "subjects//",
        "subjects/.",
        "subjects/..",
        "subjects/%2E",
        "subjects/%2e%2e",
        "subjects/%20",
        "subjects/./",
        "faces/",
        "faces//",
        "faces?subject=",
        "faces?subject=.",
        "faces?subject=..",
        "faces/?subject=",
    ] {
        let answer = raw(
            &server,
            &format!(
                "DELETE /api/v1/recognition/{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
                 x-api-key: {}\r\n\r\n",
                home.key
            ),
        );
        assert!(answer.starts_with("http/1.1 400"), "{path}: {answer}");
        assert_eq!(names(&server, &home.key), 2, "{path}");
    }
    for name in ["", ".", "..", " . "] {
        let body = json!({"subject": name});
        let made = server.json("POST", SUBJECTS, &home.key, &body);
        assert_eq!(made.status, 400, "{name:?}");
        let renamed = server.json("PUT", &format!("{SUBJECTS}/Ann"), &home.key, &body);
        assert_eq!(renamed.status, 400, "{name:?}");
        let path = format!("faces?subject={}", name.replace(' ', "%20"));
        assert_eq!(
            server.send(&path, &home.key, &portrait(1)).status,
            400,
            "{name:?}"
        );
        let terms = json!({"basis": "consent", "purpose": "door", "expires_at_ms": null});
        let path = format!("/api/fusiform/v1/people/{}", name.replace(' ', "%20"));
        let set = server.json("PUT", &path, &home.key, &terms).status;
        assert!(matches!(set, 404 | 405 | 422), "{name:?}: {set}");
    }
    let one = server.ask("DELETE", &format!("{SUBJECTS}/Ann/"), &home.key, None);
    assert_eq!(one.json(), json!({"subject": "Ann"}));
    let all = server.ask("DELETE", SUBJECTS, &home.key, None);
    assert_eq!(all.json(), json!({"deleted": 1}));
}

#[test]
fn a_name_is_one_person_however_it_is_composed() {
    let home = Home::new();
    let server = home.serve();
    let send = |name: &str| server.send(&format!("faces?subject={name}"), &home.key, &portrait(1));
    assert_eq!(send("J%C3%B6rg").status, 201);
    assert_eq!(send("Jo%CC%88rg").status, 201);
    assert_eq!(names(&server, &home.key), 1);
    let gone = server.ask(
        "DELETE",
        &format!("{FACES}?subject=Jo%CC%88rg"),
        &home.key,
        None,
    );
    assert_eq!(gone.json(), json!({"deleted": 2}));
}

#[test]
fn no_shared_cache_keeps_a_face_and_no_cache_a_wrong_keys_answer() {
    let home = Home::new();
    let ask = |server: &Server, path: &str, key: &str| {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-api-key: {key}\r\n\r\n"
        );
        raw(server, &head)
    };
    let wrong = "11111111-2222-4333-8444-555555555555";
    let server = home.serve();
    let enrolled = server.send("faces?subject=Ann", &home.key, &portrait(1));
    let id = enrolled.json()["image_id"].as_str().unwrap().to_owned();
    let (image, fixed) = (
        format!("{FACES}/{id}/img"),
        format!("/api/v1/static/{}/images/{id}", home.key),
    );
    for (path, key) in [
        (&*image, &*home.key),
        (&image, wrong),
        (&fixed, ""),
        (SUBJECTS, &home.key),
        ("/api/fusiform/v1/people", &home.key),
        ("/api/fusiform/v1/people", wrong),
    ] {
        let answer = ask(&server, path, key);
        assert!(
            answer.contains("cache-control: private, no-store\r\n"),
            "{path}: {answer}"
        );
        assert!(answer.contains("vary: x-api-key\r\n"), "{path}: {answer}");
    }
    drop(server);
    let server = home.serve_with(&[("FUSIFORM_IMAGE_CACHE_S", "60")]);
    let right = ask(&server, &image, &home.key);
    assert!(
        right.contains("cache-control: private, max-age=60\r\n"),
        "{right}"
    );
    let missing = ask(&server, &format!("{FACES}/{wrong}/img"), &home.key);
    assert!(
        missing.contains("cache-control: private, no-store\r\n"),
        "{missing}"
    );
}

#[test]
fn media_types_have_no_case_and_file_names_are_read_as_clients_write_them() {
    let home = Home::new();
    let server = home.serve();
    let image = portrait(1);
    for file_name in [
        "filename*=UTF-8''J%C3%B6rg.jpg",
        "FileName=a.JPG",
        "filename=\"\u{f6}.jpg\"",
    ] {
        let head =
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=file; {file_name}");
        let body = [
            head.as_bytes(),
            b"\r\n\r\n",
            &image,
            format!("\r\n--{BOUNDARY}--\r\n").as_bytes(),
        ]
        .concat();
        let kind = format!("Multipart/Form-DATA; boundary={BOUNDARY}");
        let path = "/api/v1/recognition/recognize";
        let answer = server.ask("POST", path, &home.key, Some((&kind, &body)));
        assert_eq!(answer.status, 200, "{file_name}: {answer:?}");
    }
    let body = br#"{"subject": "Ann"}"#;
    let made = server.ask(
        "POST",
        SUBJECTS,
        &home.key,
        Some(("Application/JSON", body)),
    );
    assert_eq!(made.status, 201, "{made:?}");
    let heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec();
    let answer = server.send("recognize", &home.key, &heic).json();
    assert_eq!(answer["code"], 28);
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains("HEI"), "the format is named: {message}");
}

#[test]
fn uploads_may_be_as_large_as_the_setting_says() {
    let home = Home::new();
    let image = [portrait(1), vec![0; 6 << 20]].concat();
    let server = home.serve();
    assert_eq!(server.send("recognize", &home.key, &image).status, 400);
    drop(server);
    let server = home.serve_with(&[("FUSIFORM_MAX_UPLOAD_MIB", "7")]);
    assert_eq!(server.send("recognize", &home.key, &image).status, 200);
    let sizes = server.get("/api/v1/config", "").json();
    assert_eq!(sizes["clientMaxFileSize"], 7 << 20);
    drop(server);
    let server = home.serve_with(&[("FUSIFORM_MAX_UPLOAD_MIB", "1")]);
    assert_eq!(server.put_image("identify", &home.key, &image).status, 413);
}

#[test]
fn several_faces_are_counted_or_the_largest_is_enrolled() {
    let home = Home::new();
    let group = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/group.jpg");
    let group = std::fs::read(group).unwrap();
    let server = home.serve();
    let refused = server.send("faces?subject=Ann", &home.key, &group);
    assert_eq!((refused.status, &refused.json()["code"]), (400, &json!(31)));
    let message = refused.json()["message"].as_str().unwrap().to_owned();
    assert!(
        message.starts_with("More than one face in the source image ("),
        "{message}"
    );
    drop(server);
    let server = home.serve_with(&[("FUSIFORM_ENROL_LARGEST", "true")]);
    assert_eq!(
        server.send("faces?subject=Ann", &home.key, &group).status,
        201
    );
}

//! People and faces of Immich. A double answers as its OpenAPI document says (`GET /people`, `POST
//! /search/metadata`, `GET /faces`), and as a broken or hostile one would.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::stage::{Stage, sample_album};

const KEY: &str = "immich-Key_0123456789";
const GROUP: &str = "25-group.jpg";

/// A server that answers every request by a function of method, path and body.
struct Double {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Double {
    fn start(answer: impl Fn(&str, &Value) -> (u16, Value) + Send + 'static) -> Double {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                serve(stream, &answer, &log);
            }
        });
        Double { address, asked }
    }
}

fn serve(
    mut stream: TcpStream,
    answer: &impl Fn(&str, &Value) -> (u16, Value),
    log: &Mutex<Vec<String>>,
) {
    let mut bytes = Vec::new();
    let mut part = [0; 4096];
    let (head, length) = loop {
        let n = stream.read(&mut part).unwrap_or(0);
        if n == 0 {
            return;
        }
        bytes.extend_from_slice(&part[..n]);
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head
                .lines()
                .find_map(|l| {
                    l.to_ascii_lowercase()
                        .strip_prefix("content-length:")
                        .map(str::to_owned)
                })
                .map_or(0, |l| l.trim().parse().unwrap());
            bytes.drain(..end + 4);
            break (head, length);
        }
    };
    while bytes.len() < length {
        let n = stream.read(&mut part).unwrap();
        bytes.extend_from_slice(&part[..n]);
    }
    let line = head.lines().next().unwrap_or_default();
    let asked = line
        .rsplit_once(' ')
        .map_or(line, |(asked, _)| asked)
        .to_owned();
    let has_key = head
        .lines()
        .any(|l| l.eq_ignore_ascii_case(&format!("x-api-key: {KEY}")));
    log.lock().unwrap().push(asked.clone());
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let (status, said) = match has_key {
        true => answer(&asked, &body),
        false => (401, json!({"message": "Invalid API key"})),
    };
    let said = said.to_string();
    let _ = write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{said}",
        said.len()
    );
}

fn checksum(path: &Path) -> String {
    STANDARD.encode(Sha1::digest(fs::read(path).unwrap()))
}

/// Boxes of a photo's faces from left to right, and their names.
fn faces(stage: &Stage, photo: &Path) -> Vec<([f64; 4], Option<String>)> {
    let shown = stage.json(&["photo".as_ref(), photo.as_os_str()]);
    let face = |f: &Value| {
        let side = |at: usize| f["bbox"][at].as_f64().unwrap();
        let name = f["name"].as_str().map(str::to_owned);
        ([side(0), side(1), side(2), side(3)], name)
    };
    shown["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(face)
        .collect()
}

/// A face as Immich has it, on a preview of half the size.
fn face(
    id: usize,
    [x_min, y_min, x_max, y_max]: [f64; 4],
    size: (u32, u32),
    person: Value,
) -> Value {
    let half = |value: f64| (value / 2.0).round();
    json!({
        "id": format!("00000000-0000-0000-0000-{id:012}"),
        "imageWidth": size.0 / 2, "imageHeight": size.1 / 2,
        "boundingBoxX1": half(x_min), "boundingBoxX2": half(x_max),
        "boundingBoxY1": half(y_min), "boundingBoxY2": half(y_max),
        "sourceType": "machine-learning", "person": person,
    })
}

fn person(id: &str, name: &str) -> Value {
    json!({"id": id, "name": name, "birthDate": null, "thumbnailPath": "/t.jpg", "isHidden": false})
}

fn import(stage: &Stage, double: &Double) -> Value {
    fs::write(stage.path("immich.key"), format!("{KEY}\n")).unwrap();
    stage.json(&[
        "import",
        "immich",
        "--url",
        &double.address,
        "--key-file",
        "immich.key",
    ])
}

#[test]
fn named_faces_of_immich_become_decisions_and_overrule_nothing() {
    let stage = Stage::bare();
    let dir = stage.photos(&[GROUP, "01-portrait.jpg", "02-portrait.jpg"]);
    stage.run(&["scan".as_ref(), dir.as_os_str()]).ended_with(0);
    let group = dir.join(GROUP);
    let found = faces(&stage, &group);
    assert_eq!(found.len(), 4);
    // One of them was named here before.
    let shown = stage.json(&["photo".as_ref(), group.as_os_str()]);
    let mine = shown["items"][1]["face"].to_string();
    stage.run(&["is", "Mine", &mine]).ended_with(0);
    let size = image::image_dimensions(sample_album().join(GROUP)).unwrap();
    let boxes: Vec<[f64; 4]> = found.iter().map(|f| f.0).collect();
    let (by_bytes, other) = (checksum(&group), checksum(&dir.join("01-portrait.jpg")));
    let double = Double::start(move |asked, body| {
        let (lea, rita, nobody) = (
            person("p-lea", "Lea"),
            person("p-rita", " Rita "),
            person("p-0", ""),
        );
        let asset = |id: &str, sum: &str, path: &str| {
            let name = "x.jpg";
            json!({
                "id": id, "checksum": sum, "originalPath": path, "originalFileName": name,
                "type": "IMAGE",
            })
        };
        (
            200,
            match asked {
                _ if asked.starts_with("GET /api/people") => {
                    // Two pages.
                    match asked.contains("page=1") {
                        true => {
                            json!({"people": [lea, nobody], "total": 3, "hasNextPage": true})
                        }
                        false => {
                            json!({"people": [rita], "total": 3, "hasNextPage": false})
                        }
                    }
                }
                "POST /api/search/metadata" => {
                    let first = body["page"] == 1;
                    let items = match (body["personIds"][0].as_str(), first) {
                        (Some("p-lea"), true) => vec![asset("a-1", &by_bytes, "/upload/1/zz.jpg")],
                        (Some("p-lea"), false) => vec![
                            asset(
                                "a-2",
                                "AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                                "/upload/photos/02-portrait.jpg",
                            ),
                            asset(
                                "a-3",
                                "BBBBBBBBBBBBBBBBBBBBBBBBBBA=",
                                "/upload/9/nowhere.jpg",
                            ),
                        ],
                        _ => vec![
                            asset("a-1", &by_bytes, "/upload/1/zz.jpg"),
                            asset("a-4", &other, "/u/v.jpg"),
                        ],
                    };
                    let next = if first && body["personIds"][0] == "p-lea" {
                        json!("2")
                    } else {
                        Value::Null
                    };
                    let n = items.len();
                    json!({"assets": {"total": n, "count": n, "items": items, "nextPage": next}})
                }
                "GET /api/faces?id=a-1" => json!([
                    face(1, boxes[0], size, lea),
                    face(2, boxes[1], size, rita.clone()),
                    face(3, boxes[2], size, Value::Null),
                    face(4, boxes[3], size, rita),
                ]),
                "GET /api/faces?id=a-2" => json!([face(5, [0.0, 0.0, 0.0, 0.0], (400, 400), lea)]),
                // Drawn on a picture of another shape.
                _ => json!([face(6, [10.0, 10.0, 90.0, 90.0], (4000, 400), rita)]),
            },
        )
    });
    let done = import(&stage, &double);
    assert_eq!(
        (&done["faces"], &done["decided_later"]),
        (&2.into(), &1.into()),
        "{done}"
    );
    let names: Vec<Option<String>> = faces(&stage, &group).into_iter().map(|f| f.1).collect();
    assert_eq!(names[0].as_deref(), Some("Lea"));
    assert_eq!(names[1].as_deref(), Some("Mine"), "decided here");
    assert_eq!(names[3].as_deref(), Some("Rita"));
    let left = done["left_out"].as_object().unwrap();
    let n = |words: &str| {
        left.iter()
            .find(|(k, _)| k.contains(words))
            .map(|(_, n)| n.clone())
    };
    assert_eq!(n("people without a name"), Some(1.into()), "{done}");
    assert_eq!(n("faces of nobody"), Some(1.into()), "{done}");
    assert_eq!(n("not in the catalogue"), Some(1.into()), "{done}");
    assert_eq!(n("without a place"), Some(1.into()), "{done}");
    let problems = done["problems"].to_string();
    assert!(
        problems.contains("nowhere.jpg") && problems.contains("01-portrait.jpg"),
        "{problems}"
    );
    let history = stage.json(&["history"]);
    assert_eq!(history["items"][0]["who"], "import of Immich", "{history}");
    let again = import(&stage, &double);
    assert_eq!(again["faces"], 0, "{again}");
    stage.run(&["undo", "2"]).ended_with(0);
    assert_eq!(faces(&stage, &group)[0].1, None);
}

#[test]
fn a_server_that_never_ends_or_is_none_is_no_trap_and_the_key_is_never_an_argument() {
    let stage = Stage::bare();
    let dir = stage.photos(&["01-portrait.jpg"]);
    stage.run(&["scan".as_ref(), dir.as_os_str()]).ended_with(0);
    // The same page for ever.
    let endless = Double::start(|asked, _| {
        (
            200,
            match asked.starts_with("GET /api/people") {
                true => json!({"people": [person("p", "Ida")], "hasNextPage": true}),
                false => json!({"assets": {"items": [], "nextPage": "7"}}),
            },
        )
    });
    let done = import(&stage, &endless);
    assert_eq!(done["faces"], 0, "{done}");
    assert!(endless.asked.lock().unwrap().len() < 10);
    let no_immich = Double::start(|_, _| (200, json!(["hello"])));
    let url = &*no_immich.address;
    stage
        .run(&["import", "immich", "--url", url, "--key-file", "immich.key"])
        .ended_with(4)
        .says(&["not Immich's answer"]);
    fs::write(stage.path("wrong.key"), "other\n").unwrap();
    stage
        .run(&["import", "immich", "--url", url, "--key-file", "wrong.key"])
        .ended_with(4)
        .says(&["401", "person.read"]);
    stage
        .run(&["import", "immich", "--url", url])
        .ended_with(4)
        .says(&["FUSIFORM_IMMICH_KEY"]);
    stage
        .run(&["import", "immich", "--url", "server:2283"])
        .ended_with(4);
}

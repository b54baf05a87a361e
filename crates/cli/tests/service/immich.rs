//! Immich's machine learning: its server's requests as Node sends them, what goes elsewhere, what
//! is refused.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;

use serde_json::{Value, json};

use crate::server_fixture::{Home, Server, form_of, portrait};

const FACES: &str = r#"{"facial-recognition": {"detection": {"modelName": "buffalo_l",
    "options": {"minScore": 0.7}}, "recognition": {"modelName": "buffalo_l"}}}"#;
const CLIP: &str = r#"{"clip": {"textual": {"modelName": "ViT-B-32__openai"}}}"#;

/// A server that answers Immich, and the address for Immich's settings.
fn serve(home: &Home, forward: &str) -> (Server, String) {
    let mut server = home.serve_with(&[
        ("FUSIFORM_IMMICH_LISTEN", "127.0.0.1:0"),
        ("FUSIFORM_IMMICH_FORWARD", forward),
    ]);
    let line = server.line();
    let address = line.strip_prefix("immich: ").expect(&line);
    let address = address.trim_end_matches('/').to_owned();
    (server, address)
}

fn predict(server: &Server, address: &str, entries: &str, image: Option<&[u8]>) -> (u16, Value) {
    let entries = ("entries", None, entries.as_bytes());
    let image = image.map(|image| ("image", Some("blob"), image));
    let parts: Vec<_> = std::iter::once(entries).chain(image).collect();
    let (kind, body) = form_of(&parts);
    let answer = server.ask_at(
        address,
        "POST",
        "/predict",
        &[("content-type", &kind)],
        &body,
    );
    (answer.status, answer.json())
}

fn picture(number: usize) -> PathBuf {
    let album = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/album");
    album.join(format!("{number:02}-portrait.jpg"))
}

fn cosine(a: &Value, b: &Value) -> f64 {
    let vector = |answer: &Value| -> Vec<f64> {
        let text = answer["facial-recognition"][0]["embedding"].as_str();
        serde_json::from_str(text.unwrap()).unwrap()
    };
    vector(a).iter().zip(vector(b)).map(|(a, b)| a * b).sum()
}

#[test]
fn faces_come_as_immich_reads_them_and_the_distance_to_type_tells_people_apart() {
    let home = Home::empty();
    let command = ["serve", "--listen", "127.0.0.1:0"];
    let mut command = home.command(&command);
    command.env("FUSIFORM_IMMICH_LISTEN", "127.0.0.1:0");
    let mut server = Server::start(command);
    let line = server.line();
    let address = line.strip_prefix("immich: ").expect(&line).to_owned();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/immich.mjs");
    let mut node = Command::new("node");
    node.arg(script).arg(address);
    let pictures = [picture(1), picture(2), picture(5), home.path("nobody.png")];
    let grey = fusiform::image::Image::new(640, 480, vec![90; 640 * 480 * 3]).unwrap();
    std::fs::write(&pictures[3], fusiform::image::encode_png(&grey).unwrap()).unwrap();
    let Ok(ran) = node.args(&pictures).output() else {
        fusiform_skips::skip("node is not here", "install nodejs 18 or newer");
        return;
    };
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    let answers: Vec<Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    let [same, again, other, nobody, clip] = &answers[..] else {
        panic!("{answers:?}");
    };
    assert_eq!(nobody["facial-recognition"], json!([]));
    assert_eq!(
        (&nobody["imageWidth"], &nobody["imageHeight"]),
        (&json!(640), &json!(480))
    );
    // Without a server to forward to, Immich is told to ask its next one.
    assert_eq!((&clip["ok"], &clip["status"]), (&json!(false), &json!(400)));
    let (_, said) = server.stop();
    let hint = said
        .lines()
        .find(|l| l.contains("Maximum recognition distance"));
    let hint = hint.unwrap_or_else(|| panic!("{said}"));
    let distance: f64 = hint
        .split_whitespace()
        .find_map(|w| w.parse().ok())
        .unwrap();
    assert!(
        (0.4..0.7).contains(&distance) && hint.contains("0.00001"),
        "{hint}"
    );
    assert!(1.0 - cosine(same, again) < distance);
    assert!(1.0 - cosine(same, other) > distance);
}

#[test]
fn what_immich_does_not_send_is_refused_in_its_own_form() {
    let home = Home::new();
    let (server, address) = serve(&home, "");
    let image = portrait(1);
    let of = |entries: &str, image: Option<&[u8]>| predict(&server, &address, entries, image);
    let (status, sure) = of(&FACES.replace("0.7", "0.99"), Some(&image));
    assert_eq!(
        (status, &sure["facial-recognition"]),
        (200, &json!([])),
        "{sure}"
    );
    let any_name = FACES.replace("buffalo_l", "antelopev2");
    assert_eq!(
        of(&any_name, Some(&image)).1["facial-recognition"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    for (entries, image, status) in [
        ("not json", Some(&image[..]), 422),
        ("{}", Some(&image), 422),
        (
            r#"{"facial-recognition": {"recognition": {"modelName": "x"}}}"#,
            Some(&image),
            422,
        ),
        (FACES, None, 400),
        (FACES, Some(b"no image"), 400),
        (FACES, Some(b""), 400),
        (CLIP, Some(&image), 400),
    ] {
        let (found, answer) = of(entries, image);
        assert_eq!(found, status, "{entries}: {answer}");
        assert!(answer["detail"].is_string(), "{answer}");
    }
    assert_eq!(
        server.ask_at(&address, "GET", "/people", &[], b"").status,
        404
    );
    assert_eq!(
        server.ask_at(&address, "GET", "/predict", &[], b"").status,
        405
    );
    drop(server);
    for (wrong, word) in [
        ("https://ml:3003", "to forward to"),
        ("ml:3003", "to forward to"),
    ] {
        let mut serve = home.command(&["serve", "--listen", "127.0.0.1:0"]);
        serve.env("FUSIFORM_IMMICH_LISTEN", "127.0.0.1:0");
        let output = serve
            .env("FUSIFORM_IMMICH_FORWARD", wrong)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(4) && said.contains(word),
            "{said}"
        );
    }
}

/// A server that hands each request's body on and lets the test write the answer.
fn upstream() -> (String, mpsc::Receiver<(Vec<u8>, TcpStream)>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (send, requests) = mpsc::channel();
    std::thread::spawn(move || {
        for line in listener.incoming().flatten() {
            let mut reader = BufReader::new(line.try_clone().unwrap());
            let (mut length, mut head) = (0, String::new());
            while reader.read_line(&mut head).unwrap_or(0) > 2 {
                let lower = head.to_lowercase();
                if let Some(n) = lower.strip_prefix("content-length: ") {
                    length = n.trim().parse().unwrap();
                }
                head.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            if send.send((body, line)).is_err() {
                return;
            }
        }
    });
    (address, requests)
}

#[test]
fn what_is_not_about_faces_goes_to_the_other_server_and_its_answer_comes_as_it_is() {
    let home = Home::new();
    let (upstream, requests) = upstream();
    let (server, address) = serve(&home, &upstream);
    std::thread::scope(|scope| {
        for (status, text) in [
            ("200 OK", r#"{"clip": "[0.1]"}"#),
            ("503 Busy", r#"{"a": 1}"#),
        ] {
            let asked = scope.spawn(|| predict(&server, &address, CLIP, Some(b"dog")));
            let (body, mut line) = requests.recv().unwrap();
            let body = String::from_utf8(body).unwrap();
            assert!(
                body.contains("ViT-B-32__openai") && body.contains("dog"),
                "{body}"
            );
            write!(
                line,
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{text}",
                text.len()
            )
            .unwrap();
            drop(line);
            let (found, answer) = asked.join().unwrap();
            assert!(status.starts_with(&found.to_string()), "{found}");
            assert_eq!(answer, serde_json::from_str::<Value>(text).unwrap());
        }
        // The answer is handed on while it comes.
        let (kind, body) = form_of(&[("entries", None, CLIP.as_bytes())]);
        let host = address.strip_prefix("http://").unwrap();
        let mut line = TcpStream::connect(host).unwrap();
        write!(
            line,
            "POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )
        .unwrap();
        line.write_all(&body).unwrap();
        let (_, mut other) = requests.recv().unwrap();
        write!(other, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst").unwrap();
        let mut begun = Vec::new();
        while !begun.ends_with(b"first") {
            let mut byte = [0];
            line.read_exact(&mut byte).unwrap();
            begun.push(byte[0]);
        }
        write!(other, "-last").unwrap();
    });
    // Faces are done here, though there is another server.
    let (status, faces) = predict(&server, &address, FACES, Some(&portrait(1)));
    assert_eq!(
        (
            status,
            faces["facial-recognition"].as_array().unwrap().len()
        ),
        (200, 1)
    );
    assert!(requests.try_recv().is_err());
}

#[test]
fn a_server_that_cannot_be_reached_and_an_address_that_leads_back_are_said() {
    let home = Home::new();
    let (server, address) = serve(&home, "http://127.0.0.1:1");
    let (status, answer) = predict(&server, &address, CLIP, None);
    assert_eq!(status, 502);
    assert!(
        answer["detail"].as_str().unwrap().contains("to forward to"),
        "{answer}"
    );
    drop(server);
    let free = TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap();
    let itself = format!("http://{free}");
    let server = home.serve_with(&[
        ("FUSIFORM_IMMICH_LISTEN", &free.to_string()),
        ("FUSIFORM_IMMICH_FORWARD", &itself),
    ]);
    let (status, answer) = predict(&server, &itself, CLIP, None);
    assert_eq!(status, 502);
    assert!(
        answer["detail"].as_str().unwrap().contains("leads back"),
        "{answer}"
    );
}

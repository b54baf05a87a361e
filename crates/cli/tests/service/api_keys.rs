//! API keys: listed, exchanged, taken back, while the server runs; secrets from files.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::server_fixture::{Home, Server};

const SUBJECTS: &str = "/api/v1/recognition/subjects";

/// Waits until a key is answered so.
fn becomes(server: &Server, key: &str, status: u16) {
    let begun = Instant::now();
    while server.get(SUBJECTS, key).status != status {
        assert!(begun.elapsed() < Duration::from_secs(30), "never {status}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_key_is_exchanged_and_taken_back_while_the_server_runs() {
    let home = Home::empty();
    let old = home.printed(&["key", "recognition", "--name", "front door"]);
    let server = home.serve();
    let made = server.json(
        "POST",
        SUBJECTS,
        &old,
        &serde_json::json!({"subject": "Ann"}),
    );
    assert_eq!(made.status, 201);
    let new = home.printed(&["keys", "rotate", "1", "--overlap-hours", "1"]);
    becomes(&server, &new, 200);
    assert_eq!(
        server.get(SUBJECTS, &old).status,
        200,
        "both work for an hour"
    );
    assert_eq!(server.get(SUBJECTS, &new).json()["subjects"][0], "Ann");
    home.printed(&["keys", "revoke", "1"]);
    becomes(&server, &old, 404);
    assert_eq!(server.get(SUBJECTS, &new).status, 200);
    drop(server);
    let listed = home.printed(&["keys", "list"]);
    let lines: Vec<&str> = listed.lines().collect();
    assert!(
        lines[0].contains("front door") && lines[0].contains("taken back"),
        "{listed}"
    );
    assert!(
        lines[1].starts_with("2\trecognition") && lines[1].contains("good"),
        "{listed}"
    );
    assert!(!listed.contains(&old) && !listed.contains(&new), "{listed}");
    let json = home.printed(&["keys", "list", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json[0]["revoked"], &json[1]["revoked"]),
        (&true.into(), &false.into())
    );
    assert!(json[0]["used_at_ms"].is_i64(), "{json}");
    let unknown = home.run(&["keys", "revoke", "99"]);
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert!(
        unknown.status.code() == Some(4) && said.contains("keys list"),
        "{said}"
    );
}

#[test]
fn a_key_comes_from_stdin_and_never_from_the_arguments() {
    let home = Home::empty();
    let key = "7a2b9c4d-13e5-4f60-8a9b-0c1d2e3f4a5b";
    let mut command = home.command(&[
        "key",
        "recognition",
        "--key-file",
        "-",
        "--expires-days",
        "1",
    ]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{key}").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), key);
    let server = home.serve();
    assert_eq!(server.get(SUBJECTS, key).status, 200);
    let listed = home.printed(&["keys", "list"]);
    assert!(
        listed.contains("ends in 23 hours") || listed.contains("ends in 1 day"),
        "{listed}"
    );
    let wrong = home.secret("wrong", "my-password");
    let refused = home.run(&["key", "recognition", "--key-file", &wrong]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        said.contains("an API key is wanted") && !said.contains("my-password"),
        "{said}"
    );
}

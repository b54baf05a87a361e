//! What is kept, what is erased, and who can read it.

use rusqlite::Connection;
use serde_json::json;

use crate::server_fixture::{Home, Server, portrait};

const NAME: &str = "Ida Zwoelfender";

fn enrol(server: &Server, key: &str, name: &str, number: usize) -> String {
    let path = format!("faces?subject={}", name.replace(' ', "%20"));
    let answer = server.send(&path, key, &portrait(number));
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["image_id"].as_str().unwrap().to_owned()
}

fn who(server: &Server, key: &str, number: usize) -> Option<String> {
    let answer = server.send("recognize", key, &portrait(number)).json();
    let best = &answer["result"][0]["subjects"][0];
    (best["similarity"].as_f64()? > 0.99).then(|| best["subject"].as_str().unwrap().to_owned())
}

/// The sealed vector and image of every example, as they are in the file.
fn sealed(home: &Home) -> Vec<Vec<u8>> {
    let db = Connection::open(home.path("vault.db")).unwrap();
    let mut rows = db.prepare("SELECT vector, image FROM example").unwrap();
    let rows = rows.query_map([], |r| Ok([r.get(0)?, r.get(1)?])).unwrap();
    rows.flat_map(|r: rusqlite::Result<[Vec<u8>; 2]>| r.unwrap())
        .collect()
}

fn holding(home: &Home, bytes: &[u8]) -> Vec<std::path::PathBuf> {
    let holds = |file: &[u8]| file.windows(bytes.len()).any(|w| w == bytes);
    let files = home.bytes().into_iter().filter(|(_, file)| holds(file));
    files.map(|(path, _)| path).collect()
}

#[test]
fn what_was_enrolled_is_there_after_a_kill_and_nobody_can_read_it_without_the_key() {
    let home = Home::new();
    let server = home.serve();
    enrol(&server, &home.key, NAME, 1);
    let photo = portrait(1);
    for secret in [
        NAME.as_bytes(),
        &photo[photo.len() / 2..][..64],
        home.key.as_bytes(),
        b"household",
    ] {
        let found = holding(&home, secret);
        assert!(found.is_empty(), "{found:?} hold {secret:?}");
    }
    server.signal("-KILL");
    drop(server);
    let server = home.serve();
    assert_eq!(who(&server, &home.key, 1).as_deref(), Some(NAME));
    drop(server);
    let before = std::fs::read(home.path("vault.db")).unwrap();
    let wrong = "0".repeat(64);
    let mut serve = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    let output = serve.env("FUSIFORM_VAULT_KEY", wrong).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("nothing was changed"), "{said}");
    let same = before == std::fs::read(home.path("vault.db")).unwrap();
    assert!(same, "the file was changed");
}

#[test]
fn an_erased_person_leaves_no_byte_while_the_server_runs() {
    let home = Home::new();
    let server = home.serve();
    let id = enrol(&server, &home.key, NAME, 1);
    enrol(&server, &home.key, "Bo", 2);
    let records = sealed(&home);
    assert_eq!(records.len(), 4);
    for record in &records {
        assert!(!holding(&home, &record[..24]).is_empty());
    }
    let path = "/api/v1/recognition/subjects/ida%20zwoelfender";
    let gone = server.ask("DELETE", path, &home.key, None);
    assert_eq!(gone.json(), json!({"subject": NAME}));
    for record in records {
        let left = !holding(&home, &record[..24]).is_empty();
        let kept = sealed(&home).contains(&record);
        assert_eq!(left, kept, "only Bo's two records are left");
    }
    let image = format!("/api/v1/recognition/faces/{id}/img");
    assert!(server.get(&image, &home.key).body.is_empty());
    assert_ne!(who(&server, &home.key, 1).as_deref(), Some(NAME));
    let verified = home.printed(&["audit", "verify"]);
    assert!(verified.contains("none altered"), "{verified}");
}

#[test]
fn an_erasure_says_whether_its_bytes_are_gone_and_readiness_when_they_are() {
    let home = Home::new();
    let admin = home.make_key("admin");
    let server = home.serve();
    for (name, number) in [("Ida", 1), ("Bo", 2), ("Cy", 3)] {
        enrol(&server, &home.key, name, number);
    }
    let erase = |path: &str, key: &str| {
        let path = format!("/api/fusiform/v1/{path}");
        server.ask("DELETE", &path, key, None).json()
    };
    let ready = |word: &str| {
        let probe = server.get("/readyz", "");
        let line = format!("bytes of what was erased: {word}");
        probe.status == 200 && String::from_utf8_lossy(&probe.body).contains(&line)
    };
    let gone = erase("people/Cy", &home.key);
    let told = json!({"name": "Cy", "n_faces": 1, "erased": "matching stopped", "bytes": "gone"});
    assert_eq!(gone, told);
    assert!(ready("gone"));

    let record = sealed(&home).remove(0);
    // As a backup reads: one transaction for its whole time. Until it ends this process must not
    // open the files otherwise: closing them would drop SQLite's locks.
    let reader = Connection::open(home.path("vault.db")).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM example;")
        .unwrap();
    let held = erase("people/Ida", &home.key);
    assert_eq!(held["erased"], "matching stopped");
    assert_eq!(held["bytes"], "pending");
    let found = server.put_image("identify", &home.key, &portrait(1)).json();
    assert_ne!(found["faces"][0]["person"], "Ida", "{found}");
    assert!(ready("pending"));
    let all = server.get("/api/fusiform/v1/collections", &admin).json();
    let number = all["collections"][0]["number"].as_i64().unwrap();
    let removed = erase(&format!("collections/{number}"), &admin);
    assert_eq!(
        (&removed["erased"], &removed["bytes"]),
        (&json!("matching stopped"), &json!("pending"))
    );
    reader.execute_batch("COMMIT").unwrap();
    let begun = std::time::Instant::now();
    while !ready("gone") {
        assert!(begun.elapsed().as_secs() < 30, "the bytes never go");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(holding(&home, &record[..24]).is_empty());
}

#[test]
fn whose_consent_ends_stops_matching_at_once_and_is_erased_by_itself() {
    let home = Home::new();
    let server = home.serve();
    let now = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_millis() as i64;
    let consent = |end: i64| json!({"basis": "consent", "purpose": "door", "expires_at_ms": end});
    let person = "/api/fusiform/v1/people/Ida";
    let put = |end| server.json("PUT", person, &home.key, &consent(end));
    assert_eq!(put(now + 600_000).status, 200);
    let enrolled = server.put_image("people/Ida/faces", &home.key, &portrait(1));
    assert_eq!(enrolled.status, 200, "{enrolled:?}");
    let identify = || server.put_image("identify", &home.key, &portrait(1)).json();
    assert_eq!(identify()["faces"][0]["person"], "Ida");
    assert_eq!(put(now - 1).status, 200);
    assert_eq!(identify()["faces"][0]["person"], json!(null));
    let people = "/api/fusiform/v1/people";
    server.wait_for(people, &home.key, |a| a["people"] == json!([]));
    let log = home.printed(&["audit", "list"]);
    assert!(log.contains("\texpire\t"), "{log}");
}

#[test]
fn a_copy_made_in_use_comes_back_elsewhere_and_a_new_key_replaces_the_old() {
    let home = Home::new();
    let server = home.serve();
    enrol(&server, &home.key, NAME, 1);
    let copy = home.path("monday.db");
    home.printed(&["vault", "backup", copy.to_str().unwrap()]);
    let refused = home.run(&["vault", "rekey", "new.key"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("stop the server first"), "{said}");
    drop(server);

    let elsewhere = Home::empty();
    std::fs::copy(home.path("vault.key"), elsewhere.path("vault.key")).unwrap();
    elsewhere.printed(&["vault", "restore", copy.to_str().unwrap()]);
    let server = elsewhere.serve();
    assert_eq!(who(&server, &home.key, 1).as_deref(), Some(NAME));
    drop(server);

    let new = elsewhere.path("new.key");
    elsewhere.printed(&["vault", "rekey", new.to_str().unwrap()]);
    let old = elsewhere.run(&["audit", "verify"]);
    assert_eq!(old.status.code(), Some(4));
    let new = new.to_str().unwrap();
    let server = elsewhere.serve_with(&[("FUSIFORM_VAULT_KEY_FILE", new)]);
    assert_eq!(who(&server, &home.key, 1).as_deref(), Some(NAME));
}

#[test]
fn a_vault_whose_log_was_cut_is_not_ready_and_says_why() {
    let home = Home::new();
    let server = home.serve();
    enrol(&server, &home.key, NAME, 1);
    assert_eq!(server.get("/readyz", "").status, 200);
    drop(server);
    let db = Connection::open(home.path("vault.db")).unwrap();
    let cut = "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit)";
    db.execute(cut, []).unwrap();
    drop(db);
    let server = home.serve();
    let probe = server.get("/readyz", "");
    let said = String::from_utf8_lossy(&probe.body).into_owned();
    assert!(probe.status == 503 && said.contains("audit log"), "{said}");
    assert_eq!(server.get("/healthz", "").status, 200);
    let refused = server.send("recognize", &home.key, &portrait(1));
    assert_eq!(refused.status, 503, "{refused:?}");
    let refused = server.put_image("identify", &home.key, &portrait(1));
    let kind = "urn:fusiform:problem:log_broken";
    assert_eq!(
        (refused.status, &refused.json()["type"]),
        (503, &json!(kind))
    );
    assert_eq!(refused.retry_after, None, "waiting does not help");
    let (_, log) = server.stop();
    assert!(
        log.matches("audit log").count() > 1,
        "start and request are logged: {log}"
    );
}

#[test]
fn no_key_name_image_or_embedding_reaches_the_log() {
    let home = Home::new();
    let server = Server::start(home.command(&["-vv", "serve", "--listen", "127.0.0.1:0"]));
    enrol(&server, &home.key, NAME, 1);
    let full = server.send("recognize?face_plugins=calculator", &home.key, &portrait(1));
    let numbers = full.json()["result"][0]["embedding"]
        .as_array()
        .unwrap()
        .clone();
    let wrong = "11111111-2222-4333-8444-555555555555";
    assert_eq!(server.get("/api/v1/recognition/faces", wrong).status, 404);
    server.send("recognize", &home.key, b"not an image at all");
    server.get(&format!("/api/v1/static/{}/images/x", home.key), "");
    server.put_image("people/Nobody/faces", &home.key, &portrait(1));
    let (_, said) = server.stop();
    assert!(said.contains("serving on"), "{said}");
    let first = numbers[0].to_string();
    for secret in [&*home.key, wrong, NAME, "Nobody", "not an image", &first] {
        assert!(!said.contains(secret), "{secret} is in the log: {said}");
    }
}

//! The disk is full, or takes nothing: what is answered, what goes on, and how it ends. A full disk
//! is a small file system of its own, and the test a process of its own that sees it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::server_fixture::{Answer, Home, Server, portrait};

/// Runs a test again, with a file system of a few MiB for its temporary files; `true` in that run.
fn on_a_small_disk(test: &str) -> bool {
    if std::env::var_os("SMALL_DISK").is_some() {
        return true;
    }
    let dir = tempfile::tempdir().unwrap();
    let mount = format!(
        "mount -t tmpfs -o size=12m small '{}'",
        dir.path().display()
    );
    let unshare = |script: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["-rm", "sh", "-c", script]).output()
    };
    if !unshare(&mount).is_ok_and(|o| o.status.success()) {
        let why = "this machine gives no file system of a size of one's own";
        fusiform_skips::skip(
            why,
            "run as a user who may make user namespaces (unshare -rm)",
        );
        return false;
    }
    let exe = std::env::current_exe().unwrap();
    let script = format!(
        "{mount} && TMPDIR='{0}' SMALL_DISK='{0}' exec '{1}' --exact {test} --nocapture",
        dir.path().display(),
        exe.display()
    );
    let ran = unshare(&script).unwrap();
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
    false
}

/// Takes the room that is left, but for less than a page.
fn fill() -> PathBuf {
    let path = Path::new(&std::env::var_os("SMALL_DISK").unwrap()).join("fill");
    let mut file = File::create(&path).unwrap();
    while file.write_all(&[0; 1024]).is_ok() {}
    path
}

/// Status and kind of problem.
fn kind(answer: &Answer) -> (u16, String) {
    let kind = answer.json()["type"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (answer.status, kind.replace("urn:fusiform:problem:", ""))
}

fn readiness(server: &Server) -> (u16, String) {
    let probe = server.get("/readyz", "");
    (
        probe.status,
        String::from_utf8_lossy(&probe.body).into_owned(),
    )
}

fn until_ready(server: &Server) {
    let begun = Instant::now();
    while readiness(server).0 != 200 {
        assert!(
            begun.elapsed() < Duration::from_secs(40),
            "never ready again"
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn consent() -> Value {
    json!({"basis": "consent", "purpose": "door", "expires_at_ms": null})
}

/// An image that takes room.
fn large_portrait(number: usize) -> Vec<u8> {
    [portrait(number), vec![0; 300_000]].concat()
}

#[test]
fn on_a_full_disk_every_change_is_507_recognition_goes_on_and_readiness_says_why() {
    if !on_a_small_disk(
        "full_disk::on_a_full_disk_every_change_is_507_recognition_goes_on_and_readiness_says_why",
    ) {
        return;
    }
    let home = Home::new();
    let admin = home.make_key("admin");
    let server = home.serve_with(&[("FUSIFORM_PAGES", "false")]);
    let api = "/api/fusiform/v1";
    let ida = format!("{api}/people/Ida");
    assert_eq!(server.json("PUT", &ida, &home.key, &consent()).status, 200);
    let enrol = || server.put_image("people/Ida/faces", &home.key, &large_portrait(1));
    assert_eq!(enrol().status, 200);
    let who = || server.put_image("identify", &home.key, &portrait(1));
    assert_eq!(readiness(&server).0, 200);

    let filled = fill();
    let full = (507, "disk_full".to_owned());
    assert_eq!(kind(&enrol()), full);
    let (status, why) = readiness(&server);
    assert!(
        status == 503 && why.contains("the disk that holds the vault is full"),
        "{why}"
    );
    // What is small may find a page that is there; it is never another failure.
    let changes = [
        server.json("PUT", &format!("{api}/people/Bo"), &home.key, &consent()),
        server.json(
            "POST",
            &format!("{api}/collections"),
            &admin,
            &json!({
            "kind": "detection", "basis": "household", "purpose": "x".repeat(400)}),
        ),
        server.ask("DELETE", &ida, &home.key, None),
    ];
    for change in changes {
        assert!(matches!(change.status, 200 | 507), "{change:?}");
    }
    let batch = server.send("faces?subject=Cy", &home.key, &large_portrait(2));
    assert_eq!(
        (batch.status, &batch.json()["code"]),
        (507, &json!(0)),
        "{batch:?}"
    );
    for _ in 0..20 {
        assert_eq!(who().status, 200);
    }
    assert_eq!(server.get("/healthz", "").status, 200);
    assert_eq!(readiness(&server).0, 503, "until there is room");

    std::fs::remove_file(filled).unwrap();
    // Nobody asks for anything meanwhile: a supervisor has taken the server out.
    until_ready(&server);
    assert_eq!(server.json("PUT", &ida, &home.key, &consent()).status, 200);
    assert_eq!(enrol().status, 200);
    assert_eq!(who().json()["faces"][0]["person"], "Ida");
    let (_, said) = server.stop();
    assert!(
        said.contains("the disk that holds the vault is full"),
        "{said}"
    );
    home.printed(&["audit", "verify"]);
}

#[test]
fn a_decision_on_the_pages_that_finds_no_room_is_507_and_the_album_is_not_ready() {
    if !on_a_small_disk(
        "full_disk::a_decision_on_the_pages_that_finds_no_room_is_507_and_the_album_is_not_ready",
    ) {
        return;
    }
    let home = Home::empty();
    let album = home.path("album");
    std::fs::create_dir(&album).unwrap();
    for number in 1..=3 {
        let name = format!("{number}.jpg");
        std::fs::write(album.join(name), portrait(number)).unwrap();
    }
    home.printed(&["scan", album.to_str().unwrap()]);
    let server = home.serve();
    let page = server.get("/faces", "");
    assert_eq!(page.status, 200);
    let (cookie, token) = crate::server_fixture::form_secrets(&server, "/scan");
    let name = |name: &str| {
        let body = format!("token={token}&do=is&name={name}");
        server.post_form("/faces/1/is", &cookie, &body)
    };
    let (status, said) = name("Ida");
    assert!(matches!(status, 200 | 303), "{status} {said}");
    let filled = fill();
    let mut statuses = Vec::new();
    // What is small may find a page that is there, for some time.
    for n in 0..2000 {
        statuses.push(name(&format!("Ida{n}")).0);
        if statuses.last() == Some(&507) {
            break;
        }
    }
    assert_eq!(statuses.last(), Some(&507), "{statuses:?}");
    let (status, why) = readiness(&server);
    assert!(
        status == 503 && why.contains("the disk that holds the album is full"),
        "{why}"
    );
    std::fs::remove_file(filled).unwrap();
    until_ready(&server);
    assert!(matches!(name("Bo").0, 200 | 303));
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_grow_is_503_and_no_end_of_the_server() {
    let home = Home::new();
    let command = home.command(&["-q", "serve", "--listen", "127.0.0.1:0", "--no-pages"]);
    // In units of 512 bytes or of 1 KiB: the vault's log may grow to one or two MiB.
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f 2048; exec \"$0\" \"$@\""]);
    limited.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let server = Server::start(limited);
    let ida = "/api/fusiform/v1/people/Ida";
    assert_eq!(server.json("PUT", ida, &home.key, &consent()).status, 200);
    let enrol = || server.put_image("people/Ida/faces", &home.key, &large_portrait(1));
    let mut last = enrol();
    for _ in 0..20 {
        if last.status != 200 {
            break;
        }
        last = enrol();
    }
    assert_eq!(kind(&last), (503, "disk_fails".into()));
    let (status, why) = readiness(&server);
    assert!(status == 503 && why.contains("cannot be written"), "{why}");
    for _ in 0..5 {
        let who = server.put_image("identify", &home.key, &portrait(1));
        assert_eq!(who.json()["faces"][0]["person"], "Ida");
    }
    drop(server);
    let server = home.serve();
    assert_eq!(enrol_again(&server, &home.key), 200);
    drop(server);
    home.printed(&["audit", "verify"]);
}

fn enrol_again(server: &Server, key: &str) -> u16 {
    server
        .put_image("people/Ida/faces", key, &portrait(2))
        .status
}

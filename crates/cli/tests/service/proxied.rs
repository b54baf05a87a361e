//! The server behind a proxy: another host, another path, another client's address; and signals.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::server_fixture::{Home, Server};

fn ask(server: &Server, head: &str) -> String {
    let mut line = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    write!(
        line,
        "{}\r\nConnection: close\r\n\r\n",
        head.replace('\n', "\r\n")
    )
    .unwrap();
    let mut answer = String::new();
    line.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn pages_are_shown_under_another_name_and_path() {
    let home = Home::new();
    let behind = [
        ("FUSIFORM_TRUSTED_PROXIES", "127.0.0.0/8, ::1"),
        ("FUSIFORM_ALLOWED_HOSTS", "photos.example"),
    ];
    let server = home.serve_with(&behind);
    let shown = ask(
        &server,
        "GET /people HTTP/1.1\nHost: 127.0.0.1\nX-Forwarded-Host: photos.example\n\
         X-Forwarded-Proto: https\nX-Forwarded-Prefix: /faces",
    );
    assert!(shown.starts_with("HTTP/1.1 200"), "{shown}");
    assert!(shown.contains("href=\"/faces/groups\""), "{shown}");
    assert!(!shown.contains("href=\"/groups\""), "{shown}");
    assert!(
        shown.contains("Path=/faces/") && shown.contains("Secure"),
        "{shown}"
    );
    let redirect = ask(
        &server,
        "GET / HTTP/1.1\nHost: photos.example\nX-Forwarded-Prefix: /f",
    );
    assert!(
        redirect.to_lowercase().contains("location: /f/people"),
        "{redirect}"
    );
    let foreign = ask(
        &server,
        "GET /people HTTP/1.1\nHost: 127.0.0.1\nX-Forwarded-Host: evil.example",
    );
    assert!(foreign.starts_with("HTTP/1.1 421"), "{foreign}");
    drop(server);

    let server = home.serve_with(&[("FUSIFORM_BASE_PATH", "/faces")]);
    let shown = ask(&server, "GET /faces/people HTTP/1.1\nHost: localhost");
    assert!(shown.contains("href=\"/faces/groups\""), "{shown}");
    let api = ask(&server, "GET /faces/healthz HTTP/1.1\nHost: localhost");
    assert!(api.starts_with("HTTP/1.1 200"), "{api}");
    let untrusted = ask(
        &server,
        "GET /people HTTP/1.1\nHost: evil\nX-Forwarded-Host: localhost",
    );
    assert!(untrusted.starts_with("HTTP/1.1 421"), "{untrusted}");
}

#[test]
fn a_form_passes_a_proxy_that_writes_its_own_host() {
    let home = Home::new();
    let server = home.serve_with(&[("FUSIFORM_ALLOWED_HOSTS", "photos.example")]);
    let shown = ask(&server, "GET /scan HTTP/1.1\nHost: 127.0.0.1:8000");
    let (_, cookie) = shown.split_once("fusiform_page=").unwrap();
    let cookie = &cookie[..64];
    let (_, token) = shown.split_once("name=\"token\" value=\"").unwrap();
    let token = &token[..64];
    let post = |origin: &str| {
        let body = format!("token={token}&folder=/nowhere/at/all");
        ask(
            &server,
            &format!(
                "POST /scan HTTP/1.1\nHost: 127.0.0.1:8000\nOrigin: {origin}\n\
                 Cookie: fusiform_page={cookie}\nContent-Type: application/x-www-form-urlencoded\n\
                 Content-Length: {}\nConnection: close\n\n{body}",
                body.len()
            ),
        )
    };
    let taken = post("https://photos.example");
    assert!(!taken.starts_with("HTTP/1.1 403"), "{taken}");
    let refused = post("https://evil.example");
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
}

#[test]
fn settings_of_a_proxy_that_cannot_be_used_are_named() {
    let home = Home::new();
    for (name, value, word) in [
        ("FUSIFORM_TRUSTED_PROXIES", "nginx", "trusted_proxies"),
        ("FUSIFORM_BASE_PATH", "faces\"", "base_path"),
    ] {
        let output = home.command(&["serve"]).env(name, value).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(word) && said.contains("is not"), "{said}");
        assert_eq!(output.status.code(), Some(4));
    }
}

#[cfg(unix)]
#[test]
fn a_hangup_reads_keys_again_and_ends_nothing() {
    let home = Home::new();
    let server = Server::start(home.command(&["serve", "--listen", "127.0.0.1:0"]));
    server.signal("-HUP");
    assert_eq!(server.get("/readyz", "").status, 200);
    let later = home.make_key("recognition");
    server.signal("-HUP");
    let subjects = "/api/v1/recognition/subjects";
    // The signal's answer is a line in the log, some moments later.
    let known = || server.get(subjects, &later).status == 200;
    let begun = std::time::Instant::now();
    while !known() {
        assert!(begun.elapsed().as_secs() < 10, "the new key stays unknown");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let (code, said) = server.stop();
    assert!(
        code == Some(0) && said.contains("API keys were read again"),
        "{said}"
    );
}

//! Requests that are too many, too large or too slow are refused, and the server goes on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::server_fixture::{Home, Server, form, portrait};

#[test]
fn a_key_that_asks_too_often_is_told_when_to_come_back() {
    let home = Home::new();
    let server = home.serve_with(&[("FUSIFORM_RATE_PER_S", "1")]);
    let asked: Vec<_> = (0..6)
        .map(|_| server.get("/api/v1/recognition/subjects", &home.key))
        .collect();
    assert_eq!(asked[0].status, 200);
    let late = asked.iter().find(|a| a.status == 429).expect("a refusal");
    assert_eq!(late.retry_after.as_deref(), Some("1"));
    assert_eq!(server.get("/healthz", "").status, 200);
}

#[test]
fn a_full_queue_refuses_and_goes_on() {
    let home = Home::new();
    let server = home.serve_with(&[("FUSIFORM_QUEUE", "1")]);
    let recognise = || server.send("recognize", &home.key, &portrait(1));
    let answers: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..12).map(|_| scope.spawn(recognise)).collect();
        clients.into_iter().map(|c| c.join().unwrap()).collect()
    });
    let of = |status| answers.iter().filter(|a| a.status == status).count();
    assert_eq!(of(200) + of(503), 12, "{answers:?}");
    assert!(of(200) > 0 && of(503) > 0, "{answers:?}");
    let refused = answers.iter().find(|a| a.status == 503).unwrap();
    assert_eq!(refused.retry_after.as_deref(), Some("1"));
    assert_eq!(recognise().status, 200);
}

/// Sends some bytes and no more; gives what comes back until the server closes.
fn half(server: &Server, bytes: &[u8]) -> String {
    let mut line = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    line.set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    line.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    line.read_to_end(&mut answer).expect("the server hangs up");
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn slow_heads_and_bodies_are_given_up_on() {
    let home = Home::new();
    let server = home.serve_with(&[("FUSIFORM_TIMEOUT_MS", "500")]);
    half(
        &server,
        b"POST /api/v1/recognition/recognize HTTP/1.1\r\nHost:",
    );
    let head = format!(
        "POST /api/v1/recognition/recognize HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-api-key: \
            {}\r\n\
         Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{",
        home.key
    );
    let answer = half(&server, head.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.to_lowercase().contains("retry-after: 1"), "{answer}");
    assert_eq!(server.get("/healthz", "").status, 200);
}

#[test]
fn a_stop_lets_the_request_under_way_end() {
    let home = Home::new();
    let server = home.serve();
    let body = form(&portrait(1));
    let mut line = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    write!(
        line,
        "POST /api/v1/recognition/recognize HTTP/1.1\r\nHost: a\r\nx-api-key: {}\r\n\
         Content-Type: multipart/form-data; boundary={}\r\nContent-Length: {}\r\n\r\n",
        home.key,
        crate::server_fixture::BOUNDARY,
        body.len()
    )
    .unwrap();
    line.write_all(&body[..100]).unwrap();
    // The server has read the head once it answers another request.
    assert_eq!(server.get("/readyz", "").status, 200);
    server.signal("-TERM");
    line.write_all(&body[100..]).unwrap();
    let mut answer = String::new();
    line.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(server.stop_after_signal(), Some(0));
}

/// A certificate for this machine, and its key; `false` without openssl.
fn make_certificate(certificate: &Path, key: &Path) -> bool {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=IP:127.0.0.1,DNS:localhost",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(certificate)
        .output();
    made.is_ok_and(|o| o.status.success())
}

fn agent_trusting(certificate: &Path) -> ureq::Agent {
    let pem = std::fs::read(certificate).unwrap();
    let root = ureq::tls::Certificate::from_pem(&pem).unwrap();
    let tls = ureq::tls::TlsConfig::builder()
        .root_certs(ureq::tls::RootCerts::new_with_certs(&[root]))
        .build();
    let config = ureq::Agent::config_builder().tls_config(tls);
    config.proxy(None).build().into()
}

#[test]
fn it_speaks_tls_with_the_certificate_given() {
    let home = Home::new();
    let (certificate, key) = (home.path("cert.pem"), home.path("key.pem"));
    if !make_certificate(&certificate, &key) {
        fusiform_skips::skip("openssl is not here", "install openssl");
        return;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let everybody = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(&key, everybody).unwrap();
    }
    let mut command = home.command(&["-q", "serve", "--listen", "127.0.0.1:0"]);
    command
        .arg("--tls-cert")
        .arg(&certificate)
        .arg("--tls-key")
        .arg(&key);
    let mut server = Server::start(command);
    assert!(server.address.starts_with("https://"), "{}", server.address);
    server.agent = agent_trusting(&certificate);
    let answer = server.send("recognize", &home.key, &portrait(1));
    assert_eq!(answer.status, 200);
    let plain = half(&server, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(!plain.contains("HTTP/1.1 200"), "{plain}");

    assert!(make_certificate(&certificate, &key));
    server.signal("-HUP");
    let renewed = agent_trusting(&certificate);
    let begun = std::time::Instant::now();
    while renewed
        .get(format!("{}/healthz", server.address))
        .call()
        .is_err()
    {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "the old certificate stays"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    let (_, said) = server.stop();
    assert!(
        said.contains("every user of this machine can read this key"),
        "{said}"
    );

    let wrong = home.run(&["serve", "--tls-cert", "no.pem", "--tls-key", "no.pem"]);
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert!(
        wrong.status.code() == Some(4) && said.contains("no.pem"),
        "{said}"
    );
}

#[test]
fn one_vault_has_one_server() {
    let home = Home::new();
    let _server = home.serve();
    let second = home.run(&["serve", "--listen", "127.0.0.1:0"]);
    let said = String::from_utf8_lossy(&second.stderr);
    assert!(said.contains("another process has this vault"), "{said}");
}

#[test]
fn settings_come_from_file_environment_and_flags_in_that_order() {
    let home = Home::new();
    std::fs::write(
        home.path("config.toml"),
        "[serve]\npages = false\nrate_per_s = 1\n",
    )
    .unwrap();
    let pages = |server: &Server| server.get("/people", "").status;
    assert_eq!(pages(&home.serve()), 404);
    let server = home.serve_with(&[("FUSIFORM_PAGES", "true"), ("FUSIFORM_RATE_PER_S", "0")]);
    assert_eq!(pages(&server), 200);
    drop(server);
    let mut command = home.command(&["-q", "serve", "--listen", "127.0.0.1:0", "--no-pages"]);
    command.env("FUSIFORM_PAGES", "true");
    assert_eq!(pages(&Server::start(command)), 404);
    std::fs::write(home.path("config.toml"), "[serve]\nqueu = 1\n").unwrap();
    let wrong = home.run(&["serve"]);
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert!(said.contains("queu"), "{said}");
}

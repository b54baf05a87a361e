//! Nobody stops everybody: what one client takes, with a key or without, another does not miss.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::server_fixture::{Home, Server, portrait};

fn connect(server: &Server) -> TcpStream {
    let line = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    let patience = Some(Duration::from_secs(30));
    line.set_read_timeout(patience).unwrap();
    line
}

/// What comes back until the server closes; empty if it only closes.
fn rest(mut line: TcpStream) -> String {
    let mut answer = Vec::new();
    // A connection that is reset has ended too.
    drop(line.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn half_open_heads_keep_nobody_out() {
    let home = Home::new();
    let few = [
        ("FUSIFORM_CONNECTIONS", "64"),
        ("FUSIFORM_CONNECTIONS_PER_ADDRESS", "32"),
    ];
    let server = home.serve_with(&few);
    let mut half_open = Vec::new();
    for n in 0..200 {
        let mut line = connect(&server);
        // Those that gave way are closed; writing to them may fail.
        drop(line.write_all(b"GET /healthz HTTP/1.1\r\nHost:"));
        half_open.push(line);
        if n % 50 == 49 {
            assert_eq!(server.get("/healthz", "").status, 200, "with {n} half-open");
            assert_eq!(
                server.send("recognize", &home.key, &portrait(1)).status,
                200
            );
        }
    }
    let oldest = half_open.swap_remove(0);
    assert_eq!(rest(oldest), "", "the oldest gave way");
}

#[test]
fn slow_uploads_hold_only_what_they_have_sent() {
    let home = Home::new();
    let other = home.make_key("recognition");
    let settings = [
        ("FUSIFORM_BODY_MEMORY_MIB", "4"),
        ("FUSIFORM_MIN_UPLOAD_BYTES_PER_S", "1000000"),
    ];
    let server = home.serve_with(&settings);
    let slow: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut line = connect(&server);
            write!(
                line,
                "POST /api/fusiform/v1/identify HTTP/1.1\r\nHost: a\r\nx-api-key: {}\r\n\
                 Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
                home.key
            )
            .unwrap();
            line
        })
        .collect();
    for _ in 0..3 {
        assert_eq!(server.send("recognize", &other, &portrait(1)).status, 200);
    }
    for line in slow {
        let answer = rest(line);
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(answer.contains("urn:fusiform:problem:too_slow"), "{answer}");
    }
}

#[test]
fn a_key_that_holds_its_share_of_the_memory_leaves_the_rest() {
    let home = Home::new();
    let other = home.make_key("recognition");
    let server = home.serve_with(&[("FUSIFORM_BODY_MEMORY_MIB", "2")]);
    let hold = || {
        let mut held = connect(&server);
        write!(
            held,
            "POST /api/fusiform/v1/identify HTTP/1.1\r\nHost: a\r\nx-api-key: {}\r\n\
             Content-Length: 2000000\r\n\r\n",
            home.key
        )
        .unwrap();
        held.write_all(&[0; 900_000]).unwrap();
        held.set_nonblocking(true).unwrap();
        held
    };
    let mut held = hold();
    let image = [portrait(1), vec![0; 300_000]].concat();
    let begun = std::time::Instant::now();
    // The server has read what was sent once the second request is refused.
    while server.put_image("identify", &home.key, &image).status != 429 {
        assert!(begun.elapsed() < Duration::from_secs(30), "never refused");
        // Of the two it may have been the first that was refused.
        if held.read(&mut [0]).is_ok() {
            held = hold();
        }
    }
    let answer = server.put_image("identify", &other, &image);
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_key_with_a_full_queue_is_refused_and_another_is_served() {
    let home = Home::new();
    let other = home.make_key("recognition");
    let server = home.serve_with(&[("FUSIFORM_QUEUE", "2")]);
    std::thread::scope(|scope| {
        let greedy: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let send = || server.send("recognize", &home.key, &portrait(1)).status;
                    (0..5).map(|_| send()).collect::<Vec<_>>()
                })
            })
            .collect();
        for _ in 0..5 {
            let answer = server.send("recognize", &other, &portrait(2));
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        let statuses: Vec<u16> = greedy.into_iter().flat_map(|g| g.join().unwrap()).collect();
        assert!(statuses.contains(&503), "{statuses:?}");
        assert!(
            statuses.iter().all(|s| matches!(s, 200 | 503)),
            "{statuses:?}"
        );
    });
}

#[test]
fn wrong_keys_are_limited_by_address_noted_and_delay_no_right_key() {
    let home = Home::new();
    let server = Server::start(home.command(&["serve", "--listen", "127.0.0.1:0"]));
    let wrong = |n: u32| format!("{n:08x}-9c3d-4e7f-8a1b-6d5c2b0f4e9a");
    let subjects = "/api/v1/recognition/subjects";
    let statuses: Vec<u16> = (0..60)
        .map(|n| server.get(subjects, &wrong(n)).status)
        .collect();
    assert_eq!(statuses[0], 404);
    assert_eq!(statuses[59], 429);
    assert_eq!(
        server.get("/api/fusiform/v1/people", &wrong(99)).status,
        429
    );
    assert_eq!(server.get(subjects, &home.key).status, 200);
    let detection = home.make_key("detection");
    let path = "/api/v1/detection/detect";
    // Known within seconds; then a right key in the wrong place is told so and not made to wait.
    let begun = std::time::Instant::now();
    while server.get(path, &detection).status == 429 {
        assert!(begun.elapsed() < Duration::from_secs(30), "never known");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(server.get(subjects, &detection).status, 404);
    let (_, said) = server.stop();
    assert!(said.contains("unknown API key from 127.0.0.1"), "{said}");
    assert!(!said.contains("-9c3d-4e7f"), "a key is in the log: {said}");
}

//! Cameras: a small one in here that sends JPEGs as cameras do, a webhook that checks signatures.
//! Ida is enrolled by one photo; another photo of hers passes, and strangers'.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use image::{ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};

use super::mqtt_fixture::Broker;
use super::server_fixture::{Home, Server, portrait};

const PATIENCE: Duration = Duration::from_secs(60);
const IDA: usize = 1;
/// Ida, in the photo that she is enrolled by.
const IDA_ENROLLED: usize = 2;
const STRANGER: usize = 5;

/// A camera over HTTP, `multipart/x-mixed-replace`; what it sees can be changed.
struct Camera {
    sees: Arc<Mutex<RgbImage>>,
    /// Connections that it had.
    connections: Arc<AtomicUsize>,
    /// Pictures of each connection, after which it hangs up; 0 is no end.
    hangs_up_after: Arc<AtomicUsize>,
    port: u16,
}

/// A room with portraits, each by its number and its place.
fn room(people: &[(usize, i64, i64)]) -> RgbImage {
    let mut room = RgbImage::from_fn(640, 480, |x, y| {
        Rgb([90 + (x / 16) as u8, 110, 80 + (y / 12) as u8])
    });
    for (number, x, y) in people {
        let person = image::load_from_memory(&portrait(*number))
            .unwrap()
            .to_rgb8();
        let person = image::imageops::thumbnail(&person, 216, 264);
        image::imageops::overlay(&mut room, &person, *x, *y);
    }
    room
}

fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

impl Camera {
    fn start() -> Camera {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let camera = Camera {
            sees: Arc::new(Mutex::new(room(&[]))),
            connections: Arc::default(),
            hangs_up_after: Arc::default(),
            port: listener.local_addr().unwrap().port(),
        };
        let (sees, connections) = (Arc::clone(&camera.sees), Arc::clone(&camera.connections));
        let hangs_up_after = Arc::clone(&camera.hangs_up_after);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (sees, hangs_up_after) = (Arc::clone(&sees), Arc::clone(&hangs_up_after));
                // A client that goes away ends its thread alone.
                std::thread::spawn(move || send(stream?, &sees, &hangs_up_after));
            }
        });
        camera
    }

    fn sees(&self, people: &[(usize, i64, i64)]) {
        *self.sees.lock().unwrap() = room(people);
    }
}

fn send(
    mut stream: TcpStream,
    sees: &Mutex<RgbImage>,
    hangs_up_after: &AtomicUsize,
) -> std::io::Result<()> {
    let mut head = [0; 2048];
    let _ = stream.read(&mut head)?;
    let kind = "multipart/x-mixed-replace; boundary=--cam";
    write!(stream, "HTTP/1.0 200 OK\r\nContent-Type: {kind}\r\n\r\n")?;
    for n in 1.. {
        let mut picture = sees.lock().unwrap().clone();
        // A sensor's noise, so that no two pictures are equal.
        for (x, y, pixel) in picture.enumerate_pixels_mut() {
            pixel[0] = pixel[0].wrapping_add(((x * 7 + y * 3 + n * 5) % 3) as u8);
        }
        let bytes = jpeg(&picture);
        write!(stream, "--cam\r\nContent-Length: {}\r\n\r\n", bytes.len())?;
        stream.write_all(&bytes)?;
        stream.write_all(b"\r\n")?;
        let last = hangs_up_after.load(Ordering::SeqCst);
        if last > 0 && n as usize >= last {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Headers and body.
type Post = (Vec<(String, String)>, String);

/// A receiver of webhooks, which refuses the first message of all for a while.
struct Hook {
    told: Arc<Mutex<Vec<Post>>>,
    port: u16,
}

impl Hook {
    fn start(n_refused: usize) -> Hook {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let told: Arc<Mutex<Vec<Post>>> = Arc::default();
        let hook = Hook {
            told: Arc::clone(&told),
            port: listener.local_addr().unwrap().port(),
        };
        std::thread::spawn(move || {
            for (n, stream) in listener.incoming().enumerate() {
                let Ok(mut stream) = stream else { continue };
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut headers = Vec::new();
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
                    if let Some((name, value)) = line.trim().split_once(": ") {
                        headers.push((name.to_ascii_lowercase(), value.to_owned()));
                    }
                    line.clear();
                }
                let length = headers.iter().find(|(name, _)| name == "content-length");
                let length = length.map_or(0, |(_, value)| value.parse().unwrap());
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let status = if n < n_refused {
                    "503 later"
                } else {
                    "204 good"
                };
                let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\n\r\n");
                let _ = stream.write_all(answer.as_bytes());
                if n >= n_refused {
                    let body = String::from_utf8(body).unwrap();
                    told.lock().unwrap().push((headers, body));
                }
            }
        });
        hook
    }

    fn told(&self) -> Vec<Value> {
        let told = self.told.lock().unwrap();
        told.iter()
            .map(|(_, body)| serde_json::from_str(body).unwrap())
            .collect()
    }
}

fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A home in which Ida is enrolled.
fn home() -> Home {
    let home = Home::new();
    let people = home.path("people/Ida");
    std::fs::create_dir_all(&people).unwrap();
    std::fs::write(people.join("1.jpg"), portrait(IDA_ENROLLED)).unwrap();
    let key_file = home.secret("recognition.key", &home.key);
    let people = home.path("people").display().to_string();
    let enrol = ["enrol", &people, "--basis", "consent", "--expires", "30d"];
    home.printed(&[&enrol[..], &["--key-file", &key_file]].concat());
    std::fs::remove_dir_all(home.path("people")).unwrap();
    home
}

fn serve(home: &Home, shared: &str, cameras: &[(&str, &str)]) -> Server {
    write_settings(home, shared, cameras);
    home.serve()
}

fn write_settings(home: &Home, shared: &str, cameras: &[(&str, &str)]) {
    let key_file = home.path("recognition.key").display().to_string();
    let mut text = format!("[serve.cameras]\nkey_file = {key_file:?}\n{shared}\n");
    for (name, settings) in cameras {
        text += &format!("[serve.camera.{name}]\n{settings}\n");
    }
    std::fs::write(home.path("config.toml"), text).unwrap();
}

fn page(server: &Server, path: &str) -> String {
    String::from_utf8_lossy(&server.get(path, "").body).into_owned()
}

/// Who the service says is in a picture: names and similarities.
fn recognised(server: &Server, key: &str, picture: &[u8]) -> Vec<(String, f64)> {
    let answer = server
        .send("recognize?det_prob_threshold=0.3", key, picture)
        .json();
    let faces = answer["result"].as_array().cloned().unwrap_or_default();
    faces
        .iter()
        .map(|face| {
            let subject = &face["subjects"][0];
            let name = subject["subject"].as_str().unwrap_or_default();
            (
                name.to_owned(),
                subject["similarity"].as_f64().unwrap_or_default(),
            )
        })
        .collect()
}

#[test]
fn who_is_enrolled_is_said_and_strangers_are_neither_said_nor_shown_nor_kept() {
    let (home, camera, hook) = (home(), Camera::start(), Hook::start(1));
    let secret = home.secret("hook.secret", "a secret");
    let shared = format!(
        "webhook = \"http://127.0.0.1:{}/faces\"\nwebhook_secret_file = {secret:?}",
        hook.port
    );
    let source = format!("source = \"http://127.0.0.1:{}/video\"", camera.port);
    let server = serve(&home, &shared, &[("door", &source)]);
    until("the camera is live", || {
        page(&server, "/readyz")
            .contains("camera door: live, JPEG")
            .then_some(())
    });
    let before = home.bytes();

    // A stranger alone: counted while they are there, and nothing else.
    camera.sees(&[(STRANGER, 380, 120)]);
    until("the stranger is seen", || {
        page(&server, "/cameras")
            .contains("1 stranger")
            .then_some(())
    });
    assert!(page(&server, "/cameras").contains("Nobody who is enrolled"));
    let still = |server: &Server| {
        let still = server.get("/cameras/door/still.jpg", "");
        (still.status == 200).then_some(still.body)
    };
    until("a picture is shown", || still(&server));
    // For longer than the view is late.
    std::thread::sleep(Duration::from_secs(3));
    for _ in 0..5 {
        let shown = still(&server).unwrap();
        assert_eq!(
            recognised(&server, &home.key, &shown),
            [],
            "the stranger is shown"
        );
        std::thread::sleep(Duration::from_millis(200));
    }

    // Ida beside the stranger.
    camera.sees(&[(STRANGER, 380, 120), (IDA, 60, 120)]);
    let told = until("Ida is told", || hook.told().pop());
    assert_eq!(
        (&told["name"], &told["camera"]),
        (&json!("Ida"), &json!("door"))
    );
    assert_eq!(told["false_match_rate"], json!(1e-4));
    assert!(told["similarity"].as_f64() > told["threshold"].as_f64());
    let headers = hook.told.lock().unwrap()[0].clone();
    assert_eq!(
        signature("a secret", &headers),
        header(&headers, "x-fusiform-signature")
    );
    let shown = until("Ida is shown", || {
        let shown = still(&server)?;
        let names = recognised(&server, &home.key, &shown);
        matches!(&names[..], [(name, similarity)] if name == "Ida" && *similarity > 0.9)
            .then_some(shown)
    });
    // The vault, which is sealed, holds Ida's one example and nobody else's; nothing else in the
    // home is a picture, or a number of the stranger's.
    let faces = server.get("/api/v1/recognition/faces", &home.key).json();
    let faces = faces["faces"].as_array().unwrap();
    assert_eq!(faces.len(), 1, "{faces:?}");
    assert_eq!(faces[0]["subject"], json!("Ida"));
    let template = template_of(&server, &home.key, STRANGER);
    for (path, bytes) in home.bytes() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let was_there = before.iter().any(|(known, _)| *known == path);
        // The album, which the pages read, is empty.
        let is_known = ["vault.db", "catalogue.db"]
            .iter()
            .any(|of| name.starts_with(of));
        assert!(was_there || is_known, "{name} is new");
        assert!(!holds(&bytes, b"\xff\xd8\xff"), "{name} holds a JPEG");
        let mut parts = template.chunks(32);
        assert!(
            !parts.any(|part| holds(&bytes, part)),
            "{name} holds the template"
        );
    }

    // Somebody else's enrolment would find the stranger in it.
    let other = home.make_key("recognition");
    let path = "/api/v1/recognition/faces?subject=Stranger";
    let kind = format!(
        "multipart/form-data; boundary={}",
        super::server_fixture::BOUNDARY
    );
    let form = super::server_fixture::form(&portrait(STRANGER));
    until("the other key opens", || {
        let added = server.ask("POST", path, &other, Some((&kind, &form)));
        (added.status == 201).then_some(())
    });
    let found = recognised(&server, &other, &shown);
    assert!(
        found.iter().all(|(_, similarity)| *similarity < 0.5),
        "{found:?}"
    );
    let page = page(&server, "/cameras/door");
    assert!(page.contains("<strong>Ida</strong> came to door"), "{page}");
    assert!(page.contains("1 in 10,000"), "{page}");

    #[cfg(target_os = "linux")]
    assert!(memory_mb(&server) < 300, "{} MB", memory_mb(&server));

    // Erased: forgotten at once, and covered from now on.
    let path = "/api/v1/recognition/subjects/Ida";
    assert_eq!(server.ask("DELETE", path, &home.key, None).status, 200);
    until("the diary forgets Ida", || {
        (!self::page(&server, "/cameras").contains("Ida")).then_some(())
    });
    until("Ida is covered", || {
        let shown = still(&server)?;
        recognised(&server, &other, &shown).is_empty().then_some(())
    });
    assert_eq!(hook.told().len(), 1, "one visit is told once");
}

/// The bytes of the numbers by which somebody could be recognised.
fn template_of(server: &Server, key: &str, number: usize) -> Vec<u8> {
    let path = "recognize?face_plugins=calculator";
    let answer = server.send(path, key, &portrait(number)).json();
    let numbers = answer["result"][0]["embedding"].as_array().unwrap().clone();
    assert!(numbers.len() >= 128, "{answer}");
    let numbers = numbers.iter().map(|n| n.as_f64().unwrap() as f32);
    numbers.flat_map(f32::to_le_bytes).collect()
}

/// The most memory that the server had.
#[cfg(target_os = "linux")]
fn memory_mb(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let (_, most) = status.split_once("VmHWM:").unwrap();
    let kb: u64 = most.split_whitespace().next().unwrap().parse().unwrap();
    kb / 1024
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn header((headers, _): &Post, name: &str) -> String {
    let found = headers.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

/// What the signature must be, by openssl.
fn signature(secret: &str, message: &Post) -> String {
    let signed = format!("{}.{}", header(message, "x-fusiform-timestamp"), message.1);
    let mut openssl = std::process::Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", secret, "-r"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    openssl
        .stdin
        .take()
        .unwrap()
        .write_all(signed.as_bytes())
        .unwrap();
    let said = openssl.wait_with_output().unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    format!(
        "sha256={}",
        said.split_whitespace().next().unwrap_or_default()
    )
}

#[test]
fn a_camera_that_hangs_up_again_and_again_is_one_visit_and_zones_and_hours_are_kept() {
    let (home, camera) = (home(), Camera::start());
    camera.hangs_up_after.store(8, Ordering::SeqCst);
    camera.sees(&[(IDA, 60, 120)]);
    let source = format!("source = \"http://127.0.0.1:{}/video\"", camera.port);
    // Her face's middle is at a quarter of the width.
    let zone = format!("{source}\nignore = [[0.0, 0.0, 0.5, 1.0]]");
    // An hour that is not now.
    let hour = hour_now();
    let (from, to) = ((hour + 10) % 24, (hour + 11) % 24);
    let closed = format!("{source}\nhours = \"{from:02}:00-{to:02}:00\"");
    let cameras = [("door", &*source), ("zone", &zone), ("closed", &closed)];
    let server = serve(&home, "again_after_s = 600", &cameras);
    until("Ida comes", || {
        page(&server, "/cameras")
            .contains("came to door")
            .then_some(())
    });
    until("it hung up five times", || {
        (camera.connections.load(Ordering::SeqCst) >= 10).then_some(())
    });
    let page = page(&server, "/cameras");
    assert_eq!(page.matches("came to door").count(), 1, "{page}");
    assert!(
        !page.contains("came to zone") && !page.contains("came to closed"),
        "{page}"
    );
    assert!(page.contains("out of its hours"), "{page}");
    // Who is in a zone that is ignored is shown to nobody either.
    let still = until("the zone's camera shows a picture", || {
        let still = server.get("/cameras/zone/still.jpg", "");
        (still.status == 200).then_some(still.body)
    });
    assert_eq!(recognised(&server, &home.key, &still), []);
    for path in [
        "/cameras/nobody",
        "/cameras/nobody/live",
        "/cameras/nobody/still.jpg",
    ] {
        assert_eq!(server.get(path, "").status, 404, "{path}");
    }
}

/// The hour of this machine's clock and time zone, by `date`.
fn hour_now() -> u32 {
    let said = std::process::Command::new("date")
        .arg("+%H")
        .output()
        .unwrap();
    String::from_utf8(said.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

#[test]
fn a_visit_is_published_as_frigates_events_are() {
    let Some(broker) = Broker::start() else {
        return;
    };
    let heard = broker.listen();
    let (home, camera) = (home(), Camera::start());
    let key_file = home.path("recognition.key").display().to_string();
    let shared = format!(
        "[serve.mqtt]\nbroker = {:?}\nkey_file = {key_file:?}",
        broker.url()
    );
    let source = format!("source = \"http://127.0.0.1:{}/video\"", camera.port);
    let server = serve(&home, &shared, &[("door", &source)]);
    camera.sees(&[(STRANGER, 380, 120)]);
    heard.find("one unknown at the door", |all| {
        let mut of = all
            .iter()
            .filter(|t| t.topic == "fusiform/cameras/door/unknown");
        of.find(|told| told.text() == "1").map(|_| ())
    });
    camera.sees(&[(IDA, 60, 120)]);
    let told = heard.nth("fusiform/matches/Ida", 0).json();
    assert_eq!(
        (&told["camera"], &told["name"]),
        (&json!("door"), &json!("Ida"))
    );
    assert_eq!(told["picture"]["source"], json!("camera"));
    let people = |n: &str| {
        let said = format!("{n} people at the door");
        heard.find(&said, |all| {
            let mut of = all
                .iter()
                .rev()
                .filter(|t| t.topic == "fusiform/cameras/door/people");
            of.next().filter(|told| told.text() == n).map(|_| ())
        });
    };
    people("1");
    camera.sees(&[]);
    let end = heard.find("the end of the visit", |all| {
        let mut ends = all.iter().filter(|told| told.topic == "fusiform/events");
        ends.find(|told| told.json()["type"] == json!("end"))
            .map(|told| told.json())
    });
    assert_eq!(end["people"][0]["name"], json!("Ida"));
    people("0");
    drop(server);
}

#[test]
fn settings_that_cannot_work_are_named() {
    let home = home();
    let key_file = home.path("recognition.key").display().to_string();
    let no_key = "[serve.camera.door]\nsource = \"rtsp://a\"\n".to_owned();
    let with_key = format!("[serve.cameras]\nkey_file = {key_file:?}\n");
    let camera = |settings: &str| format!("{with_key}[serve.camera.door]\n{settings}\n");
    for (text, wanted) in [
        (no_key, "no key_file"),
        (camera("source = \"\""), "address of a camera"),
        (
            camera("source = \"ftp://ida:secret@a\""),
            "no address of a camera",
        ),
        (
            camera("source = \"rtsp://a\"\nhours = \"7-22\""),
            "hours such as",
        ),
        (
            camera("source = \"rtsp://a\"\nlooks_per_s = 0"),
            "looks_per_s",
        ),
        (
            camera("source = \"rtsp://a\"\nignore = [[0.5, 0.0, 0.2, 1.0]]"),
            "left, top",
        ),
        (camera("source = \"rtsp://a\"\nspeed = 3"), "unknown field"),
        (
            format!(
                "{with_key}webhook = \"http://a/\"\n[serve.camera.door]\nsource = \"rtsp://a\"\n"
            ),
            "webhook_secret_file",
        ),
        (
            format!("{with_key}[serve.camera.\"a/b\"]\nsource = \"rtsp://a\"\n"),
            "letters, digits",
        ),
    ] {
        std::fs::write(home.path("config.toml"), &text).unwrap();
        let output = home.run(&["serve", "--listen", "127.0.0.1:0"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{text}");
        assert!(said.contains(wanted), "{wanted}: {said}");
        assert!(!said.contains("secret@"), "{said}");
    }
}

//! Three servers and one database, all of which are killed while people are enrolled, identified
//! and erased over all of them: nothing that was acknowledged is lost, nobody who was erased is
//! answered after that was acknowledged, and the audit log has one order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use fusiform_skips::Postgres;
use serde_json::{Value, json};

use super::server_fixture::{Answer, BOUNDARY, Home, Server, form, portrait};

const SERVERS: usize = 3;
const CLIENTS: usize = 5;
/// Acknowledged changes of each client, unless the machine is slow.
const CHANGES: usize = 25;
const PATIENCE: Duration = Duration::from_secs(90);
const NAMES: u64 = 4;
/// Portraits of different people.
const PORTRAITS: [usize; 4] = [1, 6, 14, 18];

/// What a client knows of a person of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Enrolled,
    Erased,
    /// The last request had no answer.
    Unknown,
}

/// Knuth's linear congruential generator.
struct Draw(u64);

impl Draw {
    fn next(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Where the servers are now; one that is being started again has no address.
type Addresses = Arc<RwLock<Vec<Option<String>>>>;

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .proxy(None)
        .max_idle_connections(0)
        .build()
        .into()
}

/// An answer of one of the servers; none if it is not there or was killed meanwhile.
fn ask(
    agent: &ureq::Agent,
    addresses: &Addresses,
    server: usize,
    key: &str,
    (method, path, image): (&str, &str, Option<&[u8]>),
) -> Option<Answer> {
    let address = addresses.read().unwrap()[server].clone()?;
    let request = ureq::http::Request::builder()
        .method(method)
        .uri(format!("{address}/api/v1/recognition/{path}"))
        .header("x-api-key", key);
    let answer = match image {
        Some(image) => {
            let kind = format!("multipart/form-data; boundary={BOUNDARY}");
            agent.run(
                request
                    .header("content-type", kind)
                    .body(form(image))
                    .unwrap(),
            )
        }
        None => agent.run(request.body(()).unwrap()),
    };
    let mut answer = answer.ok()?;
    Some(Answer {
        status: answer.status().as_u16(),
        retry_after: None,
        body: answer.body_mut().read_to_vec().ok()?,
    })
}

/// Who is found in a portrait of one face.
fn names(answer: &Answer) -> Vec<String> {
    let found = &answer.json()["result"][0]["subjects"];
    let found = found.as_array().unwrap().iter();
    found
        .map(|near| near["subject"].as_str().unwrap().to_owned())
        .collect()
}

fn client(
    number: usize,
    addresses: &Addresses,
    key: &str,
    n_done: &AtomicUsize,
) -> BTreeMap<String, Known> {
    let (agent, mut draw) = (agent(), Draw(number as u64 + 1));
    let mut known: BTreeMap<String, Known> = BTreeMap::new();
    let images = PORTRAITS.map(portrait);
    let (since, mut n_changes) = (Instant::now(), 0);
    while n_changes < CHANGES && since.elapsed() < PATIENCE {
        let person = draw.next(NAMES);
        let name = format!("C{number}P{person}");
        let image = &images[person as usize % images.len()];
        let now = known.get(&name).copied().unwrap_or(Known::Erased);
        let enrols = now == Known::Erased || (now == Known::Unknown && draw.next(2) == 0);
        let request = match enrols {
            true => ("POST", format!("faces?subject={name}"), Some(&image[..])),
            false => ("DELETE", format!("subjects/{name}"), None),
        };
        let at = draw.next(SERVERS as u64) as usize;
        let answer = ask(
            &agent,
            addresses,
            at,
            key,
            (request.0, &request.1, request.2),
        );
        let now = match answer.as_ref().map(|answer| answer.status) {
            Some(200 | 201) if enrols => Known::Enrolled,
            Some(200) => Known::Erased,
            // Who is unknown may not be there.
            Some(404) if now == Known::Unknown => Known::Erased,
            None | Some(503) => Known::Unknown,
            _ => panic!("{request:?} of {now:?} over {at}: {answer:?}"),
        };
        known.insert(name.clone(), now);
        if now == Known::Unknown {
            std::thread::sleep(Duration::from_millis(100));
            continue;
        }
        n_changes += 1;
        n_done.fetch_add(1, Ordering::SeqCst);
        // Another server knows it, if it answers.
        let at = draw.next(SERVERS as u64) as usize;
        let path = "recognize?prediction_count=100";
        let Some(answer) = ask(&agent, addresses, at, key, ("POST", path, Some(image))) else {
            continue;
        };
        match answer.status {
            200 => {
                let is_found = names(&answer).contains(&name);
                assert_eq!(
                    is_found,
                    now == Known::Enrolled,
                    "{name} is {now:?}: {answer:?}"
                );
            }
            503 => {}
            _ => panic!("{answer:?}"),
        }
    }
    known
}

/// A home whose vault is in a database, with one recognition service.
fn home_in(url: &str) -> Home {
    let mut home = Home::empty();
    let mut command = home.command(&["key", "recognition"]);
    let key = command.env("FUSIFORM_VAULT", url).output().unwrap();
    assert!(key.status.success(), "{key:?}");
    home.key = String::from_utf8(key.stdout).unwrap().trim().to_owned();
    home
}

#[test]
fn an_answer_says_how_well_the_database_was_searched() {
    let Some(database) = Postgres::shared() else {
        return;
    };
    let url = database.database();
    let home = home_in(&url);
    let words = [
        "-q",
        "serve",
        "--no-pages",
        "--listen",
        "127.0.0.1:0",
        "--store",
        &url,
    ];
    let in_memory = Server::start(home.command(&words));
    for number in PORTRAITS {
        let path = format!("faces?subject=P{number}");
        assert_eq!(
            in_memory.send(&path, &home.key, &portrait(number)).status,
            201
        );
    }
    let asked = |server: &Server| {
        let answer = server.put_image("identify", &home.key, &portrait(PORTRAITS[1]));
        let answer = answer.json();
        let person = answer["faces"][0]["person"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        (person, answer["recall"].as_f64().unwrap())
    };
    let wanted = format!("P{}", PORTRAITS[1]);
    assert_eq!(asked(&in_memory), (wanted.clone(), 1.0));
    let search = |words: &[&str]| {
        let mut command = home.command(words);
        command
            .env("FUSIFORM_VAULT", &url)
            .env("FUSIFORM_SEARCH_IN", "database");
        command
    };
    let early = search(&["serve", "--no-pages", "--listen", "127.0.0.1:0"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&early.stderr);
    assert!(
        said.contains("no index") && said.contains("calibrate index"),
        "{said}"
    );
    let measured = search(&[
        "--json",
        "calibrate",
        "index",
        "--recall",
        "0.9",
        "--probes",
        "10",
    ]);
    let measured = { measured }.output().unwrap();
    assert!(measured.status.success(), "{measured:?}");
    let measured: Value = serde_json::from_slice(&measured.stdout).unwrap();
    let recall = measured["tried"][0]["recall"].as_f64().unwrap();
    let in_database = Server::start(search(&words[..5]));
    assert_eq!(asked(&in_database), (wanted, recall));
    // What one of them changes the other searches.
    let gone = format!("/api/v1/recognition/subjects/P{}", PORTRAITS[1]);
    assert_eq!(in_memory.ask("DELETE", &gone, &home.key, None).status, 200);
    assert_eq!(asked(&in_database).0, "");
}

#[test]
fn three_servers_and_their_database_are_killed_and_nothing_acknowledged_is_lost() {
    let Some(database) = Postgres::server(2) else {
        return;
    };
    let (mut home, url) = (Home::empty(), database.database());
    let vault = [("FUSIFORM_VAULT", url.as_str())];
    let key = home
        .command(&["key", "recognition"])
        .envs(vault)
        .output()
        .unwrap();
    assert!(key.status.success(), "{key:?}");
    home.key = String::from_utf8(key.stdout).unwrap().trim().to_owned();
    let start = || {
        let words = [
            "-q",
            "serve",
            "--no-pages",
            "--listen",
            "127.0.0.1:0",
            "--store",
            &url,
        ];
        let mut command = home.command(&words);
        // Entries of recognitions are written at once, so that the log holds all of them.
        command.env("FUSIFORM_AUDIT_WINDOW_MS", "0");
        Server::start(command)
    };
    let servers: Vec<Mutex<Option<Server>>> =
        (0..SERVERS).map(|_| Mutex::new(Some(start()))).collect();
    let address = |server: &Mutex<Option<Server>>| {
        server
            .lock()
            .unwrap()
            .as_ref()
            .map(|server| server.address.clone())
    };
    let addresses: Addresses = Arc::new(RwLock::new(servers.iter().map(address).collect()));
    let (n_done, n_ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (mut database, mut n_kills) = (database, [0, 0]);
    let known: BTreeMap<String, Known> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (addresses, home, n_done, n_ended) = (&addresses, &home, &n_done, &n_ended);
                scope.spawn(move || {
                    let known =
                        std::panic::catch_unwind(|| client(number, addresses, &home.key, n_done));
                    n_ended.fetch_add(1, Ordering::SeqCst);
                    known.unwrap()
                })
            })
            .collect();
        let mut draw = Draw(99);
        while n_ended.load(Ordering::SeqCst) < CLIENTS {
            std::thread::sleep(Duration::from_millis(700 + draw.next(600)));
            if (n_kills[0] + n_kills[1]) % 3 == 1 {
                database.kill();
                std::thread::sleep(Duration::from_millis(draw.next(400)));
                database.start();
                n_kills[1] += 1;
            } else {
                let at = draw.next(SERVERS as u64) as usize;
                addresses.write().unwrap()[at] = None;
                let mut server = servers[at].lock().unwrap();
                // Dropping it kills it.
                drop(server.take());
                *server = Some(start());
                let started = server.as_ref().map(|server| server.address.clone());
                addresses.write().unwrap()[at] = started;
                n_kills[0] += 1;
            }
        }
        let known = clients
            .into_iter()
            .flat_map(|client| client.join().unwrap());
        known.collect()
    });
    let enough = n_done.load(Ordering::SeqCst) > CLIENTS * CHANGES / 4;
    assert!(
        enough && n_kills[0] > 0 && n_kills[1] > 0,
        "{n_done:?}, {n_kills:?}"
    );

    // Every server says the same of everybody.
    for server in &servers {
        let server = server.lock().unwrap();
        let server = server.as_ref().unwrap();
        let subjects = server.get("/api/v1/recognition/subjects", &home.key).json();
        for (name, now) in &known {
            let there = subjects["subjects"]
                .as_array()
                .unwrap()
                .contains(&json!(name));
            assert!(
                *now == Known::Unknown || there == (*now == Known::Enrolled),
                "{name} is {now:?}: {subjects}"
            );
        }
    }
    // Each has taken in everything.
    let since = Instant::now();
    loop {
        let seen = home
            .command(&["vault", "servers"])
            .envs(vault)
            .output()
            .unwrap();
        let seen = String::from_utf8(seen.stdout).unwrap();
        let current = seen
            .lines()
            .filter(|line| line.contains(": 0 changes behind"));
        if current.count() >= SERVERS {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(20), "{seen}");
        std::thread::sleep(Duration::from_millis(200));
    }
    // A server says that it is not ready while its database is away, and that it is, by itself.
    let ready = |status: u16, word: &str| {
        let server = servers[0].lock().unwrap();
        let server = server.as_ref().unwrap();
        let since = Instant::now();
        loop {
            let answer = server.get("/readyz", "");
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            if answer.status == status && said.contains(word) {
                return;
            }
            assert!(since.elapsed() < Duration::from_secs(20), "{answer:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    ready(200, "ready");
    database.kill();
    ready(503, "cannot be used");
    database.start();
    ready(200, "ready");
    drop(servers);
    let proof = home
        .command(&["audit", "verify"])
        .envs(vault)
        .output()
        .unwrap();
    assert!(proof.status.success(), "{proof:?}");
    let n_faces = database.sql(&url, "SELECT count(*) FROM fusiform.example");
    let n_people = database.sql(&url, "SELECT count(*) FROM fusiform.subject");
    let said = String::from_utf8(proof.stdout).unwrap();
    assert!(
        said.contains(&format!("{n_people} people and {n_faces} faces")),
        "{said}"
    );
}

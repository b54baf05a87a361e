//! A broker, and a Frigate made from its documented API. In: pictures, messages. Out: what was
//! published, and what Frigate was asked.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// `mosquitto` on a port of its own; stopped when dropped.
pub(crate) struct Broker {
    dir: TempDir,
    port: u16,
    /// Flags of its clients: user, password, certificates.
    login: Vec<String>,
    child: Option<Child>,
}

/// A message that a subscriber got.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) topic: String,
    pub(crate) retained: bool,
    pub(crate) payload: Vec<u8>,
}

impl Told {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.payload).unwrap_or_else(|e| panic!("{self:?}: {e}"))
    }
}

/// `mosquitto_sub`; what it heard so far.
pub(crate) struct Subscriber {
    child: Child,
    told: Arc<Mutex<Vec<Told>>>,
}

fn program(name: &str) -> Command {
    // Debian keeps the broker where only root looks.
    let there = Path::new("/usr/sbin").join(name);
    Command::new(if there.exists() { there } else { name.into() })
}

/// A port that nobody has just now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

impl Broker {
    /// `None`, and the test is listed as skipped, where there is no `mosquitto`.
    pub(crate) fn start() -> Option<Broker> {
        Broker::with("allow_anonymous true\n", &[])
    }

    /// With other lines in its settings, in which `DIR` is its folder, and flags for its clients.
    pub(crate) fn with(settings: &str, login: &[&str]) -> Option<Broker> {
        let found = ["mosquitto", "mosquitto_pub"].iter().all(|name| {
            let mut asked = program(name);
            let asked = asked.arg("--help").stdout(Stdio::null());
            asked.stderr(Stdio::null()).status().is_ok()
        });
        if !found {
            let remedy = "install mosquitto and mosquitto-clients";
            fusiform_skips::skip("mosquitto is not here", remedy);
            return None;
        }
        let mut broker = Broker {
            dir: tempfile::tempdir().unwrap(),
            port: free_port(),
            login: login.iter().map(|flag| (*flag).to_owned()).collect(),
            child: None,
        };
        let dir = broker.dir.path().to_str().unwrap();
        let settings = settings.replace("DIR", dir);
        let text = format!("listener {} 127.0.0.1\nuser root\n{settings}", broker.port);
        std::fs::write(broker.path("broker.conf"), text).unwrap();
        if settings.contains("password_file") {
            broker.make_secrets();
        }
        broker.run();
        Some(broker)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// A user with a password, and a certificate with an authority of its own.
    fn make_secrets(&self) {
        let run = |command: &mut Command| {
            let output = command.current_dir(self.dir.path()).output().unwrap();
            assert!(output.status.success(), "{command:?}: {output:?}");
        };
        run(program("mosquitto_passwd").args(["-b", "-c", "passwords", "fusiform", "a secret"]));
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        let authority = format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=ours");
        run(Command::new("openssl").args(words(&authority)));
        let request = format!("req {key} -keyout broker.key -out broker.csr -subj /CN=localhost");
        run(Command::new("openssl").args(words(&request)));
        std::fs::write(
            self.path("names"),
            "subjectAltName=DNS:localhost,IP:127.0.0.1",
        )
        .unwrap();
        let sign = "x509 -req -in broker.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
                    -out broker.pem -extfile names";
        run(Command::new("openssl").args(words(sign)));
    }

    fn run(&mut self) {
        let mut command = program("mosquitto");
        command.arg("-c").arg(self.path("broker.conf"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "mosquitto does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts again on the same port; what it had kept is gone.
    pub(crate) fn start_again(&mut self) {
        self.run();
    }

    pub(crate) fn url(&self) -> String {
        format!("mqtt://localhost:{}", self.port)
    }

    fn client(&self, name: &str) -> Command {
        let mut command = program(name);
        command.args(["-h", "localhost", "-p", &self.port.to_string()]);
        command.args(self.login.iter().map(|flag| {
            // Files are in the broker's folder.
            flag.replace("DIR", self.dir.path().to_str().unwrap())
        }));
        command
    }

    pub(crate) fn publish(&self, topic: &str, payload: &[u8]) {
        self.publish_with(topic, payload, &[]);
    }

    pub(crate) fn publish_with(&self, topic: &str, payload: &[u8], flags: &[&str]) {
        let mut command = self.client("mosquitto_pub");
        command.args(["-q", "1", "-s", "-t", topic]).args(flags);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(payload).unwrap();
        assert!(child.wait().unwrap().success());
    }

    /// An event as Frigate publishes it.
    pub(crate) fn event(&self, kind: &str, object: &Value) {
        let message = json!({"type": kind, "before": object, "after": object});
        self.publish("frigate/events", message.to_string().as_bytes());
    }

    /// Listens to everything from now on, and to what the broker has kept.
    pub(crate) fn listen(&self) -> Subscriber {
        let mut command = self.client("mosquitto_sub");
        command.args(["-q", "1", "-t", "#", "-F", "%r %x %t"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let told: Arc<Mutex<Vec<Told>>> = Arc::default();
        let (out, list) = (child.stdout.take().unwrap(), Arc::clone(&told));
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let mut words = line.splitn(3, ' ');
                let retained = words.next() == Some("1");
                let hex = words.next().unwrap();
                let byte = |i: usize| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
                list.lock().unwrap().push(Told {
                    retained,
                    payload: (0..hex.len()).step_by(2).map(byte).collect(),
                    topic: words.next().unwrap().to_owned(),
                });
            }
        });
        let subscriber = Subscriber { child, told };
        // It listens once it hears this.
        let begun = Instant::now();
        while subscriber.of("test/hello").is_empty() {
            assert!(begun.elapsed() < PATIENCE, "mosquitto_sub hears nothing");
            self.publish("test/hello", b"hello");
        }
        subscriber
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Subscriber {
    pub(crate) fn all(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    pub(crate) fn of(&self, topic: &str) -> Vec<Told> {
        let mut all = self.all();
        all.retain(|told| told.topic == topic);
        all
    }

    /// The `n`th message of a topic, counted from 0, once it has come.
    #[track_caller]
    pub(crate) fn nth(&self, topic: &str, n: usize) -> Told {
        self.find(&format!("message {n} of {topic}"), |all| {
            let mut of_topic = all.iter().filter(|told| told.topic == topic);
            of_topic.nth(n).cloned()
        })
    }

    /// What `find` gives, once it gives something; fails after a minute.
    #[track_caller]
    pub(crate) fn find<T>(&self, what: &str, find: impl Fn(&[Told]) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            let all = self.all();
            if let Some(found) = find(&all) {
                return found;
            }
            let topics: Vec<_> = all.iter().map(|told| (&told.topic, told.text())).collect();
            let late = begun.elapsed() > PATIENCE;
            assert!(!late, "{what} does not come; {topics:?}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// The last message about an event.
    #[track_caller]
    pub(crate) fn end_of(&self, id: &str) -> Value {
        self.find(&format!("the end of {id}"), |all| {
            let events = all.iter().filter(|told| told.topic == "fusiform/events");
            let mut events = events.map(Told::json);
            events.find(|event| event["type"] == "end" && event["event"] == id)
        })
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An object as Frigate describes it.
pub(crate) fn object(id: &str, camera: &str, frame_time: f64) -> Value {
    json!({"id": id, "camera": camera, "frame_time": frame_time, "label": "person",
        "sub_label": null, "top_score": 0.95, "false_positive": false, "start_time": 1607123955.4,
        "end_time": null, "score": 0.87, "box": [432, 496, 544, 854], "area": 40096,
        "region": [218, 440, 693, 915], "current_zones": ["yard"], "entered_zones": ["yard"],
        "has_snapshot": true, "has_clip": false, "stationary": false})
}

/// Frigate's HTTP API: pictures that a test sets, and a list of what was asked.
#[derive(Clone)]
pub(crate) struct Frigate {
    pub(crate) url: String,
    /// By what stands before `?`: `/api/events/ID/snapshot.jpg`.
    pictures: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    asked: Arc<Mutex<Vec<(String, String)>>>,
    is_away: Arc<AtomicBool>,
}

impl Frigate {
    /// What it does once a name was given to an event: `told(id, name, score)`.
    pub(crate) fn start(told: impl Fn(&str, &str, f64) + Send + Sync + 'static) -> Frigate {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let frigate = Frigate {
            url: format!("http://{}", listener.local_addr().unwrap()),
            pictures: Arc::default(),
            asked: Arc::default(),
            is_away: Arc::default(),
        };
        let (this, told) = (frigate.clone(), Arc::new(told));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if this.is_away.load(Ordering::SeqCst) {
                    continue;
                }
                let (this, told) = (this.clone(), Arc::clone(&told));
                std::thread::spawn(move || drop(this.answer(stream, &*told)));
            }
        });
        frigate
    }

    /// From now on nobody answers, or somebody again.
    pub(crate) fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    pub(crate) fn set_snapshot(&self, id: &str, jpeg: Vec<u8>) {
        let path = format!("/api/events/{id}/snapshot.jpg");
        self.pictures.lock().unwrap().insert(path, jpeg);
    }

    pub(crate) fn set_latest(&self, camera: &str, jpeg: Vec<u8>) {
        let path = format!("/api/{camera}/latest.jpg");
        self.pictures.lock().unwrap().insert(path, jpeg);
    }

    /// Requests so far: `GET /path` and the body.
    pub(crate) fn asked(&self) -> Vec<(String, String)> {
        self.asked.lock().unwrap().clone()
    }

    /// Names that were given.
    pub(crate) fn named(&self) -> Vec<(String, Value)> {
        let posts = self.asked().into_iter();
        let posts = posts.filter_map(|(line, body)| {
            let path = line.strip_prefix("POST ")?.to_owned();
            Some((path, serde_json::from_str(&body).unwrap()))
        });
        posts.collect()
    }

    fn answer(&self, stream: TcpStream, told: &dyn Fn(&str, &str, f64)) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let (mut stream, mut line) = (stream, String::new());
        while reader.read_line(&mut line)? > 0 {
            let (mut length, mut head) = (0, String::new());
            while reader.read_line(&mut head)? > 2 {
                let lower = head.to_lowercase();
                if let Some(n) = lower.strip_prefix("content-length:") {
                    length = n.trim().parse().unwrap();
                }
                head.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            if self.is_away.load(Ordering::SeqCst) {
                return Ok(());
            }
            let request: Vec<&str> = line.split(' ').collect();
            let (method, path) = (request[0], request[1].split('?').next().unwrap());
            let body = String::from_utf8(body).unwrap();
            self.asked
                .lock()
                .unwrap()
                .push((format!("{method} {path}"), body.clone()));
            let picture = self.pictures.lock().unwrap().get(path).cloned();
            let (status, answer) = match (method, picture) {
                ("POST", _) => {
                    let given: Value = serde_json::from_str(&body).unwrap();
                    let id = path.split('/').nth(3).unwrap();
                    let name = given["subLabel"].as_str().unwrap();
                    told(id, name, given["subLabelScore"].as_f64().unwrap());
                    ("200 OK", br#"{"success": true}"#.to_vec())
                }
                (_, Some(picture)) => ("200 OK", picture),
                (_, None) => ("404 Not Found", b"{}".to_vec()),
            };
            let length = answer.len();
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n"
            )?;
            stream.write_all(&answer)?;
            line.clear();
        }
        Ok(())
    }
}

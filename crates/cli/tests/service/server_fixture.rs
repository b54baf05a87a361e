//! A home folder with a vault, and servers over it. In: settings. Out: answers, and the server's
//! stderr.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const BOUNDARY: &str = "b0undary";

/// A temporary home.
pub(crate) struct Home {
    dir: TempDir,
    /// The key of its first recognition service.
    pub(crate) key: String,
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) agent: ureq::Agent,
}

/// Status, `Retry-After`, body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{self:?}: {e}"))
    }
}

pub(crate) fn portrait(number: usize) -> Vec<u8> {
    let album = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/album");
    std::fs::read(album.join(format!("{number:02}-portrait.jpg"))).unwrap()
}

/// A multipart body with one image.
pub(crate) fn form(image: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jpg\"\r\n\r\n"
    );
    let tail = format!("\r\n--{BOUNDARY}--\r\n");
    [head.as_bytes(), image, tail.as_bytes()].concat()
}

/// A form and its media type: names, file names, contents.
pub(crate) fn form_of(parts: &[(&str, Option<&str>, &[u8])]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, file_name, content) in parts {
        let file = file_name
            .map(|name| format!("; filename=\"{name}\"\r\nContent-Type: application/octet-stream"));
        let head = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{}\r\n\r\n",
            file.unwrap_or_default()
        );
        body.extend([head.as_bytes(), content, b"\r\n"].concat());
    }
    body.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
    (format!("multipart/form-data; boundary={BOUNDARY}"), body)
}

/// The cookie and the form token of a page.
pub(crate) fn form_secrets(server: &Server, page: &str) -> (String, String) {
    let head = format!("GET {page} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let shown = server.raw(&head);
    let after = |mark: &str| shown.split_once(mark).unwrap().1[..64].to_owned();
    (after("fusiform_page="), after("name=\"token\" value=\""))
}

impl Home {
    /// A home with one recognition service.
    pub(crate) fn new() -> Home {
        let mut home = Home::empty();
        home.key = home.make_key("recognition");
        home
    }

    pub(crate) fn empty() -> Home {
        Home {
            dir: tempfile::tempdir().unwrap(),
            key: String::new(),
        }
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// A file with a secret; its path.
    pub(crate) fn secret(&self, name: &str, secret: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, format!("{secret}\n")).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fusiform"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("FUSIFORM_") {
                command.env_remove(name);
            }
        }
        command.env("FUSIFORM_HOME", self.dir.path()).args(words);
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// What a command that must succeed prints.
    pub(crate) fn printed(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(crate) fn make_key(&self, kind: &str) -> String {
        self.printed(&["key", kind])
    }

    pub(crate) fn serve(&self) -> Server {
        Server::start(self.command(&["-q", "serve", "--listen", "127.0.0.1:0"]))
    }

    pub(crate) fn serve_with(&self, settings: &[(&str, &str)]) -> Server {
        let mut command = self.command(&["-q", "serve", "--listen", "127.0.0.1:0"]);
        command.envs(settings.iter().copied());
        Server::start(command)
    }

    /// Every file in the home folder, any of which could hold people.
    pub(crate) fn bytes(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = walkdir::WalkDir::new(self.dir.path()).into_iter();
        let paths = files
            .map(|f| f.unwrap().into_path())
            .filter(|p| p.is_file());
        paths
            .map(|p| (p.clone(), std::fs::read(p).unwrap()))
            .collect()
    }
}

impl Server {
    pub(crate) fn start(mut command: Command) -> Server {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        if line.is_empty() {
            let mut said = String::new();
            drop(child.stderr.take().unwrap().read_to_string(&mut said));
            panic!("the server did not start: {said}");
        }
        let address = line.trim().trim_end_matches('/').to_owned();
        let port = address.rsplit_once(':').unwrap().1.parse().unwrap();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .proxy(None)
            // A connection that rests may be the one that gives way to a new one.
            .max_idle_connections(0)
            .build()
            .into();
        Server {
            child,
            out,
            address,
            port,
            agent,
        }
    }

    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        key: &str,
        body: Option<(&str, &[u8])>,
    ) -> Answer {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address));
        if !key.is_empty() {
            request = request.header("x-api-key", key);
        }
        let (kind, bytes) = body.unwrap_or_default();
        if body.is_some() {
            request = request.header("content-type", kind);
        }
        let done = if body.is_some() {
            self.agent.run(request.body(bytes.to_vec()).unwrap())
        } else {
            self.agent.run(request.body(()).unwrap())
        };
        let mut answer = done.unwrap_or_else(|e| panic!("{method} {path}: {e}"));
        let retry_after = answer.headers().get("retry-after");
        Answer {
            status: answer.status().as_u16(),
            retry_after: retry_after.map(|v| v.to_str().unwrap().to_owned()),
            body: answer.body_mut().read_to_vec().unwrap(),
        }
    }

    /// A request to a listener of the server's.
    pub(crate) fn request_at(
        &self,
        address: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> ureq::http::Response<ureq::Body> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", address.trim_end_matches('/')));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let done = match method {
            "GET" => self.agent.run(request.body(()).unwrap()),
            _ => self.agent.run(request.body(body.to_vec()).unwrap()),
        };
        done.unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    /// As [`Server::request_at`], with the whole answer.
    pub(crate) fn ask_at(
        &self,
        address: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        let mut answer = self.request_at(address, method, path, headers, body);
        Answer {
            status: answer.status().as_u16(),
            retry_after: None,
            body: answer.body_mut().read_to_vec().unwrap(),
        }
    }

    /// A form as a browser of this machine sends it: status and page.
    pub(crate) fn post_form(&self, path: &str, cookie: &str, body: &str) -> (u16, String) {
        let n = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\
             Cookie: fusiform_page={cookie}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {n}\r\n\r\n"
        );
        let answer = self.raw(&format!("{head}{body}"));
        let status = answer.get(9..12).and_then(|s| s.parse().ok());
        (status.unwrap_or_default(), answer)
    }

    /// Sends bytes as they are and gives what comes back until the server closes.
    pub(crate) fn raw(&self, request: &str) -> String {
        let mut line = std::net::TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        std::io::Write::write_all(&mut line, request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        line.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(crate) fn get(&self, path: &str, key: &str) -> Answer {
        self.ask("GET", path, key, None)
    }

    pub(crate) fn json(&self, method: &str, path: &str, key: &str, body: &Value) -> Answer {
        let bytes = serde_json::to_vec(body).unwrap();
        self.ask(method, path, key, Some(("application/json", &bytes)))
    }

    /// An image in CompreFace's way.
    pub(crate) fn send(&self, path: &str, key: &str, image: &[u8]) -> Answer {
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let path = format!("/api/v1/recognition/{path}");
        self.ask("POST", &path, key, Some((&kind, &form(image))))
    }

    /// An image to the v1 API.
    pub(crate) fn put_image(&self, path: &str, key: &str, image: &[u8]) -> Answer {
        let body = Some(("application/octet-stream", image));
        self.ask("POST", &format!("/api/fusiform/v1/{path}"), key, body)
    }

    /// Repeats a GET until `so` is true of the answer; fails after half a minute.
    pub(crate) fn wait_for(&self, path: &str, key: &str, so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let answer = self.get(path, key).json();
            if so(&answer) {
                return answer;
            }
            let late = begun.elapsed() > Duration::from_secs(30);
            assert!(!late, "{path} stays {answer}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The next line that it prints to stdout; empty once it has ended.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// The process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let done = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(done.success());
    }

    /// The exit code, once it has ended by itself.
    pub(crate) fn stop_after_signal(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Stops it as a supervisor would: exit code and stderr.
    pub(crate) fn stop(mut self) -> (Option<i32>, String) {
        self.signal("-TERM");
        let mut said = String::new();
        let stderr = self.child.stderr.take();
        stderr.unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

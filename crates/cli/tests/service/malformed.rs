//! Two hundred requests for each contract that are wrong in some way. Each is answered, none with a
//! failure of the server, and the server goes on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::server_fixture::{Home, Server, form_of, portrait};

const N: u64 = 200;

/// Numbers that are the same in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

const TEXTS: [&str; 14] = [
    "",
    "0",
    "-1",
    "NaN",
    "1e999",
    "null",
    "[]",
    "{}",
    "..",
    "\u{0}",
    "ünknown\u{202e}",
    r#"{"left": 1e9, "top": -5, "right": "x", "bottom": {}}"#,
    r#"{"facial-recognition": {"detection": {"modelName": 7}}}"#,
    r#"{"facial-recognition": {"detection": {"modelName": "a", "options": {"minScore": -1e9}},
        "recognition": {"modelName": "a", "options": []}}, "ocr": {}}"#,
];
const NAMES: [&str; 12] = [
    "entries",
    "image",
    "text",
    "file",
    "face",
    "userid",
    "api_key",
    "min_confidence",
    "",
    "image1",
    "\u{fffd}",
    "file\"; filename=\"x",
];
const TYPES: [&str; 8] = [
    "",
    "multipart/form-data",
    "multipart/form-data; boundary=",
    "multipart/form-data; boundary=other",
    "application/json",
    "application/x-www-form-urlencoded",
    "text/plain; charset=\u{1}",
    "*/*",
];

/// The bytes of one request.
fn request(numbers: &mut Numbers, paths: &[&str], key: &str) -> Vec<u8> {
    let image = portrait(1);
    let mut contents: Vec<Vec<u8>> = TEXTS.iter().map(|t| t.as_bytes().to_vec()).collect();
    contents.push(image[..numbers.below(image.len())].to_vec());
    contents.push(
        (0..numbers.below(5000))
            .map(|_| numbers.below(256) as u8)
            .collect(),
    );
    contents.push(b"[".repeat(20_000));
    let mut parts = Vec::new();
    for _ in 0..numbers.below(6) {
        let file = [None, Some("a.jpg"), Some(""), Some("../../etc/x\u{e9}")][numbers.below(4)];
        let content = &contents[numbers.below(contents.len())];
        parts.push((NAMES[numbers.below(NAMES.len())], file, &content[..]));
    }
    let (kind, mut body) = form_of(&parts);
    let kind = match numbers.below(3) {
        0 => numbers.of(&TYPES).to_owned(),
        _ => kind,
    };
    match numbers.below(4) {
        0 => body.truncate(numbers.below(body.len() + 1)),
        1 if !body.is_empty() => {
            for _ in 0..20 {
                let at = numbers.below(body.len());
                body[at] = numbers.below(256) as u8;
            }
        }
        _ => {}
    }
    let method = numbers.of(&[
        "POST", "POST", "POST", "POST", "GET", "PUT", "DELETE", "OPTIONS",
    ]);
    let path = numbers.of(paths);
    let sent_key = numbers.of(&[key, key, key, "", "x"]);
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nx-api-key: {sent_key}\r\n\
         Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend(body);
    request
}

fn try_all(server: &Server, address: &str, paths: &[&str], key: &str) {
    let host = address
        .strip_prefix("http://")
        .unwrap()
        .trim_end_matches('/');
    for seed in 1..=N {
        let mut numbers = Numbers(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let request = request(&mut numbers, paths, key);
        let mut line = TcpStream::connect(host).unwrap();
        line.set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        // The server may have answered and closed before all was sent.
        drop(line.write_all(&request));
        let mut answer = Vec::new();
        drop(line.read_to_end(&mut answer));
        let text = String::from_utf8_lossy(&answer);
        let status: u16 = text.get(9..12).and_then(|s| s.parse().ok()).unwrap_or(0);
        let about = String::from_utf8_lossy(&request[..request.len().min(300)]).into_owned();
        assert!((200..500).contains(&status), "seed {seed}: {text}\n{about}");
    }
    assert_eq!(server.get("/readyz", "").status, 200);
}

#[test]
fn two_hundred_malformed_requests_of_each_contract_fail_nothing() {
    let home = Home::new();
    let key_file = home.secret("nextcloud.key", "nextcloud key");
    let deepstack_key = home.secret("deepstack.key", &home.key);
    let mut server = home.serve_with(&[
        ("FUSIFORM_IMMICH_LISTEN", "127.0.0.1:0"),
        ("FUSIFORM_NEXTCLOUD_LISTEN", "127.0.0.1:0"),
        ("FUSIFORM_NEXTCLOUD_KEY_FILE", &key_file),
        ("FUSIFORM_DEEPSTACK_LISTEN", "127.0.0.1:0"),
        ("FUSIFORM_DEEPSTACK_KEY_FILE", &deepstack_key),
    ]);
    let lines = [server.line(), server.line(), server.line()];
    let address = |name: &str| {
        let line = lines.iter().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{lines:?}"))
    };
    try_all(
        &server,
        address("immich: "),
        &["/predict", "/predict", "/ping", "/", "/x"],
        "",
    );
    let paths = [
        "/detect", "/compute", "/detect", "/compute", "/open", "/health", "/%00",
    ];
    try_all(&server, address("nextcloud: "), &paths, "nextcloud key");
    let paths = [
        "/recognize",
        "/register",
        "/match",
        "/delete",
        "/list",
        "/",
        "",
        "/a/b",
    ];
    let paths: Vec<String> = paths
        .iter()
        .map(|p| format!("/v1/vision/face{p}"))
        .collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    try_all(&server, address("deepstack: "), &paths, "");
}

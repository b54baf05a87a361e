//! A change of model with a filled vault: by the command, killed in the middle, and to its end.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use crate::server_fixture::{Home, Server, portrait};

const N_PEOPLE: usize = 20;
const FACES_EACH: usize = 4;

/// The base pack as a folder, with an embedder that is another file, and so another model.
fn another_pack(dir: &Path) {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fusiform/packs/base");
    std::fs::create_dir_all(dir).unwrap();
    for entry in std::fs::read_dir(base).unwrap() {
        let file = entry.unwrap().path();
        std::fs::copy(&file, dir.join(file.file_name().unwrap())).unwrap();
    }
    let hash = |bytes: &[u8]| -> String {
        let hash = Sha256::digest(bytes);
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let weights = dir.join("embedder.onnx");
    let mut bytes = std::fs::read(&weights).unwrap();
    let before = hash(&bytes);
    // A comment of one letter, field 6 of the file format.
    bytes.extend([0x32, 1, b'x']);
    std::fs::write(&weights, &bytes).unwrap();
    let manifest = dir.join("manifest.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    assert!(text.contains(&before));
    let text = text.replacen("name = \"base\"", "name = \"second\"", 1);
    std::fs::write(manifest, text.replace(&before, &hash(&bytes))).unwrap();
}

/// How many examples each model has, fewest first.
fn models(home: &Home) -> Vec<usize> {
    let db = Connection::open(home.path("vault.db")).unwrap();
    db.busy_timeout(Duration::from_secs(10)).unwrap();
    let sql = "SELECT count(*) FROM example GROUP BY model ORDER BY count(*)";
    let mut rows = db.prepare(sql).unwrap();
    let rows = rows.query_map([], |r| r.get::<_, i64>(0)).unwrap();
    rows.map(|n| n.unwrap() as usize).collect()
}

fn serve(home: &Home, pack: &str) -> Server {
    let words = [
        "-q",
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--no-pages",
        "--pack",
        pack,
    ];
    Server::start(home.command(&words))
}

#[test]
fn a_change_of_model_that_is_killed_goes_on_where_it_was() {
    let home = Home::new();
    another_pack(&home.path("download"));
    home.printed(&["models", "add", home.path("download").to_str().unwrap()]);
    let server = serve(&home, "base");
    for number in 1..=N_PEOPLE {
        for _ in 0..FACES_EACH {
            let path = format!("faces?subject=P{number}");
            assert_eq!(server.send(&path, &home.key, &portrait(number)).status, 201);
        }
    }
    drop(server);
    let all = N_PEOPLE * FACES_EACH;
    assert_eq!(models(&home), [all]);

    let refused = home.run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--no-pages",
        "--pack",
        "second",
    ]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(4));
    assert!(said.contains("fusiform vault reembed"), "{said}");

    let reembed = ["--pack", "second", "vault", "reembed"];
    let mut command = home.command(&reembed);
    let mut killed = command
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while models(&home).len() < 2 {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "nothing is embedded"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let between = models(&home);
    assert_eq!(between.len(), 2, "killed in the middle: {between:?}");

    // Neither model serves half a vault.
    for pack in ["base", "second"] {
        let words = [
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--no-pages",
            "--pack",
            pack,
        ];
        assert_eq!(home.run(&words).status.code(), Some(4), "{pack}");
    }
    let printed = home.printed(&reembed);
    let numbers: Vec<usize> = printed
        .split(|c: char| !c.is_ascii_digit())
        .filter_map(|word| word.parse().ok())
        .collect();
    let [embedded, already, aside] = numbers[..] else {
        panic!("{printed}");
    };
    assert_eq!((embedded + already, aside), (all, 0), "{printed}");
    assert!(already > 0 && embedded > 0, "{printed}");
    assert_eq!(models(&home), [all]);
    let again = home.printed(&reembed);
    assert!(again.starts_with("0 faces embedded anew"), "{again}");

    let server = serve(&home, "second");
    for number in [1, 7, N_PEOPLE] {
        let answer = server
            .send("recognize", &home.key, &portrait(number))
            .json();
        let best = &answer["result"][0]["subjects"][0];
        assert_eq!(best["subject"], format!("P{number}"), "{answer}");
    }
    drop(server);
    let log = home.printed(&["audit", "list"]);
    assert_eq!(
        log.matches("\treembed\t").count(),
        all,
        "each is logged once"
    );
    home.printed(&["audit", "verify"]);
}

//! `fusiform setup`: what it writes is read by `fusiform serve`, whatever the combination; it
//! overwrites nothing unasked, tries addresses, and says what is wrong in plain words.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::mqtt_fixture::Broker;
use crate::server_fixture::{Home, Server};

fn setup(home: &Home, flags: &[&str]) -> Output {
    home.run(&[&["--json", "setup"], flags].concat())
}

#[track_caller]
fn written(output: &Output, wanted: i32) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(wanted), "{said}");
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Answers every request with a status and a text, until the test ends.
fn answering(status: &'static str, text: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for line in listener.incoming() {
            let mut line = line.unwrap();
            let mut request = [0; 2048];
            drop(line.read(&mut request));
            let n = text.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {n}\r\nConnection: close\r\n\r\n{text}"
            );
            drop(line.write_all(answer.as_bytes()));
        }
    });
    url
}

#[test]
fn every_combination_of_programs_is_written_read_and_served() {
    let pong = answering("200 OK", "pong");
    let immich = [
        "--immich",
        "--immich-listen",
        "127.0.0.1:0",
        "--immich-forward",
        &pong,
    ];
    let programs: [&[&str]; 4] = [
        &immich,
        &["--nextcloud", "--nextcloud-listen", "127.0.0.1:0"],
        &["--deepstack", "--deepstack-listen", "127.0.0.1:0"],
        // Nobody is there, and the server waits for them.
        &[
            "--broker",
            "mqtt://127.0.0.1:1",
            "--frigate",
            "http://127.0.0.1:1",
            "--double-take",
            "--camera",
            "front \"door\"",
            "--no-test",
        ],
    ];
    for chosen in 0..16_u32 {
        let home = Home::empty();
        let mut flags = vec!["--listen", "127.0.0.1:0"];
        let is_on = |i: usize| chosen & (1 << i) != 0;
        flags.extend((0..4).filter(|i| is_on(*i)).flat_map(|i| programs[i]));
        if chosen.count_ones() > 0 {
            flags.push("--no-pages");
        }
        let answer = written(&setup(&home, &flags), 0);
        let text = fs::read_to_string(home.path("config.toml")).unwrap();
        assert!(text.starts_with("# Settings of Fusiform"), "{text}");
        let settings = text
            .lines()
            .filter(|l| l.contains(" = ") && !l.starts_with('#'));
        assert!(
            text.matches("\n# ").count() >= settings.count(),
            "a comment each: {text}"
        );
        let mut server = Server::start(home.command(&["-q", "serve"]));
        let listeners = (chosen & 7).count_ones();
        let started: Vec<String> = (0..listeners).map(|_| server.line()).collect();
        for (i, name) in ["immich", "nextcloud", "deepstack"].iter().enumerate() {
            let there = started.iter().any(|line| line.starts_with(name));
            assert_eq!(there, is_on(i), "{name} of {started:?}\n{text}");
        }
        let pasted = answer["paste"].to_string();
        assert_eq!(
            pasted.contains("Maximum recognition distance: 0.5"),
            is_on(0),
            "{pasted}"
        );
        assert_eq!(
            pasted.contains("external_model_api_key --value "),
            is_on(1),
            "{pasted}"
        );
        let ready = String::from_utf8(server.get("/readyz", "").body).unwrap();
        assert_eq!(ready.contains("127.0.0.1:1"), is_on(3), "{ready}\n{text}");
        if is_on(2) || is_on(3) {
            // The key that was made recognises people for clients that send none.
            let key = fs::read_to_string(home.path("recognition.key")).unwrap();
            let list = server.get("/api/v1/recognition/subjects", key.trim());
            assert_eq!(list.status, 200, "{answer}");
            assert!(pasted.contains(key.trim()));
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                let mode = fs::metadata(home.path("recognition.key"))
                    .unwrap()
                    .permissions()
                    .mode();
                assert_eq!(mode & 0o777, 0o600);
            }
        }
    }
}

#[test]
fn a_settings_file_is_not_overwritten_and_what_is_not_answered_stays() {
    let home = Home::new();
    let old = "exclude = [\"*.png\"]\n[serve]\nlisten = \"127.0.0.1:0\"\nqueue = 7\n\
               [serve.nextcloud]\nlisten = \"127.0.0.1:0\"\n";
    let file = home.path("config.toml");
    fs::write(&file, old).unwrap();
    let refused = setup(&home, &["--deepstack"]);
    written(&refused, 4);
    assert!(stderr(&refused).contains("--force"), "{}", stderr(&refused));
    assert_eq!(fs::read_to_string(&file).unwrap(), old);
    let flags = [
        "--deepstack",
        "--deepstack-listen",
        "127.0.0.1:0",
        "--force",
    ];
    for kept in ["config.toml.bak", "config.toml.bak2"] {
        let answer = written(&setup(&home, &flags), 0);
        let backup = answer["backup"].as_str().unwrap();
        assert!(backup.ends_with(kept), "{backup}");
    }
    assert_eq!(
        fs::read_to_string(home.path("config.toml.bak")).unwrap(),
        old
    );
    let now: toml::Table = fs::read_to_string(&file).unwrap().parse().unwrap();
    assert_eq!(now["exclude"].as_array().unwrap().len(), 1);
    assert_eq!(now["serve"]["queue"].as_integer(), Some(7));
    assert_eq!(
        now["serve"]["nextcloud"]["listen"].as_str(),
        Some("127.0.0.1:0")
    );
    // The people who were there are those of the new key: it is a key of their collection.
    let numbers = home.printed(&["--json", "keys", "list"]);
    let keys: Value = serde_json::from_str(&numbers).unwrap();
    let services: Vec<&Value> = keys
        .as_array()
        .unwrap()
        .iter()
        .map(|k| &k["service"])
        .collect();
    assert_eq!(services, [&json!(1), &json!(1)], "{keys}");
    // A file that is not there yet can be named.
    let other = home.path("elsewhere/other.toml");
    let named = [
        "--config",
        other.to_str().unwrap(),
        "setup",
        "--no-pages",
        "--no-test",
    ];
    let output = home.run(&named);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        fs::read_to_string(&other)
            .unwrap()
            .contains("pages = false")
    );
}

#[test]
fn answers_that_are_missing_or_cannot_be_used_are_named() {
    let home = Home::empty();
    for (flags, code, words) in [
        (&["--immich"][..], 2, "--immich-forward"),
        (&["--frigate", "http://127.0.0.1:5000"], 2, "--broker"),
        (
            &["--broker", "mqtt://a", "--broker-user", "x"],
            2,
            "--broker-password-file",
        ),
        (&["--listen", "here"], 2, "--listen"),
        (&[], 4, "--immich, --nextcloud, --deepstack, --broker"),
        (&["--broker", "http://a:1"], 4, "mqtt://host:1883"),
        (&["--broker", "mqtt://u:p@a:1"], 4, "holds a user"),
        (
            &["--broker", "mqtt://a", "--frigate", "https://a:8971"],
            4,
            "plain HTTP",
        ),
        (
            &["--immich", "--immich-forward", "https://a"],
            4,
            "plain HTTP",
        ),
        (
            &["--immich", "--immich-forward", "http://u:pass@a"],
            4,
            "http://…@a",
        ),
        (
            &["--no-pages", "--collection", "1"],
            4,
            "nothing that is set up recognises anybody",
        ),
        (
            &["--immich", "--immich-forward", "http://127.0.0.1:3003"],
            4,
            "Fusiform itself",
        ),
    ] {
        let refused = setup(&home, flags);
        written(&refused, code);
        assert!(
            stderr(&refused).contains(words),
            "{flags:?}: {}",
            stderr(&refused)
        );
        assert!(!home.path("config.toml").exists(), "{flags:?}");
        assert!(!stderr(&refused).contains("pass@"), "{flags:?}");
    }
    let key = home.secret("others.key", "6f0c6a6e-8a41-4d3c-9a6a-0d7a1c1c5b2e");
    home.make_key("recognition");
    let refused = setup(&home, &["--deepstack", "--key-file", &key]);
    written(&refused, 4);
    assert!(
        stderr(&refused).contains("opens no collection"),
        "{}",
        stderr(&refused)
    );
    home.make_key("recognition");
    let refused = setup(&home, &["--deepstack"]);
    written(&refused, 4);
    assert!(
        stderr(&refused).contains("--collection"),
        "{}",
        stderr(&refused)
    );
    let flags = [
        "--deepstack",
        "--deepstack-listen",
        "127.0.0.1:0",
        "--collection",
        "2",
    ];
    written(
        &setup(&home, &[&flags[..], &["--listen", "127.0.0.1:0"]].concat()),
        0,
    );
    // The key that is there opens another collection than the one that is asked for.
    let refused = setup(&home, &["--deepstack", "--collection", "1", "--force"]);
    written(&refused, 4);
    assert!(
        stderr(&refused).contains("opens collection 2"),
        "{}",
        stderr(&refused)
    );
    let refused = setup(&home, &["--deepstack", "--collection", "9", "--force"]);
    written(&refused, 4);
}

#[test]
fn two_programs_keep_the_people_that_each_has() {
    let home = Home::empty();
    let [first, second] = ["first.key", "second.key"].map(|file| {
        let key = home.make_key("recognition");
        home.secret(file, &key)
    });
    let listen = [
        "--listen",
        "127.0.0.1:0",
        "--no-pages",
        "--no-test",
        "--force",
    ];
    let deepstack = ["--deepstack", "--deepstack-listen", "127.0.0.1:0"];
    let broker = ["--broker", "ssl://127.0.0.1:1/"];
    let with = |flags: &[&str], file: &str| {
        let key_file = ["--key-file", file];
        written(&setup(&home, &[flags, &listen, &key_file].concat()), 0)
    };
    with(&deepstack, &first);
    let file = home.path("config.toml");
    let settings = || {
        fs::read_to_string(&file)
            .unwrap()
            .parse::<toml::Table>()
            .unwrap()
    };
    let given = fs::read_to_string(&file).unwrap()
        + "[serve.mqtt]\nbroker = \"mqtt://a\"\n"
        + &format!("topic_prefix = \"house\"\nkey_file = {second:?}\n");
    fs::write(&file, given).unwrap();
    let answer = written(&setup(&home, &[&broker[..], &listen].concat()), 0);
    let now = settings();
    let of = |program: &str| {
        now["serve"][program]["key_file"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!((of("deepstack"), of("mqtt")), (first, second.clone()));
    assert_eq!(
        now["serve"]["mqtt"]["broker"].as_str(),
        Some("ssl://127.0.0.1:1")
    );
    let pasted = answer["paste"].to_string();
    assert_eq!(pasted.matches("x-api-key: ").count(), 2, "{pasted}");
    assert!(pasted.contains("names come as house/..."), "{pasted}");
    // A flag is about both.
    with(&broker, &second);
    assert_eq!(
        settings()["serve"]["deepstack"]["key_file"].as_str(),
        Some(&*second)
    );
}

#[test]
fn addresses_are_tried_and_what_is_wrong_is_said_with_what_mends_it() {
    let home = Home::empty();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone_url = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let web = answering("200 OK", "<html>");
    let cases: [(&str, &str); 3] = [
        (&gone_url, "nothing listens there"),
        (&web, "but not Immich's machine learning"),
        (
            "http://no-such-machine.invalid:3003",
            "no machine of that name",
        ),
    ];
    for (url, words) in cases {
        let listen = [
            "--immich-listen",
            "127.0.0.1:0",
            "--listen",
            "127.0.0.1:0",
            "--force",
        ];
        let flags = [&["--immich", "--immich-forward", url], &listen[..]].concat();
        let tried = setup(&home, &flags);
        // The settings are written: the address may answer later.
        let answer = written(&tried, 3);
        assert!(stderr(&tried).contains(words), "{url}: {}", stderr(&tried));
        let problems = answer["checks"].as_array().unwrap().iter();
        assert_eq!(
            problems.filter(|check| !check["problem"].is_null()).count(),
            1,
            "{answer}"
        );
        let none = [&flags[..], &["--no-test"]].concat();
        assert_eq!(written(&setup(&home, &none), 0)["checks"], json!([]));
    }
    let tried = setup(&home, &["--listen", &taken.to_string(), "--force"]);
    written(&tried, 3);
    let said = stderr(&tried);
    assert!(said.contains("another program listens on port"), "{said}");
    // Two of our own at one address, which the server would be refused.
    let one = gone_url.trim_start_matches("http://");
    let both = ["--nextcloud", "--nextcloud-listen", one, "--listen", one];
    let tried = setup(&home, &[&both[..], &["--force", "--no-pages"]].concat());
    written(&tried, 3);
    let said = stderr(&tried);
    assert!(said.contains("pages and API have port"), "{said}");
    let tried = setup(
        &home,
        &["--listen", "192.0.2.1:8000", "--no-pages", "--force"],
    );
    written(&tried, 3);
    assert!(
        stderr(&tried).contains("no address of this machine"),
        "{}",
        stderr(&tried)
    );
}

#[test]
fn beyond_this_machine_the_pages_get_a_password_in_a_file() {
    let home = Home::empty();
    let answer = written(
        &setup(&home, &["--listen", "0.0.0.0:0", "--folder", "photos"]),
        0,
    );
    let password = fs::read_to_string(home.path("pages.password")).unwrap();
    assert!(
        answer["made"].to_string().contains(password.trim()),
        "{answer}"
    );
    let text = fs::read_to_string(home.path("config.toml")).unwrap();
    let now: toml::Table = text.parse().unwrap();
    let folder = now["folders"][0].as_str().unwrap();
    assert!(Path::new(folder).is_absolute(), "{folder}");
}

#[test]
fn a_key_that_opens_nothing_ends_the_start_of_a_server() {
    let home = Home::new();
    let key = home.secret("others.key", "6f0c6a6e-8a41-4d3c-9a6a-0d7a1c1c5b2e");
    let mut serve = home.command(&["serve", "--listen", "127.0.0.1:0", "--no-pages"]);
    serve.env("FUSIFORM_DEEPSTACK_LISTEN", "127.0.0.1:0");
    serve.env("FUSIFORM_DEEPSTACK_KEY_FILE", &key);
    let refused = serve.output().unwrap();
    assert_eq!(refused.status.code(), Some(4));
    let said = stderr(&refused);
    let words = [
        "deepstack",
        "others.key",
        "opens no collection",
        "fusiform keys list",
    ];
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
    let mut serve = home.command(&["serve", "--listen", "127.0.0.1:0", "--no-pages"]);
    serve.env("FUSIFORM_MQTT_BROKER", "mqtt://127.0.0.1:1");
    serve.env("FUSIFORM_MQTT_KEY_FILE", &key);
    let said = stderr(&serve.output().unwrap());
    assert!(
        said.contains("mqtt") && said.contains("others.key"),
        "{said}"
    );
    let empty = home.secret("empty.key", "");
    let mut serve = home.command(&["serve", "--listen", "127.0.0.1:0", "--no-pages"]);
    serve.env("FUSIFORM_NEXTCLOUD_LISTEN", "127.0.0.1:0");
    serve.env("FUSIFORM_NEXTCLOUD_KEY_FILE", &empty);
    let said = stderr(&serve.output().unwrap());
    assert!(
        said.contains("empty.key") && said.contains("first line"),
        "{said}"
    );
}

#[test]
fn a_broker_is_tried_with_its_user_and_a_frigate_with_its_version() {
    let settings = "allow_anonymous false\npassword_file DIR/passwords\n";
    let Some(broker) = Broker::with(settings, &["-u", "fusiform", "-P", "a secret"]) else {
        return;
    };
    let url = broker.url();
    let frigate = answering("200 OK", "0.16.1-abc");
    let asks = answering("401 Unauthorized", "login");
    let home = Home::empty();
    let right = home.secret("right", "a secret");
    let wrong = home.secret("wrong", "another");
    let tried = |password: &str, frigate: &str| {
        let login = [
            "--broker-user",
            "fusiform",
            "--broker-password-file",
            password,
        ];
        let flags = [
            "--broker",
            &url,
            "--frigate",
            frigate,
            "--force",
            "--listen",
            "127.0.0.1:0",
        ];
        setup(&home, &[&flags[..], &login].concat())
    };
    let good = tried(&right, &frigate);
    let said = stderr(&good);
    written(&good, 0);
    assert!(
        said.contains("lets us in") && said.contains("version 0.16.1"),
        "{said}"
    );
    for (password, frigate, words) in [
        (&wrong, &frigate, "check user and password"),
        (&right, &asks, "asks for a login"),
    ] {
        let bad = tried(password, frigate);
        written(&bad, 3);
        assert!(stderr(&bad).contains(words), "{}", stderr(&bad));
    }
    // What is no broker is said to be none.
    let web = answering("200 OK", "<html>").replace("http://", "mqtt://");
    let bad = setup(
        &home,
        &["--broker", &web, "--force", "--listen", "127.0.0.1:0"],
    );
    written(&bad, 3);
    assert!(stderr(&bad).contains("without TLS"), "{}", stderr(&bad));
}

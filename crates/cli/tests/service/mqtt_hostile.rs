//! Brokers and messages that mean no good: logins, certificates, sizes, and payloads of whoever may
//! publish.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::mqtt_fixture::{Broker, Frigate, Subscriber, Told, object};
use crate::server_fixture::{Home, Server, portrait};

fn serve(home: &Home, settings: &[(&str, &str)]) -> Server {
    let key = home.secret("mqtt.key", &home.key);
    let mut all = vec![("FUSIFORM_MQTT_KEY_FILE", key.as_str())];
    all.extend(settings);
    home.serve_with(&all)
}

fn enrol(server: &Server, home: &Home) {
    let answer = server.send("faces?subject=Ida", &home.key, &portrait(1));
    assert_eq!(answer.status, 201, "{answer:?}");
}

fn wait_for(server: &Server, path: &str, says: &str) {
    let begun = Instant::now();
    loop {
        let text = String::from_utf8_lossy(&server.get(path, "").body).into_owned();
        if text.contains(says) {
            return;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{says:?} is not in {text}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// An event is answered.
fn works(broker: &Broker, subscriber: &Subscriber, frigate: &Frigate, id: &str) {
    frigate.set_snapshot(id, portrait(2));
    broker.event("new", &object(id, "door", 1.0));
    broker.event("end", &object(id, "door", 2.0));
    assert_eq!(subscriber.end_of(id)["people"][0]["name"], "Ida");
}

#[test]
fn a_broker_with_tls_of_an_own_authority_and_a_password() {
    let settings = "allow_anonymous false\npassword_file DIR/passwords\ncafile DIR/ca.pem\n\
                    certfile DIR/broker.pem\nkeyfile DIR/broker.key\n";
    let login = ["-u", "fusiform", "-P", "a secret", "--cafile", "DIR/ca.pem"];
    let Some(broker) = Broker::with(settings, &login) else {
        return;
    };
    let frigate = Frigate::start(|_, _, _| {});
    let home = Home::new();
    let url = broker.url().replace("mqtt:", "mqtts:");
    let (ca, right) = (broker.path("ca.pem"), home.secret("right", "a secret"));
    let wrong = home.secret("wrong", "a guess");
    let settings = [
        ("FUSIFORM_MQTT_BROKER", url.as_str()),
        ("FUSIFORM_MQTT_CA_FILE", &ca),
        ("FUSIFORM_MQTT_USER", "fusiform"),
        ("FUSIFORM_MQTT_PASSWORD_FILE", &right),
        ("FUSIFORM_FRIGATE_URL", &frigate.url),
    ];
    let server = serve(&home, &settings);
    wait_for(
        &server,
        "/readyz",
        "connected to the broker mqtts://localhost",
    );
    enrol(&server, &home);
    works(&broker, &broker.listen(), &frigate, "1-a");
    drop(server);
    for (name, value, says) in [
        ("FUSIFORM_MQTT_PASSWORD_FILE", wrong.as_str(), "it refuses"),
        // Certificates of the system do not sign this broker.
        ("FUSIFORM_MQTT_CA_FILE", "", "certificate"),
    ] {
        let mut changed = settings.to_vec();
        changed.retain(|(given, _)| *given != name);
        changed.extend((!value.is_empty()).then_some((name, value)));
        if value.is_empty() && !std::path::Path::new("/etc/ssl/certs").exists() {
            continue;
        }
        wait_for(&serve(&home, &changed), "/readyz", says);
    }
}

#[test]
fn pictures_of_up_to_sixteen_megabytes_come_as_messages_and_larger_ones_break_nothing() {
    let Some(broker) = Broker::start() else {
        return;
    };
    let home = Home::new();
    let server = serve(&home, &[("FUSIFORM_MQTT_BROKER", &broker.url())]);
    let subscriber = broker.listen();
    wait_for(&server, "/readyz", "connected to the broker");
    enrol(&server, &home);
    let topic = "frigate/door/person/snapshot";
    let padded = |n_bytes: usize| {
        // What stands behind a JPEG's end is not looked at.
        let mut jpeg = portrait(2);
        jpeg.resize(n_bytes, 0);
        jpeg
    };
    // Kept from the past, and of no event: neither is looked at.
    broker.publish_with(topic, &portrait(2), &["-r"]);
    broker.event("new", &object("1-a", "door", 1.0));
    wait_for(
        &server,
        "/metrics",
        r#"fusiform_mqtt_events_total{fate="taken"} 1"#,
    );
    broker.publish(topic, &padded(15 << 20));
    let found = subscriber.nth("fusiform/matches/Ida", 0).json();
    let expected = (&json!("1-a"), &json!("mqtt"));
    assert_eq!((&found["event"], &found["picture"]["source"]), expected);
    let is_back = |n: usize| {
        move |all: &[Told]| {
            let said = all.iter().filter(|told| told.topic == "fusiform/available");
            let online = said.filter(|told| told.text() == "online").count();
            (online > n).then_some(())
        }
    };
    let n = subscriber.of("fusiform/available").len();
    broker.publish(topic, &padded(17 << 20));
    subscriber.find("another connection", is_back(n));
    broker.event("end", &object("1-a", "door", 2.0));
    assert_eq!(subscriber.end_of("1-a")["people"][0]["name"], "Ida");
    let (_, said) = server.stop();
    assert!(said.contains("it sends a message of 17825"), "{said}");
}

/// Messages that follow no rule, from a seed: cut, exchanged, nested, of wrong types, no UTF-8.
fn malformed(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    let mut dice = move |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % n
    };
    let mut object = object("9-x", "door", 1.0);
    let fields: Vec<String> = object.as_object().unwrap().keys().cloned().collect();
    let field = fields[dice(fields.len() as u64) as usize].clone();
    let values = [
        Value::Null,
        json!({"a": [1, {"b": null}]}),
        json!(-1),
        json!(1e308),
        json!("../../etc/passwd"),
        json!("#"),
        json!("\u{0}\u{7f}\u{202e}"),
        json!("x".repeat(5000)),
        json!([[[[]]], "a", 1]),
        json!(true),
    ];
    object[&field] = values[dice(values.len() as u64) as usize].clone();
    let kinds = ["new", "update", "end", "NEW", ""];
    let kind = kinds[dice(kinds.len() as u64) as usize];
    let text = json!({"type": kind, "before": object, "after": object}).to_string();
    let mut bytes = text.into_bytes();
    match dice(5) {
        0 => bytes.truncate(dice(bytes.len() as u64) as usize),
        1 => {
            let at = dice(bytes.len() as u64) as usize;
            bytes[at] = dice(256) as u8;
        }
        2 => bytes = [vec![b'['; 3000], bytes].concat(),
        3 => bytes = (0..dice(3000)).map(|_| dice(256) as u8).collect(),
        _ => {}
    }
    bytes
}

#[test]
fn two_hundred_malformed_messages_stop_nothing_and_ask_frigate_nothing_strange() {
    let Some(broker) = Broker::start() else {
        return;
    };
    let frigate = Frigate::start(|_, _, _| {});
    let home = Home::new();
    let settings = [
        ("FUSIFORM_MQTT_BROKER", broker.url()),
        ("FUSIFORM_FRIGATE_URL", frigate.url.clone()),
        ("FUSIFORM_MQTT_COMPAT", "double-take".into()),
    ];
    let settings = settings
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let server = serve(&home, &settings);
    let subscriber = broker.listen();
    wait_for(&server, "/readyz", "connected to the broker");
    enrol(&server, &home);
    for seed in 0..200 {
        broker.publish("frigate/events", &malformed(seed));
    }
    // An event of the past that the broker kept, pictures that are none, other topics.
    broker.publish("frigate/available", b"\xff\xfe");
    broker.publish("frigate/events/deeper", b"{}");
    broker.publish("fusiform/people/Eve/state", b"{}");
    frigate.set_snapshot("8-none", b"no picture".to_vec());
    broker.event("new", &object("8-none", "door", 1.0));
    broker.event("end", &object("8-none", "door", 2.0));
    assert_eq!(subscriber.end_of("8-none")["people"], json!([]));
    works(&broker, &subscriber, &frigate, "1-a");
    let plain = |path: &str| {
        path.split('/')
            .all(|word| !matches!(word, ".." | "#" | "+"))
    };
    for (line, _) in frigate.asked() {
        let is_known = line.starts_with("GET /api/") || line.starts_with("POST /api/events/");
        assert!(is_known && plain(&line) && line.len() < 200, "{line}");
    }
    for told in subscriber.all() {
        let is_ours = told.topic.starts_with("fusiform/") || told.topic.starts_with("double-take/");
        assert!(!is_ours || told.topic.len() < 200, "{told:?}");
    }
    let metrics = String::from_utf8(server.get("/metrics", "").body).unwrap();
    let malformed = metrics
        .lines()
        .find(|l| l.contains(r#"events_total{fate="malformed"}"#));
    let n: u32 = malformed
        .unwrap()
        .rsplit(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!(n > 100, "{metrics}");
    let (code, said) = server.stop();
    assert_eq!(code, Some(0));
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn settings_that_cannot_be_are_refused_at_the_start_with_what_is_wrong() {
    let home = Home::new();
    let key = home.secret("mqtt.key", &home.key);
    let detection = home.secret("detection.key", &home.make_key("detection"));
    for (settings, says) in [
        (
            &[("FUSIFORM_MQTT_BROKER", "broker:1883")][..],
            "mqtt://host:1883",
        ),
        (&[("FUSIFORM_MQTT_BROKER", "mqtt://a:b@c")], "holds a user"),
        (&[("FUSIFORM_MQTT_TOPIC_PREFIX", "a/#")], "wildcards"),
        (&[("FUSIFORM_MQTT_COMPAT", "doubletake")], "double-take"),
        (
            &[("FUSIFORM_MQTT_KEY_FILE", &detection)],
            "opens no collection",
        ),
        (
            &[("FUSIFORM_FRIGATE_URL", "https://frigate:8971")],
            "plain HTTP",
        ),
        (
            &[
                ("FUSIFORM_MQTT_CA_FILE", "/no/such.pem"),
                ("FUSIFORM_MQTT_BROKER", "mqtts://a"),
            ],
            "such.pem",
        ),
        (&[("FUSIFORM_MQTT_FMR", "2")], "between 0 and 1"),
    ] {
        let mut command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.env("FUSIFORM_MQTT_BROKER", "mqtt://localhost:1");
        command.env("FUSIFORM_MQTT_KEY_FILE", &key);
        let output = command.envs(settings.iter().copied()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains(says),
            "{settings:?}: {said}"
        );
    }
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    let output = command.env("FUSIFORM_MQTT_USER", "ida").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("key_file") && said.contains("FUSIFORM_MQTT_KEY_FILE"),
        "{said}"
    );
}

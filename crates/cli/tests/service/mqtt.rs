//! Frigate's events over MQTT, with the real mosquitto: who is in them, what Double Take's
//! automations and Home Assistant are told, and what becomes of it when somebody goes away.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::mqtt_fixture::{Broker, Frigate, Subscriber, object};
use crate::server_fixture::{Home, Server, portrait};

const DOUBLE_TAKE: (&str, &str) = ("FUSIFORM_MQTT_COMPAT", "double-take");

/// A server that listens to a broker and asks a Frigate; `more` are further settings.
fn serve(home: &Home, broker: &str, frigate: &str, more: &[(&str, &str)]) -> Server {
    let key = home.secret("mqtt.key", &home.key);
    let mut settings = vec![
        ("FUSIFORM_MQTT_BROKER", broker),
        ("FUSIFORM_MQTT_KEY_FILE", &key),
        ("FUSIFORM_FRIGATE_URL", frigate),
    ];
    settings.extend(more);
    home.serve_with(&settings)
}

fn enrol(server: &Server, home: &Home, name: &str, number: usize) {
    let path = format!("faces?subject={name}");
    let answer = server.send(&path, &home.key, &portrait(number));
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// Waits until `/readyz` says so.
fn readyz(server: &Server, says: &str) -> String {
    let begun = std::time::Instant::now();
    loop {
        let answer = server.get("/readyz", "");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if text.contains(says) {
            assert_eq!(answer.status, 200, "{text}");
            return text;
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{says:?} is not in {text}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn online(subscriber: &Subscriber) {
    assert_eq!(subscriber.nth("fusiform/available", 0).text(), "online");
}

/// A picture of `portrait` that is smaller, and so worth less.
fn small(number: usize, px: u32) -> Vec<u8> {
    let limits = fusiform::image::DecodeLimits::default();
    let image = fusiform::image::decode(&portrait(number), &limits)
        .unwrap()
        .image;
    fusiform::image::encode_jpeg(&image.shrunk_to(px), 90).unwrap()
}

#[test]
fn an_event_becomes_a_name_once_in_all_three_ways_and_no_loop() {
    let Some(broker) = Broker::start() else {
        return;
    };
    let broker = Arc::new(broker);
    // Frigate repeats an event that was given a name.
    let (echo, n_echoes) = (Arc::clone(&broker), Arc::new(Mutex::new(0)));
    let counted = Arc::clone(&n_echoes);
    let frigate = Frigate::start(move |id, name, score| {
        let before = object(id, "front_door", 1.0);
        let mut after = before.clone();
        after["sub_label"] = json!([name, score]);
        let message = json!({"type": "update", "before": before, "after": after});
        echo.publish("frigate/events", message.to_string().as_bytes());
        *counted.lock().unwrap() += 1;
    });
    let subscriber = broker.listen();
    let home = Home::new();
    let server = serve(&home, &broker.url(), &frigate.url, &[DOUBLE_TAKE]);
    online(&subscriber);
    enrol(&server, &home, "Ida", 1);
    frigate.set_snapshot("1-ida", portrait(2));
    broker.event("new", &object("1-ida", "front_door", 1.0));

    let found = subscriber.nth("fusiform/matches/Ida", 0).json();
    assert_eq!(
        (&found["name"], &found["camera"]),
        (&json!("Ida"), &json!("front_door"))
    );
    assert_eq!(
        (&found["event"], &found["type"]),
        (&json!("1-ida"), &json!("match"))
    );
    assert_eq!(found["false_match_rate"], json!(0.0001));
    assert!(
        found["similarity"].as_f64() >= found["threshold"].as_f64(),
        "{found}"
    );
    assert_eq!(found["started_at"], "2020-12-04T23:19:15.400Z");
    assert_eq!(subscriber.nth("fusiform/events", 0).json(), found);
    assert_eq!(subscriber.nth("fusiform/people/Ida/state", 0).json(), found);
    let image = subscriber.nth("fusiform/people/Ida/image", 0).payload;
    let limits = fusiform::image::DecodeLimits::default();
    assert!(fusiform::image::decode(&image, &limits).is_ok());
    let at = subscriber.nth("fusiform/cameras/front_door", 0).json();
    assert_eq!(
        (&at["people"], &at["unknown"]),
        (&json!(["Ida"]), &json!(0))
    );

    let told = subscriber.nth("double-take/matches/Ida", 0).json();
    let found = &told["match"];
    assert_eq!(
        (&told["id"], &told["camera"]),
        (&json!("1-ida"), &json!("front_door"))
    );
    assert_eq!(
        (&found["name"], &found["match"]),
        (&json!("Ida"), &json!(true))
    );
    assert_eq!(
        (&found["detector"], &found["type"]),
        (&json!("compreface"), &json!("snapshot"))
    );
    assert!(found["confidence"].as_f64().unwrap() > 60.0 && found["box"]["width"].is_i64());
    let state = "homeassistant/sensor/double-take/Ida/state";
    assert_eq!(subscriber.nth(state, 0).json(), told);
    let config = subscriber
        .nth("homeassistant/sensor/double-take/Ida/config", 0)
        .json();
    assert_eq!(
        (&config["state_topic"], &config["expire_after"]),
        (&json!(state), &json!(600))
    );
    let tracker = "homeassistant/device_tracker/double-take/Ida/state";
    assert_eq!(subscriber.nth(tracker, 0).text(), "home");
    let person = subscriber.nth("double-take/cameras/front_door/person", 0);
    assert_eq!(person.text(), "1");

    // A frame that is no better is not said again; the end is, once, though it comes twice.
    frigate.set_snapshot("1-ida", small(2, 200));
    broker.event("update", &object("1-ida", "front_door", 2.0));
    let mut over = object("1-ida", "front_door", 3.0);
    over["end_time"] = json!(1607123965.4);
    broker.event("end", &over);
    broker.event("end", &over);
    let end = subscriber.end_of("1-ida");
    assert_eq!(
        (&end["people"][0]["name"], &end["unknown"]),
        (&json!("Ida"), &json!(0))
    );
    assert_eq!(end["ended_at"], "2020-12-04T23:19:25.400Z");

    // Somebody unknown: a count, and nothing that tells who.
    frigate.set_snapshot("2-who", portrait(5));
    broker.event("new", &object("2-who", "garden", 1.0));
    broker.event("end", &object("2-who", "garden", 2.0));
    let end = subscriber.end_of("2-who");
    assert_eq!((&end["people"], &end["unknown"]), (&json!([]), &json!(1)));
    let unknown = subscriber.nth("double-take/matches/unknown", 0).json();
    assert_eq!(
        (
            &unknown["unknown"]["name"],
            &unknown["unknowns"][0]["match"]
        ),
        (&json!("unknown"), &json!(false))
    );
    let gone = |all: &[crate::mqtt_fixture::Told]| {
        let mut counts = all
            .iter()
            .filter(|t| t.topic == "fusiform/cameras/garden/people");
        counts
            .next_back()
            .filter(|last| last.text() == "0")
            .cloned()
    };
    subscriber.find("an empty garden", gone);

    let named = frigate.named();
    assert_eq!(named.len(), 1, "{named:?}");
    assert_eq!(named[0].0, "/api/events/1-ida/sub_label");
    assert_eq!(named[0].1["subLabel"], "Ida");
    let score = named[0].1["subLabelScore"].as_f64().unwrap();
    assert!(score > 0.6 && score <= 1.0);
    assert_eq!(*n_echoes.lock().unwrap(), 1);
    assert_eq!(subscriber.of("fusiform/matches/Ida").len(), 1);
    assert_eq!(subscriber.of("double-take/matches/Ida").len(), 1);
    let ends = subscriber.of("fusiform/events").into_iter();
    assert_eq!(ends.filter(|told| told.json()["type"] == "end").count(), 2);
    // Whatever is said of the stranger: the event's own id, and no other trace.
    for told in subscriber
        .all()
        .iter()
        .filter(|told| told.text().contains("2-who"))
    {
        let text = told.text();
        assert!(
            !text.contains("similarity") && !text.contains("embedding"),
            "{told:?}"
        );
    }
    let metrics = String::from_utf8(server.get("/metrics", "").body).unwrap();
    assert!(metrics.contains("fusiform_mqtt_connected 1"), "{metrics}");
    let (code, _) = server.stop();
    assert_eq!(code, Some(0));
    let last = |all: &[crate::mqtt_fixture::Told]| {
        let mut said = all.iter().filter(|t| t.topic == "fusiform/available");
        said.next_back()
            .filter(|last| last.text() == "offline")
            .cloned()
    };
    subscriber.find("a farewell", last);
    assert_eq!(home.run(&["audit", "verify"]).status.code(), Some(0));
}

#[test]
fn the_best_frame_of_an_event_counts_and_others_names_are_left_alone() {
    let Some(broker) = Broker::start() else {
        return;
    };
    let frigate = Frigate::start(|_, _, _| {});
    let subscriber = broker.listen();
    let home = Home::new();
    let server = serve(&home, &broker.url(), &frigate.url, &[]);
    online(&subscriber);
    enrol(&server, &home, "Ida", 1);
    frigate.set_snapshot("1-a", small(2, 110));
    broker.event("new", &object("1-a", "door", 1.0));
    let first = subscriber.nth("fusiform/matches/Ida", 0).json();
    frigate.set_snapshot("1-a", portrait(1));
    let mut better = object("1-a", "door", 2.0);
    better["sub_label"] = json!(["postman", 0.7]);
    broker.event("update", &better);
    let second = subscriber.nth("fusiform/matches/Ida", 1).json();
    let similarity = |found: &Value| found["similarity"].as_f64().unwrap();
    assert!(
        similarity(&second) > similarity(&first) + 0.02,
        "{first} {second}"
    );
    assert_eq!(first["recognised_at"], second["recognised_at"]);
    broker.event("end", &better);
    let end = subscriber.end_of("1-a");
    assert_eq!(similarity(&end["people"][0]), similarity(&second));
    assert_eq!(
        subscriber.of("double-take/matches/Ida").len(),
        0,
        "not unless it is asked for"
    );
    // Its first name was ours, and is not written over the one that somebody else gave.
    assert_eq!(frigate.named().len(), 1);
    // The newest frame of the camera, where the event has none of its own.
    frigate.set_latest("gate", portrait(2));
    broker.event("new", &object("2-b", "gate", 1.0));
    let latest = subscriber.nth("fusiform/matches/Ida", 2).json();
    assert_eq!(latest["picture"]["source"], "latest");
}

#[test]
fn a_broker_that_goes_away_is_waited_for_and_nothing_is_lost_or_said_twice() {
    let Some(mut broker) = Broker::start() else {
        return;
    };
    let frigate = Frigate::start(|_, _, _| {});
    let home = Home::new();
    let server = serve(&home, &broker.url(), &frigate.url, &[]);
    let subscriber = broker.listen();
    readyz(&server, "connected to the broker");
    enrol(&server, &home, "Ida", 1);
    frigate.set_snapshot("1-a", portrait(2));
    broker.event("new", &object("1-a", "door", 1.0));
    subscriber.nth("fusiform/matches/Ida", 0);
    drop(subscriber);
    // The picture of the next event comes while the broker is away.
    frigate.set_away(true);
    frigate.set_snapshot("2-b", portrait(2));
    broker.event("new", &object("2-b", "door", 1.0));
    readyz(&server, "waiting for Frigate");
    broker.stop();
    readyz(&server, "waiting for the broker");
    frigate.set_away(false);
    let is_waiting = |server: &Server| {
        let metrics = String::from_utf8(server.get("/metrics", "").body).unwrap();
        metrics.contains("fusiform_mqtt_waiting") && !metrics.contains("fusiform_mqtt_waiting 0\n")
    };
    while !is_waiting(&server) {
        std::thread::sleep(Duration::from_millis(50));
    }
    broker.start_again();
    let subscriber = broker.listen();
    let found = subscriber.nth("fusiform/matches/Ida", 0).json();
    assert_eq!(found["event"], "2-b");
    readyz(&server, "connected to the broker");
    // The broker has forgotten its subscribers and what it kept; it is told again.
    subscriber.nth("homeassistant/sensor/fusiform/person_ida/config", 0);
    for id in ["1-a", "2-b"] {
        broker.event("end", &object(id, "door", 2.0));
        assert_eq!(subscriber.end_of(id)["people"][0]["name"], "Ida");
    }
    assert_eq!(subscriber.of("fusiform/matches/Ida").len(), 1);
    let (_, said) = server.stop();
    let away = said
        .lines()
        .filter(|line| line.contains("waiting for the broker"));
    assert_eq!(away.count(), 1, "{said}");
    // The will of whoever is killed.
    let server = serve(&home, &broker.url(), &frigate.url, &[]);
    let is_there = |word: &'static str| {
        move |all: &[crate::mqtt_fixture::Told]| {
            let mut said = all.iter().filter(|t| t.topic == "fusiform/available");
            said.next_back().filter(|last| last.text() == word).cloned()
        }
    };
    subscriber.find("a second start", is_there("online"));
    drop(server);
    subscriber.find("the will", is_there("offline"));
}

/// Topics under which the broker keeps something of a person.
fn kept_of(broker: &Broker, name: &str) -> Vec<String> {
    let all = broker.listen().all().into_iter();
    let about = all.filter(|told| {
        let low = |text: &str| text.to_lowercase().contains(&name.to_lowercase());
        told.retained && (low(&told.topic) || low(&told.text()))
    });
    about.map(|told| told.topic).collect()
}

fn wait_until_gone(broker: &Broker, name: &str) {
    let begun = std::time::Instant::now();
    loop {
        let kept = kept_of(broker, name);
        if kept.is_empty() {
            return;
        }
        let late = begun.elapsed() > Duration::from_secs(60);
        assert!(!late, "of {name} are kept {kept:?}");
    }
}

#[test]
fn whose_consent_ends_is_not_named_any_more_and_the_broker_keeps_nothing_of_them() {
    let Some(broker) = Broker::start() else {
        return;
    };
    let frigate = Frigate::start(|_, _, _| {});
    let home = Home::new();
    let server = serve(&home, &broker.url(), &frigate.url, &[DOUBLE_TAKE]);
    let subscriber = broker.listen();
    online(&subscriber);
    let consent = |expires_at_ms: Option<u64>| {
        let given = json!({"basis": "consent", "purpose": "door", "expires_at_ms": expires_at_ms});
        let path = "/api/fusiform/v1/people/Ida";
        assert_eq!(server.json("PUT", path, &home.key, &given).status, 200);
    };
    consent(None);
    enrol(&server, &home, "Ida", 1);
    frigate.set_snapshot("1-a", portrait(2));
    broker.event("new", &object("1-a", "door", 1.0));
    subscriber.nth("fusiform/people/Ida/image", 0);
    assert!(kept_of(&broker, "Ida").len() >= 8);
    // The event goes on while the consent ends.
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    consent(Some(now.as_millis() as u64 + 1500));
    wait_until_gone(&broker, "Ida");
    let n_named = subscriber.of("fusiform/matches/Ida").len();
    frigate.set_snapshot("1-a", portrait(1));
    broker.event("update", &object("1-a", "door", 2.0));
    frigate.set_snapshot("2-b", portrait(3));
    broker.event("new", &object("2-b", "gate", 1.0));
    for (id, camera) in [("1-a", "door"), ("2-b", "gate")] {
        broker.event("end", &object(id, camera, 3.0));
        let end = subscriber.end_of(id);
        assert_eq!(end["people"], json!([]), "{end}");
    }
    assert_eq!(subscriber.of("fusiform/matches/Ida").len(), n_named);
    assert_eq!(kept_of(&broker, "Ida"), [""; 0]);
    let named = frigate.named();
    assert!(
        named.iter().all(|(path, _)| path.contains("1-a")),
        "{named:?}"
    );
}

#[test]
fn what_the_broker_keeps_of_a_person_goes_with_them_also_while_nobody_was_connected() {
    let Some(broker) = Broker::start() else {
        return;
    };
    let frigate = Frigate::start(|_, _, _| {});
    let home = Home::new();
    let server = serve(&home, &broker.url(), &frigate.url, &[DOUBLE_TAKE]);
    let subscriber = broker.listen();
    online(&subscriber);
    for (name, number) in [("Ida", 1), ("Max", 5)] {
        enrol(&server, &home, name, number);
        let id = format!("1-{name}");
        frigate.set_snapshot(&id, portrait(number + 1));
        broker.event("new", &object(&id, "door", 1.0));
        subscriber.nth(&format!("fusiform/people/{name}/image"), 0);
        broker.event("end", &object(&id, "door", 2.0));
        subscriber.end_of(&id);
    }
    let kept = |name: &str| kept_of(&broker, name);
    assert!(
        kept("Ida").len() >= 8 && kept("Max").len() >= 8,
        "{:?}",
        kept("Ida")
    );
    let erase = |server: &Server, name: &str| {
        let path = format!("/api/v1/recognition/subjects/{name}");
        assert_eq!(server.ask("DELETE", &path, &home.key, None).status, 200);
    };
    let wait_until_gone = |name: &str| wait_until_gone(&broker, name);
    erase(&server, "Ida");
    wait_until_gone("Ida");
    assert!(kept("Max").len() >= 8);
    drop(server);
    // Erased by a server that knows nothing of the broker.
    let server = home.serve();
    erase(&server, "Max");
    drop(server);
    assert!(kept("Max").len() >= 8);
    let theirs = json!({"name": "Eve", "state_topic": "x"}).to_string();
    let config = "homeassistant/sensor/double-take/Eve/config";
    broker.publish_with(config, theirs.as_bytes(), &["-r"]);
    let _server = serve(&home, &broker.url(), &frigate.url, &[DOUBLE_TAKE]);
    wait_until_gone("Max");
    assert_eq!(
        kept("Eve"),
        [config],
        "what Double Take itself keeps is not ours"
    );
}

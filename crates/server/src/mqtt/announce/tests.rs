//! What is published of people and cameras, and that it is taken back.

use super::super::event::EventKind;
use super::super::sighting::Source;
use super::super::sighting::tests::{event, seen};
use super::*;

const THRESHOLD: Threshold = Threshold {
    fmr: 1e-4,
    fnmr: 0.04,
    similarity: 0.5,
};

fn announcer() -> (Announcer, Arc<Outbox>) {
    let outbox = Arc::new(Outbox::new(Arc::default()));
    let own = OwnTopics {
        prefix: "fusiform".into(),
    };
    let discovery = Discovery::new("ha", &own, true);
    let announcer = Announcer::new(&outbox, own, Some(discovery), true);
    (announcer, outbox)
}

/// Topics of what waits, with what is kept under each.
fn said(outbox: &Outbox) -> Vec<(String, String)> {
    let mut said = Vec::new();
    while let Some(message) = outbox.hand_over() {
        let text = String::from_utf8_lossy(&message.payload).into_owned();
        said.push((message.topic, text));
        outbox.sent(0);
    }
    said
}

fn find<'a>(said: &'a [(String, String)], topic: &str) -> Option<&'a str> {
    let mut found = said.iter().rev().filter(|(at, _)| at == topic);
    found.next().map(|(_, payload)| &**payload)
}

#[test]
fn a_name_is_said_in_both_ways_and_time_takes_it_back() {
    let (announcer, outbox) = announcer();
    announcer.people(vec!["David".into()]);
    let mut sighting = Sighting::new(event("1-a", EventKind::New, 1), Instant::now());
    let news = sighting.take(seen(&[("David", 0.8)]), Source::Snapshot, 0);
    announcer.looked(&sighting, &news, THRESHOLD, 3);
    let first = said(&outbox);
    let own = find(&first, "fusiform/matches/David").unwrap();
    assert!(own.contains(r#""false_match_rate":0.0001"#), "{own}");
    assert!(find(&first, "double-take/matches/David").is_some());
    assert_eq!(
        find(&first, "ha/device_tracker/double-take/David/state"),
        Some("home")
    );
    assert_eq!(find(&first, "double-take/cameras/door/person"), Some("1"));
    let news = sighting.take(seen(&[("David", 0.9)]), Source::Snapshot, 0);
    announcer.looked(&sighting, &news, THRESHOLD, 3);
    let better = said(&outbox);
    assert!(find(&better, "fusiform/matches/David").is_some());
    assert!(
        find(&better, "double-take/matches/David").is_none(),
        "once for an event"
    );
    announcer.ended(&sighting, THRESHOLD);
    let end = said(&outbox);
    assert_eq!(end.len(), 1);
    let end = find(&end, "fusiform/events").unwrap();
    assert!(
        end.contains(r#""type":"end""#) && end.contains(r#""unknown":0"#),
        "{end}"
    );
    announcer.tick(Instant::now() + EMPTY_AFTER);
    let later = said(&outbox);
    assert_eq!(find(&later, "double-take/cameras/door/person"), Some("0"));
    let state = find(&later, "ha/sensor/double-take/door/state").unwrap();
    assert!(
        state.contains(r#""counts":{"person":0,"match":0"#),
        "{state}"
    );
    announcer.tick(Instant::now() + AWAY_AFTER);
    let away = said(&outbox);
    assert_eq!(
        find(&away, "ha/device_tracker/double-take/David/state"),
        Some("not_home")
    );
}

#[test]
fn whoever_invents_cameras_leaves_no_more_than_their_room() {
    let (announcer, outbox) = announcer();
    let busy = InCamera {
        n_events: 1,
        ..InCamera::default()
    };
    announcer.camera("a_busy_one", busy);
    let mut kept = BTreeSet::new();
    for n in 0..MAX_CAMERAS + 50 {
        announcer.camera(&format!("Camera{n}"), InCamera::default());
        while let Some(message) = outbox.hand_over() {
            match message.retain && !message.payload.is_empty() {
                true => drop(kept.insert(message.topic)),
                false => drop(kept.remove(&message.topic)),
            }
            outbox.sent(0);
        }
    }
    let cameras: Vec<String> = announcer.state().cameras.keys().cloned().collect();
    assert_eq!(cameras.len(), MAX_CAMERAS);
    assert!(cameras.iter().any(|camera| camera == "a_busy_one"));
    // Two numbers and two entities of each.
    assert_eq!(kept.len(), 4 * MAX_CAMERAS);
}

#[test]
fn nothing_stays_at_the_broker_of_a_person_who_left() {
    let (announcer, outbox) = announcer();
    announcer.people(vec!["David".into(), "Ida".into()]);
    let mut sighting = Sighting::new(event("1-a", EventKind::New, 1), Instant::now());
    let faces = [("David", 0.8), ("Ida", 0.9)];
    let news = sighting.take(seen(&faces), Source::Snapshot, 0);
    announcer.looked(&sighting, &news, THRESHOLD, 2);
    announcer.head("David", vec![1]);
    let mut kept = std::collections::BTreeMap::new();
    let mut keep = || {
        while let Some(message) = outbox.hand_over() {
            if message.retain {
                kept.insert(message.topic, message.payload);
            }
            outbox.sent(0);
        }
        let named = kept.iter().filter(|(topic, payload)| {
            let text = String::from_utf8_lossy(payload);
            !payload.is_empty() && (topic.contains("David") || text.contains("David"))
        });
        named.count()
    };
    assert!(keep() >= 8);
    // What still waits when a person leaves is not sent either.
    announcer.looked(&sighting, &news, THRESHOLD, 2);
    assert_eq!(announcer.people(vec!["Ida".into()]), ["David"]);
    announcer.head("David", vec![1]);
    assert_eq!(keep(), 0);
    assert!(announcer.people(vec!["Ida".into()]).is_empty());
}

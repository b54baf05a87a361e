//! Who may be enrolled, on what ground, until when: races, merges, ends, clocks, names, models.

use std::path::PathBuf;
use std::sync::Barrier;
use std::time::{Duration, SystemTime};

use fusiform_gallery::store::{ClockMark, Store};
use fusiform_gallery::{
    Action, Consent, Entry, Error, Gallery, Kind, Secret, Service, SqliteStore, Terms, Uuid,
    new_key, reembed,
};
use tempfile::TempDir;

const DAY_MS: i64 = 86_400_000;

fn now_ms() -> i64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    since.as_millis() as i64
}

fn service(gallery: &Gallery) -> Service {
    let terms = Terms {
        basis: "household".into(),
        purpose: "recognition".into(),
        keep_days: None,
    };
    gallery
        .add_service(Kind::Recognition, &Uuid::new_v4(), terms)
        .unwrap()
}

fn memory() -> (Gallery, Service) {
    let gallery = Gallery::in_memory("m").unwrap();
    let of = service(&gallery);
    (gallery, of)
}

fn consent(basis: &str, expires_at_ms: Option<i64>) -> Consent {
    Consent {
        basis: basis.into(),
        purpose: "a test".into(),
        expires_at_ms,
    }
}

struct Stage {
    dir: TempDir,
    key: String,
}

impl Stage {
    fn new() -> Stage {
        Stage {
            dir: tempfile::tempdir().unwrap(),
            key: new_key().unwrap().to_string(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("vault.db")
    }

    fn secret(&self) -> Secret {
        Secret::Hex(self.key.clone().into())
    }

    fn store(&self) -> SqliteStore {
        SqliteStore::open(&self.path(), &self.secret()).unwrap()
    }

    fn open(&self, model: &str) -> Gallery {
        Gallery::open(&self.path(), &self.secret(), model).unwrap()
    }
}

/// An enrolment that had begun when its person was erased ends in an error, and brings nobody back.
#[test]
fn an_enrolment_that_races_with_an_erasure_never_brings_a_person_back() {
    let (gallery, of) = memory();
    for i in 0..400 {
        let ends = consent("consent", Some(now_ms() + DAY_MS));
        assert!(gallery.add_subject(of, "Ida", Some(ends.clone())).unwrap());
        let start = Barrier::new(2);
        let (enrolled, erased) = std::thread::scope(|scope| {
            let enrol = scope.spawn(|| {
                // As a server does: it looks, computes, and enrols.
                let known = gallery.person(of, "Ida").is_some();
                start.wait();
                known.then(|| gallery.enrol(of, "Ida", &[1.0, 0.0], b"x"))
            });
            start.wait();
            let erased = gallery.erase_subject(of, "Ida").unwrap();
            (enrol.join().unwrap(), erased)
        });
        assert!(erased.is_some());
        match enrolled {
            Some(Ok(_)) => assert_eq!(erased.unwrap().1, 1, "round {i}: it came first"),
            Some(Err(Error::UnknownPerson(name))) => assert_eq!(name, "Ida"),
            other => panic!("round {i}: {other:?}"),
        }
        assert!(gallery.person(of, "Ida").is_none(), "round {i}");
        assert!(gallery.nearest(of, &[&[1.0, 0.0]], 1)[0].is_empty());
    }
    gallery.verify_erased().unwrap();
}

#[test]
fn only_calls_that_state_or_assume_a_consent_make_a_person_and_the_log_tells_which() {
    let (gallery, of) = memory();
    let refused = gallery.enrol(of, "Ida", &[1.0, 0.0], b"x");
    assert!(
        matches!(refused, Err(Error::UnknownPerson(_))),
        "{refused:?}"
    );
    let stated = consent("consent", None);
    gallery.add_subject(of, "Ida", Some(stated)).unwrap();
    gallery.enrol(of, "Ida", &[1.0, 0.0], b"x").unwrap();
    gallery.add_subject(of, "Bo", None).unwrap();
    gallery.enrol_on_terms(of, "Cy", &[0.0, 1.0], b"x").unwrap();
    let mut log = Vec::new();
    gallery
        .verify_audit(|e| log.push((e.action.name(), e.subject, e.count)))
        .unwrap();
    let wanted = [
        ("key", 0, 1),
        ("enrol", 1, 0),
        ("enrol", 1, 1),
        ("assume", 2, 0),
        ("assume", 3, 0),
        ("enrol", 3, 1),
    ];
    assert_eq!(log, wanted);
    gallery.verify_erased().unwrap();
}

#[test]
fn a_template_keeps_its_end_through_renaming_into_another_and_import() {
    let stage = Stage::new();
    let gallery = stage.open("m");
    let of = service(&gallery);
    let end = now_ms() + 600;
    let soon = consent("consent", Some(end));
    gallery.add_subject(of, "Anna", Some(soon)).unwrap();
    let annas = gallery.enrol(of, "Anna", &[1.0, 0.0], b"a").unwrap();
    let staff = consent("contract", None);
    gallery
        .add_subject(of, "Staff", Some(staff.clone()))
        .unwrap();
    gallery.enrol(of, "Staff", &[0.0, 1.0], b"s").unwrap();
    assert!(gallery.rename_subject(of, "Anna", "staff").unwrap());
    let who = |gallery: &Gallery| gallery.nearest(of, &[&[1.0, 0.0]], 1)[0][0].similarity;
    assert_eq!(who(&gallery), 1.0);
    // A new consent of Staff is not one of Anna.
    gallery.set_consent(of, "Staff", staff).unwrap();
    // Nor does the file forget it.
    drop(gallery);
    let gallery = stage.open("m");
    assert_eq!(who(&gallery), 1.0);
    // An import on narrower terms keeps them.
    let narrow = Terms {
        basis: "household".into(),
        purpose: "recognition".into(),
        keep_days: Some(1),
    };
    let other = gallery
        .add_service(Kind::Recognition, &Uuid::new_v4(), narrow)
        .unwrap();
    let wide = consent("household", None);
    gallery.add_subject(other, "Bo", Some(wide)).unwrap();
    let id = Uuid::from_u128(77);
    assert!(
        gallery
            .enrol_as(other, id, "Bo", &[1.0, 0.0], b"b")
            .unwrap()
    );

    std::thread::sleep(Duration::from_millis((end - now_ms()).max(0) as u64 + 20));
    assert_eq!(who(&gallery), 0.0, "Anna's face does not match");
    assert!(gallery.example(of, &annas).unwrap().is_none());
    assert!(gallery.image(of, &annas).unwrap().is_none());
    assert_eq!(gallery.erase_ended().unwrap(), 1);
    assert_eq!(gallery.person(of, "Staff").unwrap().1, 1);
    drop(gallery);
    let mut kept = None;
    let store = stage.store();
    store
        .load(&mut |row| {
            if let fusiform_gallery::store::Row::Example(e) = row
                && e.id == id
            {
                kept = e.consent;
            }
            Ok(())
        })
        .unwrap();
    let kept = kept.unwrap().expires_at_ms.unwrap();
    assert!((kept - now_ms() - DAY_MS).abs() < 60_000, "{kept}");
    drop(store);
    stage.open("m").verify_erased().unwrap();
}

#[test]
fn a_picture_has_one_id_and_a_stated_consent_makes_a_person_or_stays_with_the_example() {
    let stage = Stage::new();
    let gallery = stage.open("m");
    let (of, other) = (service(&gallery), service(&gallery));
    let id = gallery.picture_id(of, b"picture");
    assert_ne!(id, gallery.picture_id(other, b"picture"));
    assert_ne!(id, gallery.picture_id(of, b"pictures"));
    let elsewhere = Stage::new().open("m");
    assert_ne!(id, elsewhere.picture_id(service(&elsewhere), b"picture"));

    let end = now_ms() + DAY_MS;
    let stated = consent("consent", Some(end));
    let face: (&[f32], &[u8]) = (&[1.0, 0.0], b"picture");
    let enrol = |gallery: &Gallery, id, name: &str, consent: &Consent| {
        gallery.enrol_stated(of, id, name, face, consent.clone())
    };
    assert!(enrol(&gallery, id, "Ida", &stated).unwrap());
    assert_eq!(gallery.person(of, "ida").unwrap().0.consent, stated);
    assert!(!enrol(&gallery, id, "Bo", &stated).unwrap());
    assert!(gallery.person(of, "Bo").is_none(), "nobody is made for it");
    // The same after the file was opened again.
    drop(gallery);
    let gallery = stage.open("m");
    assert!(!enrol(&gallery, gallery.picture_id(of, b"picture"), "Ida", &stated).unwrap());
    // Somebody who is there keeps their consent, and the example its own end.
    let wide = consent("household", None);
    gallery.add_subject(of, "Bo", Some(wide.clone())).unwrap();
    let second = gallery.picture_id(of, b"another");
    assert!(enrol(&gallery, second, "Bo", &stated).unwrap());
    assert_eq!(gallery.person(of, "Bo").unwrap().0.consent, wide);
    let past = consent("consent", Some(now_ms() - 1));
    let refused = enrol(&gallery, Uuid::new_v4(), "Cy", &past);
    assert!(
        matches!(refused, Err(Error::ConsentEnded(_))),
        "{refused:?}"
    );
    let seconds = consent("consent", Some(now_ms() / 1000));
    let refused = enrol(&gallery, Uuid::new_v4(), "Cy", &seconds);
    assert!(matches!(refused, Err(Error::ConsentUnit(_))), "{refused:?}");
    let mut log = Vec::new();
    let entry = |e: Entry| log.push((e.action.name(), e.subject, e.count));
    gallery.verify_audit(entry).unwrap();
    // What was refused may have used up a number.
    let bo = gallery.person(of, "Bo").unwrap().0.number;
    let wanted = [
        ("enrol", 1, 0),
        ("enrol", 1, 1),
        ("enrol", bo, 0),
        ("enrol", bo, 1),
    ];
    assert_eq!(log[2..], wanted);
    gallery.verify_erased().unwrap();
}

#[test]
fn ends_that_have_passed_or_count_seconds_are_refused() {
    let (gallery, of) = memory();
    let seconds = now_ms() / 1000 + 86_400;
    for end in [seconds, 0, -1, 1] {
        let refused = gallery.add_subject(of, "Ida", Some(consent("consent", Some(end))));
        assert!(
            matches!(refused, Err(Error::ConsentUnit(e)) if e == end),
            "{refused:?}"
        );
    }
    let past = consent("consent", Some(now_ms() - 1));
    let refused = gallery.add_subject(of, "Ida", Some(past.clone()));
    assert!(
        matches!(refused, Err(Error::ConsentEnded(_))),
        "{refused:?}"
    );
    gallery.add_subject(of, "Ida", None).unwrap();
    // Taking a consent back is stating an end that has passed.
    assert!(gallery.set_consent(of, "Ida", past).unwrap());
    for enrolled in [
        gallery.enrol(of, "Ida", &[1.0, 0.0], b"x"),
        gallery.enrol_on_terms(of, "Ida", &[1.0, 0.0], b"x"),
    ] {
        assert!(
            matches!(enrolled, Err(Error::ConsentEnded(_))),
            "{enrolled:?}"
        );
    }
    let unit = gallery.set_consent(of, "Ida", consent("consent", Some(seconds)));
    assert!(matches!(unit, Err(Error::ConsentUnit(_))), "{unit:?}");
}

#[test]
fn names_that_clients_drop_are_refused_and_spellings_of_one_name_are_one_person() {
    let (gallery, of) = memory();
    gallery.add_subject(of, "Kept", None).unwrap();
    for name in ["", " ", ".", "..", " . "] {
        let refused = [
            gallery.add_subject(of, name, None).map(drop),
            gallery.enrol_on_terms(of, name, &[1.0], b"x").map(drop),
            gallery.rename_subject(of, "Kept", name).map(drop),
            gallery.erase_subject(of, name).map(drop),
        ];
        for refused in refused {
            assert!(
                matches!(refused, Err(Error::Name(_))),
                "{name:?}: {refused:?}"
            );
        }
    }
    assert_eq!(gallery.subjects(of), ["Kept"]);
    assert!(gallery.add_subject(of, "Zoe\u{308}", None).unwrap());
    assert!(!gallery.add_subject(of, "ZO\u{cb}", None).unwrap());
    let id = gallery.enrol(of, "zo\u{eb}", &[1.0], b"x").unwrap();
    assert_eq!(
        gallery.example(of, &id).unwrap().unwrap().0.subject,
        "Zo\u{eb}"
    );
}

/// What the file says of the clock, put there as a process of that time would have.
fn set_clock(stage: &Stage, mark: ClockMark) {
    let store = stage.store();
    store
        .transact(&mut |t| {
            t.set_clock(mark);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_clock_that_jumped_ahead_erases_nobody_until_it_is_believed() {
    let stage = Stage::new();
    let gallery = stage.open("m");
    let of = service(&gallery);
    let end = now_ms() + 300;
    let ending = consent("consent", Some(end));
    gallery.add_subject(of, "Ida", Some(ending)).unwrap();
    gallery.enrol(of, "Ida", &[1.0, 0.0], b"x").unwrap();
    drop(gallery);
    std::thread::sleep(Duration::from_millis((end - now_ms()).max(0) as u64 + 20));
    // The vault was used last forty days ago: for it, the clock has jumped.
    let mark = ClockMark {
        trusted_ms: now_ms() - 40 * DAY_MS,
        doubt_ms: None,
    };
    set_clock(&stage, mark);
    let gallery = stage.open("m");
    assert!(
        gallery.nearest(of, &[&[1.0, 0.0]], 1)[0].is_empty(),
        "at once"
    );
    assert_eq!(gallery.erase_ended().unwrap(), 0);
    let doubt = gallery.health().clock.unwrap();
    assert!((doubt.ahead_ms - 40 * DAY_MS).abs() < 60_000, "{doubt:?}");
    // A longer grace period covers it.
    gallery.set_clock_grace(Duration::from_secs(50 * 86_400));
    assert_eq!(gallery.health().clock, None);
    gallery.set_clock_grace(Duration::from_secs(86_400));
    assert_eq!(gallery.erase_ended().unwrap(), 1);
    drop(gallery);

    // Somebody says that it is right.
    let gallery = stage.open("m");
    let end = now_ms() + 300;
    let ending = consent("consent", Some(end));
    gallery.add_subject(of, "Bo", Some(ending)).unwrap();
    drop(gallery);
    std::thread::sleep(Duration::from_millis((end - now_ms()).max(0) as u64 + 20));
    set_clock(&stage, mark);
    let gallery = stage.open("m");
    assert_eq!(gallery.erase_ended().unwrap(), 0);
    gallery.trust_clock().unwrap();
    assert_eq!(gallery.erase_ended().unwrap(), 1);
    drop(gallery);
    stage.open("m").verify_erased().unwrap();
}

#[test]
fn a_clock_far_back_is_noticed_and_brings_no_consent_back() {
    let stage = Stage::new();
    let gallery = stage.open("m");
    let of = service(&gallery);
    let soon = consent("consent", Some(now_ms() + 3 * DAY_MS));
    gallery.add_subject(of, "Ida", Some(soon)).unwrap();
    gallery.enrol(of, "Ida", &[1.0, 0.0], b"x").unwrap();
    drop(gallery);
    // The vault knows of a time ten days after what the clock shows now.
    let mark = ClockMark {
        trusted_ms: now_ms() + 10 * DAY_MS,
        doubt_ms: None,
    };
    set_clock(&stage, mark);
    let gallery = stage.open("m");
    let doubt = gallery.health().clock.unwrap();
    assert!((doubt.ahead_ms + 10 * DAY_MS).abs() < 60_000, "{doubt:?}");
    assert!(gallery.nearest(of, &[&[1.0, 0.0]], 1)[0].is_empty());
    // Who is enrolled now is kept as long as the terms say, from the time that is known.
    let terms = Terms {
        basis: "household".into(),
        purpose: "recognition".into(),
        keep_days: Some(5),
    };
    let other = gallery
        .add_service(Kind::Recognition, &Uuid::new_v4(), terms)
        .unwrap();
    gallery.add_subject(other, "Bo", None).unwrap();
    let end = gallery.person(other, "Bo").unwrap().0.consent.expires_at_ms;
    assert!(end.unwrap() > now_ms() + 14 * DAY_MS, "{end:?}");
}

#[test]
fn a_change_of_model_keeps_everybody_and_sets_aside_whom_it_cannot_embed() {
    let stage = Stage::new();
    let gallery = stage.open("old");
    let of = service(&gallery);
    let ends = consent("contract", Some(now_ms() + DAY_MS));
    gallery.add_subject(of, "Ida", Some(ends.clone())).unwrap();
    for i in 0..40u8 {
        let image = [i];
        gallery.enrol(of, "Ida", &[1.0, 0.0], &image).unwrap();
    }
    let lost = gallery.enrol(of, "Ida", &[1.0, 0.0], b"").unwrap();
    gallery
        .enrol_on_terms(of, "Bo", &[0.0, 1.0], b"no face")
        .unwrap();
    drop(gallery);
    let refused = Gallery::open(&stage.path(), &stage.secret(), "new");
    assert!(matches!(refused, Err(Error::Model { .. })), "{refused:?}");
    let embed = |image: &[u8]| match image {
        [i] => Ok(vec![0.6, 0.8, f32::from(*i)]),
        _ => Err("no face is found".to_owned()),
    };
    // A run that is cut after some faces.
    let store = stage.store();
    let mut n = 0;
    let ids: Vec<Uuid> = stage
        .open("old")
        .examples(of, Some("Ida"), 0, 99)
        .1
        .into_iter()
        .map(|e| e.id)
        .collect();
    for id in ids.iter().filter(|id| **id != lost).take(7) {
        store
            .transact(&mut |t| {
                t.set_template(id, "new", &[0.6, 0.8, 0.0])?;
                t.log(Action::Reembed, of.id, 1, 1)
            })
            .unwrap();
        n += 1;
    }
    let refused = Gallery::open(&stage.path(), &stage.secret(), "new");
    assert!(matches!(refused, Err(Error::Model { .. })), "{refused:?}");
    let mut told = Vec::new();
    let done = reembed(&store, "new", &embed, &mut |n, of| told.push((n, of))).unwrap();
    assert_eq!((done.n_already, done.n_embedded), (n, 33));
    let mut whys: Vec<(&str, &str)> = done
        .aside
        .iter()
        .map(|kept| (&*kept.subject, &*kept.why))
        .collect();
    whys.sort_unstable();
    let wanted = [
        ("Bo", "no face is found"),
        ("Ida", "no image was kept of it"),
    ];
    assert_eq!(whys, wanted);
    assert_eq!(told, [(32, 35), (35, 35)]);
    drop(store);

    let gallery = stage.open("new");
    assert_eq!(gallery.health().n_aside, 2);
    assert_eq!(gallery.subjects(of), ["Ida", "Bo"]);
    let (ida, n) = gallery.person(of, "Ida").unwrap();
    assert_eq!((ida.consent, n), (ends, 40));
    assert_eq!(gallery.nearest(of, &[&[0.6, 0.8, 0.0]], 99)[0].len(), 40);
    gallery.verify_erased().unwrap();
    // Those aside go with their person, or alone.
    assert_eq!(
        gallery.erase_example(of, &lost).unwrap().unwrap().subject,
        "Ida"
    );
    assert_eq!(gallery.health().n_aside, 1);
    assert!(gallery.rename_subject(of, "Bo", "Ida").unwrap());
    assert_eq!(
        gallery.erase_subject(of, "Ida").unwrap(),
        Some(("Ida".into(), 41))
    );
    assert_eq!(gallery.health().n_aside, 0);
    gallery.verify_erased().unwrap();
    drop(gallery);
    stage.open("new").verify_erased().unwrap();
}

//! The gallery as a program uses it. In: the two photos under `tests/data`. Out: that people are
//! kept, found, refused and erased as the pages state.

use std::path::{Path, PathBuf};

use fusiform::gallery::{Consent, Secret};
use fusiform::{AnalyseOptions, Engine, ErrorKind, Face, Fmr, Gallery, Pack, Photo};

const FMR: Fmr = Fmr(1e-3);

fn photo(engine: &Engine, name: &str) -> Photo {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    engine.analyse_file(data.join(name)).unwrap()
}

fn ida(engine: &Engine) -> Face {
    photo(engine, "ida.jpg").largest().unwrap().clone()
}

fn database() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("people.db");
    (dir, file)
}

fn kind<T>(result: Result<T, fusiform::Error>) -> ErrorKind {
    match result {
        Ok(_) => panic!("no error"),
        Err(error) => error.kind(),
    }
}

#[test]
fn people_outlive_the_program_and_erasure_does_too() {
    let (engine, (_dir, file)) = (Engine::builtin().unwrap(), database());
    let ida = ida(&engine);
    Gallery::open(&file, &engine)
        .unwrap()
        .enrol("Ida", &ida)
        .unwrap();

    let mut people = Gallery::open(&file, &engine).unwrap();
    let names: Vec<String> = people.people().into_iter().map(|p| p.name).collect();
    assert_eq!(names, ["Ida"]);
    let found = people.identify(&ida, FMR).unwrap();
    assert_eq!(
        (found.name.as_deref(), found.threshold.fmr),
        (Some("Ida"), 1e-3)
    );
    assert!(found.similarity.unwrap().0 > 0.999);
    assert!(people.erase("ida").unwrap() && !people.erase("ida").unwrap());
    drop(people);

    let people = Gallery::open(&file, &engine).unwrap();
    assert!(people.people().is_empty());
    let found = people.identify(&ida, FMR).unwrap();
    assert_eq!((found.name, found.similarity), (None, None));
}

#[test]
fn answers_come_in_the_order_of_the_faces() {
    let engine = Engine::builtin().unwrap();
    let mut people = Gallery::in_memory(&engine).unwrap();
    people.enrol("Ida", &ida(&engine)).unwrap();
    let party = photo(&engine, "party.jpg");
    let faces: Vec<&Face> = party.faces.iter().collect();
    let together = people.identify_all(&faces, FMR).unwrap();
    let alone = faces.iter().map(|face| people.identify(face, FMR).unwrap());
    assert!(alone.eq(together.iter().cloned()));
    assert_eq!(
        together.iter().filter(|found| found.name.is_some()).count(),
        1
    );
    assert!(people.identify_all(&[], FMR).unwrap().is_empty());
}

#[test]
fn nobody_is_found_by_a_consent_that_has_ended() {
    let engine = Engine::builtin().unwrap();
    let mut people = Gallery::in_memory(&engine).unwrap();
    let consent = |expires_at_ms| Consent {
        basis: "consent".into(),
        purpose: "a test".into(),
        expires_at_ms,
    };
    let ida = ida(&engine);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let now_ms = now.as_millis() as i64;
    for (end, why) in [(now_ms - 1, ErrorKind::Refused), (1, ErrorKind::BadOption)] {
        let refused = people.enrol_with("Ida", &ida, consent(Some(end)));
        assert_eq!(kind(refused), why);
    }
    let soon = consent(Some(now_ms + 400));
    people.enrol_with("Ida", &ida, soon).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(450));
    assert_eq!(people.identify(&ida, FMR).unwrap().name, None);
    people.enrol_with("Ida", &ida, consent(None)).unwrap();
    assert_eq!(
        people.identify(&ida, FMR).unwrap().name.as_deref(),
        Some("Ida")
    );
    assert_eq!(people.erase_ended().unwrap(), 0);
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_people_and_their_key() {
    use std::os::unix::fs::PermissionsExt;
    let (engine, (_dir, file)) = (Engine::builtin().unwrap(), database());
    drop(Gallery::open(&file, &engine).unwrap());
    for path in [file.clone(), file.with_extension("key")] {
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    }
}

#[test]
fn each_refusal_has_its_kind() {
    let (engine, (_dir, file)) = (Engine::builtin().unwrap(), database());
    let mut people = Gallery::open(&file, &engine).unwrap();
    let ida = ida(&engine);
    people.enrol("Ida", &ida).unwrap();
    assert_eq!(kind(people.enrol("  ", &ida)), ErrorKind::BadName);
    assert_eq!(
        kind(people.identify(&ida, Fmr(0.5))),
        ErrorKind::Uncalibrated
    );
    assert_eq!(kind(Gallery::open(&file, &engine)), ErrorKind::Busy);

    // Vectors of different models never meet.
    let mut other = ida.clone();
    other.template.as_mut().unwrap().model.0 = "another@0123456789ab".into();
    assert_eq!(kind(people.identify(&other, FMR)), ErrorKind::ModelMismatch);
    other.template = None;
    assert_eq!(kind(people.enrol("Ida", &other)), ErrorKind::LacksEmbedder);
    drop(people);

    let other_key = Secret::Hex("00".repeat(32).into());
    let opened = Gallery::open_with(&file, &other_key, &engine);
    assert_eq!(kind(opened), ErrorKind::WrongKey);
    // A missing key is not replaced by a new one, which would not open the file.
    std::fs::remove_file(file.with_extension("key")).unwrap();
    assert_eq!(kind(Gallery::open(&file, &engine)), ErrorKind::Io);
    assert!(!file.with_extension("key").exists());
}

#[test]
fn people_move_to_another_model_with_name_consent_and_history() {
    let (engine, (_dir, file)) = (Engine::builtin().unwrap(), database());
    let (ida, key) = (ida(&engine), file.with_extension("key"));
    let consent = Consent {
        basis: "contract".into(),
        purpose: "the door".into(),
        expires_at_ms: Some(4_000_000_000_000),
    };
    let mut people = Gallery::open(&file, &engine).unwrap();
    people.enrol_with("Ida", &ida, consent.clone()).unwrap();
    drop(people);
    // The same weights under another name are another model.
    let mut pack = Pack::base().unwrap();
    let embedder = pack.manifest.embedder.as_mut().unwrap();
    embedder.name = "another".into();
    let other = Engine::open(pack).unwrap();
    assert_ne!(other.embedder_id().unwrap(), engine.embedder_id().unwrap());
    let refused = Gallery::open(&file, &other);
    assert_eq!(kind(refused), ErrorKind::ModelMismatch);

    let secret = Secret::Hex(std::fs::read_to_string(key).unwrap().into());
    let mut seen = Vec::new();
    let done = Gallery::reembed(&file, &secret, &other, |n, of| seen.push((n, of))).unwrap();
    assert_eq!((done.n_embedded, done.n_already), (1, 0));
    assert!(
        done.aside.is_empty() && seen == [(1, 1)],
        "{done:?} {seen:?}"
    );
    let again = Gallery::reembed(&file, &secret, &other, |_, _| ()).unwrap();
    assert_eq!((again.n_embedded, again.n_already), (0, 1));

    let people = Gallery::open(&file, &other).unwrap();
    let found = &people.people()[0];
    assert_eq!((&*found.name, &found.consent), ("Ida", &consent));
    let ida = photo(&other, "ida.jpg").largest().unwrap().clone();
    let found = people.identify(&ida, FMR).unwrap();
    assert_eq!(found.name.as_deref(), Some("Ida"));
    // The stored crop is what the embedder saw: nothing was detected or aligned again.
    assert!(found.similarity.unwrap().0 > 0.999, "{found:?}");
}

#[test]
fn a_pack_without_an_embedder_detects_and_compares_nothing() {
    let mut manifest = Pack::base().unwrap().manifest;
    (manifest.embedder, manifest.landmarks) = (None, None);
    let base = Pack::base().unwrap();
    let file = manifest.detector.as_ref().unwrap().file.clone();
    let weights = base
        .weights(fusiform::models::Role::Detector)
        .unwrap()
        .unwrap();
    let pack = Pack::from_parts(manifest, [(file, weights.to_vec())]).unwrap();
    let engine = Engine::open(pack).unwrap();
    let bytes = std::fs::read("tests/data/ida.jpg").unwrap();
    let photo = engine.analyse(&bytes, &AnalyseOptions::default()).unwrap();
    assert!(photo.largest().unwrap().template.is_none());
    assert_eq!(kind(Gallery::in_memory(&engine)), ErrorKind::LacksEmbedder);
}

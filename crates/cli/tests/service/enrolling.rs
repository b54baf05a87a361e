//! `fusiform enrol`: a folder per person, folders of other programs, people of the album. What it
//! enrols is what the server recognises, on the ground that was stated.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::server_fixture::{Home, portrait};

const CONSENT: [&str; 4] = ["--basis", "consent", "--expires", "2099-12-31"];
/// The first instant of 2100, UTC.
const END_MS: i64 = 4_102_444_800_000;

/// Writes pictures below the home: portraits of the sample album by their numbers.
fn people(home: &Home, pictures: &[(&str, usize)]) -> PathBuf {
    for (path, number) in pictures {
        let file = home.path("people").join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, portrait(*number)).unwrap();
    }
    home.path("people")
}

fn enrol(home: &Home, dir: &Path, flags: &[&str]) -> Output {
    let words = [&["enrol", dir.to_str().unwrap()], &CONSENT[..], flags].concat();
    home.run(&words)
}

#[track_caller]
fn code(output: &Output, wanted: i32) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    let shown = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(wanted), "{said}\n{shown}");
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

#[track_caller]
fn says(output: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    let told = said.lines().any(|l| words.iter().all(|w| l.contains(w)));
    assert!(told, "no line holds {words:?}:\n{said}");
}

#[test]
fn a_folder_per_person_is_recognised_on_the_stated_consent_and_nothing_is_enrolled_twice() {
    let home = Home::new();
    let dir = people(
        &home,
        &[
            ("Ida/a.jpg", 1),
            ("Ida/2019/b.jpg", 2),
            ("Bo/c.jpg", 5),
            ("loose.jpg", 9),
        ],
    );
    let group = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/group.jpg");
    fs::copy(group, dir.join("Bo/party.jpg")).unwrap();
    fs::write(dir.join("Bo/broken.jpg"), "no picture").unwrap();
    fs::write(dir.join("Bo/notes.txt"), "notes").unwrap();
    fs::write(dir.join("Bo/.hidden.jpg"), portrait(5)).unwrap();
    fs::create_dir(dir.join("Nobody")).unwrap();
    // Two faces, no picture: each is named, and the rest is enrolled.
    let first = enrol(&home, &dir, &["--json"]);
    let answer = code(&first, 3);
    says(&first, &["Bo", "party.jpg", "one face is wanted"]);
    says(&first, &["Bo", "broken.jpg"]);
    let ends = json!([answer["enrolled"], answer["there"], answer["expires_at_ms"]]);
    assert_eq!(ends, json!([3, 0, END_MS]));
    assert_eq!(answer["problems"].as_array().unwrap().len(), 2, "{answer}");
    let left: Vec<&str> = answer["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|left| left["path"].as_str().unwrap().rsplit('/').next().unwrap())
        .collect();
    assert_eq!(left, [".hidden.jpg", "notes.txt", "Nobody", "loose.jpg"]);
    // The same file under another name is the same picture.
    fs::copy(dir.join("Ida/a.jpg"), dir.join("Ida/z.jpg")).unwrap();
    let again = code(&enrol(&home, &dir, &["--json"]), 3);
    assert_eq!(json!([again["enrolled"], again["there"]]), json!([0, 4]));

    let server = home.serve();
    let people = server.get("/api/fusiform/v1/people", &home.key).json();
    let shown = |p: &Value| json!([p["name"], p["basis"], p["purpose"], p["expires_at_ms"]]);
    let shown: Vec<Value> = people["people"]
        .as_array()
        .unwrap()
        .iter()
        .map(shown)
        .collect();
    let wanted = |name: &str| json!([name, "consent", "recognition", END_MS]);
    assert_eq!(shown, [wanted("Bo"), wanted("Ida")]);
    let found = server.put_image("identify", &home.key, &portrait(3)).json();
    assert_eq!(found["faces"][0]["person"], "Ida", "{found}");
    // What is kept is the file, byte for byte.
    let faces = server
        .get("/api/v1/recognition/faces?subject=Bo", &home.key)
        .json();
    let id = faces["faces"][0]["image_id"].as_str().unwrap().to_owned();
    let image = server.get(&format!("/api/v1/recognition/faces/{id}/img"), &home.key);
    assert_eq!(image.body, portrait(5));
    // While a server runs, it has the vault alone.
    let refused = enrol(&home, &dir, &[]);
    code(&refused, 4);
    says(
        &refused,
        &["nobody was enrolled", "vault.db", "stop the server first"],
    );
    drop(server);
    let log = home.printed(&["audit", "list"]);
    assert!(!log.contains("\tassume\t"), "the consent was stated: {log}");
    home.printed(&["audit", "verify"]);
}

#[test]
fn a_path_may_begin_with_the_home_and_photos_have_the_limits_of_the_settings() {
    let home = Home::new();
    people(&home, &[("Ida/a.jpg", 1)]);
    let mut asked = home.command(&["--json", "--max-pixels", "1000", "enrol", "~/people"]);
    asked.args(CONSENT).env("HOME", home.path(""));
    let refused = asked.output().unwrap();
    code(&refused, 3);
    says(&refused, &["a.jpg", "pixels"]);
    let mut asked = home.command(&["--json", "enrol", "~/people"]);
    asked.args(CONSENT).env("HOME", home.path(""));
    let answer = code(&asked.output().unwrap(), 0);
    assert_eq!(answer["enrolled"], 1, "{answer}");
}

#[test]
fn nobody_is_enrolled_without_a_ground_an_end_and_a_collection() {
    let home = Home::empty();
    let dir = people(&home, &[("Ida/a.jpg", 1)]);
    let dir_name = dir.to_str().unwrap();
    for (flags, words) in [
        (&["--basis", "consent"][..], "--expires"),
        (&["--no-expiry"], "--basis"),
        (&["--basis", "consent", "--expires", "soon"], "2027-12-31"),
        (
            &["--basis", "consent", "--expires", "1d", "--no-expiry"],
            "--no-expiry",
        ),
    ] {
        let refused = home.run(&[&["enrol", dir_name], flags].concat());
        code(&refused, 2);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(said.contains(words), "{said}");
    }
    let refused = enrol(&home, &dir, &[]);
    code(&refused, 4);
    says(&refused, &["no vault yet", "fusiform key recognition"]);
    let key = home.make_key("recognition");
    for (ground, words) in [("", "--basis"), ("a\nb", "--basis")] {
        let refused = home.run(&["enrol", dir_name, "--basis", ground, "--no-expiry"]);
        code(&refused, 4);
        says(&refused, &[words, "consent"]);
    }
    let past = ["--basis", "consent", "--expires", "2001-01-01"];
    let refused = home.run(&[&["enrol", dir_name], &past[..]].concat());
    code(&refused, 4);
    says(&refused, &["--expires", "has passed"]);
    // Several collections: it must be said which.
    let other = home.make_key("recognition");
    let refused = enrol(&home, &dir, &[]);
    code(&refused, 4);
    says(&refused, &["1, 2", "--collection", "--key-file"]);
    let file = home.secret("other.key", &other);
    code(&enrol(&home, &dir, &["--key-file", &file]), 0);
    let nobodys = home.secret("nobodys.key", "6f0c6a6e-8a41-4d3c-9a6a-0d7a1c1c5b2e");
    let refused = enrol(&home, &dir, &["--key-file", &nobodys]);
    code(&refused, 4);
    says(&refused, &["nobodys.key", "opens no collection"]);
    let refused = enrol(&home, &dir, &["--collection", "9"]);
    code(&refused, 4);
    says(&refused, &["no collection 9", "1, 2"]);
    let server = home.serve();
    let count = |key: &str| {
        let people = server.get("/api/fusiform/v1/people", key).json();
        people["people"].as_array().unwrap().len()
    };
    assert_eq!((count(&key), count(&other)), (0, 1));
}

#[test]
fn a_picture_has_one_person_a_name_one_spelling_and_a_consent_stays_unless_it_is_renewed() {
    let home = Home::new();
    let composed = "Zo\u{eb}";
    let dir = people(
        &home,
        &[
            ("Zoe\u{308}/a.jpg", 1),
            ("ZO\u{cb}/b.jpg", 2),
            ("Bo/c.jpg", 1),
            ("a;b/d.jpg", 5),
        ],
    );
    let first = enrol(&home, &dir, &["--json"]);
    let answer = code(&first, 3);
    let names: Vec<&str> = answer["people"]
        .as_array()
        .unwrap()
        .iter()
        .map(|person| person["name"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), 2, "{answer}");
    says(&first, &["a;b", "cannot be a name"]);
    // Bo comes first, and has the picture that Zoë's folder has as well.
    says(&first, &["a.jpg", "enrolled already as a picture of Bo"]);
    assert_eq!(answer["enrolled"], 2, "{answer}");

    let other = [
        "--basis",
        "contract",
        "--no-expiry",
        "--person",
        "bo",
        "--json",
    ];
    let words = |more: &[&str]| {
        let all = [&["enrol", dir.to_str().unwrap()], &other[..], more].concat();
        home.run(&all)
    };
    let stays = words(&[]);
    code(&stays, 0);
    says(
        &stays,
        &[
            "Bo",
            "consent (recognition) to 2099-12-31",
            "which stays",
            "--renew",
        ],
    );
    code(&words(&["--renew"]), 0);
    let nobody = enrol(&home, &dir, &["--person", "Cy"]);
    code(&nobody, 4);
    says(&nobody, &["Cy", "no folder"]);
    let server = home.serve();
    let of = |name: &str| {
        let shown = server
            .get(&format!("/api/fusiform/v1/people/{name}"), &home.key)
            .json();
        json!([
            shown["person"]["name"],
            shown["person"]["basis"],
            shown["n_faces"]
        ])
    };
    assert_eq!(of("bo"), json!(["Bo", "contract", 1]));
    let zoe = of("zo%C3%AB");
    assert_eq!(json!([zoe[1], zoe[2]]), json!(["consent", 1]));
    let stored = zoe[0].as_str().unwrap().to_lowercase();
    assert_eq!(
        stored,
        composed.to_lowercase(),
        "composed, whatever the folder has"
    );
}

#[test]
fn folders_of_frigate_and_double_take_are_people_without_their_other_folders() {
    let home = Home::new();
    let crop = "faces/train/1700000000.123456-abc123-1700000001.5-unknown-0.42.jpg";
    let frigate = people(
        &home,
        &[
            ("clips/faces/Ida/Ida_1.jpg", 1),
            (&format!("clips/{crop}"), 5),
        ],
    );
    for dir in [frigate.clone(), frigate.join("clips/faces")] {
        for flags in [&[][..], &["--from", "frigate"]] {
            let flags = [flags, &["--json"]].concat();
            let answer = code(&enrol(&home, &dir, &flags), 0);
            assert_eq!(answer["people"].as_array().unwrap().len(), 1, "{answer}");
            assert_eq!(answer["people"][0]["name"], "Ida");
            let left = answer["left_out"][0].to_string();
            assert!(
                left.contains("train") && left.contains("nobody has named"),
                "{left}"
            );
        }
    }
    // A folder of crops elsewhere is told by the names in it; a person may be called train.
    fs::rename(frigate.join("clips/faces"), frigate.join("copy")).unwrap();
    let copy = frigate.join("copy");
    let answer = code(&enrol(&home, &copy, &["--json", "--dry-run"]), 0);
    assert_eq!(answer["people"].as_array().unwrap().len(), 1, "{answer}");
    let answer = code(
        &enrol(&home, &copy, &["--json", "--dry-run", "--from", "folders"]),
        0,
    );
    assert_eq!(answer["people"].as_array().unwrap().len(), 2, "{answer}");

    let home = Home::new();
    let storage = people(
        &home,
        &[
            (".storage/train/Bo/a.jpg", 5),
            (".storage/matches/x.jpg", 1),
            (".storage/latest/y.jpg", 2),
        ],
    );
    for flags in [&[][..], &["--from", "double-take"]] {
        let flags = [flags, &["--json"]].concat();
        let answer = code(&enrol(&home, &storage.join(".storage"), &flags), 0);
        let people = answer["people"].as_array().unwrap();
        assert_eq!(
            (people.len(), &people[0]["name"]),
            (1, &json!("Bo")),
            "{answer}"
        );
    }
    let loose = people(&home, &[("only/a.jpg", 1)]).join("only");
    let refused = enrol(&home, &loose, &[]);
    code(&refused, 4);
    says(
        &refused,
        &[
            "no folder for each person",
            "give the folder that it lies in",
        ],
    );
}

#[test]
fn named_people_of_the_album_are_enrolled_as_crops_one_consented_step_each() {
    let home = Home::new();
    let album = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/album");
    home.printed(&["-q", "scan", album.to_str().unwrap()]);
    home.printed(&["name", "1", "Ida"]);
    home.printed(&["name", "2", "Bo"]);
    home.printed(&["name", "3", "Cy"]);
    home.printed(&["hide", "Cy"]);
    let run = |flags: &[&str]| home.run(&[&["enrol", "--album", "--json"], flags].concat());
    let shown = code(&run(&["--dry-run", "--faces", "2"]), 0);
    let names = |answer: &Value| -> Vec<String> {
        let people = answer["people"].as_array().unwrap().iter();
        people
            .map(|p| p["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&shown), ["Ida", "Bo"], "hidden people are left out");
    let picture = shown["people"][0]["pictures"][0].as_str().unwrap();
    assert!(
        picture.contains("face ") && picture.contains("quality"),
        "{picture}"
    );
    // Nobody answers a question here.
    let mut asks = home.command(&["enrol", "--album", "--basis", "household", "--no-expiry"]);
    let refused = asks.stdin(Stdio::null()).output().unwrap();
    code(&refused, 4);
    says(&refused, &["--person", "--all"]);
    let household = ["--basis", "household", "--no-expiry", "--faces", "2"];
    let one = code(&run(&[&household[..], &["--person", "IDA"]].concat()), 0);
    assert_eq!(
        (names(&one), &one["enrolled"]),
        (vec!["Ida".into()], &json!(2)),
        "{one}"
    );
    let all = code(&run(&[&household[..], &["--all"]].concat()), 0);
    assert_eq!(
        json!([all["enrolled"], all["there"]]),
        json!([2, 2]),
        "{all}"
    );
    let nobody = run(&[&household[..], &["--person", "Dee"]].concat());
    code(&nobody, 4);
    says(&nobody, &["Dee", "fusiform people"]);

    let server = home.serve();
    let found = server.put_image("identify", &home.key, &portrait(3)).json();
    assert_eq!(found["faces"][0]["person"], "Ida", "{found}");
    let faces = server.get("/api/v1/recognition/faces", &home.key).json();
    for face in faces["faces"].as_array().unwrap() {
        let id = face["image_id"].as_str().unwrap();
        let path = format!("/api/v1/recognition/faces/{id}/img");
        let crop = server.get(&path, &home.key).body;
        assert_eq!(&crop[1..4], b"PNG");
        assert_eq!(
            crop[16..24],
            [0, 0, 0, 112, 0, 0, 0, 112],
            "nobody else is in it"
        );
    }
    drop(server);
    // A change of model can embed them anew from what was kept: here it is the same.
    let again = home.run(&["--json", "vault", "reembed"]);
    let again = code(&again, 0);
    assert_eq!(json!([again["already"], again["aside"]]), json!([4, []]));
}

#[cfg(unix)]
#[test]
fn a_run_that_is_interrupted_goes_on_where_it_stood() {
    let home = Home::new();
    let dir = home.path("people");
    fs::create_dir_all(dir.join("Ida")).unwrap();
    let n = 48;
    for i in 0..n {
        // Bytes behind a JPEG change the file and not the picture.
        let bytes = [&portrait(1)[..], format!("{i}").as_bytes()].concat();
        fs::write(dir.join(format!("Ida/{i:02}.jpg")), bytes).unwrap();
    }
    let words = ["--threads", "1", "--json", "enrol", dir.to_str().unwrap()];
    let words = [&words[..], &CONSENT].concat();
    let mut command = home.command(&words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let lock = home.path("vault.lock");
    while !lock.exists() {
        std::thread::yield_now();
    }
    std::thread::sleep(std::time::Duration::from_millis(250));
    let pid = child.id().to_string();
    drop(
        std::process::Command::new("kill")
            .args(["-INT", &pid])
            .status(),
    );
    let first = child.wait_with_output().unwrap();
    let stopped = first.status.code();
    assert!(matches!(stopped, Some(130 | 0)), "{stopped:?}");
    let first: Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(first["interrupted"], stopped == Some(130), "{first}");
    let second = code(&home.run(&words), 0);
    let (before, now) = (first["enrolled"].as_u64(), second["enrolled"].as_u64());
    assert_eq!(before.unwrap() + now.unwrap(), n);
    assert_eq!(second["there"], first["enrolled"]);
    home.printed(&["audit", "verify"]);
}

//! Two hundred kills. A process enrols, renames, merges, erases, lets consents end, makes backups,
//! finds its clock jumped and its disk full, and is killed at some instant of that, many times.
//! After each kill: everything acknowledged is there, nobody erased is back, what was under way was
//! done or not done as a whole, and the log is whole and goes on from where it was.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use fusiform_gallery::store::{ClockMark, Store};
use fusiform_gallery::{
    Action, Consent, Error, Gallery, Kind, Lock, Secret, Service, SqliteStore, Terms, Uuid,
};

const KILLS: u64 = 200;
const KEY: &str = "17a5b01917a5b01917a5b01917a5b01917a5b01917a5b01917a5b01917a5b019";
const NAMES: u64 = 12;

fn secret() -> Secret {
    Secret::Hex(KEY.to_owned().into())
}

fn now_ms() -> i64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64
}

/// Knuth's linear congruential generator.
struct Draw(u64);

impl Draw {
    fn next(&mut self, n: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }

    fn name(&mut self) -> String {
        format!("P{}", self.next(NAMES))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Add(String),
    Enrol(String),
    Rename(String, String),
    Erase(String),
    EraseAll,
    /// The person's consent is stated to have ended.
    End(String),
    EraseEnded,
    Identify,
    Backup,
    Fill,
    Free,
}

impl Step {
    fn draw(draw: &mut Draw) -> Step {
        match draw.next(40) {
            0..8 => Step::Add(draw.name()),
            8..20 => Step::Enrol(draw.name()),
            20..24 => Step::Rename(draw.name(), draw.name()),
            24..29 => Step::Erase(draw.name()),
            29 => Step::EraseAll,
            30..33 => Step::End(draw.name()),
            33..35 => Step::EraseEnded,
            35..37 => Step::Identify,
            37 => Step::Backup,
            38 => Step::Fill,
            _ => Step::Free,
        }
    }

    fn text(&self) -> String {
        match self {
            Step::Add(name) => format!("add {name}"),
            Step::Enrol(name) => format!("enrol {name}"),
            Step::Rename(old, new) => format!("rename {old} {new}"),
            Step::Erase(name) => format!("erase {name}"),
            Step::EraseAll => "erase-all".into(),
            Step::End(name) => format!("end {name}"),
            Step::EraseEnded => "erase-ended".into(),
            Step::Identify => "identify".into(),
            Step::Backup => "backup".into(),
            Step::Fill => "fill".into(),
            Step::Free => "free".into(),
        }
    }

    fn parse(text: &str) -> Step {
        let words: Vec<&str> = text.split(' ').collect();
        let name = |i: usize| words[i].to_owned();
        match words[0] {
            "add" => Step::Add(name(1)),
            "enrol" => Step::Enrol(name(1)),
            "rename" => Step::Rename(name(1), name(2)),
            "erase" => Step::Erase(name(1)),
            "erase-all" => Step::EraseAll,
            "end" => Step::End(name(1)),
            "erase-ended" => Step::EraseEnded,
            "identify" => Step::Identify,
            "backup" => Step::Backup,
            "fill" => Step::Fill,
            "free" => Step::Free,
            other => panic!("{other}"),
        }
    }
}

/// Who is there: how many faces with the person's consent and with one of their own that ended, and
/// whether the person's has ended.
type People = BTreeMap<String, Person>;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Person {
    /// Faces, each with whether a consent of its own has ended; `None` has none of its own.
    faces: Vec<Option<bool>>,
    ended: bool,
}

/// What a step does to them; `believed` is whether the process believed its clock.
fn apply(people: &mut People, step: &Step, believed: bool) {
    match step {
        Step::Add(name) => drop(people.entry(name.clone()).or_default()),
        Step::Enrol(name) => {
            if let Some(person) = people.get_mut(name).filter(|p| !p.ended) {
                person.faces.push(None);
            }
        }
        Step::Rename(old, new) if old != new => {
            let Some(from) = people.remove(old) else {
                return;
            };
            match people.get_mut(new) {
                None => drop(people.insert(new.clone(), from)),
                Some(into) => {
                    let own = from.faces.iter().map(|own| own.or(Some(from.ended)));
                    into.faces.extend(own);
                }
            }
        }
        Step::Erase(name) => drop(people.remove(name)),
        Step::EraseAll => people.clear(),
        Step::End(name) => {
            if let Some(person) = people.get_mut(name) {
                person.ended = true;
            }
        }
        Step::EraseEnded if believed => {
            people.retain(|_, p| !p.ended);
            let faces = people.values_mut().map(|p| &mut p.faces);
            faces.for_each(|f| f.retain(|own| *own != Some(true)));
        }
        _ => {}
    }
}

fn service(gallery: &Gallery) -> Service {
    gallery.services()[0].0
}

/// What the file holds, as [`People`] without what cannot be seen from outside.
fn stored(gallery: &Gallery) -> BTreeMap<String, (usize, bool)> {
    let of = service(gallery);
    let people = gallery.people(of).into_iter();
    let seen = people.map(|person| {
        let n = gallery.person(of, &person.name).unwrap().1;
        let ended = person.consent.has_ended();
        (person.name, (n, ended))
    });
    seen.collect()
}

fn visible(people: &People) -> BTreeMap<String, (usize, bool)> {
    let seen = people.iter();
    seen.map(|(name, p)| (name.clone(), (p.faces.len(), p.ended)))
        .collect()
}

/// The process that is killed: says each step before and after it.
fn victim(dir: &Path, seed: u64) {
    let path = dir.join("vault.db");
    let _lock = Lock::take(&path).unwrap();
    let mut draw = Draw(seed);
    let jumped = draw.next(4) == 0;
    let say = |line: String| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}").unwrap();
        out.flush().unwrap();
    };
    if jumped {
        // For the vault, the clock has jumped by forty days since it was used last.
        let store = SqliteStore::open(&path, &secret()).unwrap();
        let mark = ClockMark {
            trusted_ms: now_ms() - 40 * 86_400_000,
            doubt_ms: None,
        };
        store
            .transact(&mut |t| {
                t.set_clock(mark);
                Ok(())
            })
            .unwrap();
    }
    let gallery = Gallery::open(&path, &secret(), "m").unwrap();
    let of = service(&gallery);
    if !jumped {
        gallery.trust_clock().unwrap();
    }
    let end = now_ms() + 86_400_000;
    let consent = |expires_at_ms| Consent {
        basis: "consent".into(),
        purpose: "a storm".into(),
        expires_at_ms: Some(expires_at_ms),
    };
    say(format!("believed {}", !jumped));
    loop {
        let step = Step::draw(&mut draw);
        say(format!("begin {}", step.text()));
        let image = vec![draw.next(256) as u8; draw.next(6000) as usize];
        let done: Result<(), Error> = match &step {
            Step::Add(name) => gallery.add_subject(of, name, Some(consent(end))).map(drop),
            Step::Enrol(name) => {
                let id = gallery.enrol(of, name, &[1.0, draw.next(9) as f32], &image);
                match id {
                    Err(Error::UnknownPerson(_) | Error::ConsentEnded(_)) => Ok(()),
                    done => done.map(drop),
                }
            }
            Step::Rename(old, new) => gallery.rename_subject(of, old, new).map(drop),
            Step::Erase(name) => gallery.erase_subject(of, name).map(drop),
            Step::EraseAll => gallery.erase_all(of).map(drop),
            Step::End(name) => gallery
                .set_consent(of, name, consent(now_ms() - 1))
                .map(drop),
            Step::EraseEnded => gallery.erase_ended().map(drop),
            Step::Identify => gallery.record(Action::Identify, Some(of), None, 1),
            Step::Backup => {
                let copy = dir.join(format!("copy-{}.db", draw.next(1 << 30)));
                gallery.backup(&copy).map(|()| drop(fs::remove_file(copy)))
            }
            Step::Fill => {
                fill(dir);
                Ok(())
            }
            Step::Free => {
                drop(fs::remove_file(dir.join("fill")));
                Ok(())
            }
        };
        match done {
            Ok(()) => say(format!("done {}", step.text())),
            // On a full disk nothing is done, or all is and bytes are to be overwritten later.
            Err(_) if dir.join("fill").exists() => {
                drop(fs::remove_file(dir.join("fill")));
                say(format!("failed {}", step.text()));
                return;
            }
            Err(e) => panic!("{step:?}: {e}"),
        }
    }
}

/// Takes the room that is left on a disk of one's own.
fn fill(dir: &Path) {
    if std::env::var_os("SMALL_DISK").is_some() {
        let mut file = fs::File::create(dir.join("fill")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }
}

fn storm(dir: &Path) {
    let path = dir.join("vault.db");
    let gallery = Gallery::open(&path, &secret(), "m").unwrap();
    let terms = Terms {
        basis: "household".into(),
        purpose: "recognition".into(),
        keep_days: None,
    };
    let key = Uuid::from_u128(1);
    gallery.add_service(Kind::Recognition, &key, terms).unwrap();
    let mut anchor = gallery.verify_audit(|_| ()).unwrap().newest;
    drop(gallery);
    let mut people = People::new();
    let (mut acknowledged, mut under_way, mut failed) = (0, 0, 0);
    let mut waits = Draw(20_261_127);
    for round in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "nothing_acknowledged_is_lost_in_two_hundred_kills",
                "--nocapture",
            ])
            .env("STORM_VICTIM", dir)
            .env("STORM_SEED", (round * 7919 + 1).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let out = child.stdout.take().unwrap();
        let (send, lines) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let begun = line.starts_with("believed");
                if send.send(line).is_err() {
                    break;
                }
                let _ = begun;
            }
        });
        let mut said = Vec::new();
        // It is killed some milliseconds after it began, not while it starts.
        while let Ok(line) = lines.recv_timeout(Duration::from_secs(60)) {
            let begun = line.contains("believed ");
            said.push(line);
            if begun {
                break;
            }
        }
        std::thread::sleep(Duration::from_micros(waits.next(60_000)));
        let _ = child.kill();
        child.wait().unwrap();
        reader.join().unwrap();
        said.extend(lines.try_iter());
        drop(fs::remove_file(dir.join("fill")));
        for file in fs::read_dir(dir).unwrap() {
            let file = file.unwrap();
            // What a backup under way leaves after a kill.
            if file.file_name().to_string_lossy().starts_with("copy-") {
                fs::remove_file(file.path()).unwrap();
            }
        }

        let (mut believed, mut open) = (true, None);
        for line in &said {
            let line = line
                .trim_start_matches("test nothing_acknowledged_is_lost_in_two_hundred_kills ... ");
            match line.split_once(' ') {
                Some(("believed", word)) => believed = word == "true",
                Some(("begin", step)) => open = Some(Step::parse(step)),
                Some(("done", _)) => {
                    let step = open.take().unwrap();
                    apply(&mut people, &step, believed);
                    acknowledged += 1;
                }
                Some(("failed", _)) => failed += 1,
                _ => {}
            }
        }
        let gallery = Gallery::open(&path, &secret(), "m").unwrap();
        let found = stored(&gallery);
        if found != visible(&people) {
            let step = open.unwrap_or_else(|| panic!("round {round}: {found:?}, not {people:?}"));
            under_way += 1;
            apply(&mut people, &step, believed);
            assert_eq!(
                found,
                visible(&people),
                "round {round}: {step:?} was under way"
            );
        }
        let check = gallery.verify_erased().unwrap();
        assert_eq!(check.people, people.len(), "round {round}");
        gallery.verify_audit_since(&anchor).unwrap();
        anchor = gallery.verify_audit(|_| ()).unwrap().newest;
    }
    println!(
        "{KILLS} kills: {acknowledged} steps acknowledged and there, {under_way} done but not \
         acknowledged, {failed} failed on a full disk"
    );
    assert!(acknowledged > KILLS, "{acknowledged} steps acknowledged");
}

#[test]
fn nothing_acknowledged_is_lost_in_two_hundred_kills() {
    if let Some(dir) = std::env::var_os("STORM_VICTIM").map(PathBuf::from) {
        let seed = std::env::var("STORM_SEED").unwrap().parse().unwrap();
        return victim(&dir, seed);
    }
    if let Some(dir) = std::env::var_os("SMALL_DISK").map(PathBuf::from) {
        return storm(&dir);
    }
    let dir = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o size=3m small '{}'", dir.path().display());
    let own = |script: &str| {
        Command::new("unshare")
            .args(["-rm", "sh", "-c", script])
            .output()
    };
    if !own(&mount).is_ok_and(|o| o.status.success()) {
        eprintln!("no file system of one's own here: the storm goes without a full disk");
        return storm(dir.path());
    }
    let exe = std::env::current_exe().unwrap();
    let script = format!(
        "{mount} && SMALL_DISK='{}' exec '{}' --exact \
         nothing_acknowledged_is_lost_in_two_hundred_kills --nocapture",
        dir.path().display(),
        exe.display()
    );
    let ran = own(&script).unwrap();
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    print!("{said}");
}

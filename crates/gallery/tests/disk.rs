//! The disk: readers in the way, a disk that is full, copies that fail or are none, entries written
//! together. The full disk is a small file system of its own, in a process of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use fusiform_gallery::{
    Action, Error, Gallery, Kind, Lock, Secret, Service, SqliteStore, Terms, Uuid, new_key,
};
use rusqlite::Connection;
use tempfile::TempDir;

struct Stage {
    dir: TempDir,
    key: String,
}

fn service(gallery: &Gallery) -> Service {
    let terms = Terms {
        basis: "household".into(),
        purpose: "recognition".into(),
        keep_days: None,
    };
    gallery
        .add_service(Kind::Recognition, &Uuid::from_u128(1), terms)
        .unwrap()
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

    fn open(&self) -> Gallery {
        Gallery::open(&self.path(), &self.secret(), "m").unwrap()
    }

    fn files(&self) -> Vec<String> {
        let files = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> = files
            .map(|f| f.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn wait_until(so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never came");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_reader_keeps_neither_erasures_nor_recognitions_waiting_and_bytes_go_when_it_does() {
    let stage = Stage::new();
    let gallery = stage.open();
    let of = service(&gallery);
    for name in ["Ida", "Bo"] {
        let image = vec![7; 50_000];
        gallery
            .enrol_on_terms(of, name, &[1.0, 0.0], &image)
            .unwrap();
    }
    // As a backup reads: one transaction for its whole time.
    let reader = Connection::open(stage.path()).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM example;")
        .unwrap();
    gallery.erase_subject(of, "Ida").unwrap().unwrap();
    assert!(
        gallery.health().bytes_pending,
        "the reader can see them still"
    );
    assert_eq!(gallery.nearest(of, &[&[1.0, 0.0]], 9)[0].len(), 1);
    // All this would wait for the reader if anything did: its transaction never ends meanwhile.
    gallery.enrol_on_terms(of, "Cy", &[0.0, 1.0], b"x").unwrap();
    gallery.record(Action::Identify, Some(of), None, 1).unwrap();
    gallery.record(Action::Export, Some(of), None, 1).unwrap();
    gallery.erase_subject(of, "Cy").unwrap().unwrap();
    assert_eq!(gallery.erase_ended().unwrap(), 0);
    assert!(gallery.health().bytes_pending);
    reader.execute_batch("COMMIT").unwrap();
    // Nobody asks for it: the gallery goes on trying.
    wait_until(|| !gallery.health().bytes_pending);
    let mut log = stage.path().into_os_string();
    log.push("-wal");
    assert_eq!(fs::metadata(log).unwrap().len(), 0);
    gallery.verify_erased().unwrap();
}

#[test]
fn entries_of_recognitions_are_written_together_and_in_order() {
    let stage = Stage::new();
    let gallery = stage.open();
    let of = service(&gallery);
    gallery.set_audit_window(Duration::from_secs(3600));
    gallery.record(Action::Identify, Some(of), None, 1).unwrap();
    gallery.record(Action::Identify, Some(of), None, 2).unwrap();
    assert_eq!(
        gallery.health().n_unwritten,
        2,
        "the key was written within the hour"
    );
    gallery
        .enrol_on_terms(of, "Ida", &[1.0, 0.0], b"x")
        .unwrap();
    gallery.record(Action::Compare, Some(of), None, 3).unwrap();
    // Another process sees what was committed: all but the last.
    let other = SqliteStore::open(&stage.path(), &stage.secret()).unwrap();
    let seen = |store: &SqliteStore| {
        let mut seen = Vec::new();
        fusiform_gallery::Store::verify_audit(store, &mut |e| {
            seen.push((e.action.name(), e.count))
        })
        .unwrap();
        seen
    };
    let mut wanted = vec![
        ("key", 1),
        ("identify", 1),
        ("identify", 2),
        ("assume", 0),
        ("enrol", 1),
    ];
    assert_eq!(seen(&other), wanted);
    // Whoever reads the log through the gallery sees it all; so does whoever comes after it.
    wanted.push(("compare", 3));
    let page = gallery.audit_page(2, 2, Some(of)).unwrap();
    assert_eq!(page.iter().map(|e| e.seq).collect::<Vec<_>>(), [3, 4]);
    assert_eq!(seen(&other), wanted);
    gallery.record(Action::Identify, Some(of), None, 4).unwrap();
    drop(gallery);
    wanted.push(("identify", 4));
    assert_eq!(seen(&other), wanted);
    // Without a window each is on disk before it is answered.
    let gallery = stage.open();
    gallery.set_audit_window(Duration::ZERO);
    gallery.record(Action::Identify, Some(of), None, 5).unwrap();
    wanted.push(("identify", 5));
    assert_eq!(seen(&other), wanted);
    // With a short one, soon, though nobody comes again.
    gallery.set_audit_window(Duration::from_millis(100));
    gallery.record(Action::Identify, Some(of), None, 6).unwrap();
    gallery.record(Action::Identify, Some(of), None, 7).unwrap();
    wait_until(|| gallery.health().n_unwritten == 0);
    wanted.extend([("identify", 6), ("identify", 7)]);
    assert_eq!(seen(&other), wanted);
}

#[test]
fn old_entries_go_and_the_rest_proves_what_it_did() {
    let stage = Stage::new();
    let gallery = stage.open();
    let of = service(&gallery);
    for name in ["Ida", "Bo", "Cy"] {
        gallery.enrol_on_terms(of, name, &[1.0, 0.0], b"x").unwrap();
    }
    gallery.rename_subject(of, "Cy", "Bo").unwrap();
    let before = gallery.verify_audit(|_| ()).unwrap();
    assert_eq!(gallery.prune_audit(1_000).unwrap(), 0);
    let n = gallery.prune_audit(i64::MAX).unwrap();
    assert!(n >= before.n_entries - 2, "{n} of {}", before.n_entries);
    let after = gallery.verify_audit(|_| ()).unwrap();
    assert_eq!(after.first, n + 1);
    gallery.verify_erased().unwrap();
    gallery.erase_subject(of, "Bo").unwrap();
    drop(gallery);
    let gallery = stage.open();
    gallery.verify_erased().unwrap();
    drop(gallery);
    // What was removed cannot be forged, nor the rest cut at its beginning.
    let db = Connection::open(stage.path()).unwrap();
    db.execute_batch("DELETE FROM audit WHERE seq = (SELECT min(seq) FROM audit)")
        .unwrap();
    drop(db);
    assert_eq!(stage.open().health().broken_at, Some(n + 1));
}

#[test]
fn a_backup_that_fails_leaves_nothing_and_none_is_overwritten() {
    let stage = Stage::new();
    let gallery = stage.open();
    service(&gallery);
    let files = stage.files();
    let nowhere = stage.dir.path().join("none/copy.db");
    assert!(matches!(gallery.backup(&nowhere), Err(Error::File(..))));
    for taken in ["empty.db", "link.db"] {
        let taken = stage.dir.path().join(taken);
        if taken.ends_with("empty.db") {
            fs::write(&taken, b"").unwrap();
        } else {
            #[cfg(unix)]
            std::os::unix::fs::symlink("/nonexistent/target", &taken).unwrap();
            #[cfg(not(unix))]
            fs::write(&taken, b"").unwrap();
        }
        let refused = gallery.backup(&taken);
        assert!(matches!(refused, Err(Error::File(..))), "{refused:?}");
        fs::remove_file(&taken).unwrap();
    }
    assert_eq!(stage.files(), files);
}

#[test]
fn only_a_whole_copy_is_restored_and_what_fails_leaves_nothing() {
    let stage = Stage::new();
    let gallery = stage.open();
    let of = service(&gallery);
    for i in 0..30u8 {
        let image = vec![i; 9000];
        let name = format!("P{i}");
        gallery
            .enrol_on_terms(of, &name, &[1.0, 0.0], &image)
            .unwrap();
    }
    let copy = stage.dir.path().join("copy.db");
    gallery.backup(&copy).unwrap();
    let good = fs::read(&copy).unwrap();
    let to = stage.dir.path().join("new/vault.db");
    fs::create_dir(to.parent().unwrap()).unwrap();
    let restore = |bytes: &[u8]| {
        fs::write(&copy, bytes).unwrap();
        SqliteStore::restore(&copy, &to, &stage.secret())
    };
    let left = || fs::read_dir(to.parent().unwrap()).unwrap().count();
    let other = stage.dir.path().join("other.db");
    Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE photos (id INTEGER); INSERT INTO photos VALUES (1);")
        .unwrap();
    for bytes in [
        Vec::new(),
        b"SQLite".to_vec(),
        vec![7; 5000],
        fs::read(&other).unwrap(),
    ] {
        let refused = restore(&bytes);
        assert!(matches!(refused, Err(Error::NotAGallery(_))), "{refused:?}");
        assert_eq!(left(), 0);
    }
    // Every page, one after another, with some bytes in its middle changed.
    let (mut n, pages) = (0, good.len() / 4096);
    for page in (1..pages).step_by(3) {
        let mut bytes = good.clone();
        for byte in &mut bytes[page * 4096 + 2000..][..8] {
            *byte ^= 0x5a;
        }
        match restore(&bytes) {
            Err(_) => n += 1,
            // Unused bytes of a page may hold anything.
            Ok(()) => fs::remove_file(&to).unwrap(),
        }
        assert_eq!(left(), 0);
    }
    assert!(
        n * 3 > pages * 2 / 3,
        "{n} damaged pages found of {pages} pages"
    );
    let mut cut = good.clone();
    cut.truncate(good.len() - 4096);
    assert!(restore(&cut).is_err());
    let wrong = Secret::Hex(new_key().unwrap());
    fs::write(&copy, &good).unwrap();
    let refused = SqliteStore::restore(&copy, &to, &wrong);
    assert!(
        matches!(&refused, Err(Error::WrongKey(at)) if *at == copy),
        "{refused:?}"
    );
    assert_eq!(left(), 0);

    restore(&good).unwrap();
    assert_eq!(left(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&to).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let back = Gallery::open(&to, &stage.secret(), "m").unwrap();
    assert_eq!(back.people(of).len(), 30);
    back.verify_erased().unwrap();
    assert!(restore(&good).is_err(), "a vault is there");
}

#[cfg(unix)]
#[test]
fn a_planted_link_is_not_followed() {
    for name in ["vault.db", "vault.lock", "vault.reserve"] {
        let stage = Stage::new();
        let target = stage.dir.path().join("target");
        let link = stage.dir.path().join(name);
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let opened = Lock::take(&stage.path()).map(drop).and_then(|()| {
            let opened = Gallery::open(&stage.path(), &stage.secret(), "m");
            opened.map(drop)
        });
        assert!(matches!(opened, Err(Error::File(..))), "{name}: {opened:?}");
        assert!(!target.exists(), "{name} was followed");
    }
}

/// Runs `body` in a process of its own on a file system of eight MiB; `false` where that is not
/// allowed.
fn on_a_small_disk(test: &str) -> bool {
    let exe = std::env::current_exe().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t tmpfs -o size=8m small '{0}' && SMALL_DISK='{0}' exec '{1}' --exact {test} \
         --nocapture",
        dir.path().display(),
        exe.display()
    );
    let probe = format!("mount -t tmpfs -o size=8m small '{}'", dir.path().display());
    let mut unshare = Command::new("unshare");
    let allowed = unshare.args(["-rm", "sh", "-c", &probe]).output();
    if !allowed.is_ok_and(|o| o.status.success()) {
        return false;
    }
    let ran = Command::new("unshare")
        .args(["-rm", "sh", "-c", &script])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
    true
}

/// Takes the room that is left, but for less than a page.
fn fill(dir: &Path) -> PathBuf {
    let path = dir.join("fill");
    let mut file = fs::File::create(&path).unwrap();
    while std::io::Write::write_all(&mut file, &[0; 1024]).is_ok() {}
    path
}

#[test]
fn on_a_full_disk_recognitions_are_recorded_in_the_reserve_until_it_is_full() {
    let Some(dir) = std::env::var_os("SMALL_DISK").map(PathBuf::from) else {
        if !on_a_small_disk(
            "on_a_full_disk_recognitions_are_recorded_in_the_reserve_until_it_is_full",
        ) {
            eprintln!("not run: this machine gives no file system of a size of one's own");
        }
        return;
    };
    let (path, key) = (dir.join("vault.db"), "5a".repeat(31) + "17");
    let open = || Gallery::open(&path, &Secret::Hex(key.clone().into()), "m").unwrap();
    let gallery = open();
    let of = service(&gallery);
    gallery
        .enrol_on_terms(of, "Ida", &[1.0, 0.0], b"x")
        .unwrap();
    gallery.set_audit_window(Duration::ZERO);
    let filled = fill(&dir);
    let record = |n| gallery.record(Action::Identify, Some(of), None, n);
    let mut n = 0;
    while !gallery.health().disk_full {
        n += 1;
        record(n).unwrap();
        assert!(n < 1000, "the disk is not full");
    }
    let refused = gallery.enrol_on_terms(of, "Bo", &[0.0, 1.0], &[7; 9000]);
    assert!(matches!(refused, Err(Error::DiskFull)), "{refused:?}");
    for _ in 0..20 {
        n += 1;
        record(n).unwrap();
    }
    assert!(gallery.health().fault().is_some());
    assert_eq!(gallery.nearest(of, &[&[1.0, 0.0]], 1)[0][0].subject, "Ida");
    // The process ends without a word; the next one finds the disk free.
    std::mem::forget(gallery);
    fs::remove_file(filled).unwrap();
    let gallery = open();
    let counts = |gallery: &Gallery| {
        let mut counts = Vec::new();
        gallery
            .verify_audit(|e| {
                if e.action == Action::Identify {
                    counts.push(e.count);
                }
            })
            .unwrap();
        counts
    };
    let all: Vec<i64> = (1..=n as i64).collect();
    assert_eq!(
        counts(&gallery),
        all,
        "nothing acknowledged is lost, nothing is twice there"
    );

    // Until the reserve is full: then nothing is done that cannot be recorded.
    gallery.set_audit_window(Duration::ZERO);
    let filled = fill(&dir);
    let (mut more, mut refused) = (n, None);
    while refused.is_none() {
        match gallery.record(Action::Identify, Some(of), None, more + 1) {
            Ok(()) => more += 1,
            Err(e) => refused = Some(e),
        }
        assert!(more < 100_000, "the reserve is never full");
    }
    assert!(matches!(refused, Some(Error::DiskFull)), "{refused:?}");
    assert!(more - n > 500, "{} entries found room", more - n);
    // The same process goes on when there is room again.
    fs::remove_file(filled).unwrap();
    wait_until(|| {
        let again = gallery.record(Action::Identify, Some(of), None, more + 1);
        again.is_ok() && gallery.health().fault().is_none()
    });
    let all: Vec<i64> = (1..=more as i64 + 1).collect();
    assert_eq!(counts(&gallery), all);
    gallery.verify_erased().unwrap();
}

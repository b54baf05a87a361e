//! A gallery that several servers share: what one does the others know, whatever happens to
//! connections, clocks and the database in between.

#![cfg(feature = "postgres")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fusiform_gallery::store::{IndexShape, Store};
use fusiform_gallery::{
    Action, Consent, Error, Gallery, Kind, MemoryStore, Place, PostgresStore, SearchIn, Secret,
    Service, Terms, Uuid, new_key,
};
use fusiform_skips::Postgres;
use proptest::prelude::*;

/// A database, and the key of its gallery.
struct Stage {
    server: Postgres,
    url: String,
    key: String,
}

impl Stage {
    /// `None`, and the test is listed as skipped, without a server.
    #[track_caller]
    fn new() -> Option<Stage> {
        let server = Postgres::shared()?;
        Some(Stage {
            url: server.database(),
            server,
            key: new_key().unwrap().to_string(),
        })
    }

    fn secret(&self) -> Secret {
        Secret::Hex(self.key.clone().into())
    }

    /// Another server's gallery.
    fn gallery(&self) -> Gallery {
        self.open().unwrap()
    }

    fn open(&self) -> Result<Gallery, Error> {
        let place = Place::from(&self.url[..]);
        Gallery::open_at(&place, &self.secret(), Some("m"), None)
    }

    fn sql(&self, sql: &str) -> String {
        self.server.sql(&self.url, sql)
    }
}

fn service(gallery: &Gallery) -> Service {
    let terms = Terms {
        basis: "consent".into(),
        purpose: "the door".into(),
        keep_days: None,
    };
    let key = Uuid::from_u128(1);
    gallery.add_service(Kind::Recognition, &key, terms).unwrap()
}

/// A unit vector of its own for each number.
fn vector(of: usize) -> Vec<f32> {
    let angle = of as f32 / 100.0;
    vec![angle.cos(), angle.sin()]
}

fn enrol(gallery: &Gallery, service: Service, name: &str, of: usize) {
    gallery.add_subject(service, name, None).unwrap();
    let image = format!("photo {of} of {name}");
    gallery
        .enrol(service, name, &vector(of), image.as_bytes())
        .unwrap();
}

/// Names of the nearest, as a server answers.
fn identify(gallery: &Gallery, service: Service, of: usize) -> Vec<String> {
    assert!(gallery.catch_up().unwrap());
    let found = gallery.nearest(service, &[&vector(of)], 1);
    found[0].iter().map(|near| near.subject.clone()).collect()
}

/// Everything that a gallery says of its people.
fn said(gallery: &Gallery, service: Service) -> Vec<(i64, String, Consent, usize, Vec<Uuid>)> {
    gallery.catch_up().unwrap();
    let people = gallery.people(service).into_iter().map(|person| {
        let (_, examples) = gallery.examples(service, Some(&person.name), 0, 1000);
        let ids: Vec<Uuid> = examples.iter().map(|example| example.id).collect();
        let (_, n) = gallery.person(service, &person.name).unwrap();
        (person.number, person.name, person.consent, n, ids)
    });
    people.collect()
}

#[test]
fn what_one_server_does_the_others_know_at_once() {
    let Some(stage) = Stage::new() else { return };
    let (a, b) = (stage.gallery(), stage.gallery());
    let door = service(&a);
    enrol(&a, door, "Ida", 0);
    assert_eq!(identify(&b, door, 0), ["Ida"]);
    assert!(b.is_key(&Uuid::from_u128(1)));
    assert!(b.rename_subject(door, "ida", "Ida B").unwrap());
    assert_eq!(identify(&a, door, 0), ["Ida B"]);
    // A name is taken for all of them, whoever asks first.
    assert!(!a.add_subject(door, "IDA B", None).unwrap());
    enrol(&b, door, "Jonas", 50);
    assert!(a.rename_subject(door, "Jonas", "Ida B").unwrap());
    assert_eq!(identify(&b, door, 50), ["Ida B"]);
    assert_eq!(b.person(door, "Ida B").unwrap().1, 2);
    assert_eq!(a.erase_subject(door, "Ida B").unwrap().unwrap().1, 2);
    assert!(identify(&b, door, 0).is_empty());
    assert_eq!(b.verify_erased().unwrap().people, 0);
    let mut entries = Vec::new();
    a.verify_audit(|entry| entries.push(entry.action)).unwrap();
    assert_eq!(entries.iter().filter(|a| **a == Action::Merge).count(), 1);
    assert!(matches!(entries.last(), Some(Action::Erase)), "{entries:?}");
}

#[test]
fn a_thread_takes_in_what_is_announced_and_says_so_to_the_others() {
    let Some(stage) = Stage::new() else { return };
    let (a, b) = (stage.gallery(), Arc::new(stage.gallery()));
    b.follow(|_| ());
    let door = service(&a);
    // Let it begin to listen, so that it is the notice that is waited for.
    std::thread::sleep(Duration::from_millis(300));
    enrol(&a, door, "Ida", 0);
    let since = Instant::now();
    // Nobody asks the database here.
    while b.subjects(door).is_empty() {
        assert!(since.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(2));
    }
    loop {
        let servers = a.servers().unwrap();
        if servers.len() == 1 && servers[0].n_behind == 0 {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(10), "{servers:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn of_many_who_take_one_name_at_a_time_one_has_it() {
    let Some(stage) = Stage::new() else { return };
    let first = stage.gallery();
    let door = service(&first);
    let servers: Vec<Gallery> = (0..3).map(|_| stage.gallery()).collect();
    for round in 0..5 {
        let name = format!("Ida {round}");
        let got = std::thread::scope(|scope| {
            let asked: Vec<_> = servers
                .iter()
                .map(|server| scope.spawn(|| server.add_subject(door, &name, None).unwrap()))
                .collect();
            let got = asked.into_iter().map(|asked| asked.join().unwrap());
            got.collect::<Vec<bool>>()
        });
        assert_eq!(got.iter().filter(|got| **got).count(), 1, "{got:?}");
    }
    assert_eq!(first.verify_erased().unwrap().people, 5);
}

#[test]
fn many_servers_enrol_and_erase_at_a_time() {
    let Some(stage) = Stage::new() else { return };
    let first = stage.gallery();
    let door = service(&first);
    let servers: Vec<Gallery> = (0..3).map(|_| stage.gallery()).collect();
    std::thread::scope(|scope| {
        for (number, server) in servers.iter().enumerate() {
            scope.spawn(move || {
                for of in 0..15 {
                    let name = format!("{number} {of}");
                    enrol(server, door, &name, of);
                    assert_eq!(server.erase_subject(door, &name).unwrap().unwrap().1, 1);
                }
            });
        }
    });
    assert_eq!(first.verify_erased().unwrap().people, 0);
}

#[test]
fn who_missed_changes_that_are_kept_no_more_reads_everything() {
    let Some(stage) = Stage::new() else { return };
    let (a, b) = (stage.gallery(), stage.gallery());
    let door = service(&a);
    enrol(&a, door, "Ida", 0);
    enrol(&a, door, "Jonas", 50);
    stage.sql("DELETE FROM fusiform.change WHERE version = 2");
    assert_eq!(identify(&b, door, 0), ["Ida"]);
    assert_eq!(said(&a, door), said(&b, door));
    // One that somebody altered is none.
    enrol(&a, door, "Noor", 90);
    stage.sql("UPDATE fusiform.change SET rows = rows || '\\x00'");
    assert_eq!(identify(&b, door, 90), ["Noor"]);
}

#[test]
fn an_older_database_is_not_followed() {
    let Some(stage) = Stage::new() else { return };
    let a = stage.gallery();
    let door = service(&a);
    enrol(&a, door, "Ida", 0);
    stage.sql("CREATE TABLE public.kept AS SELECT * FROM fusiform.head");
    enrol(&a, door, "Jonas", 50);
    stage
        .sql("UPDATE fusiform.head h SET value = k.value FROM public.kept k WHERE k.name = h.name");
    let why = a.catch_up().unwrap_err();
    assert!(matches!(why, Error::WentBack(_)), "{why}");
}

#[test]
fn a_database_that_went_back_and_on_again_is_not_followed() {
    let Some(stage) = Stage::new() else { return };
    let a = stage.gallery();
    let door = service(&a);
    enrol(&a, door, "Ida", 0);
    let tables = ["head", "subject", "example", "audit", "change"];
    for table in tables {
        stage.sql(&format!(
            "CREATE TABLE public.kept_{table} AS SELECT * FROM fusiform.{table}"
        ));
    }
    enrol(&a, door, "Jonas", 50);
    stage.sql(
        "TRUNCATE fusiform.head, fusiform.subject, fusiform.example, fusiform.audit, \
         fusiform.change",
    );
    for table in tables {
        stage.sql(&format!(
            "INSERT INTO fusiform.{table} OVERRIDING SYSTEM VALUE \
             SELECT * FROM public.kept_{table}"
        ));
    }
    // Another server goes on, beyond what the first one knows.
    let b = stage.gallery();
    enrol(&b, door, "Noor", 90);
    enrol(&b, door, "Mara", 70);
    let why = a.catch_up().unwrap_err();
    assert!(matches!(why, Error::WentBack(_)), "{why}");
    let why = a.add_subject(door, "Tom", None).unwrap_err();
    assert!(matches!(why, Error::WentBack(_)), "{why}");
    assert_eq!(said(&b, door).len(), 3);
}

#[test]
fn what_was_altered_is_named_and_what_does_not_belong_there_too() {
    let Some(stage) = Stage::new() else { return };
    let a = stage.gallery();
    let door = service(&a);
    enrol(&a, door, "Ida", 0);
    drop(a);
    let refused = |sql: &str, back: &str, word: &str| {
        stage.sql(sql);
        let why = stage
            .open()
            .err()
            .map(|e| e.to_string())
            .unwrap_or_default();
        assert!(why.contains(word), "{sql}: {why}");
        stage.sql(back);
        stage.open().unwrap();
    };
    refused(
        "UPDATE fusiform.subject SET expires_at_ms = 7",
        "UPDATE fusiform.subject SET expires_at_ms = NULL",
        "person 1",
    );
    refused(
        "CREATE TABLE public.stolen AS SELECT * FROM fusiform.example; \
         DELETE FROM fusiform.example",
        "INSERT INTO fusiform.example (id, subject, model, record, image) \
         SELECT id, subject, model, record, image FROM public.stolen",
        "face",
    );
    refused(
        "CREATE FUNCTION public.spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'; \
         CREATE TRIGGER keep BEFORE DELETE ON fusiform.subject \
         FOR EACH ROW EXECUTE FUNCTION public.spy()",
        "DROP TRIGGER keep ON fusiform.subject",
        "the trigger `keep`",
    );
    refused(
        "CREATE TABLE fusiform.copy (name bytea)",
        "DROP TABLE fusiform.copy",
        "the relation `copy`",
    );
    refused(
        "CREATE RULE keep AS ON DELETE TO fusiform.subject DO INSTEAD NOTHING",
        "DROP RULE keep ON fusiform.subject",
        "the rule `keep`",
    );
    refused(
        "UPDATE fusiform.audit SET at_ms = at_ms + 1 WHERE seq = 1; \
         UPDATE fusiform.schema_version SET version = 99",
        "UPDATE fusiform.audit SET at_ms = at_ms - 1 WHERE seq = 1; \
         UPDATE fusiform.schema_version SET version = 1",
        "newer version",
    );
    let other = Secret::Hex(new_key().unwrap());
    let why = PostgresStore::open(&stage.url, &other).err().unwrap();
    assert!(matches!(why, Error::WrongKey(_)), "{why}");
    stage.open().unwrap();
}

#[test]
fn nothing_in_the_clear_names_or_shows_anybody() {
    let Some(stage) = Stage::new() else { return };
    let a = stage.gallery();
    let door = service(&a);
    enrol(&a, door, "Aurora Borealis", 3);
    let dump = stage.sql(
        "SELECT string_agg(t::text, ' ') FROM (SELECT encode(value, 'escape') t FROM fusiform.head \
         UNION ALL SELECT encode(terms, 'escape') FROM fusiform.service \
         UNION ALL SELECT encode(name || consent, 'escape') FROM fusiform.subject \
         UNION ALL SELECT encode(record || image, 'escape') FROM fusiform.example \
         UNION ALL SELECT encode(entry, 'escape') FROM fusiform.audit \
         UNION ALL SELECT encode(rows, 'escape') FROM fusiform.change) x",
    );
    for word in ["Aurora", "photo 3", "the door", "enrol", "consent"] {
        assert!(!dump.contains(word), "{word}");
    }
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let vector: Vec<u8> = vector(3).iter().flat_map(|v| v.to_le_bytes()).collect();
    let records = stage.sql("SELECT encode(record, 'hex') FROM fusiform.example");
    assert!(!records.contains(&hex(&vector)));
}

#[test]
fn a_gallery_moves_to_a_database_and_back_with_all_that_it_proves() {
    let Some(stage) = Stage::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (file, back) = (dir.path().join("people.db"), dir.path().join("back.db"));
    let (door, before, newest) = {
        let gallery = Gallery::open(&file, &stage.secret(), "m").unwrap();
        let door = service(&gallery);
        for (i, name) in ["Ida", "Jonas", "Noor", "Tom"].iter().enumerate() {
            enrol(&gallery, door, name, i * 20);
        }
        gallery.erase_subject(door, "Tom").unwrap();
        let newest = gallery.verify_audit(|_| ()).unwrap().newest;
        (door, said(&gallery, door), newest)
    };
    let copied = PostgresStore::copy_from_file(&file, &stage.url, &stage.secret()).unwrap();
    assert_eq!((copied.n_people, copied.n_examples), (3, 3));
    let shared = stage.gallery();
    assert_eq!(said(&shared, door), before);
    shared.verify_audit_since(&newest).unwrap();
    assert_eq!(shared.verify_erased().unwrap().people, 3);
    // Tom's number is not given to anybody else.
    assert!(shared.add_subject(door, "Mara", None).unwrap());
    assert_eq!(shared.person(door, "Mara").unwrap().0.number, 5);
    let (_, ids) = shared.examples(door, Some("Ida"), 0, 9);
    let image = shared.image(door, &ids[0].id).unwrap().unwrap();
    assert_eq!(image, b"photo 0 of Ida");
    // There is one already.
    let again = PostgresStore::copy_from_file(&file, &stage.url, &stage.secret());
    assert!(matches!(again, Err(Error::Occupied(_))), "{again:?}");
    shared.flush().unwrap();
    let copied = PostgresStore::copy_to_file(&stage.url, &back, &stage.secret()).unwrap();
    assert_eq!(copied.n_people, 4);
    let gallery = Gallery::open(&back, &stage.secret(), "m").unwrap();
    assert_eq!(said(&gallery, door), said(&shared, door));
    gallery.verify_audit_since(&newest).unwrap();
    gallery.verify_erased().unwrap();
    assert!(gallery.add_subject(door, "Lea", None).unwrap());
    assert_eq!(gallery.person(door, "Lea").unwrap().0.number, 6);
    // A file that does not prove itself fills nothing.
    drop(gallery);
    let db = rusqlite::Connection::open(&back).unwrap();
    db.execute(
        "UPDATE example SET image = zeroblob(90) WHERE rowid = 1",
        [],
    )
    .unwrap();
    drop(db);
    let other = stage.server.database();
    let why = PostgresStore::copy_from_file(&back, &other, &stage.secret()).unwrap_err();
    assert!(matches!(why, Error::Tampered(_)), "{why}");
    assert!(!PostgresStore::exists(&other).unwrap());
}

#[test]
fn a_database_that_takes_no_changes_says_so_and_still_answers() {
    let Some(stage) = Stage::new() else { return };
    let a = stage.gallery();
    let door = service(&a);
    enrol(&a, door, "Ida", 0);
    let (_, name) = stage.url.rsplit_once('/').unwrap();
    let set = |on: &str| {
        // Of sessions that begin from now on; those that rest are ended.
        stage.sql(&format!(
            "ALTER DATABASE {name} SET default_transaction_read_only = {on}"
        ));
        stage.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
    };
    set("on");
    let why = a.add_subject(door, "Jonas", None).unwrap_err();
    assert!(matches!(why, Error::ReadOnly(_)), "{why}");
    assert_eq!(identify(&a, door, 0), ["Ida"]);
    stage.server.sql(
        &format!(
            "{}?options=-cdefault_transaction_read_only%3Doff",
            stage.url
        ),
        &format!("ALTER DATABASE {name} RESET default_transaction_read_only"),
    );
    stage.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    assert!(a.add_subject(door, "Jonas", None).unwrap());
}

#[test]
fn a_server_that_hangs_while_it_writes_is_waited_for_no_longer_than_said() {
    let Some(stage) = Stage::new() else { return };
    let a = stage.gallery();
    let door = service(&a);
    let hanging = PostgresStore::open(&stage.url, &stage.secret()).unwrap();
    let lock = hanging.lock().unwrap();
    let why = a.add_subject(door, "Ida", None).unwrap_err();
    assert!(matches!(why, Error::Busy(_)), "{why}");
    drop(lock);
    assert!(a.add_subject(door, "Ida", None).unwrap());
}

#[test]
fn a_connection_that_is_cut_leaves_nothing_half_done() {
    let Some(stage) = Stage::new() else { return };
    let store = PostgresStore::open(&stage.url, &stage.secret()).unwrap();
    let a = stage.gallery();
    let door = service(&a);
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let consent = Consent {
        basis: "consent".into(),
        purpose: "p".into(),
        expires_at_ms: None,
    };
    let broken = store.transact(&mut |t| {
        let number = t.add_person(door.id, "Ida", &consent)?;
        t.log(Action::Enrol, door.id, number, 0)?;
        stage.sql(cut);
        t.log(Action::Enrol, door.id, number, 0)
    });
    assert!(
        matches!(broken, Err(Error::Unreachable { .. })),
        "{broken:?}"
    );
    // The next goes over a new connection; nobody has to start anything again.
    assert!(a.add_subject(door, "Ida", None).unwrap());
    assert_eq!(a.verify_erased().unwrap().people, 1);
}

/// Between a store and its server; breaks a connection over which a commit was asked for, once the
/// server has answered, without the answer.
struct Proxy {
    address: String,
    breaks: Arc<AtomicBool>,
}

impl Proxy {
    fn before(url: &str) -> Proxy {
        let (_, rest) = url.split_once('@').unwrap();
        let (server, database) = rest.split_once('/').unwrap();
        let server = server.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let breaks = Arc::new(AtomicBool::new(false));
        let armed = Arc::clone(&breaks);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
                let armed = Arc::clone(&armed);
                std::thread::spawn(move || Proxy::pass(client, server, &armed));
            }
        });
        Proxy {
            address: format!("postgres://fusiform@{at}/{database}"),
            breaks,
        }
    }

    fn pass(client: TcpStream, server: TcpStream, armed: &AtomicBool) {
        let (mut from_server, mut to_client) =
            (server.try_clone().unwrap(), client.try_clone().unwrap());
        let is_cut = Arc::new(AtomicBool::new(false));
        let cut = Arc::clone(&is_cut);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n) = from_server.read(&mut bytes)
                && n > 0
            {
                if cut.load(Ordering::SeqCst) {
                    drop(to_client.shutdown(std::net::Shutdown::Both));
                    return;
                }
                if to_client.write_all(&bytes[..n]).is_err() {
                    return;
                }
            }
            drop(to_client.shutdown(std::net::Shutdown::Both));
        });
        let (mut from_client, mut to_server) = (client, server);
        let mut bytes = [0; 4096];
        while let Ok(n) = from_client.read(&mut bytes)
            && n > 0
        {
            let commits = bytes[..n].windows(6).any(|word| word == b"COMMIT");
            if commits && armed.swap(false, Ordering::SeqCst) {
                is_cut.store(true, Ordering::SeqCst);
            }
            if to_server.write_all(&bytes[..n]).is_err() {
                return;
            }
        }
        drop(to_server.shutdown(std::net::Shutdown::Both));
    }
}

#[test]
fn a_commit_whose_answer_is_lost_is_found_out() {
    let Some(stage) = Stage::new() else { return };
    let proxy = Proxy::before(&stage.url);
    let place = Place::from(&proxy.address[..]);
    let a = Gallery::open_at(&place, &stage.secret(), Some("m"), None).unwrap();
    let door = service(&a);
    for (i, name) in ["Ida", "Jonas", "Noor"].iter().enumerate() {
        proxy.breaks.store(true, Ordering::SeqCst);
        assert!(a.add_subject(door, name, None).unwrap());
        assert!(
            !proxy.breaks.load(Ordering::SeqCst),
            "no commit was cut off"
        );
        assert_eq!(stage.gallery().subjects(door).len(), i + 1);
    }
    assert_eq!(a.verify_erased().unwrap().people, 3);
    assert_eq!(said(&a, door), said(&stage.gallery(), door));
}

#[test]
fn removed_bytes_are_gone_from_the_tables_once_nobody_reads_them() {
    let Some(stage) = Stage::new() else { return };
    let store = PostgresStore::open(&stage.url, &stage.secret()).unwrap();
    let a = stage.gallery();
    let door = service(&a);
    enrol(&a, door, "Ida", 0);
    let consent = a.person(door, "Ida").unwrap().0.consent;
    let mut number = 0;
    store
        .transact(&mut |t| {
            number = t.add_person(door.id, "Jonas", &consent)?;
            t.log(Action::Enrol, door.id, number, 0)
        })
        .unwrap();
    store
        .transact(&mut |t| {
            t.remove_person(number)?;
            t.log(Action::Erase, door.id, number, 0)
        })
        .unwrap();
    assert!(store.inventory().unwrap().unscrubbed_bytes > 0);
    assert!(store.scrub().unwrap());
    assert_eq!(store.inventory().unwrap().unscrubbed_bytes, 0);
    assert_eq!(stage.sql("SELECT count(*) FROM fusiform.subject"), "1");
}

/// A unit vector of 32 random values for each number.
fn random(of: u64) -> Vec<f32> {
    let mut state = of.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let values = (0..32).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    });
    let values: Vec<f32> = values.collect();
    let length = values.iter().map(|v| v * v).sum::<f32>().sqrt();
    values.iter().map(|v| v / length).collect()
}

#[test]
fn an_index_in_the_database_finds_what_memory_finds_and_follows_changes() {
    let Some(stage) = Stage::new() else { return };
    let memory = stage.gallery();
    let door = service(&memory);
    let place = Place::from(&stage.url[..]);
    let open = || {
        let search_in = Some(SearchIn::Database);
        Gallery::open_at(&place, &stage.secret(), Some("m"), search_in)
    };
    let none = memory
        .make_index(IndexShape::default(), 0.99, 50, &mut |_, _, _| ())
        .unwrap_err();
    assert!(matches!(none, Error::Unsupported(_)), "{none}");
    let enrol = |gallery: &Gallery, of: u64| {
        let name = format!("P{of}");
        gallery.add_subject(door, &name, None).unwrap();
        gallery
            .enrol(door, &name, &random(of), name.as_bytes())
            .unwrap()
    };
    for of in 0..300 {
        enrol(&memory, of);
    }
    let none = open().err().unwrap();
    assert!(matches!(none, Error::NoIndex), "{none}");
    let tried = memory
        .make_index(IndexShape::default(), 0.99, 100, &mut |_, _, _| ())
        .unwrap();
    let last = tried.last().unwrap();
    assert!(last.recall >= 0.99, "{tried:?}");
    assert_eq!(
        (last.n_templates, last.n_probes, last.dimensions),
        (300, 100, 32)
    );
    let database = open().unwrap();
    assert_eq!(database.search_in(), SearchIn::Database);
    let same = |of: u64| {
        database.catch_up().unwrap();
        memory.catch_up().unwrap();
        let probe = random(of);
        let exact = memory.search(door, &[&probe], 3).unwrap();
        let found = database.search(door, &[&probe], 3).unwrap();
        assert_eq!((exact.recall, found.recall), (1.0, last.recall));
        assert_eq!(found.matches, exact.matches, "probe {of}");
        found.matches[0].first().map(|near| near.subject.clone())
    };
    // With 300 templates and a breadth of 40 at least, three neighbours are hardly ever missed; the
    // probes are always the same.
    for of in [3, 77, 1001, 1002, 1003] {
        same(of);
    }
    // What is enrolled, renamed, erased on either is found, or not, by the other.
    enrol(&memory, 500);
    assert_eq!(same(500).as_deref(), Some("P500"));
    let id = enrol(&database, 501);
    assert_eq!(same(501).as_deref(), Some("P501"));
    assert_eq!(database.example(door, &id).unwrap().unwrap().1, random(501));
    assert!(database.rename_subject(door, "P501", "P500").unwrap());
    assert_eq!(same(501).as_deref(), Some("P500"));
    database.erase_subject(door, "P500").unwrap();
    assert_ne!(same(501).as_deref(), Some("P500"));
    let n: usize = stage
        .sql("SELECT count(*) FROM fusiform.template")
        .parse()
        .unwrap();
    assert_eq!(n, 300);
    // Whose consent has ended is not found, though the index has them still.
    let ended = Consent {
        basis: "consent".into(),
        purpose: "p".into(),
        expires_at_ms: Some(1_000_000_000_000),
    };
    assert!(database.set_consent(door, "P3", ended).unwrap());
    assert_ne!(same(3).as_deref(), Some("P3"));
    // What is stored can be compared with nothing that somebody has.
    let stored = stage.sql(
        "SELECT vector::text FROM fusiform.template t JOIN fusiform.example e ON e.id = t.example \
         JOIN fusiform.subject s ON s.id = e.subject ORDER BY s.id LIMIT 1",
    );
    let stored = stored.trim_matches(['[', ']']).split(',');
    let stored: Vec<f32> = stored.map(|value| value.parse().unwrap()).collect();
    let similarity: f32 = stored.iter().zip(random(0)).map(|(a, b)| a * b).sum();
    assert!(similarity.abs() < 0.8, "{similarity}");
    // A second index takes the place of the first, and nothing else changes.
    memory
        .make_index(IndexShape::default(), 0.99, 50, &mut |_, _, _| ())
        .unwrap();
    assert_eq!(said(&memory, door).len(), said(&database, door).len());
    database.verify_erased().unwrap();
    drop(open().unwrap());
    // A copy has no index, and goes on without one.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("people.db");
    PostgresStore::copy_to_file(&stage.url, &file, &stage.secret()).unwrap();
    let other = stage.server.database();
    PostgresStore::copy_from_file(&file, &other, &stage.secret()).unwrap();
    let place = Place::from(&other[..]);
    let copied = Gallery::open_at(&place, &stage.secret(), Some("m"), None).unwrap();
    assert_eq!(copied.index().unwrap(), None);
    enrol(&copied, 600);
    assert_eq!(
        copied.verify_erased().unwrap().people,
        said(&memory, door).len() + 1
    );
}

#[test]
fn what_was_erased_leaves_the_files_of_the_index_too() {
    let Some(stage) = Stage::new() else { return };
    let memory = stage.gallery();
    let door = service(&memory);
    for of in 0..200 {
        let name = format!("P{of}");
        memory.add_subject(door, &name, None).unwrap();
        memory
            .enrol(door, &name, &random(of), name.as_bytes())
            .unwrap();
    }
    memory
        .make_index(IndexShape::default(), 0.5, 10, &mut |_, _, _| ())
        .unwrap();
    let turned = stage.sql(
        "SELECT encode(halfvec_send(vector), 'hex') FROM fusiform.template t \
         JOIN fusiform.example e ON e.id = t.example ORDER BY e.n LIMIT 1",
    );
    // Numbers are sent with the high byte first and stored with the low one first.
    let bytes: Vec<&str> = (8..40).step_by(4).map(|at| &turned[at..at + 4]).collect();
    let stored: String = bytes
        .iter()
        .map(|b| format!("{}{}", &b[2..], &b[..2]))
        .collect();
    // How often it stands in the index's file.
    let found = || {
        let sql = format!(
            "CHECKPOINT; SELECT sum(position('\\x{stored}'::bytea IN pg_read_binary_file(\
             pg_relation_filepath(indexrelid::regclass))) )::bigint FROM pg_index \
             WHERE indrelid IN (SELECT oid FROM pg_class WHERE relname ~ '^template_[0-7]$')"
        );
        let mut answer = String::new();
        for part in sql.split("; ") {
            answer = stage.sql(part);
        }
        answer
    };
    assert_ne!(found(), "0", "the vector is looked for in the wrong form");
    memory.erase_subject(door, "P0").unwrap();
    let since = Instant::now();
    while memory.health().bytes_pending {
        assert!(since.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(found(), "0");
}

#[derive(Debug, Clone)]
enum Step {
    Enrol(usize, usize),
    Rename(usize, usize),
    Erase(usize),
    EraseFace(usize),
    Consent(usize, bool),
    Service(u8),
    Loses,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..6usize, 0..40usize).prop_map(|(who, of)| Step::Enrol(who, of)),
        2 => (0..6usize, 0..6usize).prop_map(|(from, to)| Step::Rename(from, to)),
        2 => (0..6usize).prop_map(Step::Erase),
        2 => (0..6usize).prop_map(Step::EraseFace),
        1 => (0..6usize, any::<bool>()).prop_map(|(who, ended)| Step::Consent(who, ended)),
        1 => (2..5u8).prop_map(Step::Service),
        1 => Just(Step::Loses),
    ]
}

/// Does a step on a gallery, shared or not.
fn play(gallery: &Gallery, door: Service, step: &Step) {
    let name = |who: &usize| format!("P{who}");
    match step {
        Step::Enrol(who, of) => {
            gallery.add_subject(door, &name(who), None).unwrap();
            let image = format!("photo {of} of {who}");
            match gallery.enrol(door, &name(who), &vector(*of), image.as_bytes()) {
                Err(Error::ConsentEnded(_)) => {}
                done => drop(done.unwrap()),
            }
        }
        Step::Rename(from, to) => {
            gallery
                .rename_subject(door, &name(from), &name(to))
                .unwrap();
        }
        Step::Erase(who) => drop(gallery.erase_subject(door, &name(who)).unwrap()),
        Step::EraseFace(who) => {
            gallery.catch_up().unwrap();
            let (_, faces) = gallery.examples(door, Some(&name(who)), 0, 1000);
            // Ids are other ones in every gallery; templates are not.
            let found = faces
                .iter()
                .filter_map(|face| gallery.example(door, &face.id).unwrap());
            let first = found.min_by(|a, b| a.1[0].total_cmp(&b.1[0]));
            if let Some((face, _)) = first {
                gallery.erase_example(door, &face.id).unwrap();
            }
        }
        Step::Consent(who, ended) => {
            let consent = Consent {
                basis: "contract".into(),
                purpose: "the club".into(),
                expires_at_ms: ended.then_some(1_000_000_000_000),
            };
            gallery.set_consent(door, &name(who), consent).unwrap();
        }
        Step::Service(key) => {
            let terms = Terms {
                basis: "b".into(),
                purpose: "p".into(),
                keep_days: None,
            };
            let key = Uuid::from_u128(u128::from(*key));
            drop(gallery.add_service(Kind::Verification, &key, terms));
        }
        Step::Loses => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..Default::default()
    })]

    /// Random decisions on three servers, some of whose changes get lost: each server, one that
    /// starts at the end, and a gallery in memory that did the same alone, say the same.
    #[test]
    fn servers_that_share_a_gallery_are_as_one(
        steps in prop::collection::vec((0..3usize, step()), 1..40)
    ) {
        let Some(stage) = Stage::new() else { return Ok(()) };
        let servers: Vec<Gallery> = (0..3).map(|_| stage.gallery()).collect();
        let alone = Gallery::with_store(Box::new(MemoryStore::new().unwrap()), "m").unwrap();
        let door = service(&servers[0]);
        prop_assert_eq!(service(&alone), door);
        for server in &servers {
            server.catch_up().unwrap();
        }
        for (server, step) in &steps {
            play(&servers[*server], door, step);
            play(&alone, door, step);
            if matches!(step, Step::Loses) {
                stage.sql("DELETE FROM fusiform.change WHERE random() < 0.5");
            }
        }
        let people = |gallery: &Gallery| -> Vec<(String, Consent, usize)> {
            let mut people: Vec<_> = said(gallery, door)
                .into_iter()
                .map(|(_, name, consent, n, _)| (name, consent, n))
                .collect();
            people.sort_by(|a, b| a.0.cmp(&b.0));
            people
        };
        let wanted = said(&stage.gallery(), door);
        for server in &servers {
            prop_assert_eq!(said(server, door), wanted.clone());
            for of in [0, 20, 39] {
                let near = |gallery: &Gallery| {
                    let found = gallery.nearest(door, &[&vector(of)], 3).remove(0);
                    found.iter().map(|near| near.similarity).collect::<Vec<_>>()
                };
                prop_assert_eq!(near(server), near(&alone));
            }
            prop_assert_eq!(server.keys().len(), servers[0].keys().len());
        }
        prop_assert_eq!(people(&servers[0]), people(&alone));
        servers[1].verify_erased().unwrap();
    }
}

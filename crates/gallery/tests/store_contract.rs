//! What every store promises, run for each of them. A body takes a [`Fixture`]; `contract!` makes a
//! test of each body for a kind of store. To check another store, add a fixture and one line at the
//! end.

use std::cell::RefCell;
use std::sync::Barrier;

use fusiform_gallery::store::{Inventory, NewExample, Row, StoredExample, StoredService};
use fusiform_gallery::store::{Store, Transaction};
use fusiform_gallery::{
    Action, Consent, Error, Kind, MemoryStore, Person, Secret, Service, SqliteStore, Terms, Uuid,
    new_key,
};
use tempfile::TempDir;

/// A place for one store.
trait Fixture: Sized {
    /// `None`, and the test is listed as skipped, where the store cannot be had.
    fn new() -> Option<Self>;
    /// The store; another handle of the same one if it is open already.
    fn open(&self) -> Box<dyn Store>;
    /// Whether what was committed is there when the store is opened again.
    const DURABLE: bool;
}

struct Memory;

impl Fixture for Memory {
    fn new() -> Option<Memory> {
        Some(Memory)
    }

    fn open(&self) -> Box<dyn Store> {
        Box::new(MemoryStore::new().unwrap())
    }

    const DURABLE: bool = false;
}

struct Sqlite {
    dir: TempDir,
    key: String,
}

impl Fixture for Sqlite {
    fn new() -> Option<Sqlite> {
        Some(Sqlite {
            dir: tempfile::tempdir().unwrap(),
            key: new_key().unwrap().to_string(),
        })
    }

    fn open(&self) -> Box<dyn Store> {
        let path = self.dir.path().join("people.db");
        let secret = Secret::Hex(self.key.clone().into());
        Box::new(SqliteStore::open(&path, &secret).unwrap())
    }

    const DURABLE: bool = true;
}

#[cfg(feature = "postgres")]
struct InPostgres {
    url: String,
    key: String,
}

#[cfg(feature = "postgres")]
impl Fixture for InPostgres {
    fn new() -> Option<InPostgres> {
        Some(InPostgres {
            url: fusiform_skips::Postgres::shared()?.database(),
            key: new_key().unwrap().to_string(),
        })
    }

    fn open(&self) -> Box<dyn Store> {
        let secret = Secret::Hex(self.key.clone().into());
        Box::new(fusiform_gallery::PostgresStore::open(&self.url, &secret).unwrap())
    }

    const DURABLE: bool = true;
}

fn terms() -> Terms {
    Terms {
        basis: "consent".into(),
        purpose: "the club's door".into(),
        keep_days: Some(30),
    }
}

fn consent(expires_at_ms: Option<i64>) -> Consent {
    Consent {
        basis: "contract".into(),
        purpose: "Zwölf\u{1f600}".into(),
        expires_at_ms,
    }
}

fn rows(store: &dyn Store) -> Vec<Row> {
    let mut rows = Vec::new();
    store
        .load(&mut |row| {
            rows.push(row);
            Ok(())
        })
        .unwrap();
    rows
}

/// All entries, without their times; the log must be whole.
fn entries(store: &dyn Store) -> Vec<(i64, Action, i64, i64, i64)> {
    let mut found = Vec::new();
    let verified = store
        .verify_audit(&mut |e| found.push((e.seq, e.action, e.service, e.subject, e.count)))
        .unwrap();
    assert_eq!(verified.n_entries as usize, found.len());
    found
}

fn add_service(store: &dyn Store, key: u128) -> i64 {
    let (mut id, hash) = (0, store.key_hash(&Uuid::from_u128(key)));
    store
        .transact(&mut |t| {
            id = t.add_service(Kind::Recognition, &hash, &terms())?;
            t.log(Action::Key, id, 0, 1)
        })
        .unwrap();
    id
}

fn add_person(store: &dyn Store, service: i64, name: &str) -> i64 {
    let mut number = 0;
    store
        .transact(&mut |t| {
            number = t.add_person(service, name, &consent(None))?;
            t.log(Action::Enrol, service, number, 0)
        })
        .unwrap();
    number
}

fn example(id: u128, person: i64) -> NewExample<'static> {
    NewExample {
        id: Uuid::from_u128(id),
        person,
        model: "m",
        vector: &[0.25, -1.5e-30, f32::MAX],
        image: b"\xff\xd8 a photo",
        consent: None,
    }
}

fn add_example(store: &dyn Store, example: NewExample<'_>) -> bool {
    let mut added = false;
    store
        .transact(&mut |t| {
            added = t.add_example(&example)?;
            Ok(())
        })
        .unwrap();
    added
}

/// What was committed is handed on by `load`, in its order and bit by bit, also after opening
/// again.
fn keeps_what_was_committed<F: Fixture>() {
    let Some(fixture) = F::new() else {
        return;
    };
    let store = fixture.open();
    let service = add_service(&*store, 1);
    let (ann, bo) = (
        add_person(&*store, service, "Ann"),
        add_person(&*store, service, "Bo"),
    );
    // Not in the order of their ids.
    for id in [9, 3, 7] {
        assert!(add_example(&*store, example(id, ann)));
    }
    let ended = Person {
        number: bo,
        name: "Bo Ængström".into(),
        consent: consent(Some(-5)),
    };
    store.transact(&mut |t| t.set_person(&ended)).unwrap();
    let stored = |id| {
        Row::Example(StoredExample {
            id: Uuid::from_u128(id),
            person: ann,
            model: "m".into(),
            vector: example(id, ann).vector.to_vec(),
            consent: None,
            aside: false,
        })
    };
    let wanted = vec![
        Row::Service(StoredService {
            service: Service {
                id: service,
                kind: Kind::Recognition,
            },
            key_hash: store.key_hash(&Uuid::from_u128(1)),
            terms: terms(),
        }),
        Row::Person {
            service,
            person: Person {
                number: ann,
                name: "Ann".into(),
                consent: consent(None),
            },
            revision: 0,
        },
        Row::Person {
            service,
            person: ended,
            revision: 1,
        },
        stored(9),
        stored(3),
        stored(7),
    ];
    assert_eq!(rows(&*store), wanted);
    assert_eq!(store.services().unwrap().len(), 1);
    let image = store.image(&Uuid::from_u128(3)).unwrap();
    assert_eq!(image.as_deref(), Some(&b"\xff\xd8 a photo"[..]));
    assert_eq!(store.image(&Uuid::from_u128(4)).unwrap(), None);
    if F::DURABLE {
        let log = entries(&*store);
        drop(store);
        let store = fixture.open();
        assert_eq!((rows(&*store), entries(&*store)), (wanted, log));
    }
}

/// A transaction that fails leaves nothing: no rows, no audit entry; numbers may be used up.
fn does_all_or_nothing<F: Fixture>() {
    let Some(fixture) = F::new() else {
        return;
    };
    let store = fixture.open();
    let service = add_service(&*store, 1);
    let ann = add_person(&*store, service, "Ann");
    add_example(&*store, example(1, ann));
    let before = (rows(&*store), entries(&*store));
    let failed = store.transact(&mut |t: &mut dyn Transaction| {
        let number = t.add_person(service, "Bo", &consent(None))?;
        assert!(t.add_example(&example(2, number))?);
        assert!(
            !t.add_example(&example(2, number))?,
            "it sees its own changes"
        );
        t.merge_people(ann, number)?;
        t.remove_example(&Uuid::from_u128(1))?;
        t.log(Action::Enrol, service, number, 1)?;
        Err(Error::KeyTaken)
    });
    assert!(matches!(failed, Err(Error::KeyTaken)), "{failed:?}");
    assert_eq!((rows(&*store), entries(&*store)), before);
    let unknown = |work: &mut dyn FnMut(&mut dyn Transaction) -> Result<(), Error>| {
        assert!(store.transact(work).is_err());
        assert_eq!((rows(&*store), entries(&*store)), before);
    };
    unknown(&mut |t| t.add_person(service + 9, "Cy", &consent(None)).map(drop));
    unknown(&mut |t| t.add_example(&example(5, ann + 9)).map(drop));
    unknown(&mut |t| t.merge_people(ann, ann + 9));
}

/// An error of the reader ends `load` and is handed back.
fn hands_back_the_readers_error<F: Fixture>() {
    let Some(fixture) = F::new() else {
        return;
    };
    let store = fixture.open();
    let service = add_service(&*store, 1);
    add_person(&*store, service, "Ann");
    let mut n = 0;
    let ended = store.load(&mut |_| {
        n += 1;
        Err(Error::Damaged)
    });
    assert!(matches!(ended, Err(Error::Damaged)) && n == 1);
}

/// Removing takes all that belongs to it and nothing else; numbers are never used again.
fn removes_what_belongs_together<F: Fixture>() {
    let Some(fixture) = F::new() else {
        return;
    };
    let store = fixture.open();
    let (a, b) = (add_service(&*store, 1), add_service(&*store, 2));
    let people: Vec<i64> = ["Ann", "Bo", "Cy", "Di"]
        .into_iter()
        .zip([a, a, a, b])
        .map(|(name, service)| add_person(&*store, service, name))
        .collect();
    for (i, person) in people.iter().enumerate() {
        for id in 0..3 {
            add_example(&*store, example(i as u128 * 10 + id, *person));
        }
    }
    assert!(
        !add_example(&*store, example(30, people[0])),
        "another service has it"
    );
    let inventory = |people: &[i64], n_examples| Inventory {
        people: people.iter().copied().collect(),
        n_people: people.len(),
        n_examples,
        unscrubbed_bytes: 0,
    };
    let found = || {
        assert!(store.scrub().unwrap());
        store.inventory().unwrap()
    };
    assert_eq!(found(), inventory(&people, 12));
    let remove = |t: &mut dyn Transaction| t.remove_example(&Uuid::from_u128(1));
    store.transact(&mut { remove }).unwrap();
    assert_eq!(found(), inventory(&people, 11));
    store
        .transact(&mut |t| t.merge_people(people[0], people[1]))
        .unwrap();
    assert_eq!(found(), inventory(&people[1..], 11));
    let of_bo = rows(&*store)
        .into_iter()
        .filter(|row| matches!(row, Row::Example(e) if e.person == people[1]));
    assert_eq!(of_bo.count(), 5);
    store.transact(&mut |t| t.remove_person(people[1])).unwrap();
    assert_eq!(found(), inventory(&people[2..], 6));
    assert_eq!(store.image(&Uuid::from_u128(11)).unwrap(), None);
    store.transact(&mut |t| t.remove_people(a)).unwrap();
    assert_eq!(found(), inventory(&people[3..], 3));
    assert_eq!(store.services().unwrap().len(), 2);
    store.transact(&mut |t| t.remove_service(b)).unwrap();
    assert_eq!(found(), inventory(&[], 0));
    assert!(
        add_person(&*store, a, "Ed") > people[3],
        "a number used again"
    );
    assert!(add_service(&*store, 3) > b, "a number used again");
}

/// The log has one order, and its newest hash moves with every entry.
fn logs_in_one_order<F: Fixture>() {
    let Some(fixture) = F::new() else {
        return;
    };
    let store = fixture.open();
    let newest = || store.verify_audit(&mut |_| ()).unwrap().newest;
    let service = add_service(&*store, 1);
    let seen = RefCell::new(vec![newest()]);
    for action in [Action::Identify, Action::Export, Action::Expire] {
        store
            .transact(&mut |t| t.log(action, service, 7, 2))
            .unwrap();
        assert!(!seen.borrow().contains(&newest()));
        seen.borrow_mut().push(newest());
    }
    let wanted = [
        (1, Action::Key, service, 0, 1),
        (2, Action::Identify, service, 7, 2),
        (3, Action::Export, service, 7, 2),
        (4, Action::Expire, service, 7, 2),
    ];
    assert_eq!(entries(&*store), wanted);
}

/// Transactions of many threads happen one after another.
fn serialises_writers<F: Fixture>() {
    let Some(fixture) = F::new() else {
        return;
    };
    let store = fixture.open();
    let service = add_service(&*store, 1);
    let (n_threads, n_each) = (4, 12);
    let start = Barrier::new(n_threads);
    std::thread::scope(|scope| {
        for thread in 0..n_threads {
            let (store, start) = (&store, &start);
            scope.spawn(move || {
                start.wait();
                for i in 0..n_each {
                    let number = add_person(&**store, service, &format!("P{thread}.{i}"));
                    let id = (thread * n_each + i) as u128;
                    assert!(add_example(&**store, example(id, number)));
                }
            });
        }
    });
    let n = n_threads * n_each;
    let found = store.inventory().unwrap();
    assert_eq!((found.n_people, found.n_examples), (n, n));
    let seqs: Vec<i64> = entries(&*store).iter().map(|e| e.0).collect();
    assert_eq!(seqs, (1..=n as i64 + 1).collect::<Vec<_>>());
}

/// Hashes of API keys stay within a store and differ between stores.
fn hashes_keys_by_its_own_secret<F: Fixture>() {
    let (key, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let Some(fixture) = F::new() else {
        return;
    };
    let store = fixture.open();
    assert_eq!(store.key_hash(&key), store.key_hash(&key));
    assert_ne!(store.key_hash(&key), store.key_hash(&other));
    let another = F::new().unwrap();
    assert_ne!(store.key_hash(&key), another.open().key_hash(&key));
    if F::DURABLE {
        let hash = store.key_hash(&key);
        drop(store);
        assert_eq!(fixture.open().key_hash(&key), hash);
    }
}

/// Another handle sees what was committed, and that something was.
fn tells_of_other_writers<F: Fixture>() {
    if !F::DURABLE {
        return;
    }
    let Some(fixture) = F::new() else {
        return;
    };
    let (mine, theirs) = (fixture.open(), fixture.open());
    let before = mine.version().unwrap();
    assert_eq!(mine.version().unwrap(), before);
    add_service(&*theirs, 1);
    assert_ne!(mine.version().unwrap(), before);
    assert_eq!(mine.services().unwrap().len(), 1);
}

macro_rules! contract {
    ($($store:ident: $fixture:ident),*; $bodies:tt) => {
        $(contract!(@store $store, $fixture, $bodies);)*
    };
    (@store $store:ident, $fixture:ident, [$($body:ident),* $(,)?]) => {
        mod $store {
            $(#[test]
            fn $body() {
                super::$body::<super::$fixture>();
            })*
        }
    };
}

macro_rules! all_of_the_contract {
    ($($store:ident: $fixture:ident),*) => {
        contract!($($store: $fixture),*; [
            keeps_what_was_committed,
            does_all_or_nothing,
            hands_back_the_readers_error,
            removes_what_belongs_together,
            logs_in_one_order,
            serialises_writers,
            hashes_keys_by_its_own_secret,
            tells_of_other_writers,
        ]);
    };
}

all_of_the_contract!(memory: Memory, sqlite: Sqlite);
#[cfg(feature = "postgres")]
all_of_the_contract!(postgres: InPostgres);

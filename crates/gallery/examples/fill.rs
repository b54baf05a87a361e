//! Fills a new gallery with random people, for measurements. Arguments: place (a file, or
//! `postgres://...` with the feature `postgres`), key file (64
//! hexadecimal digits), model, API key, people, examples, values per vector.
//!
//! It writes through the store, a thousand examples per transaction: the same rows and audit
//! entries as one enrolment after another, without as many waits for the disk.

use std::error::Error;
use std::fs;

use fusiform_gallery::store::NewExample;
use fusiform_gallery::{Action, Consent, Kind, Place, Secret, Terms, Uuid};

const PER_TRANSACTION: usize = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let mut next = || words.next().ok_or("seven arguments are wanted");
    let (path, key_file, model) = (next()?, next()?, next()?);
    let key = Uuid::parse_str(&next()?)?;
    let (n_people, n_examples, dimensions): (usize, usize, usize) =
        (next()?.parse()?, next()?.parse()?, next()?.parse()?);
    let secret = Secret::Hex(fs::read_to_string(key_file)?.into());
    let store = Place::from(&path[..]).open(&secret)?;
    let terms = Terms {
        basis: "measurement".into(),
        purpose: "random numbers, nobody".into(),
        keep_days: None,
    };
    let consent = Consent {
        basis: terms.basis.clone(),
        purpose: terms.purpose.clone(),
        expires_at_ms: None,
    };
    // A linear congruential generator (Knuth's constants) is random enough for load.
    let mut state = 20_261_125u64;
    let mut draw = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let mut service = 0;
    let key_hash = store.key_hash(&key);
    store.transact(&mut |t| {
        service = t.add_service(Kind::Recognition, &key_hash, &terms)?;
        t.log(Action::Key, service, 0, 1)
    })?;
    let image = vec![0x5a; 1024];
    let mut people = Vec::new();
    for start in (0..n_examples).step_by(PER_TRANSACTION) {
        let end = n_examples.min(start + PER_TRANSACTION);
        let vectors: Vec<Vec<f32>> = (start..end)
            .map(|_| unit((0..dimensions).map(|_| draw()).collect()))
            .collect();
        store.transact(&mut |t| {
            // It may run again.
            people.truncate(start);
            for (i, vector) in (start..end).zip(&vectors) {
                if i < n_people {
                    people.push(t.add_person(service, &format!("Person {i}"), &consent)?);
                }
                let person = people[i % n_people];
                t.add_example(&NewExample {
                    id: Uuid::new_v4(),
                    person,
                    model: &model,
                    vector,
                    image: &image,
                    consent: None,
                })?;
                t.log(Action::Enrol, service, person, 1)?;
            }
            Ok(())
        })?;
    }
    store.scrub()?;
    Ok(())
}

fn unit(vector: Vec<f32>) -> Vec<f32> {
    let norm = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    vector.iter().map(|v| v / norm).collect()
}

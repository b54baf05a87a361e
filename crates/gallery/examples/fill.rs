//! Fills a vault with random people, for measurements. Arguments: file, key file, model, API key, people, examples, numbers.

use std::error::Error;
use std::fs;

use fusiform_gallery::{Kind, Secret, Terms, Uuid, Vault};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let mut next = || words.next().ok_or("seven arguments are wanted");
    let (path, key_file, model) = (next()?, next()?, next()?);
    let key = Uuid::parse_str(&next()?)?;
    let (n_people, n_examples, length): (usize, usize, usize) =
        (next()?.parse()?, next()?.parse()?, next()?.parse()?);
    let secret = Secret::Hex(fs::read_to_string(key_file)?.into());
    let vault = Vault::open(path.as_ref(), &secret, &model)?;
    let terms = Terms {
        basis: "measurement".into(),
        purpose: "random numbers, nobody".into(),
        keep_days: None,
    };
    let service = vault.add_service(Kind::Recognition, &key, terms)?;
    // A linear congruential generator (Knuth's constants) is random enough for load.
    let mut state = 20_261_125u64;
    let mut draw = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let image = vec![0x5a; 1024];
    for i in 0..n_examples {
        let raw: Vec<f32> = (0..length).map(|_| draw()).collect();
        let norm = raw.iter().map(|v| v * v).sum::<f32>().sqrt();
        let vector: Vec<f32> = raw.iter().map(|v| v / norm).collect();
        vault.enrol(
            service,
            &format!("Person {}", i % n_people),
            &vector,
            &image,
        )?;
    }
    Ok(())
}

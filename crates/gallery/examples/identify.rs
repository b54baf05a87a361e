//! Measures a filled gallery. Arguments: place (a file, or `postgres://...` with the feature
//! `postgres`), key file, model, API key, values per vector, probes, and `database` to search
//! there.
//! Out: how long opening took, peak memory, and how long it took to find the nearest of one probe,
//! of all probes in one call, and of all probes while another thread enrols.

use std::error::Error;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use fusiform_gallery::{Gallery, Kind, Place, SearchIn, Secret, Uuid};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let mut next = || words.next().ok_or("six arguments are wanted");
    let (path, key_file, model) = (next()?, next()?, next()?);
    let key = Uuid::parse_str(&next()?)?;
    let (dimensions, n_probes): (usize, usize) = (next()?.parse()?, next()?.parse()?);
    let secret = Secret::Hex(fs::read_to_string(key_file)?.into());
    let started = Instant::now();
    let search_in = match words.next().as_deref() {
        Some("database") => SearchIn::Database,
        _ => SearchIn::Memory,
    };
    let place = Place::from(&path[..]);
    let gallery = Gallery::open_at(&place, &secret, Some(&model), Some(search_in))?;
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "opened in {seconds:.2} s, CPU {:.2} s, {}",
        cpu_ms() / 1e3,
        memory()
    );
    let service = gallery
        .service(Kind::Recognition, &key)
        .ok_or("no such key")?;
    let mut state = 7u64;
    let mut draw = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    let mut unit = || -> Vec<f32> {
        let vector: Vec<f32> = (0..dimensions).map(|_| draw()).collect();
        let norm = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
        vector.iter().map(|v| v / norm).collect()
    };
    let probes: Vec<Vec<f32>> = (0..n_probes).map(|_| unit()).collect();
    let probes: Vec<&[f32]> = probes.iter().map(|p| &p[..]).collect();
    let measure = |what: &str, probes: &[&[f32]]| -> Result<(), Box<dyn Error>> {
        for _ in 0..3 {
            let (started, cpu) = (Instant::now(), cpu_ms());
            let found = gallery.search(service, probes, 1)?.matches;
            let (ms, cpu) = (started.elapsed().as_secs_f64() * 1e3, cpu_ms() - cpu);
            println!(
                "{what}: {ms:.1} ms, CPU {cpu:.1} ms, similarity {}",
                found[0][0].similarity
            );
        }
        Ok(())
    };
    measure("1 probe", &probes[..1])?;
    measure(&format!("{n_probes} probes"), &probes)?;
    let done = AtomicBool::new(false);
    let (vector, image) = (unit(), vec![0x5a; 1024]);
    std::thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        let enrolling = scope.spawn(|| {
            let (started, mut n) = (Instant::now(), 0);
            while !done.load(Ordering::SeqCst) {
                let name = format!("New {n}");
                gallery.enrol_on_terms(service, &name, &vector, &image)?;
                n += 1;
            }
            let ms = started.elapsed().as_secs_f64() * 1e3 / f64::from(n);
            println!("{n} enrolled meanwhile, {ms:.2} ms each");
            gallery.erase_subject(service, "New 0")
        });
        measure(&format!("{n_probes} probes while enrolling"), &probes)?;
        done.store(true, Ordering::SeqCst);
        enrolling.join().map_err(|_| "the enrolling thread")??;
        Ok(())
    })?;
    println!("{}", memory());
    Ok(())
}

fn memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let lines = status
        .lines()
        .filter(|l| l.starts_with("VmRSS") || l.starts_with("VmHWM"));
    lines
        .map(|l| l.replace('\t', " "))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Milliseconds that all threads have run so far; 0 where the system does not tell.
fn cpu_ms() -> f64 {
    let tasks = fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let ns = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    ns.sum::<f64>() / 1e6
}

//! Searches vectors of a file. In: `TEMPLATES.f32 QUERIES.f32 DIMENSIONS`, then on standard input
//! lines `START N`: N queries from number START on. Out: for each line the wall-clock and CPU
//! milliseconds that these queries took together and the slot of each one's nearest. The line `all`
//! compares every query with every vector instead. Used to compare with other engines.

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Read};
use std::time::Instant;

use fusiform_kernels::dot;
use fusiform_search::index::Index;
use rustix::time::{ClockId, clock_gettime};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [templates, queries, dimensions] = &args[..] else {
        return Err("usage: nearest TEMPLATES.f32 QUERIES.f32 DIMENSIONS".into());
    };
    let mut index = Index::new(dimensions.parse()?);
    let start = Instant::now();
    each_row(templates, index.dimensions(), |slot, row| {
        index.push(slot, row)?;
        Ok(())
    })?;
    let mut all = Vec::new();
    each_row(queries, index.dimensions(), |_, row| {
        all.push(row.to_vec());
        Ok(())
    })?;
    let all: Vec<&[f32]> = all.iter().map(|q| &q[..]).collect();
    println!("{} {:.1}", index.len(), start.elapsed().as_secs_f64());
    for line in std::io::stdin().lines() {
        let line = line?;
        let (wall, cpu) = (Instant::now(), cpu_ms());
        let slots: Vec<usize> = if line == "all" {
            all.iter().map(|query| by_all(&index, query)).collect()
        } else {
            let (start, n) = line.split_once(' ').ok_or("wanted: START N, or all")?;
            let (start, n): (usize, usize) = (start.parse()?, n.parse()?);
            let share = all.get(start..start + n).ok_or("not so many queries")?;
            let found = index.nearest(share, 1)?;
            found.into_iter().map(|near| near[0].slot).collect()
        };
        let (wall, cpu) = (wall.elapsed().as_secs_f64() * 1e3, cpu_ms() - cpu);
        let slots: Vec<String> = slots.iter().map(usize::to_string).collect();
        println!("{wall:.3} {cpu:.3} {}", slots.join(" "));
    }
    Ok(())
}

/// The slot of the nearest, by comparing all.
fn by_all(index: &Index, query: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for slot in 0..index.len() {
        let similarity = dot::f32(query, index.get(slot));
        if similarity > best.1 {
            best = (slot, similarity);
        }
    }
    best.0
}

fn each_row(
    path: &str,
    dimensions: usize,
    mut take: impl FnMut(u64, &[f32]) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let mut file = BufReader::new(File::open(path)?);
    let mut bytes = vec![0; dimensions * 4];
    let mut slot = 0;
    while file.read_exact(&mut bytes).is_ok() {
        let row: Vec<f32> = bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|w| f32::from_le_bytes(*w))
            .collect();
        take(slot, &row)?;
        slot += 1;
    }
    Ok(())
}

fn cpu_ms() -> f64 {
    let t = clock_gettime(ClockId::ProcessCPUTime);
    t.tv_sec as f64 * 1e3 + t.tv_nsec as f64 / 1e6
}

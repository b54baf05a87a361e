//! Searches vectors of a file. In: `TEMPLATES.f32 QUERIES.f32 LENGTH`, then on standard input lines `START N`: so many
//! queries from there on. Out: for each line the wall-clock and CPU milliseconds that these queries took together and
//! the place of each one's nearest. The line `all` compares every query with every vector instead. Used to compare with other engines.

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, Read};
use std::time::Instant;

use fusiform_kernels::dot;
use fusiform_search::index::Vectors;
use rustix::time::{ClockId, clock_gettime};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [templates, queries, length] = &args[..] else {
        return Err("usage: nearest TEMPLATES.f32 QUERIES.f32 LENGTH".into());
    };
    let mut vectors = Vectors::new(length.parse()?);
    let start = Instant::now();
    each_row(templates, vectors.length(), |place, row| {
        vectors.push(place, row)
    })?;
    let mut all = Vec::new();
    each_row(queries, vectors.length(), |_, row| all.push(row.to_vec()))?;
    let all: Vec<&[f32]> = all.iter().map(|q| &q[..]).collect();
    println!("{} {:.1}", vectors.len(), start.elapsed().as_secs_f64());
    for line in std::io::stdin().lines() {
        let line = line?;
        let (wall, cpu) = (Instant::now(), cpu_ms());
        let places: Vec<usize> = if line == "all" {
            all.iter().map(|query| by_all(&vectors, query)).collect()
        } else {
            let (start, n) = line.split_once(' ').ok_or("wanted: START N, or all")?;
            let (start, n): (usize, usize) = (start.parse()?, n.parse()?);
            let share = all.get(start..start + n).ok_or("not so many queries")?;
            let found = vectors.nearest(share, 1);
            found.into_iter().map(|near| near[0].place).collect()
        };
        let (wall, cpu) = (wall.elapsed().as_secs_f64() * 1e3, cpu_ms() - cpu);
        let places: Vec<String> = places.iter().map(usize::to_string).collect();
        println!("{wall:.3} {cpu:.3} {}", places.join(" "));
    }
    Ok(())
}

/// The first of the nearest, by the definition.
fn by_all(vectors: &Vectors, query: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for place in 0..vectors.len() {
        let similarity = dot::f32(query, vectors.get(place));
        if similarity > best.1 {
            best = (place, similarity);
        }
    }
    best.0
}

fn each_row(
    path: &str,
    length: usize,
    mut take: impl FnMut(u64, &[f32]),
) -> Result<(), Box<dyn Error>> {
    let mut file = BufReader::new(File::open(path)?);
    let mut bytes = vec![0; length * 4];
    let mut place = 0;
    while file.read_exact(&mut bytes).is_ok() {
        let row: Vec<f32> = bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|w| f32::from_le_bytes(*w))
            .collect();
        take(place, &row);
        place += 1;
    }
    Ok(())
}

fn cpu_ms() -> f64 {
    let t = clock_gettime(ClockId::ProcessCPUTime);
    t.tv_sec as f64 * 1e3 + t.tv_nsec as f64 / 1e6
}

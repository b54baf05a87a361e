//! How grouping scales. In: `FACES [DIMENSIONS]`, the number of synthetic faces and the length of
//! their vectors (128). Out: seconds, memory and BCubed of grouping them, then the time to add one
//! photo to an album that holds them.
//!
//! Identities have 1 to 39 faces; each face is a unit vector at a cosine of 0.65 to 0.9 to the
//! random direction of its identity. So two faces of one identity have a similarity of 0.6 in the
//! mean, two strangers of 0 ± 0.09. A photo has two faces. Real albums are harder to group and as
//! large.

use std::collections::HashMap;
use std::error::Error;
use std::time::Instant;

use fusiform_album::{
    Album, FaceRecord, ModelPair, OpenOptions, Outcome, PhotoRecord, ScannedFile,
};
use fusiform_face::geometry::BoundingBox;
use fusiform_face::image::Orientation;
use fusiform_face::quality::{Pose, Quality};
use fusiform_search::cluster::{ClusterFace, ClusterOptions, Constraints, cluster};
use fusiform_search::metrics::bcubed;
use fusiform_search::template::ModelId;
use rustix::time::{ClockId, clock_gettime};

/// Photos added one by one at the end.
const ADDED: usize = 21;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: album FACES [DIMENSIONS]";
    let n_faces: usize = args.next().ok_or(usage)?.parse()?;
    let length: usize = args.next().map_or(Ok(128), |n| n.parse())?;
    let album = Synthetic::new(n_faces + 2 * ADDED, length);
    let options = ClusterOptions {
        floor_similarity: 0.38,
        link_similarity: 0.44,
        ..ClusterOptions::default()
    };

    let faces: Vec<ClusterFace> = (0..n_faces)
        .map(|at| ClusterFace::new(at as i64, at as i64 / 2, album.vector(at), 0.9))
        .collect();
    let (start, cpu) = (Instant::now(), cpu_ms());
    let found = cluster(&faces, &Constraints::default(), &options)?;
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), (cpu_ms() - cpu) / 1e3);
    let score = bcubed(&album.identities[..n_faces], &found.labels());
    println!(
        "{n_faces} faces of {length} dimensions: grouped in {seconds:.1} s ({cpu:.1} s of CPU), \
         at most {} MB so far; {} groups of {} people",
        peak_mb(),
        found.n_clusters(),
        album.identities[..n_faces]
            .iter()
            .max()
            .map_or(0, |m| m + 1)
    );
    println!(
        "BCubed precision {:.4}  recall {:.4}  F {:.4}",
        score.precision, score.recall, score.f
    );
    drop((faces, found));

    let dir = tempfile::tempdir()?;
    let open = OpenOptions {
        create: true,
        read_only: false,
    };
    let mut library = Album::open(&dir.path().join("album.db"), open)?;
    let model = ModelId("synthetic@1".into());
    let start = Instant::now();
    let photos: Vec<usize> = (0..n_faces / 2).collect();
    for batch in photos.chunks(64) {
        let files: Vec<ScannedFile> = batch.iter().map(|p| album.photo(*p, &model)).collect();
        library.record(&files)?;
    }
    println!("recorded in {:.1} s", start.elapsed().as_secs_f64());
    let (start, cpu) = (Instant::now(), cpu_ms());
    let summary = library.group(&model, &options)?;
    println!(
        "grouped in the album in {:.1} s ({:.1} s of CPU), at most {} MB; {} people, \
         {} faces unassigned",
        start.elapsed().as_secs_f64(),
        (cpu_ms() - cpu) / 1e3,
        peak_mb(),
        summary.n_people,
        summary.n_unassigned
    );

    let mut person_of: HashMap<usize, i64> = HashMap::new();
    let (mut times, mut cpu_times) = (Vec::new(), Vec::new());
    let (mut right, mut known) = (0, 0);
    for photo in n_faces / 2..n_faces / 2 + ADDED {
        let file = album.photo(photo, &model);
        let (start, cpu) = (Instant::now(), cpu_ms());
        library.record(std::slice::from_ref(&file))?;
        library.group(&model, &options)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        cpu_times.push(cpu_ms() - cpu);
        let view = library.photo(library.photo_at(&file.path)?)?;
        for (face, at) in view.faces.iter().zip([2 * photo, 2 * photo + 1]) {
            let identity = album.identities[at];
            let Some(first) = (0..n_faces).find(|other| album.identities[*other] == identity)
            else {
                continue;
            };
            let theirs = album.person(&library, first)?;
            let person = *person_of.entry(identity).or_insert(theirs);
            known += usize::from(person > 0);
            right += usize::from(person > 0 && face.person.is_some_and(|p| p.0 == person));
        }
    }
    times.sort_by(f64::total_cmp);
    cpu_times.sort_by(f64::total_cmp);
    println!(
        "one photo of two faces added in {:.1} ms (median of {ADDED}; {:.1} to {:.1}; \
         {:.1} ms of CPU); {right} of {known} faces of known people were assigned to them",
        times[ADDED / 2],
        times[0],
        times[ADDED - 1],
        cpu_times[ADDED / 2]
    );
    Ok(())
}

struct Synthetic {
    length: usize,
    vectors: Vec<f32>,
    /// The identity of each face.
    identities: Vec<usize>,
}

impl Synthetic {
    fn new(n_faces: usize, length: usize) -> Synthetic {
        let mut random = SplitMix64(20_261_125);
        let mut identities = Vec::with_capacity(n_faces);
        while identities.len() < n_faces {
            let identity = identities.last().map_or(0, |last| last + 1);
            let size = 1 + (random.next() * 39.0) as usize;
            identities.extend(std::iter::repeat_n(
                identity,
                size.min(n_faces - identities.len()),
            ));
        }
        // Photos come in any order.
        for at in (1..n_faces).rev() {
            identities.swap(at, (random.next() * (at + 1) as f64) as usize);
        }
        let n_identities = identities.iter().max().map_or(0, |m| m + 1);
        let directions: Vec<Vec<f32>> = (0..n_identities)
            .map(|_| unit(random.normals(length)))
            .collect();
        let mut vectors = Vec::with_capacity(n_faces * length);
        for identity in &identities {
            let near = (0.65 + 0.25 * random.next()) as f32;
            let noise = unit(random.normals(length));
            let away = (1.0 - near * near).sqrt();
            let mixed = directions[*identity].iter().zip(&noise);
            vectors.extend(unit(mixed.map(|(d, n)| near * d + away * n).collect()));
        }
        Synthetic {
            length,
            vectors,
            identities,
        }
    }

    fn vector(&self, at: usize) -> &[f32] {
        &self.vectors[at * self.length..][..self.length]
    }

    fn photo(&self, number: usize, model: &ModelId) -> ScannedFile {
        let face = |index: usize| FaceRecord {
            bbox: BoundingBox {
                x_min: index as f32 * 100.0,
                y_min: 10.0,
                x_max: index as f32 * 100.0 + 80.0,
                y_max: 90.0,
            },
            score: 0.9,
            landmarks: None,
            quality: Quality {
                overall: 0.9,
                size: 1.0,
                sharpness: 1.0,
                exposure: 1.0,
                pose: Pose::default(),
                frontal: 1.0,
                detector_score: 0.9,
                recognisability: 1.0,
            },
            vector: Some(self.vector(2 * number + index).to_vec()),
        };
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&(number as u64).to_le_bytes());
        ScannedFile {
            path: format!("/album/{number:07}.jpg").into(),
            size_bytes: 1,
            mtime_ns: 1,
            hash: Some(hash),
            outcome: Outcome::New(PhotoRecord {
                width_px: 640,
                height_px: 480,
                taken: None,
                orientation: Orientation::Upright,
                fingerprint: None,
                models: ModelPair {
                    detector: ModelId("synthetic".into()),
                    embedder: Some(model.clone()),
                },
                faces: vec![face(0), face(1)],
            }),
        }
    }

    /// The person of a face of the library; 0 if it is assigned to nobody.
    fn person(&self, library: &Album, at: usize) -> Result<i64, Box<dyn Error>> {
        let path = format!("/album/{:07}.jpg", at / 2);
        let photo = library.photo(library.photo_at(path.as_ref())?)?;
        let face = photo.faces.get(at % 2).ok_or("a face is missing")?;
        Ok(face.person.map_or(0, |p| p.0))
    }
}

fn unit(vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    vector.into_iter().map(|v| v / length).collect()
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct SplitMix64(u64);

impl SplitMix64 {
    /// 0 to 1, without 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Normally distributed numbers, by Box and Muller.
    fn normals(&mut self, n: usize) -> Vec<f32> {
        let mut normal = || {
            let radius = (-2.0 * (1.0 - self.next()).ln()).sqrt();
            (radius * (std::f64::consts::TAU * self.next()).cos()) as f32
        };
        (0..n).map(|_| normal()).collect()
    }
}

fn cpu_ms() -> f64 {
    let t = clock_gettime(ClockId::ProcessCPUTime);
    t.tv_sec as f64 * 1e3 + t.tv_nsec as f64 / 1e6
}

/// The most memory this process has held, where the system tells.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kb = line.and_then(|l| l.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kb.unwrap_or(0) / 1024
}

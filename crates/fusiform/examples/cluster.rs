//! Group faces into people in memory, without a database.
//!
//! ```text
//! cargo run -p fusiform-sdk --example cluster -- [FOLDER]
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fusiform::cluster::{ClusterFace, Constraints, cluster};
use fusiform::{Engine, Error, Template};

fn main() -> Result<(), Error> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    run(&folder.unwrap_or_else(|| "samples/album".into())).map(drop)
}

pub(crate) fn run(folder: &Path) -> Result<usize, Error> {
    let engine = Engine::builtin()?;
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();

    let mut templates: Vec<(usize, Template)> = Vec::new();
    for (photo, path) in paths.iter().enumerate() {
        let faces = engine.analyse_file(path)?.faces;
        templates.extend(faces.into_iter().filter_map(|f| Some((photo, f.template?))));
    }

    // Two faces of one photo are rarely one person, so the photo counts; a blurred face has less
    // weight than a sharp one, so the quality counts too.
    let numbered = templates.iter().zip(0i64..);
    let faces: Vec<ClusterFace> = numbered
        .map(|((photo, t), face)| ClusterFace::new(face, *photo as i64, &t.vector, t.quality))
        .collect();
    // What humans decided would be given as constraints, which are obeyed. Here nobody decided.
    let clustering = cluster(&faces, &Constraints::default(), &engine.cluster_options()?)?;

    let mut groups: BTreeMap<usize, Vec<&Path>> = BTreeMap::new();
    for (label, (photo, _)) in clustering.labels().into_iter().zip(&templates) {
        groups.entry(label).or_default().push(&paths[*photo]);
    }
    for (label, photos) in groups.iter().filter(|(_, photos)| photos.len() > 1) {
        println!("group {label} is in {photos:?}");
    }
    let alone = groups.values().filter(|photos| photos.len() == 1).count();
    println!("{} groups, {alone} of one face", groups.len());
    Ok(groups.len())
}

//! Photos to faces: where each face is, how good it is, and what the engine gives for it.
//!
//! ```text
//! cargo run -p fusiform-sdk --example analyse -- [FOLDER]
//! ```

use std::path::{Path, PathBuf};

use fusiform::{Engine, Error};

fn main() -> Result<(), Error> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    run(&folder.unwrap_or_else(|| "samples/album".into()))
}

pub(crate) fn run(folder: &Path) -> Result<(), Error> {
    // The networks are built once; an engine is shared between threads by reference.
    let engine = Engine::builtin()?;
    println!("embedder {}", engine.embedder_id()?);

    for path in photos(folder)? {
        // One bad photo should not end a program that analyses thousands.
        let photo = match engine.analyse_file(&path) {
            Ok(photo) => photo,
            Err(error) => {
                println!("{error} [{}]", error.kind());
                continue;
            }
        };
        let (width, height) = (photo.width_px, photo.height_px);
        println!("{}: {width}x{height} px", path.display());
        for face in &photo.faces {
            // Pixels of the upright photo; the box may reach beyond its edges.
            let b = face.bbox;
            println!(
                "  {:.0}x{:.0} px at ({:.0}, {:.0}), score {:.2}",
                b.width(),
                b.height(),
                b.x_min,
                b.y_min,
                face.score
            );
            // Each part of the quality is the share of a recogniser's accuracy that it leaves.
            let q = &face.quality;
            println!(
                "    quality {:.2}: size {:.2}, sharpness {:.2}, exposure {:.2}, frontal {:.2}",
                q.overall, q.size, q.sharpness, q.exposure, q.frontal
            );
            // The template is what comparisons use; it never leaves the machine by itself.
            let template = face.template()?;
            println!("    template of {} numbers", template.vector.len());
        }
    }
    Ok(())
}

/// The photos of a folder, in order of their names.
fn photos(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "jpg"));
    paths.sort();
    Ok(paths)
}

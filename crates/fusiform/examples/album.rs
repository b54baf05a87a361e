//! Find the people in a folder of photos, give one a name, and see where that person appears.
//!
//! ```text
//! cargo run -p fusiform-sdk --example album -- [FOLDER] [DATABASE]
//! ```

use std::path::{Path, PathBuf};

use fusiform::album::OpenOptions;
use fusiform::{Album, Engine, Error};

fn main() -> Result<(), Error> {
    let mut paths = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = paths.next().unwrap_or_else(|| "samples/album".into());
    let database = std::env::temp_dir().join(format!("fusiform-album-{}.db", std::process::id()));
    run(&folder, &paths.next().unwrap_or(database)).map(drop)
}

pub(crate) fn run(folder: &Path, database: &Path) -> Result<usize, Error> {
    let engine = Engine::builtin()?;
    let options = OpenOptions {
        create: true,
        ..OpenOptions::default()
    };
    let mut album = Album::open(database, options)?;

    // A second scan reads only what is new. Files that are no photos are listed, not passed over.
    let summary = engine.scan(&mut album, &[folder])?;
    println!("{} photos, {} new faces", summary.files, summary.new_faces);
    for (path, reason) in &summary.problems {
        println!("  {}: {reason}", path.display());
    }

    // Faces become people by the error rates that the pack states; nobody has a name yet.
    engine.group(&mut album)?;
    let people = album.people()?;
    for person in people.iter().take(5) {
        println!("person {}: {} photos", person.id, person.n_photos);
    }

    // A name is a decision of a human: it outlives new scans, new groupings and other models.
    let Some(most) = people.first() else {
        println!("no people in {}", folder.display());
        return Ok(0);
    };
    album.name(most.id, "Ida")?;
    let photos = album.photos_of(album.find_person("Ida")?)?;
    for photo in &photos {
        println!("Ida is in {:?}", photo.paths);
    }
    println!("the album is kept in {}", database.display());
    Ok(photos.len())
}

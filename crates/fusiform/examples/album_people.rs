//! A folder of photos to people: in how many photos is each of them.
//!
//! The same program in other languages lies in `examples`; all print the same lines.
//!
//! ```text
//! cargo run -p fusiform-sdk --example album_people -- [FOLDER] [DATABASE]
//! ```

use std::path::{Path, PathBuf};

use fusiform::album::OpenOptions;
use fusiform::{Album, Engine, Error};

fn main() -> Result<(), Error> {
    let mut paths = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = paths.next().unwrap_or_else(|| "samples/album".into());
    let database = std::env::temp_dir().join(format!("fusiform-people-{}.db", std::process::id()));
    run(&folder, &paths.next().unwrap_or(database))
}

pub(crate) fn run(folder: &Path, database: &Path) -> Result<(), Error> {
    let engine = Engine::builtin()?;
    let options = OpenOptions {
        create: true,
        ..OpenOptions::default()
    };
    let mut album = Album::open(database, options)?;
    let summary = engine.scan(&mut album, &[folder])?;
    let (files, faces) = (summary.files, summary.new_faces);
    println!("{files} photos, {faces} new faces");
    engine.group(&mut album)?;
    for person in album.people()? {
        let (id, photos, faces) = (person.id, person.n_photos, person.n_faces);
        println!("person {id}: {photos} photos, {faces} faces");
    }
    Ok(())
}

//! Who is in this photo: portraits with names first, then a photo of several people.
//!
//! The same program in other languages lies in `examples`; all print the same lines.
//!
//! ```text
//! cargo run -p fusiform-sdk --example who_is_in_photo -- [PHOTO NAME=PORTRAIT …]
//! ```

use fusiform::{Engine, Error, Fmr, Gallery};

const USUAL: &[&str] = &[
    "samples/album/23-group.jpg",
    "Ida=samples/album/14-portrait.jpg",
    "Jonas=samples/album/06-portrait.jpg",
    "Mara=samples/album/16-portrait.jpg",
    "Noor=samples/album/18-portrait.jpg",
    "Tom=samples/album/20-portrait.jpg",
];

fn main() -> Result<(), Error> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.is_empty() {
        arguments = USUAL.iter().map(|text| text.to_string()).collect();
    }
    run(&arguments[0], &arguments[1..])
}

pub(crate) fn run(photo: &str, portraits: &[String]) -> Result<(), Error> {
    let engine = Engine::builtin()?;
    let mut people = Gallery::in_memory(&engine)?;
    for portrait in portraits {
        let (name, path) = portrait.split_once('=').unwrap_or(("somebody", portrait));
        people.enrol(name, engine.analyse_file(path)?.largest()?)?;
    }
    for face in &engine.analyse_file(photo)?.faces {
        let found = people.identify(face, Fmr(1e-3))?;
        let name = found.name.as_deref().unwrap_or("unknown");
        let similarity = found.similarity.map_or(0.0, |s| s.0);
        let (x, y) = (face.bbox.x_min, face.bbox.y_min);
        println!("{name} at {x:.1}, {y:.1}: similarity {similarity:.3}");
    }
    Ok(())
}

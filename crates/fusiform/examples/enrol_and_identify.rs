//! Enrol people from portraits, then find them in group photos.
//!
//! ```text
//! cargo run -p fusiform-sdk --example enrol_and_identify -- [FOLDER]
//! ```

use std::path::{Path, PathBuf};

use fusiform::gallery::Consent;
use fusiform::{Engine, Error, Fmr, Gallery};

/// A portrait of each person, among the sample photos.
const PORTRAITS: &[(&str, &str)] = &[
    ("Ida", "14-portrait.jpg"),
    ("Jonas", "06-portrait.jpg"),
    ("Mara", "16-portrait.jpg"),
    ("Noor", "18-portrait.jpg"),
    ("Tom", "20-portrait.jpg"),
];

/// Photos of several people.
const GROUPS: &[&str] = &["23-group.jpg", "24-group.jpg", "25-group.jpg"];

fn main() -> Result<(), Error> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    run(&folder.unwrap_or_else(|| "samples/album".into())).map(drop)
}

pub(crate) fn run(folder: &Path) -> Result<Vec<String>, Error> {
    let engine = Engine::builtin()?;

    // In memory, people are gone when the program ends. `Gallery::open("people.db", &engine)` keeps
    // them in a sealed file, its key in `people.key` beside it.
    let mut people = Gallery::in_memory(&engine)?;
    for (name, portrait) in PORTRAITS {
        let photo = engine.analyse_file(folder.join(portrait))?;
        // Nobody is kept without a ground: it is stored with the person, and its end is obeyed.
        let consent = Consent {
            basis: "consent".into(),
            purpose: "to show how enrolment works".into(),
            expires_at_ms: None,
        };
        people.enrol_with(name, photo.largest()?, consent)?;
    }
    println!("{} people enrolled", people.people().len());

    let mut found = Vec::new();
    for group in GROUPS {
        let photo = engine.analyse_file(folder.join(group))?;
        let faces: Vec<_> = photo.faces.iter().collect();
        // All faces of a photo are looked for in one pass, at a stated rate of false matches.
        for answer in people.identify_all(&faces, Fmr(1e-4))? {
            let (similarity, least) = (answer.similarity, answer.threshold.similarity);
            let similarity = similarity.map_or(0.0, |s| s.0);
            match answer.name {
                Some(name) => {
                    println!("{group}: {name} (similarity {similarity:.3}, at least {least:.3})");
                    found.push(name);
                }
                None => println!("{group}: not enrolled (nearest {similarity:.3})"),
            }
        }
    }

    // Erasing a person erases name, templates and pictures.
    people.erase("Ida")?;
    println!("{} people after erasing Ida", people.people().len());
    Ok(found)
}

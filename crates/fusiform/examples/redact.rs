//! Cover every face of a photo but one: publish a picture of a party with only Ida in it.
//!
//! ```text
//! cargo run -p fusiform-sdk --example redact -- [PHOTO PORTRAIT] [OUTPUT]
//! ```

use std::path::{Path, PathBuf};

use fusiform::{Engine, Error, Verdict, image, redact};

fn main() -> Result<(), Error> {
    let mut paths = std::env::args_os().skip(1).map(PathBuf::from);
    let photo = paths
        .next()
        .unwrap_or_else(|| "samples/album/23-group.jpg".into());
    let portrait = paths
        .next()
        .unwrap_or_else(|| "samples/album/14-portrait.jpg".into());
    let output = std::env::temp_dir().join("fusiform-redacted.jpg");
    run(&photo, &portrait, &paths.next().unwrap_or(output)).map(drop)
}

pub(crate) fn run(photo: &Path, portrait: &Path, output: &Path) -> Result<usize, Error> {
    let engine = Engine::builtin()?;
    let portrait = engine.analyse_file(portrait)?;
    let ida = portrait.largest()?;

    // Who is not surely Ida is covered: for those who did not agree, unsure is no.
    let (mut kept, mut covered) = (Vec::new(), Vec::new());
    for face in engine.analyse_file(photo)?.faces {
        let verdict = engine.verify(ida, &face)?.verdict;
        let list = if verdict == Verdict::Same {
            &mut kept
        } else {
            &mut covered
        };
        list.push(face.bbox);
    }

    // Analysis may decode a large photo at a reduced size; drawing takes all its pixels.
    let mut pixels = engine.decode_file(photo)?.image;
    redact::redact(&mut pixels, &covered, &kept);
    let bytes = image::encode_jpeg(&pixels, 92)?;
    std::fs::write(output, bytes).map_err(|e| Error::io(output, e))?;
    println!(
        "{} faces covered, {} kept: {}",
        covered.len(),
        kept.len(),
        output.display()
    );
    Ok(covered.len())
}

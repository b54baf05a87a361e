//! Is this the same person: two photos, one answer, and what it rests on.
//!
//! The same program in other languages lies in `examples`; all print the same lines.
//!
//! ```text
//! cargo run -p fusiform-sdk --example same_person -- [PHOTO PHOTO]
//! ```

use fusiform::{Engine, Error, Verdict};

fn main() -> Result<(), Error> {
    let photos: Vec<String> = std::env::args().skip(1).collect();
    match &photos[..] {
        [a, b] => run(a, b),
        _ => run(
            "samples/album/16-portrait.jpg",
            "samples/album/17-portrait.jpg",
        ),
    }
}

pub(crate) fn run(a: &str, b: &str) -> Result<(), Error> {
    let engine = Engine::builtin()?;
    let (a, b) = (engine.analyse_file(a)?, engine.analyse_file(b)?);
    let answer = engine.verify(a.largest()?, b.largest()?)?;
    let verdict = match answer.verdict {
        Verdict::Same => "same",
        Verdict::Different => "different",
        Verdict::Unsure => "unsure",
    };
    let (similarity, same_at) = (answer.similarity.0, answer.same_at);
    println!("{verdict}: similarity {similarity:.3}");
    println!(
        "{:.4} of strangers reach {:.3}",
        same_at.fmr, same_at.similarity
    );
    Ok(())
}

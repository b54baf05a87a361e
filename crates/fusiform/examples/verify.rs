//! Do two photos show the same person? A one-to-one check, with the error rate of its answer.
//!
//! ```text
//! cargo run -p fusiform-sdk --example verify -- [PHOTO PHOTO]
//! ```

use std::path::{Path, PathBuf};

use fusiform::{Engine, Error, Fmr, Verdict, Verification};

fn main() -> Result<(), Error> {
    let photos: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (a, b) = match &photos[..] {
        [a, b] => (a.clone(), b.clone()),
        _ => (
            "samples/album/16-portrait.jpg".into(),
            "samples/album/17-portrait.jpg".into(),
        ),
    };
    run(&a, &b).map(drop)
}

pub(crate) fn run(a: &Path, b: &Path) -> Result<Verification, Error> {
    let engine = Engine::builtin()?;

    // A portrait shows one person; if others stand behind, the largest face is meant.
    let (a, b) = (engine.analyse_file(a)?, engine.analyse_file(b)?);
    let verification = engine.verify(a.largest()?, b.largest()?)?;

    // A similarity alone means nothing: the same number is near for one model and far for another.
    // The pack states at which similarity which share of strangers is wrongly accepted.
    let (similarity, same_at) = (verification.similarity.0, verification.same_at);
    match verification.verdict {
        Verdict::Same => println!("the same person: similarity {similarity:.3}"),
        Verdict::Different => println!("different people: similarity {similarity:.3}"),
        Verdict::Unsure => println!("unsure: similarity {similarity:.3}"),
    }
    println!(
        "{} strangers reach {:.3}; so strict, {:.0} in 100 pairs of one person are missed",
        Fmr(same_at.fmr),
        same_at.similarity,
        same_at.fnmr * 100.0
    );

    // A door lock wants a stricter rate than a photo album. Every rate that was measured can be
    // asked for; one that was not is an error.
    let strict = engine.thresholds()?.at_fmr(Fmr(1e-5))?;
    let passes = similarity >= strict.similarity;
    println!(
        "at {}: {}",
        Fmr(strict.fmr),
        if passes { "same" } else { "refused" }
    );
    Ok(verification)
}

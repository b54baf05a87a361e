//! `fusiform find`. In: a photo. Out: who of the catalogue is in it, with similarity and stated
//! error rate.

use std::path::Path;

use anyhow::Result;
use fusiform::template::Template;
use fusiform::verify::Verdict;
use serde::Serialize;

use super::detect::FaceRow;
use super::verify::share;
use crate::args::DetectArgs;
use crate::context::{Context, analyse, shown};
use crate::exit::Exit;

#[derive(Serialize)]
struct Answer {
    photo: String,
    /// Similarity at and above which a face counts as that person.
    same_at: f32,
    false_match_rate: f64,
    faces: Vec<Found>,
}

#[derive(Serialize)]
struct Found {
    face: FaceRow,
    answer: &'static str,
    candidates: Vec<Candidate>,
}

#[derive(Serialize)]
struct Candidate {
    person: i64,
    name: Option<String>,
    similarity: f32,
}

pub(crate) fn run(context: &Context, photo: &Path, top: usize, detect: DetectArgs) -> Result<Exit> {
    let catalogue = context.readable_catalogue()?;
    let engine = context.engine()?;
    let options = context.analysing(detect);
    let faces = context
        .on_all_threads(|| analyse(&engine, photo, &options))??
        .faces;
    let thresholds = engine.thresholds()?;
    let index = catalogue.index(engine.embedder_id()?)?;

    let mut found = Vec::new();
    let mut same_at = None;
    // The pack has an embedder, or it would have no thresholds: every face has a template.
    let probes: Vec<Template> = faces.iter().filter_map(|f| f.template.clone()).collect();
    let matches = index.identify_all(&probes, top.max(1))?;
    for (face, matches) in faces.iter().zip(matches) {
        let mut candidates = Vec::new();
        for candidate in &matches {
            candidates.push(Candidate {
                person: candidate.person.0,
                name: catalogue.person(candidate.person)?.name,
                similarity: candidate.similarity.0,
            });
        }
        let judged = matches
            .first()
            .map(|m| thresholds.judge(m.similarity))
            .transpose()?;
        same_at = same_at.or(judged.map(|j| j.same_at));
        let answer = match judged.map(|j| j.verdict) {
            Some(Verdict::Same) => "known",
            Some(Verdict::Unsure) => "unsure",
            Some(Verdict::Different) | None => "unknown",
        };
        found.push(Found {
            face: FaceRow::of(face),
            answer,
            candidates,
        });
    }
    let same_at = match same_at {
        Some(point) => point,
        None => thresholds.at_fmr(fusiform::verify::SAME_FMR)?,
    };
    let answer = Answer {
        photo: shown(photo),
        same_at: same_at.similarity,
        false_match_rate: same_at.fmr,
        faces: found,
    };
    tell(context, &answer)?;
    context.printer.record(&answer)?;
    let known = answer.faces.iter().any(|f| f.answer == "known");
    Ok(if known { Exit::Done } else { Exit::No })
}

fn tell(context: &Context, answer: &Answer) -> Result<()> {
    let printer = context.printer;
    for found in &answer.faces {
        let [x_min, y_min, x_max, y_max] = found.face.bbox;
        let position = format!(
            "face at {x_min:.0},{y_min:.0} {:.0}x{:.0}",
            x_max - x_min,
            y_max - y_min
        );
        let candidates: Vec<String> = found
            .candidates
            .iter()
            .map(|c| match &c.name {
                Some(name) => format!("{name} ({}) {:.3}", c.person, c.similarity),
                None => format!("person {} {:.3}", c.person, c.similarity),
            })
            .collect();
        printer.row(format_args!(
            "{}\t{position}\t{}",
            found.answer,
            candidates.join(", ")
        ))?;
    }
    if answer.faces.is_empty() {
        printer.note("no face found; a smaller --min-face looks harder");
    } else {
        printer.note(format_args!(
            "known: similarity at least {:.3}, where {} pairs of strangers would match",
            answer.same_at,
            share(answer.false_match_rate)
        ));
    }
    Ok(())
}

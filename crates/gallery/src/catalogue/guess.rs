//! What a grouping was not sure of. In: its groups and who they are. Out: guesses to ask a human about.

use std::collections::BTreeSet;

use super::group::Face;
use super::review::{Guess, Subject};
use super::{FaceId, PersonId};
use crate::cluster::{Cells, ClusterOptions};
use crate::template::similarity;

/// Somebody whom a subject may be.
struct Candidate<'a> {
    person: i64,
    named: bool,
    n_faces: usize,
    mean: Vec<f32>,
    photos: BTreeSet<i64>,
    faces: &'a [&'a Face],
}

/// For every unnamed group and every lone face the person it may be, if somebody is near enough to ask.
pub(super) fn guesses(
    groups: &[Vec<&Face>],
    people: &[Option<PersonId>],
    named: &BTreeSet<i64>,
    options: &ClusterOptions,
) -> Vec<Guess> {
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut lone = Vec::new();
    for (group, person) in groups.iter().zip(people) {
        match person.map(|p| p.0) {
            Some(person) => candidates.push(Candidate {
                person,
                named: named.contains(&person),
                n_faces: group.len(),
                mean: mean(group),
                photos: group.iter().map(|f| f.photo).collect(),
                faces: group,
            }),
            None => lone.extend(group.iter().copied()),
        }
    }
    let cells = Cells::of(candidates.iter().map(|c| &*c.mean).collect());
    let mut found = Vec::new();
    for subject in candidates.iter().filter(|c| !c.named) {
        // Of two unnamed groups the smaller is asked about, or the later.
        let may = |c: &Candidate| {
            let before = (c.n_faces, -c.person) > (subject.n_faces, -subject.person);
            c.person != subject.person && (c.named || before)
        };
        let shares = |c: &Candidate| !c.photos.is_disjoint(&subject.photos);
        if let Some((candidate, near, next)) =
            best(&cells, &candidates, &subject.mean, may, shares, options)
        {
            found.push(Guess {
                subject: Subject::Group(PersonId(subject.person)),
                candidate,
                similarity: near,
                next,
                faces: subject.faces.iter().map(|f| f.id).collect(),
            });
        }
    }
    for face in lone {
        let shares = |c: &Candidate| c.photos.contains(&face.photo);
        if let Some((candidate, near, next)) =
            best(&cells, &candidates, &face.vector, |_| true, shares, options)
        {
            found.push(Guess {
                subject: Subject::Face(FaceId(face.id)),
                candidate,
                similarity: near,
                next,
                faces: vec![face.id],
            });
        }
    }
    found
}

type Best = (i64, f32, Option<(i64, f32)>);

/// The nearest candidate, if near enough to ask, and the next best.
fn best(
    cells: &Cells,
    candidates: &[Candidate],
    vector: &[f32],
    may: impl Fn(&Candidate) -> bool,
    shares: impl Fn(&Candidate) -> bool,
    options: &ClusterOptions,
) -> Option<Best> {
    let mut first: Option<(i64, f32)> = None;
    let mut second: Option<(i64, f32)> = None;
    let near = cells.near(vector).into_iter();
    for candidate in near.map(|at| &candidates[at as usize]).filter(|c| may(c)) {
        let near = similarity(&candidate.mean, vector).0;
        // Two faces of one photo are rarely one person, so it takes more to ask.
        if near < options.ask_similarity + options.same_photo_penalty && shares(candidate) {
            continue;
        }
        if first.is_none_or(|(_, best)| near > best) {
            second = first;
            first = Some((candidate.person, near));
        } else if second.is_none_or(|(_, best)| near > best) {
            second = Some((candidate.person, near));
        }
    }
    let (person, near) = first?;
    (near >= options.ask_similarity).then_some((person, near, second))
}
/// Quality-weighted mean direction of a group.
pub(super) fn mean(group: &[&Face]) -> Vec<f32> {
    let mut mean = vec![0.0f32; group.first().map_or(0, |f| f.vector.len())];
    for face in group {
        for (sum, value) in mean.iter_mut().zip(&face.vector) {
            *sum += value * face.quality.max(0.01);
        }
    }
    let length = mean
        .iter()
        .map(|v| v * v)
        .sum::<f32>()
        .sqrt()
        .max(f32::MIN_POSITIVE);
    mean.iter_mut().for_each(|v| *v /= length);
    mean
}

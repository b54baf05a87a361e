//! What a grouping was not sure of. In: its groups and who they are. Out: guesses to ask a human about.

use std::collections::BTreeSet;

use super::group::Face;
use super::review::{Guess, Subject};
use super::{FaceId, PersonId};
use fusiform_search::cluster::ClusterOptions;
use fusiform_search::ivf::InvertedFile;
use fusiform_search::template::similarity;

/// Somebody whom a subject may be.
struct Candidate<'a> {
    person: i64,
    named: bool,
    n_faces: usize,
    mean: Vec<f32>,
    /// What others are compared with.
    prototypes: Vec<Vec<f32>>,
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
                prototypes: prototypes(group),
                photos: group.iter().map(|f| f.photo).collect(),
                faces: group,
            }),
            None => lone.extend(group.iter().copied()),
        }
    }
    let all = candidates
        .iter()
        .enumerate()
        .flat_map(|(at, c)| c.prototypes.iter().map(move |p| (at, &**p)));
    let (owners, vectors): (Vec<usize>, Vec<&[f32]>) = all.unzip();
    let known = Known {
        cells: InvertedFile::new(vectors),
        owners,
        candidates: &candidates,
    };
    let mut found = Vec::new();
    for subject in candidates.iter().filter(|c| !c.named) {
        // Of two unnamed groups the smaller is asked about, or the later.
        let may = |c: &Candidate| {
            let before = (c.n_faces, -c.person) > (subject.n_faces, -subject.person);
            c.person != subject.person && (c.named || before)
        };
        let shares = |c: &Candidate| !c.photos.is_disjoint(&subject.photos);
        if let Some((candidate, near, next)) = best(&known, &subject.mean, may, shares, options) {
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
        if let Some((candidate, near, next)) = best(&known, &face.vector, |_| true, shares, options)
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

/// Everybody, to be looked up by what they look like.
struct Known<'a> {
    cells: InvertedFile<'a>,
    /// For each vector in the cells, whose it is.
    owners: Vec<usize>,
    candidates: &'a [Candidate<'a>],
}

type Best = (i64, f32, Option<(i64, f32)>);

/// The nearest candidate, if near enough to ask, and the next best.
fn best(
    known: &Known,
    vector: &[f32],
    may: impl Fn(&Candidate) -> bool,
    shares: impl Fn(&Candidate) -> bool,
    options: &ClusterOptions,
) -> Option<Best> {
    let mut first: Option<(i64, f32)> = None;
    let mut second: Option<(i64, f32)> = None;
    let near = known.cells.candidates(vector).into_iter();
    let near: BTreeSet<usize> = near.map(|at| known.owners[at as usize]).collect();
    let near = near.into_iter().map(|at| &known.candidates[at]);
    for candidate in near.filter(|c| may(c)) {
        let alike = |p: &Vec<f32>| similarity(p, vector).0;
        let near = candidate.prototypes.iter().map(alike);
        let near = near.fold(f32::NEG_INFINITY, f32::max);
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

/// Faces from which on a person has one more prototype.
const FACES_PER_PROTOTYPE: usize = 8;
/// The most prototypes of a person.
const MOST_PROTOTYPES: usize = 6;

/// What a person looks like, one vector for each part of the time they were photographed in: children grow.
///
/// The parts hold equally many faces, in order of date; faces without a date go by their number, after the others.
fn prototypes(group: &[&Face]) -> Vec<Vec<f32>> {
    let mut by_date = group.to_vec();
    by_date.sort_by_key(|f| (f.taken_at.is_none(), f.taken_at.as_deref(), f.id));
    let n = (group.len() / FACES_PER_PROTOTYPE).clamp(1, MOST_PROTOTYPES);
    let edge = |part: usize| by_date.len() * part / n;
    (0..n)
        .map(|part| mean(&by_date[edge(part)..edge(part + 1)]))
        .collect()
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

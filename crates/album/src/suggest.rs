//! People whom an unnamed group or a lone face may be. In: the groups of a grouping. Out:
//! suggestions, near enough to ask a human but not to decide. Knows nothing of the database.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use fusiform_search::cluster::ClusterOptions;
use fusiform_search::ivf::InvertedFile;
use fusiform_search::template::similarity;

use crate::grouped_face::{GroupedFace, mean, weight, weighted_sum};
use crate::ids::{FaceId, PersonId};
use crate::question_id::Subject;
use crate::review::Suggestion;
use crate::worth_asking::{
    COHORT_SIZE, Evidence, Likeness, expected_gain, probability_of_other, settled,
};

/// A person whom a subject may be.
struct Candidate<'a> {
    person: i64,
    named: bool,
    n_faces: usize,
    mean: Vec<f32>,
    /// What subjects are compared with.
    prototypes: Vec<Vec<f32>>,
    photos: BTreeSet<i64>,
    faces: &'a [&'a GroupedFace],
    likeness: OnceCell<Likeness>,
}

impl<'a> Candidate<'a> {
    fn new(group: &'a [&'a GroupedFace], person: i64, named: bool) -> Candidate<'a> {
        Candidate {
            person,
            named,
            n_faces: group.len(),
            mean: mean(group),
            prototypes: prototypes(group),
            photos: group.iter().map(|f| f.photo).collect(),
            faces: group,
            likeness: OnceCell::new(),
        }
    }
}

/// For every unnamed group and every lone face the nearest person, if near enough to ask.
///
/// `people` holds the person of each group, `None` for a lone face; `named` those with a name;
/// `n_people` is how many the album has, of whom `people` may be a part.
pub(crate) fn suggestions(
    groups: &[Vec<&GroupedFace>],
    people: &[Option<PersonId>],
    named: &BTreeSet<i64>,
    n_people: usize,
    options: &ClusterOptions,
) -> Vec<Suggestion> {
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut lone_faces = Vec::new();
    for (group, person) in groups.iter().zip(people) {
        match person.map(|p| p.0) {
            Some(person) => {
                candidates.push(Candidate::new(group, person, named.contains(&person)));
            }
            None => lone_faces.extend(group.iter().copied()),
        }
    }
    let index = CandidateIndex::new(&candidates);
    let suggestion = |subject, faces: &[&GroupedFace], near: Nearest| {
        let of_person = || Likeness::of(near.candidate.faces);
        let evidence = Evidence {
            similarity: near.similarity,
            cohort: &near.cohort,
            subject: faces,
            person: near.candidate.faces,
            person_likeness: *near.candidate.likeness.get_or_init(of_person),
            n_people,
        };
        let probability = evidence.probability(&options.likelihood_ratio);
        Suggestion {
            subject,
            candidate: near.candidate.person,
            similarity: near.similarity,
            next: near.next,
            probability,
            gain: expected_gain(probability, settled(faces), 0.0),
            faces: faces.iter().map(|f| f.id).collect(),
        }
    };
    let mut found = Vec::new();
    for subject in candidates.iter().filter(|c| !c.named) {
        // Of two unnamed groups only the smaller is a subject, of equals the one of higher number.
        let is_allowed = |c: &Candidate| {
            let before = (c.n_faces, -c.person) > (subject.n_faces, -subject.person);
            c.person != subject.person && (c.named || before)
        };
        let is_other = |c: &Candidate| c.person != subject.person;
        let shares_photo = |c: &Candidate| !c.photos.is_disjoint(&subject.photos);
        let nearest = index.nearest(&subject.mean, is_other, is_allowed, shares_photo, options);
        let about = Subject::Group(PersonId(subject.person));
        found.extend(nearest.map(|near| suggestion(about, subject.faces, near)));
    }
    for face in lone_faces {
        let shares_photo = |c: &Candidate| c.photos.contains(&face.photo);
        let nearest = index.nearest(&face.vector, |_| true, |_| true, shares_photo, options);
        let about = Subject::Face(FaceId(face.id));
        found.extend(nearest.map(|near| suggestion(about, &[face], near)));
    }
    found
}

/// Held faces that are nearer to another named person than to the one who holds them: what a
/// grouping would have moved, and asks instead. Each with the person who holds it.
pub(crate) fn drawn_away(
    groups: &[Vec<&GroupedFace>],
    people: &[Option<PersonId>],
    named: &BTreeSet<i64>,
    held: &BTreeSet<i64>,
    options: &ClusterOptions,
) -> Vec<(i64, Suggestion)> {
    let all = groups.iter().zip(people);
    let candidates: Vec<Candidate> = all
        .filter_map(|(group, person)| Some((group, person.filter(|p| named.contains(&p.0))?.0)))
        .map(|(group, person)| Candidate::new(group, person, true))
        .collect();
    let index = CandidateIndex::new(&candidates);
    let mut found = Vec::new();
    for holder in &candidates {
        let sum = weighted_sum(holder.faces);
        for face in holder.faces.iter().filter(|f| held.contains(&f.id)) {
            // Without itself: a person of two faces is else always near to both.
            let own: Vec<f32> = sum
                .iter()
                .zip(&face.vector)
                .map(|(sum, value)| sum - value * weight(face))
                .collect();
            let length = own.iter().map(|v| v * v).sum::<f32>().sqrt();
            if holder.n_faces < 2 || length <= f32::EPSILON {
                continue;
            }
            let own_similarity = similarity(&own, &face.vector).0 / length;
            let is_other = |c: &Candidate| c.person != holder.person;
            let shares_photo = |c: &Candidate| c.photos.contains(&face.photo);
            let nearest = index.nearest(&face.vector, is_other, |_| true, shares_photo, options);
            if let Some(near) = nearest
                && near.similarity > own_similarity
            {
                let ratio = &options.likelihood_ratio;
                let probability = probability_of_other(own_similarity, near.similarity, ratio);
                let suggestion = Suggestion {
                    subject: Subject::Face(FaceId(face.id)),
                    candidate: near.candidate.person,
                    similarity: near.similarity,
                    next: near.next,
                    probability,
                    // Either answer settles whose the face is.
                    gain: expected_gain(probability, 1.0, 1.0),
                    faces: vec![face.id],
                };
                found.push((holder.person, suggestion));
            }
        }
    }
    found
}

/// The prototypes of all candidates, for nearest-neighbor search.
struct CandidateIndex<'a> {
    inverted_file: InvertedFile<'a>,
    /// For each vector of the inverted file the index of its candidate.
    owners: Vec<usize>,
    candidates: &'a [Candidate<'a>],
}

/// The nearest person, and how near the others come.
struct Nearest<'a> {
    candidate: &'a Candidate<'a>,
    similarity: f32,
    /// The second nearest person and its similarity.
    next: Option<(i64, f32)>,
    /// Similarities of the nearest other people, falling.
    cohort: Vec<f32>,
}

impl<'a> CandidateIndex<'a> {
    fn new(candidates: &'a [Candidate<'a>]) -> CandidateIndex<'a> {
        let all = candidates
            .iter()
            .enumerate()
            .flat_map(|(index, c)| c.prototypes.iter().map(move |p| (index, &**p)));
        let (owners, vectors): (Vec<usize>, Vec<&[f32]>) = all.unzip();
        CandidateIndex {
            inverted_file: InvertedFile::new(vectors),
            owners,
            candidates,
        }
    }

    /// The nearest allowed candidate, if near enough to ask, and how near the others come.
    fn nearest(
        &self,
        vector: &[f32],
        is_other: impl Fn(&Candidate) -> bool,
        is_allowed: impl Fn(&Candidate) -> bool,
        shares_photo: impl Fn(&Candidate) -> bool,
        options: &ClusterOptions,
    ) -> Option<Nearest<'a>> {
        let mut first: Option<(&Candidate, f32)> = None;
        let mut second: Option<(i64, f32)> = None;
        let mut all: Vec<(f32, i64)> = Vec::new();
        let near = self.inverted_file.candidates(vector).into_iter();
        let near: BTreeSet<usize> = near.map(|i| self.owners[i as usize]).collect();
        let near = near.into_iter().map(|i| &self.candidates[i]);
        for candidate in near.filter(|c| is_other(c)) {
            let each = candidate.prototypes.iter();
            let near = each
                .map(|p| similarity(p, vector).0)
                .fold(f32::NEG_INFINITY, f32::max);
            all.push((near, candidate.person));
            if !is_allowed(candidate) {
                continue;
            }
            // Two faces of one photo are rarely one person, so more is required to ask.
            let penalised = options.ask_similarity + options.same_photo_penalty;
            if near < penalised && shares_photo(candidate) {
                continue;
            }
            if first.is_none_or(|(_, best)| near > best) {
                second = first.map(|(c, near)| (c.person, near));
                first = Some((candidate, near));
            } else if second.is_none_or(|(_, best)| near > best) {
                second = Some((candidate.person, near));
            }
        }
        let (candidate, similarity) = first.filter(|f| f.1 >= options.ask_similarity)?;
        all.retain(|(_, person)| *person != candidate.person);
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        all.truncate(COHORT_SIZE);
        Some(Nearest {
            candidate,
            similarity,
            next: second,
            cohort: all.into_iter().map(|(near, _)| near).collect(),
        })
    }
}

/// A person has one prototype for each of this many faces, at least one …
const FACES_PER_PROTOTYPE: usize = 8;
/// … and at most this many.
const MAX_PROTOTYPES: usize = 6;

/// Means over parts of the time span in which a person was photographed: children grow.
///
/// The parts hold equally many faces, in order of date; faces without a date come last, by number.
fn prototypes(group: &[&GroupedFace]) -> Vec<Vec<f32>> {
    let mut by_date = group.to_vec();
    by_date.sort_by_key(|f| (f.taken_at.is_none(), f.taken_at.as_deref(), f.id));
    let n = (group.len() / FACES_PER_PROTOTYPE).clamp(1, MAX_PROTOTYPES);
    let edge = |part: usize| by_date.len() * part / n;
    (0..n)
        .map(|part| mean(&by_date[edge(part)..edge(part + 1)]))
        .collect()
}

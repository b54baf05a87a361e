//! Faces to groups. In: vectors, qualities, and what humans said. Out: a group for each face.
//! A pure function: it keeps nothing and does not know where faces come from.
//!
//! Agglomerative, over a graph of near neighbours, in descending similarity: two groups become one if the mean
//! similarity across them (weighted by quality) holds and nothing a human said forbids it. A human's word is never
//! weighed: faces said to be one person start as one group, and groups of two named people never join.
//!
//! Near neighbours are found by looking into cells of like vectors (`cells`), exactly while there are few faces; their
//! number kept per face is [`MAX_NEIGHBOURS`]. Equal input gives equal output.

mod cells;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fusiform_kernels::dot;
use rayon::prelude::*;

use crate::error::Error;
pub(crate) use cells::Cells;
pub use cells::EXACT_UP_TO;

/// Neighbours kept for each face; more would only repeat what the nearest say.
pub const MAX_NEIGHBOURS: usize = 64;

/// One face to be grouped.
#[derive(Debug, Clone, Copy)]
pub struct ClusterFace<'a> {
    /// Number of the face; decides ties.
    pub face: i64,
    /// Number of its photo; two faces of one photo are rarely one person.
    pub photo: i64,
    /// Unit length, all of one model.
    pub vector: &'a [f32],
    /// 0…1; the weight of its opinion.
    pub quality: f32,
}

impl<'a> ClusterFace<'a> {
    /// Puts the parts together.
    pub fn new(face: i64, photo: i64, vector: &'a [f32], quality: f32) -> ClusterFace<'a> {
        ClusterFace {
            face,
            photo,
            vector,
            quality,
        }
    }
}

/// What humans said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Constraints {
    /// Faces that are a certain person.
    pub is: BTreeMap<i64, i64>,
    /// Faces that are not a certain person.
    pub is_not: BTreeSet<(i64, i64)>,
}

/// How to group.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterOptions {
    /// Similarity from which on two faces may be linked: the model's threshold at a stated false-match rate.
    pub link_similarity: f32,
    /// Similarity from which on a human is asked whether two are one.
    pub ask_similarity: f32,
    /// Mean similarity across two groups that lets them join, as a share of `link_similarity`.
    ///
    /// Measured on lfw-dev, see `fusiform eval cluster`.
    pub mean_share: f32,
    /// What two groups with faces in one photo need beyond that.
    pub same_photo_penalty: f32,
    /// A face below this quality may join a group, but never makes two groups one.
    pub min_bridge_quality: f32,
    /// So many faces are compared all with all; of more, only like ones.
    pub exact_up_to: usize,
}

impl Default for ClusterOptions {
    fn default() -> ClusterOptions {
        ClusterOptions {
            link_similarity: 0.4,
            ask_similarity: 0.3,
            mean_share: 0.9,
            same_photo_penalty: 0.25,
            min_bridge_quality: 0.15,
            exact_up_to: EXACT_UP_TO,
        }
    }
}

/// A group for each face.
#[derive(Debug, Clone, PartialEq)]
pub struct Clustering {
    /// For each face, in the order given, its group; groups are numbered by their first face.
    labels: Vec<usize>,
    n_clusters: usize,
}

impl Clustering {
    /// The group of each face, in the order given.
    pub fn labels(&self) -> Vec<usize> {
        self.labels.clone()
    }

    /// How many groups there are, lone faces included.
    pub fn n_clusters(&self) -> usize {
        self.n_clusters
    }
}

/// Groups faces; equal input gives equal output.
///
/// # Errors
/// [`Error::ModelsDiffer`] for vectors of different lengths.
pub fn cluster(
    faces: &[ClusterFace],
    constraints: &Constraints,
    options: &ClusterOptions,
) -> Result<Clustering, Error> {
    let length = faces.first().map_or(0, |f| f.vector.len());
    if let Some(other) = faces.iter().find(|f| f.vector.len() != length) {
        let numbers = |n: usize| format!("vectors of {n} numbers");
        return Err(Error::ModelsDiffer {
            left: numbers(length),
            right: numbers(other.vector.len()),
        });
    }
    let mut groups = Groups::new(faces, constraints, options);
    groups.join_what_humans_joined();
    let edges = edges(faces, options);
    // A join changes means, so an edge refused early may hold later.
    while edges.iter().filter(|edge| groups.consider(edge)).count() > 0 {}
    Ok(groups.numbered())
}

/// Two faces at least as near as the link similarity.
struct Edge {
    similarity: f32,
    a: u32,
    b: u32,
}

/// The nearest neighbours of every face, most similar pairs first, ties by position.
fn edges(faces: &[ClusterFace], options: &ClusterOptions) -> Vec<Edge> {
    let cells = Cells::with(
        faces.iter().map(|f| f.vector).collect(),
        options.exact_up_to,
    );
    let of_face = |a: usize| {
        let mut near: Vec<(f32, u32)> = cells
            .near(faces[a].vector)
            .into_iter()
            .filter(|b| *b as usize != a)
            .map(|b| (dot::f32(faces[a].vector, faces[b as usize].vector), b))
            .filter(|(similarity, _)| *similarity >= options.link_similarity)
            .collect();
        near.sort_unstable_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
        near.truncate(MAX_NEIGHBOURS);
        near.into_iter().map(move |(similarity, b)| Edge {
            similarity,
            a: b.min(a as u32),
            b: b.max(a as u32),
        })
    };
    let mut edges: Vec<Edge> = (0..faces.len())
        .into_par_iter()
        .flat_map_iter(of_face)
        .collect();
    edges.par_sort_unstable_by(|x, y| {
        y.similarity
            .total_cmp(&x.similarity)
            .then((x.a, x.b).cmp(&(y.a, y.b)))
    });
    edges.dedup_by(|x, y| (x.a, x.b) == (y.a, y.b));
    edges
}

/// Groups under construction: a forest over faces, each root with what its group knows.
struct Groups<'a> {
    faces: &'a [ClusterFace<'a>],
    options: &'a ClusterOptions,
    parent: Vec<usize>,
    known: Vec<Group>,
}

struct Group {
    /// Quality-weighted sum of vectors, and of qualities.
    sum: Vec<f32>,
    weight: f32,
    size: usize,
    best_quality: f32,
    photos: BTreeSet<i64>,
    person: Option<i64>,
    is_not: BTreeSet<i64>,
}

impl<'a> Groups<'a> {
    fn new(
        faces: &'a [ClusterFace<'a>],
        constraints: &Constraints,
        options: &'a ClusterOptions,
    ) -> Groups<'a> {
        let mut is_not: HashMap<i64, BTreeSet<i64>> = HashMap::new();
        for (face, person) in &constraints.is_not {
            is_not.entry(*face).or_default().insert(*person);
        }
        let group = |f: &ClusterFace| {
            let weight = f.quality.max(0.01);
            Group {
                sum: f.vector.iter().map(|v| v * weight).collect(),
                weight,
                size: 1,
                best_quality: f.quality,
                photos: BTreeSet::from([f.photo]),
                person: constraints.is.get(&f.face).copied(),
                is_not: is_not.get(&f.face).cloned().unwrap_or_default(),
            }
        };
        Groups {
            faces,
            options,
            parent: (0..faces.len()).collect(),
            known: faces.iter().map(group).collect(),
        }
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.parent[at] != at {
            self.parent[at] = self.parent[self.parent[at]];
            at = self.parent[at];
        }
        at
    }

    fn join_what_humans_joined(&mut self) {
        let mut first_of: HashMap<i64, usize> = HashMap::new();
        for at in 0..self.faces.len() {
            let Some(person) = self.known[at].person else {
                continue;
            };
            match first_of.get(&person) {
                Some(first) => {
                    let (a, b) = (self.root(*first), self.root(at));
                    self.join(a, b);
                }
                None => {
                    first_of.insert(person, at);
                }
            }
        }
    }

    /// Joins the groups of an edge if that holds; says whether it did.
    fn consider(&mut self, edge: &Edge) -> bool {
        let (a, b) = (self.root(edge.a as usize), self.root(edge.b as usize));
        if a == b || !self.may_join(a, b) {
            return false;
        }
        self.join(a, b);
        true
    }

    fn may_join(&self, a: usize, b: usize) -> bool {
        let (x, y) = (&self.known[a], &self.known[b]);
        let forbidden = match (x.person, y.person) {
            (Some(p), Some(q)) => p != q,
            (Some(p), None) => y.is_not.contains(&p),
            (None, Some(q)) => x.is_not.contains(&q),
            (None, None) => false,
        };
        if forbidden {
            return false;
        }
        // A group of poor faces alone says too little to hold two groups together.
        let poor = |g: &Group| g.best_quality < self.options.min_bridge_quality;
        if (poor(x) && x.size > 1) || (poor(y) && y.size > 1) || (poor(x) && poor(y)) {
            return false;
        }
        let mean = dot::f32(&x.sum, &y.sum) / (x.weight * y.weight);
        let mut needed = self.options.link_similarity * self.options.mean_share;
        if !x.photos.is_disjoint(&y.photos) {
            needed += self.options.same_photo_penalty;
        }
        mean >= needed
    }

    fn join(&mut self, a: usize, b: usize) {
        if a == b {
            return;
        }
        // The root is the first face of its group, so that numbering does not depend on the order of joins.
        let (root, other) = (a.min(b), a.max(b));
        self.parent[other] = root;
        let (head, tail) = self.known.split_at_mut(other);
        let (into, from) = (&mut head[root], &mut tail[0]);
        for (sum, value) in into.sum.iter_mut().zip(from.sum.drain(..)) {
            *sum += value;
        }
        into.weight += from.weight;
        into.size += from.size;
        into.best_quality = into.best_quality.max(from.best_quality);
        into.photos.append(&mut from.photos);
        into.is_not.append(&mut from.is_not);
        into.person = into.person.or(from.person);
    }

    fn numbered(mut self) -> Clustering {
        let mut numbers: HashMap<usize, usize> = HashMap::new();
        let mut labels = Vec::with_capacity(self.faces.len());
        for at in 0..self.faces.len() {
            let root = self.root(at);
            let next = numbers.len();
            labels.push(*numbers.entry(root).or_insert(next));
        }
        Clustering {
            labels,
            n_clusters: numbers.len(),
        }
    }
}

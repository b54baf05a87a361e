//! Agglomeration. In: faces, pairs of near ones, what humans said. Out: the group of each face.
//! Knows nothing of how neighbors were found.
//!
//! The pair of groups with the strongest evidence joins first. A heap holds for every pair its
//! evidence when that last rose. Growth of a group only lowers evidence, so the top of the heap is
//! computed again and goes back if it fell: no pair is joined before a stronger one, and a join
//! visits the neighbors of the smaller group only.

use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use super::input::{ClusterFace, ClusterOptions, Constraints};
use super::neighbors::Pair;

/// How the number of pairs counts: with 1 evidence would be the mean over all pairs, with 0 their
/// sum.
///
/// Between the two, many faces that agree weigh more than a few, yet one strong pair does not join
/// two large groups. Chosen on half of the identities of lfw-dev, see bench/RESULTS.md, "Grouping".
const PAIRS_EXPONENT: f32 = 0.7;
/// Weight of a face of quality 0.
const MIN_WEIGHT: f32 = 0.01;

/// A disjoint-set forest over faces, with a group at each root.
pub(super) struct Groups<'a> {
    options: &'a ClusterOptions,
    parent: Vec<u32>,
    groups: Vec<Group>,
    heap: BinaryHeap<Entry>,
}

struct Group {
    weight: f32,
    size: u32,
    best_quality: f32,
    /// Ascending, each once.
    photos: Vec<i64>,
    person: Option<i64>,
    is_not: BTreeSet<i64>,
    /// For each neighboring group, by root and ascending: the weighted sum over pairs of how far
    /// they lie above the floor.
    neighbors: Vec<(u32, f32)>,
}

/// Two roots and their evidence, no less than it is now.
struct Entry {
    evidence: f32,
    a: u32,
    b: u32,
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> Ordering {
        self.evidence
            .total_cmp(&other.evidence)
            .then((other.a, other.b).cmp(&(self.a, self.b)))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

fn weight(face: &ClusterFace) -> f32 {
    face.quality.max(MIN_WEIGHT)
}

impl<'a> Groups<'a> {
    pub(super) fn new(
        faces: &[ClusterFace],
        pairs: &[Pair],
        constraints: &Constraints,
        options: &'a ClusterOptions,
    ) -> Groups<'a> {
        let mut is_not: HashMap<i64, BTreeSet<i64>> = HashMap::new();
        for (face, person) in &constraints.is_not {
            is_not.entry(*face).or_default().insert(*person);
        }
        let mut n_neighbors = vec![0; faces.len()];
        for pair in pairs {
            n_neighbors[pair.a as usize] += 1;
            n_neighbors[pair.b as usize] += 1;
        }
        let group = |(f, n_neighbors): (&ClusterFace, usize)| Group {
            weight: weight(f),
            size: 1,
            best_quality: f.quality,
            photos: vec![f.photo],
            person: constraints.is.get(&f.face).copied(),
            is_not: is_not.get(&f.face).cloned().unwrap_or_default(),
            neighbors: Vec::with_capacity(n_neighbors),
        };
        let mut groups = Groups {
            options,
            parent: (0..faces.len() as u32).collect(),
            groups: faces.iter().zip(n_neighbors).map(group).collect(),
            heap: BinaryHeap::new(),
        };
        for &Pair { similarity, a, b } in pairs {
            let both = weight(&faces[a as usize]) * weight(&faces[b as usize]);
            let above = both * (similarity - options.floor_similarity);
            groups.groups[a as usize].neighbors.push((b, above));
            groups.groups[b as usize].neighbors.push((a, above));
        }
        for group in &mut groups.groups {
            group.neighbors.sort_unstable_by_key(|(other, _)| *other);
        }
        groups
    }

    fn root(&mut self, mut at: u32) -> u32 {
        while self.parent[at as usize] != at {
            let above = self.parent[self.parent[at as usize] as usize];
            self.parent[at as usize] = above;
            at = above;
        }
        at
    }

    /// Makes one group of the faces that a human said to be of one person.
    pub(super) fn join_named(&mut self) {
        let mut first_of: HashMap<i64, u32> = HashMap::new();
        for at in 0..self.parent.len() as u32 {
            let Some(person) = self.groups[at as usize].person else {
                continue;
            };
            let first = *first_of.entry(person).or_insert(at);
            let (a, b) = (self.root(first), self.root(at));
            if a != b {
                self.join(a, b);
            }
        }
    }

    /// Joins groups, strongest evidence first, until no pair has enough.
    pub(super) fn join_nearest_first(&mut self) {
        for a in 0..self.parent.len() as u32 {
            for at in 0..self.groups[a as usize].neighbors.len() {
                let b = self.groups[a as usize].neighbors[at].0;
                if a < b {
                    self.offer(a, b);
                }
            }
        }
        while let Some(Entry { evidence, a, b }) = self.heap.pop() {
            let roots = (self.root(a), self.root(b));
            if roots != (a, b) {
                continue;
            }
            match self.evidence(a, b) {
                Some(now) if now < evidence => self.offer(a, b),
                Some(_) => {
                    let (into, changed) = self.join(a, b);
                    for other in changed {
                        self.offer(into, other);
                    }
                }
                None => {}
            }
        }
    }

    /// Puts a pair on the heap if its evidence is enough.
    fn offer(&mut self, a: u32, b: u32) {
        if let Some(evidence) = self.evidence(a, b) {
            let (a, b) = (a.min(b), a.max(b));
            self.heap.push(Entry { evidence, a, b });
        }
    }

    /// The evidence for two groups being one person; none if it is not enough or something forbids
    /// it.
    fn evidence(&self, a: u32, b: u32) -> Option<f32> {
        let (x, y) = (&self.groups[a as usize], &self.groups[b as usize]);
        let forbidden = match (x.person, y.person) {
            (Some(p), Some(q)) => p != q,
            (Some(p), None) => y.is_not.contains(&p),
            (None, Some(q)) => x.is_not.contains(&q),
            (None, None) => false,
        };
        // A group of poor faces alone may not join two groups.
        let poor = |g: &Group| g.best_quality < self.options.min_bridge_quality;
        let bridge = (poor(x) && x.size > 1) || (poor(y) && y.size > 1) || (poor(x) && poor(y));
        if forbidden || bridge {
            return None;
        }
        let above = x.neighbors[x.neighbors.binary_search_by_key(&b, |n| n.0).ok()?].1;
        let pairs = x.weight * y.weight;
        let needed = self.options.link_similarity - self.options.floor_similarity;
        if share(&x.photos, &y.photos) {
            // However many pairs there are, their mean must be high enough.
            let mean = above / pairs;
            return (mean >= needed + self.options.same_photo_penalty).then_some(mean);
        }
        let evidence = above / pairs.powf(PAIRS_EXPONENT);
        (evidence >= needed).then_some(evidence)
    }

    /// Makes one group of two; returns its root, and the groups whose evidence with it may have
    /// risen.
    fn join(&mut self, a: u32, b: u32) -> (u32, Vec<u32>) {
        let of = |g: &Group| g.neighbors.len();
        let (x, y) = (&self.groups[a as usize], &self.groups[b as usize]);
        let (root, other) = if of(x) >= of(y) { (a, b) } else { (b, a) };
        self.parent[other as usize] = root;
        let was_poor = self.groups[root as usize].best_quality < self.options.min_bridge_quality;
        let from = std::mem::replace(&mut self.groups[other as usize], Group::empty());
        let mut into = std::mem::replace(&mut self.groups[root as usize], Group::empty());
        into.neighbors = merged(&into.neighbors, &from.neighbors, (root, other));
        let mut changed: Vec<u32> = from.neighbors.iter().map(|n| n.0).collect();
        changed.retain(|neighbor| *neighbor != root);
        for neighbor in &changed {
            let Ok(at) = into.neighbors.binary_search_by_key(neighbor, |n| n.0) else {
                continue;
            };
            let theirs = &mut self.groups[*neighbor as usize].neighbors;
            renamed(theirs, other, root, into.neighbors[at].1);
        }
        if was_poor {
            // It may join now what it could not before.
            changed = into.neighbors.iter().map(|n| n.0).collect();
        }
        into.weight += from.weight;
        into.size += from.size;
        into.best_quality = into.best_quality.max(from.best_quality);
        into.photos = union(&into.photos, &from.photos);
        into.is_not.extend(from.is_not);
        into.person = into.person.or(from.person);
        self.groups[root as usize] = into;
        (root, changed)
    }

    /// The group of each face, numbered in order of first appearance, and the number of groups.
    pub(super) fn numbered(mut self) -> (Vec<usize>, usize) {
        let mut numbers: HashMap<u32, usize> = HashMap::new();
        let labels = (0..self.parent.len() as u32)
            .map(|at| {
                let root = self.root(at);
                let next = numbers.len();
                *numbers.entry(root).or_insert(next)
            })
            .collect();
        (labels, numbers.len())
    }
}

impl Group {
    fn empty() -> Group {
        Group {
            weight: 0.0,
            size: 0,
            best_quality: 0.0,
            photos: Vec::new(),
            person: None,
            is_not: BTreeSet::new(),
            neighbors: Vec::new(),
        }
    }
}

/// The neighbors of two groups, each with the sum of its evidence; without these two.
fn merged(x: &[(u32, f32)], y: &[(u32, f32)], two: (u32, u32)) -> Vec<(u32, f32)> {
    let mut both = Vec::with_capacity(x.len() + y.len());
    let (mut i, mut j) = (0, 0);
    while i < x.len() || j < y.len() {
        let least = |near: &[(u32, f32)], at: usize| near.get(at).map_or(u32::MAX, |n| n.0);
        let (in_x, in_y) = (least(x, i), least(y, j));
        let mut sum = 0.0;
        if in_x <= in_y {
            sum += x[i].1;
            i += 1;
        }
        if in_y <= in_x {
            sum += y[j].1;
            j += 1;
        }
        let neighbor = in_x.min(in_y);
        if neighbor != two.0 && neighbor != two.1 {
            both.push((neighbor, sum));
        }
    }
    both.shrink_to_fit();
    both
}

/// Replaces a group by the one it became part of, with the evidence it has now.
fn renamed(near: &mut Vec<(u32, f32)>, old: u32, new: u32, above: f32) {
    if let Ok(at) = near.binary_search_by_key(&old, |n| n.0) {
        near.remove(at);
    }
    match near.binary_search_by_key(&new, |n| n.0) {
        Ok(at) => near[at].1 = above,
        Err(at) => near.insert(at, (new, above)),
    }
}

/// Whether two ascending lists have something in common.
fn share(a: &[i64], b: &[i64]) -> bool {
    let (few, many) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    few.iter().any(|photo| many.binary_search(photo).is_ok())
}

/// Two ascending lists as one.
fn union(a: &[i64], b: &[i64]) -> Vec<i64> {
    let mut both = Vec::with_capacity(a.len() + b.len());
    both.extend_from_slice(a);
    both.extend_from_slice(b);
    both.sort_unstable();
    both.dedup();
    both
}

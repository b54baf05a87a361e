//! One service's people in memory. In: vectors of one model. Out: the nearest examples, exactly.

use std::collections::{BTreeMap, HashMap};

use fusiform_kernels::dot;
use uuid::Uuid;

/// An enrolled face without its vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The example's number.
    pub id: Uuid,
    /// Whose face it is, as stored.
    pub subject: String,
}

/// An example and how near it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// Whose face it is.
    pub subject: String,
    /// Cosine similarity, −1…1; larger is nearer.
    pub similarity: f32,
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Subject's number to its name.
    pub(crate) subjects: BTreeMap<i64, String>,
    /// Name in lower case to the subject's number.
    by_name: HashMap<String, i64>,
    ids: Vec<(Uuid, i64)>,
    place: HashMap<Uuid, usize>,
    vectors: Vec<f32>,
    dimensions: usize,
}

impl Index {
    pub(crate) fn add_subject(&mut self, id: i64, name: &str) {
        self.by_name.insert(name.to_lowercase(), id);
        self.subjects.insert(id, name.to_owned());
    }

    pub(crate) fn drop_subject(&mut self, id: i64) {
        if let Some(name) = self.subjects.remove(&id) {
            self.by_name.remove(&name.to_lowercase());
        }
        for example in self.of_subject(id) {
            self.drop_example(&example);
        }
    }

    pub(crate) fn rename(&mut self, id: i64, name: &str) {
        if let Some(old) = self.subjects.get(&id) {
            self.by_name.remove(&old.to_lowercase());
        }
        self.add_subject(id, name);
    }

    /// Every example of `from` becomes one of `to`, and `from` is gone.
    pub(crate) fn fold(&mut self, from: i64, to: i64) {
        for (_, subject) in &mut self.ids {
            if *subject == from {
                *subject = to;
            }
        }
        self.drop_subject(from);
    }

    pub(crate) fn find(&self, name: &str) -> Option<i64> {
        self.by_name.get(&name.to_lowercase()).copied()
    }

    pub(crate) fn add(&mut self, id: Uuid, subject: i64, vector: &[f32]) {
        self.dimensions = vector.len();
        self.place.insert(id, self.ids.len());
        self.ids.push((id, subject));
        self.vectors.extend_from_slice(vector);
    }

    pub(crate) fn drop_example(&mut self, id: &Uuid) {
        let Some(place) = self.place.remove(id) else {
            return;
        };
        let (last, n) = (self.ids.len() - 1, self.dimensions);
        self.ids.swap_remove(place);
        self.vectors
            .copy_within(last * n..(last + 1) * n, place * n);
        self.vectors[last * n..].fill(0.0);
        self.vectors.truncate(last * n);
        if let Some((moved, _)) = self.ids.get(place) {
            self.place.insert(*moved, place);
        }
    }

    pub(crate) fn of_subject(&self, subject: i64) -> Vec<Uuid> {
        let of = |(id, s): &(Uuid, i64)| (*s == subject).then_some(*id);
        self.ids.iter().filter_map(of).collect()
    }

    pub(crate) fn example(&self, id: &Uuid) -> Option<(Example, &[f32])> {
        let &place = self.place.get(id)?;
        let subject = self.subjects.get(&self.ids[place].1)?.clone();
        let n = self.dimensions;
        let vector = &self.vectors[place * n..(place + 1) * n];
        Some((Example { id: *id, subject }, vector))
    }

    /// In the order of their numbers, which does not change between calls.
    pub(crate) fn examples(&self) -> Vec<Example> {
        let mut all: Vec<Example> = self
            .ids
            .iter()
            .filter_map(|(id, s)| {
                let subject = self.subjects.get(s)?.clone();
                Some(Example { id: *id, subject })
            })
            .collect();
        all.sort_by_key(|e| e.id);
        all
    }

    /// The `top` nearest examples, nearest first; empty if the vector has another length.
    pub(crate) fn nearest(&self, probe: &[f32], top: usize) -> Vec<Match> {
        if self.ids.is_empty() || probe.len() != self.dimensions {
            return Vec::new();
        }
        let rows = self.vectors.chunks_exact(self.dimensions);
        let mut scored: Vec<(f32, usize)> = rows
            .enumerate()
            .map(|(i, row)| (dot::f32(row, probe), i))
            .collect();
        let nearer = |a: &(f32, usize), b: &(f32, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if top < scored.len() {
            scored.select_nth_unstable_by(top, nearer);
            scored.truncate(top);
        }
        scored.sort_by(nearer);
        let named = |(similarity, i): &(f32, usize)| {
            let subject = self.subjects.get(&self.ids[*i].1)?.clone();
            Some(Match {
                subject,
                similarity: *similarity,
            })
        };
        scored.iter().filter_map(named).collect()
    }
}

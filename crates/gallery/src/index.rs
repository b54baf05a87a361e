//! One service's people in memory. In: vectors of one model. Out: the nearest examples, exactly.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use fusiform_search::template::similarity;
use uuid::Uuid;

use crate::audit::now_ms;
use crate::consent::Consent;

/// An enrolled person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The number that the audit log names the person by; never used again.
    pub number: i64,
    /// The name, as stored.
    pub name: String,
    /// Why and until when the person is kept.
    pub consent: Consent,
}

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
    /// The person's number.
    pub number: i64,
    /// Whose face it is.
    pub subject: String,
    /// Cosine similarity, −1…1; larger is nearer.
    pub similarity: f32,
}

#[derive(Debug, Default)]
pub(crate) struct Index {
    /// By their numbers.
    pub(crate) people: BTreeMap<i64, Person>,
    /// Name in lower case to the subject's number.
    by_name: HashMap<String, i64>,
    ids: Vec<(Uuid, i64)>,
    /// In the order of their numbers, which a listing follows.
    place: BTreeMap<Uuid, usize>,
    /// When people end, and who.
    ends: BTreeSet<(i64, i64)>,
    vectors: Vec<f32>,
    dimensions: usize,
}

impl Index {
    pub(crate) fn add_person(&mut self, person: Person) {
        self.drop_entries(person.number);
        self.by_name
            .insert(person.name.to_lowercase(), person.number);
        if let Some(at) = person.consent.expires_at_ms {
            self.ends.insert((at, person.number));
        }
        self.people.insert(person.number, person);
    }

    fn drop_entries(&mut self, number: i64) {
        if let Some(person) = self.people.remove(&number) {
            self.by_name.remove(&person.name.to_lowercase());
            if let Some(at) = person.consent.expires_at_ms {
                self.ends.remove(&(at, number));
            }
        }
    }

    pub(crate) fn drop_person(&mut self, number: i64) {
        self.drop_entries(number);
        for example in self.of_person(number) {
            self.drop_example(&example);
        }
    }

    /// Who has ended by now.
    pub(crate) fn ended(&self) -> HashSet<i64> {
        let until = (now_ms(), i64::MAX);
        self.ends
            .range(..=until)
            .map(|(_, number)| *number)
            .collect()
    }

    /// Every example of `from` becomes one of `to`, and `from` is gone.
    pub(crate) fn fold(&mut self, from: i64, to: i64) {
        for (_, subject) in &mut self.ids {
            if *subject == from {
                *subject = to;
            }
        }
        self.drop_person(from);
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

    pub(crate) fn of_person(&self, subject: i64) -> Vec<Uuid> {
        let of = |(id, s): &(Uuid, i64)| (*s == subject).then_some(*id);
        self.ids.iter().filter_map(of).collect()
    }

    pub(crate) fn example(&self, id: &Uuid) -> Option<(Example, &[f32])> {
        let &place = self.place.get(id)?;
        let person = self.people.get(&self.ids[place].1)?;
        if person.consent.has_ended() {
            return None;
        }
        let subject = person.name.clone();
        let n = self.dimensions;
        let vector = &self.vectors[place * n..(place + 1) * n];
        Some((Example { id: *id, subject }, vector))
    }

    pub(crate) fn n_examples(&self) -> usize {
        self.ids.len()
    }

    /// A part of the examples, in the order of their numbers, which does not change between calls.
    pub(crate) fn page(&self, skip: usize, take: usize) -> Vec<Example> {
        self.named(self.place.iter().skip(skip).take(take))
    }

    /// As [`Index::page`], of one person; with how many there are.
    pub(crate) fn page_of(&self, number: i64, skip: usize, take: usize) -> (usize, Vec<Example>) {
        let of: Vec<_> = self
            .place
            .iter()
            .filter(|(_, place)| self.ids[**place].1 == number)
            .collect();
        let n = of.len();
        (n, self.named(of.into_iter().skip(skip).take(take)))
    }

    fn named<'a>(&self, of: impl Iterator<Item = (&'a Uuid, &'a usize)>) -> Vec<Example> {
        let named = |(id, place): (&Uuid, &usize)| {
            let person = self.people.get(&self.ids[*place].1)?;
            Some(Example {
                id: *id,
                subject: person.name.clone(),
            })
        };
        of.filter_map(named).collect()
    }

    /// The `top` nearest examples of people who have not ended, nearest first; empty if the vector has another length.
    pub(crate) fn nearest(&self, probe: &[f32], top: usize) -> Vec<Match> {
        if self.ids.is_empty() || probe.len() != self.dimensions {
            return Vec::new();
        }
        let rows = self.vectors.chunks_exact(self.dimensions);
        let ended = self.ended();
        let mut scored: Vec<(f32, usize)> = rows
            .enumerate()
            .filter(|(i, _)| ended.is_empty() || !ended.contains(&self.ids[*i].1))
            .map(|(i, row)| (similarity(row, probe).0, i))
            .collect();
        let nearer = |a: &(f32, usize), b: &(f32, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if top < scored.len() {
            scored.select_nth_unstable_by(top, nearer);
            scored.truncate(top);
        }
        scored.sort_by(nearer);
        let named = |(similarity, i): &(f32, usize)| {
            let person = self.people.get(&self.ids[*i].1)?;
            Some(Match {
                number: person.number,
                subject: person.name.clone(),
                similarity: *similarity,
            })
        };
        scored.iter().filter_map(named).collect()
    }
}

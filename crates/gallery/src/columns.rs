//! One service's people in memory, as one immutable value. In: people and vectors of one model.
//! Out: lookups, lists, the nearest examples. A copy costs next to nothing and shares all that did
//! not change, so a writer changes a copy and publishes it while readers keep theirs.

mod segments;

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

use crate::consent::Consent;
use crate::error::Error;
use crate::names::name_key;
use crate::person::{Example, Match, Person};
use crate::store::StoredExample;
use crate::tree::Tree;
use segments::Segments;

/// The columns of a service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    /// By number, with how many examples each has.
    people: Tree<i64, (Arc<Held>, usize)>,
    /// Folded name to the person's number.
    numbers: Tree<NameKey, i64>,
    /// By id, in whose order lists come.
    examples: Tree<Uuid, Enrolled>,
    /// Person's number and id of each example.
    examples_of: Tree<(i64, Uuid), ()>,
    /// Sequence number of each example to its person's number, and the end of its own consent.
    owners: Tree<u64, (i64, Option<i64>)>,
    /// When consents end, and whose: of a person, or of the example with this id.
    ends: Tree<(i64, i64, Option<Uuid>), ()>,
    vectors: Segments,
    /// The store searches the vectors by itself; none is kept here.
    without_vectors: bool,
    /// Sequence number of the next example: ties between equal similarities go to the earlier.
    next: u64,
}

/// A person in memory, whose words are overwritten with zeros when the last reader lets go.
#[derive(Debug)]
struct Held(Person);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.name.zeroize();
        self.0.consent.basis.zeroize();
        self.0.consent.purpose.zeroize();
    }
}

/// A folded name, overwritten with zeros in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NameKey(Arc<Zeroizing<String>>);

impl Ord for NameKey {
    fn cmp(&self, other: &NameKey) -> std::cmp::Ordering {
        self.0.as_str().cmp(other.0.as_str())
    }
}

impl PartialOrd for NameKey {
    fn partial_cmp(&self, other: &NameKey) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl NameKey {
    fn of(name: &str) -> NameKey {
        NameKey(Arc::new(Zeroizing::new(name_key(name))))
    }
}

/// An example that is to be added.
#[derive(Debug, Clone)]
pub(crate) struct NewColumn {
    pub(crate) id: Uuid,
    /// Its person's number.
    pub(crate) person: i64,
    pub(crate) vector: Vec<f32>,
    /// Its own consent; without one it has its person's.
    pub(crate) consent: Option<Arc<Consent>>,
}

impl NewColumn {
    /// An example that is stored, if the model in use made it.
    pub(crate) fn of(example: StoredExample, model: &str) -> Result<NewColumn, Error> {
        if example.model != model {
            return Err(Error::Model {
                found: example.model,
                wanted: model.to_owned(),
            });
        }
        Ok(NewColumn {
            id: example.id,
            person: example.person,
            vector: example.vector,
            consent: example.consent.map(Arc::new),
        })
    }
}

/// Examples that [`Columns::add_examples`] takes best at a time: a whole segment.
pub(crate) const BATCH: usize = segments::SEGMENT_VECTORS;

#[derive(Debug, Clone)]
struct Enrolled {
    sequence: u64,
    person: i64,
    consent: Option<Arc<Consent>>,
}

impl Enrolled {
    fn end(&self) -> Option<i64> {
        self.consent.as_ref().and_then(|c| c.expires_at_ms)
    }
}

impl Columns {
    /// Columns for whose vectors the store searches by itself.
    pub(crate) fn without_vectors(without_vectors: bool) -> Columns {
        Columns {
            without_vectors,
            ..Columns::default()
        }
    }

    /// Everybody, in the order in which they came.
    pub(crate) fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.iter().map(|(_, (person, _))| &person.0)
    }

    pub(crate) fn n_people(&self) -> usize {
        self.people.len()
    }

    /// A person and how many examples there are.
    pub(crate) fn person(&self, number: i64) -> Option<(&Person, usize)> {
        self.people.get(&number).map(|(person, n)| (&person.0, *n))
    }

    /// The number of a person; neither letter case nor the spelling of accents matters.
    pub(crate) fn find(&self, name: &str) -> Option<i64> {
        self.numbers.get(&NameKey::of(name)).copied()
    }

    /// Adds a person, or gives a known one another name or consent.
    pub(crate) fn set_person(&mut self, person: Person) {
        let n = self.forget_person(person.number);
        let name = NameKey::of(&person.name);
        self.numbers.insert(name, person.number);
        if let Some(at) = person.consent.expires_at_ms {
            self.ends.insert((at, person.number, None), ());
        }
        self.people
            .insert(person.number, (Arc::new(Held(person)), n));
    }

    /// Removes a person, but not the examples; returns how many there are.
    fn forget_person(&mut self, number: i64) -> usize {
        let Some((person, n)) = self.people.remove(&number) else {
            return 0;
        };
        let name = NameKey::of(&person.0.name);
        if self.numbers.get(&name) == Some(&number) {
            self.numbers.remove(&name);
        }
        if let Some(at) = person.0.consent.expires_at_ms {
            self.ends.remove(&(at, number, None));
        }
        n
    }

    /// Removes people with their examples.
    pub(crate) fn remove_people(&mut self, numbers: &[i64]) -> Result<(), Error> {
        let mut sequences = Vec::new();
        for number in numbers {
            for id in self.ids_of(*number) {
                self.examples_of.remove(&(*number, id));
                if let Some(enrolled) = self.examples.remove(&id) {
                    self.owners.remove(&enrolled.sequence);
                    self.forget_end(&enrolled, id);
                    sequences.push(enrolled.sequence);
                }
            }
            self.forget_person(*number);
        }
        sequences.sort_unstable();
        Ok(self.vectors.remove(&sequences)?)
    }

    fn forget_end(&mut self, enrolled: &Enrolled, id: Uuid) {
        if let Some(at) = enrolled.end() {
            self.ends.remove(&(at, enrolled.person, Some(id)));
        }
    }

    /// Puts an example, whose vector has its sequence number, into the maps.
    fn insert(&mut self, id: Uuid, enrolled: Enrolled) {
        if let Some(at) = enrolled.end() {
            self.ends.insert((at, enrolled.person, Some(id)), ());
        }
        self.examples_of.insert((enrolled.person, id), ());
        let owner = (enrolled.person, enrolled.end());
        self.owners.insert(enrolled.sequence, owner);
        self.examples.insert(id, enrolled);
    }

    /// Gives every example of `from` to `into`, and removes `from`; the examples keep the consent
    /// that they had.
    pub(crate) fn merge_people(&mut self, from: i64, into: i64) {
        let of_from = self.person(from).map(|(person, _)| person.consent.clone());
        let of_from = of_from.map(Arc::new);
        let ids = self.ids_of(from);
        for id in &ids {
            self.examples_of.remove(&(from, *id));
            if let Some(mut enrolled) = self.examples.get(id).cloned() {
                self.forget_end(&enrolled, *id);
                enrolled.consent = enrolled.consent.or_else(|| of_from.clone());
                enrolled.person = into;
                self.insert(*id, enrolled);
            }
        }
        self.forget_person(from);
        self.count(into, ids.len() as isize);
    }

    fn count(&mut self, number: i64, more: isize) {
        if let Some((person, n)) = self.people.get(&number).cloned() {
            let n = n.saturating_add_signed(more);
            self.people.insert(number, (person, n));
        }
    }

    /// Values per vector; none while there is no example.
    pub(crate) fn dimensions(&self) -> Option<usize> {
        self.vectors.dimensions()
    }

    /// Adds an example of a person who is there.
    pub(crate) fn add_example(
        &mut self,
        id: Uuid,
        person: i64,
        vector: &[f32],
        consent: Option<Arc<Consent>>,
    ) -> Result<(), Error> {
        let sequence = self.next;
        if !self.without_vectors {
            self.vectors.push(sequence, vector)?;
        }
        self.next += 1;
        let enrolled = Enrolled {
            sequence,
            person,
            consent,
        };
        self.insert(id, enrolled);
        self.count(person, 1);
        Ok(())
    }

    /// Adds many examples of people who are there: the same as one after another, but as a segment
    /// of their own and on two threads. For opening.
    pub(crate) fn add_examples(&mut self, batch: &[NewColumn]) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let (first, without_vectors) = (self.next, self.without_vectors);
        let vectors = batch.iter().map(|column| &column.vector[..]);
        let Columns {
            examples,
            examples_of,
            owners,
            ends,
            ..
        } = self;
        let (segment, counts) = rayon::join(
            || match without_vectors {
                true => Segments::segment(first, std::iter::empty()),
                false => Segments::segment(first, vectors),
            },
            || {
                let mut counts = BTreeMap::new();
                for (sequence, column) in (first..).zip(batch) {
                    let (id, person) = (column.id, column.person);
                    let enrolled = Enrolled {
                        sequence,
                        person,
                        consent: column.consent.clone(),
                    };
                    let end = enrolled.end();
                    if let Some(at) = end {
                        ends.insert((at, person, Some(id)), ());
                    }
                    examples.insert(id, enrolled);
                    examples_of.insert((person, id), ());
                    owners.insert(sequence, (person, end));
                    *counts.entry(person).or_insert(0) += 1;
                }
                counts
            },
        );
        if !self.without_vectors {
            self.vectors.append(segment?)?;
        }
        self.next += batch.len() as u64;
        for (person, n) in counts {
            self.count(person, n);
        }
        Ok(())
    }

    pub(crate) fn remove_example(&mut self, id: &Uuid) -> Result<(), Error> {
        let Some(enrolled) = self.examples.remove(id) else {
            return Ok(());
        };
        self.examples_of.remove(&(enrolled.person, *id));
        self.owners.remove(&enrolled.sequence);
        self.forget_end(&enrolled, *id);
        self.count(enrolled.person, -1);
        Ok(self.vectors.remove(&[enrolled.sequence])?)
    }

    fn ids_of(&self, number: i64) -> Vec<Uuid> {
        self.examples_of(number).collect()
    }

    fn examples_of(&self, number: i64) -> impl Iterator<Item = Uuid> {
        let from = self.examples_of.from(&(number, Uuid::nil()));
        let keys = from.map(|(key, ())| *key);
        keys.take_while(move |(of, _)| *of == number)
            .map(|(_, id)| id)
    }

    /// Numbers of the people whose consent has ended by a time, and the examples whose own has.
    pub(crate) fn ended(&self, by_ms: i64) -> (Vec<i64>, Vec<(Uuid, i64)>) {
        let (mut people, mut examples) = (Vec::new(), Vec::new());
        let ended = self.ends.iter().map(|(key, ())| *key);
        for (_, number, id) in ended.take_while(|(at, ..)| *at <= by_ms) {
            match id {
                None => people.push(number),
                Some(id) => examples.push((id, number)),
            }
        }
        (people, examples)
    }

    /// An example, its person's number and its vector, which is empty if it is not kept here; none
    /// once the consent for it has ended.
    pub(crate) fn example(&self, id: &Uuid, now_ms: i64) -> Option<(Example, i64, &[f32])> {
        let enrolled = self.examples.get(id)?;
        let (person, _) = self.person(enrolled.person)?;
        let own_ended = enrolled.end().is_some_and(|end| end <= now_ms);
        if own_ended || person.consent.has_ended_by(now_ms) {
            return None;
        }
        let example = Example {
            id: *id,
            subject: person.name.clone(),
        };
        let vector = match self.without_vectors {
            true => &[],
            false => self.vectors.get(enrolled.sequence)?,
        };
        Some((example, person.number, vector))
    }

    pub(crate) fn has_example(&self, id: &Uuid) -> bool {
        self.examples.get(id).is_some()
    }

    pub(crate) fn n_examples(&self) -> usize {
        self.examples.len()
    }

    /// A part of the examples, in the order of their ids, which does not change between calls.
    pub(crate) fn page(&self, skip: usize, take: usize) -> Vec<Example> {
        let part = self.examples.iter().skip(skip).take(take);
        part.filter_map(|(id, enrolled)| self.named(*id, enrolled.person))
            .collect()
    }

    /// As [`Columns::page`], of one person.
    pub(crate) fn page_of(&self, number: i64, skip: usize, take: usize) -> Vec<Example> {
        let part = self.examples_of(number).skip(skip).take(take);
        part.filter_map(|id| self.named(id, number)).collect()
    }

    fn named(&self, id: Uuid, number: i64) -> Option<Example> {
        let subject = self.person(number)?.0.name.clone();
        Some(Example { id, subject })
    }

    /// For each probe the `top` nearest examples of people whose consent has not ended, nearest
    /// first; ties go to the example that was enrolled first. Empty for a probe of another length.
    pub(crate) fn nearest(&self, probes: &[&[f32]], top: usize, now_ms: i64) -> Vec<Vec<Match>> {
        let first = self.ends.iter().next();
        let any_ended = first.is_some_and(|((at, ..), ())| *at <= now_ms);
        let person_of = |sequence: u64| {
            let (number, _) = self.owners.get(&sequence)?;
            self.people.get(number).map(|(person, _)| &person.0)
        };
        let own_ended = |sequence: u64| {
            let end = self.owners.get(&sequence).and_then(|(_, end)| *end);
            end.is_some_and(|end| end <= now_ms)
        };
        let keep = |sequence: u64| {
            !any_ended
                || !own_ended(sequence)
                    && person_of(sequence).is_some_and(|p| !p.consent.has_ended_by(now_ms))
        };
        let fits = |probe: &&[f32]| Some(probe.len()) == self.dimensions();
        let fitting: Vec<&[f32]> = probes.iter().copied().filter(fits).collect();
        let found = self.vectors.nearest(&fitting, top, keep);
        let mut found = found.unwrap_or_default().into_iter();
        let named = |neighbor: fusiform_search::index::Neighbor| {
            let person = person_of(neighbor.owner)?;
            Some(Match {
                number: person.number,
                subject: person.name.clone(),
                similarity: neighbor.similarity,
            })
        };
        let of_each = probes.iter().map(|probe| match fits(probe) {
            true => found.next().unwrap_or_default(),
            false => Vec::new(),
        });
        of_each
            .map(|near| near.into_iter().filter_map(named).collect())
            .collect()
    }
}

#[cfg(test)]
mod tests;

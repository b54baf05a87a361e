//! One service's people in memory, as one immutable value. In: people and vectors of one model.
//! Out: lookups, lists, the nearest examples. A copy costs next to nothing and shares all that did
//! not change, so a writer changes a copy and publishes it while readers keep theirs.

mod segments;

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use crate::clock::now_ms;
use crate::error::Error;
use crate::person::{Example, Match, Person};
use crate::tree::Tree;
use segments::Segments;

/// The columns of a service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    /// By number, with how many examples each has.
    people: Tree<i64, (Arc<Person>, usize)>,
    /// Name in lower case to the person's number.
    numbers: Tree<Arc<str>, i64>,
    /// By id, in whose order lists come.
    examples: Tree<Uuid, Enrolled>,
    /// Person's number and id of each example.
    examples_of: Tree<(i64, Uuid), ()>,
    /// Sequence number of each example to its person's number.
    owners: Tree<u64, i64>,
    /// When consents end, and whose.
    ends: Tree<(i64, i64), ()>,
    vectors: Segments,
    /// Sequence number of the next example: ties between equal similarities go to the earlier.
    next: u64,
}

/// An example that is to be added: its id, its person's number, its vector.
pub(crate) type NewColumn = (Uuid, i64, Vec<f32>);

/// Examples that [`Columns::add_examples`] takes best at a time: a whole segment.
pub(crate) const BATCH: usize = segments::SEGMENT_VECTORS;

#[derive(Debug, Clone, Copy)]
struct Enrolled {
    sequence: u64,
    person: i64,
}

impl Columns {
    /// Everybody, in the order in which they came.
    pub(crate) fn people(&self) -> impl Iterator<Item = &Person> {
        self.people.iter().map(|(_, (person, _))| &**person)
    }

    pub(crate) fn n_people(&self) -> usize {
        self.people.len()
    }

    /// A person and how many examples there are.
    pub(crate) fn person(&self, number: i64) -> Option<(&Person, usize)> {
        self.people.get(&number).map(|(person, n)| (&**person, *n))
    }

    /// The number of a person; letter case does not matter.
    pub(crate) fn find(&self, name: &str) -> Option<i64> {
        self.numbers.get(&*name.to_lowercase()).copied()
    }

    /// Adds a person, or gives a known one another name or consent.
    pub(crate) fn set_person(&mut self, person: Person) {
        let n = self.forget_person(person.number);
        let name = person.name.to_lowercase().into();
        self.numbers.insert(name, person.number);
        if let Some(at) = person.consent.expires_at_ms {
            self.ends.insert((at, person.number), ());
        }
        self.people.insert(person.number, (Arc::new(person), n));
    }

    /// Removes a person, but not the examples; returns how many there are.
    fn forget_person(&mut self, number: i64) -> usize {
        let Some((person, n)) = self.people.remove(&number) else {
            return 0;
        };
        self.numbers.remove(&person.name.to_lowercase().into());
        if let Some(at) = person.consent.expires_at_ms {
            self.ends.remove(&(at, number));
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
                    sequences.push(enrolled.sequence);
                }
            }
            self.forget_person(*number);
        }
        sequences.sort_unstable();
        Ok(self.vectors.remove(&sequences)?)
    }

    /// Gives every example of `from` to `into`, and removes `from`.
    pub(crate) fn merge_people(&mut self, from: i64, into: i64) {
        let ids = self.ids_of(from);
        for id in &ids {
            self.examples_of.remove(&(from, *id));
            self.examples_of.insert((into, *id), ());
            if let Some(Enrolled { sequence, .. }) = self.examples.get(id).copied() {
                let person = into;
                self.examples.insert(*id, Enrolled { sequence, person });
                self.owners.insert(sequence, into);
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
    ) -> Result<(), Error> {
        let sequence = self.next;
        self.vectors.push(sequence, vector)?;
        self.next += 1;
        self.examples.insert(id, Enrolled { sequence, person });
        self.examples_of.insert((person, id), ());
        self.owners.insert(sequence, person);
        self.count(person, 1);
        Ok(())
    }

    /// Adds many examples of people who are there: the same as one after another, but as a segment
    /// of their own and on two threads. For opening.
    pub(crate) fn add_examples(&mut self, batch: &[NewColumn]) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let first = self.next;
        let vectors = batch.iter().map(|(_, _, vector)| &vector[..]);
        let Columns {
            examples,
            examples_of,
            owners,
            ..
        } = self;
        let (segment, counts) = rayon::join(
            || Segments::segment(first, vectors),
            || {
                let mut counts = BTreeMap::new();
                for (sequence, (id, person, _)) in (first..).zip(batch) {
                    let person = *person;
                    examples.insert(*id, Enrolled { sequence, person });
                    examples_of.insert((person, *id), ());
                    owners.insert(sequence, person);
                    *counts.entry(person).or_insert(0) += 1;
                }
                counts
            },
        );
        self.vectors.append(segment?)?;
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

    /// Numbers of the people whose consent has ended by now.
    pub(crate) fn ended(&self) -> Vec<i64> {
        let now = now_ms();
        let ended = self.ends.iter().map(|(key, ())| *key);
        ended
            .take_while(|(at, _)| *at <= now)
            .map(|(_, number)| number)
            .collect()
    }

    /// An example, its person's number and its vector; none once the person's consent has ended.
    pub(crate) fn example(&self, id: &Uuid) -> Option<(Example, i64, &[f32])> {
        let enrolled = self.examples.get(id)?;
        let (person, _) = self.person(enrolled.person)?;
        if person.consent.has_ended() {
            return None;
        }
        let example = Example {
            id: *id,
            subject: person.name.clone(),
        };
        Some((example, person.number, self.vectors.get(enrolled.sequence)?))
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
    pub(crate) fn nearest(&self, probes: &[&[f32]], top: usize) -> Vec<Vec<Match>> {
        let now = now_ms();
        let any_ended = self
            .ends
            .iter()
            .next()
            .is_some_and(|((at, _), ())| *at <= now);
        let person_of = |sequence: u64| {
            let number = self.owners.get(&sequence)?;
            self.people.get(number).map(|(person, _)| person)
        };
        let keep = |sequence: u64| {
            !any_ended || person_of(sequence).is_some_and(|p| !p.consent.has_ended())
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

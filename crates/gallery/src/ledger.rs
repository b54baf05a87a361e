//! What the audit log says is stored. In: entries, in their order. Out: collections, people and how
//! many faces each has, to be compared with what is stored; the first difference, in words.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::{Action, Entry};
use crate::error::Error;

/// Collections and people, by number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    services: BTreeSet<i64>,
    people: BTreeMap<i64, Held>,
    /// The person whom the entry before may have merged another into.
    merging: Option<i64>,
}

/// A person, as the log knows one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    service: i64,
    faces: i64,
    /// How often name or consent were changed.
    revision: i64,
}

impl Ledger {
    /// Takes the next entry of the log.
    pub fn apply(&mut self, entry: &Entry) {
        let merging = self.merging.take();
        let held = |people: &mut BTreeMap<i64, Held>| {
            *people.entry(entry.subject).or_insert(Held {
                service: entry.service,
                faces: 0,
                revision: 0,
            })
        };
        match entry.action {
            Action::Key if entry.count < 0 => {
                self.services.remove(&entry.service);
                self.people.retain(|_, held| held.service != entry.service);
            }
            Action::Key => drop(self.services.insert(entry.service)),
            Action::Enrol | Action::Assume => {
                let mut held = held(&mut self.people);
                held.faces += entry.count;
                self.people.insert(entry.subject, held);
                // Logs of earlier versions have no entry of its own for a merge.
                self.merging = (entry.count == 0).then_some(entry.subject);
            }
            Action::Merge => self.merging = Some(entry.subject),
            Action::Consent | Action::Rename => {
                if let Some(held) = self.people.get_mut(&entry.subject) {
                    held.revision += 1;
                }
            }
            Action::EraseFace | Action::ExpireFace => {
                if let Some(held) = self.people.get_mut(&entry.subject) {
                    held.faces -= entry.count;
                }
            }
            Action::Erase | Action::Expire if entry.subject == 0 => {
                self.people.retain(|_, held| held.service != entry.service);
            }
            Action::Erase | Action::Expire => {
                let gone = self.people.remove(&entry.subject);
                // An erasure counts the faces that went; none go in a merge.
                let moved = gone
                    .filter(|_| entry.count == 0)
                    .map_or(0, |held| held.faces);
                if let Some(into) = merging.and_then(|into| self.people.get_mut(&into)) {
                    into.faces += moved;
                }
            }
            _ => {}
        }
    }

    pub(crate) fn has_service(&self, service: i64) -> bool {
        self.services.contains(&service)
    }

    pub(crate) fn has_person(&self, number: i64) -> bool {
        self.people.contains_key(&number)
    }

    /// Takes a collection that is stored.
    pub(crate) fn add_service(&mut self, service: i64) {
        self.services.insert(service);
    }

    /// Takes a person who is stored.
    pub(crate) fn add_person(&mut self, service: i64, number: i64, revision: i64) {
        let held = Held {
            service,
            faces: 0,
            revision,
        };
        self.people.insert(number, held);
    }

    /// Takes an example of a person who was taken before; `false` if there is no such person.
    pub(crate) fn add_face(&mut self, person: i64) -> bool {
        let held = self.people.get_mut(&person);
        held.map(|held| held.faces += 1).is_some()
    }

    /// Whether the next entry may complete a merge that has begun.
    pub(crate) fn is_merging(&self) -> bool {
        self.merging.is_some()
    }

    /// Compares this, what is stored, with what the log says.
    ///
    /// # Errors
    /// [`Error::Remains`] and [`Error::Tampered`], naming the first person or collection that
    /// differs.
    pub(crate) fn compare(&self, log: &Ledger) -> Result<(), Error> {
        let tampered = |what: String| Err(Error::Tampered(what));
        if let Some(number) = self.people.keys().find(|n| !log.people.contains_key(n)) {
            return Err(Error::Remains { number: *number });
        }
        if let Some(missing) = log.services.difference(&self.services).next() {
            return tampered(format!("collection {missing} is missing from the vault"));
        }
        if let Some(planted) = self.services.difference(&log.services).next() {
            return tampered(format!("the audit log knows no collection {planted}"));
        }
        for (number, known) in &log.people {
            let Some(held) = self.people.get(number) else {
                return tampered(format!("person {number} is missing from the vault"));
            };
            if held.faces != known.faces {
                let (n, m) = (held.faces, known.faces);
                return tampered(format!(
                    "person {number} has {n} faces, and by the audit log {m}"
                ));
            }
            if held.service != known.service {
                return tampered(format!("person {number} is in another collection"));
            }
            if held.revision != known.revision {
                return tampered(format!(
                    "name or consent of person {number} is not the newest that was stated"
                ));
            }
        }
        Ok(())
    }

    /// As it is stored, before sealing.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let services = self.services.iter().map(|s| vec![*s]);
        let person =
            |(number, held): (&i64, &Held)| vec![*number, held.service, held.faces, held.revision];
        let all = services.chain(self.people.iter().map(person));
        let lines = all.map(|numbers| {
            let words: Vec<String> = numbers.iter().map(i64::to_string).collect();
            words.join(" ")
        });
        lines.collect::<Vec<_>>().join("\n").into_bytes()
    }

    pub(crate) fn from_bytes(plain: &[u8]) -> Option<Ledger> {
        let mut ledger = Ledger::default();
        for line in std::str::from_utf8(plain).ok()?.lines() {
            let numbers: Result<Vec<i64>, _> = line.split(' ').map(str::parse).collect();
            match numbers.ok()?[..] {
                [service] => ledger.add_service(service),
                [number, service, faces, revision] => {
                    let held = Held {
                        service,
                        faces,
                        revision,
                    };
                    ledger.people.insert(number, held);
                }
                _ => return None,
            }
        }
        Some(ledger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(entries: &[(Action, i64, i64, i64)]) -> Ledger {
        let mut ledger = Ledger::default();
        for (seq, (action, service, subject, count)) in (1..).zip(entries) {
            ledger.apply(&Entry {
                seq,
                at_ms: 0,
                action: *action,
                service: *service,
                subject: *subject,
                count: *count,
                hash: [0; 32],
            });
        }
        ledger
    }

    #[test]
    fn it_follows_enrolments_merges_and_erasures_of_new_and_old_logs() {
        use Action::*;
        let old = log(&[
            (Key, 1, 0, 1),
            (Enrol, 1, 1, 1),
            (Enrol, 1, 2, 1),
            (Enrol, 1, 2, 1),
            // A merge of 2 into 1 as the first version wrote it.
            (Enrol, 1, 1, 0),
            (Erase, 1, 2, 0),
            (EraseFace, 1, 1, 1),
        ]);
        let new = log(&[
            (Key, 1, 0, 1),
            (Assume, 1, 1, 0),
            (Enrol, 1, 1, 1),
            (Enrol, 1, 2, 0),
            (Enrol, 1, 2, 1),
            (Merge, 1, 1, 1),
            (Erase, 1, 2, 0),
        ]);
        let mut stored = Ledger::default();
        stored.add_service(1);
        stored.add_person(1, 1, 0);
        assert!(stored.add_face(1) && stored.add_face(1) && !stored.add_face(2));
        for log in [&old, &new] {
            stored.compare(log).unwrap();
            let back = Ledger::from_bytes(&log.to_bytes()).unwrap();
            stored.compare(&back).unwrap();
        }
    }
}

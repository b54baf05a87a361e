//! A whole store into memory. In: a store and the model in use. Out: services, people and their
//! templates, after it was proved that the log says the same.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arc_swap::ArcSwap;
use uuid::Uuid;
use zeroize::Zeroize;

use crate::aside::Aside;
use crate::columns::{BATCH, Columns, NewColumn};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::store::{ClockMark, Row, Store, StoredService};

/// Columns of each service, for readers who take those that were published last.
pub(crate) type Published = BTreeMap<i64, Arc<ArcSwap<Columns>>>;

/// What was read.
pub(crate) struct Read {
    pub(crate) services: Vec<StoredService>,
    /// Of each service, by its number.
    pub(crate) collections: BTreeMap<i64, Columns>,
    pub(crate) aside: BTreeMap<Uuid, Aside>,
    pub(crate) clock: Option<ClockMark>,
    /// First entry of the audit log that does not fit.
    pub(crate) broken_at: Option<i64>,
}

impl Read {
    /// Reads everything. Without a model no example is taken into memory, without vectors no
    /// template.
    pub(crate) fn all(
        store: &dyn Store,
        model: Option<&str>,
        without_vectors: bool,
    ) -> Result<Read, Error> {
        let no_columns = || Columns::without_vectors(without_vectors);
        let mut services = Vec::new();
        let mut collections: BTreeMap<i64, Columns> = BTreeMap::new();
        let mut service_of = HashMap::new();
        let mut pending: BTreeMap<i64, Vec<NewColumn>> = BTreeMap::new();
        let (mut stored, mut aside) = (Ledger::default(), BTreeMap::new());
        let loaded = store.load(&mut |row| {
            stored.add_row(&row)?;
            match row {
                Row::Service(service) => {
                    collections
                        .entry(service.service.id)
                        .or_insert_with(no_columns);
                    services.push(service);
                }
                Row::Person {
                    service, person, ..
                } => {
                    service_of.insert(person.number, service);
                    collections
                        .entry(service)
                        .or_insert_with(no_columns)
                        .set_person(person);
                }
                Row::Example(example) => {
                    let service = service_of.get(&example.person).ok_or(Error::Damaged)?;
                    if example.aside {
                        aside.insert(example.id, Aside::of(*service, example));
                        return Ok(());
                    }
                    let Some(model) = model else {
                        return Ok(());
                    };
                    let mut example = example;
                    if without_vectors {
                        example.vector.zeroize();
                    }
                    let batch = pending.entry(*service).or_default();
                    batch.push(NewColumn::of(example, model)?);
                    if batch.len() == BATCH {
                        add(
                            collections.entry(*service).or_insert_with(no_columns),
                            batch,
                        )?;
                    }
                }
            }
            Ok(())
        })?;
        for (service, mut batch) in pending {
            add(
                collections.entry(service).or_insert_with(no_columns),
                &mut batch,
            )?;
        }
        if let Ok(log) = &loaded.log {
            stored.compare(log)?;
        }
        Ok(Read {
            services,
            collections,
            aside,
            clock: loaded.clock,
            broken_at: loaded.log.err(),
        })
    }
}

pub(crate) fn published(collections: BTreeMap<i64, Columns>) -> Published {
    let publish = |(id, columns)| (id, Arc::new(ArcSwap::from_pointee(columns)));
    collections.into_iter().map(publish).collect()
}

/// Adds a batch of loaded examples, and overwrites what is left of them.
fn add(columns: &mut Columns, batch: &mut Vec<NewColumn>) -> Result<(), Error> {
    columns.add_examples(batch)?;
    batch.iter_mut().for_each(|column| column.vector.zeroize());
    batch.clear();
    Ok(())
}

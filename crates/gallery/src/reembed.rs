//! A change of model. In: a store whose examples another model embedded, and an embedder. Out: the
//! same people, names, consents and history with templates of the present model, from the images
//! that were kept. Each example is one transaction: a run that is killed goes on where it was.
//! Examples that cannot be embedded are kept, but not matched, and listed.

use std::collections::BTreeMap;

use rayon::prelude::*;
use uuid::Uuid;

use crate::audit::Action;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::store::{Row, Store, StoredExample};

/// Images that are embedded together, on all threads of the current rayon pool.
const BATCH: usize = 32;

/// Gives the template of the face of an image, or says why there is none.
pub type EmbedImage<'a> = dyn Fn(&[u8]) -> Result<Vec<f32>, String> + Sync + 'a;

/// An example that is kept but not matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// The example.
    pub id: Uuid,
    /// Name of its person.
    pub subject: String,
    /// Why it could not be embedded.
    pub why: String,
}

/// What a change of model did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reembedded {
    /// Examples that got a template of the present model.
    pub n_embedded: usize,
    /// Examples that had one.
    pub n_already: usize,
    /// Examples that could not be embedded; those of earlier runs among them.
    pub aside: Vec<SetAside>,
}

/// Embeds every example of another model anew from its image.
///
/// `embed` gives the template of the face of an image, or why there is none. `progress` is told how
/// many of how many examples are done.
///
/// # Errors
/// [`Error::Tampered`], [`Error::Remains`] and [`Error::Chain`] before anything is changed;
/// [`Error::Database`] and [`Error::DiskFull`], after which a second run does the rest.
pub fn reembed(
    store: &dyn Store,
    model: &str,
    embed: &EmbedImage<'_>,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Reembedded, Error> {
    let _lock = store.lock()?;
    let (mut ledger, mut people, mut todo) = (Ledger::default(), BTreeMap::new(), Vec::new());
    let mut done = Reembedded::default();
    let loaded = store.load(&mut |row| {
        ledger.add_row(&row)?;
        match row {
            Row::Person {
                service, person, ..
            } => drop(people.insert(person.number, (service, person.name))),
            Row::Example(example) if example.model == model && !example.aside => {
                done.n_already += 1;
            }
            Row::Example(mut example) => {
                if example.model != model {
                    example.vector = Vec::new();
                }
                todo.push(example);
            }
            Row::Service(_) => {}
        }
        Ok(())
    })?;
    ledger.compare(&loaded.log.map_err(|seq| Error::Chain { seq })?)?;
    let total = todo.len();
    for (i, batch) in todo.chunks(BATCH).enumerate() {
        let images: Result<Vec<_>, Error> = batch.iter().map(|e| store.image(&e.id)).collect();
        let embedded: Vec<Result<Vec<f32>, String>> = batch
            .par_iter()
            .zip(images?)
            .map(|(example, image)| match image {
                // The model of before is in use again: its template is there still.
                _ if !example.vector.is_empty() => Ok(example.vector.clone()),
                Some(image) if !image.is_empty() => embed(&image),
                _ => Err("no image was kept of it".to_owned()),
            })
            .collect();
        for (example, vector) in batch.iter().zip(embedded) {
            let (service, name) = people.get(&example.person).ok_or(Error::Damaged)?;
            match vector {
                Ok(vector) => {
                    store.transact(&mut |t| {
                        t.set_template(&example.id, model, &vector)?;
                        t.log(Action::Reembed, *service, example.person, 1)
                    })?;
                    done.n_embedded += 1;
                }
                Err(why) => {
                    put_aside(store, *service, example)?;
                    done.aside.push(SetAside {
                        id: example.id,
                        subject: name.clone(),
                        why,
                    });
                }
            }
        }
        progress((i * BATCH + batch.len()).min(total), total);
    }
    Ok(done)
}

fn put_aside(store: &dyn Store, service: i64, example: &StoredExample) -> Result<(), Error> {
    if example.aside {
        return Ok(());
    }
    store.transact(&mut |t| {
        t.set_aside(&example.id)?;
        t.log(Action::SetAside, service, example.person, 1)
    })
}

//! Search in the database. In: templates, turned by a secret matrix, as `halfvec` of pgvector, in
//! partitions by collection, each with an HNSW index (Malkov and Yashunin, 2016). Out: those near a
//! probe, ranked by the sealed templates themselves. Approximate: how often it finds the nearest
//! is measured on the gallery itself and stated like an error rate.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use fusiform_search::template::similarity;
use pgvector::HalfVector;
use uuid::Uuid;

use super::connections::Session;
use super::database::{Index, PostgresStore, SNAPSHOT, VACUUM_TIMEOUT, WRITE, locked};
use super::rotation::Rotation;
use super::tables::{EXAMPLE, example};
use crate::error::Error;
use crate::store::state::{INDEX, take};
use crate::store::tables::Tables;
use crate::store::{IndexShape, IndexStated, Near, StoredExample, Touched, WriteLock};

/// Parts of the table; a search visits one.
const PARTITIONS: usize = 8;
/// Templates that are written, or fetched to be ranked, at a time.
const BATCH: usize = 2_000;
/// Candidates for each answer that is wanted: half precision may exchange neighbours.
const OVERFETCH: usize = 8;
/// Breadths of a search that are tried; 1,000 is the most that pgvector allows.
const BREADTHS: [u32; 9] = [40, 64, 100, 160, 250, 400, 630, 800, 1000];

impl IndexStated {
    fn to_bytes(self) -> Vec<u8> {
        [
            &(self.dimensions as u64).to_le_bytes()[..],
            &u64::from(self.ef_search).to_le_bytes(),
            &self.recall.to_le_bytes(),
            &(self.n_probes as u64).to_le_bytes(),
            &(self.n_templates as u64).to_le_bytes(),
        ]
        .concat()
    }

    fn from_bytes(mut rest: &[u8]) -> Option<IndexStated> {
        let mut number = || Some(u64::from_le_bytes(take(&mut rest)?));
        Some(IndexStated {
            dimensions: usize::try_from(number()?).ok()?,
            ef_search: u32::try_from(number()?).ok()?,
            recall: f64::from_bits(number()?),
            n_probes: usize::try_from(number()?).ok()?,
            n_templates: usize::try_from(number()?).ok()?,
        })
    }
}

impl PostgresStore {
    /// The index as it is in the database; the matrix is made once.
    pub(super) fn index(&self, session: &Session<'_>) -> Result<Option<Arc<Index>>, Error> {
        let Some(sealed) = session.read_head(INDEX)? else {
            return Ok(None);
        };
        let wrong = || Error::Tampered("what is kept of the index is not as it was written".into());
        let plain = self.keys.sealer.open(INDEX, &sealed).map_err(|_| wrong())?;
        let stated = IndexStated::from_bytes(&plain).ok_or_else(wrong)?;
        let mut kept = locked(&self.index);
        match &*kept {
            Some(index) if index.stated == stated => Ok(Some(Arc::clone(index))),
            _ => {
                let rotation = Rotation::new(&self.data_key, stated.dimensions);
                let index = Arc::new(Index { rotation, stated });
                *kept = Some(Arc::clone(&index));
                Ok(Some(index))
            }
        }
    }

    fn write_stated(&self, session: &Session<'_>, stated: IndexStated) -> Result<(), Error> {
        let sealed = self.keys.sealer.seal(INDEX, &stated.to_bytes())?;
        session.write_head(INDEX, &sealed)
    }

    /// Puts templates that a transaction added or changed into the index; those that it removed
    /// go with their rows.
    pub(super) fn follow_index(
        &self,
        session: &Session<'_>,
        touched: &[Touched],
    ) -> Result<(), Error> {
        let ids = touched.iter().filter_map(|row| match row {
            Touched::Example(id) => Some(*id),
            _ => None,
        });
        let ids: Vec<Uuid> = ids.collect();
        if ids.is_empty() {
            return Ok(());
        }
        let Some(index) = self.index(session)? else {
            return Ok(());
        };
        session.change(
            "DELETE FROM fusiform.template WHERE example = ANY($1)",
            &[&ids],
        )?;
        let rows = session.rows(&format!("{EXAMPLE} WHERE id = ANY($1)"), &[&ids], example)?;
        let opened: Result<Vec<StoredExample>, Error> =
            rows.into_iter().map(|row| self.keys.example(row)).collect();
        put(session, "template", &index.rotation, &opened?)
    }

    /// See [`crate::Store::build_index`].
    pub(super) fn build(
        &self,
        shape: IndexShape,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<(), Error> {
        let (links, candidates) = (shape.links, shape.build_candidates);
        let lock: Option<Box<dyn WriteLock + '_>> = crate::Store::lock(self)?;
        // The lock keeps templates from changing; the log goes on.
        let mut session = self.in_transaction("BEGIN; SET LOCAL lock_timeout = '10s'")?;
        let n: i64 = session.one("SELECT count(*) FROM fusiform.example")?;
        let first = session.rows(&format!("{EXAMPLE} ORDER BY n LIMIT 1"), &[], example)?;
        let Some(first) = first.into_iter().next() else {
            return Err(Error::Unsupported(
                "nobody is enrolled, so there is nothing to index",
            ));
        };
        let dimensions = self.keys.example(first)?.vector.len();
        let rotation = Rotation::new(&self.data_key, dimensions);
        // Beside the index that there is, which is searched meanwhile.
        let mut sql = format!(
            "CREATE EXTENSION IF NOT EXISTS vector;
             CREATE TABLE fusiform.next (
                 collection bigint NOT NULL,
                 example uuid NOT NULL REFERENCES fusiform.example(id) ON DELETE CASCADE,
                 vector halfvec({dimensions}) NOT NULL,
                 PRIMARY KEY (collection, example)) PARTITION BY HASH (collection);
             CREATE INDEX ON fusiform.next(example);"
        );
        for part in 0..PARTITIONS {
            let _ = write!(
                sql,
                "CREATE TABLE fusiform.next_{part} PARTITION OF fusiform.next
                     FOR VALUES WITH (MODULUS {PARTITIONS}, REMAINDER {part});"
            );
        }
        session.run(&sql)?;
        // Another session reads, as of what is committed: nobody changes anything meanwhile.
        let reader = self.in_transaction(SNAPSHOT)?;
        let (mut batch, mut n_done) = (Vec::new(), 0);
        reader.examples(&mut |(row, _)| {
            batch.push(self.keys.example(row)?);
            n_done += 1;
            if batch.len() == BATCH {
                put(&session, "next", &rotation, &std::mem::take(&mut batch))?;
                progress(n_done, n as usize);
            }
            Ok(())
        })?;
        drop(reader);
        put(&session, "next", &rotation, &batch)?;
        progress(n_done, n as usize);
        for part in 0..PARTITIONS {
            let sql = format!(
                "SET LOCAL maintenance_work_mem = '1GB';
                 CREATE INDEX ON fusiform.next_{part} USING hnsw (vector halfvec_ip_ops)
                     WITH (m = {links}, ef_construction = {candidates});"
            );
            let built = session.client().batch_execute(&sql);
            self.connections.wait(VACUUM_TIMEOUT, built)?;
        }
        let mut sql = String::from(
            "DROP TABLE IF EXISTS fusiform.template; ALTER TABLE fusiform.next RENAME TO template;",
        );
        for part in 0..PARTITIONS {
            let _ = write!(
                sql,
                "ALTER TABLE fusiform.next_{part} RENAME TO template_{part};"
            );
        }
        session.run(&sql)?;
        let stated = IndexStated {
            dimensions,
            ef_search: BREADTHS[0],
            // Nothing was measured yet.
            recall: 0.0,
            n_probes: 0,
            n_templates: n_done,
        };
        self.write_stated(&session, stated)?;
        session.commit()?;
        drop(lock);
        let session = self.connections.session()?;
        let analysed = session.client().batch_execute("ANALYZE fusiform.template");
        self.connections.wait(VACUUM_TIMEOUT, analysed)
    }

    /// See [`crate::Store::calibrate_index`].
    pub(super) fn calibrate(
        &self,
        recall: f64,
        n_probes: usize,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Vec<IndexStated>, Error> {
        let session = self.in_transaction(SNAPSHOT)?;
        let index = self.index(&session)?.ok_or(Error::NoIndex)?;
        let sql = format!(
            "SELECT e.id, e.subject, e.model, e.record FROM fusiform.example e
             JOIN fusiform.template t ON t.example = e.id ORDER BY md5(e.id::text) LIMIT {n_probes}"
        );
        let probes = session.rows(&sql, &[], example)?;
        let probes: Result<Vec<StoredExample>, Error> = probes
            .into_iter()
            .map(|row| self.keys.example(row))
            .collect();
        let probes = probes?;
        let service_of = self.services_of(&session)?;
        let collection = |of: &StoredExample| service_of.get(&of.person).copied();
        // Exactly: every template of the gallery is opened once and compared with all probes.
        let mut nearest = vec![f32::NEG_INFINITY; probes.len()];
        let (mut n_done, mut n_templates) = (0, 0);
        session.examples(&mut |(row, _)| {
            n_done += 1;
            if n_done % BATCH == 0 {
                progress(n_done, index.stated.n_templates.max(n_done));
            }
            let stored = self.keys.example(row)?;
            if stored.aside {
                return Ok(());
            }
            n_templates += 1;
            for (probe, best) in probes.iter().zip(&mut nearest) {
                if probe.id != stored.id && collection(probe) == collection(&stored) {
                    *best = best.max(similarity(&probe.vector, &stored.vector).0);
                }
            }
            Ok(())
        })?;
        drop(session);
        let mut tried = Vec::new();
        for ef_search in BREADTHS {
            let stated = IndexStated {
                ef_search,
                n_probes: probes.len(),
                n_templates,
                ..index.stated
            };
            let session = self.in_transaction(SNAPSHOT)?;
            set_breadth(&session, ef_search)?;
            let (mut n_found, mut n_asked) = (0, 0);
            for (probe, best) in probes.iter().zip(&nearest) {
                if *best == f32::NEG_INFINITY {
                    continue;
                }
                n_asked += 1;
                let collection = collection(probe).ok_or(Error::Damaged)?;
                let near = self.candidates(&session, &index, collection, &probe.vector, 2)?;
                let first = near.iter().find(|near| near.id != probe.id);
                // As near counts too: another copy of the same photo is no worse.
                n_found += usize::from(first.is_some_and(|near| near.similarity >= *best));
            }
            let found = n_found as f64 / f64::from(n_asked.max(1));
            let stated = IndexStated {
                recall: found,
                ..stated
            };
            tried.push(stated);
            if found >= recall {
                break;
            }
        }
        let best = tried.iter().max_by(|a, b| a.recall.total_cmp(&b.recall));
        let chosen = *best.ok_or(Error::NoIndex)?;
        let mut session = self.in_transaction(WRITE)?;
        self.write_stated(&session, chosen)?;
        session.commit()?;
        Ok(tried)
    }

    /// See [`crate::Store::nearest`].
    pub(super) fn search(
        &self,
        collection: i64,
        probes: &[&[f32]],
        top: usize,
    ) -> Result<(Vec<Vec<Near>>, IndexStated), Error> {
        let mut session = self.in_transaction(SNAPSHOT)?;
        let index = self.index(&session)?.ok_or(Error::NoIndex)?;
        set_breadth(&session, index.stated.ef_search)?;
        let found: Result<Vec<Vec<Near>>, Error> = probes
            .iter()
            .map(|probe| self.candidates(&session, &index, collection, probe, top))
            .collect();
        session.commit()?;
        Ok((found?, index.stated))
    }

    /// Near templates by the index, ranked by the sealed templates.
    fn candidates(
        &self,
        session: &Session<'_>,
        index: &Index,
        collection: i64,
        probe: &[f32],
        top: usize,
    ) -> Result<Vec<Near>, Error> {
        let Some(turned) = index.rotation.turn(probe) else {
            return Ok(Vec::new());
        };
        let n = i64::try_from(top.saturating_mul(OVERFETCH).max(40)).unwrap_or(i64::MAX);
        let sql = "SELECT e.id, e.subject, e.model, e.record FROM (
                       SELECT example FROM fusiform.template WHERE collection = $1
                       ORDER BY vector <#> $2 LIMIT $3) t
                   JOIN fusiform.example e ON e.id = t.example";
        let turned = HalfVector::from_f32_slice(&turned);
        let rows = session.rows(sql, &[&collection, &turned, &n], example)?;
        let ranked = rows.into_iter().map(|row| {
            let stored = self.keys.example(row)?;
            Ok(Near {
                id: stored.id,
                person: stored.person,
                similarity: similarity(probe, &stored.vector).0,
            })
        });
        let mut ranked = ranked.collect::<Result<Vec<Near>, Error>>()?;
        ranked.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then(a.id.cmp(&b.id)));
        Ok(ranked)
    }

    /// The collection of each person.
    fn services_of(&self, session: &Session<'_>) -> Result<HashMap<i64, i64>, Error> {
        let mut found = HashMap::new();
        let sql = "SELECT id, service FROM fusiform.subject";
        session.stream(sql, &[], &mut |row| {
            found.insert(session.value(row, 0)?, session.value(row, 1)?);
            Ok(true)
        })?;
        Ok(found)
    }
}

fn set_breadth(session: &Session<'_>, ef_search: u32) -> Result<(), Error> {
    // A collection that shares its partition with a larger one is searched on until enough of it
    // was met. A plan for the average collection would sort the whole of a large one.
    session.run(&format!(
        "SET LOCAL hnsw.ef_search = {ef_search}; SET LOCAL hnsw.iterative_scan = relaxed_order;
         SET LOCAL plan_cache_mode = force_custom_plan"
    ))
}

/// Writes templates that are matched.
fn put(
    session: &Session<'_>,
    table: &str,
    rotation: &Rotation,
    examples: &[StoredExample],
) -> Result<(), Error> {
    let matched = examples.iter().filter(|stored| !stored.aside);
    let turned: BTreeMap<Uuid, HalfVector> = matched
        .map(|stored| {
            let found = stored.vector.len();
            let expected = rotation.dimensions();
            let turned = rotation.turn(&stored.vector);
            let turned = turned.ok_or(fusiform_search::Error::Dimensions { expected, found })?;
            Ok((stored.id, HalfVector::from_f32_slice(&turned)))
        })
        .collect::<Result<_, Error>>()?;
    if turned.is_empty() {
        return Ok(());
    }
    let (ids, vectors): (Vec<Uuid>, Vec<HalfVector>) = turned.into_iter().unzip();
    let sql = format!(
        "INSERT INTO fusiform.{table} (collection, example, vector)
         SELECT s.service, t.id, t.vector
         FROM unnest($1::uuid[], $2::halfvec[]) AS t(id, vector)
         JOIN fusiform.example e ON e.id = t.id JOIN fusiform.subject s ON s.id = e.subject"
    );
    session.change(&sql, &[&ids, &vectors]).map(drop)
}

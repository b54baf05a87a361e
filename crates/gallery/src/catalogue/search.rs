//! Who is this? In: a template. Out: the nearest people, exactly, by comparing with every face.

use std::collections::BTreeMap;

use super::{Catalogue, FaceId, PersonId};
use crate::error::Error;
use crate::template::{ModelId, Similarity, Template, from_blob, similarity};

/// The faces of all people under one model, in memory.
#[derive(Debug, Clone)]
pub struct Index {
    model: ModelId,
    length: usize,
    faces: Vec<(FaceId, PersonId)>,
    vectors: Vec<f32>,
}

/// A person and their nearest face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// The person.
    pub person: PersonId,
    /// Their face that is nearest.
    pub face: FaceId,
    /// How near; larger is nearer.
    pub similarity: Similarity,
}

impl Catalogue {
    /// Loads the faces of all people for searching.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn index(&self, model: &ModelId) -> Result<Index, Error> {
        let mut index = Index {
            model: model.clone(),
            length: 0,
            faces: Vec::new(),
            vectors: Vec::new(),
        };
        let sql = "SELECT m.face, m.person, t.vector FROM members m JOIN templates t ON t.face = m.face \
                   WHERE t.model = ?1 ORDER BY m.face";
        let mut load = || -> rusqlite::Result<()> {
            let mut query = self.db.prepare(sql)?;
            let mut rows = query.query([&model.0])?;
            while let Some(row) = rows.next()? {
                let vector = from_blob(row.get_ref(2)?.as_blob()?);
                if index.faces.is_empty() {
                    index.length = vector.len();
                }
                // A row of another length was not written by this model; it cannot be compared.
                if vector.len() == index.length {
                    index
                        .faces
                        .push((FaceId(row.get(0)?), PersonId(row.get(1)?)));
                    index.vectors.extend(vector);
                }
            }
            Ok(())
        };
        load().map_err(|e| self.of(e))?;
        Ok(index)
    }
}

impl Index {
    /// The `top_k` nearest people, each by their nearest face; ties go to the lower number.
    ///
    /// # Errors
    /// [`Error::ModelsDiffer`] for a probe of another model.
    pub fn identify(&self, probe: &Template, top_k: usize) -> Result<Vec<Match>, Error> {
        let fits = self.faces.is_empty() || probe.vector.len() == self.length;
        if probe.model != self.model || !fits {
            let (left, right) = (probe.model.to_string(), self.model.to_string());
            return Err(Error::ModelsDiffer { left, right });
        }
        let mut best: BTreeMap<PersonId, Match> = BTreeMap::new();
        let vectors = self.vectors.chunks_exact(self.length.max(1));
        for ((face, person), vector) in self.faces.iter().zip(vectors) {
            let similarity = similarity(&probe.vector, vector);
            let found = Match {
                person: *person,
                face: *face,
                similarity,
            };
            let entry = best.entry(*person).or_insert(found);
            if similarity > entry.similarity {
                *entry = found;
            }
        }
        let mut matches: Vec<Match> = best.into_values().collect();
        // Stable, so that equal similarities stay in the order of people.
        matches.sort_by(|a, b| b.similarity.0.total_cmp(&a.similarity.0));
        matches.truncate(top_k);
        Ok(matches)
    }

    /// Number of faces searched.
    pub fn len(&self) -> usize {
        self.faces.len()
    }

    /// Whether there is nobody to be found.
    pub fn is_empty(&self) -> bool {
        self.faces.is_empty()
    }
}

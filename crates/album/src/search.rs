//! The people nearest to a probe. In: templates. Out: people by similarity, exactly as if the probe
//! were compared with every face. Knows nothing of thresholds.

use fusiform_search::index::{self, Neighbor};
use fusiform_search::template::{ModelId, Similarity, Template, from_blob};

use crate::database::Album;
use crate::error::Error;
use crate::ids::{FaceId, PersonId};

/// The faces of all people under one model, in memory.
#[derive(Debug, Clone)]
pub struct Index {
    model: ModelId,
    faces: Vec<FaceId>,
    /// `None` while there are no faces. Owners are people.
    vectors: Option<index::Index>,
}

/// A person and their nearest face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// The person.
    pub person: PersonId,
    /// Their face that is nearest.
    pub face: FaceId,
    /// Larger is nearer.
    pub similarity: Similarity,
}

impl Album {
    /// Loads the faces of all people for searching.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn index(&self, model: &ModelId) -> Result<Index, Error> {
        let mut index = Index {
            model: model.clone(),
            faces: Vec::new(),
            vectors: None,
        };
        let sql = "SELECT m.face, m.person, t.vector FROM members m \
                   JOIN templates t ON t.face = m.face WHERE t.model = ?1 ORDER BY m.face";
        let mut load = || -> rusqlite::Result<()> {
            let mut query = self.db.prepare(sql)?;
            let mut rows = query.query([&model.0])?;
            while let Some(row) = rows.next()? {
                let vector = from_blob(row.get_ref(2)?.as_blob()?);
                if vector.is_empty() {
                    continue;
                }
                let vectors = index
                    .vectors
                    .get_or_insert_with(|| index::Index::new(vector.len()));
                // A vector of another length is not of this model and cannot be compared.
                if vectors.push(row.get::<_, i64>(1)? as u64, &vector).is_ok() {
                    index.faces.push(FaceId(row.get(0)?));
                }
            }
            Ok(())
        };
        load().map_err(|e| self.sqlite_error(e))?;
        Ok(index)
    }
}

impl Index {
    /// The `top_k` nearest people, each by their nearest face; ties go to the lower number.
    ///
    /// # Errors
    /// [`Error::Search`] for a probe of another model.
    pub fn identify(&self, probe: &Template, top_k: usize) -> Result<Vec<Match>, Error> {
        Ok(self
            .identify_all(std::slice::from_ref(probe), top_k)?
            .remove(0))
    }

    /// As [`Index::identify`] for many probes in one pass over the faces.
    ///
    /// # Errors
    /// [`Error::Search`] for a probe of another model.
    pub fn identify_all(
        &self,
        probes: &[Template],
        top_k: usize,
    ) -> Result<Vec<Vec<Match>>, Error> {
        for probe in probes {
            let length = self.vectors.as_ref().map(index::Index::dimensions);
            if probe.model != self.model || length.is_some_and(|l| l != probe.vector.len()) {
                let (left, right) = (probe.model.to_string(), self.model.to_string());
                return Err(fusiform_search::Error::ModelsDiffer { left, right }.into());
            }
        }
        let Some(vectors) = &self.vectors else {
            return Ok(vec![Vec::new(); probes.len()]);
        };
        let queries: Vec<&[f32]> = probes.iter().map(|p| &*p.vector).collect();
        let found = |near: Neighbor| Match {
            person: PersonId(near.owner as i64),
            face: self.faces[near.slot],
            similarity: Similarity(near.similarity),
        };
        let nearest = vectors.nearest(&queries, top_k)?.into_iter();
        Ok(nearest
            .map(|near| near.into_iter().map(found).collect())
            .collect())
    }

    /// Number of faces searched.
    pub fn len(&self) -> usize {
        self.faces.len()
    }

    /// Whether there are no faces.
    pub fn is_empty(&self) -> bool {
        self.faces.is_empty()
    }
}

//! A face as grouping needs it. In: rows. Out: faces with their templates, and means of them.
//! Knows nothing of how faces are grouped.

use std::collections::BTreeSet;

use fusiform_search::template::from_blob;
use rusqlite::{Row, Transaction};

/// A face with its template.
#[derive(Debug)]
pub(crate) struct GroupedFace {
    pub(crate) id: i64,
    pub(crate) photo: i64,
    pub(crate) vector: Vec<f32>,
    pub(crate) quality: f32,
    /// ISO 8601, if the photo states it; the time of its file says little.
    pub(crate) taken_at: Option<String>,
    /// Its area over that of the largest face of its photo, 0…1: strangers in the background are
    /// small.
    pub(crate) prominence: f32,
}

impl GroupedFace {
    /// A query for [`GroupedFace::from_row`]; `?1` is the model, `f` the face.
    pub(crate) fn select() -> String {
        format!(
            "{} {}",
            GroupedFace::columns("faces f"),
            GroupedFace::TEMPLATE
        )
    }

    /// The columns, from a table to which the faces `f` are to be joined unless they are it.
    pub(crate) fn columns(from: &str) -> String {
        format!(
            "SELECT f.id, f.photo, t.vector, t.quality, \
             CASE WHEN h.taken_from IS NOT 'file_time' THEN h.taken_at END, \
             (f.x_max - f.x_min) * (f.y_max - f.y_min) / (SELECT max((g.x_max - g.x_min) \
             * (g.y_max - g.y_min)) FROM faces g WHERE g.photo = f.photo) FROM {from}"
        )
    }

    /// Joins what the columns need of the faces `f`. A face of quality 0 cannot be recognised: it
    /// resembles other such faces, whoever they are of.
    pub(crate) const TEMPLATE: &str = "JOIN templates t ON t.face = f.id AND t.model = ?1 \
         AND t.quality > 0 JOIN photos h ON h.id = f.photo AND h.gone = 0";

    pub(crate) fn from_row(row: &Row) -> rusqlite::Result<GroupedFace> {
        Ok(GroupedFace {
            id: row.get(0)?,
            photo: row.get(1)?,
            vector: from_blob(row.get_ref(2)?.as_blob()?),
            quality: row.get(3)?,
            taken_at: row.get(4)?,
            // A photo all of whose boxes are empty has no largest.
            prominence: row.get::<_, Option<f32>>(5)?.unwrap_or(1.0),
        })
    }
}

/// How much a face counts in the mean of its group.
pub(crate) fn weight(face: &GroupedFace) -> f32 {
    face.quality.max(0.01)
}

/// Quality-weighted sum of a group's vectors.
pub(crate) fn weighted_sum(group: &[&GroupedFace]) -> Vec<f32> {
    let mut total = vec![0.0f32; group.first().map_or(0, |f| f.vector.len())];
    for face in group {
        for (sum, value) in total.iter_mut().zip(&face.vector) {
            *sum += value * weight(face);
        }
    }
    total
}

/// Quality-weighted mean of a group's vectors, of unit length.
pub(crate) fn mean(group: &[&GroupedFace]) -> Vec<f32> {
    let mut mean = weighted_sum(group);
    let length = mean
        .iter()
        .map(|v| v * v)
        .sum::<f32>()
        .sqrt()
        .max(f32::MIN_POSITIVE);
    mean.iter_mut().for_each(|v| *v /= length);
    mean
}

/// The people who have a name.
pub(crate) fn named_people(t: &Transaction) -> rusqlite::Result<BTreeSet<i64>> {
    let mut query = t.prepare("SELECT id FROM people WHERE name IS NOT NULL")?;
    query.query_map([], |row| row.get(0))?.collect()
}

//! Which faces are one face in several copies of a picture. In: a face. Out: all of them.
//! Knows nothing of how copies are found.

use rusqlite::Transaction;

use crate::ids::FaceId;

/// A face and its copies, itself first.
pub(crate) fn with_copies(t: &Transaction, face: FaceId) -> rusqlite::Result<Vec<FaceId>> {
    let sql = "SELECT id FROM faces WHERE id != ?1 AND \
               (copy_of = (SELECT coalesce(copy_of, id) FROM faces WHERE id = ?1) \
               OR id = (SELECT copy_of FROM faces WHERE id = ?1)) ORDER BY id";
    let mut query = t.prepare_cached(sql)?;
    let copies = query.query_map([face.0], |row| row.get(0).map(FaceId))?;
    std::iter::once(Ok(face)).chain(copies).collect()
}

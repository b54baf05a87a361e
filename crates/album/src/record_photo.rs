//! One analysed photo. In: a record and what the album knows of its content. Out: rows of the photo
//! and its faces, linked to all that was decided about them. Knows nothing of other files.
//!
//! A photo is a picture. It is found again by the bytes of its file, else by its pixels; a picture
//! that is neither is new, and may still be a copy of an earlier one ([`crate::copies`]).

use std::collections::HashSet;

use fusiform_face::geometry::BoundingBox;
use fusiform_face::image::{DateSource, Fingerprint, Orientation, Taken};
use fusiform_face::quality::Quality;
use fusiform_search::template::to_blob;
use rusqlite::{OptionalExtension, Transaction, params};

use crate::assertions::{boxed_row, relink_orphans};
use crate::copies::{Candidates, adopt};
use crate::ids::FaceId;
use crate::photo_record::{FaceRecord, ModelPair, PhotoRecord, Recorded};
use crate::picture::PictureKey;
use crate::same_face::same_face;

/// The column `quality`. The detector's score has a column of its own.
fn quality_blob(quality: &Quality) -> Vec<u8> {
    let Quality {
        overall,
        size,
        sharpness,
        exposure,
        pose,
        frontal,
        detector_score: _,
        recognisability,
    } = *quality;
    to_blob(&[
        overall,
        size,
        sharpness,
        exposure,
        frontal,
        pose.yaw_deg,
        pose.pitch_deg,
        pose.roll_deg,
        recognisability,
    ])
}

/// The photo whose picture a file of this content holds.
pub(crate) fn photo_of_content(t: &Transaction, hash: &[u8; 32]) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT photo FROM contents WHERE hash = ?1";
    t.prepare_cached(sql)?
        .query_row([&hash[..]], |row| row.get(0))
        .optional()
}

/// Lets content and pixels lead to a photo from now on.
pub(crate) fn set_fingerprint(
    t: &Transaction,
    key: &PictureKey,
    hash: &[u8; 32],
    photo: i64,
    fingerprint: Option<&Fingerprint>,
    orientation: Orientation,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO contents (hash, photo, orientation) VALUES (?1, ?2, ?3) \
               ON CONFLICT (hash) DO UPDATE SET orientation = ?3";
    t.prepare_cached(sql)?
        .execute(params![&hash[..], photo, orientation as u32])?;
    // Empty: there is none to be had.
    let mut sketch = Vec::new();
    if let Some(fingerprint) = fingerprint {
        let sql = "INSERT OR IGNORE INTO pictures (digest, photo) VALUES (?1, ?2)";
        let digest = key.digest(fingerprint);
        t.prepare_cached(sql)?
            .execute(params![&digest[..], photo])?;
        sketch.extend(key.sketch(&fingerprint.waves).to_bytes());
    }
    let sql = "UPDATE photos SET sketch = ?2 WHERE id = ?1 AND coalesce(length(sketch), 0) = 0";
    t.prepare_cached(sql)?.execute(params![photo, sketch])?;
    Ok(())
}

/// The photo that shows these pixels.
fn photo_of_picture(
    t: &Transaction,
    key: &PictureKey,
    record: &PhotoRecord,
) -> rusqlite::Result<Option<i64>> {
    let Some(fingerprint) = &record.fingerprint else {
        return Ok(None);
    };
    let sql = "SELECT p.photo FROM pictures p JOIN photos h ON h.id = p.photo \
               WHERE p.digest = ?1 AND h.width_px = ?2 AND h.height_px = ?3";
    let digest = key.digest(fingerprint);
    t.prepare_cached(sql)?
        .query_row(
            params![&digest[..], record.width_px, record.height_px],
            |row| row.get(0),
        )
        .optional()
}

/// Records an analysed photo; `known` is the photo of its content.
pub(crate) fn record_photo(
    t: &Transaction,
    key: &PictureKey,
    candidates: &mut Candidates,
    path: &[u8],
    hash: &[u8; 32],
    known: Option<i64>,
    record: &PhotoRecord,
) -> rusqlite::Result<(i64, Recorded)> {
    let (detector, embedder) = (&record.models.detector.0, record.models.embedder_name());
    let same = match known {
        Some(photo) => Some(photo),
        None => photo_of_picture(t, key, record)?,
    };
    let photo = match same {
        Some(photo) => {
            if known.is_none() {
                renew_date(t, photo, path, record.taken.as_ref())?;
            }
            photo
        }
        None => {
            let sql = "INSERT INTO photos (hash, width_px, height_px, taken_at, taken_from, \
                       taken_offset_min) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let taken = record.taken.as_ref();
            let row = params![
                &hash[..],
                record.width_px,
                record.height_px,
                taken.map(|taken| &taken.local),
                taken.map(|taken| taken.source.word()),
                taken.and_then(|taken| taken.offset_min)
            ];
            t.prepare_cached(sql)?.execute(row)?;
            t.last_insert_rowid()
        }
    };
    let fingerprint = record.fingerprint.as_ref();
    set_fingerprint(t, key, hash, photo, fingerprint, record.orientation)?;
    let recorded = match same {
        Some(_) => Recorded::KnownPicture,
        None => Recorded::NewPicture,
    };
    let sql = "SELECT EXISTS \
               (SELECT 1 FROM passes WHERE photo = ?1 AND detector = ?2 AND embedder = ?3)";
    let pass = params![photo, detector, embedder];
    // The second of two files of one picture in one batch.
    if t.prepare_cached(sql)?.query_row(pass, |row| row.get(0))? {
        return Ok((photo, recorded));
    }
    let sql = "SELECT EXISTS (SELECT 1 FROM faces WHERE photo = ?1)";
    let had_faces: bool = t
        .prepare_cached(sql)?
        .query_row([photo], |row| row.get(0))?;
    for (face, same) in record
        .faces
        .iter()
        .zip(recorded_faces(t, photo, &record.faces)?)
    {
        record_face(t, photo, same, face, &record.models)?;
    }
    relink_orphans(t, photo)?;
    if !had_faces {
        let replaced = unsketched_at(t, path, photo)?;
        adopt(t, key, candidates, photo, record, replaced)?;
    }
    // An erased face gets no template and no landmarks again.
    for sql in [
        "DELETE FROM templates WHERE face IN \
         (SELECT id FROM faces WHERE photo = ?1 AND excluded = 'erase')",
        "UPDATE faces SET landmarks = NULL WHERE photo = ?1 AND excluded = 'erase'",
    ] {
        t.prepare_cached(sql)?.execute([photo])?;
    }
    let sql = "INSERT INTO passes (photo, detector, embedder) VALUES (?1, ?2, ?3)";
    t.prepare_cached(sql)?
        .execute(params![photo, detector, embedder])?;
    // Faces or templates changed, so the grouping is out of date.
    t.prepare_cached("DELETE FROM state WHERE key = 'grouped'")?
        .execute([])?;
    Ok((photo, recorded))
}

/// The date of an edited file is the photo's, unless another file holds the picture too. The time
/// of an edited file is that of the edit, and no date.
fn renew_date(
    t: &Transaction,
    photo: i64,
    path: &[u8],
    taken: Option<&Taken>,
) -> rusqlite::Result<()> {
    let Some(taken) = taken.filter(|taken| taken.source != DateSource::FileTime) else {
        return Ok(());
    };
    let sql = "UPDATE photos SET taken_at = ?3, taken_from = ?4, taken_offset_min = ?5 \
               WHERE id = ?1 \
               AND NOT EXISTS (SELECT 1 FROM files WHERE photo = ?1 AND path != ?2)";
    let (local, source) = (&taken.local, taken.source.word());
    t.prepare_cached(sql)?
        .execute(params![photo, path, local, source, taken.offset_min])?;
    Ok(())
}

/// The photo that a path held until now, if no scan has made its sketch yet.
fn unsketched_at(t: &Transaction, path: &[u8], photo: i64) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT h.id FROM files f JOIN photos h ON h.id = f.photo \
               WHERE f.path = ?1 AND h.id != ?2 AND h.sketch IS NULL";
    t.prepare_cached(sql)?
        .query_row(params![path, photo], |row| row.get(0))
        .optional()
}

fn record_face(
    t: &Transaction,
    photo: i64,
    same: Option<FaceId>,
    face: &FaceRecord,
    models: &ModelPair,
) -> rusqlite::Result<()> {
    let BoundingBox {
        x_min,
        y_min,
        x_max,
        y_max,
    } = face.bbox;
    let landmarks = landmarks_blob(face);
    let sql = "INSERT INTO faces \
               (id, photo, detector, x_min, y_min, x_max, y_max, score, landmarks, quality, \
               overall) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
               ON CONFLICT (id) DO UPDATE SET detector = ?3, x_min = ?4, y_min = ?5, \
               x_max = ?6, y_max = ?7, score = ?8, landmarks = ?9, quality = ?10, overall = ?11";
    t.prepare_cached(sql)?.execute(params![
        same.map(|id| id.0),
        photo,
        models.detector.0,
        x_min,
        y_min,
        x_max,
        y_max,
        face.score,
        landmarks,
        quality_blob(&face.quality),
        face.quality.overall
    ])?;
    let id = same.map_or_else(|| t.last_insert_rowid(), |id| id.0);
    store_template(t, FaceId(id), face, models)
}

/// Stores the template of a face, which is assigned again: its box and template may have changed.
fn store_template(
    t: &Transaction,
    id: FaceId,
    face: &FaceRecord,
    models: &ModelPair,
) -> rusqlite::Result<()> {
    for sql in [
        "DELETE FROM face_cells WHERE face = ?1",
        "INSERT OR IGNORE INTO ungrouped (face) VALUES (?1)",
    ] {
        t.prepare_cached(sql)?.execute([id.0])?;
    }
    if let (Some(vector), Some(model)) = (&face.vector, &models.embedder) {
        let sql = "INSERT OR REPLACE INTO templates (face, model, vector, quality) \
                   VALUES (?1, ?2, ?3, ?4)";
        let row = params![id.0, model.0, to_blob(vector), face.quality.overall];
        t.prepare_cached(sql)?.execute(row)?;
    }
    Ok(())
}

/// Stores what the networks make of a face that a human drew; its box stays.
pub(crate) fn store_description(
    t: &Transaction,
    id: FaceId,
    face: &FaceRecord,
    models: &ModelPair,
) -> rusqlite::Result<()> {
    let sql = "UPDATE faces SET score = ?2, landmarks = ?3, quality = ?4, overall = ?5 \
               WHERE id = ?1";
    t.prepare_cached(sql)?.execute(params![
        id.0,
        face.score,
        landmarks_blob(face),
        quality_blob(&face.quality),
        face.quality.overall
    ])?;
    store_template(t, id, face, models)
}

/// The column `landmarks`.
fn landmarks_blob(face: &FaceRecord) -> Option<Vec<u8>> {
    let points = face.landmarks.as_ref().map(|l| l.as_array());
    points.map(|points| to_blob(points.map(|p| [p.x, p.y]).as_flattened()))
}

/// For each new face the recorded face that it shows. Pairs are taken by falling IoU; a face is in
/// one pair at most.
fn recorded_faces(
    t: &Transaction,
    photo: i64,
    faces: &[FaceRecord],
) -> rusqlite::Result<Vec<Option<FaceId>>> {
    let sql = "SELECT id, x_min, y_min, x_max, y_max FROM faces WHERE photo = ?1 ORDER BY id";
    let recorded: Vec<(i64, BoundingBox)> = t
        .prepare_cached(sql)?
        .query_map([photo], boxed_row)?
        .collect::<rusqlite::Result<_>>()?;
    let mut pairs = Vec::new();
    for (index, face) in faces.iter().enumerate() {
        for (id, bbox) in &recorded {
            pairs.extend(same_face(bbox, &face.bbox).map(|iou| (iou, index, FaceId(*id))));
        }
    }
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
    let mut same = vec![None; faces.len()];
    let mut taken = HashSet::new();
    for (_, index, id) in pairs {
        if same[index].is_none() && taken.insert(id) {
            same[index] = Some(id);
        }
    }
    Ok(same)
}

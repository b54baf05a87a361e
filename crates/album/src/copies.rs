//! Copies of a picture: re-saved, resized or turned. In: a photo that was just recorded. Out: the
//! decisions about the same faces of an earlier copy, made its own.
//!
//! A copy has a near sketch, and its faces lie at the same places of the picture and are far more
//! alike than two photos of one person. A decision about a face is one about all its copies; so a
//! photo that replaced another by a smaller one keeps its names, and what was erased stays erased.

use fusiform_face::geometry::BoundingBox;
use fusiform_face::image::Orientation;
use fusiform_search::template::{from_blob, similarity};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::assertions::{assign_as_asserted, boxed_row, insert_drawn_face};
use crate::ids::FaceId;
use crate::photo_record::PhotoRecord;
use crate::picture::{PictureKey, Sketch};
use crate::regions::RelativeBox;
use crate::same_face::same_face;

/// Least similarity of a face and its copy; two photos of one person seldom have it. Of a face in
/// which nobody can be recognised it says nothing.
const MIN_SIMILARITY: f32 = 0.6;
/// Least overlap (IoU) of a face and its copy.
const MIN_IOU: f32 = 0.5;
/// The same where no sketch tells that the pictures are alike, but only their place on the disk.
const MIN_SIMILARITY_BY_PATH: f32 = 0.9;
const MIN_IOU_BY_PATH: f32 = 0.8;

/// An earlier photo with faces.
struct Candidate {
    photo: i64,
    size_px: (u32, u32),
    sketch: Option<Sketch>,
}

/// The earlier photos, read once for each batch of a scan. Whether something was decided about them
/// does not matter: it may be later, while the copy is there and they are not.
#[derive(Default)]
pub(crate) struct Candidates(Option<Vec<Candidate>>);

const CANDIDATES: &str = "SELECT h.id, h.width_px, h.height_px, h.sketch FROM photos h \
     WHERE length(h.sketch) > 0 AND (EXISTS (SELECT 1 FROM faces f WHERE f.photo = h.id) \
     OR EXISTS (SELECT 1 FROM assertions a WHERE a.hash = h.hash))";

fn candidate(row: &Row) -> rusqlite::Result<Candidate> {
    let sketch: Option<Vec<u8>> = row.get(3)?;
    Ok(Candidate {
        photo: row.get(0)?,
        size_px: (row.get(1)?, row.get(2)?),
        sketch: sketch.and_then(|bytes| Sketch::from_bytes(&bytes)),
    })
}

impl Candidates {
    /// Takes in what this batch has recorded of a photo, so that it does not matter where batches
    /// end.
    pub(crate) fn renew(&mut self, t: &Transaction, photo: i64) -> rusqlite::Result<()> {
        let Some(read) = &mut self.0 else {
            return Ok(());
        };
        let mut query = t.prepare_cached(&format!("{CANDIDATES} AND h.id = ?1"))?;
        let now = query.query_row([photo], candidate).optional()?;
        let at = read.binary_search_by_key(&photo, |c| c.photo);
        match (at, now) {
            (Ok(at), Some(now)) => read[at] = now,
            (Err(at), Some(now)) => read.insert(at, now),
            (Ok(at), None) => drop(read.remove(at)),
            (Err(_), None) => {}
        }
        Ok(())
    }

    fn get(&mut self, t: &Transaction) -> rusqlite::Result<&[Candidate]> {
        if self.0.is_none() {
            let mut query = t.prepare_cached(&format!("{CANDIDATES} ORDER BY h.id"))?;
            let found = query.query_map([], candidate)?;
            self.0 = Some(found.collect::<rusqlite::Result<_>>()?);
        }
        Ok(self.0.as_deref().unwrap_or_default())
    }
}

/// How much of an earlier photo must be found again in a copy.
struct Likeness {
    min_similarity: f32,
    min_iou: f32,
    /// Whether some face must be found again.
    needs_a_face: bool,
}

/// A face of an earlier photo, in its pixels.
struct EarlierFace {
    /// `None` if the face was pruned, and only assertions about it are left.
    id: Option<i64>,
    /// Those assertions.
    orphans: Vec<i64>,
    bbox: BoundingBox,
    /// `None` if there is none by which somebody could be recognised.
    vector: Option<Vec<f32>>,
    excluded: bool,
    /// The first of its copies.
    first: Option<i64>,
}

/// Takes over the decisions about an earlier copy of this photo, if there is one.
///
/// `replaced` is the photo that the same path held before, if no scan has made its sketch yet.
pub(crate) fn adopt(
    t: &Transaction,
    key: &PictureKey,
    candidates: &mut Candidates,
    photo: i64,
    record: &PhotoRecord,
    replaced: Option<i64>,
) -> rusqlite::Result<()> {
    let mut near: Vec<(u32, i64, Orientation, (u32, u32))> = Vec::new();
    if let Some(fingerprint) = &record.fingerprint {
        let turned = key.turned_sketches(&fingerprint.waves);
        for other in candidates.get(t)?.iter().filter(|c| c.photo != photo) {
            let Some(sketch) = &other.sketch else {
                continue;
            };
            let best = turned
                .iter()
                .filter_map(|(o, s)| Some((s.distance(sketch)?, *o)));
            let best = best.min_by_key(|(distance, o)| (*distance, *o as u32));
            near.extend(best.map(|(distance, o)| (distance, other.photo, o, other.size_px)));
        }
    }
    near.sort_by_key(|(distance, other, ..)| (*distance, *other));
    for (_, other, orientation, size_px) in near {
        let likeness = Likeness {
            min_similarity: MIN_SIMILARITY,
            min_iou: MIN_IOU,
            needs_a_face: false,
        };
        let earlier = earlier_faces(t, other, record)?;
        if earlier.is_empty() {
            continue;
        }
        if let Some(pairs) = paired(&earlier, size_px, record, orientation, &likeness) {
            link(t, photo, other, orientation)?;
            return take_over(t, photo, record, &earlier, &pairs, size_px, orientation);
        }
    }
    let Some(replaced) = replaced else {
        return Ok(());
    };
    let sql = "SELECT id, width_px, height_px, sketch FROM photos WHERE id = ?1";
    let other = t.prepare_cached(sql)?.query_row([replaced], candidate)?;
    let likeness = Likeness {
        min_similarity: MIN_SIMILARITY_BY_PATH,
        min_iou: MIN_IOU_BY_PATH,
        needs_a_face: true,
    };
    let upright = Orientation::Upright;
    let earlier = earlier_faces(t, replaced, record)?;
    if other.size_px == (record.width_px, record.height_px)
        && let Some(pairs) = paired(&earlier, other.size_px, record, upright, &likeness)
    {
        link(t, photo, replaced, upright)?;
        take_over(t, photo, record, &earlier, &pairs, other.size_px, upright)?;
    }
    Ok(())
}

/// Notes that a photo is a copy of an earlier one.
fn link(t: &Transaction, photo: i64, earlier: i64, o: Orientation) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO photo_copies (photo, copy_of, orientation) \
               VALUES (?1, ?2, ?3)";
    t.prepare_cached(sql)?
        .execute(params![photo, earlier, o as u32])?;
    Ok(())
}

/// A place of a photo in all of its copies, themselves excluded, in their pixels.
pub(crate) fn place_in_copies(
    t: &Transaction,
    photo: i64,
    bbox: &BoundingBox,
) -> rusqlite::Result<Vec<(i64, BoundingBox)>> {
    let size = |photo: i64| {
        let sql = "SELECT width_px, height_px FROM photos WHERE id = ?1";
        t.prepare_cached(sql)?
            .query_row([photo], |row| Ok((row.get(0)?, row.get(1)?)))
    };
    let (width, height) = size(photo)?;
    let mut found = vec![(photo, RelativeBox::from_pixels(bbox, width, height))];
    let mut at = 0;
    while let Some((photo, place)) = found.get(at).copied() {
        at += 1;
        let sql = "SELECT copy_of, orientation, 1 FROM photo_copies WHERE photo = ?1 \
                   UNION ALL SELECT photo, orientation, 0 FROM photo_copies WHERE copy_of = ?1";
        let links: Vec<(i64, u32, bool)> = t
            .prepare_cached(sql)?
            .query_map([photo], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<rusqlite::Result<_>>()?;
        for (other, orientation, is_earlier) in links {
            let orientation = Orientation::from_exif(orientation).unwrap_or_default();
            if found.iter().all(|(known, _)| *known != other) {
                let place = match is_earlier {
                    true => place.upright(orientation),
                    false => place.stored(orientation),
                };
                found.push((other, place));
            }
        }
    }
    let copies = found.into_iter().skip(1);
    copies
        .map(|(photo, place)| {
            let (width, height) = size(photo)?;
            Ok((photo, place.to_pixels(width, height)))
        })
        .collect()
}

fn earlier_faces(
    t: &Transaction,
    photo: i64,
    record: &PhotoRecord,
) -> rusqlite::Result<Vec<EarlierFace>> {
    let sql = "SELECT f.id, f.x_min, f.y_min, f.x_max, f.y_max, t.vector, f.excluded IS NOT NULL, \
               coalesce(f.copy_of, f.id) FROM faces f \
               LEFT JOIN templates t ON t.face = f.id AND t.model = ?2 AND t.quality > 0 \
               WHERE f.photo = ?1 ORDER BY f.id";
    let row = |row: &Row| {
        Ok(EarlierFace {
            id: row.get(0)?,
            orphans: Vec::new(),
            bbox: BoundingBox {
                x_min: row.get(1)?,
                y_min: row.get(2)?,
                x_max: row.get(3)?,
                y_max: row.get(4)?,
            },
            vector: row.get::<_, Option<Vec<u8>>>(5)?.map(|v| from_blob(&v)),
            excluded: row.get(6)?,
            first: row.get(7)?,
        })
    };
    let model = record.models.embedder.as_ref().map_or("", |id| &id.0);
    let mut query = t.prepare_cached(sql)?;
    let found = query.query_map(params![photo, model], row)?;
    let mut faces: Vec<EarlierFace> = found.collect::<rusqlite::Result<_>>()?;
    let sql = "SELECT id, x_min, y_min, x_max, y_max FROM assertions WHERE face IS NULL \
               AND hash = (SELECT hash FROM photos WHERE id = ?1) ORDER BY id";
    let orphans: Vec<(i64, BoundingBox)> = t
        .prepare_cached(sql)?
        .query_map([photo], boxed_row)?
        .collect::<rusqlite::Result<_>>()?;
    for (assertion, bbox) in orphans {
        let mut pruned = faces.iter_mut().filter(|f| f.id.is_none());
        match pruned.find(|f| same_face(&f.bbox, &bbox).is_some()) {
            Some(face) => face.orphans.push(assertion),
            None => faces.push(EarlierFace {
                id: None,
                orphans: vec![assertion],
                bbox,
                vector: None,
                excluded: false,
                first: None,
            }),
        }
    }
    Ok(faces)
}

/// For each earlier face the index of the same face in the record; `None` if the record is no copy.
///
/// `orientation` turns the record's picture into the earlier one.
fn paired(
    earlier: &[EarlierFace],
    earlier_px: (u32, u32),
    record: &PhotoRecord,
    orientation: Orientation,
    likeness: &Likeness,
) -> Option<Vec<Option<usize>>> {
    let (width, height) = earlier_px;
    let mut places: Vec<Option<BoundingBox>> = record
        .faces
        .iter()
        .map(|face| {
            let here = RelativeBox::from_pixels(&face.bbox, record.width_px, record.height_px);
            Some(here.upright(orientation).to_pixels(width, height))
        })
        .collect();
    let mut pairs = Vec::with_capacity(earlier.len());
    let mut n_alike = 0;
    for face in earlier {
        let overlaps = places.iter().enumerate().filter_map(|(index, place)| {
            let iou = place.as_ref()?.iou(&face.bbox);
            (iou >= likeness.min_iou).then_some((iou, index))
        });
        let best = overlaps.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let pair = best.map(|(_, index)| index);
        if let Some(index) = pair {
            places[index] = None;
            let here = &record.faces[index];
            let clear = here.vector.as_ref().filter(|_| here.quality.overall > 0.0);
            let both = face.vector.as_ref().zip(clear);
            let alike = both.is_none_or(|(a, b)| {
                a.len() == b.len() && similarity(a, b).0 >= likeness.min_similarity
            });
            // Somebody else stands there: it is another picture.
            if !alike && !face.excluded {
                return None;
            }
            n_alike += usize::from(alike);
        } else if likeness.needs_a_face {
            return None;
        }
        pairs.push(pair);
    }
    (n_alike > 0 || !likeness.needs_a_face).then_some(pairs)
}

/// Makes the faces of `photo` copies of the earlier ones. A face that the detector does not find
/// any more is drawn where it was, if something was decided about it.
fn take_over(
    t: &Transaction,
    photo: i64,
    record: &PhotoRecord,
    earlier: &[EarlierFace],
    pairs: &[Option<usize>],
    earlier_px: (u32, u32),
    orientation: Orientation,
) -> rusqlite::Result<()> {
    let sql = "SELECT id, x_min, y_min, x_max, y_max FROM faces WHERE photo = ?1 ORDER BY id";
    let here: Vec<(i64, BoundingBox)> = t
        .prepare_cached(sql)?
        .query_map([photo], boxed_row)?
        .collect::<rusqlite::Result<_>>()?;
    let mut taken = Vec::new();
    for (face, pair) in earlier.iter().zip(pairs) {
        let found = pair.and_then(|index| {
            let bbox = record.faces[index].bbox;
            here.iter().find(|(_, other)| *other == bbox)
        });
        let copy = match found {
            Some((id, _)) => *id,
            None => {
                let sql = "SELECT EXISTS (SELECT 1 FROM assertions WHERE face = ?1)";
                let decided: bool = t
                    .prepare_cached(sql)?
                    .query_row([face.id], |row| row.get(0))?;
                if !decided && face.orphans.is_empty() {
                    continue;
                }
                let there = RelativeBox::from_pixels(&face.bbox, earlier_px.0, earlier_px.1);
                let place = there.stored(orientation);
                let bbox = place.to_pixels(record.width_px, record.height_px);
                insert_drawn_face(t, photo, &bbox)?.0
            }
        };
        t.prepare_cached("UPDATE faces SET copy_of = ?2 WHERE id = ?1")?
            .execute(params![copy, face.first])?;
        let sql = "INSERT INTO assertions (decision, hash, x_min, y_min, x_max, y_max, face, kind, \
                   person) SELECT a.decision, h.hash, f.x_min, f.y_min, f.x_max, f.y_max, f.id, \
                   a.kind, a.person FROM assertions a JOIN faces f ON f.id = ?2 \
                   JOIN photos h ON h.id = f.photo WHERE (a.face = ?1 OR a.id = ?3) \
                   AND a.kind != 'asked' AND NOT EXISTS \
                   (SELECT 1 FROM assertions b WHERE b.face = ?2 \
                   AND b.decision = a.decision AND b.kind = a.kind) ORDER BY a.id";
        let mut query = t.prepare_cached(sql)?;
        if face.id.is_some() {
            query.execute(params![face.id, copy, None::<i64>])?;
        }
        for orphan in &face.orphans {
            query.execute(params![None::<i64>, copy, orphan])?;
        }
        taken.push(FaceId(copy));
    }
    assign_as_asserted(t, &taken)
}

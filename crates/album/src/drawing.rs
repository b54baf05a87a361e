//! Faces that a human drew, and the face that a human chose to stand for a person. In: a box on a
//! photo, what the networks make of it, a name. Out: a face like any other, kept as a decision.
//! Knows nothing of networks.

use fusiform_face::geometry::{BoundingBox, Size};
use fusiform_search::template::ModelId;
use rusqlite::{Row, Transaction};

use crate::assertions::{
    Assertion, boxed_row, check_faces, insert_assertion, insert_drawn_face, insert_for_one,
    invalidate_grouping, person_of,
};
use crate::database::Album;
use crate::decisions::insert_decision;
use crate::edit::{assign, note_new_name, person_for, valid_name};
use crate::error::Error;
use crate::face_at::{draw_in_copies, face_by_box};
use crate::ids::{FaceId, PersonId, PhotoId};
use crate::person_stats;
use crate::photo_record::{FaceRecord, ModelPair};
use crate::record_photo::store_description;

/// A smaller box is a slip of the hand.
const MIN_SIDE_PX: f32 = 4.0;

/// A face that was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrawnFace {
    /// The face.
    pub face: FaceId,
    /// The person it was said to be.
    pub person: Option<PersonId>,
    /// Whose it was before, if the box showed a known face of somebody else.
    pub was: Option<PersonId>,
    /// Whether the box showed no face that is known; else that one was taken.
    pub is_new: bool,
    /// Whether nobody can be recognised in it: it is kept, and like no other face.
    pub is_unclear: bool,
}

/// A face without a template.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UndescribedFace {
    /// The face.
    pub face: FaceId,
    /// Its photo.
    pub photo: PhotoId,
    /// In pixels of the upright photo.
    pub bbox: BoundingBox,
}

impl Album {
    /// Adds a face that a human drew, and says who it is if they did. Where the box shows a face
    /// that is known, that one is taken.
    ///
    /// `found` is what the networks make of the box; `None` if the photo cannot be read now.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for a box without extent or outside the photo, for a face that was
    /// erased, and for a known face without a name to give; [`Error::NoSuchPhoto`],
    /// [`Error::BadName`]; [`Error::Sqlite`].
    pub fn draw_face(
        &mut self,
        photo: PhotoId,
        bbox: BoundingBox,
        found: Option<(&FaceRecord, &ModelPair)>,
        name: Option<&str>,
    ) -> Result<DrawnFace, Error> {
        let view = self.photo(photo)?;
        let bbox = within(&bbox, view.width_px, view.height_px)?;
        let name = name.map(valid_name).transpose()?;
        let actor = self.actor().to_owned();
        self.try_transaction(|t| {
            let known = face_by_box(t, photo, &bbox)?;
            if let Some(face) = known {
                check_faces(t, &[face])?;
            }
            if let (Some(face), None) = (known, &name) {
                let what = format!("face {face} is there already; give it a name, or draw another");
                return Err(Error::InvalidRequest(what).into());
            }
            let named = match &name {
                Some(name) => Some(person_for(t, name)?),
                None => None,
            };
            let person = named.map(|(person, _)| person);
            let was = known.map(|face| person_of(t, face)).transpose()?.flatten();
            let (face, decision) = match (known, person) {
                (Some(face), Some(person)) => (face, assign(t, &actor, &[face], person)?),
                _ => draw(t, &actor, (photo, &bbox), found, person)?,
            };
            if let (Some(name), Some((_, true))) = (&name, named) {
                note_new_name(t, decision, name)?;
            }
            Ok(DrawnFace {
                face,
                person,
                was: was.filter(|was| Some(*was) != person),
                is_new: known.is_none(),
                is_unclear: is_unclear(t, face)?,
            })
        })
    }

    /// Faces that were drawn and that this model has not described yet, photo by photo.
    ///
    /// # Errors
    /// [`Error::Sqlite`].
    pub fn undescribed_faces(&self, model: &ModelId) -> Result<Vec<UndescribedFace>, Error> {
        let sql = "SELECT f.id, f.x_min, f.y_min, f.x_max, f.y_max, f.photo FROM faces f \
                   JOIN photos h ON h.id = f.photo AND h.gone = 0 \
                   WHERE f.detector = 'human' AND f.excluded IS NOT 'erase' AND NOT EXISTS \
                   (SELECT 1 FROM templates t WHERE t.face = f.id AND t.model = ?1) \
                   ORDER BY f.photo, f.id";
        let row = |row: &Row| {
            let (face, bbox) = boxed_row(row)?;
            Ok(UndescribedFace {
                face: FaceId(face),
                photo: PhotoId(row.get(5)?),
                bbox,
            })
        };
        self.query_rows(sql, [&model.0], row)
    }

    /// Stores what the networks make of a face that was drawn: points, quality and template. Its
    /// box stays as it was drawn.
    ///
    /// # Errors
    /// [`Error::NoSuchFace`]; [`Error::Sqlite`].
    pub fn describe_face(
        &mut self,
        face: FaceId,
        found: &FaceRecord,
        models: &ModelPair,
    ) -> Result<(), Error> {
        self.face(face)?;
        self.transaction(|t| {
            store_description(t, face, found, models)?;
            invalidate_grouping(t)
        })
    }

    /// Lets a face stand for its person in lists; gives the person.
    ///
    /// # Errors
    /// [`Error::NoSuchFace`], [`Error::InvalidRequest`] for a face of nobody; [`Error::Sqlite`].
    pub fn choose_cover(&mut self, face: FaceId) -> Result<PersonId, Error> {
        let Some(person) = self.face(face)?.person else {
            let what = format!("face {face} is nobody's; say first who it is");
            return Err(Error::InvalidRequest(what));
        };
        let actor = self.actor().to_owned();
        self.transaction(|t| {
            let decision = insert_decision(t, &actor, "cover", Some(person), None)?;
            insert_for_one(t, decision, face, Assertion::Cover(person))?;
            person_stats::refresh(t, &[person])
        })?;
        Ok(person)
    }
}

/// Adds the face and the decision that it was drawn; gives both.
fn draw(
    t: &Transaction,
    actor: &str,
    (photo, bbox): (PhotoId, &BoundingBox),
    found: Option<(&FaceRecord, &ModelPair)>,
    person: Option<PersonId>,
) -> rusqlite::Result<(FaceId, i64)> {
    let decision = insert_decision(t, actor, "draw", person, None)?;
    let face = insert_drawn_face(t, photo.0, bbox)?;
    if let Some((found, models)) = found {
        store_description(t, face, found, models)?;
    }
    insert_for_one(t, decision, face, Assertion::Drawn)?;
    for copy in draw_in_copies(t, face, photo, bbox)? {
        insert_for_one(t, decision, copy, Assertion::Drawn)?;
    }
    if let Some(person) = person {
        insert_assertion(t, decision, face, Assertion::Is(person))?;
        person_stats::refresh(t, &[person])?;
    }
    invalidate_grouping(t)?;
    Ok((face, decision))
}

/// The box as far as it lies in the photo.
fn within(bbox: &BoundingBox, width_px: u32, height_px: u32) -> Result<BoundingBox, Error> {
    let clipped = bbox.clipped(Size {
        width_px,
        height_px,
    });
    let is_box = bbox.as_array().iter().all(|side| side.is_finite())
        && clipped.width() >= MIN_SIDE_PX
        && clipped.height() >= MIN_SIDE_PX;
    match is_box {
        true => Ok(clipped),
        false => Err(Error::InvalidRequest(format!(
            "the box {:.0},{:.0} {:.0}x{:.0} holds nothing of the photo, which has \
             {width_px}x{height_px} px; draw it around the face, at least {MIN_SIDE_PX} px a side",
            bbox.x_min,
            bbox.y_min,
            bbox.width(),
            bbox.height()
        ))),
    }
}

fn is_unclear(t: &Transaction, face: FaceId) -> rusqlite::Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT 1 FROM templates WHERE face = ?1 AND quality > 0)";
    t.query_row(sql, [face.0], |row| row.get(0))
}

/// Deletes a face that was drawn, once its drawing was undone and nothing else is decided about it.
pub(crate) fn erase_drawing(t: &Transaction, face: FaceId) -> rusqlite::Result<()> {
    let sql = "SELECT EXISTS (SELECT 1 FROM faces WHERE id = ?1 AND detector = 'human') \
               AND NOT EXISTS (SELECT 1 FROM assertions a JOIN decisions d ON d.id = a.decision \
               WHERE a.face = ?1 AND d.undone = 0)";
    if !t.query_row(sql, [face.0], |row| row.get::<_, bool>(0))? {
        return Ok(());
    }
    for sql in [
        // Of a face that is none any more nothing is left in videos either.
        "UPDATE videos SET look = NULL WHERE id IN \
         (SELECT video FROM appearances WHERE face = ?1)",
        "DELETE FROM appearances WHERE face = ?1",
        "DELETE FROM members WHERE face = ?1",
        "DELETE FROM templates WHERE face = ?1",
        "DELETE FROM faces WHERE id = ?1",
    ] {
        t.execute(sql, [face.0])?;
    }
    Ok(())
}

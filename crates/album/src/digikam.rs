//! Confirmed faces in digiKam's database. In: `digikam4.db`. Out: names and boxes by path. The file
//! is only read. Knows nothing of albums of ours.
//!
//! Boxes are in pixels of the upright photo. What digiKam only suggests is not taken.
//!
//! Source: digiKam's schema, version 8 to 16 (tables `AlbumRoots`, `Albums`, `Images`, `Tags`,
//! `TagProperties`, `ImageTagProperties`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fusiform_face::geometry::BoundingBox;
use rusqlite::{Connection, OpenFlags};

use crate::error::Error;

/// Most faces that are read.
const MAX_FACES: usize = 5_000_000;

/// A face that a human has confirmed in digiKam.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedFace {
    /// The photo's path below the root of its collection.
    pub path: PathBuf,
    /// The person.
    pub name: String,
    /// In pixels of the upright photo.
    pub bbox: BoundingBox,
}

/// What a database of digiKam holds of people.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Faces {
    /// Confirmed faces.
    pub faces: Vec<NamedFace>,
    /// What was not taken, in words, and how often.
    pub left_out: BTreeMap<String, usize>,
}

/// Reads the confirmed faces.
///
/// # Errors
/// [`Error::Sqlite`] or [`Error::NotAnAlbum`] for a file that is no database of digiKam.
pub fn read(file: &Path) -> Result<Faces, Error> {
    let sqlite = |e| match Error::sqlite(file, e) {
        Error::NotAnAlbum { file, what } => Error::NotDigikam { file, what },
        Error::Sqlite { file, source } => Error::NotDigikam {
            file,
            what: source.to_string(),
        },
        other => other,
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(file, flags).map_err(sqlite)?;
    let sql = "SELECT coalesce(r.specificPath, ''), coalesce(r.identifier, ''), a.relativePath, \
               i.name, t.name, p.property, p.value, EXISTS (SELECT 1 FROM TagProperties q \
               WHERE q.tagid = t.id AND q.property IN \
               ('unknownPerson', 'unconfirmedPerson', 'ignoredPerson')) \
               FROM ImageTagProperties p JOIN Tags t ON t.id = p.tagid \
               JOIN Images i ON i.id = p.imageid JOIN Albums a ON a.id = i.album \
               JOIN AlbumRoots r ON r.id = a.albumRoot \
               WHERE p.property IN ('tagRegion', 'autodetectedPerson', 'autodetectedFace', \
               'ignoredFace') AND i.status = 1 ORDER BY i.id, t.id, p.value";
    let mut query = db.prepare(sql).map_err(sqlite)?;
    let mut rows = query.query([]).map_err(sqlite)?;
    let mut found = Faces::default();
    while let Some(row) = rows.next().map_err(sqlite)? {
        let text = |column| row.get::<_, String>(column).map_err(sqlite);
        let is_nobody: bool = row.get(7).map_err(sqlite)?;
        let name = text(4)?;
        let property = text(5)?;
        let rest = match &*property {
            "tagRegion" if !is_nobody => None,
            "tagRegion" | "autodetectedFace" => Some("faces that nobody has named"),
            "autodetectedPerson" => Some("suggestions that nobody has confirmed"),
            _ => Some("ignored faces"),
        };
        let bbox = rect(&text(6)?);
        let what = rest.or(bbox.is_none().then_some("faces without a rectangle"));
        match (what, bbox) {
            (None, Some(bbox)) if found.faces.len() < MAX_FACES => {
                let below = |part: &str| part.trim_matches('/').to_owned();
                // Of a collection on a volume its folder there is part of the path as well.
                let parts = [below(&text(0)?), below(&text(2)?), text(3)?];
                let path = parts.iter().filter(|part| !part.is_empty()).collect();
                found.faces.push(NamedFace { path, name, bbox });
            }
            (what, _) => {
                let what = what.unwrap_or("faces beyond the limit").to_owned();
                *found.left_out.entry(what).or_default() += 1;
            }
        }
    }
    Ok(found)
}

/// `<rect x="100" y="80" width="200" height="160"/>`
fn rect(value: &str) -> Option<BoundingBox> {
    let side = |name: &str| -> Option<f32> {
        let after = value.split_once(&format!(" {name}=\""))?.1;
        let number: f32 = after.split_once('"')?.0.trim().parse().ok()?;
        number.is_finite().then_some(number)
    };
    let (x, y, width, height) = (side("x")?, side("y")?, side("width")?, side("height")?);
    (width > 0.0 && height > 0.0).then_some(BoundingBox {
        x_min: x,
        y_min: y,
        x_max: x + width,
        y_max: y + height,
    })
}

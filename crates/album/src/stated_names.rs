//! Names that other programs state of a photo without a place. In: names by photo. Out: questions,
//! "is this face that person?", and nothing that is taken for true by itself.
//!
//! A name is asked about where nobody in the photo has it yet, of the face or group that is
//! likeliest meant: the one that is in most photos of which the same name is stated, then the
//! clearest and largest. After a "no" the next one is asked about.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Transaction, params};

use crate::assertions::{Assertions, invalidate_grouping};
use crate::database::Album;
use crate::edit::valid_name;
use crate::error::Error;
use crate::ids::{FaceId, PersonId, PhotoId};
use crate::names::{is_same_name, name_key};
use crate::question_id::Subject;

/// What files say of who is in one photo, without a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedNames {
    /// The photo.
    pub photo: PhotoId,
    /// All such names; those of an earlier import that are not among them are forgotten.
    pub names: Vec<StatedName>,
}

/// One such name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedName {
    /// The name.
    pub name: String,
    /// What states it, as a question says it: `a sidecar`.
    pub source: String,
}

impl Album {
    /// Keeps what files state of who is in photos, for the review to ask about; gives for how many
    /// of them there is something to ask.
    ///
    /// A photo with an erased face is not asked about: whose name it was is not known any more.
    ///
    /// # Errors
    /// [`Error`]; then nothing has changed.
    pub fn state_names(&mut self, stated: &[StatedNames]) -> Result<usize, Error> {
        self.transaction(|t| {
            let mut has_changed = false;
            let mut asked = BTreeSet::new();
            for of_photo in stated {
                let photo = of_photo.photo.0;
                let sql = "SELECT EXISTS (SELECT 1 FROM faces WHERE photo = ?1 \
                           AND excluded = 'erase')";
                let erased: bool = t
                    .prepare_cached(sql)?
                    .query_row([photo], |row| row.get(0))?;
                let mut wanted: BTreeMap<String, &str> = BTreeMap::new();
                for StatedName { name, source } in of_photo.names.iter().filter(|_| !erased) {
                    let Ok(name) = valid_name(name) else { continue };
                    let is_known = wanted.keys().any(|known| is_same_name(known, &name));
                    if !is_known {
                        wanted.insert(name, source);
                    }
                }
                let sql = "SELECT name, source FROM stated_names WHERE photo = ?1";
                let known: BTreeMap<String, String> = t
                    .prepare_cached(sql)?
                    .query_map([photo], |row| Ok((row.get(0)?, row.get(1)?)))?
                    .collect::<rusqlite::Result<_>>()?;
                let same = known.iter().map(|(n, s)| (n, &**s));
                if !same.eq(wanted.iter().map(|(n, s)| (n, *s))) {
                    has_changed = true;
                    t.prepare_cached("DELETE FROM stated_names WHERE photo = ?1")?
                        .execute([photo])?;
                    let sql = "INSERT INTO stated_names (photo, name, source) VALUES (?1, ?2, ?3)";
                    for (name, source) in &wanted {
                        t.prepare_cached(sql)?
                            .execute(params![photo, name, source])?;
                    }
                }
                asked.insert(photo);
            }
            if has_changed {
                invalidate_grouping(t)?;
            }
            let asked_about = likely(t, &Assertions::load(t)?)?;
            let photos = asked_about.iter().flat_map(|s| &s.photos);
            Ok(photos
                .filter(|photo| asked.contains(*photo))
                .collect::<BTreeSet<_>>()
                .len())
        })
    }
}

/// Who is likeliest meant by a name that a file states.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stated {
    pub(crate) subject: Subject,
    /// The person who has the name.
    pub(crate) candidate: Option<PersonId>,
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) faces: Vec<i64>,
    /// Chance that the subject is meant, if every unnamed one of a photo is meant as likely.
    pub(crate) share: f32,
    /// How much of photos its faces take, added up.
    pub(crate) prominence: f32,
    /// Photos of which the name is stated and in which the subject is.
    pub(crate) photos: Vec<i64>,
}

/// One photo and one name that is stated of it and that nobody in it has.
struct Claim {
    photo: i64,
    name: String,
    source: String,
    /// Who may be meant.
    subjects: Vec<Subject>,
}

/// A face of a photo of which names are stated.
struct Face {
    id: i64,
    person: Option<i64>,
    name_key: Option<String>,
    is_clear: bool,
    area: f64,
}

/// For each name that is stated of a photo and that nobody in it has, the likeliest face or group.
pub(crate) fn likely(t: &Transaction, said: &Assertions) -> rusqlite::Result<Vec<Stated>> {
    let named = people_by_name(t)?;
    let (claims, rank) = claims(t, said, &named)?;
    // In how many photos of one name each subject is.
    let mut together: BTreeMap<(String, Subject), usize> = BTreeMap::new();
    for claim in &claims {
        for subject in &claim.subjects {
            *together
                .entry((name_key(&claim.name), *subject))
                .or_default() += 1;
        }
    }
    let mut pairs = Vec::new();
    for (at, claim) in claims.iter().enumerate() {
        for subject in &claim.subjects {
            let n_photos = together[&(name_key(&claim.name), *subject)];
            let (is_clear, area) = rank[subject];
            pairs.push((n_photos, is_clear, area, at, *subject));
        }
    }
    pairs.sort_by(|a, b| {
        let by_rank = (b.0, b.1).cmp(&(a.0, a.1)).then(b.2.total_cmp(&a.2));
        by_rank.then((a.3, a.4).cmp(&(b.3, b.4)))
    });
    // A photo's names are of as many people: each subject is asked about for one of them.
    let mut taken: BTreeSet<(i64, Subject)> = BTreeSet::new();
    let mut chosen: BTreeMap<usize, Subject> = BTreeMap::new();
    for (_, _, _, at, subject) in pairs {
        if !chosen.contains_key(&at) && taken.insert((claims[at].photo, subject)) {
            chosen.insert(at, subject);
        }
    }
    let mut found: BTreeMap<(String, Subject), Stated> = BTreeMap::new();
    for (at, subject) in chosen {
        let claim = &claims[at];
        let key = (name_key(&claim.name), subject);
        let other = 1.0 - 1.0 / claim.subjects.len() as f32;
        if let Some(stated) = found.get_mut(&key) {
            stated.share = 1.0 - (1.0 - stated.share) * other;
            stated.photos.push(claim.photo);
            continue;
        }
        let candidate = named.get(&key.0).and_then(|ids| ids.first()).copied();
        let (faces, prominence) = faces_of_subject(t, subject)?;
        let stated = Stated {
            subject,
            candidate,
            name: claim.name.clone(),
            source: claim.source.clone(),
            faces,
            share: 1.0 - other,
            prominence,
            photos: vec![claim.photo],
        };
        found.insert(key, stated);
    }
    Ok(found.into_values().collect())
}

/// Whether a subject has a clear face, and the area of its largest.
type Rank = BTreeMap<Subject, (bool, f64)>;

/// The people of each name, by its key.
type ByName = BTreeMap<String, Vec<PersonId>>;

fn people_by_name(t: &Transaction) -> rusqlite::Result<ByName> {
    let sql = "SELECT name_key(name), id FROM people \
               WHERE name IS NOT NULL AND merged_into IS NULL ORDER BY id";
    let mut query = t.prepare_cached(sql)?;
    let mut named = ByName::new();
    for row in query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))? {
        let (name, id) = row?;
        named.entry(name).or_default().push(PersonId(id));
    }
    Ok(named)
}

fn claims(
    t: &Transaction,
    said: &Assertions,
    named: &ByName,
) -> rusqlite::Result<(Vec<Claim>, Rank)> {
    let sql = "SELECT s.photo, s.name, s.source FROM stated_names s \
               JOIN photos h ON h.id = s.photo AND h.gone = 0 ORDER BY s.photo, s.name";
    let rows: Vec<(i64, String, String)> = t
        .prepare_cached(sql)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let (mut claims, mut rank) = (Vec::new(), Rank::new());
    for of_photo in rows.chunk_by(|a, b| a.0 == b.0) {
        let faces = faces_of_photo(t, of_photo[0].0)?;
        for (photo, name, source) in of_photo {
            let key = name_key(name);
            if faces.iter().any(|f| f.name_key.as_ref() == Some(&key)) {
                continue;
            }
            let ids = named.get(&key).map_or(&[][..], Vec::as_slice);
            let is_answered = |face: &Face| {
                ids.iter().any(|person| {
                    let pair = (face.id, person.0);
                    said.constraints.is_not.contains(&pair) || said.unsure.contains(&pair)
                })
            };
            let mut subjects = Vec::new();
            for face in faces
                .iter()
                .filter(|f| f.name_key.is_none() && !is_answered(f))
            {
                let subject = match face.person {
                    Some(group) => Subject::Group(PersonId(group)),
                    None => Subject::Face(FaceId(face.id)),
                };
                let best = rank.entry(subject).or_insert((false, 0.0));
                *best = (best.0 || face.is_clear, best.1.max(face.area));
                if !subjects.contains(&subject) {
                    subjects.push(subject);
                }
            }
            claims.push(Claim {
                photo: *photo,
                name: name.clone(),
                source: source.clone(),
                subjects,
            });
        }
    }
    Ok((claims, rank))
}

fn faces_of_photo(t: &Transaction, photo: i64) -> rusqlite::Result<Vec<Face>> {
    let sql = "SELECT f.id, p.id, name_key(p.name), f.overall > 0, \
               (f.x_max - f.x_min) * (f.y_max - f.y_min) FROM faces f \
               LEFT JOIN members m ON m.face = f.id LEFT JOIN people p ON p.id = m.person \
               WHERE f.photo = ?1 AND f.excluded IS NULL ORDER BY f.id";
    let row = |row: &rusqlite::Row| {
        Ok(Face {
            id: row.get(0)?,
            person: row.get(1)?,
            name_key: row.get(2)?,
            is_clear: row.get::<_, Option<bool>>(3)?.unwrap_or(false),
            area: row.get(4)?,
        })
    };
    t.prepare_cached(sql)?.query_map([photo], row)?.collect()
}

/// The faces of a subject, and how much of their photos' largest faces they are, added up.
fn faces_of_subject(t: &Transaction, subject: Subject) -> rusqlite::Result<(Vec<i64>, f32)> {
    let of = match subject {
        Subject::Group(_) => "f.id IN (SELECT face FROM members WHERE person = ?1)",
        Subject::Face(_) => "f.id = ?1",
    };
    let key = match subject {
        Subject::Group(group) => group.0,
        Subject::Face(face) => face.0,
    };
    let sql = format!(
        "SELECT f.id, (f.x_max - f.x_min) * (f.y_max - f.y_min) / (SELECT max((g.x_max - g.x_min) \
         * (g.y_max - g.y_min)) FROM faces g WHERE g.photo = f.photo) FROM faces f \
         WHERE {of} ORDER BY f.id"
    );
    let mut query = t.prepare_cached(&sql)?;
    let rows = query.query_map([key], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, Option<f32>>(1)?))
    })?;
    let (mut faces, mut prominence) = (Vec::new(), 0.0);
    for row in rows {
        let (face, part) = row?;
        faces.push(face);
        prominence += part.unwrap_or(1.0);
    }
    Ok((faces, prominence))
}

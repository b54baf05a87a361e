//! `fusiform import xmp | digikam`. In: names and boxes of other programs. Out: human decisions.
//! Files of others are only read.
//!
//! A region is taken unless a human has decided about its face later than the file was written, or
//! erased it. What is not taken is counted and named.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context as _, Result};
use fusiform::album::regions::{Frame, Region, Regions};
use fusiform::album::{
    Album, FaceId, PhotoId, PhotoView, StatedName, StatedNames, counted, digikam, is_same_name,
    picasa, xmp,
};
use fusiform::geometry::BoundingBox;
use serde::Serialize;

use super::export::{every_photo, orientation_of, sidecar};
use crate::context::{Context, shown};
use crate::exit::Exit;
use crate::remedy::explain;

/// Photos without a place for a name that are listed one by one.
const SHOWN_UNPLACED: usize = 20;

#[derive(Serialize, Default)]
pub(super) struct Answer {
    photos: usize,
    faces: usize,
    /// Regions about whose faces you have decided later.
    decided_later: usize,
    /// Regions on faces that were erased with their person.
    erased: usize,
    /// Photos whose files name somebody without a place, about whom the review asks.
    asked_photos: usize,
    /// What was not understood, in words, and how often.
    pub(super) left_out: BTreeMap<String, usize>,
    pub(super) problems: Vec<String>,
}

/// A name for a box of a photo.
pub(super) struct Claim {
    pub(super) photo: PhotoId,
    pub(super) source: &'static str,
    pub(super) name: String,
    pub(super) bbox: BoundingBox,
    /// When it was written; UTC in milliseconds since 1970.
    pub(super) written_ms: i64,
}

/// What one file says of a photo.
struct Source {
    name: &'static str,
    regions: Regions,
    written_ms: i64,
}

impl Source {
    /// The people that it names without a place.
    fn names(&self) -> impl Iterator<Item = StatedName> {
        let source = self.name.trim_start_matches("import of ");
        self.regions.people.iter().map(move |name| StatedName {
            name: name.clone(),
            source: source.to_owned(),
        })
    }
}

pub(crate) fn xmp(context: &Context) -> Result<Exit> {
    let mut catalogue = context.existing_catalogue()?;
    let mut answer = Answer::default();
    let mut claims = Vec::new();
    let mut unplaced = Vec::new();
    let mut stated = Vec::new();
    let mut picasa: HashMap<PathBuf, Picasa> = HashMap::new();
    every_photo(&catalogue, |photo| {
        let mut names = Vec::new();
        let mut was_read = false;
        for path in &photo.paths {
            let sources = match sources_of(&catalogue, path, &mut picasa) {
                Ok(sources) => sources,
                Err(e) => {
                    answer.problems.push(explain(&e.context(shown(path))));
                    continue;
                }
            };
            was_read |= path.is_file();
            for source in sources {
                names.extend(source.names());
                let taken = take(context, &catalogue, &photo, path, source, &mut answer);
                match taken {
                    Ok(taken) => claims.extend(taken),
                    Err(e) => answer.problems.push(explain(&e.context(shown(path)))),
                }
            }
        }
        let has_faces = photo.faces.iter().any(|face| face.excluded.is_none());
        if !names.is_empty() && (!has_faces || catalogue.has_erased(photo.photo)?) {
            let in_photo = |name: &str| {
                let mut here = photo.faces.iter().filter_map(|f| f.name.as_deref());
                here.any(|known| is_same_name(known, name))
            };
            let names: Vec<&str> = names
                .iter()
                .map(|stated| &*stated.name)
                .filter(|name| !in_photo(name))
                .collect();
            if !names.is_empty() {
                let path = photo
                    .paths
                    .first()
                    .map_or("a photo".into(), |path| shown(path));
                let why = match has_faces {
                    true => "somebody in it was erased, so nobody is asked about",
                    false => "no face was found in it",
                };
                let names = names.join(", ");
                unplaced.push(format!("{path}: names {names} without a place, and {why}"));
            }
        }
        // What files said earlier stands while none of them can be read.
        if was_read {
            let photo = photo.photo;
            stated.push(StatedNames { photo, names });
        }
        Ok(())
    })?;
    decide(&mut catalogue, claims, &mut answer)?;
    answer.asked_photos = catalogue.state_names(&stated)?;
    let n_unplaced = unplaced.len();
    answer
        .problems
        .extend(unplaced.into_iter().take(SHOWN_UNPLACED));
    if n_unplaced > SHOWN_UNPLACED {
        let more = n_unplaced - SHOWN_UNPLACED;
        answer
            .problems
            .push(format!("and {more} more with names without a place"));
    }
    finish(context, &answer)
}

pub(crate) fn digikam(context: &Context, file: &Path) -> Result<Exit> {
    let mut catalogue = context.existing_catalogue()?;
    let mut answer = Answer::default();
    let found = digikam::read(file)?;
    answer.left_out = found.left_out;
    let mut by_name: HashMap<Vec<u8>, Vec<(PhotoId, PathBuf)>> = HashMap::new();
    every_photo(&catalogue, |photo| {
        for path in &photo.paths {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            let of_name = by_name.entry(name.to_vec()).or_default();
            of_name.push((photo.photo, path.clone()));
        }
        Ok(())
    })?;
    let written_ms = mtime_ms(file);
    let mut claims = Vec::new();
    for face in found.faces {
        let name = face.path.file_name().unwrap_or_default().as_encoded_bytes();
        // The collection may be mounted elsewhere: the path below its root decides.
        let there = by_name.get(name).into_iter().flatten();
        let photo = there
            .filter(|(_, path)| path.ends_with(&face.path))
            .map(|(photo, _)| *photo)
            .next();
        match photo {
            Some(photo) => claims.push(Claim {
                photo,
                source: "import of digiKam",
                name: face.name,
                bbox: face.bbox,
                written_ms,
            }),
            None => {
                let what = "faces in photos that are not in the catalogue".to_string();
                *answer.left_out.entry(what).or_default() += 1;
            }
        }
    }
    decide(&mut catalogue, claims, &mut answer)?;
    finish(context, &answer)
}

/// Makes decisions of claims: one for each name and source, so that undoing is one step per person.
pub(super) fn decide(catalogue: &mut Album, claims: Vec<Claim>, answer: &mut Answer) -> Result<()> {
    let mut said: BTreeMap<(&str, String), Vec<FaceId>> = BTreeMap::new();
    // Of several claims about one face the first counts: sidecars come before the photo itself.
    let mut claimed: HashMap<FaceId, PhotoId> = HashMap::new();
    for claim in claims {
        let Some(face) = catalogue.face_at(claim.photo, claim.bbox)? else {
            answer.erased += 1;
            continue;
        };
        let card = catalogue.face(face)?;
        let is_known = card.similarity.is_none()
            && card
                .name
                .as_deref()
                .is_some_and(|name| is_same_name(name, &claim.name));
        if is_known || claimed.contains_key(&face) {
            continue;
        }
        let decided_ms = catalogue.last_decided_ms(face)?;
        if decided_ms.is_some_and(|decided| decided > claim.written_ms) {
            answer.decided_later += 1;
            continue;
        }
        claimed.insert(face, claim.photo);
        said.entry((claim.source, claim.name))
            .or_default()
            .push(face);
    }
    let mut photos: Vec<PhotoId> = Vec::new();
    for ((source, name), faces) in said {
        catalogue.set_actor(source);
        match catalogue.assert_is_called(&faces, &name) {
            Ok(_) => {
                answer.faces += faces.len();
                photos.extend(faces.iter().filter_map(|f| claimed.get(f)));
            }
            Err(e) => answer
                .problems
                .push(format!("{name:?}: {}", explain(&e.into()))),
        }
    }
    photos.sort_unstable();
    photos.dedup();
    answer.photos = photos.len();
    Ok(())
}

pub(super) fn finish(context: &Context, answer: &Answer) -> Result<Exit> {
    let printer = context.printer;
    printer.row(format_args!(
        "taken as your word: {} in {}",
        counted(answer.faces, "face", "faces"),
        counted(answer.photos, "photo", "photos")
    ))?;
    if answer.asked_photos > 0 {
        printer.row(format_args!(
            "{} somebody without saying where; `fusiform review` asks who it is",
            counted(answer.asked_photos, "photo names", "photos name")
        ))?;
    }
    if answer.decided_later > 0 {
        printer.row(format_args!(
            "not taken: {}, because you decided about the faces later",
            counted(answer.decided_later, "region", "regions")
        ))?;
    }
    if answer.erased > 0 {
        printer.row(format_args!(
            "not taken: {} of people who were erased",
            counted(answer.erased, "region", "regions")
        ))?;
    }
    for (what, n) in &answer.left_out {
        printer.problem(format_args!("left out: {n} {what}"));
    }
    for problem in &answer.problems {
        printer.problem(problem);
    }
    printer.record(answer)?;
    let nothing = answer.faces + answer.asked_photos == 0 && !answer.left_out.is_empty();
    Ok(match answer.problems.is_empty() && !nothing {
        true => Exit::Done,
        false => Exit::SomeProblems,
    })
}

/// A folder's `.picasa.ini`: regions by file name, and when it was written.
struct Picasa {
    photos: HashMap<String, Regions>,
    written_ms: i64,
}

/// What lies beside a photo or in it, the most specific first.
fn sources_of(
    catalogue: &Album,
    path: &Path,
    picasa: &mut HashMap<PathBuf, Picasa>,
) -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    let beside = sidecar(path);
    let upper = beside.with_extension("XMP");
    let short = [path.with_extension("xmp"), path.with_extension("XMP")];
    let mut last: Option<Vec<u8>> = None;
    for file in [beside, upper].iter().chain(&short) {
        if !file.is_file() {
            continue;
        }
        let bytes = head(file)?;
        // Where names have no case, two of the four are one file.
        if last.as_ref() == Some(&bytes) {
            continue;
        }
        let text = xmp::packet(&bytes).context("its sidecar holds no XMP")?;
        sources.push(source(catalogue, "import of a sidecar", text, file)?);
        last = Some(bytes);
    }
    if path.is_file()
        && let Some(text) = xmp::packet(&head(path)?)
    {
        sources.push(source(catalogue, "import of the photo's XMP", text, path)?);
    }
    if let (Some(dir), Some(name)) = (path.parent(), path.file_name()) {
        let known = picasa.entry(dir.into()).or_insert_with(|| {
            let found = ["picasa.ini", ".picasa.ini"].iter().find_map(|f| {
                let file = dir.join(f);
                Some((head(&file).ok()?, mtime_ms(&file)))
            });
            let (bytes, written_ms) = found.unwrap_or_default();
            Picasa {
                photos: picasa::read(&String::from_utf8_lossy(&bytes)),
                written_ms,
            }
        });
        if let Some(regions) = known.photos.get(&*name.to_string_lossy()) {
            sources.push(Source {
                name: "import of Picasa",
                regions: regions.clone(),
                written_ms: known.written_ms,
            });
        }
    }
    Ok(sources)
}

fn source(catalogue: &Album, name: &'static str, text: &str, file: &Path) -> Result<Source> {
    let regions = xmp::read(text).map_err(anyhow::Error::msg)?;
    // Ours say when they were written; a copy of the file may be newer.
    let stated = match (&regions.written_at, text.contains(xmp::TOOLKIT)) {
        (Some(written_at), true) => catalogue.utc_ms(written_at)?,
        _ => None,
    };
    Ok(Source {
        name,
        written_ms: stated.unwrap_or_else(|| mtime_ms(file)),
        regions,
    })
}

/// When a file was changed; 0 if that is not known.
fn mtime_ms(file: &Path) -> i64 {
    let modified = fs::metadata(file).and_then(|m| m.modified()).ok();
    let since = modified.and_then(|m| m.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

/// As much of a file as metadata may take.
fn head(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(xmp::MAX_BYTES as u64)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The claims of one source, in pixels of the upright photo.
fn take(
    context: &Context,
    catalogue: &Album,
    photo: &PhotoView,
    path: &Path,
    source: Source,
    answer: &mut Answer,
) -> Result<Vec<Claim>> {
    let Source {
        name: source,
        regions,
        written_ms,
    } = source;
    for (what, n) in &regions.left_out {
        *answer.left_out.entry(what.clone()).or_default() += n;
    }
    let (width, height) = (photo.width_px, photo.height_px);
    let claim = |name: String, bbox: BoundingBox| Claim {
        photo: photo.photo,
        source,
        name,
        bbox,
        written_ms,
    };
    let mut claims = Vec::new();
    if !regions.faces.is_empty() {
        let orientation = orientation_of(catalogue, path, &context.config.limits)?;
        let Some(frame) = regions.frame((width, height), orientation) else {
            let (w, h) = regions.drawn_on.unwrap_or_default();
            answer.problems.push(format!(
                "{}: its regions were drawn on {w} x {h}, the upright photo has {width} x \
                 {height}; not taken, since the boxes would lie elsewhere",
                shown(path)
            ));
            return Ok(claims);
        };
        for Region { name, area, .. } in &regions.faces {
            let upright = match frame {
                Frame::Stored => area.upright(orientation),
                Frame::Upright => *area,
            };
            claims.push(claim(name.clone(), upright.to_pixels(width, height)));
        }
    }
    Ok(claims)
}

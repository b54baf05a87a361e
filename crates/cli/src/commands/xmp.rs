//! `fusiform export xmp` and `fusiform import xmp`. In: names of the catalogue, or regions of other
//! programs. Out: sidecars, or human decisions. The photos themselves are only read.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use fusiform::album::regions::{Region, Regions, RelativeBox};
use fusiform::album::{Album, FaceId, PhotoId, PhotoView, picasa, xmp};
use fusiform::geometry::BoundingBox;
use serde::Serialize;

use crate::context::{Context, shown};
use crate::exit::Exit;
use crate::remedy::explain;

/// Photos read from the catalogue at a time.
const BATCH: usize = 500;

#[derive(Serialize)]
struct Answer {
    photos: usize,
    faces: usize,
    problems: Vec<String>,
}

fn finish(context: &Context, done: &str, answer: &Answer) -> Result<Exit> {
    let printer = context.printer;
    printer.row(format_args!(
        "{done}: {} faces in {} photos",
        answer.faces, answer.photos
    ))?;
    for problem in &answer.problems {
        printer.problem(problem);
    }
    printer.record(answer)?;
    Ok(if answer.problems.is_empty() {
        Exit::Done
    } else {
        Exit::SomeProblems
    })
}

fn every_photo(catalogue: &Album, mut take: impl FnMut(PhotoView) -> Result<()>) -> Result<()> {
    let mut after = PhotoId(0);
    loop {
        let ids = catalogue.photos_after(after, BATCH)?;
        let Some(last) = ids.last() else {
            return Ok(());
        };
        after = *last;
        for id in ids {
            take(catalogue.photo(id)?)?;
        }
    }
}

/// The name that digiKam gives a sidecar, and darktable: `photo.jpg.xmp`.
fn sidecar(photo: &Path) -> PathBuf {
    let mut name = photo.as_os_str().to_owned();
    name.push(".xmp");
    name.into()
}

pub(crate) fn export(context: &Context, out: Option<&Path>) -> Result<Exit> {
    let catalogue = context.existing_catalogue()?;
    let mut answer = Answer {
        photos: 0,
        faces: 0,
        problems: Vec::new(),
    };
    if let Some(out) = out {
        fs::create_dir_all(out).with_context(|| shown(out))?;
    }
    every_photo(&catalogue, |photo| {
        let region = |f: &fusiform::album::FaceSummary| {
            Some(Region {
                name: f.name.clone()?,
                area: RelativeBox::from_pixels(&f.bbox, photo.width_px, photo.height_px),
            })
        };
        let faces: Vec<Region> = photo.faces.iter().filter_map(region).collect();
        if faces.is_empty() {
            return Ok(());
        }
        let text = xmp::write(photo.width_px, photo.height_px, &faces);
        let mut written = 0;
        for path in &photo.paths {
            let beside = sidecar(path);
            let target = match out {
                None => beside,
                Some(out) => out.join(beside.file_name().unwrap_or_default()),
            };
            match put(&target, &text) {
                Ok(()) => written += 1,
                Err(e) => {
                    let problem = explain(&e.context(shown(&target)));
                    answer.problems.push(problem);
                }
            }
        }
        answer.photos += written.min(1);
        answer.faces += faces.len() * written.min(1);
        Ok(())
    })?;
    finish(context, "written", &answer)
}

/// Writes a sidecar; one that another program wrote holds more than faces, and is left alone.
fn put(sidecar: &Path, text: &str) -> Result<()> {
    if sidecar.exists() {
        let there = fs::read(sidecar)?;
        let ours = xmp::packet(&there).is_some_and(|p| p.contains(xmp::TOOLKIT));
        ensure!(
            ours,
            "another program's sidecar; left as it is, name a folder with -o"
        );
    }
    let mut partial = sidecar.as_os_str().to_owned();
    partial.push(".part");
    fs::write(&partial, text)?;
    Ok(fs::rename(&partial, sidecar)?)
}

pub(crate) fn import(context: &Context) -> Result<Exit> {
    let mut catalogue = context.existing_catalogue()?;
    let mut problems = Vec::new();
    let mut found: Vec<(PhotoId, &'static str, String, BoundingBox)> = Vec::new();
    let mut picasa: HashMap<PathBuf, HashMap<String, Regions>> = HashMap::new();
    every_photo(&catalogue, |photo| {
        for path in &photo.paths {
            match regions_of(path, &mut picasa) {
                Ok(sources) => {
                    for (source, regions) in sources {
                        take(&photo, source, regions, &mut found, &mut problems);
                    }
                }
                Err(e) => problems.push(explain(&e.context(shown(path)))),
            }
        }
        Ok(())
    })?;
    // One decision for each name and source, so that undoing an import is one step per person.
    let mut said: BTreeMap<(&str, String), Vec<FaceId>> = BTreeMap::new();
    let mut photos: Vec<PhotoId> = Vec::new();
    for (photo, source, name, bbox) in found {
        let face = catalogue.face_at(photo, bbox)?;
        let card = catalogue.face(face)?;
        let known = card.name.as_deref() == Some(&*name) && card.similarity.is_none();
        let faces = said.entry((source, name)).or_default();
        if !known && !faces.contains(&face) {
            faces.push(face);
            photos.push(photo);
        }
    }
    photos.sort_unstable();
    photos.dedup();
    let mut faces = 0;
    for ((source, name), named) in said.into_iter().filter(|(_, named)| !named.is_empty()) {
        catalogue.set_actor(source);
        match catalogue.assert_is_called(&named, &name) {
            Ok(_) => faces += named.len(),
            Err(e) => problems.push(format!("{name:?}: {}", explain(&e.into()))),
        }
    }
    let answer = Answer {
        photos: photos.len(),
        faces,
        problems,
    };
    finish(context, "taken as your word", &answer)
}

/// The regions that lie beside a photo or in it, with where they come from.
fn regions_of(
    path: &Path,
    picasa: &mut HashMap<PathBuf, HashMap<String, Regions>>,
) -> Result<Vec<(&'static str, Regions)>> {
    let mut sources = Vec::new();
    for file in [sidecar(path), path.with_extension("xmp")] {
        if file.is_file() {
            let bytes = head(&file)?;
            let text = xmp::packet(&bytes).context("its sidecar holds no XMP")?;
            sources.push((
                "import of a sidecar",
                xmp::read(text).map_err(anyhow::Error::msg)?,
            ));
        }
    }
    if path.is_file()
        && let Some(text) = xmp::packet(&head(path)?)
    {
        let inside = xmp::read(text).map_err(anyhow::Error::msg)?;
        sources.push(("import of the photo's XMP", inside));
    }
    if let (Some(dir), Some(name)) = (path.parent(), path.file_name()) {
        if !picasa.contains_key(dir) {
            let text = ["picasa.ini", ".picasa.ini"].iter().find_map(|f| {
                let bytes = head(&dir.join(f)).ok()?;
                Some(String::from_utf8_lossy(&bytes).into_owned())
            });
            let read = text.map(|text| picasa::read(&text)).unwrap_or_default();
            picasa.insert(dir.into(), read);
        }
        let known = picasa
            .get(dir)
            .and_then(|files| files.get(&*name.to_string_lossy()));
        sources.extend(known.map(|regions| ("import of Picasa", regions.clone())));
    }
    Ok(sources)
}

/// As much of a file as metadata may take.
fn head(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(xmp::MAX_BYTES as u64)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn take(
    photo: &PhotoView,
    source: &'static str,
    regions: Regions,
    found: &mut Vec<(PhotoId, &'static str, String, BoundingBox)>,
    problems: &mut Vec<String>,
) {
    let (width, height) = (photo.width_px, photo.height_px);
    // A photo may have been scaled since, but not turned: then the boxes would lie elsewhere.
    if let Some((w, h)) = regions.drawn_on
        && (w > h) != (width > height)
        && w != h
        && width != height
    {
        let path = photo.paths.first().map(|p| shown(p)).unwrap_or_default();
        problems.push(format!(
            "{path}: its regions were drawn on {w} x {h}, the upright photo has {width} x \
             {height}; not taken, since the boxes would lie elsewhere"
        ));
        return;
    }
    for Region { name, area } in regions.faces {
        let bbox = area.to_pixels(width, height);
        found.push((photo.photo, source, name, bbox));
    }
}

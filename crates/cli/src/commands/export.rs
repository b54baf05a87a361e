//! `fusiform export xmp`. In: names of the catalogue. Out: sidecars for other programs. The photos
//! themselves are only read.
//!
//! What Fusiform wrote is renewed, also where a name was taken back; what another program wrote
//! stays as it is.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use fusiform::album::regions::{Frame, Region, RelativeBox};
use fusiform::album::{Album, PhotoId, PhotoView, counted, xmp};
use fusiform::{DecodeLimits, Orientation};
use serde::Serialize;

use crate::context::{Context, shown};
use crate::exit::Exit;
use crate::remedy::explain;

/// Photos read from the catalogue at a time.
const BATCH: usize = 500;
/// Overlap (IoU) from which two boxes are one face.
const SAME_FACE: f64 = 0.3;

#[derive(Serialize)]
struct Answer {
    photos: usize,
    faces: usize,
    /// Sidecars from which names were taken that the catalogue does not give any more.
    taken_back: usize,
    problems: Vec<String>,
}

pub(super) fn every_photo(
    catalogue: &Album,
    mut take: impl FnMut(PhotoView) -> Result<()>,
) -> Result<()> {
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
pub(super) fn sidecar(photo: &Path) -> PathBuf {
    let mut name = photo.as_os_str().to_owned();
    name.push(".xmp");
    name.into()
}

/// How a photo's file stores its pixels: as a scan noted it, else as decoding it tells.
pub(super) fn orientation_of(
    catalogue: &Album,
    path: &Path,
    limits: &DecodeLimits,
) -> Result<Orientation> {
    if let Some(known) = catalogue.orientation_of(path)? {
        return Ok(known);
    }
    let bytes = fusiform::scan::read_photo(path, limits.max_bytes)?;
    Ok(fusiform::image::decode_reduced(&bytes, limits, 1)?.orientation)
}

/// Width and height of the pixels as the file stores them.
fn stored_px(photo: &PhotoView, orientation: Orientation) -> (u32, u32) {
    use Orientation::*;
    match orientation {
        Transposed | RotatedLeft | Transversed | RotatedRight => (photo.height_px, photo.width_px),
        _ => (photo.width_px, photo.height_px),
    }
}

/// Where sidecars go.
struct Target<'a> {
    out: Option<&'a Path>,
    /// The folder below which photos lie; what follows is mirrored below `out`.
    base: PathBuf,
}

impl Target<'_> {
    fn of(&self, photo: &Path) -> PathBuf {
        let beside = sidecar(photo);
        let Some(out) = self.out else { return beside };
        match beside.strip_prefix(&self.base) {
            Ok(below) => out.join(below),
            Err(_) => {
                let whole = beside.components();
                let below: PathBuf = whole
                    .filter(|c| matches!(c, Component::Normal(_)))
                    .collect();
                out.join(below)
            }
        }
    }
}

/// The folder that holds all scanned folders.
fn common_folder(roots: &[PathBuf]) -> PathBuf {
    let mut roots = roots.iter();
    let first = roots.next().cloned().unwrap_or_default();
    roots.fold(first, |common, root| {
        let both = common.components().zip(root.components());
        both.take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
    })
}

pub(crate) fn xmp(context: &Context, out: Option<&Path>) -> Result<Exit> {
    let mut catalogue = context.readable_catalogue()?;
    let mut answer = Answer {
        photos: 0,
        faces: 0,
        taken_back: 0,
        problems: Vec::new(),
    };
    if let Some(out) = out {
        fs::create_dir_all(out).with_context(|| shown(out))?;
    }
    let target = Target {
        out,
        base: common_folder(&catalogue.roots()?),
    };
    let now = catalogue.stamp()?;
    every_photo(&catalogue, |photo| {
        let n_faces = photo.faces.iter().filter(|f| f.name.is_some()).count();
        let mut written = 0;
        for path in &photo.paths {
            let file = target.of(path);
            if n_faces == 0 && !file.is_file() {
                continue;
            }
            match put(context, &catalogue, &photo, path, &file, &now) {
                Ok(Put::Written) => written = 1,
                Ok(Put::TakenBack) => answer.taken_back += 1,
                Ok(Put::Unchanged) => {}
                Err(e) => answer.problems.push(explain(&e.context(shown(&file)))),
            }
        }
        answer.photos += written;
        answer.faces += n_faces * written;
        Ok(())
    })?;
    let printer = context.printer;
    printer.row(format_args!(
        "written: {} in {}",
        counted(answer.faces, "face", "faces"),
        counted(answer.photos, "photo", "photos")
    ))?;
    if answer.taken_back > 0 {
        printer.row(format_args!(
            "{} renewed without the names that were taken back",
            counted(answer.taken_back, "sidecar", "sidecars")
        ))?;
    }
    for problem in &answer.problems {
        printer.problem(problem);
    }
    printer.record(&answer)?;
    Ok(match answer.problems.is_empty() {
        true => Exit::Done,
        false => Exit::SomeProblems,
    })
}

/// What became of a sidecar.
enum Put {
    Written,
    /// Ours were taken out; none is left to write.
    TakenBack,
    Unchanged,
}

fn put(
    context: &Context,
    catalogue: &Album,
    photo: &PhotoView,
    path: &Path,
    file: &Path,
    now: &str,
) -> Result<Put> {
    let orientation = orientation_of(catalogue, path, &context.config.limits)?;
    let (width, height) = stored_px(photo, orientation);
    let in_frame = |frame: Frame| -> Vec<Region> {
        let named = photo
            .faces
            .iter()
            .filter_map(|f| Some((f, f.name.clone()?)));
        let region = |(f, name): (&fusiform::album::FaceSummary, String)| {
            let upright = RelativeBox::from_pixels(&f.bbox, photo.width_px, photo.height_px);
            Region {
                name,
                area: match frame {
                    Frame::Stored => upright.stored(orientation),
                    Frame::Upright => upright,
                },
                is_ours: true,
            }
        };
        named.map(region).collect()
    };
    let faces = in_frame(Frame::Stored);
    if !file.exists() {
        write_whole(file, &xmp::write(width, height, &faces, now))?;
        return Ok(Put::Written);
    }
    let there = fs::read(file)?;
    let text = std::str::from_utf8(&there)
        .map_err(|_| anyhow!("not in UTF-8; left as it is, name a folder with -o"))?;
    if xmp::packet(&there).is_some_and(|packet| packet.contains(xmp::TOOLKIT)) {
        if faces.is_empty() {
            fs::remove_file(file)?;
            return Ok(Put::TakenBack);
        }
        write_whole(file, &xmp::write(width, height, &faces, now))?;
        return Ok(Put::Written);
    }
    // Another program's: ours are put between its own.
    let left = |what: String| anyhow!("another program's sidecar; left as it is: {what}");
    let found = xmp::read(text).map_err(left)?;
    let upright_px = (photo.width_px, photo.height_px);
    let frame = found
        .frame(upright_px, orientation)
        .ok_or_else(|| left("its regions were drawn on another size of the photo".into()))?;
    let mut ours = in_frame(frame);
    // What it says of a face stands: it may be newer.
    ours.retain(|face| {
        let theirs = found.faces.iter().filter(|f| !f.is_ours);
        !theirs
            .into_iter()
            .any(|f| f.area.iou(&face.area) > SAME_FACE)
    });
    let had_ours = found.faces.iter().any(|f| f.is_ours);
    if ours.is_empty() && !had_ours {
        return Ok(Put::Unchanged);
    }
    let merged = xmp::merge(text, width, height, &ours).map_err(left)?;
    write_whole(file, &merged)?;
    Ok(match ours.is_empty() {
        true => Put::TakenBack,
        false => Put::Written,
    })
}

/// Writes under another name and renames: the file is there whole or not at all.
fn write_whole(file: &Path, text: &str) -> Result<()> {
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir)?;
    }
    let mut partial = file.as_os_str().to_owned();
    partial.push(".part");
    fs::write(&partial, text)?;
    Ok(fs::rename(&partial, file)?)
}

//! `fusiform prune`. In: the catalogue. Out: what is kept of photos that were deleted, and with
//! `--yes` a catalogue without it.

use std::path::Path;

use anyhow::Result;
use fusiform::album::{Pruned, counted};
use serde::Serialize;

use crate::context::{Context, shown};
use crate::exit::Exit;

#[derive(Serialize)]
struct Answer {
    done: bool,
    photos: usize,
    faces: usize,
    decided_faces: usize,
    templates: usize,
    /// Videos without a file, with who was found in them.
    videos: usize,
    missing_folders: Vec<MissingFolder>,
}

/// A folder that is not there.
#[derive(Serialize)]
struct MissingFolder {
    folder: String,
    photos: usize,
    videos: usize,
    /// The folder is there and holds nothing.
    is_empty: bool,
}

pub(crate) fn run(context: &Context, root: Option<&Path>, yes: bool) -> Result<Exit> {
    let mut catalogue = context.existing_catalogue()?;
    let root = root.map(|root| context.absolute(root)).transpose()?;
    let (below_root, videos_below_root) = match &root {
        Some(root) => (catalogue.photos_below(root)?, catalogue.videos_below(root)?),
        None => (0, 0),
    };
    if let (Some(root), true) = (&root, yes) {
        catalogue.forget_root(root)?;
    }
    let pruned = match yes {
        true => catalogue.prune()?,
        false => catalogue.prunable()?,
    };
    if yes {
        context.engine()?.group(&mut catalogue)?;
    }
    let Pruned {
        n_photos,
        n_faces,
        n_decided,
        n_templates,
        n_videos,
    } = pruned;
    let missing = catalogue.missing_roots()?;
    let printer = context.printer;
    let verb = if yes { "forgotten" } else { "to forget" };
    printer.row(format_args!(
        "{verb}: {} gone, {}, {}",
        counted(n_photos, "photo that is", "photos that are"),
        counted(n_faces, "face", "faces"),
        counted(n_templates, "template", "templates")
    ))?;
    if n_videos > 0 {
        let gone = counted(n_videos, "video that is", "videos that are");
        printer.row(format_args!("and {gone} gone, with who was found there"))?;
    }
    if n_decided > 0 {
        printer.note(format_args!(
            "what you decided about {} is kept, in case they come back",
            counted(n_decided, "of the faces", "of the faces")
        ));
    }
    if let (Some(root), false) = (&root, yes) {
        printer.row(format_args!(
            "and {}, {} below {}",
            counted(below_root, "photo", "photos"),
            counted(videos_below_root, "video", "videos"),
            root.display()
        ))?;
    }
    for folder in &missing {
        printer.row(format_args!(
            "kept: {} below {}, which {}{}; --root forgets it",
            folder.holds(),
            folder.path.display(),
            folder.state(),
            match folder.is_empty {
                true => " (perhaps its disk is off)",
                false => "",
            }
        ))?;
    }
    if !yes && n_photos + below_root + n_videos + videos_below_root > 0 {
        printer.note("--yes does it");
    }
    let folder = |m: fusiform::album::MissingRoot| MissingFolder {
        folder: shown(&m.path),
        photos: m.n_photos,
        videos: m.n_videos,
        is_empty: m.is_empty,
    };
    printer.record(&Answer {
        done: yes,
        photos: n_photos + if yes { 0 } else { below_root },
        faces: n_faces,
        decided_faces: n_decided,
        templates: n_templates,
        videos: n_videos + if yes { 0 } else { videos_below_root },
        missing_folders: missing.into_iter().map(folder).collect(),
    })?;
    Ok(Exit::Done)
}

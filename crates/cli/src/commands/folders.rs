//! `fusiform folders`. In: nothing, or a folder. Out: the folders that `scan` and `watch` take when
//! none is named.

use std::path::Path;

use anyhow::Result;
use fusiform::album::Album;
use serde::Serialize;

use crate::context::{Context, shown};
use crate::exit::Exit;

#[derive(Serialize)]
struct FolderRow {
    folder: String,
    photos: usize,
    is_there: bool,
    /// Whether the settings name it, so that only they can drop it.
    in_settings: bool,
}

pub(crate) fn list(context: &Context) -> Result<Exit> {
    let catalogue = context.catalogue()?;
    show(context, &catalogue)
}

pub(crate) fn add(context: &Context, dir: &Path) -> Result<Exit> {
    let mut catalogue = context.catalogue()?;
    catalogue.remember(&context.absolute(dir)?)?;
    show(context, &catalogue)
}

pub(crate) fn remove(context: &Context, dir: &Path) -> Result<Exit> {
    let mut catalogue = context.existing_catalogue()?;
    let dir = context.absolute(dir)?;
    anyhow::ensure!(
        !context.config.folders.contains(&dir),
        "{}: the settings name it, in `folders`; take it out there",
        shown(&dir)
    );
    catalogue.drop_remembered(&dir)?;
    show(context, &catalogue)
}

fn show(context: &Context, catalogue: &Album) -> Result<Exit> {
    let of_settings = &context.config.folders;
    let mut folders = of_settings.clone();
    folders.extend(catalogue.remembered()?);
    folders.sort();
    folders.dedup();
    let mut rows = Vec::new();
    for folder in &folders {
        rows.push(FolderRow {
            folder: shown(folder),
            photos: catalogue.photos_below(folder)?,
            is_there: folder.is_dir(),
            in_settings: of_settings.contains(folder),
        });
    }
    for row in &rows {
        let away = if row.is_there { "" } else { "  (not there)" };
        let where_from = if row.in_settings { "  (settings)" } else { "" };
        context.printer.row(format_args!(
            "{:>8} {}  {}{where_from}{away}",
            row.photos,
            if row.photos == 1 { "photo " } else { "photos" },
            row.folder
        ))?;
    }
    if rows.is_empty() {
        context
            .printer
            .note("none yet; `fusiform scan DIR` scans a folder and remembers it");
    }
    context.printer.record(&rows)?;
    Ok(Exit::Done)
}

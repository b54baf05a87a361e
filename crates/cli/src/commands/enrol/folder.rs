//! One folder per person. In: a folder of ours, or one of Frigate, Double Take or CompreFace. Out:
//! their pictures, enrolled in the order of their paths.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result, ensure};
use fusiform::scan::{Exclude, looks_like_photo};
use fusiform_gallery::name_key;
use rayon::prelude::*;
use walkdir::WalkDir;

use super::answer::{Answer, Problem, Row};
use super::enrolment::Enrolment;
use crate::args::{EnrolArgs, FolderOf};
use crate::commands::scan::stop_on_ctrl_c;
use crate::context::shown;

/// Pictures in memory at once, for each thread.
const PICTURES_PER_THREAD: usize = 4;
/// Folders below a person's own that are searched.
const MAX_DEPTH: usize = 8;
/// Where Frigate keeps crops that nobody has named, and Double Take its people.
const TRAIN: &str = "train";
/// Parts of the name of such a crop: when and what, when, which name, how sure.
const CROP_NAME_PARTS: usize = 5;

/// A person's pictures.
struct Person {
    name: String,
    pictures: Vec<PathBuf>,
}

pub(super) fn enrol(
    enrolment: &Enrolment<'_>,
    dir: &Path,
    args: &EnrolArgs,
    answer: &mut Answer,
) -> Result<()> {
    let people = people_below(dir, args.from, answer)?;
    let people = only(people, &args.person)?;
    let mut todo: Vec<(usize, PathBuf)> = Vec::new();
    let mut rows: Vec<Row> = Vec::new();
    for person in people {
        if let Some(name) = enrolment.admit(&person.name, answer)? {
            let pictures = person.pictures.into_iter();
            todo.extend(pictures.map(|picture| (rows.len(), picture)));
            rows.push(Row {
                name,
                ..Row::default()
            });
        }
    }
    let stop = stop_on_ctrl_c()?;
    let context = enrolment.context;
    let bar = context.printer.bar(todo.len() as u64, "enrolling");
    for batch in todo.chunks(context.threads() * PICTURES_PER_THREAD) {
        if stop.load(Ordering::Relaxed) {
            answer.interrupted = true;
            break;
        }
        // Looked at together, and stored in their order: of two that are equally near to a face,
        // the one that was enrolled first is named.
        let looked: Vec<_> = context.on_all_threads(|| {
            let look = |(_, path): &(usize, PathBuf)| {
                let looked = context.read_photo(path).map_err(anyhow::Error::from);
                let looked = looked.and_then(|bytes| enrolment.look(bytes));
                bar.inc(1);
                looked
            };
            batch.par_iter().map(look).collect()
        })?;
        for ((row, path), looked) in batch.iter().zip(looked) {
            let (row, picture) = (&mut rows[*row], shown(path));
            enrolment.record(row, picture, looked, answer)?;
        }
    }
    bar.finish_and_clear();
    rows.into_iter().for_each(|row| answer.add(row));
    Ok(())
}

/// Those whom the flags name; all of them if they name nobody.
fn only(people: Vec<Person>, named: &[String]) -> Result<Vec<Person>> {
    if named.is_empty() {
        return Ok(people);
    }
    let keys: Vec<String> = named.iter().map(|name| name_key(name.trim())).collect();
    let there: Vec<String> = people.iter().map(|p| name_key(&p.name)).collect();
    for (name, key) in named.iter().zip(&keys) {
        ensure!(
            there.contains(key),
            "{name:?}: there is no folder of that name"
        );
    }
    let wanted = |person: &Person| keys.contains(&name_key(&person.name));
    Ok(people.into_iter().filter(wanted).collect())
}

/// The people of a folder, each spelling of a name once.
fn people_below(dir: &Path, from: Option<FolderOf>, answer: &mut Answer) -> Result<Vec<Person>> {
    let of_dir = || dir.display().to_string();
    let root = root_of(dir, from);
    let (mut people, mut has_pictures) = (BTreeMap::new(), false);
    let mut entries = Vec::new();
    for entry in fs::read_dir(&root).with_context(of_dir)? {
        entries.push(entry.with_context(of_dir)?.path());
    }
    entries.sort();
    for path in entries {
        if !path.is_dir() {
            has_pictures |= looks_like_photo(&path);
            answer.left_out(&path, "in no person's folder");
        } else if let Some(why) = why_nobody(&root, &path, from) {
            answer.left_out(&path, why);
        } else if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
            let pictures = pictures_below(&path, answer);
            if pictures.is_empty() {
                answer.left_out(&path, "no picture in it");
                continue;
            }
            let person = people.entry(name_key(name.trim()));
            let person = person.or_insert_with(|| Person {
                name: name.to_owned(),
                pictures: Vec::new(),
            });
            person.pictures.extend(pictures);
        } else {
            let problem = "its name is not UTF-8; rename the folder to the person's name";
            answer.problems.push(Problem {
                person: shown(&path),
                picture: None,
                problem: problem.into(),
            });
        }
    }
    ensure!(
        !people.is_empty() || !answer.problems.is_empty() || !has_pictures,
        "{}: it holds pictures, and no folder for each person; give the folder that it lies in, or \
         put the pictures into a folder with the person's name",
        root.display()
    );
    ensure!(
        !people.is_empty() || !answer.problems.is_empty(),
        "{}: nobody is in it; a folder with the person's name is wanted, with pictures in it",
        root.display()
    );
    Ok(people.into_values().collect())
}

/// The folder that has the people's folders.
fn root_of(dir: &Path, from: Option<FolderOf>) -> PathBuf {
    let train = dir.join(TRAIN);
    let is_storage = || train.is_dir() && dir.join("matches").is_dir();
    match from {
        Some(FolderOf::DoubleTake) if train.is_dir() => train,
        // Double Take's storage, which would be three people: train, matches and latest.
        None if is_storage() => train,
        Some(FolderOf::Frigate) | None if dir.join("clips/faces").is_dir() => {
            dir.join("clips/faces")
        }
        _ => dir.to_owned(),
    }
}

/// Why a folder is nobody's.
fn why_nobody(root: &Path, folder: &Path, from: Option<FolderOf>) -> Option<&'static str> {
    let name = folder.file_name().unwrap_or_default();
    if name == TRAIN {
        let frigates = "Frigate's crops of people whom nobody has named";
        match from {
            Some(FolderOf::Frigate) => return Some(frigates),
            None if root.ends_with("clips/faces") || holds_crops(folder) => {
                return Some(frigates);
            }
            _ => {}
        }
    }
    let is_left_out = is_hidden(name) || Exclude::default().leaves_out(root, folder);
    is_left_out.then_some("hidden, or trash, thumbnails or previews")
}

/// Whether there are pictures in a folder, all named as Frigate names its attempts to recognise.
fn holds_crops(folder: &Path) -> bool {
    let is_number = |text: Option<&&str>| text.is_some_and(|text| text.parse::<f64>().is_ok());
    let is_crop = |path: &PathBuf| {
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let parts: Vec<&str> = stem.unwrap_or_default().split('-').collect();
        parts.len() == CROP_NAME_PARTS && [0, 2, 4].iter().all(|part| is_number(parts.get(*part)))
    };
    let pictures = pictures_below(folder, &mut Answer::default());
    !pictures.is_empty() && pictures.iter().all(is_crop)
}

/// The pictures of a person's folder, by their paths. What is not taken or cannot be read is named.
fn pictures_below(folder: &Path, answer: &mut Answer) -> Vec<PathBuf> {
    let walk = WalkDir::new(folder)
        .follow_links(true)
        .max_depth(MAX_DEPTH)
        .sort_by_file_name();
    let mut walk = walk.into_iter();
    let mut pictures = Vec::new();
    while let Some(entry) = walk.next() {
        match entry {
            Ok(entry) if entry.depth() > 0 && is_hidden(entry.file_name()) => {
                if entry.file_type().is_dir() {
                    walk.skip_current_dir();
                }
                answer.left_out(entry.path(), "hidden");
            }
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) if looks_like_photo(entry.path()) => pictures.push(entry.into_path()),
            Ok(entry) => answer.left_out(entry.path(), "not named as a picture"),
            Err(e) => answer.problems.push(Problem {
                person: shown(folder),
                picture: e.path().map(shown),
                problem: e.to_string(),
            }),
        }
    }
    pictures
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

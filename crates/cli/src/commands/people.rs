//! `fusiform people | person | photo | together | leftovers`. In: the catalogue. Out: who is in it,
//! and in which photos; faces of one photo, and faces of nobody.

use std::path::Path;

use anyhow::Result;
use fusiform::DateSource;
use fusiform::album::{
    Album, DateRange, Exclusion, FaceSummary, PersonVideo, PhotoDate, PhotoFilter, PhotoId,
    VideoSpan, counted,
};
use serde::Serialize;

use super::clock::clock;
use crate::args::PageArgs;
use crate::context::{Context, corners, shown};
use crate::exit::Exit;

#[derive(Serialize)]
struct PersonRow {
    id: i64,
    name: Option<String>,
    n_photos: usize,
    n_faces: usize,
    /// Videos in which they were found.
    n_videos: usize,
}

#[derive(Serialize)]
struct PersonAnswer {
    id: i64,
    name: Option<String>,
    photos: Vec<PersonPhotoRow>,
    videos: Vec<PersonVideoRow>,
}

#[derive(Serialize)]
struct PersonVideoRow {
    paths: Vec<String>,
    duration_ms: u64,
    spans: Vec<SpanRow>,
}

/// A while in which a person is in view.
#[derive(Serialize)]
struct SpanRow {
    start_ms: u64,
    end_ms: u64,
    similarity: f32,
    /// What `fusiform not PERSON --appearance` takes.
    appearances: Vec<i64>,
}

impl PersonVideoRow {
    fn of(video: PersonVideo) -> PersonVideoRow {
        let span = |span: VideoSpan| SpanRow {
            start_ms: span.start_ms,
            end_ms: span.end_ms,
            similarity: span.similarity,
            appearances: span.appearances.iter().map(|id| id.0).collect(),
        };
        PersonVideoRow {
            paths: video.paths.iter().map(|path| shown(path)).collect(),
            duration_ms: video.duration_ms,
            spans: video.spans.into_iter().map(span).collect(),
        }
    }
}

#[derive(Serialize)]
struct PersonPhotoRow {
    face: i64,
    /// Every path with this content; bytes that are not UTF-8 become replacement characters.
    paths: Vec<String>,
    #[serde(flatten)]
    date: DateRow,
    /// `x_min, y_min, x_max, y_max` in pixels of the upright photo.
    bbox: [f32; 4],
    /// Similarity to the person; none where a human said so.
    similarity: Option<f32>,
}

/// When a photo was taken.
#[derive(Serialize, Default)]
struct DateRow {
    /// ISO 8601, the time where it was taken, without zone.
    taken_at: Option<String>,
    /// Who says so: `exif_original`, `exif_create`, `exif_modify`, `xmp`, `iptc`, `file_name`,
    /// `file_time`; none for photos that an earlier version recorded.
    taken_from: Option<&'static str>,
    /// Minutes by which that time is ahead of UTC, if the file states it.
    taken_offset_min: Option<i16>,
}

impl DateRow {
    fn of(catalogue: &Album, photo: PhotoId) -> Result<DateRow> {
        Ok(DateRow::from(catalogue.date_of(photo)?))
    }

    fn from(date: Option<PhotoDate>) -> DateRow {
        match date {
            None => DateRow::default(),
            Some(date) => DateRow {
                taken_at: Some(date.local),
                taken_from: date.source.map(DateSource::word),
                taken_offset_min: date.offset_min,
            },
        }
    }

    /// For people: a date that only the file's time gives is marked.
    fn shown(&self) -> String {
        match (&self.taken_at, self.taken_from) {
            (Some(at), Some("file_time")) => format!("{at} (time of the file)"),
            (Some(at), _) => at.clone(),
            (None, _) => "-".into(),
        }
    }
}

pub(crate) fn list(context: &Context, named: bool, limit: Option<usize>) -> Result<Exit> {
    let catalogue = context.readable_catalogue()?;
    let in_videos = catalogue.video_counts()?;
    let rows: Vec<PersonRow> = catalogue
        .people()?
        .into_iter()
        .filter(|p| !named || p.name.is_some())
        .take(limit.unwrap_or(usize::MAX))
        .map(|p| PersonRow {
            id: p.id.0,
            name: p.name,
            n_photos: p.n_photos,
            n_faces: p.n_faces,
            n_videos: in_videos.get(&p.id).copied().unwrap_or(0),
        })
        .collect();
    let printer = context.printer;
    for row in &rows {
        let name = row.name.as_deref().unwrap_or("(no name yet)");
        printer.row(format_args!(
            "{:>6}  {name}\t{}{}",
            row.id,
            counted(row.n_photos, "photo", "photos"),
            match row.n_videos {
                0 => String::new(),
                n => ", ".to_owned() + &counted(n, "video", "videos"),
            }
        ))?;
    }
    if rows.is_empty() {
        printer.note("nobody yet; `fusiform scan DIR` looks for people");
    } else {
        printer
            .note("`fusiform name NUMBER NAME` names one, `fusiform person NUMBER` lists photos");
    }
    printer.record(&rows)?;
    Ok(Exit::Done)
}

pub(crate) fn show(context: &Context, person: &str) -> Result<Exit> {
    let catalogue = context.readable_catalogue()?;
    let id = catalogue.find_person(person)?;
    let summary = catalogue.person(id)?;
    let photos: Vec<PersonPhotoRow> = catalogue
        .photos_of(id)?
        .into_iter()
        .map(|p| PersonPhotoRow {
            face: p.face.0,
            paths: p.paths.iter().map(|path| shown(path)).collect(),
            date: DateRow::from(p.date),
            bbox: corners(&p.bbox),
            similarity: p.similarity,
        })
        .collect();
    let printer = context.printer;
    let name = summary.name.as_deref().unwrap_or("(no name yet)");
    printer.row(format_args!("{name} ({})", id.0))?;
    for photo in &photos {
        let taken = photo.date.shown();
        let similarity = photo
            .similarity
            .map_or("by you".into(), |s| format!("{s:.3}"));
        let paths = photo.paths.join(", ");
        printer.row(format_args!(
            "  face {:>6}  {similarity}\t{taken}\t{paths}",
            photo.face
        ))?;
    }
    let videos = catalogue.videos_of(id)?;
    let videos: Vec<PersonVideoRow> = videos.into_iter().map(PersonVideoRow::of).collect();
    for video in &videos {
        for span in &video.spans {
            let numbers: Vec<String> = span.appearances.iter().map(i64::to_string).collect();
            printer.row(format_args!(
                "  appearance {}  {:.3}\t{}-{}\t{}",
                numbers.join(","),
                span.similarity,
                clock(span.start_ms),
                clock(span.end_ms),
                video.paths.join(", ")
            ))?;
        }
    }
    printer.record(&PersonAnswer {
        id: id.0,
        name: summary.name,
        photos,
        videos,
    })?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct FaceRow {
    face: i64,
    photo: i64,
    #[serde(flatten)]
    date: DateRow,
    /// `x_min, y_min, x_max, y_max` in pixels of the upright photo.
    bbox: [f32; 4],
    quality: f32,
    person: Option<i64>,
    name: Option<String>,
    /// Similarity to the person; none where a human said so.
    similarity: Option<f32>,
    /// Why it belongs to nobody: `ignored`, `not a face`.
    aside: Option<&'static str>,
}

impl FaceRow {
    fn of(catalogue: &Album, card: &FaceSummary) -> Result<FaceRow> {
        Ok(FaceRow {
            face: card.face.0,
            photo: card.photo.0,
            date: DateRow::of(catalogue, card.photo)?,
            bbox: corners(&card.bbox),
            quality: card.quality,
            person: card.person.map(|p| p.0),
            name: card.name.clone(),
            similarity: card.similarity,
            aside: card.excluded.map(|why| match why {
                Exclusion::Ignored => "ignored",
                Exclusion::NotAFace => "not a face",
                Exclusion::Erased => "erased",
            }),
        })
    }
}

/// Whether each face is listed with the path of its photo.
#[derive(Clone, Copy)]
enum Paths {
    Shown,
    /// All are of one photo, which was named.
    Known,
}

fn print_faces(
    context: &Context,
    catalogue: &Album,
    faces: &[FaceSummary],
    total: usize,
    paths: Paths,
) -> Result<Exit> {
    let rows = faces.iter().map(|card| FaceRow::of(catalogue, card));
    let items: Vec<FaceRow> = rows.collect::<Result<_>>()?;
    for (row, card) in items.iter().zip(faces) {
        let [x_min, y_min, x_max, y_max] = row.bbox;
        let who = match (&row.name, row.person, row.aside) {
            (Some(name), _, _) => name.clone(),
            (None, Some(person), _) => format!("person {person}"),
            (None, None, why) => why.unwrap_or("nobody yet").into(),
        };
        let path = match paths {
            Paths::Shown => catalogue.photo(card.photo)?.paths.into_iter().next(),
            Paths::Known => None,
        };
        context.printer.row(format_args!(
            "  face {:>6}  {x_min:.0},{y_min:.0} {:.0}x{:.0}\t{who}{}",
            row.face,
            x_max - x_min,
            y_max - y_min,
            path.map_or(String::new(), |path| format!("\t{}", shown(&path)))
        ))?;
    }
    context.printer.record_page(total, &items)?;
    Ok(Exit::Done)
}

pub(crate) fn photo(context: &Context, photo: &Path) -> Result<Exit> {
    let catalogue = context.readable_catalogue()?;
    let path = context.absolute(photo)?;
    let view = catalogue.photo(catalogue.photo_at(&path)?)?;
    let taken = DateRow::of(&catalogue, view.photo)?.shown();
    context.printer.row(format_args!(
        "{} x {}\t{taken}\t{}",
        view.width_px,
        view.height_px,
        shown(&path)
    ))?;
    print_faces(
        context,
        &catalogue,
        &view.faces,
        view.faces.len(),
        Paths::Known,
    )
}

pub(crate) fn leftovers(context: &Context, aside: bool, page: PageArgs) -> Result<Exit> {
    let catalogue = context.readable_catalogue()?;
    let faces = if aside {
        catalogue.excluded_faces(page.page())?
    } else {
        catalogue.unassigned_faces(page.page())?
    };
    print_faces(context, &catalogue, &faces.items, faces.total, Paths::Shown)
}

#[derive(Serialize)]
struct PhotoRow {
    photo: i64,
    #[serde(flatten)]
    date: DateRow,
    paths: Vec<String>,
    n_faces: usize,
    names: Vec<String>,
}

/// Which photos `together` lists, as it was typed.
pub(crate) struct Search {
    pub(crate) people: Vec<String>,
    pub(crate) any: bool,
    pub(crate) dates: DateRange,
    pub(crate) words: Option<String>,
}

pub(crate) fn together(context: &Context, search: Search, page: PageArgs) -> Result<Exit> {
    let catalogue = context.readable_catalogue()?;
    let people = search.people.iter().map(|p| catalogue.find_person(p));
    let filter = PhotoFilter {
        people: people.collect::<Result<_, _>>()?,
        any_person: search.any,
        dates: search.dates,
        words: search.words.unwrap_or_default(),
        folder: None,
    };
    let found = catalogue.photos(&filter, page.page())?;
    let mut items = Vec::new();
    for card in found.items {
        let paths = catalogue.photo(card.photo)?.paths;
        let paths: Vec<String> = paths.iter().map(|p| shown(p)).collect();
        let date = DateRow::of(&catalogue, card.photo)?;
        context
            .printer
            .row(format_args!("{}\t{}", date.shown(), paths.join(", ")))?;
        items.push(PhotoRow {
            photo: card.photo.0,
            date,
            paths,
            n_faces: card.n_faces,
            names: card.names,
        });
    }
    context.printer.record_page(found.total, &items)?;
    Ok(match found.total {
        0 => Exit::No,
        _ => Exit::Done,
    })
}

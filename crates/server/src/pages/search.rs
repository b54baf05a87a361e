//! Photos by time, by who is in them, and by words of their paths. In: a [`View`]. Out: a timeline
//! and the photos.

use axum::Extension;
use axum::extract::{RawQuery, State};
use fusiform::album::{Album, DateRange, MonthCount, Paged, PartialDate, PhotoSummary};
use maud::{Markup, html};

use super::faces::name_list;
use super::fields::Fields;
use super::frame::{MenuItem, called, counted, day, day_or_part, month, thousands};
use super::groups::{PER_PAGE, pager, part};
use super::guard::Login;
use super::state::Pages;
use super::view::{View, joined};
use crate::problem::Problem;

/// Fields for names that the form always has.
const N_NAMES: usize = 2;

pub(super) async fn list(
    State(pages): State<Pages>,
    Extension(login): Extension<Login>,
    RawQuery(query): RawQuery,
) -> Result<Markup, Problem> {
    let fields = Fields::parse(query.unwrap_or_default().as_bytes());
    let view = View::parse(&fields);
    let page = fields.numbers("page").next();
    let part = part(page.and_then(|n| usize::try_from(n).ok()), PER_PAGE);
    let frame = pages.frame(login, None).await?;
    let wanted = view.clone();
    let read = move |album: &mut Album| {
        let (mut filter, unknown) = wanted.filter(album)?;
        let none = !unknown.is_empty() || !wanted.wrong_dates.is_empty();
        let photos = match none {
            true => Paged {
                items: Vec::new(),
                total: 0,
            },
            false => album.photos(&filter, part)?,
        };
        // The years of all dates, so that one leads to another.
        filter.dates = DateRange::default();
        let months = if none {
            Vec::new()
        } else {
            album.months(&filter)?
        };
        let mut people = Vec::new();
        for id in &wanted.people {
            let card = album.person_stats(fusiform::album::PersonId(*id))?;
            people.push(called(&card));
        }
        Ok((photos, unknown, months, people, name_list(album)?))
    };
    let (photos, unknown, months, mut people, known) = pages.album(read).await?;
    people.extend(view.who.iter().cloned());
    let joined = joined(&people, view.any_person);
    let title = match (people.is_empty(), view.dates_in_words()) {
        (true, None) => "Photos".into(),
        (true, Some(dates)) => format!("Photos, {dates}"),
        (false, None) => joined,
        (false, Some(dates)) => format!("{joined}, {dates}"),
    };
    let content = html! {
        div.head {
            div.words {
                h1 { (title) }
                p.soft {
                    (counted(photos.total, "photo", "photos"))
                    @if people.len() > 1 && !view.any_person { " together" }
                    @if let Some(folder) = &view.folder { " below " span.path { (folder) } }
                    @if !view.is_all() { " · " a href="/photos" { "Show all" } }
                    @if photos.total > 0 {
                        " · " a href={ "/shared/new?" (view.query()) } { "Share these…" }
                    }
                }
            }
        }
        (known)
        (form(&view))
        (timeline(&view, &months))
        @for name in &unknown { p role="alert" { "Nobody is called “" (name) "”." } }
        @for date in &view.wrong_dates {
            p role="alert" { "“" (date) "” is no date. Write 2021, 2021-07 or 2021-07-04." }
        }
        @if photos.items.is_empty() && unknown.is_empty() && view.wrong_dates.is_empty() {
            div.empty { p {
                @if view.is_all() { "No photos yet." } @else { "No photo is like that." }
            } }
        }
        ul.grid.photos { (by_month(&view, &photos.items, &months)) }
        (pager(&format!("{}&", view.list()), part, photos.total))
    };
    Ok(frame.page("Photos", MenuItem::Photos, content))
}

fn form(view: &View) -> Markup {
    let name = |at: usize| view.who.get(at).map_or("", |name| name);
    let date = |date: &Option<PartialDate>| date.as_ref().map(PartialDate::to_string);
    let n_names = N_NAMES.max(view.who.len() + usize::from(view.who.len() > 1));
    html! {
        form.panel.search role="search" action="/photos" {
            div.row {
                @for at in 0..n_names {
                    input type="search" name="who" list="names" value=(name(at))
                        autocomplete="off"
                        aria-label=(match at {
                            0 => "Who is in the photo".into(),
                            1 => "Who else is in the photo".into(),
                            _ => format!("Person {} in the photo", at + 1),
                        })
                        placeholder=(if at == 0 { "Who?" } else { "Who else?" });
                }
                label.plain { input type="checkbox" name="any" value="1" checked[view.any_person];
                    " any of them" }
            }
            div.row {
                @for person in &view.people { input type="hidden" name="person" value=(person); }
                @if let Some(folder) = &view.folder {
                    input type="hidden" name="folder" value=(folder);
                }
                input type="search" name="q" value=(view.words) placeholder="Words in the path"
                    aria-label="Words in the path" autocomplete="off";
                input.date type="text" name="from" value=[date(&view.dates.from)]
                    placeholder="From 2020-07" aria-label="From: a year, month or day"
                    autocomplete="off";
                input.date type="text" name="to" value=[date(&view.dates.to)]
                    placeholder="To 2021" aria-label="To: a year, month or day"
                    autocomplete="off";
                button.main { "Search" }
            }
        }
    }
}

/// The years with their counts, and the months of the one that is shown.
fn timeline(view: &View, months: &[MonthCount]) -> Markup {
    let mut years: Vec<(String, usize)> = Vec::new();
    for count in months {
        let Some(month) = &count.month else { continue };
        let year = month.get(..4).unwrap_or(month).to_owned();
        match years.last_mut().filter(|(last, _)| *last == year) {
            Some((_, n)) => *n += count.n_photos,
            None => years.push((year, count.n_photos)),
        }
    }
    let of = |text: &str| {
        let date = text.parse::<PartialDate>().ok()?;
        Some(view.with_dates(DateRange::of(&date)))
    };
    let shown = view.dates.from.as_ref().filter(|from| {
        let to = view.dates.to.as_ref();
        to.is_some_and(|to| to.year() == from.year())
    });
    let year = shown.map(PartialDate::year);
    html! {
        @if years.len() > 1 || (!years.is_empty() && year.is_some()) {
            nav.timeline aria-label="Years" {
                @for (text, n) in &years {
                    @if let Some(of_year) = of(text) {
                        a href=(of_year.list())
                            aria-current=[(year == Some(text)).then_some("true")] {
                            (text) " " small { (thousands(*n)) }
                        }
                    }
                }
            }
        }
        @if let Some(year) = year {
            nav.timeline.months aria-label={ "Months of " (year) } {
                @for count in months {
                    @let text = count.month.as_deref().filter(|m| m.starts_with(year));
                    @if let (Some(text), Some(of_month)) = (text, text.and_then(of)) {
                        a href=(of_month.list())
                            aria-current=[(of_month.dates == view.dates).then_some("true")] {
                            (day_or_part(text).split(' ').next().unwrap_or_default())
                            " " small { (thousands(count.n_photos)) }
                        }
                    }
                }
            }
        }
    }
}

/// Photos with a heading wherever another month begins, which says how many it has.
fn by_month(view: &View, photos: &[PhotoSummary], months: &[MonthCount]) -> Markup {
    let key = |photo: &PhotoSummary| {
        photo
            .taken_at
            .as_deref()
            .and_then(|t| t.get(..7))
            .map(str::to_owned)
    };
    let dated = photos.iter().any(|photo| photo.taken_at.is_some());
    let whole = |key: &Option<String>| {
        // Dates that cut a month show less of it.
        let exact =
            |date: &Option<PartialDate>| date.as_ref().is_none_or(|d| d.to_string().len() < 10);
        let found = months.iter().find(|count| count.month == *key);
        found.filter(|_| exact(&view.dates.from) && exact(&view.dates.to))
    };
    html! {
        @for (at, photo) in photos.iter().enumerate() {
            @let here = key(photo);
            @if dated && (at == 0 || here != key(&photos[at - 1])) {
                li.month {
                    (photo.taken_at.as_deref().map_or("No date".into(), month))
                    @if let Some(count) = whole(&here) {
                        " " small.soft { (counted(count.n_photos, "photo", "photos")) }
                    }
                }
            }
            li { a href=(view.photo(photo.photo)) {
                img src={ "/photos/" (photo.photo) "/small.jpg" }
                    alt=(described(photo)) width="240" height="180" loading="lazy";
                @if !photo.names.is_empty() {
                    span.name title=(photo.names.join(", ")) { (photo.names.join(", ")) }
                }
                small {
                    @if let Some(taken) = &photo.taken_at { (day(taken)) " · " }
                    (counted(photo.n_faces, "face", "faces"))
                }
                @if photo.from_file_time { small { "date from the file's time" } }
            } }
        }
    }
}

/// What a photo's thumbnail shows, for those who do not see it.
fn described(photo: &PhotoSummary) -> String {
    match &*photo.names {
        [] => format!("Photo {}", photo.photo),
        names => format!("Photo {} of {}", photo.photo, names.join(", ")),
    }
}

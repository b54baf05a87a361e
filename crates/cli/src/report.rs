//! The page of `fusiform report`. In: counts, and one strip of crops per person. Out: one HTML page
//! that loads nothing.
//! Knows nothing of the catalogue, of files and of how faces were grouped.

use std::io::Write;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;

use fusiform::album::{counted, thousands};
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The page shows the pictures and styles it contains, and loads or runs nothing.
const CONTENT_POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

/// What stands above and below the strips.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page {
    /// Heading, as `Photos in Pictures/2019`.
    pub(crate) title: String,
    /// When the page was made, as people write it.
    pub(crate) created: String,
    pub(crate) n_photos: usize,
    pub(crate) n_faces: usize,
    /// People who have a name.
    pub(crate) n_named: usize,
    /// Groups of faces nobody named yet.
    pub(crate) n_unnamed: usize,
    /// Faces that are in no group.
    pub(crate) n_unsorted_faces: usize,
    /// Files that could not be read.
    pub(crate) problems: Vec<Problem>,
}

/// A file that could not be read.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) file: String,
    /// What happened, and what can be done.
    pub(crate) text: String,
}

/// One person, or one group of faces that nobody named yet.
#[derive(Debug, Clone)]
pub(crate) struct PersonStrip {
    pub(crate) name: Option<String>,
    /// What the `name` command takes to mean this group.
    pub(crate) id: String,
    pub(crate) n_photos: usize,
    pub(crate) n_faces: usize,
    /// In how many videos they appear.
    pub(crate) n_videos: usize,
    /// The faces to show, best first.
    pub(crate) crops: Vec<Crop>,
    /// How many faces are not shown.
    pub(crate) n_more: usize,
}

/// One face cut out of a photo.
#[derive(Debug, Clone)]
pub(crate) struct Crop {
    /// A square JPEG; 160 pixels a side is enough for sharp screens.
    pub(crate) jpeg: Vec<u8>,
    pub(crate) photo_name: String,
    /// When the photo was taken, as people write it.
    pub(crate) taken_at: Option<String>,
    /// Similarity to the person, larger is nearer; shown when the pointer rests on the crop.
    pub(crate) similarity: Option<f32>,
}

/// Writes the page: the counts, then the strips in the order given (biggest first), then the
/// problems.
///
/// Strips are taken from `people` one at a time and written at once, so the memory needed is that
/// of one strip, however large the catalogue. Names of people and files may be any text: maud
/// escapes it, and the page's content policy forbids it to load or run anything.
///
/// # Errors
/// If `out` cannot be written, or an item of `people` is an error; the page is then incomplete.
pub(crate) fn render(
    out: &mut impl Write,
    page: &Page,
    people: impl IntoIterator<Item = anyhow::Result<PersonStrip>>,
) -> anyhow::Result<()> {
    out.write_all(head(page).as_bytes())?;
    let mut n_strips = 0;
    for strip in people {
        n_strips += 1;
        writeln!(out, "{}", person(n_strips, &strip?).into_string())?;
    }
    if n_strips == 0 {
        let empty = "No people yet. Scan a folder with photos of people first.";
        writeln!(out, "{}", html! { p.empty { (empty) } }.into_string())?;
    }
    out.write_all(foot(page).as_bytes())?;
    Ok(())
}

/// Up to and with the start of `main`; [`foot`] closes what is open.
fn head(page: &Page) -> String {
    let title = visible(&page.title);
    let counts = [
        (page.n_photos, "photo", "photos"),
        (page.n_faces, "face", "faces"),
        (page.n_named, "person with a name", "people with a name"),
        (page.n_unnamed, "not named yet", "not named yet"),
    ];
    let head = html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(CONTENT_POLICY);
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            meta name="referrer" content="no-referrer";
            meta name="robots" content="noindex";
            link rel="icon" href="data:,";
            title { (title) }
            style { (PreEscaped(include_str!("report/page.css"))) }
        }
    };
    let header = html! {
        header {
            h1 { bdi { (title) } }
            p.made { (visible(&page.created)) }
            dl.counts {
                @for (n, one, many) in counts {
                    div { dt { (if n == 1 { one } else { many }) } dd { (thousands(n)) } }
                }
            }
        }
    };
    // Strips are written between head and foot one at a time, so these elements stay open.
    format!(
        "{}<html lang=\"en\">\n{}\n<body>\n{}\n<main>\n",
        DOCTYPE.into_string(),
        head.into_string(),
        header.into_string()
    )
}

fn person(idx: usize, strip: &PersonStrip) -> Markup {
    let name = strip.name.as_deref().map(visible);
    let name = name.as_deref();
    let shown = name.unwrap_or("Someone not named yet");
    let heading = format!("p{idx}");
    html! {
        section.person.unnamed[name.is_none()] aria-labelledby=(heading) {
            h2 id=(heading) { bdi { (shown) } }
            p.facts {
                (counted(strip.n_photos, "photo", "photos"))
                @if strip.n_faces != strip.n_photos {
                    " · " (counted(strip.n_faces, "face", "faces"))
                }
                @if strip.n_videos > 0 {
                    " · in " (counted(strip.n_videos, "video", "videos"))
                }
                @if name.is_none() {
                    " " code { "fusiform name " (visible(&strip.id)) (PreEscaped(" \"…\"")) }
                }
            }
            // A strip may be wider than the page; the arrow keys scroll it once it has the focus.
            ul.strip role="list" tabindex="0" aria-label={ "Faces of " (shown) } {
                @for crop in &strip.crops { (face(name.unwrap_or("Someone"), crop)) }
                @if strip.n_more > 0 {
                    li.more { span { (thousands(strip.n_more)) " more" } }
                }
            }
        }
    }
}

fn face(name: &str, crop: &Crop) -> Markup {
    let photo = visible(&crop.photo_name);
    let taken = crop.taken_at.as_deref().map(visible);
    let (mut title, mut alt) = (photo.clone(), format!("{name} in {photo}"));
    if let Some(taken) = &taken {
        title += &format!(" · {taken}");
        alt += &format!(", {taken}");
    }
    if let Some(similarity) = crop.similarity {
        title += &format!(" · similarity {similarity:.2}");
    }
    let jpeg = Base64Display::new(&crop.jpeg, &STANDARD);
    html! {
        li {
            figure title=(title) {
                img width="160" height="160" decoding="async" alt=(alt)
                    src={ "data:image/jpeg;base64," (jpeg) };
                figcaption aria-hidden="true" { bdi { (taken.as_ref().unwrap_or(&photo)) } }
            }
        }
    }
}

/// From the end of `main` on.
fn foot(page: &Page) -> String {
    let n_unsorted = page.n_unsorted_faces;
    let footer = html! {
        footer {
            @if n_unsorted > 0 {
                p {
                    (counted(n_unsorted, "face", "faces"))
                    (if n_unsorted == 1 { " is" } else { " are" })
                    " with nobody: seen once, or too small, turned or blurred to be sure."
                }
            }
            @if !page.problems.is_empty() {
                details {
                    summary {
                        (counted(page.problems.len(), "file", "files")) " could not be read"
                    }
                    dl.problems {
                        @for problem in &page.problems {
                            div {
                                dt { bdi { (visible(&problem.file)) } }
                                dd { (visible(&problem.text)) }
                            }
                        }
                    }
                }
            }
            p {
                "Made by Fusiform on this computer. The page is complete in itself and loads \
                 nothing. It shows people’s faces: pass it on as you would the photos."
            }
        }
    };
    format!("</main>\n{}\n</body>\n</html>\n", footer.into_string())
}

/// Text with every control character as `\u{fffd}` and all white space as a plain space: HTML
/// forbids the former, and maud, which escapes markup, lets both through.
fn visible(text: &str) -> String {
    let shown = |c: char| match c {
        c if c.is_whitespace() => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests;

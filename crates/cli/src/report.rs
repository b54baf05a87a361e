//! The page people look at. In: counts, and one strip of crops per person. Out: one self-contained HTML page.
//! Knows nothing of the catalogue, of files and of how faces were grouped.

mod escape;

use std::io::{self, Write};

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;

use escape::Escaped;

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

/// Writes the page: the counts, then the strips in the order given (biggest first), then the problems.
///
/// Strips are asked for one at a time and written at once, so that a catalogue of any size needs the
/// memory of one strip. All text is escaped and the page forbids itself to load or run anything, so names
/// of people and files may be anything.
///
/// # Errors
/// Those of `out`, and those of `people`; what was written by then is not a whole page.
pub(crate) fn render(
    out: &mut impl Write,
    page: &Page,
    people: impl IntoIterator<Item = anyhow::Result<PersonStrip>>,
) -> anyhow::Result<()> {
    head(out, page)?;
    let mut n_strips = 0;
    for strip in people {
        n_strips += 1;
        person(out, n_strips, &strip?)?;
    }
    if n_strips == 0 {
        writeln!(
            out,
            "<p class=\"empty\">No people yet. Scan a folder with photos of people first.</p>"
        )?;
    }
    foot(out, page)?;
    Ok(())
}

fn head(out: &mut impl Write, page: &Page) -> io::Result<()> {
    let (title, css) = (Escaped(&page.title), include_str!("report/page.css"));
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n<style>\n{css}</style>\n</head>\n\
         <body>\n<header>\n<h1><bdi>{title}</bdi></h1>\n<p class=\"made\">{}</p>\n<dl class=\"counts\">\n",
        Escaped(&page.created),
    )?;
    let counts = [
        (page.n_photos, "photo", "photos"),
        (page.n_faces, "face", "faces"),
        (page.n_named, "person with a name", "people with a name"),
        (page.n_unnamed, "not named yet", "not named yet"),
    ];
    for (n, one, many) in counts {
        let what = if n == 1 { one } else { many };
        writeln!(out, "<div><dt>{what}</dt><dd>{}</dd></div>", grouped(n))?;
    }
    writeln!(out, "</dl>\n</header>\n<main>")
}

fn person(out: &mut impl Write, idx: usize, strip: &PersonStrip) -> io::Result<()> {
    let name = strip.name.as_deref();
    let shown = Escaped(name.unwrap_or("Someone not named yet"));
    let class = if name.is_some() {
        "person"
    } else {
        "person unnamed"
    };
    writeln!(
        out,
        "<section class=\"{class}\" aria-labelledby=\"p{idx}\">\n<h2 id=\"p{idx}\"><bdi>{shown}</bdi></h2>"
    )?;
    write!(
        out,
        "<p class=\"facts\">{}",
        counted(strip.n_photos, "photo", "photos")
    )?;
    if strip.n_faces != strip.n_photos {
        write!(out, " · {}", counted(strip.n_faces, "face", "faces"))?;
    }
    if name.is_none() {
        write!(
            out,
            " <code>fusiform name {} \"…\"</code>",
            Escaped(&strip.id)
        )?;
    }
    // A strip may be wider than the page; who has no pointer scrolls it with the arrow keys.
    writeln!(
        out,
        "</p>\n<ul class=\"strip\" role=\"list\" tabindex=\"0\" aria-label=\"Faces of {shown}\">"
    )?;
    for crop in &strip.crops {
        face(out, name.unwrap_or("Someone"), crop)?;
    }
    if strip.n_more > 0 {
        writeln!(
            out,
            "<li class=\"more\"><span>{} more</span></li>",
            grouped(strip.n_more)
        )?;
    }
    writeln!(out, "</ul>\n</section>")
}

fn face(out: &mut impl Write, name: &str, crop: &Crop) -> io::Result<()> {
    let photo = Escaped(&crop.photo_name);
    let taken = crop.taken_at.as_deref().map(Escaped);
    write!(out, "<li><figure title=\"{photo}")?;
    if let Some(taken) = taken {
        write!(out, " · {taken}")?;
    }
    if let Some(similarity) = crop.similarity {
        write!(out, " · similarity {similarity:.2}")?;
    }
    write!(
        out,
        "\"><img width=\"160\" height=\"160\" decoding=\"async\" alt=\"{} in {photo}",
        Escaped(name)
    )?;
    if let Some(taken) = taken {
        write!(out, ", {taken}")?;
    }
    let caption = taken.unwrap_or(photo);
    let jpeg = Base64Display::new(&crop.jpeg, &STANDARD);
    writeln!(
        out,
        "\" src=\"data:image/jpeg;base64,{jpeg}\">\
         <figcaption aria-hidden=\"true\"><bdi>{caption}</bdi></figcaption></figure></li>"
    )
}

fn foot(out: &mut impl Write, page: &Page) -> io::Result<()> {
    writeln!(out, "</main>\n<footer>")?;
    if page.n_unsorted_faces > 0 {
        let (faces, verb) = (
            counted(page.n_unsorted_faces, "face", "faces"),
            page.n_unsorted_faces,
        );
        let verb = if verb == 1 { "is" } else { "are" };
        writeln!(
            out,
            "<p>{faces} {verb} with nobody: seen once, or too small, turned or blurred to be sure.</p>"
        )?;
    }
    if !page.problems.is_empty() {
        let files = counted(page.problems.len(), "file", "files");
        writeln!(
            out,
            "<details>\n<summary>{files} could not be read</summary>\n<dl class=\"problems\">"
        )?;
        for problem in &page.problems {
            let (file, text) = (Escaped(&problem.file), Escaped(&problem.text));
            writeln!(out, "<div><dt><bdi>{file}</bdi></dt><dd>{text}</dd></div>")?;
        }
        writeln!(out, "</dl>\n</details>")?;
    }
    writeln!(
        out,
        "<p>Made by Fusiform on this computer. The page is complete in itself and loads nothing. It shows \
         people’s faces: pass it on as you would the photos.</p>\n</footer>\n</body>\n</html>"
    )
}

fn counted(n: usize, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { one } else { many })
}

/// `12,345`
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut grouped = String::new();
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests;

//! `fusiform enrol`. In: folders of photos or people of the album, a ground, an end. Out: people in
//! the vault, each picture once. What cannot be enrolled is named, and the rest goes on.
//!
//! An example's id is made of its picture, so a second run finds what the first has stored, and one
//! that was stopped goes on.

mod album;
mod folder;

use std::fmt;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};
use fusiform::{AnalyseOptions, Engine, one_clear_face};
use fusiform_gallery::{Consent, Gallery, Kind, Lock, Service, Uuid, name_key};
use serde::Serialize;

use super::vault;
use crate::args::EnrolArgs;
use crate::context::Context;
use crate::exit::Exit;
use crate::secret_file;

/// What names may hold that the service's own API takes.
const MAX_NAME_CHARS: usize = 50;
/// Problems shown in full; `--json` lists all of them.
const SHOWN_PROBLEMS: usize = 50;

#[derive(Serialize, Default)]
struct Answer {
    /// Number of the collection; none for a dry run.
    collection: Option<i64>,
    people: Vec<Row>,
    /// Pictures that were enrolled now; in a dry run, that could be.
    enrolled: usize,
    /// Pictures that were enrolled already.
    there: usize,
    /// Milliseconds since 1970; none is until erased.
    expires_at_ms: Option<i64>,
    problems: Vec<Problem>,
    notes: Vec<String>,
    left_out: Vec<Left>,
    dry_run: bool,
    interrupted: bool,
}

#[derive(Serialize, Default)]
struct Row {
    name: String,
    enrolled: usize,
    there: usize,
    /// Those that were enrolled now.
    pictures: Vec<String>,
}

#[derive(Serialize)]
struct Problem {
    person: String,
    picture: Option<String>,
    problem: String,
}

#[derive(Serialize)]
struct Left {
    path: String,
    reason: String,
}

/// A picture that shows one face.
struct Picture {
    /// None in a dry run.
    id: Option<Uuid>,
    vector: Vec<f32>,
    /// What is kept.
    image: Vec<u8>,
}

/// What became of a picture.
enum Looked {
    Shows(Picture),
    /// It is enrolled already, under this name.
    There(String),
}

/// Where people go, and on what consent.
struct Enrolment<'a> {
    context: &'a Context,
    engine: &'a Engine,
    /// None in a dry run.
    vault: Option<OpenVault>,
    consent: Consent,
    renew: bool,
}

struct OpenVault {
    gallery: Gallery,
    service: Service,
    /// A server keeps its people in memory, so both at once would not see each other.
    _lock: Lock,
}

pub(crate) fn run(context: &Context, args: &EnrolArgs) -> Result<Exit> {
    let consent = consent(args)?;
    let engine = context.engine()?;
    // Everything that can be refused is refused before the first photo is read.
    engine.embedder_id()?;
    let vault = match args.dry_run {
        true => None,
        false => Some(open(context, args, &engine)?),
    };
    let enrolment = Enrolment {
        context,
        engine: &engine,
        consent,
        renew: args.renew,
        vault,
    };
    let mut answer = Answer {
        collection: enrolment.vault.as_ref().map(|vault| vault.service.id),
        expires_at_ms: enrolment.consent.expires_at_ms,
        dry_run: args.dry_run,
        ..Answer::default()
    };
    match &args.dir {
        Some(dir) => folder::enrol(&enrolment, dir, args, &mut answer)?,
        None => album::enrol(&enrolment, args, &mut answer)?,
    }
    answer.tell(context, &enrolment.consent)?;
    context.printer.record(&answer)?;
    Ok(match answer.interrupted {
        true => Exit::Interrupted,
        false => Exit::of(&answer.problems),
    })
}

/// The consent that the flags state; a dry run needs none.
fn consent(args: &EnrolArgs) -> Result<Consent> {
    let basis = args.basis.clone().unwrap_or_default();
    let good = |text: &str, most| {
        let n = text.trim().chars().count();
        (1..=most).contains(&n) && !text.contains(char::is_control)
    };
    ensure!(
        good(&basis, 100) || args.dry_run,
        "--basis {basis:?}: a legal ground of 1 to 100 characters is wanted, such as consent"
    );
    ensure!(
        good(&args.purpose, 500),
        "--purpose {:?}: 1 to 500 characters are wanted, such as \"front door\"",
        args.purpose
    );
    let now_ms = i64::try_from(SystemTime::UNIX_EPOCH.elapsed()?.as_millis())?;
    let expires_at_ms = args.expires.map(|day| day.end_ms(now_ms));
    ensure!(
        expires_at_ms.is_none_or(|end| end > now_ms),
        "--expires: that day has passed; nobody would be recognised"
    );
    Ok(Consent {
        basis,
        purpose: args.purpose.clone(),
        expires_at_ms,
    })
}

fn open(context: &Context, args: &EnrolArgs, engine: &Engine) -> Result<OpenVault> {
    let path = vault::present(context)?;
    let lock = Lock::take(path).context("nobody was enrolled")?;
    let gallery = vault::open(context, Some(&engine.embedder_id()?.to_string()))?;
    let service = collection(&gallery, args)?;
    Ok(OpenVault {
        gallery,
        service,
        _lock: lock,
    })
}

/// The collection that the flags name, else the only one.
fn collection(gallery: &Gallery, args: &EnrolArgs) -> Result<Service> {
    if let Some(file) = &args.key_file {
        let key = secret_file::api_key(file)?;
        let of_key = gallery.service(Kind::Recognition, &key);
        return of_key.with_context(|| {
            format!(
                "{}: this key opens no collection of people; `fusiform keys list` shows what there \
                 is, and --collection NUMBER takes one without its key",
                file.display()
            )
        });
    }
    let services = gallery.services().into_iter().map(|(service, _)| service);
    let all: Vec<Service> = services.filter(|s| s.kind == Kind::Recognition).collect();
    let numbers: Vec<String> = all.iter().map(|s| s.id.to_string()).collect();
    let numbers = numbers.join(", ");
    match (args.collection, &all[..]) {
        (Some(number), _) => {
            let found = all.iter().find(|s| s.id == number).copied();
            found.with_context(|| {
                format!("there is no collection {number} of people; there are: {numbers}")
            })
        }
        (None, [only]) => Ok(*only),
        (None, []) => anyhow::bail!(
            "the vault has no collection of people yet; `fusiform key recognition` makes one"
        ),
        (None, _) => anyhow::bail!(
            "there are several collections of people: {numbers}; --key-file FILE or --collection \
             NUMBER says which (`fusiform keys list` shows them)"
        ),
    }
}

/// A name as it is enrolled, or why nobody can be called so in the service.
fn checked_name(name: &str) -> Result<String, String> {
    let name = name.trim();
    let n = name.chars().count();
    let forbidden = |c: char| c.is_control() || matches!(c, ';' | '/' | '\\');
    if n == 0 || n > MAX_NAME_CHARS || name.contains(forbidden) || matches!(name, "." | "..") {
        return Err(format!(
            "cannot be a name in the service: 1 to {MAX_NAME_CHARS} characters are wanted, without \
             ; / \\ and control characters"
        ));
    }
    Ok(name.to_owned())
}

impl Enrolment<'_> {
    /// Whether a person may be enrolled on the stated consent: the name, as it is kept. Renews the
    /// consent of somebody who is there, if that was asked for.
    fn admit(&self, name: &str, answer: &mut Answer) -> Result<Option<String>> {
        let mut refuse = |problem: String| {
            answer.problems.push(Problem {
                person: name.to_owned(),
                picture: None,
                problem,
            });
            Ok(None)
        };
        let name = match checked_name(name) {
            Ok(name) => name,
            Err(why) => return refuse(why),
        };
        let Some(OpenVault {
            gallery, service, ..
        }) = &self.vault
        else {
            return Ok(Some(name));
        };
        let Some((person, _)) = gallery.person(*service, &name) else {
            return Ok(Some(name));
        };
        let there = person.consent;
        if there == self.consent {
            return Ok(Some(person.name));
        }
        if self.renew {
            gallery.set_consent(*service, &name, self.consent.clone())?;
            let note = format!("{}: enrolled before on {}", person.name, Shown(&there));
            answer.notes.push(note + "; that is replaced");
        } else if there.has_ended() {
            return refuse(format!(
                "enrolled before on {}, which has ended; --renew states the new one",
                Shown(&there)
            ));
        } else {
            let note = format!("{}: enrolled before on {}", person.name, Shown(&there));
            answer
                .notes
                .push(note + ", which stays; --renew replaces it");
        }
        Ok(Some(person.name))
    }

    /// Who has the picture already; in a dry run, nobody.
    fn holder(&self, picture: &[u8]) -> (Option<Uuid>, Option<String>) {
        let Some(vault) = &self.vault else {
            return (None, None);
        };
        let id = vault.gallery.picture_id(vault.service, picture);
        let example = vault.gallery.example(vault.service, &id);
        (Some(id), example.map(|(example, _)| example.subject))
    }

    /// The one face of the bytes of a photo, unless the photo is enrolled already.
    fn look(&self, bytes: Vec<u8>) -> Result<Looked> {
        let (id, holder) = self.holder(&bytes);
        if let Some(holder) = holder {
            return Ok(Looked::There(holder));
        }
        let photo = self.engine.analyse(&bytes, &AnalyseOptions::default())?;
        let take_largest = self.context.config.serve.enrol_largest;
        let face = one_clear_face(&photo.faces, take_largest)?;
        Ok(Looked::Shows(Picture {
            id,
            vector: face.template()?.vector.clone(),
            image: bytes,
        }))
    }

    /// Stores what was seen and counts it in the person's row; `true` if a face was added.
    fn take(&self, row: &mut Row, shown: &str, looked: Looked) -> Result<bool> {
        let elsewhere = |name: &str| {
            ensure!(
                name_key(name) == name_key(&row.name),
                "it is enrolled already as a picture of {name}; a picture shows one person, so \
                 take it out of one of the two"
            );
            Ok(())
        };
        let picture = match looked {
            Looked::There(holder) => {
                elsewhere(&holder)?;
                row.there += 1;
                return Ok(false);
            }
            Looked::Shows(picture) => picture,
        };
        if let (Some(vault), Some(id)) = (&self.vault, picture.id) {
            let OpenVault {
                gallery, service, ..
            } = vault;
            let face = (&picture.vector[..], &picture.image[..]);
            let consent = self.consent.clone();
            if !gallery.enrol_stated(*service, id, &row.name, face, consent)? {
                if let Some((example, _)) = gallery.example(*service, &id) {
                    elsewhere(&example.subject)?;
                }
                row.there += 1;
                return Ok(false);
            }
        }
        row.enrolled += 1;
        row.pictures.push(shown.to_owned());
        Ok(true)
    }
}

impl Answer {
    fn left_out(&mut self, path: &Path, reason: impl Into<String>) {
        self.left_out.push(Left {
            path: path.display().to_string(),
            reason: reason.into(),
        });
    }

    fn add(&mut self, row: Row) {
        self.enrolled += row.enrolled;
        self.there += row.there;
        self.people.push(row);
    }

    fn tell(&self, context: &Context, consent: &Consent) -> Result<()> {
        let printer = context.printer;
        for row in &self.people {
            let Row {
                name,
                enrolled,
                there,
                ..
            } = row;
            printer.row(format_args!(
                "{name}\tenrolled now: {enrolled}, there already: {there}"
            ))?;
            if self.dry_run {
                for picture in &row.pictures {
                    printer.row(format_args!("\t{picture}"))?;
                }
            }
        }
        let (n, faces) = (self.people.len(), self.enrolled);
        printer.row(match self.dry_run {
            true => format!("{n} people, {faces} faces; nobody was enrolled"),
            false => format!(
                "people: {n}, faces enrolled now: {faces}, there already: {}; {}",
                self.there,
                Shown(consent)
            ),
        })?;
        for note in &self.notes {
            printer.note(note);
        }
        if !self.left_out.is_empty() {
            printer.note("left out:");
            for left in self.left_out.iter().take(SHOWN_PROBLEMS) {
                printer.note(format_args!("  {}: {}", left.path, left.reason));
            }
            tell_more(context, self.left_out.len());
        }
        if !self.problems.is_empty() {
            printer.problem(format_args!("{} not enrolled:", self.problems.len()));
            for problem in self.problems.iter().take(SHOWN_PROBLEMS) {
                let picture = problem.picture.as_ref();
                let of = picture.map_or(String::new(), |picture| format!(", {picture}"));
                printer.problem(format_args!(
                    "  {}{of}: {}",
                    problem.person, problem.problem
                ));
            }
            tell_more(context, self.problems.len());
        }
        if self.interrupted {
            printer.note("stopped; run the same command again to go on from here");
        }
        Ok(())
    }
}

/// That a list was not shown in full.
fn tell_more(context: &Context, n_lines: usize) {
    if let Some(more) = n_lines.checked_sub(SHOWN_PROBLEMS).filter(|n| *n > 0) {
        let printer = context.printer;
        printer.problem(format_args!("  and {more} more; --json lists all"));
    }
}

/// A consent in words.
struct Shown<'a>(&'a Consent);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Consent {
            basis,
            purpose,
            expires_at_ms,
        } = self.0;
        write!(f, "{basis} ({purpose}) ")?;
        match expires_at_ms {
            None => f.write_str("until erased"),
            Some(end) => {
                // The end of a day is the first instant of the next.
                let (year, month, day) = crate::args::date_of(end - 1);
                write!(f, "to {year:04}-{month:02}-{day:02}")
            }
        }
    }
}

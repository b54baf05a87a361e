//! `fusiform import compreface`. In: the address and key of a running CompreFace. Out: its subjects
//! and images in the vault, under the same key and numbers, embedded anew. What is there already is
//! not fetched again.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use fusiform::Engine;
use fusiform_gallery::{Gallery, Kind, Service, Terms, Uuid, is_name};
use fusiform_server::{is_web_address, without_login};
use rayon::prelude::*;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{keys, vault};
use crate::args::CompreFaceArgs;
use crate::context::Context;
use crate::exit::Exit;
use crate::secret_file;

const PAGE: usize = 500;
/// Images of one service; the largest that was reported has 166,000.
const MAX_FACES: usize = 2_000_000;
const MAX_LIST_BYTES: u64 = 64 << 20;
const MAX_IMAGE_BYTES: u64 = 32 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct Subjects {
    subjects: Vec<String>,
}

#[derive(Deserialize)]
struct Faces {
    faces: Vec<Face>,
    total_pages: usize,
}

#[derive(Deserialize)]
struct Face {
    image_id: String,
    subject: String,
}

/// The other server.
struct Server {
    agent: ureq::Agent,
    address: String,
    key: Uuid,
}

impl Server {
    fn at(from: &CompreFaceArgs, key: Uuid) -> Server {
        let settings = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            // The key goes to the address given and nowhere else.
            .max_redirects(0)
            .build();
        Server {
            agent: settings.into(),
            address: from.url.trim_end_matches('/').to_owned(),
            key,
        }
    }

    fn bytes(&self, path: &str, most: u64) -> Result<Vec<u8>> {
        let url = format!("{}/api/v1/recognition/{path}", self.address);
        let asked = self
            .agent
            .get(&url)
            .header("x-api-key", self.key.to_string());
        let mut answer = asked.call().with_context(|| {
            format!("{url}: cannot be reached; start that server or give its address")
        })?;
        let status = answer.status();
        let body = answer.body_mut().with_config().limit(most).read_to_vec();
        let body = body.with_context(|| url.clone())?;
        if status.as_u16() != 200 {
            let said = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
            bail!("{url} answers {status}: {said}; give the key of a recognition service");
        }
        Ok(body)
    }

    fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let body = self.bytes(path, MAX_LIST_BYTES)?;
        serde_json::from_slice(&body)
            .with_context(|| format!("{}: {path} is not CompreFace's answer", self.address))
    }

    /// Every example's number and subject. Ends, whatever the other server answers: after the pages
    /// that it stated at first, or with a page that brings nothing new.
    fn faces(&self) -> Result<BTreeMap<Uuid, String>> {
        let (mut all, mut page, mut n_pages) = (BTreeMap::new(), 0, usize::MAX);
        while page < n_pages {
            let part: Faces = self.json(&format!("faces?page={page}&size={PAGE}"))?;
            n_pages = n_pages.min(part.total_pages);
            page += 1;
            let before = all.len();
            for face in part.faces {
                let id = Uuid::parse_str(&face.image_id);
                let id =
                    id.with_context(|| format!("{}: image {}", self.address, face.image_id))?;
                all.insert(id, face.subject);
            }
            if all.len() == before {
                break;
            }
            ensure!(
                all.len() <= MAX_FACES,
                "{}: more than {MAX_FACES} images; import its recognition services one by one",
                self.address
            );
        }
        Ok(all)
    }
}

pub(crate) fn import(context: &Context, from: &CompreFaceArgs) -> Result<Exit> {
    ensure!(
        is_web_address(&from.url),
        "{}: an address such as http://server:8000 is wanted, without a login",
        without_login(&from.url)
    );
    let old_key = secret_file::api_key(&from.key_file)?;
    let into_key = from.into_key_file.as_deref().map(secret_file::api_key);
    let key = into_key.transpose()?.unwrap_or(old_key);
    keys::check_guessable(&key).context(
        "clients of this server need another key than the old one had: make it with `fusiform key \
         recognition`, keep it in a file, and name that with --into-key-file",
    )?;
    let engine = context.engine()?;
    let server = Server::at(from, old_key);
    let subjects: Subjects = server.json("subjects")?;
    let faces = server.faces()?;
    let vault = vault::open(context, Some(&engine.embedder_id()?.to_string()))?;
    let _lock = vault::place(context)?.lock()?;
    let service = match vault.service(Kind::Recognition, &key) {
        Some(service) => service,
        None => vault.add_service(Kind::Recognition, &key, Terms::from(&from.terms))?,
    };
    let (named, nameless): (Vec<&String>, Vec<&String>) =
        subjects.subjects.iter().partition(|name| is_name(name));
    for name in named {
        vault.add_subject(service, name, None)?;
    }
    let bar = context.printer.bar(faces.len() as u64, "importing");
    let each: Vec<_> = context.on_all_threads(|| {
        let each = faces.par_iter().map(|(id, subject)| {
            let new = take(&server, &engine, &vault, service, *id, subject);
            bar.inc(1);
            new.map_err(|why| (subject, *id, format!("{why:#}")))
        });
        each.collect()
    })?;
    bar.finish_and_clear();
    let taken = each.iter().filter(|new| matches!(new, Ok(true))).count();
    let mut problems: Vec<_> = each.into_iter().filter_map(Result::err).collect();
    problems.sort();
    let there = faces.len() - taken - problems.len();
    context.printer.row(format_args!(
        "{} subjects, {taken} images imported, {there} were there already, {} with problems",
        subjects.subjects.len(),
        problems.len()
    ))?;
    for (subject, id, why) in &problems {
        context
            .printer
            .problem(format_args!("{subject}, image {id}: {why}"));
    }
    for name in &nameless {
        context.printer.problem(format_args!("{}", no_name(name)));
    }
    let problem_rows: Vec<_> = problems.iter().map(problem_row).collect();
    context.printer.record(&json!({
        "subjects": subjects.subjects.len(),
        "imported": taken,
        "there": there,
        "problems": problem_rows,
        "not_names": nameless,
    }))?;
    Ok(if problems.is_empty() && nameless.is_empty() {
        Exit::Done
    } else {
        Exit::SomeProblems
    })
}

fn problem_row((subject, id, why): &(&String, Uuid, String)) -> Value {
    let id = id.to_string();
    json!({"subject": subject, "image_id": id, "problem": why})
}

fn no_name(name: &str) -> String {
    format!(
        "the other server has a person as {name:?}, which is no name here; rename the person there"
    )
}

/// Fetches, embeds and enrols one image; `false` if it is there.
fn take(
    server: &Server,
    engine: &Engine,
    vault: &Gallery,
    service: Service,
    id: Uuid,
    subject: &str,
) -> Result<bool> {
    if vault.named_example(service, &id).is_some() {
        return Ok(false);
    }
    ensure!(is_name(subject), no_name(subject));
    let image = server.bytes(&format!("faces/{id}/img"), MAX_IMAGE_BYTES)?;
    ensure!(
        !image.is_empty(),
        "the other server kept no image (save_images_to_db); enrol the person from a photo"
    );
    let photo = engine.analyse(&image, &engine.usual_options())?;
    // The other server found one face; where this one finds more, that is the largest.
    let face = photo.largest().ok();
    let face = face.context("no face is found in it; enrol the person from another photo")?;
    let template = face.template.as_ref().context("the pack only detects")?;
    Ok(vault.enrol_as(service, id, subject, &template.vector, &image)?)
}

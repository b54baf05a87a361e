//! `fusiform import immich`. In: the address and key of a running Immich. Out: its named faces, as
//! human decisions. The other server is only asked, and ends are kept whatever it answers.
//!
//! Its photos are told by the SHA-1 of their files, which Immich calls their checksum; a file that
//! was edited since by the end of its path. When somebody said in Immich whose a face is, nobody
//! knows, so every earlier decision here stands.
//!
//! # Source
//! Immich's OpenAPI document, 1.107 to 2.x: `GET /people`, `POST /search/metadata`, `GET /faces`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fusiform::BoundingBox;
use fusiform::album::{Album, PhotoId};
use fusiform_server::{is_web_address, without_login};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use super::export::every_photo;
use super::import::{Answer, Claim, decide, finish};
use crate::config::immich_key;
use crate::context::{Context, shown};
use crate::exit::Exit;
use crate::secret_file;

const PATIENCE: Duration = Duration::from_secs(60);
const MAX_ANSWER_BYTES: u64 = 64 << 20;
const PEOPLE_PER_PAGE: usize = 500;
const ASSETS_PER_PAGE: usize = 500;
/// A server that never says that a list has ended is not asked for ever.
const MAX_PAGES: usize = 10_000;
const MAX_PEOPLE: usize = 100_000;
const MAX_ASSETS: usize = 5_000_000;
/// Assets without a photo here that are named one by one.
const SHOWN_UNMATCHED: usize = 20;
/// Largest difference of two shapes that are one, as a share: previews round their sides.
const SAME_SHAPE: f64 = 0.02;
/// Parts of a path that must agree where the bytes do not: the file and its folder.
const PATH_END: usize = 2;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct People {
    people: Vec<Person>,
    has_next_page: Option<bool>,
}

#[derive(Deserialize)]
struct Person {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Found {
    assets: Assets,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assets {
    items: Vec<Asset>,
    next_page: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asset {
    id: String,
    checksum: Option<String>,
    original_path: Option<String>,
    original_file_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Face {
    image_width: f64,
    image_height: f64,
    bounding_box_x1: f64,
    bounding_box_y1: f64,
    bounding_box_x2: f64,
    bounding_box_y2: f64,
    person: Option<Person>,
}

pub(crate) fn import(context: &Context, url: &str, key_file: Option<&Path>) -> Result<Exit> {
    let mut catalogue = context.existing_catalogue()?;
    let key = match key_file {
        Some(file) => secret_file::first_line(file)?,
        None => immich_key().context(
            "an API key of Immich is needed: put it on the first line of a file that --key-file \
             names (`-` is stdin), or into FUSIFORM_IMMICH_KEY",
        )?,
    };
    let server = Server::at(url, key)?;
    let printer = context.printer;
    let people = server.people()?;
    let mut answer = Answer::default();
    let unnamed = people.values().filter(|name| name.is_empty()).count();
    count(&mut answer, "people without a name in Immich", unnamed);
    let named: Vec<&String> = people
        .iter()
        .filter(|(_, name)| !name.is_empty())
        .map(|(id, _)| id)
        .collect();
    let bar = printer.bar(named.len() as u64, "asking for photos");
    let mut assets: BTreeMap<String, Asset> = BTreeMap::new();
    for person in named {
        server.assets_of(person, &mut assets)?;
        bar.inc(1);
    }
    bar.finish_and_clear();

    let mut photos = Photos::of(&catalogue)?;
    let bar = printer.bar(assets.len() as u64, "matching photos");
    let (mut claims, mut unmatched) = (Vec::new(), Vec::new());
    for asset in assets.values() {
        bar.inc(1);
        match photos.find(asset) {
            Some(photo) => {
                let faces = server.faces(&asset.id)?;
                take(&catalogue, photo, faces, &people, &mut claims, &mut answer)?;
            }
            None => unmatched.push(asset.place()),
        }
    }
    bar.finish_and_clear();
    decide(&mut catalogue, claims, &mut answer)?;
    count(
        &mut answer,
        "photos of Immich that are not in the catalogue",
        unmatched.len(),
    );
    unmatched.sort();
    for place in unmatched.iter().take(SHOWN_UNMATCHED) {
        answer.problems.push(format!(
            "{place}: not in the catalogue; scan its folder first"
        ));
    }
    if unmatched.len() > SHOWN_UNMATCHED {
        let more = unmatched.len() - SHOWN_UNMATCHED;
        answer.problems.push(format!(
            "and {more} more photos that are not in the catalogue"
        ));
    }
    finish(context, &answer)
}

fn count(answer: &mut Answer, what: &str, n: usize) {
    if n > 0 {
        *answer.left_out.entry(what.into()).or_default() += n;
    }
}

/// The named faces of one photo, in its pixels.
fn take(
    catalogue: &Album,
    photo: PhotoId,
    faces: Vec<Face>,
    people: &BTreeMap<String, String>,
    claims: &mut Vec<Claim>,
    answer: &mut Answer,
) -> Result<()> {
    let view = catalogue.photo(photo)?;
    let (width, height) = (f64::from(view.width_px), f64::from(view.height_px));
    for face in faces {
        let named = face
            .person
            .as_ref()
            .and_then(|person| people.get(&person.id));
        let Some(name) = named.filter(|name| !name.is_empty()) else {
            count(answer, "faces of nobody with a name in Immich", 1);
            continue;
        };
        let has_place = face.bounding_box_x2 > face.bounding_box_x1
            && face.bounding_box_y2 > face.bounding_box_y1;
        if !has_place {
            count(
                answer,
                "faces without a place, which Immich has from tags",
                1,
            );
            continue;
        }
        let (a, b) = (width * face.image_height, height * face.image_width);
        let is_shape = face.image_width > 0.0 && (a - b).abs() <= SAME_SHAPE * a.max(b);
        if !is_shape {
            let path = view
                .paths
                .first()
                .map(|path| shown(path))
                .unwrap_or_default();
            answer.problems.push(format!(
                "{path}: Immich has its faces on {} x {}, the upright photo has {width} x \
                 {height}; not taken, since the boxes would lie elsewhere",
                face.image_width, face.image_height
            ));
            continue;
        }
        let scale = width / face.image_width;
        let side = |value: f64| (value * scale) as f32;
        let bbox = BoundingBox {
            x_min: side(face.bounding_box_x1),
            y_min: side(face.bounding_box_y1),
            x_max: side(face.bounding_box_x2),
            y_max: side(face.bounding_box_y2),
        };
        claims.push(Claim {
            photo,
            source: "import of Immich",
            name: name.clone(),
            bbox,
            // Nobody knows when, so whatever was decided here was later.
            written_ms: 0,
        });
    }
    Ok(())
}

impl Asset {
    /// What to call it: its path, else its name or number.
    fn place(&self) -> String {
        let path = self
            .original_path
            .as_ref()
            .or(self.original_file_name.as_ref());
        path.unwrap_or(&self.id).clone()
    }
}

/// The photos of the catalogue by what Immich knows of a file.
struct Photos {
    files: Vec<(PathBuf, PhotoId)>,
    by_name: HashMap<String, Vec<usize>>,
    /// SHA-1 of the files that were read so far.
    by_sha1: HashMap<[u8; 20], PhotoId>,
    read: HashSet<usize>,
}

impl Photos {
    fn of(catalogue: &Album) -> Result<Photos> {
        let mut files = Vec::new();
        every_photo(catalogue, |photo| {
            files.extend(photo.paths.iter().map(|path| (path.clone(), photo.photo)));
            Ok(())
        })?;
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, (path, _)) in files.iter().enumerate() {
            by_name.entry(lower_name(path)).or_default().push(at);
        }
        Ok(Photos {
            files,
            by_name,
            by_sha1: HashMap::new(),
            read: HashSet::new(),
        })
    }

    /// The photo that is the asset's file: files of its names are read first, then all others.
    fn find(&mut self, asset: &Asset) -> Option<PhotoId> {
        let path = asset.original_path.as_deref().map(Path::new);
        let names = [asset.original_file_name.as_deref().map(Path::new), path];
        let likely = names.into_iter().flatten().map(lower_name);
        let mut likely: Vec<usize> = likely
            .filter_map(|name| self.by_name.get(&name))
            .flatten()
            .copied()
            .collect();
        likely.sort_unstable();
        likely.dedup();
        let wanted = asset.checksum.as_deref().and_then(sha1_of_text);
        if let Some(wanted) = wanted {
            for at in likely.iter().copied().chain(0..self.files.len()) {
                if let Some(photo) = self.by_sha1.get(&wanted) {
                    return Some(*photo);
                }
                if self.read.len() == self.files.len() {
                    break;
                }
                self.read(at);
            }
            if let Some(photo) = self.by_sha1.get(&wanted) {
                return Some(*photo);
            }
        }
        // The file was edited since, or is one of several with that end.
        let ends_alike = |at: &&usize| {
            let mut here = self.files[**at].0.components().rev();
            let mut there = path?.components().rev();
            let same = (0..PATH_END).all(|_| match (here.next(), there.next()) {
                (Some(a), Some(b)) => a == b,
                _ => false,
            });
            same.then_some(())
        };
        let mut alike = likely.iter().filter(|at| ends_alike(at).is_some());
        match (alike.next(), alike.next()) {
            (Some(at), None) => Some(self.files[*at].1),
            _ => None,
        }
    }

    /// Adds the SHA-1 of a file, once; one that cannot be read has none.
    fn read(&mut self, at: usize) {
        if !self.read.insert(at) {
            return;
        }
        let (path, photo) = &self.files[at];
        if let Some(sha1) = sha1_of_file(path) {
            self.by_sha1.insert(sha1, *photo);
        }
    }
}

fn lower_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().to_lowercase()
}

/// Immich writes checksums in base64.
fn sha1_of_text(text: &str) -> Option<[u8; 20]> {
    let bytes = STANDARD.decode(text).ok()?;
    bytes.try_into().ok()
}

fn sha1_of_file(path: &Path) -> Option<[u8; 20]> {
    let mut file = File::open(path).ok()?;
    let (mut sha1, mut part) = (Sha1::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut part).ok()? {
            0 => return Some(sha1.finalize().into()),
            n => sha1.update(&part[..n]),
        }
    }
}

/// The other server.
struct Server {
    agent: ureq::Agent,
    address: String,
    key: String,
}

impl Server {
    fn at(url: &str, key: String) -> Result<Server> {
        ensure!(
            is_web_address(url),
            "{}: an address such as http://server:2283 is wanted, without a login",
            without_login(url)
        );
        let visible = |c: char| c.is_ascii_graphic();
        ensure!(
            !key.is_empty() && key.chars().all(visible),
            "the key of Immich is not one: letters, digits and signs on the first line are wanted"
        );
        let settings = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            // The key goes to the address given and nowhere else.
            .max_redirects(0)
            .build();
        let address = url.trim_end_matches('/').trim_end_matches("/api");
        Ok(Server {
            agent: settings.into(),
            address: address.to_owned(),
            key,
        })
    }

    fn ask<T: DeserializeOwned>(&self, path: &str, body: Option<&Value>) -> Result<T> {
        let url = format!("{}/api/{path}", self.address);
        let asked = match body {
            None => self.agent.get(&url).header("x-api-key", &self.key).call(),
            Some(body) => self
                .agent
                .post(&url)
                .header("x-api-key", &self.key)
                .header("content-type", "application/json")
                .send(body.to_string()),
        };
        let mut answer = asked.with_context(|| {
            format!("{url}: cannot be reached; start that server or give its address")
        })?;
        let status = answer.status().as_u16();
        let limited = answer.body_mut().with_config().limit(MAX_ANSWER_BYTES);
        let bytes = limited.read_to_vec().with_context(|| url.clone())?;
        if !(200..300).contains(&status) {
            let said = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
            bail!(
                "{url} answers {status}: {said}; give an API key of Immich with the permissions \
                 person.read, face.read and asset.read"
            );
        }
        serde_json::from_slice(&bytes).with_context(|| format!("{url}: not Immich's answer"))
    }

    /// All people by number, with their names, which may be empty. Ends with a page that brings
    /// nobody new, whatever the server says of more.
    fn people(&self) -> Result<BTreeMap<String, String>> {
        let mut all = BTreeMap::new();
        for page in 1..=MAX_PAGES {
            let path = format!("people?withHidden=true&page={page}&size={PEOPLE_PER_PAGE}");
            let part: People = self.ask(&path, None)?;
            let before = all.len();
            let named = |p: Person| (p.id, p.name.trim().to_owned());
            all.extend(part.people.into_iter().map(named));
            ensure!(
                all.len() <= MAX_PEOPLE,
                "{}: more than {MAX_PEOPLE} people, which no library has",
                self.address
            );
            if part.has_next_page != Some(true) || all.len() == before {
                break;
            }
        }
        Ok(all)
    }

    /// Adds the photos of a person. Ends with a page that brings no new one for this person.
    fn assets_of(&self, person: &str, assets: &mut BTreeMap<String, Asset>) -> Result<()> {
        let mut seen = HashSet::new();
        for page in 1..=MAX_PAGES {
            let body = json!({
                "personIds": [person], "type": "IMAGE", "page": page, "size": ASSETS_PER_PAGE,
            });
            let part: Found = self.ask("search/metadata", Some(&body))?;
            let before = seen.len();
            for asset in part.assets.items {
                if seen.insert(asset.id.clone()) {
                    assets.insert(asset.id.clone(), asset);
                }
            }
            ensure!(
                assets.len() <= MAX_ASSETS,
                "{}: more than {MAX_ASSETS} photos, which no library has",
                self.address
            );
            let is_last = part.assets.next_page.is_none_or(|next| next.is_null());
            if is_last || seen.len() == before {
                break;
            }
        }
        Ok(())
    }

    fn faces(&self, asset: &str) -> Result<Vec<Face>> {
        // The number came from the other server, and goes into an address.
        let is_number = asset.len() <= 64
            && asset
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-');
        ensure!(
            is_number,
            "{}: {asset:?} is no number of a photo",
            self.address
        );
        self.ask(&format!("faces?id={asset}"), None)
    }
}

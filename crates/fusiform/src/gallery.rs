//! Enrolled people. In: an [`Engine`], names, faces. Out: who a face is, with the error rate of the
//! answer. Knows nothing of how people are stored; that is the room `fusiform-gallery`.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use fusiform_face::align::{ALIGNED_SIDE_PX, REFERENCE};
use fusiform_gallery::{
    Gallery as People, Kind, Lock, Match, Place, Service, Terms, new_key, private_file,
};
use fusiform_search::template::{ModelId, Similarity};

pub use fusiform_gallery::{Consent, Health, Person, Reembedded, Secret, SetAside, Uuid};

use crate::detect::DetectedFace;
use crate::engine::Engine;
use crate::error::Error;
use crate::file::read_bounded;
use crate::geometry::{BoundingBox, Landmarks};
use crate::models::Threshold;
use crate::photo::Face;
use crate::verify::{Fmr, Thresholds};

/// Largest key file that is read, in bytes: 64 digits and a line end.
const MAX_KEY_BYTES: u64 = 1024;

/// Basis and purpose of people whose consent was not stated.
const NOT_STATED: &str = "not stated";

/// People who are recognised: their names, consents and faces, sealed on disk or in memory.
///
/// Templates are those of one model: a gallery opened with another pack than it was made with is
/// refused. Each name, template and picture in the file is encrypted; an enrolment or erasure is on
/// disk when the call returns, with an entry in a log that proves what was done. One process at a
/// time may have a file open.
///
/// # Example
/// ```
/// use fusiform::{Engine, Fmr, Gallery};
/// let engine = Engine::builtin()?;
/// # let dir = tempfile::tempdir().unwrap();
/// # let file = dir.path().join("people.db");
/// let mut people = Gallery::open(&file, &engine)?; // the key is made beside it: people.key
/// let ida = engine.analyse_file("tests/data/ida.jpg")?;
/// people.enrol("Ida", ida.largest()?)?;
///
/// let found = people.identify(ida.largest()?, Fmr(1e-3))?;
/// assert_eq!(found.name.as_deref(), Some("Ida"));
/// assert!(found.similarity.unwrap().0 >= found.threshold.similarity);
///
/// assert!(people.erase("Ida")?);
/// assert_eq!(people.identify(ida.largest()?, Fmr(1e-3))?.name, None);
/// # Ok::<(), fusiform::Error>(())
/// ```
#[derive(Debug)]
pub struct Gallery {
    people: People,
    service: Service,
    model: ModelId,
    thresholds: Thresholds,
    /// Held for as long as the gallery is open.
    _lock: Option<Lock>,
}

/// Who a face is, and what the answer rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Identification {
    /// Name of the nearest enrolled person, if near enough; `None` is a person who is not enrolled.
    pub name: Option<String>,
    /// Cosine similarity to the nearest enrolled face, named or not, -1…1; larger is nearer. `None`
    /// if nobody is enrolled.
    pub similarity: Option<Similarity>,
    /// The similarity from which on a face is named, with the rates measured at it. Among N
    /// enrolled faces a stranger is named about N times as often as its `fmr`.
    pub threshold: Threshold,
}

impl Gallery {
    /// Opens the people in a file, or makes it; its key lies beside it.
    ///
    /// For `people.db` the key is `people.key`, made on first use; both can be read by their owner
    /// alone (mode 0600 on Unix). Whoever has both files has the people: keep them apart in
    /// backups, or hold the key elsewhere with [`Gallery::open_with`].
    ///
    /// # Errors
    /// [`Error::Lacks`] if the engine has no embedder. [`Error::Io`] if the key cannot be read, or
    /// is missing beside a file that exists. [`Error::Gallery`]: the key is another one, the file
    /// was made by another model, is damaged, or in use by another process.
    pub fn open(path: impl AsRef<Path>, engine: &Engine) -> Result<Gallery, Error> {
        let path = path.as_ref();
        Gallery::open_with(path, &key_beside(path)?, engine)
    }

    /// As [`Gallery::open`], with a key or passphrase that is kept elsewhere.
    ///
    /// # Errors
    /// As [`Gallery::open`].
    ///
    /// # Example
    /// ```
    /// use fusiform::{Engine, Gallery, gallery::Secret};
    /// let engine = Engine::builtin()?;
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let file = dir.path().join("people.db");
    /// let secret = Secret::Passphrase("correct horse battery staple".to_owned().into());
    /// drop(Gallery::open_with(&file, &secret, &engine)?);
    /// let wrong = Secret::Passphrase("12345".to_owned().into());
    /// let error = Gallery::open_with(&file, &wrong, &engine).unwrap_err();
    /// assert_eq!(error.kind(), fusiform::ErrorKind::WrongKey);
    /// # Ok::<(), fusiform::Error>(())
    /// ```
    pub fn open_with(
        path: impl AsRef<Path>,
        secret: &Secret,
        engine: &Engine,
    ) -> Result<Gallery, Error> {
        let path = path.as_ref();
        let lock = Lock::take(path)?;
        let people = People::open(path, secret, &engine.embedder_id()?.0)?;
        // Whoever was erased must not come back with an old copy of a part of the file; a broken
        // log is an error too.
        people.verify_erased()?;
        Gallery::over(people, Some(lock), engine)
    }

    /// An empty gallery that ends with the program; nothing is written.
    ///
    /// # Errors
    /// [`Error::Lacks`] if the engine has no embedder.
    pub fn in_memory(engine: &Engine) -> Result<Gallery, Error> {
        let people = People::in_memory(&engine.embedder_id()?.0)?;
        Gallery::over(people, None, engine)
    }

    fn over(people: People, lock: Option<Lock>, engine: &Engine) -> Result<Gallery, Error> {
        Ok(Gallery {
            service: service(&people)?,
            people,
            model: engine.embedder_id()?.clone(),
            thresholds: engine.thresholds()?.clone(),
            _lock: lock,
        })
    }

    /// Enrols a face under a name; a person may have several. On disk when this returns.
    ///
    /// Letter case does not tell names apart. The upright crop is kept with the template, so that a
    /// change of model can embed it anew. The person is kept until erased; [`Gallery::enrol_with`]
    /// states on what ground and until when.
    ///
    /// # Errors
    /// [`Error::NoTemplate`]; [`Error::Unclear`]; [`Error::Search`] for a template of another
    /// model; [`Error::Name`] for an empty name; [`Error::Gallery`] if it cannot be stored.
    pub fn enrol(&mut self, name: &str, face: &Face) -> Result<Uuid, Error> {
        let vector = self.vector(face)?;
        refuse_unclear(face)?;
        let name = checked(name)?;
        let crop = fusiform_face::image::encode_png(&face.aligned.to_image())?;
        let people = &self.people;
        Ok(people.enrol_on_terms(self.service, name, vector, &crop)?)
    }

    /// As [`Gallery::enrol`], with the person's consent: ground, purpose, and when it ends.
    ///
    /// It replaces a consent that the person had. Nobody is found by it once it has ended.
    ///
    /// # Errors
    /// As [`Gallery::enrol`]; [`Error::Gallery`] for a consent that has ended, or whose end is not
    /// in milliseconds.
    pub fn enrol_with(&mut self, name: &str, face: &Face, consent: Consent) -> Result<Uuid, Error> {
        self.vector(face)?;
        refuse_unclear(face)?;
        let name = checked(name)?;
        let new = self
            .people
            .add_subject(self.service, name, Some(consent.clone()))?;
        if !new {
            self.people.set_consent(self.service, name, consent)?;
        }
        self.enrol(name, face)
    }

    /// Who a face is, at a false-match rate that the pack states.
    ///
    /// # Errors
    /// [`Error::NoTemplate`]; [`Error::Search`] for a template of another model;
    /// [`Error::Uncalibrated`] if the pack states no threshold at `fmr`.
    pub fn identify(&self, face: &Face, fmr: Fmr) -> Result<Identification, Error> {
        Ok(self.identify_all(&[face], fmr)?.remove(0))
    }

    /// As [`Gallery::identify`] for all faces of a photo, in one pass over the enrolled.
    ///
    /// # Shapes
    /// As many answers as faces, in their order.
    ///
    /// # Errors
    /// As [`Gallery::identify`].
    pub fn identify_all(&self, faces: &[&Face], fmr: Fmr) -> Result<Vec<Identification>, Error> {
        let threshold = self.thresholds.at_fmr(fmr)?;
        let vectors = faces.iter().map(|face| self.vector(face));
        let vectors = vectors.collect::<Result<Vec<_>, _>>()?;
        let nearest = self.people.nearest(self.service, &vectors, 1);
        let identified = |nearest: Vec<Match>| {
            let nearest = nearest.into_iter().next();
            let named = nearest
                .as_ref()
                .filter(|nearest| nearest.similarity >= threshold.similarity);
            Identification {
                name: named.map(|nearest| nearest.subject.clone()),
                similarity: nearest.map(|nearest| Similarity(nearest.similarity)),
                threshold,
            }
        };
        Ok(nearest.into_iter().map(identified).collect())
    }

    /// Everybody enrolled, in the order in which they came.
    pub fn people(&self) -> Vec<Person> {
        self.people.people(self.service)
    }

    /// Erases a person with all faces; `false` if nobody has that name. The bytes are overwritten
    /// on disk when this returns, and the log keeps that somebody was erased, not who.
    ///
    /// # Errors
    /// [`Error::Gallery`].
    pub fn erase(&mut self, name: &str) -> Result<bool, Error> {
        Ok(self.people.erase_subject(self.service, name)?.is_some())
    }

    /// How the gallery is: whether the disk is full, the clock is believed, erased bytes are gone.
    pub fn health(&self) -> Health {
        self.people.health()
    }

    /// Embeds everybody anew with the model of an engine, from the pictures that were kept: for a
    /// file that [`Gallery::open`] refuses as another model made it.
    ///
    /// Names, consents and the log stay. Each face is one transaction: a run that is killed goes on
    /// where it was. Faces that cannot be embedded are kept, but not matched, and listed.
    /// `progress` is told how many of how many faces are done.
    ///
    /// # Errors
    /// [`Error::Lacks`] if the engine has no embedder; [`Error::Gallery`] if the file is damaged,
    /// in use by another process, or cannot be written.
    ///
    /// # Example
    /// ```
    /// use fusiform::{Engine, Gallery, gallery::Secret};
    /// let engine = Engine::builtin()?;
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let file = dir.path().join("people.db");
    /// let secret = Secret::Passphrase("correct horse battery staple".to_owned().into());
    /// drop(Gallery::open_with(&file, &secret, &engine)?);
    /// let done = Gallery::reembed(&file, &secret, &engine, |_, _| ())?;
    /// assert!(done.aside.is_empty());
    /// # Ok::<(), fusiform::Error>(())
    /// ```
    pub fn reembed(
        path: impl AsRef<Path>,
        secret: &Secret,
        engine: &Engine,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Reembedded, Error> {
        Gallery::reembed_at(
            &path.as_ref().to_owned().into(),
            secret,
            engine,
            &mut progress,
        )
    }

    /// As [`Gallery::reembed`], wherever the gallery is kept.
    ///
    /// # Errors
    /// As [`Gallery::reembed`].
    pub fn reembed_at(
        place: &Place,
        secret: &Secret,
        engine: &Engine,
        mut progress: impl FnMut(usize, usize),
    ) -> Result<Reembedded, Error> {
        let model = &engine.embedder_id()?.0;
        let _lock = place.lock()?;
        let store = place.open(secret)?;
        let embed = |image: &[u8]| embed_stored(engine, image);
        let done = fusiform_gallery::reembed(&*store, model, &embed, &mut progress);
        Ok(done?)
    }

    /// Erases everybody whose consent has ended: how many they were. Whose consent has ended only
    /// by a clock that jumped is not matched, and is erased when the clock has proved right.
    ///
    /// # Errors
    /// [`Error::Gallery`].
    pub fn erase_ended(&mut self) -> Result<usize, Error> {
        Ok(self.people.erase_ended()?)
    }

    fn vector<'a>(&self, face: &'a Face) -> Result<&'a [f32], Error> {
        let template = face.template()?;
        if template.model != self.model {
            return Err(Error::Search(fusiform_search::Error::ModelsDiffer {
                left: template.model.to_string(),
                right: self.model.to_string(),
            }));
        }
        Ok(&template.vector)
    }
}

/// The collection of people that a file holds; made in a new file.
fn service(people: &People) -> Result<Service, Error> {
    let found = people.services().into_iter().map(|(service, _)| service);
    if let Some(service) = found
        .filter(|s| s.kind == Kind::Recognition)
        .min_by_key(|s| s.id)
    {
        return Ok(service);
    }
    let terms = Terms {
        basis: NOT_STATED.into(),
        purpose: NOT_STATED.into(),
        keep_days: None,
    };
    // The key that would open it through a server is given to nobody.
    Ok(people.add_service(Kind::Recognition, &Uuid::new_v4(), terms)?)
}

/// The template of a stored picture: a photo with the face, or the upright crop of one.
fn embed_stored(engine: &Engine, bytes: &[u8]) -> Result<Vec<f32>, String> {
    let said = |e: Error| e.to_string();
    let image = engine.decode(bytes).map_err(said)?.image;
    let side = ALIGNED_SIDE_PX as f32;
    if (image.width(), image.height()) == (ALIGNED_SIDE_PX, ALIGNED_SIDE_PX) {
        // A crop that stands where aligning puts a face already.
        let face = DetectedFace {
            bbox: BoundingBox {
                x_min: 0.0,
                y_min: 0.0,
                x_max: side,
                y_max: side,
            },
            score: 1.0,
            landmarks: Some(Landmarks::from_array(REFERENCE)),
        };
        return engine.embed_at(&image, &face).map_err(said);
    }
    let options = engine.usual_options();
    let photo = engine.analyse(bytes, &options).map_err(said)?;
    let face = photo.largest().map_err(said)?;
    Ok(face.template().map_err(said)?.vector.clone())
}

/// An example by which nobody can be recognised would match other such faces.
fn refuse_unclear(face: &Face) -> Result<(), Error> {
    match face.is_unclear() {
        true => Err(Error::Unclear {
            recognisability: face.quality.recognisability,
        }),
        false => Ok(()),
    }
}

fn checked(name: &str) -> Result<&str, Error> {
    let trimmed = name.trim();
    if trimmed.is_empty() {
        return Err(Error::Name(name.into()));
    }
    Ok(trimmed)
}

/// The key in the file beside a gallery, which is made if the gallery is not there yet.
fn key_beside(gallery: &Path) -> Result<Secret, Error> {
    let path = key_path(gallery);
    let failed = |e| Error::io(&path, e);
    if gallery.exists() || path.exists() {
        let bytes = read_bounded(&path, MAX_KEY_BYTES).map_err(failed)?;
        // Anything but digits is refused when the key is used.
        let text = String::from_utf8_lossy(&bytes).trim().to_owned();
        return Ok(Secret::Hex(text.into()));
    }
    let key = new_key()?;
    let mut options = OpenOptions::new();
    let mut file = private_file(&path, options.write(true).create_new(true)).map_err(failed)?;
    file.write_all(key.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)?;
    Ok(Secret::Hex(key))
}

/// `people.key` for `people.db`; a gallery that is itself called `.key` gets `.key.key`.
fn key_path(gallery: &Path) -> PathBuf {
    let beside = gallery.with_extension("key");
    if beside != gallery {
        return beside;
    }
    let mut name = gallery.as_os_str().to_owned();
    name.push(".key");
    name.into()
}

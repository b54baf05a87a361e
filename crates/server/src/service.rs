//! Recognition. In: photos and probes. Out: faces, matches, and what the gallery stores. Joins the
//! gallery to [`Analyser`]; knows nothing of routes or contracts.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use fusiform::engine::Engine;
use fusiform::geometry::BoundingBox;
use fusiform::{Face, NotOneFace, one_clear_face};
use fusiform_gallery::{
    Action, Found, Gallery, Kind, Match, SearchIn, Service, Uuid, is_guessable,
};

use crate::admission::{Admission, Holder, blocking};
use crate::analysis::{Analysed, Analyser};
use crate::attempts::Attempts;
use crate::front::Client;
use crate::problem::{Code, Problem};

/// How often people are erased whose consent has ended.
const ERASE_EVERY: Duration = Duration::from_secs(10);
/// How soon a key that was taken back opens nothing.
const FOLLOW_KEYS_EVERY: Duration = Duration::from_secs(2);

/// Unknown keys of one address in a row before it has to wait.
const FREE_WRONG_KEYS: u32 = 20;
/// How long after the latest of them.
const WRONG_KEYS_WAIT: Duration = Duration::from_secs(10);

/// An engine and a gallery.
#[derive(Debug)]
pub(crate) struct Recognition {
    analyser: Analyser,
    gallery: Arc<Gallery>,
    /// Of several faces in an enrolment's photo take the largest.
    enrol_largest: bool,
    wrong_keys: Attempts,
}

impl Recognition {
    pub(crate) fn new(
        analyser: Analyser,
        gallery: Arc<Gallery>,
        enrol_largest: bool,
    ) -> Recognition {
        Recognition {
            analyser,
            gallery,
            enrol_largest,
            wrong_keys: Attempts::new(FREE_WRONG_KEYS, WRONG_KEYS_WAIT),
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.analyser.engine()
    }

    /// The gallery, for what it answers from memory; see [`Recognition::stored`] for the rest.
    pub(crate) fn gallery(&self) -> &Gallery {
        &self.gallery
    }

    pub(crate) fn admission(&self) -> &Admission {
        self.analyser.admission()
    }

    /// The face that an enrolment's photo shows.
    pub(crate) fn enrolled_face<'a>(&self, faces: &'a [Face]) -> Result<&'a Face, NotOneFace> {
        one_clear_face(faces, self.enrol_largest)
    }

    /// The faces of a photo.
    pub(crate) async fn analyse(
        &self,
        holder: impl Into<Holder>,
        bytes: Bytes,
    ) -> Result<Analysed, Problem> {
        self.analyser.analyse(holder, bytes).await
    }

    /// See [`Analyser::with_picture`].
    pub(crate) async fn with_picture<T: Send + 'static>(
        &self,
        holder: Holder,
        bytes: Bytes,
        work: impl FnOnce(&Engine, &Bytes) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        self.analyser.with_picture(holder, bytes, work).await
    }

    /// The box and the embedding of a picture that is one cropped face; nothing is detected.
    pub(crate) async fn embed_crop(
        &self,
        service: Service,
        bytes: Bytes,
    ) -> Result<(BoundingBox, Vec<f32>), Problem> {
        self.analyser.embed_crop(service, bytes).await
    }

    /// The `top` nearest examples of each probe, nearest first. All probes of a photo go in one
    /// pass.
    pub(crate) async fn nearest(
        &self,
        service: Service,
        probes: Vec<Vec<f32>>,
        top: usize,
    ) -> Result<Vec<Vec<Match>>, Problem> {
        self.nearest_as(service, service, probes, top).await
    }

    /// As [`Recognition::nearest`], on the budget of a program that acts for the service.
    pub(crate) async fn nearest_as(
        &self,
        holder: impl Into<Holder>,
        service: Service,
        probes: Vec<Vec<f32>>,
        top: usize,
    ) -> Result<Vec<Vec<Match>>, Problem> {
        Ok(self.search(holder, service, probes, top).await?.matches)
    }

    /// As [`Recognition::nearest_as`], and how well was searched.
    pub(crate) async fn search(
        &self,
        holder: impl Into<Holder>,
        service: Service,
        probes: Vec<Vec<f32>>,
        top: usize,
    ) -> Result<Found, Problem> {
        self.follow().await?;
        let search = move |gallery: &Gallery| {
            let probes: Vec<&[f32]> = probes.iter().map(Vec::as_slice).collect();
            gallery.search(service, &probes, top)
        };
        let gallery = Arc::clone(&self.gallery);
        match gallery.search_in() {
            SearchIn::Memory => {
                let work = move || Ok(search(&gallery)?);
                self.admission().compute(holder, 0, work).await
            }
            // It waits for the database, and computes next to nothing here.
            SearchIn::Database => self.stored(search).await,
        }
    }

    /// Takes in what other servers of a shared gallery have changed: an answer that is begun after
    /// this knows of everything that was acknowledged before.
    pub(crate) async fn follow(&self) -> Result<(), Problem> {
        match self.gallery.is_shared() {
            true => self.stored(Gallery::catch_up).await.map(drop),
            false => Ok(()),
        }
    }

    /// Does what waits for the disk.
    pub(crate) async fn stored<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Gallery) -> Result<T, fusiform_gallery::Error> + Send + 'static,
    ) -> Result<T, Problem> {
        let gallery = Arc::clone(&self.gallery);
        blocking(move || Ok(work(&gallery)?)).await
    }

    /// Puts into the audit log, before the answer is given, that `count` faces were compared.
    pub(crate) async fn record(
        &self,
        action: Action,
        service: Service,
        count: usize,
    ) -> Result<(), Problem> {
        let record = move |gallery: &Gallery| gallery.record(action, Some(service), None, count);
        self.stored(record).await
    }

    /// The service that a key opens, if it is of one of these kinds, as far as memory knows; the
    /// key counts as used. Keys that are published or can be guessed open nothing.
    pub(crate) fn opened_by(&self, kinds: &[Kind], key: &Uuid) -> Option<Service> {
        if is_guessable(key) {
            return None;
        }
        let mut kinds = kinds.iter();
        kinds.find_map(|kind| self.gallery.service(*kind, key))
    }

    /// The service of a client's key, if it is of one of these kinds. Keys made since the start are
    /// read from the file. An address that sends many wrong keys is logged, and then has to wait
    /// before the file is read for it again; a right key is never made to wait.
    pub(crate) async fn service(
        &self,
        client: Client,
        kinds: &[Kind],
        key: &Uuid,
    ) -> Result<Option<Service>, Problem> {
        if let Some(service) = self.opened_by(kinds, key) {
            if !self.gallery.is_shared() {
                return Ok(Some(service));
            }
            // Another server may have taken it back.
            self.follow().await?;
            return Ok(self.opened_by(kinds, key));
        }
        let guessable = is_guessable(key);
        // A right key in the wrong place is no guess.
        if !guessable && self.gallery.is_key(key) {
            return Ok(None);
        }
        if self.wrong_keys.must_wait(client.address) {
            let detail = "Too many requests with unknown keys, please wait";
            return Err(Problem::new(Code::RateLimited, detail));
        }
        // A failure is in the log already; the key counts as unknown.
        drop(self.stored(Gallery::learn_services).await);
        // Another request may have learnt of it meanwhile.
        let service = self.opened_by(kinds, key);
        if service.is_none() {
            let n = self.wrong_keys.failed(client.address);
            if n == 1 || n == FREE_WRONG_KEYS {
                let what = match guessable {
                    true => "API key that is published or can be guessed, which opens nothing,",
                    false => "unknown API key",
                };
                tracing::warn!("{what} from {}, {n} in a row", client.address);
            }
        }
        Ok(service)
    }

    /// Takes in keys that another process made or took back, and keeps when keys were used, again
    /// and again.
    pub(crate) async fn follow_keys(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(FOLLOW_KEYS_EVERY);
        loop {
            ticks.tick().await;
            // What fails is in the log, and tried again.
            drop(self.stored(Gallery::learn_services).await);
            drop(self.stored(Gallery::keep_key_use).await);
        }
    }

    /// Erases people whose consent has ended, again and again. They stop matching at the end of
    /// their consent, not only when they are erased.
    pub(crate) async fn erase_expired(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(ERASE_EVERY);
        loop {
            ticks.tick().await;
            match self.stored(Gallery::erase_ended).await {
                Ok(0) => {}
                Ok(n) => tracing::info!("{n} people erased whose consent ended"),
                Err(_) => tracing::error!("people whose consent ended are not erased"),
            }
        }
    }
}

/// The embedding of a face.
///
/// # Errors
/// [`Code::Internal`] if the pack only detects.
pub(crate) fn embedding(face: &Face) -> Result<&[f32], Problem> {
    let template = face.template.as_ref();
    let template = template.ok_or_else(|| Problem::internal("the pack only detects"))?;
    Ok(&template.vector)
}

/// The embeddings of faces, in their order.
///
/// # Errors
/// As [`embedding`].
pub(crate) fn embeddings(faces: &[Face]) -> Result<Vec<Vec<f32>>, Problem> {
    let each = faces.iter().map(|face| Ok(embedding(face)?.to_vec()));
    each.collect()
}

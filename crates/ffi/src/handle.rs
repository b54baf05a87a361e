//! What handles stand for. In: objects. Out: numbers that are never used twice, and the objects
//! again for as long as they are open. Knows nothing of pointers.

use std::collections::BTreeMap;
use std::process;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use crate::error::{Failure, FusiformCode};

/// The networks of a model pack, ready to run; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct FusiformEngine {
    /// For the library alone.
    pub id: u64,
}

/// An analysed photo with its faces; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct FusiformPhoto {
    /// For the library alone.
    pub id: u64,
}

/// Enrolled people; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct FusiformGallery {
    /// For the library alone.
    pub id: u64,
}

/// A photo library; 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct FusiformAlbum {
    /// For the library alone.
    pub id: u64,
}

/// An album and the engine that it is scanned with.
pub(crate) struct OpenAlbum {
    pub(crate) album: fusiform::Album,
    pub(crate) engine: Arc<fusiform::Engine>,
}

/// Something that is open.
#[derive(Clone)]
enum Open {
    Engine(Arc<fusiform::Engine>),
    Photo(Arc<fusiform::Photo>),
    Gallery(Arc<RwLock<fusiform::Gallery>>),
    Album(Arc<Mutex<OpenAlbum>>),
}

/// Everything that is open.
static OPEN: RwLock<Table> = RwLock::new(Table {
    last: 0,
    open: BTreeMap::new(),
});

struct Table {
    /// The number that was given out last.
    last: u64,
    /// By number, with the process that opened it.
    open: BTreeMap<u64, (u32, Open)>,
}

fn insert(object: Open) -> u64 {
    let mut table = OPEN.write().unwrap_or_else(PoisonError::into_inner);
    table.last += 1;
    let id = table.last;
    table.open.insert(id, (process::id(), object));
    id
}

fn get(id: u64, what: &str) -> Result<Open, Failure> {
    let table = OPEN.read().unwrap_or_else(PoisonError::into_inner);
    let why = match table.open.get(&id) {
        Some((owner, object)) if *owner == process::id() => return Ok(object.clone()),
        Some(_) => "was opened by another process; open it in this one",
        None if id == 0 => "is 0, which is none",
        None => "is closed, or never was one",
    };
    Err(bad(what, id, why))
}

fn bad(what: &str, id: u64, why: &str) -> Failure {
    Failure {
        code: FusiformCode::BadHandle,
        message: format!("handle {id} of {what} {why}"),
    }
}

/// A kind of handle: how its object is kept, found and let go of.
pub(crate) trait Handle: Copy {
    type Object;
    const WHAT: &str;

    fn id(self) -> u64;
    fn of(open: AnyOpen) -> Option<Self::Object>;

    fn object(self) -> Result<Self::Object, Failure> {
        let found = get(self.id(), Self::WHAT)?;
        Self::of(AnyOpen(found)).ok_or_else(|| bad(Self::WHAT, self.id(), "is one of another kind"))
    }

    /// Closes it; calls under way keep its object until they return.
    fn close(self) -> Result<(), Failure> {
        // Checked first, so that a handle of another kind or process is left open.
        self.object()?;
        let mut table = OPEN.write().unwrap_or_else(PoisonError::into_inner);
        let closed = table.open.remove(&self.id());
        // Freed after the table, which others wait for.
        drop(table);
        closed
            .map(drop)
            .ok_or_else(|| bad(Self::WHAT, self.id(), "is closed, or never was one"))
    }
}

/// An open object of any kind, whose kinds are known to this file alone.
pub(crate) struct AnyOpen(Open);

impl Handle for FusiformEngine {
    type Object = Arc<fusiform::Engine>;
    const WHAT: &str = "an engine";

    fn id(self) -> u64 {
        self.id
    }

    fn of(AnyOpen(open): AnyOpen) -> Option<Self::Object> {
        match open {
            Open::Engine(engine) => Some(engine),
            _ => None,
        }
    }
}

impl Handle for FusiformPhoto {
    type Object = Arc<fusiform::Photo>;
    const WHAT: &str = "a photo";

    fn id(self) -> u64 {
        self.id
    }

    fn of(AnyOpen(open): AnyOpen) -> Option<Self::Object> {
        match open {
            Open::Photo(photo) => Some(photo),
            _ => None,
        }
    }
}

impl Handle for FusiformGallery {
    type Object = Arc<RwLock<fusiform::Gallery>>;
    const WHAT: &str = "a gallery";

    fn id(self) -> u64 {
        self.id
    }

    fn of(AnyOpen(open): AnyOpen) -> Option<Self::Object> {
        match open {
            Open::Gallery(gallery) => Some(gallery),
            _ => None,
        }
    }
}

impl Handle for FusiformAlbum {
    type Object = Arc<Mutex<OpenAlbum>>;
    const WHAT: &str = "an album";

    fn id(self) -> u64 {
        self.id
    }

    fn of(AnyOpen(open): AnyOpen) -> Option<Self::Object> {
        match open {
            Open::Album(album) => Some(album),
            _ => None,
        }
    }
}

pub(crate) fn open_engine(engine: fusiform::Engine) -> FusiformEngine {
    let id = insert(Open::Engine(Arc::new(engine)));
    FusiformEngine { id }
}

pub(crate) fn open_photo(photo: fusiform::Photo) -> FusiformPhoto {
    let id = insert(Open::Photo(Arc::new(photo)));
    FusiformPhoto { id }
}

pub(crate) fn open_gallery(gallery: fusiform::Gallery) -> FusiformGallery {
    let id = insert(Open::Gallery(Arc::new(RwLock::new(gallery))));
    FusiformGallery { id }
}

pub(crate) fn open_album(album: OpenAlbum) -> FusiformAlbum {
    let id = insert(Open::Album(Arc::new(Mutex::new(album))));
    FusiformAlbum { id }
}

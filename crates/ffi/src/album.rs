//! A photo library. In: folders, names. Out: people and their photos. Knows nothing of pixels.

use std::ffi::{CString, c_char, c_void};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{MutexGuard, PoisonError};

use fusiform::Album;
use fusiform::album::scan::{Event, Exclude, ScanOptions};
use fusiform::album::{OpenOptions, PersonId, PersonSummary};

use crate::error::{Failure, FusiformCode, FusiformError};
use crate::face::FusiformBox;
use crate::guard::guard;
use crate::handle::{FusiformAlbum, FusiformEngine, Handle, OpenAlbum, open_album};
use crate::pointer::{self, Out, OutArray};

/// What a scan did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct FusiformScanSummary {
    /// Files with the name of a photo.
    pub n_files: usize,
    /// Recorded by an earlier scan and not read again.
    pub n_unchanged: usize,
    /// Pictures that are new.
    pub n_analysed: usize,
    /// Faces found in those.
    pub n_new_faces: usize,
    /// Files and folders that could not be used; the callback is told which.
    pub n_problems: usize,
    /// Whether the callback asked it to stop before the end.
    pub is_interrupted: bool,
}

/// What a grouping found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct FusiformGroupSummary {
    /// People with at least one face.
    pub n_people: usize,
    /// Faces assigned to a person.
    pub n_members: usize,
    /// Faces assigned to nobody.
    pub n_unassigned: usize,
}

/// A person of an album, named or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct FusiformPerson {
    /// Their number, which never changes.
    pub id: i64,
    /// In how many photos they are.
    pub n_photos: usize,
    /// How many faces they have.
    pub n_faces: usize,
    /// Bytes of their name without the zero; 0 if they have none.
    pub name_bytes: usize,
}

/// Is told of progress, on the thread that scans: files done and of all. False ends the scan after
/// the files under way. It must return, and must not use the album.
pub type FusiformProgress =
    Option<unsafe extern "C" fn(context: *mut c_void, n_done: usize, n_files: usize) -> bool>;

/// Is told of a file that could not be used, and why; both texts end with the call. It must return,
/// and must not use the album.
pub type FusiformProblem =
    Option<unsafe extern "C" fn(context: *mut c_void, path: *const c_char, why: *const c_char)>;

/// Is told of a photo of a person; the path ends with the call. It must return, and must not use
/// the album.
pub type FusiformVisitPhoto =
    Option<unsafe extern "C" fn(context: *mut c_void, path: *const c_char, bbox: FusiformBox)>;

/// Opens an album, or makes it. The engine may be closed before it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_album_open(
    path: *const c_char,
    engine: FusiformEngine,
    album: *mut FusiformAlbum,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (path, album, error) = unsafe {
        (
            pointer::text(path, "path"),
            Out::at(album, "album"),
            Out::at(error, "error"),
        )
    };
    guard(error, || {
        let (path, out, engine) = (path?, album?, engine.object()?);
        let options = OpenOptions {
            read_only: false,
            create: true,
        };
        let album = Album::open(Path::new(path), options)?;
        out.put(open_album(OpenAlbum { album, engine }));
        Ok(())
    })
}

/// Records every new or changed photo below the folders, on all cores; fusiform_album_group makes
/// people. Known photos that did not change are not read again. `progress` and `problem` may be
/// NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_album_scan(
    album: FusiformAlbum,
    folders: *const *const c_char,
    n_folders: usize,
    progress: FusiformProgress,
    problem: FusiformProblem,
    context: *mut c_void,
    summary: *mut FusiformScanSummary,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (folders, summary, error) = unsafe {
        (
            pointer::array(folders, n_folders, "folders"),
            Out::at(summary, "summary"),
            Out::at(error, "error"),
        )
    };
    guard(error, || {
        let (summary, album) = (summary?, album.object()?);
        let mut roots = Vec::new();
        for folder in folders? {
            // SAFETY: as above; the array was the caller's, and so are its texts.
            roots.push(PathBuf::from(unsafe {
                pointer::text(*folder, "a folder")
            }?));
        }
        let mut open = lock(&album);
        let OpenAlbum { album, engine } = &mut *open;
        let (stop, mut n_files) = (AtomicBool::new(false), 0);
        let options = ScanOptions {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            exclude: Exclude::default(),
        };
        let tell = |event| {
            let n_done = match event {
                Event::Found(n) => {
                    n_files = n;
                    0
                }
                Event::Recorded(n_done) => n_done,
            };
            if let Some(progress) = progress {
                // SAFETY: a function of the caller's, called as its type says, on the caller's
                // thread, with the caller's context.
                let goes_on = unsafe { progress(context, n_done, n_files) };
                stop.fetch_or(!goes_on, Ordering::Relaxed);
            }
        };
        let usual = engine.usual_options();
        let done = engine.scan_with(album, &roots, &usual, &options, &stop, tell)?;
        if let Some(problem) = problem {
            for (path, why) in &done.problems {
                let (path, why) = (c_text(&path.to_string_lossy()), c_text(&why.why));
                // SAFETY: as above; both texts live until it returns.
                unsafe { problem(context, path.as_ptr(), why.as_ptr()) }
            }
        }
        summary.put(FusiformScanSummary {
            n_files: done.files,
            n_unchanged: done.unchanged,
            n_analysed: done.analysed,
            n_new_faces: done.new_faces,
            n_problems: done.problems.len(),
            is_interrupted: done.interrupted,
        });
        Ok(())
    })
}

/// Groups the faces into people, if anything changed since that was last done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_album_group(
    album: FusiformAlbum,
    summary: *mut FusiformGroupSummary,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (summary, error) = unsafe { (Out::at(summary, "summary"), Out::at(error, "error")) };
    guard(error, || {
        let (summary, album) = (summary?, album.object()?);
        let mut open = lock(&album);
        let OpenAlbum { album, engine } = &mut *open;
        let found = engine.group(album)?;
        summary.put(FusiformGroupSummary {
            n_people: found.n_people,
            n_members: found.n_members,
            n_unassigned: found.n_unassigned,
        });
        Ok(())
    })
}

/// All people with a name or a face, those with most faces first: as many as there is room for, and
/// how many there are. `people` may be NULL with a capacity of 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_album_people(
    album: FusiformAlbum,
    people: *mut FusiformPerson,
    capacity: usize,
    n_people: *mut usize,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (people, n_people, error) = unsafe {
        (
            OutArray::at(people, capacity, "people"),
            Out::at(n_people, "n_people"),
            Out::at(error, "error"),
        )
    };
    guard(error, || {
        let (people, n_people, album) = (people?, n_people?, album.object()?);
        let found = lock(&album).album.people()?;
        let person = |p: &PersonSummary| FusiformPerson {
            id: p.id.0,
            n_photos: p.n_photos,
            n_faces: p.n_faces,
            name_bytes: p.name.as_ref().map_or(0, String::len),
        };
        people.put(&found.iter().map(person).collect::<Vec<_>>());
        n_people.put(found.len());
        Ok(())
    })
}

/// The name of a person; an empty one if they have none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_album_person_name(
    album: FusiformAlbum,
    person_id: i64,
    name: *mut c_char,
    name_capacity: usize,
    name_bytes: *mut usize,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (name, name_bytes, error) = unsafe {
        (
            OutArray::at(name, name_capacity, "name"),
            Out::at(name_bytes, "name_bytes"),
            Out::at(error, "error"),
        )
    };
    guard(error, || {
        let (name, name_bytes, album) = (name?, name_bytes?, album.object()?);
        let found = lock(&album).album.person(PersonId(person_id))?;
        let found = found.name.unwrap_or_default();
        name.put_text(&found);
        name_bytes.put(found.len());
        Ok(())
    })
}

/// Tells of each photo of a person, by date.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_album_photos_of(
    album: FusiformAlbum,
    person_id: i64,
    visit: FusiformVisitPhoto,
    context: *mut c_void,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let error = unsafe { Out::at(error, "error") };
    guard(error, || {
        let album = album.object()?;
        let visit = visit.ok_or_else(|| Failure::option("visit is NULL"))?;
        let photos = lock(&album).album.photos_of(PersonId(person_id))?;
        for photo in photos {
            for path in &photo.paths {
                let path = c_text(&path.to_string_lossy());
                // SAFETY: a function of the caller's, called as its type says, on the caller's
                // thread; the path lives until it returns.
                unsafe { visit(context, path.as_ptr(), photo.bbox.into()) }
            }
        }
        Ok(())
    })
}

/// Names a person. It outlives new scans, new groupings and other models.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_album_name(
    album: FusiformAlbum,
    person_id: i64,
    name: *const c_char,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let (name, error) = unsafe { (pointer::text(name, "name"), Out::at(error, "error")) };
    guard(error, || {
        let (name, album) = (name?, album.object()?);
        lock(&album).album.name(PersonId(person_id), name)?;
        Ok(())
    })
}

/// Closes an album.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fusiform_album_close(
    album: FusiformAlbum,
    error: *mut FusiformError,
) -> FusiformCode {
    // SAFETY: the caller promises what the head of the header says of pointers.
    let error = unsafe { Out::at(error, "error") };
    guard(error, || album.close())
}

fn lock(album: &std::sync::Mutex<OpenAlbum>) -> MutexGuard<'_, OpenAlbum> {
    album.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A text with its zero; one within it ends it early.
fn c_text(text: &str) -> CString {
    let text = text.split('\0').next().unwrap_or_default();
    CString::new(text).unwrap_or_default()
}

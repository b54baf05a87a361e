//! Folders that are watched. In: folders. Out: which of them to scan again, soon after something
//! changed there. Knows nothing of what a scan does.
//!
//! The system reports changes; a change is handed on once nothing more was reported for
//! `QUIET`, or after `LONGEST`. Where reports were lost, where a folder was away and is back,
//! the whole folder is scanned again. Where the system will not watch so many folders, or cannot
//! (some network shares), the folder is looked through every `POLL_EVERY`.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode};
use notify::{
    Config, ErrorKind, Event, EventKind, PollWatcher, RecommendedWatcher, RecursiveMode, Watcher,
};

use crate::scan::{Exclude, ExcludeBelow, NO_MEDIA, looks_like_photo, looks_like_video};

/// Changes are handed on once it was quiet for so long …
const QUIET: Duration = Duration::from_millis(800);
/// … or after so long, while files keep coming.
const LONGEST: Duration = Duration::from_secs(10);
/// How often it is checked whether the folders are there.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// How soon a request to stop is seen.
const STOP_WITHIN: Duration = Duration::from_millis(500);
/// How often a folder is looked through that the system does not watch.
const POLL_EVERY: Duration = Duration::from_secs(30);
/// More changed folders than this are one scan of everything.
const MAX_FOLDERS: usize = 500;

/// What changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// Folders to scan, none within another.
    pub folders: Vec<PathBuf>,
    /// What the owner should know, in words.
    pub notes: Vec<String>,
}

/// Folders under watch. Dropping it ends the watch.
#[derive(Debug)]
pub struct Watch {
    roots: Vec<Root>,
    shared: Arc<Shared>,
    system: Option<RecommendedWatcher>,
    polled: Option<PollWatcher>,
    looked: Instant,
}

#[derive(Debug)]
struct Root {
    path: PathBuf,
    /// What tells the folder from another at the same path; `None` while it is away.
    identity: Option<u64>,
    /// What is left out below it; `None` for patterns that cannot be read, which no scan takes.
    exclude: Option<ExcludeBelow>,
}

#[derive(Debug, Default)]
struct Shared {
    pending: Mutex<Pending>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Pending {
    folders: BTreeSet<PathBuf>,
    /// Reports were lost.
    lost: bool,
    notes: Vec<String>,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what the system reports.
    fn report(&self, reported: notify::Result<Event>) {
        let mut pending = self.lock();
        match reported {
            Ok(event) if event.need_rescan() => pending.lost = true,
            Ok(event) => {
                let folders: Vec<PathBuf> = match is_change(&event.kind) {
                    true => event.paths.iter().filter_map(|p| folder_of(p)).collect(),
                    false => Vec::new(),
                };
                if folders.is_empty() {
                    return;
                }
                pending.folders.extend(folders);
                if pending.folders.len() > MAX_FOLDERS {
                    pending.folders.clear();
                    pending.lost = true;
                }
            }
            // What went wrong with one path, such as a folder that vanished while it was looked
            // through: that folder is found out by the scan.
            Err(_) => pending.lost = true,
        }
        let now = Instant::now();
        pending.first.get_or_insert(now);
        pending.last = Some(now);
        self.changed.notify_one();
    }
}

/// Whether something may have been written: reading is reported as well.
fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

/// The folder to scan for a change at a path; `None` if it matters to no scan.
fn folder_of(path: &Path) -> Option<PathBuf> {
    if path.is_dir() {
        return Some(path.into());
    }
    let folder = path.parent()?;
    // A marker is about its folder as a whole, which is found or left out from the one above.
    if path.file_name().is_some_and(|name| name == NO_MEDIA) {
        return folder.parent().map(Path::to_path_buf);
    }
    // What is gone may have been a folder with photos.
    let matters = looks_like_photo(path) || looks_like_video(path) || !path.exists();
    matters.then(|| folder.to_path_buf())
}

impl Watch {
    /// Watches folders with all that is below them. Nothing is reported yet: scan them first.
    ///
    /// What cannot be watched by the system is looked through in intervals; the first
    /// [`Watch::next`] says so.
    pub fn new(roots: &[PathBuf], exclude: Exclude) -> Watch {
        let shared = Arc::new(Shared::default());
        let told = Arc::clone(&shared);
        let config = Config::default().with_follow_symlinks(true);
        let system = RecommendedWatcher::new(move |event| told.report(event), config);
        if let Err(e) = &system {
            shared.lock().notes.push(reason(e));
        }
        let mut watch = Watch {
            roots: Vec::new(),
            shared,
            system: system.ok(),
            polled: None,
            looked: Instant::now(),
        };
        for root in outermost(roots.iter().cloned()) {
            let identity = identity(&root);
            if identity.is_some() {
                watch.begin(&root);
            } else {
                let note = format!("{}: is not there; watched once it is", root.display());
                watch.shared.lock().notes.push(note);
            }
            watch.roots.push(Root {
                exclude: exclude.below(&root).ok(),
                path: root,
                identity,
            });
        }
        watch
    }

    /// Waits for changes; `None` once `stop` is set.
    pub fn next(&mut self, stop: &AtomicBool) -> Option<Changed> {
        loop {
            if stop.load(Ordering::Relaxed) {
                return None;
            }
            if self.looked.elapsed() >= LOOK_EVERY {
                self.look();
            }
            let shared = Arc::clone(&self.shared);
            let mut pending = shared.lock();
            let ago = |at: Option<Instant>| at.map_or(Duration::ZERO, |at| at.elapsed());
            let is_ripe = pending.last.is_some()
                && (ago(pending.last) >= QUIET || ago(pending.first) >= LONGEST);
            if is_ripe || (pending.last.is_none() && !pending.notes.is_empty()) {
                let taken = std::mem::take(&mut *pending);
                drop(pending);
                let changed = self.changed(taken);
                if changed != Changed::default() {
                    return Some(changed);
                }
                continue;
            }
            let wait = match pending.last {
                Some(_) => QUIET.saturating_sub(ago(pending.last)).min(STOP_WITHIN),
                None => STOP_WITHIN,
            };
            let waited = shared.changed.wait_timeout(pending, wait);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// What to scan for what was reported.
    fn changed(&self, pending: Pending) -> Changed {
        let there = self.roots.iter().filter(|root| root.identity.is_some());
        let there: Vec<&Root> = there.collect();
        let (mut folders, mut emptied) = (BTreeSet::new(), BTreeSet::new());
        if pending.lost {
            folders.extend(there.iter().map(|root| root.path.clone()));
        }
        for folder in &pending.folders {
            let Some(root) = there.iter().find(|root| folder.starts_with(&root.path)) else {
                continue;
            };
            let leaves_out = |e: &ExcludeBelow| e.leaves_out(&root.path, folder);
            if root.exclude.as_ref().is_some_and(leaves_out) {
                continue;
            }
            match lowest_with_content(folder, &root.path) {
                Some(folder) => drop(folders.insert(folder)),
                None => drop(emptied.insert(&root.path)),
            }
        }
        let mut notes = pending.notes;
        notes.extend(emptied.into_iter().map(|root| {
            format!(
                "{}: holds nothing any more; what was found there is kept, in case its disk is off",
                root.display()
            )
        }));
        Changed {
            folders: outermost(folders),
            notes,
        }
    }

    /// Lets the system watch a folder; if it will not, the folder is looked through.
    fn begin(&mut self, root: &Path) {
        let done = match &mut self.system {
            Some(system) => system.watch(root, RecursiveMode::Recursive),
            None => Err(notify::Error::generic("the system watches no folders")),
        };
        let Err(error) = done else { return };
        if let Some(system) = &mut self.system {
            // Whatever of it was taken on before the failure.
            let _ = system.unwatch(root);
        }
        let note = format!(
            "{}: {}; looked through every {} s instead",
            root.display(),
            reason(&error),
            POLL_EVERY.as_secs()
        );
        self.shared.lock().notes.push(note);
        if self.polled.is_none() {
            let told = Arc::clone(&self.shared);
            let config = Config::default()
                .with_poll_interval(POLL_EVERY)
                .with_follow_symlinks(true);
            match PollWatcher::new(move |event| told.report(event), config) {
                Ok(polled) => self.polled = Some(polled),
                Err(e) => self.shared.lock().notes.push(reason(&e)),
            }
        }
        if let Some(polled) = &mut self.polled
            && let Err(e) = polled.watch(root, RecursiveMode::Recursive)
        {
            let note = format!("{}: {}", root.display(), reason(&e));
            self.shared.lock().notes.push(note);
        }
    }

    /// Checks whether the folders are there, and the same: a disk that comes back is another
    /// folder to the system.
    fn look(&mut self) {
        self.looked = Instant::now();
        for at in 0..self.roots.len() {
            let path = self.roots[at].path.clone();
            let now = identity(&path);
            let before = std::mem::replace(&mut self.roots[at].identity, now);
            if before == now {
                continue;
            }
            if before.is_some() {
                let watchers = [
                    self.system.as_mut().map(|w| w as &mut dyn Watcher),
                    self.polled.as_mut().map(|w| w as &mut dyn Watcher),
                ];
                for watcher in watchers.into_iter().flatten() {
                    // It may have forgotten the folder by itself.
                    let _ = watcher.unwatch(&path);
                }
            }
            let shown = path.display();
            let note = match now {
                None => format!("{shown}: is not there any more; what was found there is kept"),
                Some(_) => format!("{shown}: is back"),
            };
            if now.is_some() {
                self.begin(&path);
            }
            let mut pending = self.shared.lock();
            pending.notes.push(note);
            if now.is_some() {
                pending.folders.insert(path);
                let instant = Instant::now();
                pending.first.get_or_insert(instant);
                pending.last = Some(instant);
            }
        }
    }
}

/// What tells a folder from another one at its path; `None` if there is none.
fn identity(path: &Path) -> Option<u64> {
    let metadata = std::fs::metadata(path).ok().filter(Metadata::is_dir)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some(metadata.ino() ^ metadata.dev().rotate_left(32))
    }
    #[cfg(not(unix))]
    {
        let created = metadata.created().ok();
        let since = created.and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
        Some(since.map_or(0, |d| d.as_nanos() as u64))
    }
}

/// Paths without those that lie within others.
fn outermost(paths: impl IntoIterator<Item = PathBuf>) -> Vec<PathBuf> {
    let sorted: BTreeSet<PathBuf> = paths.into_iter().collect();
    let mut kept: Vec<PathBuf> = Vec::new();
    for path in sorted {
        // What lies within a folder follows it.
        if !kept.last().is_some_and(|outer| path.starts_with(outer)) {
            kept.push(path);
        }
    }
    kept
}

/// A folder, or if it is gone or empty the next one above that is not, up to the root: a scan takes
/// nothing out below a folder that holds nothing, which may be a disk that is off.
fn lowest_with_content(folder: &Path, root: &Path) -> Option<PathBuf> {
    let holds_something =
        |path: &Path| std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    let all = folder.ancestors().take_while(|path| path.starts_with(root));
    all.into_iter()
        .find(|path| holds_something(path))
        .map(Path::to_path_buf)
}

/// What went wrong, with the remedy.
fn reason(error: &notify::Error) -> String {
    const NO_MORE: i32 = 28; // ENOSPC: the system's limit of watched folders.
    const TOO_MANY: i32 = 24; // EMFILE: that of watchers.
    let code = match &error.kind {
        ErrorKind::Io(e) => e.raw_os_error(),
        ErrorKind::MaxFilesWatch => Some(NO_MORE),
        _ => None,
    };
    let limit = match code {
        Some(NO_MORE) => Some(("folders", "fs.inotify.max_user_watches")),
        Some(TOO_MANY) => Some(("watchers", "fs.inotify.max_user_instances")),
        _ => None,
    };
    match (limit, &error.kind) {
        (Some((what, setting)), _) => {
            format!("the system watches no more {what}; its administrator raises {setting}")
        }
        (None, ErrorKind::Io(e)) if e.kind() == io::ErrorKind::PermissionDenied => {
            "may not be watched; give yourself read permission".into()
        }
        (None, ErrorKind::Io(e)) => e.to_string(),
        (None, _) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;

    use super::*;

    /// The folders of the changes within a few seconds, until `enough`.
    fn wait(watch: &mut Watch, enough: impl Fn(&Changed) -> bool) -> Changed {
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let timer = thread::spawn(move || {
            thread::park_timeout(Duration::from_secs(60));
            flag.store(true, Ordering::Relaxed);
        });
        let mut all = Changed::default();
        while let Some(mut changed) = watch.next(&stop) {
            all.folders.append(&mut changed.folders);
            all.notes.append(&mut changed.notes);
            if enough(&all) {
                timer.thread().unpark();
                return all;
            }
        }
        panic!("nothing more was reported: {all:?}");
    }

    #[test]
    fn new_changed_moved_and_deleted_photos_are_reported_and_others_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("photos");
        for below in ["a/deep", "b", "private", "@eaDir"] {
            fs::create_dir_all(root.join(below)).unwrap();
        }
        for below in ["a/deep/1.jpg", "b/1.jpg", "a/2.jpg"] {
            fs::write(root.join(below), "x").unwrap();
        }
        let exclude = Exclude::new(&["private/"]).unwrap();
        let mut watch = Watch::new(std::slice::from_ref(&root), exclude);
        fs::write(root.join("notes.txt"), "x").unwrap();
        fs::write(root.join("private/3.jpg"), "x").unwrap();
        fs::write(root.join("@eaDir/3.jpg"), "x").unwrap();
        fs::write(root.join("a/deep/new.jpg"), "x").unwrap();
        let found = wait(&mut watch, |c| !c.folders.is_empty());
        assert_eq!(found.folders, [root.join("a/deep")], "{found:?}");
        fs::rename(root.join("b/1.jpg"), root.join("a/moved.jpg")).unwrap();
        let found = wait(&mut watch, |c| !c.folders.is_empty());
        // An empty folder may be a disk that is off, so the one above is scanned.
        assert_eq!(found.folders, std::slice::from_ref(&root), "{found:?}");
        fs::create_dir(root.join("c")).unwrap();
        fs::write(root.join("c/4.jpg"), "x").unwrap();
        let found = wait(&mut watch, |c| !c.folders.is_empty());
        assert_eq!(found.folders, [root.join("c")], "{found:?}");
        fs::remove_file(root.join("a/deep/1.jpg")).unwrap();
        let found = wait(&mut watch, |c| !c.folders.is_empty());
        assert_eq!(found.folders, [root.join("a/deep")], "{found:?}");
        // A marker leaves its folder out, and lets it in again when it is gone.
        fs::write(root.join("a/deep/.nomedia"), "").unwrap();
        let found = wait(&mut watch, |c| !c.folders.is_empty());
        assert_eq!(found.folders, [root.join("a")], "{found:?}");
        fs::remove_file(root.join("a/deep/.nomedia")).unwrap();
        let found = wait(&mut watch, |c| !c.folders.is_empty());
        assert_eq!(found.folders, [root.join("a")], "{found:?}");
        fs::rename(root.join("a/deep"), root.join("private/deep")).unwrap();
        let found = wait(&mut watch, |c| !c.folders.is_empty());
        assert_eq!(found.folders, [root.join("a")], "{found:?}");
    }

    #[test]
    fn a_folder_that_vanishes_and_returns_is_watched_again() {
        let dir = tempfile::tempdir().unwrap();
        let (root, away) = (dir.path().join("photos"), dir.path().join("away"));
        fs::create_dir(&root).unwrap();
        fs::write(root.join("1.jpg"), "x").unwrap();
        let mut watch = Watch::new(std::slice::from_ref(&root), Exclude::default());
        fs::rename(&root, &away).unwrap();
        let said = |c: &Changed, words: &str| c.notes.iter().any(|n| n.contains(words));
        wait(&mut watch, |c| said(c, "not there any more"));
        fs::create_dir(&root).unwrap();
        fs::write(root.join("2.jpg"), "x").unwrap();
        let back = wait(&mut watch, |c| said(c, "is back") && !c.folders.is_empty());
        assert_eq!(back.folders, std::slice::from_ref(&root));
        fs::write(root.join("3.jpg"), "x").unwrap();
        wait(&mut watch, |c| c.folders.contains(&root));
    }

    #[test]
    fn a_folder_from_which_everything_went_is_said_to_be_empty() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("photos");
        fs::create_dir(&root).unwrap();
        fs::write(root.join("1.jpg"), "x").unwrap();
        let mut watch = Watch::new(std::slice::from_ref(&root), Exclude::default());
        fs::remove_file(root.join("1.jpg")).unwrap();
        let found = wait(&mut watch, |c| !c.notes.is_empty());
        assert!(
            found.notes[0].contains("holds nothing any more"),
            "{found:?}"
        );
        assert!(found.folders.is_empty(), "{found:?}");
    }

    #[test]
    fn lost_reports_are_a_scan_of_everything_and_a_full_system_names_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().to_path_buf();
        let mut watch = Watch::new(std::slice::from_ref(&root), Exclude::default());
        let lost = Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
        watch.shared.report(Ok(lost));
        let found = wait(&mut watch, |c| !c.folders.is_empty());
        assert_eq!(found.folders, [root]);
        let full = notify::Error::io(io::Error::from_raw_os_error(28));
        assert!(reason(&full).contains("fs.inotify.max_user_watches"));
    }
}

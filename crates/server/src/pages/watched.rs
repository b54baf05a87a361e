//! Folders that the server follows by itself. In: folders of the settings. Out: an album that has
//! what is there, soon after it changed. Knows nothing of requests.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use fusiform::album::watch::Watch;

use super::scan;
use super::state::Pages;
use crate::problem::Problem;

/// How soon a scan that somebody else started is seen to be over.
const WAIT_FOR_SCAN: Duration = Duration::from_millis(500);

impl Pages {
    /// Scans folders, and then whatever changes there, until the server ends. Nothing if there are
    /// none.
    pub(crate) fn watch(&self, folders: Vec<PathBuf>) {
        if folders.is_empty() {
            return;
        }
        let pages = self.clone();
        thread::spawn(move || {
            let mut watch = Watch::new(&folders, pages.exclude().clone());
            let there: Vec<PathBuf> = folders.into_iter().filter(|f| f.is_dir()).collect();
            pages.follow(&there);
            while let Some(changed) = watch.next(pages.ending()) {
                for note in &changed.notes {
                    tracing::warn!("{note}");
                }
                pages.follow(&changed.folders);
            }
        });
    }

    /// Scans folders once no other scan runs, and groups their faces.
    fn follow(&self, folders: &[PathBuf]) {
        let Some(first) = folders.first() else { return };
        // One scan at a time, since it uses every core.
        while self.scans().begin(folders).is_err() {
            if self.ending().load(Ordering::Relaxed) {
                return;
            }
            thread::sleep(WAIT_FOR_SCAN);
        }
        let scanned = scan::run(self, folders);
        if let Err(Problem { detail, .. }) = &scanned {
            tracing::warn!("{}: {detail}", first.display());
        }
        self.scans().end(scanned.err());
    }
}

//! What is wrong with a gallery that is open. In: nothing. Out: plain data for a server's probe of
//! readiness and for messages.

use crate::clock::ClockDoubt;
use crate::gallery::Gallery;

/// How a gallery is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// First entry of the audit log that does not fit. Nothing that has to be recorded is done
    /// until somebody decides to go on without the proof of what came before.
    pub broken_at: Option<i64>,
    /// Why the database that servers share cannot be used; nobody is recognised meanwhile.
    pub away: Option<String>,
    /// The disk is full: recognitions are recorded in the reserve until that is full too, and
    /// nothing is enrolled.
    pub disk_full: bool,
    /// The disk takes nothing, though it may have room: the same as if it were full.
    pub disk_fails: bool,
    /// Erased people are not matched, but some of their bytes stand in the write-ahead log until a
    /// reader lets go of it.
    pub bytes_pending: bool,
    /// The system's clock is not believed: whose consent ended is not matched, but not erased yet.
    pub clock: Option<ClockDoubt>,
    /// Examples that are kept but not matched, as the present model could not embed them.
    pub n_aside: usize,
    /// Entries of the audit log that wait for the disk.
    pub n_unwritten: usize,
}

impl Health {
    /// Why requests cannot be answered as they should be; `None` if they can.
    pub fn fault(&self) -> Option<String> {
        if let Some(seq) = self.broken_at {
            return Some(format!("the audit log is broken at entry {seq}"));
        }
        if self.away.is_some() {
            let what = "the database that servers share cannot be used; the log says why";
            return Some(what.into());
        }
        if self.disk_fails {
            return Some("the disk that holds the vault cannot be written".into());
        }
        self.disk_full
            .then(|| "the disk that holds the vault is full".to_owned())
    }
}

impl Gallery {
    /// How the gallery is now; asks no disk.
    pub fn health(&self) -> Health {
        Health {
            broken_at: self.recorder.broken_at(),
            away: self.away.load().as_deref().cloned(),
            disk_full: self.recorder.disk_full(),
            disk_fails: self.recorder.disk_fails(),
            bytes_pending: self.recorder.scrub_due(),
            clock: self.clock.doubt(),
            n_aside: self.aside.load().len(),
            n_unwritten: self.recorder.n_pending(),
        }
    }
}

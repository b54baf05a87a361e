//! Who was seen. In: nothing. Out: plain data.

use serde::Serialize;

use crate::commands::known_people::Who;

/// Somebody who has a name, in view for a while.
#[derive(Serialize)]
pub(super) struct Seen {
    pub(super) start_ms: u64,
    pub(super) end_ms: u64,
    /// The number, and whether the catalogue or the vault has it.
    #[serde(flatten)]
    pub(super) who: Who,
    pub(super) name: String,
    pub(super) similarity: f32,
    /// Time of the frame that shows the face best, and where.
    pub(super) best_ms: u64,
    pub(super) best_bbox: [f32; 4],
    #[serde(skip)]
    #[cfg_attr(not(feature = "draw"), allow(dead_code))]
    pub(super) aligned: Vec<u8>,
}

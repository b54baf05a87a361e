//! Who was seen. In: nothing. Out: plain data, and times as people write them.

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

/// `1:02:03.4`, hours where there are some.
pub(super) fn clock(time_ms: u64) -> String {
    let (tenths, seconds) = (time_ms / 100 % 10, time_ms / 1000 % 60);
    let (minutes, hours) = (time_ms / 60_000 % 60, time_ms / 3_600_000);
    match hours {
        0 => format!("{minutes}:{seconds:02}.{tenths}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}.{tenths}"),
    }
}

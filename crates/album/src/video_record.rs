//! What looking at a video gives. In and out: plain data. Knows nothing of how it is stored.

use fusiform_face::geometry::BoundingBox;
use fusiform_search::template::Template;

/// All that was seen in a video. Only who of it has a name is kept.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VideoRecord {
    /// How long it is.
    pub duration_ms: u64,
    /// Why its end was not looked at, if it was not.
    pub cut_short: Option<String>,
    /// Faces that passed by.
    pub tracks: Vec<VideoTrack>,
}

/// A face that passed by.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoTrack {
    /// Where it was in each frame that was looked at, by time in milliseconds, in pixels of the
    /// upright frame; not empty.
    pub boxes: Vec<(u64, BoundingBox)>,
    /// Place in `boxes` of the clearest frame.
    pub best: usize,
    /// What it is compared by; `None` if nobody could be recognised in it.
    pub template: Option<Template>,
}

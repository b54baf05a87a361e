//! A photo library in one SQLite file: photos, faces, people, and what humans decided about them.
//! In: analysed photos and decisions. Out: people, their photos, matches.
//! Knows nothing of pixels, networks or HTTP.
//!
//! # Groups and people
//! [`Album::group`] clusters all faces of one model into groups. Every group of two or more faces
//! is a person with a number ([`PersonId`]); a person with a name is one that a human has
//! confirmed. A group keeps its number from one grouping to the next. A face that is like no other
//! is assigned to nobody.
//!
//! # Assertions and opinions
//! Everything a human decides (a name, a merge, "this is not Ida") is stored as one decision and,
//! for each face it is about, an *assertion*. Assertions are keyed by the photo's content hash and
//! the face's box. Everything computed (boxes, templates, groups, similarities) is an *opinion*,
//! which a later scan, grouping or model replaces. No opinion ever contradicts an assertion:
//! clustering takes them as constraints. So decisions outlive moved files, a scan from scratch and
//! a change of model. Decisions are never deleted; [`Album::undo`] marks them as undone. Only
//! [`Album::erase`] is final.
//!
//! # Scanning can be resumed
//! [`scan::scan`] records files in sorted order, in batches of one transaction each. After a kill
//! at any instant the next scan skips what is recorded and goes on; the result is the same as that
//! of one uninterrupted scan.
//!
//! # Example
//! ```
//! use fusiform_album::{
//!     Album, FaceRecord, ModelPair, OpenOptions, Outcome, Page, PhotoRecord, ScannedFile,
//! };
//! use fusiform_face::geometry::BoundingBox;
//! use fusiform_face::image::Orientation;
//! use fusiform_face::quality::{Pose, Quality};
//! use fusiform_search::cluster::ClusterOptions;
//! use fusiform_search::template::ModelId;
//!
//! # let dir = tempfile::tempdir()?;
//! # let file = dir.path().join("album.db");
//! let mut album = Album::open(&file, OpenOptions { create: true, ..OpenOptions::default() })?;
//!
//! // What an engine found in three photos: one face each, the first two alike.
//! let model = ModelId("embedder@1".into());
//! let photo = |number: u8, vector: [f32; 2]| ScannedFile {
//!     path: format!("/photos/{number}.jpg").into(),
//!     size_bytes: 1000,
//!     mtime_ns: 0,
//!     hash: Some([number; 32]),
//!     outcome: Outcome::New(PhotoRecord {
//!         width_px: 640,
//!         height_px: 480,
//!         taken: None,
//!         orientation: Orientation::Upright,
//!         fingerprint: None,
//!         models: ModelPair {
//!             detector: ModelId("detector@1".into()),
//!             embedder: Some(model.clone()),
//!         },
//!         faces: vec![FaceRecord {
//!             bbox: BoundingBox { x_min: 10.0, y_min: 10.0, x_max: 90.0, y_max: 90.0 },
//!             score: 0.9,
//!             landmarks: None,
//!             quality: Quality {
//!                 overall: 0.8,
//!                 size: 1.0,
//!                 sharpness: 1.0,
//!                 exposure: 1.0,
//!                 pose: Pose::default(),
//!                 frontal: 1.0,
//!                 detector_score: 0.9,
//!                 recognisability: 1.0,
//!             },
//!             vector: Some(vector.to_vec()),
//!         }],
//!     }),
//! };
//! album.record(&[photo(1, [1.0, 0.0]), photo(2, [0.96, 0.28]), photo(3, [0.0, 1.0])])?;
//!
//! // The two become a person; the third face is assigned to nobody.
//! let summary = album.group(&model, &ClusterOptions::default())?;
//! assert_eq!((summary.n_people, summary.n_unassigned), (1, 1));
//!
//! // A decision, its history, and undo.
//! let person = album.people()?[0].id;
//! album.name(person, "Ida")?;
//! assert_eq!(album.find_person("Ida")?, person);
//! assert_eq!(album.history(Page::default())?.items[0].what, "person 1 named \"Ida\"");
//! album.undo(1)?;
//! assert!(album.find_person("Ida").is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod assertions;
mod assign;
mod browse;
mod bulk;
mod copies;
mod copy_links;
mod counted;
mod database;
mod dates;
mod decisions;
pub mod digikam;
mod drawing;
mod edit;
mod erase;
mod error;
mod face_at;
mod full_path;
mod group;
mod grouped_face;
mod health;
mod history;
mod home;
mod ids;
mod names;
mod page;
mod path_bytes;
mod people;
mod person_stats;
mod person_years;
mod photo_date;
mod photo_list;
mod photo_record;
pub mod picasa;
mod picture;
mod presence;
mod question_id;
mod record;
mod record_photo;
pub mod regions;
mod review;
mod same_face;
pub mod scan;
mod search;
mod settled;
mod shared_links;
mod stated_names;
mod suggest;
mod unusable;
mod video_record;
mod videos;
pub mod watch;
mod worth_asking;
pub mod xmp;

pub use browse::{Exclusion, FaceSummary, PeopleFilter, PersonStats, PhotoView};
pub use counted::{counted, thousands};
pub use database::{Album, OpenOptions};
pub use dates::{DateRange, PartialDate};
pub use drawing::{DrawnFace, UndescribedFace};
pub use erase::Erased;
pub use error::{Error, ErrorKind};
pub use full_path::full_path;
pub use group::GroupSummary;
pub use health::Health;
pub use history::Decision;
pub use home::expand_home;
pub use ids::{AppearanceId, FaceId, PersonId, PhotoId, VideoId};
pub use names::is_same_name;
pub use page::{MAX_PAGE, Page, Paged};
pub use people::{PersonPhoto, PersonSummary};
pub use person_years::{InOnePhoto, PersonYear};
pub use photo_date::PhotoDate;
pub use photo_list::{MonthCount, PhotoFilter, PhotoPlace, PhotoSummary};
pub use photo_record::{
    FaceRecord, FileState, ModelPair, Outcome, PhotoRecord, Recorded, ScannedFile,
};
pub use presence::{MissingRoot, Pruned, Reconciled};
pub use question_id::{QuestionId, Subject};
pub use review::{Question, Reply};
pub use search::{Index, Match};
pub use shared_links::{MAX_LINK_DAYS, NewLink, SharedFace, SharedLink};
pub use stated_names::{StatedName, StatedNames};
pub use unusable::{ProblemKind, Unusable};
pub use video_record::{VideoRecord, VideoTrack};
pub use videos::{PersonVideo, VideoSpan};

#[cfg(test)]
mod tests;

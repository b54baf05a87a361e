//! One file for each group of commands. In: a context and a command's arguments. Out: printed data
//! and how it ended.

pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod calibrate;
#[cfg(feature = "cameras")]
pub(crate) mod cameras;
mod clock;
mod collection;
pub(crate) mod compreface;
pub(crate) mod detect;
pub(crate) mod doctor;
#[cfg(feature = "draw")]
mod draw;
pub(crate) mod edit;
pub(crate) mod enrol;
pub(crate) mod eval;
pub(crate) mod eval_cluster;
pub(crate) mod eval_detect;
pub(crate) mod eval_quality;
pub(crate) mod eval_redact;
pub(crate) mod eval_robustness;
pub(crate) mod export;
pub(crate) mod face;
pub(crate) mod find;
pub(crate) mod folders;
pub(crate) mod immich;
pub(crate) mod import;
pub(crate) mod keys;
mod known_people;
pub(crate) mod models;
pub(crate) mod people;
pub(crate) mod prune;
pub(crate) mod redact;
pub(crate) mod report;
pub(crate) mod review;
pub(crate) mod scan;
pub(crate) mod serve;
pub(crate) mod setup;
pub(crate) mod shell;
pub(crate) mod vault;
pub(crate) mod verify;
#[cfg(feature = "video")]
pub(crate) mod video;
pub(crate) mod watch;

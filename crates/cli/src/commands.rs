//! One file per verb. In: a session and the verb's arguments. Out: printed data and how it ended.

pub(crate) mod album;
pub(crate) mod bench;
pub(crate) mod calibrate;
pub(crate) mod decide;
pub(crate) mod detect;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod eval_cluster;
pub(crate) mod find;
pub(crate) mod import;
pub(crate) mod models;
pub(crate) mod people;
pub(crate) mod redact;
pub(crate) mod report;
pub(crate) mod scan;
pub(crate) mod serve;
pub(crate) mod vault;
pub(crate) mod verify;
pub(crate) mod xmp;

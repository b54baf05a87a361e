//! The real binary, driven as a user would. In: fresh folders. Out: what it prints, writes and
//! answers.

#[cfg(feature = "video")]
mod album_videos;
mod albums;
mod another_pack;
mod bad_input;
mod drawing;
mod eval;
mod exchange;
mod finding;
mod folders;
mod held_names;
mod help;
mod immich;
mod messages;
mod models;
mod one_road;
mod pictures;
#[cfg(feature = "video")]
mod redact_video;
mod review;
mod scales_and_turns;
mod scan;
#[path = "../service/server_fixture.rs"]
#[allow(dead_code)]
mod server_fixture;
mod siblings;
mod stage;
#[cfg(feature = "video")]
mod video;

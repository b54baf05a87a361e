//! The real binary, driven as a user would. In: fresh folders. Out: what it prints, writes and
//! answers.

mod albums;
mod bad_input;
mod eval;
mod exchange;
mod finding;
mod held_names;
mod help;
mod models;
mod one_road;
mod pictures;
mod scales_and_turns;
mod scan;
#[path = "../service/server_fixture.rs"]
#[allow(dead_code)]
mod server_fixture;
mod siblings;
mod stage;

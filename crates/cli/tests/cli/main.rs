//! The real binary, driven as a user would. In: fresh folders. Out: what it prints, writes and
//! answers.

mod albums;
mod bad_input;
mod help;
mod models;
mod scan;
mod siblings;
mod stage;

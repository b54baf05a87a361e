//! The `fusiform` binary. In: a command line. Out: data on stdout, everything else on stderr, an
//! exit code.
#![forbid(unsafe_code)]

mod args;
mod commands;
mod config;
mod context;
mod dispatch;
#[cfg(feature = "draw")]
mod drawing;
mod exit;
mod printer;
mod question;
mod remedy;
mod report;
mod secret_file;

use std::process::ExitCode;

fn main() -> ExitCode {
    dispatch::run()
}

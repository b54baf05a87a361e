//! The `fusiform` binary. In: a command line. Out: data on stdout, everything else on stderr, an exit code.
#![forbid(unsafe_code)]

mod albums;
mod args;
mod commands;
mod config;
mod dispatch;
mod exit;
mod pictures;
mod printer;
mod remedy;
mod report;
mod session;

use std::process::ExitCode;

fn main() -> ExitCode {
    dispatch::run()
}

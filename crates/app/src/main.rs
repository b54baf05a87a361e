//! The `fusiform` binary. In: a command line. Out: data on stdout, everything else on stderr, an exit code.
#![forbid(unsafe_code)]

mod cli;
mod crop;
mod http;
mod pictures;
mod report;
mod web;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}

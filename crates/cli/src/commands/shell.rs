//! `fusiform completions` and `fusiform man`. In: the definitions of `args.rs`. Out: a completion
//! script on stdout, or one man page for each command in a folder.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::exit::Exit;
use crate::printer::Printer;

pub(crate) fn completions(shell: Shell) -> Result<Exit> {
    // Rendered first: the generator panics where it cannot write, and stdout may be a closed pipe.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "fusiform", &mut script);
    Printer::script(&script)?;
    Ok(Exit::Done)
}

pub(crate) fn man(dir: &Path) -> Result<Exit> {
    let of_dir = || dir.display().to_string();
    fs::create_dir_all(dir).with_context(of_dir)?;
    clap_mangen::generate_to(Args::command(), dir).with_context(of_dir)?;
    Ok(Exit::Done)
}

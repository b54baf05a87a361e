//! Secrets that a user gives. In: a file, or `-` for stdin. Out: the secret; and
//! secrets that are made here, into a file. Never an argument:
//! every user of a machine sees the arguments of a program, and shells keep them.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use fusiform_gallery::{Uuid, private_file};

/// Longest file of a secret, in bytes.
const MAX_BYTES: u64 = 1024;

/// The first line of a file, without blanks around it.
pub(crate) fn first_line(file: &Path) -> Result<String> {
    let of_file = || file.display().to_string();
    let mut bytes = Vec::new();
    let limit = MAX_BYTES + 1;
    if file == Path::new("-") {
        std::io::stdin().take(limit).read_to_end(&mut bytes)?;
    } else {
        let opened = File::open(file).with_context(of_file)?;
        opened
            .take(limit)
            .read_to_end(&mut bytes)
            .with_context(of_file)?;
    }
    ensure!(
        bytes.len() as u64 <= MAX_BYTES,
        "{}: more than {MAX_BYTES} bytes; put the secret on the first line of a small file",
        file.display()
    );
    let text = String::from_utf8(bytes).with_context(of_file)?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// Writes a secret into a new file that its owner alone can read.
pub(crate) fn write_new(file: &Path, secret: &str) -> Result<()> {
    let of_file = || file.display().to_string();
    if let Some(dir) = file.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    let mut out = private_file(file, &mut options).with_context(of_file)?;
    writeln!(out, "{secret}").with_context(of_file)?;
    out.sync_all().with_context(of_file)
}

/// An API key.
pub(crate) fn api_key(file: &Path) -> Result<Uuid> {
    let text = first_line(file)?;
    // The text is not shown: it may be another secret.
    Uuid::parse_str(&text).ok().with_context(|| {
        format!(
            "{}: an API key is wanted on its first line, such as a UUID that a server has shown",
            file.display()
        )
    })
}

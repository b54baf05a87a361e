//! Tests that cannot run here. In: the reason and where to get what is missing. Out: a list that
//! `cargo test --workspace` prints after all test binaries.
//! Knows nothing of what is tested. A development dependency of the rooms, never published.
//!
//! `cargo test` captures what a passing test prints, and runs one process per test binary. So a
//! test that cannot run calls [`skip`], which appends one line to `target/skipped-tests.txt`, and
//! the test target `list` of this crate, which runs last and uncaptured, prints the lines.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod postgres;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::panic::Location;
use std::path::{Path, PathBuf};

pub use postgres::Postgres;

/// How to get the photos and networks that are not in the repository.
const GET_SHARED: &str = "put the folder `shared` beside the repository as docs/test-data.md says";

/// The folder `shared` beside the repository, with photos and networks that cannot be shipped; if
/// it or one of `needed` is not there, the calling test is listed as skipped.
///
/// `needed` are paths below `shared`, such as `models/mobilefacenet.onnx`.
#[track_caller]
pub fn shared(needed: &[&str]) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let missing = needed.iter().find(|path| !folder.join(path).exists());
    match missing {
        _ if !folder.is_dir() => skip("no folder ../shared", GET_SHARED),
        Some(path) => skip(&format!("no ../shared/{path}"), GET_SHARED),
        None => return Some(folder),
    }
    None
}

/// Lists the calling test as skipped, with the reason and what makes it run. The test returns then.
#[track_caller]
pub fn skip(reason: &str, remedy: &str) {
    let program = std::env::current_exe().unwrap_or_default();
    let program = program.file_stem().unwrap_or_default().to_string_lossy();
    // Cargo's name of a test binary is the target's, a dash, and a hash.
    let target = program.rsplit_once('-').map_or(&*program, |(name, _)| name);
    let thread = std::thread::current();
    // The test harness names the thread of a test after it, unless there is one thread for all.
    let test = match thread.name() {
        Some(name) if name != "main" => name.to_owned(),
        _ => Location::caller().to_string(),
    };
    let line = format!("{}\t{reason}\t{remedy}\t{target}\t{test}\n", run_id());
    let file = file();
    // One write of one line, in append mode, so that binaries do not overwrite each other.
    let written = fs::create_dir_all(file.parent().unwrap_or(Path::new("."))).and_then(|()| {
        let mut file = OpenOptions::new().create(true).append(true).open(&file)?;
        file.write_all(line.as_bytes())
    });
    written.unwrap_or_else(|e| panic!("{}: {e}", file.display()));
}

/// The tests that were skipped in this run of `cargo test`, as text for people; empty if none were.
///
/// Forgets the lines of earlier runs, so that the file holds no more than one run wrote.
///
/// # Errors
/// If `target/skipped-tests.txt` cannot be read or written.
pub fn take_list() -> io::Result<String> {
    let file = file();
    let text = match fs::read_to_string(&file) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        text => text?,
    };
    let (list, kept) = listed(&text, &run_id());
    fs::write(&file, kept)?;
    Ok(list)
}

/// The list of one run, and the lines that it was made of.
fn listed(text: &str, run: &str) -> (String, String) {
    let mut kept: Vec<&str> = Vec::new();
    let mut reasons: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let &[by, reason, remedy, target, test] = &*fields else {
            continue;
        };
        if by == run && !kept.contains(&line) {
            kept.push(line);
            let tests = reasons.entry((reason, remedy)).or_default();
            tests.push(format!("    {target}: {test}\n"));
        }
    }
    let mut list = String::new();
    for ((reason, remedy), mut tests) in reasons {
        tests.sort();
        let n = tests.len();
        list += &format!("  {n} because of {reason}; to run them, {remedy}\n");
        list.extend(tests);
    }
    if !kept.is_empty() {
        list.insert_str(0, &format!("{} tests were skipped:\n", kept.len()));
    }
    let kept = kept.iter().map(|line| format!("{line}\n")).collect();
    (list, kept)
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/skipped-tests.txt")
}

/// The same in every test binary of one run: the process id of `cargo`, which starts them all.
fn run_id() -> String {
    #[cfg(unix)]
    let parent = std::os::unix::process::parent_id();
    // Elsewhere lines of earlier runs may be listed too.
    #[cfg(not(unix))]
    let parent = 0;
    parent.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_other_runs_and_repeated_ones_are_dropped() {
        let text = "1\tno a\tget a\tcli\told\n2\tno a\tget a\tcli\tx\n2\tno a\tget a\tcli\tx\n\
                    2\tno b\tget b\tface\ty\nnot a line\n2\tno a\tget a\tface\tz\n";
        let (list, kept) = listed(text, "2");
        assert_eq!(kept.lines().count(), 3, "{kept}");
        assert_eq!(
            list,
            "3 tests were skipped:\n  2 because of no a; to run them, get a\n    cli: x\n    \
             face: z\n  1 because of no b; to run them, get b\n    face: y\n"
        );
        assert_eq!(listed(text, "3"), (String::new(), String::new()));
    }
}

//! The house rules of ARCHITECTURE.md, kept by the test run. In: the repository's own files. Out: a
//! list of breaches.

#[path = "house_rules/circles.rs"]
mod circles;
#[path = "house_rules/deploy.rs"]
mod deploy;
#[path = "house_rules/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use source::Source;

/// What each room may depend on among Fusiform's crates (ARCHITECTURE.md, "Rooms").
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("kernels", &[]),
    ("nn", &["kernels"]),
    ("face", &["nn", "kernels"]),
    ("search", &["kernels"]),
    ("album", &["search", "face"]),
    ("gallery", &["search"]),
    ("video", &["face"]),
    (
        "fusiform",
        &[
            "album", "face", "gallery", "nn", "kernels", "search", "video",
        ],
    ),
    ("eval", &["fusiform", "nn", "kernels"]),
    ("server", &["fusiform", "gallery"]),
    ("cli", &["fusiform", "eval", "gallery", "server"]),
    ("ffi", &["fusiform"]),
    ("skips", &[]),
];
/// The inner loops, and the boundary to another language.
const MAY_HOLD_UNSAFE: &[&str] = &["kernels", "ffi"];
/// Rooms whose messages are for a terminal or for HTTP, and may name commands and flags.
const SPEAK_TO_USERS: &[&str] = &["cli", "server"];
const BANNED_MODULES: &[&str] = &[
    "common", "util", "utils", "types", "manager", "helper", "helpers", "misc", "mod",
];
/// Lines of code that a file may have: no comments, no blank lines, no tests, no tables.
const MAX_LINES: usize = 500;
/// Files that are one long thing.
const ONE_THING: &[(&str, &str)] = &[("crates/cli/src/args.rs", "the whole command line")];
const MAX_COLUMNS: usize = 100;

/// Identifiers of earlier versions that the field calls otherwise: the room, the old name, the new.
const OLD_IDENTIFIERS: &[(&str, &str, &str)] = &[
    ("nn", "Island", "FusedPartition"),
    ("nn", "island", "fused"),
    ("nn", "Look", "AccessPattern"),
    ("nn", "Own", "Workspace"),
    ("nn", "Turn", "RunGuard"),
    ("kernels", "Form", "KernelSet"),
    ("kernels", "quads", "int8_dot"),
    ("search", "Sieve", "TopKFilter"),
    ("search", "background", "fit_floor"),
    ("search", "crowd", "score_norm"),
    ("album", "Catalogue", "Album"),
    ("album", "Fact", "Assertion"),
    ("album", "facts", "assertions"),
    ("album", "guess", "suggestion"),
    ("album", "guesses", "suggestions"),
    ("gallery", "Claim", "Lock"),
    ("gallery", "Vault", "Gallery"),
    ("gallery", "traces", "ErasureCheck"),
    ("cli", "Looking", "DetectArgs"),
    ("cli", "Session", "Context"),
];

/// Modules of earlier versions, some of them words that are fine elsewhere.
const OLD_MODULES: &[(&str, &str, &str)] = &[
    ("nn", "island", "fused"),
    ("nn", "simplify", "optimize"),
    ("nn", "heads", "merge_sibling_convs"),
    ("kernels", "pixels", "nhwc"),
    ("kernels", "finish", "epilogue"),
    ("kernels", "each", "depthwise, max_pool"),
    ("kernels", "whole", "elementwise"),
    ("kernels", "eight", "int8_conv"),
    ("kernels", "quads", "int8_dot"),
    ("search", "cells", "ivf"),
    ("search", "crowd", "score_norm"),
    ("search", "background", "fit_floor"),
    ("album", "facts", "assertions"),
    ("album", "decide", "edit"),
    ("album", "guess", "suggest"),
    ("album", "place", "assign"),
    ("album", "cards", "person_stats"),
    ("album", "homes", "face_cells"),
    ("album", "aside", "excluded"),
    ("gallery", "traces", "erasure_check"),
    ("gallery", "claim", "lock"),
    ("server", "own", "v1"),
    ("fusiform", "answer", "verify"),
    ("eval", "measure", "dataset"),
    ("eval", "speed", "bench"),
    ("cli", "pictures", "drawing"),
    ("cli", "decide", "edit"),
    ("cli", "session", "context"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Every file below `dir` that we wrote: no build output, no hidden folder.
fn files_below(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let built = [
            "target",
            "node_modules",
            "corpus",
            "artifacts",
            "__pycache__",
        ];
        if name.starts_with('.') || built.contains(&&*name) {
            continue;
        }
        if path.is_dir() {
            files_below(&path, found)
        } else {
            found.push(path)
        }
    }
}

fn rust_files() -> Vec<Source> {
    let mut found = Vec::new();
    files_below(&root().join("crates"), &mut found);
    found.retain(|p| p.extension().is_some_and(|e| e == "rs"));
    assert!(found.len() > 20, "the walk lost its way: {found:?}");
    let short = |p: &Path| {
        p.strip_prefix(root())
            .unwrap()
            .to_string_lossy()
            .into_owned()
    };
    let read = |p: &PathBuf| Source::new(short(p), fs::read_to_string(p).unwrap());
    found.iter().map(read).collect()
}

#[track_caller]
fn none(breaches: Vec<String>) {
    assert!(
        breaches.is_empty(),
        "house rules broken:\n{}",
        breaches.join("\n")
    );
}

/// The folder of one of Fusiform's crates by the name that a manifest gives it.
fn room_of(dependency: &str) -> Option<&str> {
    match dependency {
        "fusiform" | "fusiform-sdk" => Some("fusiform"),
        other => other.strip_prefix("fusiform-"),
    }
}

/// Names of what a crate needs outside its tests, on any system.
fn dependencies(manifest: &Table) -> BTreeSet<String> {
    let mut tables = vec![manifest];
    let targets = manifest.get("target").and_then(Value::as_table);
    tables.extend(
        targets
            .into_iter()
            .flatten()
            .filter_map(|(_, t)| t.as_table()),
    );
    let kinds = ["dependencies", "build-dependencies"];
    let tables = tables.iter().flat_map(|t| kinds.map(|kind| t.get(kind)));
    let names = tables
        .flatten()
        .filter_map(Value::as_table)
        .flat_map(Table::keys);
    names.cloned().collect()
}

#[test]
fn crates_depend_only_downwards() {
    let allowed: BTreeMap<_, _> = MAY_DEPEND_ON.iter().copied().collect();
    let mut breaches = Vec::new();
    let mut seen = 0;
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let dir = entry.unwrap().path();
        let name = dir.file_name().unwrap().to_str().unwrap().to_owned();
        let manifest: Table = fs::read_to_string(dir.join("Cargo.toml"))
            .unwrap()
            .parse()
            .unwrap();
        let Some(may) = allowed.get(&*name) else {
            breaches.push(format!("crates/{name} is not a room of ARCHITECTURE.md"));
            continue;
        };
        // Development dependencies may be any crate: tests drive the whole.
        for dependency in dependencies(&manifest) {
            seen += 1;
            let room = room_of(&dependency);
            if room.is_some_and(|room| !may.contains(&room)) {
                breaches.push(format!("crates/{name} must not depend on {dependency}"));
            }
            if dependency == "anyhow" && !SPEAK_TO_USERS.contains(&&*name) {
                breaches.push(format!("crates/{name}: only cli and server use anyhow"));
            }
        }
        if manifest["lints"]["workspace"].as_bool() != Some(true) {
            breaches.push(format!("crates/{name} does not take the workspace's lints"));
        }
    }
    assert!(seen > 10);
    none(breaches);
}

#[test]
fn the_table_of_rooms_is_the_one_that_is_checked() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut written: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|l| l.starts_with("| `crates/")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        // The table "to change X" has two columns, and paths in the second.
        let [room, _, _, may] = cells[..] else {
            continue;
        };
        let room = room
            .trim_matches('`')
            .trim_start_matches("crates/")
            .to_owned();
        // What a room takes of the last one may stand behind it in parentheses.
        let (may, _) = may.split_once('(').unwrap_or((may, ""));
        let may = may.split(',').map(|m| m.trim().trim_matches('`'));
        let may = may.filter(|m| *m != "–").map(str::to_owned).collect();
        written.insert(room, may);
    }
    let checked: BTreeMap<String, BTreeSet<String>> = MAY_DEPEND_ON
        .iter()
        .map(|(room, may)| {
            (
                room.to_string(),
                may.iter().map(|m| m.to_string()).collect(),
            )
        })
        .collect();
    assert_eq!(
        written, checked,
        "left: ARCHITECTURE.md; right: MAY_DEPEND_ON"
    );
}

#[test]
fn no_files_of_a_room_import_each_other_in_a_circle() {
    let sources = rust_files();
    let mut breaches = Vec::new();
    for (room, _) in MAY_DEPEND_ON {
        let of_room: Vec<&Source> = sources
            .iter()
            .filter(|s| s.room() == *room && s.is_product())
            .collect();
        for circle in circles::circles(&of_room) {
            breaches.push(format!("a circle: {}", circle.join(", ")));
        }
    }
    none(breaches);
}

#[test]
fn old_words_do_not_return() {
    let mut breaches = Vec::new();
    for source in rust_files().iter().filter(|s| s.is_product()) {
        let path = &source.path;
        let of_room = |words: &'static [(&str, &str, &str)]| {
            words.iter().filter(|(room, ..)| *room == source.room())
        };
        for (_, old, new) in of_room(OLD_IDENTIFIERS) {
            let at = source.identifiers().find(|(_, word)| word == old);
            if let Some((line, _)) = at {
                breaches.push(format!("{path}:{line} calls it {old}, which is {new} now"));
            }
        }
        for (_, old, new) in of_room(OLD_MODULES) {
            let inside = path.split_once("/src/").map_or("", |(_, file)| file);
            let mut names = inside.trim_end_matches(".rs").split('/');
            if names.any(|name| name == *old) {
                breaches.push(format!("{path}: the module {old} is {new} now"));
            }
        }
    }
    none(breaches);
}

#[test]
fn lines_are_at_most_100_columns_wide() {
    let mut breaches = Vec::new();
    for source in rust_files() {
        let wide = |line: &str| line.chars().count() > MAX_COLUMNS;
        let lines = source.text.lines().enumerate();
        let lines: Vec<usize> = lines
            .filter(|(_, l)| wide(l))
            .map(|(at, _)| at + 1)
            .collect();
        if !lines.is_empty() {
            breaches.push(format!("{}: lines {lines:?}", source.path));
        }
    }
    none(breaches);
}

/// Whether a message names a flag, a command or an environment variable of the binary.
fn names_the_binary(message: &str) -> bool {
    let flag = |at: usize| {
        let word = &message[at + 2..];
        let before = message[..at].chars().next_back();
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && before.is_none_or(|c| !c.is_alphanumeric() && c != '-')
    };
    message.match_indices("--").any(|(at, _)| flag(at))
        || message.contains("`fusiform ")
        || message.contains("FUSIFORM_")
}

#[test]
fn libraries_name_no_flag_command_or_variable() {
    let mut breaches = Vec::new();
    let mut seen = 0;
    for source in rust_files() {
        // The last room says what makes a test run.
        let speaks = SPEAK_TO_USERS.contains(&source.room()) || source.room() == "skips";
        if speaks || !source.is_product() {
            continue;
        }
        for (line, message) in &source.strings {
            seen += 1;
            if names_the_binary(message) {
                let start: String = message.chars().take(60).collect();
                breaches.push(format!("{}:{line} {start:?}", source.path));
            }
        }
    }
    assert!(seen > 100, "only {seen} strings");
    none(breaches);
}

#[test]
fn unsafe_lives_only_in_kernels_and_at_the_boundary_to_c() {
    let mut breaches = Vec::new();
    for Source {
        path, text, code, ..
    } in &rust_files()
    {
        let library = path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs");
        if MAY_HOLD_UNSAFE
            .iter()
            .any(|room| path.starts_with(&format!("crates/{room}/")))
        {
            continue;
        }
        if library && !text.contains("#![forbid(unsafe_code)]") {
            breaches.push(format!("{path} lacks #![forbid(unsafe_code)]"));
        }
        if code.contains("unsafe {") || code.contains("unsafe fn") {
            breaches.push(format!("{path} holds unsafe code"));
        }
    }
    none(breaches);
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    let mut breaches = Vec::new();
    for Source {
        path, text, code, ..
    } in &rust_files()
    {
        let lines: Vec<&str> = text.lines().collect();
        for (i, line) in code.lines().enumerate() {
            let reasoned = lines[i.saturating_sub(6)..=i]
                .iter()
                .any(|l| l.contains("SAFETY:"));
            if line.contains("unsafe {") && !reasoned {
                breaches.push(format!("{path}:{} unsafe block without SAFETY:", i + 1));
            }
        }
    }
    none(breaches);
}

/// Lines of code that carry a decision: not blank, not a bracket alone, not a row of a table.
///
/// A table is a `const` or `static` whose value is written over several lines.
fn lines_of_code(code: &str) -> usize {
    let mut n = 0;
    let mut in_table = false;
    for line in code.lines().filter(|l| !l.trim().is_empty()) {
        let start = line.trim_start();
        let constant = [
            "const ",
            "static ",
            "pub const ",
            "pub(crate) const ",
            "pub(super) const ",
        ];
        if constant.iter().any(|c| start.starts_with(c)) && line.trim_end().ends_with(['[', '=']) {
            in_table = true;
        }
        n += usize::from(!in_table);
        in_table &= !line.trim_end().ends_with(';');
    }
    n
}

#[test]
fn modules_are_named_headed_and_about_one_thing() {
    let mut breaches = Vec::new();
    for source in rust_files() {
        let path = &source.path;
        let stem = Path::new(path).file_stem().unwrap().to_str().unwrap();
        if BANNED_MODULES.contains(&stem) {
            breaches.push(format!("{path}: a module called {stem:?} says nothing"));
        }
        let n = lines_of_code(&source.code);
        let one_thing = ONE_THING.iter().any(|(file, _)| file == path);
        if n > MAX_LINES && source.is_product() && !one_thing {
            breaches.push(format!(
                "{path} has {n} lines of code, {MAX_LINES} allowed unless it is one thing"
            ));
        }
        if !source.text.starts_with("//!") {
            breaches.push(format!(
                "{path} does not open with what enters and leaves (//!)"
            ));
        }
    }
    none(breaches);
}

#[test]
fn only_the_binary_prints_and_only_config_reads_the_environment() {
    let prints = ["println!(", "eprintln!(", "print!(", "eprint!("];
    let mut breaches = Vec::new();
    for source in rust_files().iter().filter(|s| s.is_product()) {
        let (path, code) = (&source.path, &source.code);
        for print in prints.iter().filter(|_| source.room() != "cli") {
            if code.contains(print) {
                breaches.push(format!("{path}: a library must not {print}…)"));
            }
        }
        // The printer of the binary is the one owner of its stdout and stderr.
        let terminal = ["println!(", "print!(", "stdout()"];
        let printer = "crates/cli/src/printer.rs";
        for print in terminal
            .iter()
            .filter(|_| source.room() == "cli" && path != printer)
        {
            if code.contains(print) {
                breaches.push(format!("{path}: only {printer} writes to stdout"));
            }
        }
        let reads = path.starts_with("crates/cli/src/config") || source.room() == "skips";
        if code.contains("env::var") && !reads {
            breaches.push(format!(
                "{path}: only crates/cli/src/config.rs and its folder read the environment"
            ));
        }
    }
    none(breaches);
}

/// A word in backticks that looks like a path of this repository.
fn named_paths(text: &str) -> impl Iterator<Item = &str> {
    let tops = [
        "crates/",
        "training/",
        "bench/",
        "samples/",
        "docs/",
        "fuzz/",
        ".ci/",
        "bindings/",
    ];
    text.split('`').skip(1).step_by(2).filter(move |word| {
        let plain = !word.contains([' ', '*', '{', '<', '…', '\n', '$']);
        plain && tops.iter().any(|top| word.starts_with(top))
    })
}

#[test]
fn paths_named_in_documents_exist() {
    let mut documents = Vec::new();
    files_below(&root(), &mut documents);
    documents.retain(|p| p.extension().is_some_and(|e| e == "md"));
    let mut breaches = Vec::new();
    let mut seen = 0;
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for path in named_paths(&text) {
            seen += 1;
            let file = path.split(['#', ':']).next().unwrap();
            if !root().join(file).exists() {
                breaches.push(format!(
                    "{} names {path}, which is not there",
                    document.display()
                ));
            }
        }
    }
    assert!(seen > 10, "no document names a path any more");
    none(breaches);
}

#[test]
fn no_file_names_a_package_registry() {
    // Put together here, so that this file does not name them either.
    let hosts = [
        ["crates", ".io/"],
        ["pypi", ".org"],
        ["npmjs", ".org"],
        ["deb.debian", ".org"],
    ];
    let mut files = Vec::new();
    files_below(&root(), &mut files);
    let mut breaches = Vec::new();
    for file in files {
        let lock = file.file_name().is_some_and(|n| n == "Cargo.lock");
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        for host in &hosts {
            if !lock && text.contains(&host.concat()) {
                breaches.push(format!("{} names {}", file.display(), host.concat()));
            }
        }
    }
    none(breaches);
}

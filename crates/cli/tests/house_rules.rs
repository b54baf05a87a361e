//! The house rules of ARCHITECTURE.md, kept by the test run. In: the repository's own files. Out: a
//! list of breaches.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use toml::Table;

/// What each room may depend on among our own crates (ARCHITECTURE.md, "Rooms").
const MAY_DEPEND_ON: &[(&str, &[&str])] = &[
    ("kernels", &[]),
    ("nn", &["fusiform-kernels"]),
    ("face", &["fusiform-nn", "fusiform-kernels"]),
    ("search", &["fusiform-kernels"]),
    ("album", &["fusiform-search", "fusiform-face"]),
    ("gallery", &["fusiform-search"]),
    (
        "fusiform",
        &[
            "fusiform-album",
            "fusiform-face",
            "fusiform-gallery",
            "fusiform-nn",
            "fusiform-kernels",
            "fusiform-search",
        ],
    ),
    ("eval", &["fusiform", "fusiform-nn", "fusiform-kernels"]),
    ("server", &["fusiform", "fusiform-gallery"]),
    (
        "cli",
        &[
            "fusiform",
            "fusiform-eval",
            "fusiform-gallery",
            "fusiform-server",
        ],
    ),
    ("ffi", &["fusiform"]),
];
const MAY_HOLD_UNSAFE: &[&str] = &["kernels", "ffi"];
const BANNED_MODULES: &[&str] = &[
    "common", "util", "utils", "types", "manager", "helper", "helpers", "misc", "mod",
];
const MAX_LINES: usize = 500;

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

fn rust_files() -> Vec<(String, String)> {
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
    found
        .iter()
        .map(|p| (short(p), fs::read_to_string(p).unwrap()))
        .collect()
}

fn crate_of(path: &str) -> &str {
    path.split('/').nth(1).unwrap()
}

#[track_caller]
fn none(breaches: Vec<String>) {
    assert!(
        breaches.is_empty(),
        "house rules broken:\n{}",
        breaches.join("\n")
    );
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
        // Development dependencies may look anywhere: tests drive the whole.
        for (dependency, _) in manifest["dependencies"].as_table().unwrap() {
            seen += 1;
            let ours = dependency == "fusiform" || dependency.starts_with("fusiform-");
            if ours && !may.contains(&&**dependency) {
                breaches.push(format!("crates/{name} must not depend on {dependency}"));
            }
            if dependency == "anyhow" && name != "cli" && name != "server" {
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
fn unsafe_lives_only_in_kernels_and_the_c_boundary() {
    let mut breaches = Vec::new();
    for (path, text) in rust_files() {
        let library = path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs");
        if MAY_HOLD_UNSAFE.contains(&crate_of(&path)) {
            continue;
        }
        if library && !text.contains("#![forbid(unsafe_code)]") {
            breaches.push(format!("{path} lacks #![forbid(unsafe_code)]"));
        }
        // Split, so that this file does not find itself.
        if text.contains(concat!("unsafe", " {")) || text.contains(concat!("unsafe", " fn")) {
            breaches.push(format!("{path} holds unsafe code"));
        }
    }
    none(breaches);
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    let mut breaches = Vec::new();
    for (path, text) in rust_files() {
        let lines: Vec<&str> = text.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let opens =
                line.contains(concat!("unsafe", " {")) && !line.trim_start().starts_with("//");
            let reasoned = lines[i.saturating_sub(6)..=i]
                .iter()
                .any(|l| l.contains("SAFETY:"));
            if opens && !reasoned {
                breaches.push(format!("{path}:{} unsafe block without SAFETY:", i + 1));
            }
        }
    }
    none(breaches);
}

#[test]
fn modules_are_named_headed_and_short() {
    let mut breaches = Vec::new();
    for (path, text) in rust_files() {
        let stem = Path::new(&path).file_stem().unwrap().to_str().unwrap();
        if BANNED_MODULES.contains(&stem) {
            breaches.push(format!("{path}: a module called {stem:?} says nothing"));
        }
        if text.lines().count() > MAX_LINES {
            breaches.push(format!(
                "{path} has {} lines, {MAX_LINES} allowed",
                text.lines().count()
            ));
        }
        if !text.starts_with("//!") {
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
    for (path, text) in rust_files() {
        if !path.contains("/src/") || crate_of(&path) == "cli" {
            continue;
        }
        let body = text.split("#[cfg(test)]").next().unwrap();
        let code: String = body
            .lines()
            .filter(|l| !l.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        for print in prints {
            if code.contains(print) {
                breaches.push(format!("{path}: a library must not {print}…)"));
            }
        }
        if code.contains("env::var") && !path.starts_with("crates/cli/src/config") {
            breaches.push(format!(
                "{path}: only crates/cli/src/config.rs reads the environment"
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
            let place = path.split(['#', ':']).next().unwrap();
            if !root().join(place).exists() {
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

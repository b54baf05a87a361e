//! Which files of one crate import which. In: its sources. Out: circles of files.
//!
//! An arrow is a path of the code that begins with `crate`, `self`, `super` or a child module. It
//! leads to the file of the longest prefix that is a module; a name that a file only re-exports is
//! followed to where it comes from. Declaring a module, and passing on its names, draws no arrow.

use std::collections::{BTreeMap, BTreeSet};

use super::source::Source;

/// Segments of a path, such as `["crate", "image", "decode"]`.
type Path = Vec<String>;

struct Module {
    /// Where it is in the crate: empty for `lib.rs` and `main.rs`.
    at: Path,
    paths: Vec<Path>,
    /// Names it passes on: as they are called here, and the path they come from.
    exports: BTreeMap<String, Path>,
}

/// Circles of files of one crate, each as the paths of its members.
pub(crate) fn circles(sources: &[&Source]) -> Vec<Vec<String>> {
    let modules: BTreeMap<Path, (usize, Module)> = sources
        .iter()
        .enumerate()
        .map(|(i, source)| {
            let module = module(source);
            (module.at.clone(), (i, module))
        })
        .collect();
    let mut arrows = vec![BTreeSet::new(); sources.len()];
    for (from, module) in modules.values() {
        for path in &module.paths {
            let target = absolute(&modules, module, path).and_then(|p| file_of(&modules, &p, 0));
            arrows[*from].extend(target.filter(|to| to != from));
        }
    }
    let reach: Vec<BTreeSet<usize>> = (0..arrows.len()).map(|i| reachable(&arrows, i)).collect();
    let mut found = BTreeSet::new();
    for (i, reached) in reach.iter().enumerate() {
        let together: Vec<usize> = reached
            .iter()
            .copied()
            .filter(|j| reach[*j].contains(&i))
            .collect();
        if reached.contains(&i) {
            found.insert(together);
        }
    }
    let names = |circle: Vec<usize>| circle.iter().map(|i| sources[*i].path.clone()).collect();
    found.into_iter().map(names).collect()
}

fn reachable(arrows: &[BTreeSet<usize>], from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<usize> = arrows[from].iter().copied().collect();
    while let Some(i) = next.pop() {
        if reached.insert(i) {
            next.extend(&arrows[i]);
        }
    }
    reached
}

fn module(source: &Source) -> Module {
    let inside = source.path.split_once("/src/").map_or("", |(_, file)| file);
    let inside = inside.trim_end_matches(".rs");
    let root = matches!(inside, "lib" | "main");
    let at = if root {
        Vec::new()
    } else {
        inside.split('/').map(str::to_owned).collect()
    };
    let mut module = Module {
        at,
        paths: Vec::new(),
        exports: BTreeMap::new(),
    };
    let mut rest = String::new();
    // Statements of `use` end at the first semicolon; everything else is code with paths in it.
    let code = inline_modules_opened(&source.code);
    for piece in code.split_inclusive(';') {
        let Some((before, tree)) = use_statement(piece) else {
            rest += piece;
            continue;
        };
        rest += before;
        let public = before.trim_end().ends_with("pub") || before.trim_end().ends_with(')');
        let mut leaves = Vec::new();
        expand(tree.trim_end_matches(';'), &[], &mut leaves);
        for (path, name) in leaves {
            match public {
                true => _ = module.exports.insert(name, path),
                false => module.paths.push(path),
            }
        }
    }
    module.paths.extend(inline_paths(&rest));
    // A name that is passed on is an arrow only if the file uses it too.
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let words: BTreeSet<&str> = rest.split(|c| !is_word(c)).collect();
    let used = module
        .exports
        .iter()
        .filter(|(name, _)| words.contains(name.as_str()));
    module
        .paths
        .extend(used.map(|(_, path)| path.clone()).collect::<Vec<_>>());
    module
}

/// The code with `super` inside `mod x { … }` as `self`: there it means the file.
fn inline_modules_opened(code: &str) -> String {
    let mut opened = String::new();
    // Depths of braces at which an inline module began.
    let (mut depth, mut modules) = (0, Vec::new());
    for line in code.split_inclusive('\n') {
        let start = line.trim_start();
        let visibility = ["pub(crate) ", "pub(super) ", "pub "];
        let bare = visibility.iter().find_map(|v| start.strip_prefix(v));
        if bare.unwrap_or(start).starts_with("mod ") && line.trim_end().ends_with('{') {
            modules.push(depth);
        }
        let inside = !modules.is_empty();
        opened += &if inside {
            line.replace("super::", "self::")
        } else {
            line.to_owned()
        };
        for c in line.chars() {
            depth += i32::from(c == '{') - i32::from(c == '}');
        }
        while modules.last().is_some_and(|began| depth <= *began) {
            modules.pop();
        }
    }
    opened
}

/// What stands before `use`, and the tree after it.
fn use_statement(piece: &str) -> Option<(&str, &str)> {
    let at = piece.match_indices("use ").map(|(at, _)| at).find(|at| {
        let before = piece[..*at].trim_end_matches([' ', '\t']);
        before.is_empty() || before.ends_with(['\n', ']', '}', '{']) || is_visibility(before)
    })?;
    Some((&piece[..at], &piece[at + 4..]))
}

fn is_visibility(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or(before).trim();
    line == "pub" || (line.starts_with("pub(") && line.ends_with(')'))
}

/// Every path of a tree such as `a::{b, c as d}`, with the name it gets.
fn expand(tree: &str, prefix: &[String], leaves: &mut Vec<(Path, String)>) {
    let tree = tree.trim();
    if let Some((head, group)) = tree.split_once('{') {
        let mut prefix = prefix.to_vec();
        prefix.extend(segments(head));
        let inside = group.trim_end();
        let inside = inside.strip_suffix('}').unwrap_or(inside);
        let (mut depth, mut start) = (0, 0);
        for (i, c) in inside.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(&inside[start..i], &prefix, leaves);
                    start = i + 1;
                }
                _ => {}
            }
        }
        return expand(&inside[start..], &prefix, leaves);
    }
    let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
    let mut full = prefix.to_vec();
    full.extend(segments(path).filter(|s| s != "self" || prefix.is_empty()));
    if let Some(last) = full.last().filter(|_| !tree.is_empty()) {
        let name = if name.is_empty() {
            last.as_str()
        } else {
            name.trim()
        };
        leaves.push((full.clone(), name.to_owned()));
    }
}

fn segments(path: &str) -> impl Iterator<Item = String> {
    let parts = path.split("::").map(|s| s.trim().to_owned());
    parts.filter(|s| !s.is_empty())
}

/// Paths in expressions and types: two or more segments with `::` between them.
fn inline_paths(code: &str) -> Vec<Path> {
    let mut found = Vec::new();
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for word in code.split(|c| !is_word(c)) {
        let path: Path = segments(word).collect();
        if path.len() > 1 && !word.starts_with("::") {
            found.push(path);
        }
    }
    found
}

/// The path from the crate's root; none for paths into other crates.
fn absolute(
    modules: &BTreeMap<Path, (usize, Module)>,
    module: &Module,
    path: &[String],
) -> Option<Path> {
    let child = |name: &str| {
        let mut at = module.at.clone();
        at.push(name.to_owned());
        modules.contains_key(&at)
    };
    let (mut at, mut rest) = match path.first()?.as_str() {
        "crate" => (Vec::new(), &path[1..]),
        "self" => (module.at.clone(), &path[1..]),
        "super" => (module.at.clone(), path),
        name if child(name) => (module.at.clone(), path),
        _ => return None,
    };
    while rest.first().is_some_and(|s| s == "super") {
        at.pop();
        rest = &rest[1..];
    }
    at.extend(rest.iter().cloned());
    Some(at)
}

/// The file that a path from the root leads to.
fn file_of(
    modules: &BTreeMap<Path, (usize, Module)>,
    path: &[String],
    depth: usize,
) -> Option<usize> {
    let (at, (file, module)) = (0..=path.len())
        .rev()
        .find_map(|n| Some((n, modules.get(&path[..n])?)))?;
    let Some(name) = path.get(at) else {
        return Some(*file);
    };
    // A name that is passed on is followed, a few times at most.
    let passed_on = module.exports.get(name).filter(|_| depth < 8);
    match passed_on.and_then(|from| absolute(modules, module, from)) {
        Some(from) => file_of(modules, &from, depth + 1),
        None => Some(*file),
    }
}

#[test]
fn circles_are_found_and_reexports_followed() {
    let file = |path: &str, text: &str| Source::new(format!("crates/x/src/{path}"), text.into());
    let lib = file(
        "lib.rs",
        "mod a;\nmod b;\nmod c;\npub use a::{A, Deep as D};\n",
    );
    let a = file("a.rs", "use crate::b::B;\npub struct A;\n");
    let b = file(
        "b.rs",
        "use std::fmt;\npub fn f() -> crate::A { crate::A }\n",
    );
    let c = file(
        "c.rs",
        "//! crate::c\nuse super::{D, b::{self, f}};\nfn g() { b::f(\"crate::x\") }\n",
    );
    let found = circles(&[&lib, &a, &b, &c]);
    assert_eq!(found, [["crates/x/src/a.rs", "crates/x/src/b.rs"]]);
    assert!(circles(&[&lib, &b, &c]).is_empty());
}

//! What a scan did not use, or not wholly, for people: counted by reason, with a list for each.
//! In: a summary. Out: the same words for a terminal and for a page.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;

use super::ScanSummary;
use crate::counted::counted;
use crate::unusable::ProblemKind;

/// Files and folders of which one thing is to be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Why.
    pub reason: Reason,
    /// How many, and why: `2 files of a kind that is not read: video`.
    pub what: String,
    /// One line for each: its path, with the reason where it has one of its own.
    pub lines: Vec<String>,
}

/// Why something was not used, or not wholly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It could not be used.
    Problem(ProblemKind),
    /// The folder holds nothing, but photos of the album were there.
    Emptied,
    /// A picture or film of a kind that is not read.
    Unread,
    /// Used, but something in it had no effect or is missing.
    Noted,
    /// Left out by a rule.
    Excluded,
    /// Neither a picture nor a film.
    NoPicture,
}

impl Reason {
    /// Whether the owner has to know it; the rest is as it should be.
    pub fn is_problem(self) -> bool {
        matches!(self, Reason::Problem(_) | Reason::Emptied | Reason::Unread)
    }
}

fn each<T: Display>(files: &[(PathBuf, T)]) -> Vec<String> {
    let line = |(file, why): &(PathBuf, T)| format!("{}: {why}", file.display());
    files.iter().map(line).collect()
}

/// How many files have a problem of a kind, in words.
fn problems_in_words(kind: ProblemKind, n: usize) -> String {
    match kind {
        ProblemKind::OverLimit => {
            counted(n, "file asks", "files ask") + " for more than is allowed"
        }
        ProblemKind::Damaged => counted(n, "file is damaged", "files are damaged"),
        ProblemKind::NoPhoto => {
            counted(n, "file is no photo", "files are no photos") + " in spite of the name"
        }
        ProblemKind::NotCovered => {
            counted(n, "file is", "files are") + " of a kind that is not covered"
        }
        ProblemKind::Unreadable => {
            counted(n, "file or folder", "files or folders") + " could not be read"
        }
        ProblemKind::Failed => counted(n, "file", "files") + " could not be used",
    }
}

impl ScanSummary {
    /// What was not used, or not wholly: problems first, then what is as it should be.
    pub fn left_out(&self) -> Vec<LeftOut> {
        let mut all = Vec::new();
        let mut add = |reason, what, lines| {
            all.push(LeftOut {
                reason,
                what,
                lines,
            })
        };
        let mut by_kind: BTreeMap<ProblemKind, Vec<String>> = BTreeMap::new();
        for (file, problem) in &self.problems {
            let line = format!("{}: {problem}", file.display());
            by_kind.entry(problem.kind).or_default().push(line);
        }
        for (kind, lines) in by_kind {
            let what = problems_in_words(kind, lines.len());
            add(Reason::Problem(kind), what, lines);
        }
        if !self.emptied.is_empty() {
            let what = counted(self.emptied.len(), "folder holds", "folders hold")
                + " nothing now; what was found there is kept, in case a disk is off";
            let line = |root: &crate::presence::MissingRoot| {
                format!("{}: {}", root.path.display(), root.holds())
            };
            let lines = self.emptied.iter().map(line).collect();
            add(Reason::Emptied, what, lines);
        }
        for (kind, files) in by_reason(&self.unread, |reason| reason.split_once(';')) {
            let n = counted(files.len(), "file", "files");
            let what = format!("{n} of a kind that is not read: {kind}");
            add(Reason::Unread, what, files);
        }
        if !self.notes.is_empty() {
            let n = counted(self.notes.len(), "file was", "files were");
            add(
                Reason::Noted,
                format!("{n} used, but not wholly"),
                each(&self.notes),
            );
        }
        // A reason may hold a folder's name, and so whatever names hold.
        for (reason, paths) in by_reason(&self.excluded, |_| None) {
            let n = counted(paths.len(), "folder or file was", "folders or files were");
            add(Reason::Excluded, format!("{n} left out: {reason}"), paths);
        }
        let n_others = self.no_pictures.values().sum();
        if n_others > 0 {
            let what = counted(n_others, "file is", "files are") + " neither a picture nor a film";
            let line = |(ending, n): (&String, &usize)| match &**ending {
                "" => format!("{n} without an ending"),
                ending => format!("{n} .{ending}"),
            };
            let lines = self.no_pictures.iter().map(line).collect();
            add(Reason::NoPicture, what, lines);
        }
        all
    }
}

/// Paths by reason; advice that `split` finds behind one is kept with the path.
fn by_reason(
    all: &[(PathBuf, String)],
    split: impl Fn(&str) -> Option<(&str, &str)>,
) -> BTreeMap<&str, Vec<String>> {
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (path, reason) in all {
        let (reason, line) = match split(reason) {
            Some((reason, advice)) => (reason, format!("{}:{advice}", path.display())),
            None => (&**reason, path.display().to_string()),
        };
        reasons.entry(reason).or_default().push(line);
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_goes_with_the_path_and_a_reason_with_a_folders_name_stays_whole() {
        let of = |path: &str, reason: &str| (PathBuf::from(path), reason.to_owned());
        let summary = ScanSummary {
            unread: vec![of("/p/a.mov", "video; `video` looks at it")],
            excluded: vec![
                of("/p/a;b/c", "below \"/p/a;b\""),
                of("/p/a;c/d", "below \"/p/a;c\""),
            ],
            ..ScanSummary::default()
        };
        let said: Vec<(String, Vec<String>)> = summary
            .left_out()
            .into_iter()
            .map(|left| (left.what, left.lines))
            .collect();
        assert!(said[0].0.ends_with("not read: video"), "{said:?}");
        assert_eq!(said[0].1, ["/p/a.mov: `video` looks at it"]);
        assert!(
            said[1].0.ends_with("left out: below \"/p/a;b\""),
            "{said:?}"
        );
        assert_eq!((said.len(), &*said[2].1), (3, &["/p/a;c/d".to_owned()][..]));
    }
}

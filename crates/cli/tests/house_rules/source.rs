//! A Rust file taken apart. In: its text. Out: its code without comments, strings and unit tests,
//! and its string literals. Knows nothing of rules.

/// A Rust file below `crates`.
pub(crate) struct Source {
    /// Its path from the root of the repository.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text with comments and the insides of literals blanked, line by line the same, and up to
    /// the unit tests, which stand last.
    pub(crate) code: String,
    /// String literals up to the unit tests, with the number of the line they begin on.
    pub(crate) strings: Vec<(usize, String)>,
}

impl Source {
    pub(crate) fn new(path: String, text: String) -> Source {
        let (mut code, mut strings) = blank(&text);
        let tests = ["#[cfg(test)]\nmod ", "#[cfg(test)]\npub(crate) mod "];
        let end = tests.iter().filter_map(|start| code.find(start)).min();
        code.truncate(end.unwrap_or(code.len()));
        let n_lines = code.lines().count();
        strings.retain(|(line, _)| *line <= n_lines);
        Source {
            path,
            text,
            code,
            strings,
        }
    }

    /// The folder below `crates` that it is in.
    pub(crate) fn room(&self) -> &str {
        self.path.split('/').nth(1).unwrap()
    }

    /// Whether it is compiled into the crate, and not only into a test, an example or a benchmark.
    pub(crate) fn is_product(&self) -> bool {
        let test = self.path.contains("/tests/") || self.path.ends_with("/tests.rs");
        self.path.contains("/src/") && !test
    }

    /// Identifiers of its code, each as often as it stands there, with line numbers.
    pub(crate) fn identifiers(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.code.lines().enumerate();
        lines.flat_map(|(at, line)| {
            let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            words.filter(|w| !w.is_empty()).map(move |w| (at + 1, w))
        })
    }
}

/// Blanks comments and literals; newlines stay, so that lines keep their numbers.
fn blank(text: &str) -> (String, Vec<(usize, String)>) {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::new();
    let mut strings = Vec::new();
    let mut line = 1;
    let mut i = 0;
    // Copies what is blanked as spaces.
    let skip = |code: &mut String, from: usize, to: usize, line: &mut usize| {
        for c in &chars[from..to.min(chars.len())] {
            *line += usize::from(*c == '\n');
            code.push(if *c == '\n' { '\n' } else { ' ' });
        }
    };
    while i < chars.len() {
        let rest = &chars[i..];
        let word_before = i > 0 && (chars[i - 1].is_alphanumeric() || chars[i - 1] == '_');
        let end = if rest.starts_with(&['/', '/']) {
            i + rest.iter().position(|c| *c == '\n').unwrap_or(rest.len())
        } else if rest.starts_with(&['/', '*']) {
            i + block_comment(rest)
        } else if let Some((open, hashes)) = raw_string(rest).filter(|_| !word_before) {
            let inside = &rest[open..];
            let close: Vec<char> = format!("\"{}", "#".repeat(hashes)).chars().collect();
            let n = inside.windows(close.len()).position(|w| *w == *close);
            let n = n.unwrap_or(inside.len());
            strings.push((line, inside[..n].iter().collect()));
            i + open + n + close.len()
        } else if rest[0] == '"' {
            let n = quoted(&rest[1..], '"');
            strings.push((line, rest[1..=n].iter().collect()));
            i + n + 2
        } else if rest[0] == '\'' && is_char_literal(rest) {
            i + quoted(&rest[1..], '\'') + 2
        } else {
            line += usize::from(rest[0] == '\n');
            code.push(rest[0]);
            i += 1;
            continue;
        };
        skip(&mut code, i, end, &mut line);
        i = end;
    }
    (code, strings)
}

/// Length of a comment that may hold other comments.
fn block_comment(text: &[char]) -> usize {
    let (mut depth, mut i) = (0, 0);
    while i < text.len() {
        match &text[i..] {
            ['/', '*', ..] => (depth, i) = (depth + 1, i + 2),
            ['*', '/', ..] => (depth, i) = (depth - 1, i + 2),
            _ => i += 1,
        }
        if depth == 0 {
            return i;
        }
    }
    i
}

/// Where the inside of a raw string begins, and how many `#` enclose it.
fn raw_string(text: &[char]) -> Option<(usize, usize)> {
    let prefix = match text {
        ['b' | 'c', 'r', ..] => 2,
        ['r', ..] => 1,
        _ => return None,
    };
    let hashes = text[prefix..].iter().take_while(|c| **c == '#').count();
    (text.get(prefix + hashes) == Some(&'"')).then_some((prefix + hashes + 1, hashes))
}

/// Length of what stands before the closing quote.
fn quoted(text: &[char], quote: char) -> usize {
    let mut i = 0;
    while i < text.len() && text[i] != quote {
        i += if text[i] == '\\' { 2 } else { 1 };
    }
    i.min(text.len())
}

/// Tells `'a'` from the lifetime `'a`.
fn is_char_literal(text: &[char]) -> bool {
    matches!(text, [_, '\\', ..] | [_, _, '\'', ..])
}

#[test]
fn literals_and_comments_are_taken_out() {
    let text = "let a = \"x // \\\" y\"; // \"no\"\nlet b: &'a str = r#\"z \" z\"#;\n\
                /* \" /* */ */ f('\"');\n#[cfg(test)]\nmod tests { let c = \"t\"; }\n";
    let source = Source::new("crates/x/src/a.rs".into(), text.into());
    let strings: Vec<&str> = source.strings.iter().map(|(_, s)| s.as_str()).collect();
    assert_eq!(strings, ["x // \\\" y", "z \" z"]);
    let words: Vec<&str> = source.identifiers().map(|(_, word)| word).collect();
    assert_eq!(words, ["let", "a", "let", "b", "a", "str", "f"]);
    assert_eq!(source.strings[1].0, 2);
}

//! The pairs of Labeled Faces in the Wild. In: the text of `pairs.txt`. Out: the pairs and their
//! files' names. Never opens a photo.

use crate::error::EvaluateError;

/// One photo of the data set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Photo {
    /// The person, as the folder is called: `Abel_Pacheco`.
    pub name: String,
    /// Which of their photos, from 1.
    pub number: u32,
}

impl Photo {
    /// Where the photo lies below the images' folder, by LFW's naming rule.
    ///
    /// # Example
    /// ```
    /// use fusiform_eval::lfw::Photo;
    /// let photo = Photo { name: "Abel_Pacheco".into(), number: 4 };
    /// assert_eq!(photo.file(), "Abel_Pacheco/Abel_Pacheco_0004.jpg");
    /// ```
    pub fn file(&self) -> String {
        format!("{0}/{0}_{1:04}.jpg", self.name, self.number)
    }
}

/// Two photos to compare, and whether they show one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Which of the folds, from 0.
    pub fold: usize,
    /// First photo.
    pub a: Photo,
    /// Second photo.
    pub b: Photo,
    /// True when both show one person.
    pub same: bool,
}

/// All pairs of a "View 2" file, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs {
    /// Number of folds.
    pub n_folds: usize,
    /// Number of same pairs, and of different pairs, in each fold.
    pub n_per_kind: usize,
    /// `n_folds × 2 × n_per_kind` pairs.
    pub pairs: Vec<Pair>,
}

impl Pairs {
    /// Reads the "View 2" format: `folds N`, then per fold N lines `name i j` and N lines `name i
    /// name j`.
    ///
    /// # Errors
    /// [`EvaluateError::PairsLine`] with the line's number: a wrong count of fields or lines, a
    /// field that is not a number, or a name that would lead out of the images' folder.
    ///
    /// # Source
    /// Huang et al., "Labeled Faces in the Wild", UMass Amherst TR 07-49 (2007), section on View 2.
    ///
    /// # Example
    /// ```
    /// let text = "1\t1\nAda\t1\t2\nAda\t1\tGrace\t3\n";
    /// let pairs = fusiform_eval::lfw::Pairs::parse(text)?;
    /// assert!(pairs.pairs[0].same);
    /// assert_eq!(pairs.pairs[1].b.file(), "Grace/Grace_0003.jpg");
    /// # Ok::<(), fusiform_eval::EvaluateError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, EvaluateError> {
        let mut lines = text
            .lines()
            .enumerate()
            .map(|(idx, line)| (idx + 1, line.split_whitespace().collect::<Vec<_>>()))
            .filter(|(_, fields)| !fields.is_empty());

        let (n_folds, n_per_kind) = match lines.next() {
            Some((line, fields)) => match fields[..] {
                [folds, pairs] => (number(line, folds)?, number(line, pairs)?),
                _ => {
                    return Err(wrong(
                        line,
                        "the first line must be `folds<TAB>pairs per kind`",
                    ));
                }
            },
            None => return Err(wrong(1, "the file is empty")),
        };
        // Counts come from outside, so they must not overflow and nothing is reserved for them.
        let n_lines = n_folds
            .checked_mul(n_per_kind)
            .and_then(|half| half.checked_mul(2))
            .ok_or_else(|| wrong(1, "the counts are too large"))?;

        let mut pairs = Vec::new();
        let mut last_line = 1;
        for (line, fields) in lines {
            if pairs.len() == n_lines {
                return Err(wrong(
                    line,
                    &format!("more than the {n_lines} pairs of line 1"),
                ));
            }
            last_line = line;
            let fold = pairs.len() / (2 * n_per_kind);
            let same = pairs.len() % (2 * n_per_kind) < n_per_kind;
            let (a, b) = match (same, &fields[..]) {
                (true, [name, i, j]) => (photo(line, name, i)?, photo(line, name, j)?),
                (false, [a, i, b, j]) => (photo(line, a, i)?, photo(line, b, j)?),
                (true, _) => {
                    return Err(wrong(line, "a same pair is `name<TAB>number<TAB>number`"));
                }
                (false, _) => {
                    let form = "a different pair is `name<TAB>number<TAB>name<TAB>number`";
                    return Err(wrong(line, form));
                }
            };
            if !same && a.name == b.name {
                return Err(wrong(
                    line,
                    &format!("a different pair names `{}` twice", a.name),
                ));
            }
            pairs.push(Pair { fold, a, b, same });
        }
        if pairs.len() < n_lines {
            let problem = format!(
                "ends after {} of the {n_lines} pairs of line 1",
                pairs.len()
            );
            return Err(wrong(last_line, &problem));
        }
        Ok(Self {
            n_folds,
            n_per_kind,
            pairs,
        })
    }
}

fn photo(line: usize, name: &str, digits: &str) -> Result<Photo, EvaluateError> {
    if name.contains(['/', '\\', ':']) || name == "." || name == ".." {
        return Err(wrong(
            line,
            &format!("`{name}` is not the name of a folder"),
        ));
    }
    let number = number(line, digits)?;
    let number = u32::try_from(number)
        .map_err(|_| wrong(line, &format!("photo number {number} is too large")))?;
    Ok(Photo {
        name: name.to_owned(),
        number,
    })
}

fn number(line: usize, digits: &str) -> Result<usize, EvaluateError> {
    match digits.parse() {
        Ok(0) | Err(_) => Err(wrong(line, &format!("`{digits}` is not a number from 1"))),
        Ok(n) => Ok(n),
    }
}

fn wrong(line: usize, problem: &str) -> EvaluateError {
    EvaluateError::PairsLine {
        line,
        problem: problem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TWO_FOLDS: &str = "2 1\nAda 1 2\nAda 1 Grace 3\n\nMary 7 1\r\nMary 2 Ada 4\n\n";

    fn problem(text: &str) -> String {
        Pairs::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn folds_and_kinds_follow_from_position() {
        let pairs = Pairs::parse(TWO_FOLDS).unwrap();
        let seen: Vec<_> = pairs
            .pairs
            .iter()
            .map(|p| (p.fold, p.same, p.a.file(), p.b.file()))
            .collect();
        assert_eq!(
            seen,
            [
                (
                    0,
                    true,
                    "Ada/Ada_0001.jpg".to_owned(),
                    "Ada/Ada_0002.jpg".to_owned()
                ),
                (
                    0,
                    false,
                    "Ada/Ada_0001.jpg".to_owned(),
                    "Grace/Grace_0003.jpg".to_owned()
                ),
                (
                    1,
                    true,
                    "Mary/Mary_0007.jpg".to_owned(),
                    "Mary/Mary_0001.jpg".to_owned()
                ),
                (
                    1,
                    false,
                    "Mary/Mary_0002.jpg".to_owned(),
                    "Ada/Ada_0004.jpg".to_owned()
                ),
            ]
        );
    }

    #[test]
    fn a_wrong_line_is_named() {
        assert!(problem("").contains("empty"));
        assert!(problem("300\n").starts_with("pairs file, line 1:"));
        assert!(problem("1 1\nAda 1\nAda 1 Grace 3").contains("line 2: a same pair"));
        assert!(problem("1 1\nAda 1 2\nAda 1 3").contains("line 3: a different pair"));
        assert!(problem("1 1\nAda 1 0\nAda 1 Grace 3").contains("line 2: `0` is not a number"));
        assert!(problem("1 1\nAda 1 2\nAda 1 Ada 3").contains("line 3: a different pair names"));
        assert!(problem("1 1\nAda 1 2").contains("line 2: ends after 1 of the 2"));
        assert!(problem("1 1\nA 1 2\nA 1 B 1\nC 1 2").contains("line 4: more than the 2"));
        assert!(problem("18446744073709551615 2\n").contains("too large"));
        assert!(
            problem("1 1\nA 1 5000000000\nA 1 B 1").contains("line 2: photo number 5000000000")
        );
    }

    #[test]
    fn a_name_cannot_leave_the_folder() {
        for name in ["..", "../../etc", "a/b", "a\\b", "C:"] {
            assert!(
                problem(&format!("1 1\n{name} 1 2\nA 1 B 1")).contains("not the name of a folder")
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "([0-9]{1,3}|[A-Za-z./]{1,4}|[\t\n ])*") {
            if let Ok(pairs) = Pairs::parse(&text) {
                prop_assert_eq!(pairs.pairs.len(), pairs.n_folds * 2 * pairs.n_per_kind);
            }
        }
    }
}

//! Names of people. In: names as clients write them. Out: the form in which they are stored, and
//! the key by which they are found: one spelling of each letter (Unicode's NFC), letter case aside.

use std::collections::HashSet;

use unicode_normalization::UnicodeNormalization;

use crate::error::Error;

/// The form in which a name is stored.
///
/// # Errors
/// [`Error::Name`] for what is none, see [`is_name`].
pub(crate) fn checked(name: &str) -> Result<String, Error> {
    match is_name(name) {
        true => Ok(name.nfc().collect()),
        false => Err(Error::Name(name.to_owned())),
    }
}

/// Whether a person can be called so: not empty, not what web clients take for a folder (`.` and
/// `..`), no control character, which lists and terminals would obey.
///
/// # Example
/// ```
/// assert!(fusiform_gallery::is_name("J. R.") && !fusiform_gallery::is_name(".."));
/// ```
pub fn is_name(name: &str) -> bool {
    !matches!(name.trim(), "" | "." | "..") && !name.contains(char::is_control)
}

/// What two names have in common if they are one person's: Unicode's composed form in lower case.
///
/// # Example
/// ```
/// assert_eq!(fusiform_gallery::name_key("ZOE\u{308}"), fusiform_gallery::name_key("Zo\u{eb}"));
/// ```
pub fn name_key(name: &str) -> String {
    let lower: String = name.nfc().flat_map(char::to_lowercase).collect();
    lower.nfc().collect()
}

/// Names of a file in which two people may have two spellings of one name.
#[derive(Default)]
pub(crate) struct FreeNames(HashSet<(i64, String)>);

impl FreeNames {
    /// The name in its stored form, with a number behind it if somebody of the collection has it.
    pub(crate) fn take(&mut self, service: i64, name: &str) -> String {
        let plain: String = name.nfc().collect();
        let numbered = (2..).map(|n: u64| format!("{plain} ({n})"));
        let mut all = std::iter::once(plain.clone()).chain(numbered);
        let free = all.find(|name| self.0.insert((service, name_key(name))));
        free.unwrap_or(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_one_form_and_two_people_keep_two() {
        let (composed, decomposed) = ("Zo\u{eb}", "Zoe\u{308}");
        assert_eq!(checked(decomposed).unwrap(), composed);
        assert_eq!(name_key("ZOE\u{308}"), name_key(composed));
        for name in [
            "",
            " ",
            ".",
            "..",
            " .. ",
            "a\0",
            "a\nb",
            "\u{1b}[2J",
            "a\u{85}",
        ] {
            assert!(matches!(checked(name), Err(Error::Name(_))), "{name:?}");
        }
        assert!(checked("...").is_ok() && checked(".a").is_ok());
        let mut free = FreeNames::default();
        assert_eq!(free.take(1, composed), composed);
        assert_eq!(free.take(1, decomposed), format!("{composed} (2)"));
        assert_eq!(free.take(2, decomposed), composed);
    }
}

//! Names of people, as every contract takes them. In: text of a client. Out: the name that is kept,
//! or that it cannot be one.

use unicode_normalization::UnicodeNormalization;

/// The name in Unicode's composed form (NFC): "ö" typed on a Mac and elsewhere is one name.
pub(crate) fn normalized(name: &str) -> String {
    name.nfc().collect()
}

/// Whether it is a name that paths cannot hold: clients make `/subjects/.` to `/subjects/` before
/// they send it.
pub(crate) fn is_dots(name: &str) -> bool {
    matches!(name.trim(), "." | "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_one_form() {
        assert_eq!(normalized("Jo\u{308}rg"), "J\u{f6}rg");
        assert_eq!(normalized("Ann"), "Ann");
        assert!(is_dots(".") && is_dots(" .. ") && !is_dots("...") && !is_dots("J. R."));
    }
}

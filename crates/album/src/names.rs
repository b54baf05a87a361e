//! When two names are one, and what a search finds. In: text in any script. Out: keys to compare.
//! Knows nothing of people.
//!
//! A name is stored composed (NFC). Two names are one if they differ in nothing but case and
//! composition (canonical caseless matching). A search also looks past accents: a name is found by
//! whoever cannot type its letters.
//!
//! Source: The Unicode Standard, section 3.13 (default caseless matching), UAX #15 (normalisation).

use caseless::Caseless;
use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The name as it is stored: composed, without spaces at its ends.
pub(crate) fn composed(name: &str) -> String {
    name.trim().nfc().collect()
}

/// Equal for two spellings of one name.
pub(crate) fn name_key(name: &str) -> String {
    // Folding can leave what is not normal, hence twice (D145 of the standard).
    let folded = name.trim().nfd().default_case_fold().nfd();
    folded.default_case_fold().nfc().collect()
}

/// As [`name_key`], without accents and with the dotless i as an i.
pub(crate) fn search_key(text: &str) -> String {
    if text.is_ascii() {
        return text.trim().to_ascii_lowercase();
    }
    let folded = name_key(text);
    let plain = folded.nfd().filter(|c| !is_combining_mark(*c));
    plain.map(|c| if c == 'ı' { 'i' } else { c }).collect()
}

/// Whether two spellings are of one name.
pub fn is_same_name(a: &str, b: &str) -> bool {
    name_key(a) == name_key(b)
}

/// Gives SQL the functions `name_key` and `search_key`.
pub(crate) fn register(db: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    let by = |key: fn(&str) -> String| {
        move |context: &Context<'_>| {
            let text: Option<String> = context.get(0)?;
            Ok(text.map(|text| key(&text)))
        }
    };
    db.create_scalar_function("name_key", 1, flags, by(name_key))?;
    db.create_scalar_function("search_key", 1, flags, by(search_key))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_composition_make_no_other_name() {
        for (a, b) in [
            ("Zo\u{eb}", "Zoe\u{308}"),
            ("Zo\u{eb}", "ZO\u{cb}"),
            ("Stra\u{df}er", "STRASSER"),
            (
                "\u{3a3}\u{3af}\u{3c3}\u{3c5}\u{3c6}\u{3bf}\u{3c2}",
                "\u{3a3}\u{38a}\u{3a3}\u{3a5}\u{3a6}\u{39f}\u{3a3}",
            ),
            ("\u{c5}sa", " A\u{30a}SA "),
        ] {
            assert!(is_same_name(a, b), "{a} {b}");
        }
        assert!(
            !is_same_name("Zoe", "Zo\u{eb}"),
            "an accent tells two people apart"
        );
        assert_eq!(composed(" Zoe\u{308} "), "Zo\u{eb}");
    }

    #[test]
    fn a_search_looks_past_accents() {
        for (typed, name) in [
            ("unsal", "I\u{15f}\u{131}l \u{dc}nsal"),
            ("isil", "I\u{15f}\u{131}l \u{dc}nsal"),
            ("ZO\u{cb}", "Zo\u{eb}"),
            ("istanbul", "\u{130}stanbul"),
            ("\u{674e}", "\u{674e}\u{5c0f}"),
        ] {
            assert!(
                search_key(name).contains(&search_key(typed)),
                "{typed} {name}"
            );
        }
    }
}

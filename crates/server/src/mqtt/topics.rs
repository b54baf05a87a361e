//! Names in topics. In: names of people and cameras. Out: levels of topics and ids of Home
//! Assistant's entities. Knows nothing of messages. A name that cannot stand there as it is has a
//! digest in its place or behind it, so that two names have two topics; Double Take has its own
//! rules, by which they may have one.

use deunicode::deunicode;

/// Longest level that is made of a name.
const MAX_LEVEL_BYTES: usize = 300;

/// Whether text can be the first levels of topics: no wildcard, no empty level.
pub(super) fn is_prefix(text: &str) -> bool {
    let plain = |c: char| !c.is_control() && !matches!(c, '+' | '#' | '$');
    text.len() <= 200 && text.split('/').all(|level| !level.is_empty()) && text.chars().all(plain)
}

/// A name as one level of a topic: what a level cannot hold is written as `%` and two hexadecimal
/// digits; a name of which that makes more than a level may have is its digest.
pub(super) fn level(name: &str) -> String {
    let mut level = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '%' | '/' | '+' | '#' | '$' => level.push_str(&format!("%{:02X}", u32::from(c))),
            c if c.is_control() => level.push_str(&format!("%{:02X}", u32::from(c))),
            c => level.push(c),
        }
    }
    match level.len() <= MAX_LEVEL_BYTES {
        true => level,
        false => digest(name),
    }
}

/// A name as Double Take writes it into a topic: romanised, blanks as `-`, all else but letters,
/// digits and `-` removed, letter case kept.
pub(super) fn double_take_level(name: &str) -> String {
    let joined = joined(name, '-');
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    let level: String = deunicode(&joined).chars().filter(plain).collect();
    match level.is_empty() {
        true => digest(name),
        false => level,
    }
}

/// A name as Double Take writes it into ids: romanised, blanks as `_`.
pub(super) fn double_take_id(name: &str) -> String {
    deunicode(&joined(name, '_'))
}

/// Each run of blanks as one character.
fn joined(name: &str, with: char) -> String {
    let mut out = String::with_capacity(name.len());
    let mut after_blank = false;
    for c in name.chars() {
        if !c.is_whitespace() {
            out.push(c);
        } else if !after_blank {
            out.push(with);
        }
        after_blank = c.is_whitespace();
    }
    out
}

/// A name as a part of Home Assistant's ids, which hold small letters, digits and `_`: `ida`, but
/// `ann_smith_` and a digest.
pub(super) fn object_id(name: &str) -> String {
    let plain = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() => c,
        _ => '_',
    };
    let roman: String = deunicode(name).chars().map(plain).take(64).collect();
    match roman == name.to_lowercase() {
        true => roman,
        // Two names may romanise to one.
        false => format!("{}_{}", roman.trim_matches('_'), digest(name)),
    }
}

/// Stands for a name that cannot be written out.
fn digest(name: &str) -> String {
    blake3::hash(name.as_bytes()).to_hex()[..8].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_one_level_and_no_other_names_level() {
        for (name, expected) in [
            ("Ida", "Ida"),
            ("Zoë Müller", "Zoë Müller"),
            ("a/b+c#d", "a%2Fb%2Bc%23d"),
            ("100%", "100%25"),
            ("a\u{0}\n", "a%00%0A"),
        ] {
            assert_eq!(level(name), expected);
        }
        assert_eq!(level(&"x".repeat(400)).len(), 8);
        assert_eq!(object_id("Ida"), "ida");
        assert!(object_id("Zoë").starts_with("zoe_") && object_id("Zoë") != object_id("Zoe"));
        assert!(object_id("李").len() > 8 && object_id("?") != object_id("!"));
    }

    #[test]
    fn double_takes_romanisation_keeps_case_and_drops_what_no_topic_has() {
        for (name, topic, id) in [
            ("David", "David", "David"),
            ("Anna  Maria", "Anna-Maria", "Anna_Maria"),
            ("Zoë Müller", "Zoe-Muller", "Zoe_Muller"),
            ("Иван", "Ivan", "Ivan"),
            ("O'Neil (work)", "ONeil-work", "O'Neil_(work)"),
        ] {
            assert_eq!(
                (&*double_take_level(name), &*double_take_id(name)),
                (topic, id)
            );
        }
        assert!(!double_take_level("…").is_empty() && !double_take_level("!?").is_empty());
    }

    #[test]
    fn a_prefix_has_levels_and_no_wildcards() {
        for (text, good) in [
            ("fusiform", true),
            ("home/faces", true),
            ("", false),
            ("a//b", false),
            ("a/", false),
            ("a/#", false),
            ("+", false),
            ("$SYS", false),
            ("a\u{0}", false),
        ] {
            assert_eq!(is_prefix(text), good, "{text:?}");
        }
    }
}

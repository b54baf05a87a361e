//! Decisions in words. In: the album's notes of decisions. Out: sentences with names.

use fusiform::album::{Album, PersonId};

/// The album's words with names for numbers, as far as people have names now.
pub(super) fn in_words(album: &Album, what: &str) -> String {
    let mut words: Vec<String> = what.split(' ').map(str::to_owned).collect();
    let two = what.starts_with("persons ");
    for at in 1..words.len() {
        let of_person =
            matches!(&*words[at - 1], "person" | "persons") || (two && words[at - 1] == "and");
        let number = words[at].parse().ok().filter(|_| of_person);
        let name = number
            .and_then(|id| album.person(PersonId(id)).ok())
            .and_then(|person| person.name);
        if let Some(name) = name {
            words[at] = name;
            words[at - 1] = match &*words[at - 1] {
                "and" => "and".into(),
                _ => String::new(),
            };
        } else if number.is_some() && words[at - 1] == "and" {
            words[at] = format!("person {}", words[at]);
        }
    }
    let text = words
        .into_iter()
        .filter(|w| !w.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().collect::<String>());
    first.unwrap_or_default() + letters.as_str()
}

//! What a user can do about an error. In: an error of a command. Out: its causes in one line, and
//! the flag, command or variable that helps. Libraries name none of these; this file is where they
//! are added.

use std::error::Error as StdError;

use fusiform::{AlbumError, Error};

/// The causes in one line, with the remedy where one is known.
pub(crate) fn explain(error: &anyhow::Error) -> String {
    let text = chain(error);
    match error.chain().find_map(remedy) {
        Some(remedy) => format!("{text}; {remedy}"),
        None => text,
    }
}

/// The whole chain of causes, each named once.
fn chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if cause.starts_with(&format!("{text}: ")) {
            // A file named around what names it already.
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// What helps against one cause.
fn remedy(cause: &(dyn StdError + 'static)) -> Option<&'static str> {
    // A transparent error does not show in the chain what it wraps.
    if let Some(Error::Album(error)) = cause.downcast_ref::<Error>() {
        return album(error);
    }
    None.or_else(|| cause.downcast_ref().and_then(sdk))
        .or_else(|| cause.downcast_ref().and_then(album))
}

fn sdk(_error: &Error) -> Option<&'static str> {
    None
}

fn album(_error: &AlbumError) -> Option<&'static str> {
    None
}

//! Remedies that are commands, flags and variables of this program. In: an error. Out: its causes in
//! one line, and what to do about it. The libraries know no command line, so their texts stop before
//! this.

use fusiform::AlbumError;

/// The causes of an error in one line, with the command, flag or variable that helps.
pub(crate) fn explain(error: &anyhow::Error) -> String {
    let text = chain(error);
    match command(error) {
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

/// What to do about an error, to be appended to its text.
fn command(error: &anyhow::Error) -> Option<String> {
    // Errors of the library show the album's error in their place in the chain.
    let album = |cause: &(dyn std::error::Error + 'static)| match cause.downcast_ref() {
        Some(fusiform::Error::Album(error)) => of_album(error),
        Some(_) => None,
        None => cause.downcast_ref().and_then(of_album),
    };
    error.chain().find_map(album)
}

fn of_album(error: &AlbumError) -> Option<String> {
    Some(match error {
        AlbumError::NotAnAlbum { .. } | AlbumError::Newer { .. } | AlbumError::ReadOnly { .. } => {
            "--catalogue names another file".into()
        }
        AlbumError::NoSuchPerson(_) => "`fusiform people` lists all".into(),
        AlbumError::NoSuchFace(_) => {
            "`fusiform person` lists the faces of a person and their numbers".into()
        }
        AlbumError::NoSuchPhoto(_) => "`fusiform scan` does that".into(),
        AlbumError::NoSuchDecision(_) => "`fusiform history` lists all decisions".into(),
        AlbumError::NoSuchQuestion(_) => "`fusiform review` lists the open questions".into(),
        AlbumError::NameTaken { id, .. } => format!("`fusiform merge {id} …` does that"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_album_name_the_command_that_helps() {
        let file = std::path::PathBuf::from("a.db");
        let taken = AlbumError::NameTaken {
            name: "Ida".into(),
            id: 7,
        };
        for (error, command) in [
            (
                AlbumError::NoSuchPerson("Nobody".into()),
                "`fusiform people`",
            ),
            (AlbumError::NoSuchFace(3), "`fusiform person`"),
            (AlbumError::NoSuchPhoto("a.jpg".into()), "`fusiform scan`"),
            (AlbumError::NoSuchDecision(3), "`fusiform history`"),
            (AlbumError::NoSuchQuestion(3), "`fusiform review`"),
            (taken, "`fusiform merge 7 …`"),
            (AlbumError::ReadOnly { file }, "--catalogue"),
        ] {
            let text = explain(&error.into());
            assert!(text.contains(command), "{text}");
        }
    }

    #[test]
    fn an_error_of_the_album_is_found_within_others() {
        let inner = fusiform::Error::from(AlbumError::NoSuchQuestion(3));
        let outer = anyhow::Error::from(inner).context("while answering");
        let text = explain(&outer);
        assert!(
            text.starts_with("while answering: there is no question 3"),
            "{text}"
        );
        assert!(
            text.ends_with("`fusiform review` lists the open questions"),
            "{text}"
        );
        assert_eq!(explain(&anyhow::anyhow!("plain")), "plain");
    }
}

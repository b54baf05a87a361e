//! Remedies that are commands and flags of this program. In: an error. Out: what to run, if a
//! command helps. The libraries know no command line, so their texts stop before this.

use fusiform::AlbumError;

/// What to run against an error, to be appended to its text.
pub(crate) fn command(error: &anyhow::Error) -> Option<String> {
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
    use crate::printer::chain;

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
            let text = chain(&error.into());
            assert!(text.contains(command), "{text}");
        }
    }

    #[test]
    fn an_error_of_the_album_is_found_within_others() {
        let inner = fusiform::Error::from(AlbumError::NoSuchQuestion(3));
        let outer = anyhow::Error::from(inner).context("while answering");
        let text = chain(&outer);
        assert!(
            text.starts_with("while answering: there is no question 3"),
            "{text}"
        );
        assert!(
            text.ends_with("`fusiform review` lists the open questions"),
            "{text}"
        );
        assert_eq!(chain(&anyhow::anyhow!("plain")), "plain");
    }
}

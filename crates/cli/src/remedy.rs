//! Remedies that are commands, flags and variables of this program. In: an error. Out: its causes
//! in one line, and what to do about it. The libraries know no command line, so their texts stop
//! before this.

use fusiform::image::ImageError;
use fusiform::models::PackError;
#[cfg(feature = "video")]
use fusiform::video::VideoError;
use fusiform::{AlbumError, Error};
use fusiform_gallery::Error as GalleryError;
use fusiform_server::StartError;

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
            // The cause names the file already, so its text alone is kept.
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// What to do about an error, to be appended to its text: the remedy of the outermost cause that
/// has one.
fn command(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        // A transparent error hides what it wraps from the chain, so it is opened here.
        if let Some(fusiform_eval::Error::Engine(error)) = cause.downcast_ref() {
            return of_library(error);
        }
        None.or_else(|| cause.downcast_ref().and_then(of_library))
            .or_else(|| cause.downcast_ref().and_then(of_limit))
            .or_else(|| cause.downcast_ref().and_then(of_file))
            .or_else(|| cause.downcast_ref().and_then(of_pack))
            .or_else(|| cause.downcast_ref().and_then(of_album))
            .or_else(|| cause.downcast_ref().and_then(of_gallery))
            .or_else(|| cause.downcast_ref().map(of_server))
    })
}

fn of_library(error: &Error) -> Option<String> {
    Some(match error {
        Error::Album(error) => return of_album(error),
        Error::Gallery(error) => return of_gallery(error),
        Error::Lacks { .. } | Error::NoTemplate => {
            "--pack names it, `fusiform models list` shows all".into()
        }
        Error::Uncalibrated { .. } => {
            "`fusiform calibrate DIR --pack DIR --write` does that".into()
        }
        #[cfg(feature = "video")]
        Error::Video { source, .. } => return of_video(source),
        Error::NoFace => "a smaller --min-face finds smaller faces".into(),
        Error::Image(why) | Error::Photo { source: why, .. } => return of_limit(why),
        _ => return None,
    })
}

#[cfg(feature = "video")]
fn of_video(error: &VideoError) -> Option<String> {
    let has = |said: &str, words: [&str; 2]| words.iter().any(|word| said.contains(word));
    Some(match error {
        VideoError::NoFfmpeg | VideoError::Codec(_) => {
            "Debian's package ffmpeg has it, version 5.1 or newer".into()
        }
        VideoError::Ffmpeg(said) if has(said, ["Unrecognized option", "Option not found"]) => {
            "ffmpeg 5.1 or newer is needed".into()
        }
        VideoError::Ffmpeg(said) if has(said, ["find tag for codec", "codec not currently"]) => {
            "a copy whose name ends in .mkv takes any sound; -o names it".into()
        }
        _ => return None,
    })
}

fn of_limit(error: &ImageError) -> Option<String> {
    let remedy = match error {
        ImageError::TooManyPixels { .. } => MORE_PIXELS,
        ImageError::TooManyBytes { .. } => MORE_BYTES,
        _ => return None,
    };
    Some(remedy.into())
}

fn of_file(error: &std::io::Error) -> Option<String> {
    // The system says so of a file that it will not write.
    let is_ours = error.raw_os_error().is_none();
    let is_too_large = error.kind() == std::io::ErrorKind::FileTooLarge;
    (is_too_large && is_ours).then(|| MORE_BYTES.into())
}

/// What raises the limits of photos; all three names of a setting.
const MORE_PIXELS: &str =
    "--max-pixels, FUSIFORM_MAX_PIXELS or `max_pixels` in the settings file raises the limit";
const MORE_BYTES: &str =
    "--max-bytes, FUSIFORM_MAX_BYTES or `max_bytes` in the settings file raises the limit";

/// What helps where a scan found photos beyond a limit.
pub(crate) const MORE_OF_A_PHOTO: &str = "`max_pixels` and `max_bytes` in the settings file, \
     FUSIFORM_MAX_PIXELS and FUSIFORM_MAX_BYTES, or --max-pixels and --max-bytes raise the limits";

fn of_pack(error: &PackError) -> Option<String> {
    Some(match error {
        PackError::Unknown { .. } => "`fusiform models add DIR` does that".into(),
        _ => return None,
    })
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
        AlbumError::NoSuchQuestion { .. } => "`fusiform review` lists the open questions".into(),
        AlbumError::AfterErasure {
            before: Some((id, _)),
            ..
        } => format!("`fusiform undo --decision {id}` takes that back"),
        AlbumError::NameTaken { id, .. } => format!("`fusiform merge {id} …` does that"),
        _ => return None,
    })
}

fn of_gallery(error: &GalleryError) -> Option<String> {
    Some(match error {
        GalleryError::WrongKey(_) | GalleryError::BadKey(_) => {
            "the key is in FUSIFORM_VAULT_KEY, in the file that FUSIFORM_VAULT_KEY_FILE names, or \
             made from FUSIFORM_VAULT_PASSPHRASE"
                .into()
        }
        GalleryError::NotAGallery(_) | GalleryError::Newer { .. } => {
            "FUSIFORM_VAULT names another file".into()
        }
        GalleryError::Unreachable { cause, .. } if cause.to_string().contains("certificate") => {
            "`sslrootcert=FILE` in its address names whose certificates are believed, \
             `sslmode=disable` goes without"
                .into()
        }
        GalleryError::Unreachable { .. } | GalleryError::Occupied(_) => {
            "FUSIFORM_VAULT or --store names another".into()
        }
        GalleryError::NoIndex => "`fusiform calibrate index` makes one".into(),
        GalleryError::Locked(_) => {
            "FUSIFORM_VAULT names another file for a second server, and FUSIFORM_HOME another home \
             for all of its files"
                .into()
        }
        GalleryError::WeakSecret(_) => {
            "the secret is in FUSIFORM_VAULT_KEY or FUSIFORM_VAULT_PASSPHRASE; without both, a key \
             is made"
                .into()
        }
        GalleryError::Damaged
        | GalleryError::Tampered(_)
        | GalleryError::Remains { .. }
        | GalleryError::Chain { .. } => {
            "`fusiform vault restore FILE` takes a backup, `fusiform audit accept` goes on without \
             what is not proved"
                .into()
        }
        GalleryError::Model { .. } => {
            "--pack chooses the pack, `fusiform vault reembed` embeds everybody with another".into()
        }
        _ => return None,
    })
}

fn of_server(error: &StartError) -> String {
    match error {
        StartError::Listen { .. } => "--listen chooses another address",
        StartError::HalfTls => "--tls-cert and --tls-key give both",
        StartError::UnknownKey { .. } => {
            "put one that `fusiform key recognition` prints on its first line, or name another \
             file in the settings (`fusiform keys list` shows what there is)"
        }
        StartError::NothingToServe | StartError::NobodyToRecognise(_) => {
            "`fusiform key recognition` makes a key"
        }
        StartError::NoMqttKey => {
            "put a key of `fusiform key recognition` into a file, and its path into `key_file` of \
             `[serve.mqtt]` or FUSIFORM_MQTT_KEY_FILE"
        }
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gone() -> AlbumError {
        AlbumError::NoSuchQuestion {
            id: "g1-2".into(),
            why: "it was erased".into(),
        }
    }

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
            (gone(), "`fusiform review`"),
            (taken, "`fusiform merge 7 …`"),
            (AlbumError::ReadOnly { file }, "--catalogue"),
        ] {
            let text = explain(&error.into());
            assert!(text.contains(command), "{text}");
        }
    }

    #[test]
    fn errors_of_packs_photos_and_the_vault_name_what_helps() {
        let lacks = Error::Lacks {
            pack: "a".into(),
            role: "embedder",
        };
        let unknown = PackError::Unknown {
            name: "a".into(),
            known: "base".into(),
        };
        let model = GalleryError::Model {
            found: "a".into(),
            wanted: "b".into(),
        };
        let wrong_key = GalleryError::WrongKey("vault.db".into());
        for (error, remedy) in [
            (anyhow::Error::from(Error::NoFace), "--min-face"),
            (lacks.into(), "`fusiform models list`"),
            (
                fusiform_eval::Error::from(Error::Uncalibrated {
                    pack: "a".into(),
                    fmr: 1e-3,
                })
                .into(),
                "`fusiform calibrate DIR --pack DIR --write`",
            ),
            (Error::from(unknown).into(), "`fusiform models add DIR`"),
            (model.into(), "--pack"),
            (wrong_key.into(), "FUSIFORM_VAULT_KEY_FILE"),
            (
                GalleryError::Locked("vault.db".into()).into(),
                "FUSIFORM_VAULT names",
            ),
        ] {
            let text = explain(&error);
            assert!(text.contains(remedy), "{text}");
        }
    }

    #[test]
    fn an_error_of_the_album_is_found_within_others() {
        let inner = fusiform::Error::from(gone());
        let outer = anyhow::Error::from(inner).context("while answering");
        let text = explain(&outer);
        assert!(
            text.starts_with("while answering: question g1-2 is not open any more: it was erased"),
            "{text}"
        );
        assert!(
            text.ends_with("`fusiform review` lists the open questions"),
            "{text}"
        );
        assert_eq!(explain(&anyhow::anyhow!("plain")), "plain");
    }
}

//! Errors as one exception. In: an error of the library. Out: kind, code and reason.

/// What went wrong. Programs branch on the kind, people read the reason.
#[derive(Debug, thiserror::Error, uniffi::Error)]
pub enum FusiformError {
    /// What the library refused or could not do.
    #[error("{reason} [{kind}]")]
    Failed {
        /// A stable word such as `not_a_photo`.
        kind: String,
        /// Its stable number.
        code: u16,
        /// For people.
        reason: String,
    },
}

impl From<fusiform::Error> for FusiformError {
    fn from(error: fusiform::Error) -> FusiformError {
        of_kind(error.kind(), &error.to_string())
    }
}

impl From<fusiform::PackError> for FusiformError {
    fn from(error: fusiform::PackError) -> FusiformError {
        fusiform::Error::from(error).into()
    }
}

impl From<fusiform::AlbumError> for FusiformError {
    fn from(error: fusiform::AlbumError) -> FusiformError {
        fusiform::Error::from(error).into()
    }
}

/// An argument that cannot be used.
pub(crate) fn bad_option(reason: &str) -> FusiformError {
    of_kind(fusiform::ErrorKind::BadOption, reason)
}

/// Something that was closed.
pub(crate) fn closed(class: &str) -> FusiformError {
    of_kind(
        fusiform::ErrorKind::BadHandle,
        &format!("the {class} is closed"),
    )
}

fn of_kind(kind: fusiform::ErrorKind, reason: &str) -> FusiformError {
    FusiformError::Failed {
        kind: kind.name().into(),
        code: kind.code(),
        reason: reason.into(),
    }
}

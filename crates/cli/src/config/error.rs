//! What can be wrong with settings. In: causes. Out: messages that name file, variable, value and
//! remedy.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ConfigError {
    /// The file named cannot be read.
    #[error("{path}: {source}; name another file with --config")]
    Read {
        /// The settings file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not TOML or names a setting that does not exist.
    #[error("{path}: {message}")]
    Parse {
        /// The settings file.
        path: PathBuf,
        /// What is wrong, with line and column.
        message: String,
    },
    /// An environment variable has a value of the wrong kind.
    #[error("{name}={value:?} is not {wanted}")]
    Variable {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: OsString,
        /// What it should be.
        wanted: &'static str,
    },
    /// A setting has a value that cannot be used.
    #[error("{name}: {value:?} is not {wanted}")]
    Setting {
        /// The setting, with the tables it is in.
        name: Cow<'static, str>,
        /// Its value.
        value: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// A path that cannot be written out.
    #[error("{0}")]
    Path(String),
    /// No home folder is known and no path was given.
    #[error("no home folder is known; set FUSIFORM_HOME or give --catalogue and --models-dir")]
    NoHome,
}

impl ConfigError {
    /// [`ConfigError::Setting`] of a value as text.
    pub(super) fn setting(
        name: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
        wanted: &'static str,
    ) -> ConfigError {
        ConfigError::Setting {
            name: name.into(),
            value: value.into(),
            wanted,
        }
    }
}

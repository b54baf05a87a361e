//! Where the files are and which models to use. In: TOML file, environment, flags, in that order.
//! Out: one [`Config`]. Only this file and `config/serve.rs` read the environment.

mod error;
mod other_programs;
mod serve;

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use serde::Deserialize;

use error::ConfigError;
use fusiform_server::Settings;
pub(crate) use serve::{ServeLayer, vault_secrets};

/// Settings after every layer has spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// The SQLite file that holds photos, faces and people.
    pub catalogue: PathBuf,
    /// Folder of the model packs that were added.
    pub models_dir: PathBuf,
    /// Pack to use; `None` is the default pack.
    pub pack: Option<String>,
    /// Photos handled at once; `None` is one per core.
    pub threads: Option<usize>,
    /// File whose first line is the password of the album's pages.
    pub password_file: Option<PathBuf>,
    /// How `fusiform serve` runs.
    pub serve: Settings,
}

/// One layer of settings; an empty field leaves the layer below in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Layer {
    /// See [`Config::catalogue`].
    pub catalogue: Option<PathBuf>,
    /// See [`Config::models_dir`].
    pub models_dir: Option<PathBuf>,
    /// See [`Config::pack`].
    pub pack: Option<String>,
    /// See [`Config::threads`].
    pub threads: Option<usize>,
    /// See [`Config::serve`].
    #[serde(default)]
    pub serve: ServeLayer,
}

impl Config {
    /// Joins file, environment and flags.
    ///
    /// `file` is the settings file that a flag names; without it `config.toml` in Fusiform's home
    /// is read if it exists. Fusiform's home is `FUSIFORM_HOME`, else `fusiform` in the user's data
    /// folder (XDG Base Directory). Variables: `FUSIFORM_HOME`, `FUSIFORM_CATALOGUE`,
    /// `FUSIFORM_MODELS_DIR`, `FUSIFORM_PACK`, `FUSIFORM_THREADS`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the file or variable.
    pub(crate) fn resolve(file: Option<&Path>, flags: Layer) -> Result<Config, ConfigError> {
        let home = match env::var_os("FUSIFORM_HOME") {
            Some(home) => Some(PathBuf::from(home)),
            None => etcetera::choose_base_strategy()
                .ok()
                .map(|s| s.data_dir().join("fusiform")),
        };
        let from_file = match (file, &home) {
            (Some(path), _) => read(path)?,
            (None, Some(home)) => match read(&home.join("config.toml")) {
                Err(ConfigError::Read { source, .. })
                    if source.kind() == io::ErrorKind::NotFound =>
                {
                    Layer::default()
                }
                other => other?,
            },
            (None, None) => Layer::default(),
        };
        let layer = flags.over(environment()?).over(from_file);
        let in_home = |name: &str| {
            home.as_ref()
                .map(|h| h.join(name))
                .ok_or(ConfigError::NoHome)
        };
        Ok(Config {
            catalogue: layer
                .catalogue
                .map_or_else(|| in_home("catalogue.db"), Ok)?,
            models_dir: layer.models_dir.map_or_else(|| in_home("models"), Ok)?,
            pack: layer.pack,
            threads: layer.threads,
            password_file: layer.serve.password_file.clone(),
            serve: layer.serve.resolve(home.as_deref())?,
        })
    }
}

impl Layer {
    /// This layer where it speaks, `below` where it is silent.
    fn over(self, below: Layer) -> Layer {
        Layer {
            catalogue: self.catalogue.or(below.catalogue),
            models_dir: self.models_dir.or(below.models_dir),
            pack: self.pack.or(below.pack),
            threads: self.threads.or(below.threads),
            serve: self.serve.over(below.serve),
        }
    }
}

fn read(path: &Path) -> Result<Layer, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.into(),
        source,
    })?;
    toml::from_str(&text).map_err(|e| ConfigError::Parse {
        path: path.into(),
        message: e.to_string(),
    })
}

fn environment() -> Result<Layer, ConfigError> {
    let text = |name: &'static str| match env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(value)) => Err(ConfigError::Variable {
            name,
            value,
            wanted: "UTF-8 text",
        }),
    };
    let threads = text("FUSIFORM_THREADS")?.map(|value| {
        value.parse().map_err(|_| ConfigError::Variable {
            name: "FUSIFORM_THREADS",
            value: value.into(),
            wanted: "a whole number",
        })
    });
    Ok(Layer {
        catalogue: env::var_os("FUSIFORM_CATALOGUE").map(PathBuf::from),
        models_dir: env::var_os("FUSIFORM_MODELS_DIR").map(PathBuf::from),
        pack: text("FUSIFORM_PACK")?,
        threads: threads.transpose()?,
        serve: serve::environment(&text)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        fs::write(
            &file,
            "catalogue = \"/file.db\"\nmodels_dir = \"/m\"\nthreads = 3\n",
        )
        .unwrap();
        let flags = Layer {
            catalogue: Some("/flag.db".into()),
            ..Layer::default()
        };
        let config = Config::resolve(Some(&file), flags).unwrap();
        assert_eq!(config.catalogue, Path::new("/flag.db"));
        assert_eq!(
            (config.models_dir.as_path(), config.threads),
            (Path::new("/m"), Some(3))
        );
    }

    #[test]
    fn a_misspelt_setting_names_file_and_key() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        fs::write(&file, "catalog = \"/x\"\n").unwrap();
        let error = Config::resolve(Some(&file), Layer::default())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("c.toml") && error.contains("catalog"),
            "{error}"
        );
    }
}

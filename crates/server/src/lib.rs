//! The HTTP server of Fusiform: the album's pages, the v1 API, and the contracts of CompreFace,
//! Immich's machine learning, Nextcloud's external model and DeepStack; and Frigate's events over
//! MQTT (`mqtt`), where the server is the client.
//!
//! In: [`Settings`] and [`Parts`]. Out: a [`Server`]. Knows nothing of command lines, environment
//! variables or terminals.
//!
//! A request goes one way: `connections` (TLS, limits of sockets) → `front` (what a proxy changed)
//! → a route tree (`pages`, `v1`, `compreface`, `immich`, `nextcloud`, `deepstack`), which parses
//! it into a typed request and takes its permits from `admission` → `analysis` (engine), `service`
//! (engine and gallery) or the album. What goes wrong on the
//! way is a `problem`, which the route tree renders in its contract's form.
#![forbid(unsafe_code)]

mod admission;
mod analysis;
mod attempts;
#[cfg(feature = "cameras")]
mod cameras;
mod compreface;
mod connections;
mod deepstack;
mod front;
mod health;
mod immich;
mod metrics;
mod mqtt;
mod multipart;
mod names;
mod nextcloud;
mod open_connections;
mod other_programs;
mod pages;
mod params;
mod peer_address;
mod problem;
mod request_line;
mod security_headers;
mod serve;
mod service;
mod settings;
mod start_error;
mod v1;

#[cfg(feature = "cameras")]
pub use cameras::{CameraKeys, Hours, MalformedHours};
pub use front::is_base_path;
pub use immich::immich_distance;
pub use ipnet::IpNet;
pub use mqtt::{EventKind, FrigateEvent, MAX_EVENT_BYTES, MalformedEvent, MqttKeys, try_broker};
pub use other_programs::OtherProgram;
pub use peer_address::{BrokerAddress, http_address, is_web_address, without_login};
pub use serve::{Parts, Server};
#[cfg(feature = "cameras")]
pub use settings::{CameraSettings, CamerasSettings};
pub use settings::{FrigateSettings, ImmichSettings, KeyedListener, MqttSettings, Settings};
pub use start_error::StartError;

//! `fusiform serve` as a whole: the real binary over real sockets. In: fresh home folders. Out: the
//! answers to clients.

mod api_keys;
mod bombs;
mod cameras;
mod contract;
mod crowding;
mod deepstack;
mod enrolling;
mod first_steps;
mod full_disk;
mod immich;
mod keeping;
mod limits;
mod malformed;
mod moving;
mod mqtt;
mod mqtt_fixture;
mod mqtt_hostile;
mod nextcloud;
mod proxied;
mod reembedding;
mod server_fixture;
mod setting_up;
#[cfg(feature = "postgres")]
mod shared_vault;
mod starting;
mod v1;

//! `fusiform serve` as a whole: the real binary over real sockets. In: fresh home folders. Out: the
//! answers to clients.

mod api_keys;
mod bombs;
mod contract;
mod crowding;
mod full_disk;
mod keeping;
mod limits;
mod moving;
mod proxied;
mod reembedding;
mod server_fixture;
mod starting;
mod v1;

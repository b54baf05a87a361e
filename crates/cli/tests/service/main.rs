//! `fusiform serve` as a whole, by the real binary over real sockets. In: fresh homes. Out: what
//! clients are answered.

mod keeping;
mod limits;
mod moving;
mod server_fixture;
mod v1;

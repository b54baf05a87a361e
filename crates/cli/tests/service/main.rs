//! `fusiform serve` as a whole: the real binary over real sockets. In: fresh home folders. Out: the
//! answers to clients.

mod keeping;
mod limits;
mod moving;
mod server_fixture;
mod v1;

//! Execution: sessions, the memory they reuse, and the fused partitions that most steps run in.

pub(crate) mod buffer_pool;
pub(crate) mod fused;
mod run_guard;
pub(crate) mod session;

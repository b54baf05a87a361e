//! Any order of calls of C, with handles, pointers, lengths and texts of any kind: an answer or an
//! error code, never a crash.

#![no_main]

#[path = "../../crates/ffi/tests/any_order/calls.rs"]
mod calls;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| calls::run(bytes));

//! The kernels in plain Rust: the definition that every instruction set is tested against, and what
//! runs where no other is known.

use crate::compile::{compile_int8_conv, compile_rows};

compile_rows!(rows, crate::vector::Scalar8);
compile_int8_conv!(int8_conv, crate::int8_dot::ScalarInt8Dot);

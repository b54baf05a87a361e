//! The frame around every call. In: a call's work. Out: its code; its failure, and a panic as one,
//! in the caller's struct. Knows nothing of what is done.

use std::any::Any;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{FUSIFORM_MESSAGE_BYTES, Failure, FusiformCode, FusiformError, shortened};
use crate::pointer::Out;

/// Does a call's work: its failure, and a panic as one, becomes a code and the caller's error.
pub(crate) fn guard(
    error: Result<Out<'_, FusiformError>, Failure>,
    work: impl FnOnce() -> Result<(), Failure>,
) -> FusiformCode {
    // What is shared behind a panic are tables and locks; they are whole after each of their steps.
    let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let why = said(&*panic).to_owned();
        // Dropping what a panic carries may panic again, and would then cross into C.
        std::mem::forget(panic);
        Err(Failure {
            code: FusiformCode::Internal,
            message: format!("a defect of Fusiform, please report it: {why}"),
        })
    });
    let Err(failure) = done else {
        return FusiformCode::Ok;
    };
    if let Ok(error) = error {
        let mut message = [0; FUSIFORM_MESSAGE_BYTES];
        let text = shortened(&failure.message, FUSIFORM_MESSAGE_BYTES - 1);
        for (to, byte) in message.iter_mut().zip(text.bytes()) {
            *to = byte as c_char;
        }
        error.put(FusiformError {
            code: failure.code,
            message,
        });
    }
    failure.code
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no reason given")
}

//! Keeps a decoder's panic inside. In: work that runs foreign code on foreign bytes. Out: its
//! result, or the panic's message. Knows nothing of images.
//!
//! Needs unwinding: a program built with `panic = "abort"` still ends. A thread that a decoder
//! starts itself (the reduced decoder of large JPEGs does) is contained as well, but its message is
//! printed.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static IS_CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; a panic in it becomes `Err` with its message and prints nothing.
pub fn contain<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    install_hook();
    let before = IS_CONTAINED.replace(true);
    // Nothing that `work` may leave half done survives: its bytes are borrowed and never written.
    let result = catch_unwind(AssertUnwindSafe(work));
    IS_CONTAINED.set(before);
    result.map_err(|payload| message(&*payload))
}

/// Puts a hook before the program's own one, once: it only adds silence where a panic is contained.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    // The hook cannot be replaced while this thread panics; then the message is printed.
    if std::thread::panicking() {
        return;
    }
    INSTALLED.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            if !IS_CONTAINED.try_with(Cell::get).unwrap_or(false) {
                previous(info);
            }
        }));
    });
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| text.to_string())
        .or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a message".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(contain(|| 3), Ok(3));
        let n = 7;
        let failed: Result<(), String> = contain(|| panic!("slot {n} is taken"));
        assert_eq!(failed, Err("slot 7 is taken".into()));
        assert!(!IS_CONTAINED.get(), "later panics are printed again");
        let inner = contain(|| contain(|| panic!("inner")).is_err() && IS_CONTAINED.get());
        assert_eq!(inner, Ok(true));
    }
}

//! Writes Kotlin and Swift for the library beside it: `uniffi-bindgen generate --help`.
fn main() {
    uniffi::uniffi_bindgen_main();
}

//! Any text as a pack's manifest: a manifest that can be written again, or an error.

#![no_main]

use fusiform::models::Manifest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(manifest) = Manifest::parse(text) {
        let _ = manifest.to_toml();
    }
});

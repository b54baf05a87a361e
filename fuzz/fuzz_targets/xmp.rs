//! Any bytes as an XMP packet: regions or words, never a panic; what is read can be written.

#![no_main]

use fusiform_album::xmp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(packet) = xmp::packet(bytes) {
        let _ = xmp::read(packet);
    }
});

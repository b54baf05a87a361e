//! Any bytes as a message of Frigate's: an event whose names can stand in topics and addresses, or
//! an error.

#![no_main]

use fusiform_server::FrigateEvent;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(event) = FrigateEvent::parse(bytes) {
        assert!(event.id.bytes().all(|b| b.is_ascii_graphic() && b != b'/'));
        assert!(event.camera.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b)));
        assert!(event.start_time.is_finite());
    }
});

//! Any name of a file as a date: a date in form or none, nothing panics.

#![no_main]

use fusiform_face::image::Taken;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|name: &str| {
    if let Some(taken) = Taken::from_file_name(name) {
        assert_eq!(taken.local.len(), "2021-07-04T18:30:05".len());
    }
});

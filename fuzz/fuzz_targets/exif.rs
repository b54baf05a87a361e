//! Any bytes through the EXIF reader: a date it returns is one in form, nothing panics.

#![no_main]

use fusiform_face::image::exif;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(taken) = exif::read(bytes).taken {
        assert_eq!(taken.local.len(), "2021-07-04T18:30:05".len());
        assert!(taken.local.is_ascii());
    }
});

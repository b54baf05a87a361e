//! Any bytes as the answer of a camera, in pieces of any size: parts within the limit or an error,
//! never a panic, and no more memory than a part may have.

#![no_main]

use fusiform_video::live::Parts;
use libfuzzer_sys::fuzz_target;

const MAX_BYTES: usize = 4096;

fuzz_target!(|input: (u8, &[u8])| {
    let (step, bytes) = input;
    let Ok(mut parts) = Parts::new("cam", MAX_BYTES) else { return };
    for piece in bytes.chunks(usize::from(step) + 1) {
        if parts.push(piece).is_err() {
            return;
        }
        loop {
            match parts.next() {
                Ok(Some(part)) => assert!(part.len() <= MAX_BYTES * 2 + (16 << 10)),
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
});

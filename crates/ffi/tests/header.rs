//! The header that is checked in is the one that the source makes. In: the source. Out: a
//! difference, and a file to put in its place.

use std::path::Path;

#[test]
fn the_header_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let made = cbindgen::Builder::new()
        .with_crate(root)
        .with_config(config)
        .generate()
        .unwrap();
    let mut bytes = Vec::new();
    made.write(&mut bytes);
    let made = String::from_utf8(bytes).unwrap();
    let kept = root.join("include/fusiform.h");
    if std::fs::read_to_string(&kept).unwrap_or_default() != made {
        let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fusiform.h");
        std::fs::write(&new, made).unwrap();
        panic!("{} is old; copy {} over it", kept.display(), new.display());
    }
}

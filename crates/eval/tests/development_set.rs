//! The pairs of `lfw-dev`, which measurements rest on, name photos that are there.

use fusiform_eval::lfw::Pairs;

#[test]
fn the_development_set_reads_whole() {
    let Some(shared) = fusiform_skips::shared(&["data/lfw-dev/pairs.txt"]) else {
        return;
    };
    let images = shared.join("data/lfw-dev/images");
    let text = std::fs::read_to_string(images.with_file_name("pairs.txt")).unwrap();
    let pairs = Pairs::parse(&text).unwrap();
    assert_eq!(
        (pairs.n_folds, pairs.n_per_kind, pairs.pairs.len()),
        (5, 300, 3000)
    );
    for pair in &pairs.pairs {
        assert!(images.join(pair.a.file()).exists() && images.join(pair.b.file()).exists());
    }
}
